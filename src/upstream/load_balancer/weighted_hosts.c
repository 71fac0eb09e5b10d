// SPDX-License-Identifier: Apache-2.0
#include "src/base/check.h"
#include "src/upstream/load_balancer/load_balancer.h"

static void add_list(struct weighted_hosts *to, const struct host_list *list, double share) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        sum += atomic_load_explicit(&list->hosts[i]->weight, memory_order_relaxed);
    }
    for (uint32_t i = 0; i < list->count; i++) {
        double weight = atomic_load_explicit(&list->hosts[i]->weight, memory_order_relaxed) *
                        share / (double)sum;
        to->items[to->count++] = (struct weighted_host){list->hosts[i], weight};
        to->min_weight = weight < to->min_weight ? weight : to->min_weight;
        to->max_weight = weight > to->max_weight ? weight : to->max_weight;
    }
}

static double locality_weight(const struct host_priority *priority,
                              const struct locality_hosts *locality) {
    return priority->is_panic ? locality->weight : locality->healthy_weight;
}

static void add_localities(struct weighted_hosts *to, const struct host_priority *priority) {
    double sum = 0;
    for (uint32_t i = 0; i < priority->locality_count; i++) {
        sum += locality_weight(priority, &priority->localities[i]);
    }
    for (uint32_t i = 0; i < priority->locality_count; i++) {
        const struct locality_hosts *locality = &priority->localities[i];
        double weight = locality_weight(priority, locality);
        if (weight > 0) {
            add_list(to, priority->is_panic ? &locality->all : &locality->healthy, weight / sum);
        }
    }
}

struct weighted_hosts weighted_hosts_of(const struct host_priority *priority,
                                        bool locality_weighted) {
    const struct host_list *list = priority->is_panic ? &priority->all : &priority->healthy;
    struct weighted_hosts hosts = {.min_weight = 1.0};
    if (list->count == 0) {
        return hosts;
    }
    hosts.items = mem_calloc(list->count, sizeof(struct weighted_host));
    if (locality_weighted && priority->has_locality_weights) {
        add_localities(&hosts, priority);
    } else {
        add_list(&hosts, list, 1.0);
    }
    return hosts;
}

struct slice load_balancer_hash_key(const struct host *host, bool use_hostname) {
    for (uint32_t i = 0; i < host->metadata.count; i++) {
        const struct metadata_entry *entry = &host->metadata.entries[i];
        if (entry->is_string && slice_equal(entry->filter, SLICE("envoy.lb")) &&
            slice_equal(entry->path, SLICE("hash_key")) && entry->value.len != 0) {
            return entry->value;
        }
    }
    return use_hostname ? host->hostname : host->address_text;
}
