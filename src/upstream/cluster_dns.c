// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/cluster_dns.h"

#include "src/base/check.h"
#include "src/base/log.h"
#include "src/event/timer.h"
#include "src/net/dns_resolver.h"

enum { CLUSTER_DNS_MAGIC = 0x43444e53 };

struct dns_target {
    struct cluster_dns *dns;
    const struct endpoint_config *endpoint;
    const struct locality_config *locality;
    struct dns_query *query; /* NULL: none runs */
    struct timer timer;
    struct address *addresses;
    uint32_t address_count;
    uint32_t backoff_ms; /* of the next failure */
    bool is_done_once;
};

struct cluster_dns {
    uint32_t magic;
    struct cluster_dns_options options;
    struct dns_resolver *resolver;
    struct dns_resolver *own_resolver; /* NULL: the thread's */
    uint32_t target_count;
    uint32_t done_count;
    struct dns_target targets[];
};

static void resolve(struct dns_target *target);

static void count(const struct cluster_dns *dns, enum cluster_stat stat) {
    stats_inc(dns->options.state->stats, dns->options.io->index, stat);
}

static bool same_addresses(const struct dns_target *target, const struct address *addresses,
                           uint32_t address_count) {
    if (target->address_count != address_count) {
        return false;
    }
    for (uint32_t i = 0; i < address_count; i++) {
        if (!address_equal(&target->addresses[i], &addresses[i])) {
            return false;
        }
    }
    return true;
}

/* LOGICAL_DNS uses one address: the one in use as long as it is in the answer, so that a name whose
 * answers rotate does not lose its connections at each refresh; else the first. */
static uint32_t choose_one(const struct dns_target *target, struct address *addresses,
                           uint32_t address_count) {
    for (uint32_t i = 0; i < address_count && target->address_count == 1; i++) {
        if (address_equal(&addresses[i], &target->addresses[0])) {
            addresses[0] = addresses[i];
            break;
        }
    }
    return address_count > 0 ? 1 : 0;
}

static bool take_answers(struct dns_target *target, const struct dns_answer *answers,
                         uint32_t answer_count) {
    struct address *addresses =
        answer_count == 0 ? NULL : mem_calloc(answer_count, sizeof(struct address));
    for (uint32_t i = 0; i < answer_count; i++) {
        addresses[i] = answers[i].address;
        address_set_port(&addresses[i], target->endpoint->dns_port);
    }
    uint32_t address_count = answer_count;
    if (target->dns->options.cluster->type == CLUSTER_LOGICAL_DNS) {
        address_count = choose_one(target, addresses, answer_count);
    }
    bool is_changed = !same_addresses(target, addresses, address_count);
    mem_free(target->addresses);
    target->addresses = addresses;
    target->address_count = address_count;
    return is_changed;
}

static uint64_t refresh_delay_ms(const struct cluster_dns *dns, const struct dns_answer *answers,
                                 uint32_t answer_count) {
    const struct cluster_dns_config *config = dns->options.cluster->dns;
    uint64_t delay = config->refresh_ms;
    if (config->respect_ttl && answer_count > 0) {
        uint32_t ttl_s = UINT32_MAX;
        for (uint32_t i = 0; i < answer_count; i++) {
            ttl_s = answers[i].ttl_s < ttl_s ? answers[i].ttl_s : ttl_s;
        }
        delay = ttl_s == 0 ? delay : (uint64_t)ttl_s * 1000;
    }
    if (answer_count > 0) {
        delay += random_below(&dns->options.io->random, config->jitter_ms);
    }
    return delay;
}

static uint64_t failure_delay_ms(struct dns_target *target) {
    const struct cluster_dns_config *config = target->dns->options.cluster->dns;
    uint32_t base = config->failure_base_ms;
    uint32_t max = config->failure_max_ms;
    if (base == 0) {
        return config->refresh_ms;
    }
    if (max <= base) {
        return base;
    }
    uint32_t interval = target->backoff_ms == 0 ? base : target->backoff_ms;
    target->backoff_ms = interval > max / 2 ? max : interval * 2;
    return random_below(&target->dns->options.io->random, interval) + 1;
}

