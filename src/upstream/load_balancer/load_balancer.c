// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/load_balancer/load_balancer.h"

#include <math.h>

#include "src/base/check.h"
#include "src/upstream/upstream.h"

static const struct load_balancer_factory *const built_in[] = {
    [LB_ROUND_ROBIN] = &round_robin_load_balancer,
    [LB_LEAST_REQUEST] = &least_request_load_balancer,
    [LB_RANDOM] = &random_load_balancer,
    [LB_RING_HASH] = &ring_hash_load_balancer,
    [LB_MAGLEV] = &maglev_load_balancer,
    // A cluster that brings its own hosts has them chosen before it comes to a balancer.
    [LB_CLUSTER_PROVIDED] = &round_robin_load_balancer,
};

const struct load_balancer_factory *load_balancer_factory_of(const struct lb_config *config) {
    return config->factory != NULL ? config->factory : built_in[config->policy];
}

void load_balancer_init(struct load_balancer *lb, const struct lb_config *config, uint64_t seed) {
    *lb = (struct load_balancer){
        .factory = load_balancer_factory_of(config), .config = *config, .seed = seed};
}

static void priority_deinit(struct lb_priority *priority) {
    edf_scheduler_deinit(&priority->all.edf);
    edf_scheduler_deinit(&priority->healthy.edf);
    edf_scheduler_deinit(&priority->degraded.edf);
    for (uint32_t i = 0; i < 2 * priority->locality_count; i++) {
        edf_scheduler_deinit(&priority->localities[i].edf);
    }
    mem_free(priority->localities);
    edf_scheduler_deinit(&priority->healthy_localities);
    edf_scheduler_deinit(&priority->degraded_localities);
}

void load_balancer_deinit(struct load_balancer *lb) {
    for (uint32_t i = 0; i < lb->priority_count; i++) {
        priority_deinit(&lb->priorities[i]);
    }
    mem_free(lb->priorities);
    lb->priorities = NULL;
    lb->priority_count = 0;
    lb->version = 0;
}

static void list_reset(struct lb_list *list, const struct host_list *hosts) {
    list->hosts = hosts;
    list->is_scheduled = false;
    edf_scheduler_clear(&list->edf);
}

static void size_localities(struct load_balancer *lb, struct lb_priority *priority,
                            uint32_t count) {
    for (uint32_t i = 0; i < 2 * priority->locality_count; i++) {
        edf_scheduler_deinit(&priority->localities[i].edf);
    }
    mem_free(priority->localities);
    priority->localities =
        count == 0 ? NULL : mem_calloc(2 * (size_t)count, sizeof(struct lb_list));
    priority->locality_count = count;
    for (uint32_t i = 0; i < 2 * count; i++) {
        priority->localities[i].cursor = lb->seed;
    }
}

static void sync_localities(struct load_balancer *lb, struct lb_priority *priority,
                            const struct host_priority *from) {
    uint32_t count = lb->config.locality_weighted ? from->locality_count : 0;
    if (count != priority->locality_count) {
        size_localities(lb, priority, count);
    }
    edf_scheduler_clear(&priority->healthy_localities);
    edf_scheduler_clear(&priority->degraded_localities);
    for (uint32_t i = 0; i < count; i++) {
        const struct locality_hosts *locality = &from->localities[i];
        list_reset(&priority->localities[2 * i], &locality->healthy);
        list_reset(&priority->localities[2 * i + 1], &locality->degraded);
        if (from->has_locality_weights && locality->healthy_weight > 0) {
            edf_scheduler_add(&priority->healthy_localities, i, locality->healthy_weight);
        }
        if (from->has_locality_weights && locality->degraded_weight > 0) {
            edf_scheduler_add(&priority->degraded_localities, i, locality->degraded_weight);
        }
    }
}

/* Cursors stay where they are, so that frequent updates do not favour the first hosts. */
static void sync_with(struct load_balancer *lb, const struct host_set *hosts) {
    for (uint32_t i = hosts->priority_count; i < lb->priority_count; i++) {
        priority_deinit(&lb->priorities[i]);
    }
    lb->priorities =
        mem_realloc(lb->priorities, hosts->priority_count * sizeof(struct lb_priority));
    for (uint32_t i = lb->priority_count; i < hosts->priority_count; i++) {
        lb->priorities[i] = (struct lb_priority){
            .all.cursor = lb->seed, .healthy.cursor = lb->seed, .degraded.cursor = lb->seed};
    }
    lb->priority_count = hosts->priority_count;
    for (uint32_t i = 0; i < hosts->priority_count; i++) {
        const struct host_priority *from = &hosts->priorities[i];
        list_reset(&lb->priorities[i].all, &from->all);
        list_reset(&lb->priorities[i].healthy, &from->healthy);
        list_reset(&lb->priorities[i].degraded, &from->degraded);
        sync_localities(lb, &lb->priorities[i], from);
    }
    lb->version = hosts->version;
    lb->newest_host_us = hosts->newest_host_us;
}

/* The priority for a hash, and whether its degraded hosts are meant. */
static uint32_t choose_priority(const struct host_set *hosts, uint64_t hash, bool *is_degraded) {
    uint32_t point = (uint32_t)(hash % 100) + 1;
    uint32_t sum = 0;
    *is_degraded = false;
    for (uint32_t i = 0; i < hosts->priority_count; i++) {
        sum += hosts->priorities[i].healthy_load;
        if (point <= sum) {
            return i;
        }
    }
    for (uint32_t i = 0; i < hosts->priority_count; i++) {
        sum += hosts->priorities[i].degraded_load;
        if (point <= sum) {
            *is_degraded = true;
            return i;
        }
    }
    // The loads are 100 in all, so this is a host set without any.
    return 0;
}