static void on_done(void *arg, enum status status, const struct dns_answer *answers,
                    uint32_t answer_count) {
    struct dns_target *target = arg;
    struct cluster_dns *dns = target->dns;
    CHECK_MAGIC(dns, CLUSTER_DNS_MAGIC);
    target->query = NULL;
    bool is_changed = false;
    uint64_t delay_ms;
    // A name that does not exist, or has no address, is an answer: its hosts are gone.
    if (status == STATUS_OK || status == STATUS_NOT_FOUND) {
        uint32_t used = status == STATUS_OK ? answer_count : 0;
        count(dns, CLUSTER_STAT_UPDATE_SUCCESS);
        if (used == 0) {
            count(dns, CLUSTER_STAT_UPDATE_EMPTY);
        }
        target->backoff_ms = 0;
        is_changed = take_answers(target, answers, used);
        delay_ms = refresh_delay_ms(dns, answers, used);
    } else {
        count(dns, CLUSTER_STAT_UPDATE_FAILURE);
        LOG(DNS, DEBUG, "cluster '%.*s': no answer for %.*s", SLICE_ARG(dns->options.state->name),
            SLICE_ARG(target->endpoint->dns_name));
        delay_ms = failure_delay_ms(target);
    }
    timer_arm(dns->options.io->loop, &target->timer, delay_ms);
    bool is_first = !target->is_done_once;
    target->is_done_once = true;
    dns->done_count += is_first ? 1 : 0;
    if (is_changed || (is_first && cluster_dns_is_ready(dns))) {
        dns->options.on_change(dns->options.arg);
    } else if (!is_first) {
        count(dns, CLUSTER_STAT_UPDATE_NO_REBUILD);
    }
}

static void on_timer(void *arg) {
    resolve(arg);
}

static void resolve(struct dns_target *target) {
    struct cluster_dns *dns = target->dns;
    CHECK_MAGIC(dns, CLUSTER_DNS_MAGIC);
    count(dns, CLUSTER_STAT_UPDATE_ATTEMPT);
    target->query = dns_resolve(dns->resolver, target->endpoint->dns_name,
                                dns->options.cluster->dns->family, on_done, target);
}

static uint32_t count_endpoints(const struct endpoint_part *assignment) {
    uint32_t endpoints = 0;
    for (uint32_t i = 0; i < assignment->locality_count; i++) {
        endpoints += assignment->localities[i].endpoint_count;
    }
    return endpoints;
}

static bool choose_resolver(struct cluster_dns *dns) {
    const struct dns_options *wanted = &dns->options.cluster->dns->options;
    struct io_context *io = dns->options.io;
    bool is_special = wanted->server_count != 0 || wanted->use_tcp || wanted->timeout_ms != 0 ||
                      wanted->tries != 0;
    struct error err = {0};
    if (!is_special && io->dns == NULL) {
        io->dns = dns_resolver_new(io->loop, wanted, &err);
    }
    dns->resolver = io->dns;
    if (is_special) {
        dns->own_resolver = dns_resolver_new(io->loop, wanted, &err);
        dns->resolver = dns->own_resolver;
    }
    if (dns->resolver == NULL) {
        LOG(DNS, ERROR, "cluster '%.*s': no resolver: %s", SLICE_ARG(dns->options.state->name),
            err.message);
    }
    return dns->resolver != NULL;
}

struct cluster_dns *cluster_dns_new(const struct cluster_dns_options *options) {
    uint32_t endpoints = count_endpoints(options->assignment);
    struct cluster_dns *dns =
        mem_calloc(1, sizeof(struct cluster_dns) + endpoints * sizeof(struct dns_target));
    dns->magic = CLUSTER_DNS_MAGIC;
    dns->options = *options;
    for (uint32_t i = 0; i < options->assignment->locality_count; i++) {
        const struct locality_config *locality = &options->assignment->localities[i];
        for (uint32_t k = 0; k < locality->endpoint_count; k++) {
            struct dns_target *target = &dns->targets[dns->target_count++];
            target->dns = dns;
            target->endpoint = &locality->endpoints[k];
            target->locality = locality;
            timer_init(&target->timer, on_timer, target);
        }
    }
    bool has_resolver = choose_resolver(dns);
    for (uint32_t i = 0; i < dns->target_count; i++) {
        struct dns_target *target = &dns->targets[i];
        if (slice_is_empty(target->endpoint->dns_name) || !has_resolver) {
            target->is_done_once = true;
            dns->done_count++;
        } else {
            resolve(target);
        }
    }
    return dns;
}

void cluster_dns_free(struct cluster_dns *dns) {
    if (dns == NULL) {
        return;
    }
    CHECK_MAGIC(dns, CLUSTER_DNS_MAGIC);
    for (uint32_t i = 0; i < dns->target_count; i++) {
        struct dns_target *target = &dns->targets[i];
        timer_cancel(&target->timer);
        if (target->query != NULL) {
            dns_query_cancel(target->query);
        }
        mem_free(target->addresses);
    }
    dns_resolver_free(dns->own_resolver);
    dns->magic = 0;
    mem_free(dns);
}

bool cluster_dns_is_ready(const struct cluster_dns *dns) {
    return dns->done_count == dns->target_count;
}

void cluster_dns_collect(const struct cluster_dns *dns, struct member_inputs *inputs) {
    for (uint32_t i = 0; i < dns->target_count; i++) {
        const struct dns_target *target = &dns->targets[i];
        if (slice_is_empty(target->endpoint->dns_name)) {
            struct address address = stored_address_get(&target->endpoint->address);
            member_inputs_add(inputs, target->endpoint, target->locality, &address);
        }
        for (uint32_t k = 0; k < target->address_count; k++) {
            member_inputs_add(inputs, target->endpoint, target->locality, &target->addresses[k]);
        }
    }
}