static struct lb_list *choose_locality(struct load_balancer *lb, struct lb_priority *priority,
                                       const struct host_priority *hosts, bool is_degraded) {
    struct edf_scheduler *edf =
        is_degraded ? &priority->degraded_localities : &priority->healthy_localities;
    if (!lb->config.locality_weighted || edf->count == 0) {
        return NULL;
    }
    uint32_t locality = edf_scheduler_next(edf);
    edf_scheduler_put_back(edf, is_degraded ? hosts->localities[locality].degraded_weight
                                            : hosts->localities[locality].healthy_weight);
    return &priority->localities[2 * locality + (is_degraded ? 1 : 0)];
}

static struct host *pick_once(struct load_balancer *lb, const struct host_set *hosts,
                              const struct lb_context *context, uint32_t attempt,
                              uint32_t *panic_picks) {
    bool uses_table = lb->factory->pick_from_table != NULL;
    uint64_t hash = uses_table && context->has_hash ? context->hash : random_next(lb->random);
    bool is_degraded;
    uint32_t at = choose_priority(hosts, hash, &is_degraded);
    const struct host_priority *priority = &hosts->priorities[at];
    if (priority->is_panic) {
        (*panic_picks)++;
        if (lb->config.fail_traffic_on_panic) {
            return NULL;
        }
    }
    if (uses_table) {
        return priority->table == NULL
                   ? NULL
                   : lb->factory->pick_from_table(priority->table, hash, attempt);
    }
    struct lb_priority *state = &lb->priorities[at];
    struct lb_list *list = priority->is_panic ? &state->all : NULL;
    if (list == NULL) {
        list = choose_locality(lb, state, priority, is_degraded);
    }
    if (list == NULL) {
        list = is_degraded ? &state->degraded : &state->healthy;
    }
    return list->hosts->count == 0 ? NULL : lb->factory->pick(lb, list);
}

static struct host *find_override(const struct host_set *hosts, struct slice address) {
    for (uint32_t i = 0; i < hosts->priority_count; i++) {
        const struct host_list *all = &hosts->priorities[i].all;
        for (uint32_t k = 0; k < all->count; k++) {
            // Sessions stay on degraded hosts, but not on dead ones.
            if (slice_equal(all->hosts[k]->address_text, address) &&
                host_health(all->hosts[k]) != HOST_UNHEALTHY) {
                return all->hosts[k];
            }
        }
    }
    return NULL;
}

struct host *load_balancer_pick(struct load_balancer *lb, const struct host_set *hosts,
                                const struct lb_context *context, struct random *random,
                                uint64_t now_us, uint32_t *panic_picks) {
    if (context->override_host.len != 0) {
        struct host *host = find_override(hosts, context->override_host);
        if (host != NULL || context->override_strict) {
            return host;
        }
    }
    if (lb->version != hosts->version) {
        sync_with(lb, hosts);
    }
    lb->random = random;
    lb->now_us = now_us;
    uint32_t max_attempts =
        context->refuse == NULL || context->max_attempts == 0 ? 1 : context->max_attempts;
    struct host *host = NULL;
    for (uint32_t attempt = 0; attempt < max_attempts; attempt++) {
        host = pick_once(lb, hosts, context, attempt, panic_picks);
        if (host == NULL || context->refuse == NULL ||
            !context->refuse(context->refuse_arg, host)) {
            return host;
        }
    }
    // All were refused: the last one is better than none.
    return host;
}

static bool is_slow_starting(const struct load_balancer *lb, uint64_t since_us) {
    uint32_t window_ms = lb->config.slow_start_window_ms;
    return window_ms != 0 && lb->now_us < since_us + (uint64_t)window_ms * 1000;
}

double load_balancer_host_weight(const struct load_balancer *lb, const struct host *host) {
    double weight = atomic_load_explicit(&host->weight, memory_order_relaxed);
    uint64_t added_us = atomic_load_explicit(&host->added_us, memory_order_relaxed);
    if (!is_slow_starting(lb, added_us)) {
        return weight;
    }
    double elapsed_ms = fmax(1.0, (double)(lb->now_us - added_us) / 1000.0);
    double share = elapsed_ms / lb->config.slow_start_window_ms;
    double aggression = lb->config.slow_start_aggression;
    if (aggression > 0 && (aggression < 1.0 || aggression > 1.0)) {
        share = pow(share, 1.0 / aggression);
    }
    return weight * fmax(share, lb->config.slow_start_min_percent / 100.0);
}

bool load_balancer_is_weighted(const struct load_balancer *lb, const struct lb_list *list) {
    return !list->hosts->has_equal_weights || is_slow_starting(lb, lb->newest_host_us);
}

struct host *load_balancer_pick_scheduled(struct load_balancer *lb, struct lb_list *list,
                                          lb_weigh_fn *weigh) {
    const struct host_list *hosts = list->hosts;
    if (!list->is_scheduled) {
        edf_scheduler_clear(&list->edf);
        for (uint32_t i = 0; i < hosts->count; i++) {
            edf_scheduler_add(&list->edf, i, weigh(lb, hosts->hosts[i]));
        }
        // Threads must not all begin with the same host.
        for (uint64_t skip = lb->seed % hosts->count; skip > 0; skip--) {
            edf_scheduler_put_back(&list->edf,
                                   weigh(lb, hosts->hosts[edf_scheduler_next(&list->edf)]));
        }
        list->is_scheduled = true;
    }
    struct host *host = hosts->hosts[edf_scheduler_next(&list->edf)];
    edf_scheduler_put_back(&list->edf, weigh(lb, host));
    return host;
}
