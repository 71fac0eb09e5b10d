// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/host_set.h"

#include "src/base/check.h"
#include "src/upstream/cluster_members.h"
#include "src/upstream/cluster_state.h"
#include "src/upstream/load_balancer/load_balancer.h"
#include "src/upstream/priority_load.h"

/* A list under construction, sized for all hosts that may come into it. */
struct list_builder {
    struct host **hosts;
    uint32_t count;
    bool differs;
};

static struct list_builder builder_new(struct arena *arena, uint32_t capacity) {
    return (struct list_builder){.hosts = ARENA_NEW_ARRAY(arena, capacity, struct host *)};
}

static uint32_t weight_of(const struct host *host) {
    return atomic_load_explicit(&host->weight, memory_order_relaxed);
}

static void builder_add(struct list_builder *list, struct host *host) {
    list->differs =
        list->differs || (list->count > 0 && weight_of(host) != weight_of(list->hosts[0]));
    list->hosts[list->count++] = host;
}

static struct host_list builder_finish(const struct list_builder *list) {
    return (struct host_list){list->hosts, list->count, !list->differs};
}

/* Splits `all` by health; the healthy list is shared with `all` where every host is healthy. */
static void split(struct arena *arena, const struct host_list *all, struct host_list *healthy,
                  struct host_list *degraded) {
    uint32_t counts[3] = {0};
    for (uint32_t i = 0; i < all->count; i++) {
        counts[host_health(all->hosts[i])]++;
    }
    if (counts[HOST_HEALTHY] == all->count) {
        *healthy = *all;
        *degraded = (struct host_list){.has_equal_weights = true};
        return;
    }
    struct list_builder good = builder_new(arena, counts[HOST_HEALTHY]);
    struct list_builder poor = builder_new(arena, counts[HOST_DEGRADED]);
    for (uint32_t i = 0; i < all->count; i++) {
        enum host_health health = host_health(all->hosts[i]);
        if (health == HOST_HEALTHY) {
            builder_add(&good, all->hosts[i]);
        } else if (health == HOST_DEGRADED) {
            builder_add(&poor, all->hosts[i]);
        }
    }
    *healthy = builder_finish(&good);
    *degraded = builder_finish(&poor);
}

static bool is_excluded(const struct host *host) {
    return (host_flags(host) & (HOST_EXCLUDED | HOST_PENDING_ACTIVE_HC)) != 0 &&
           host_health(host) == HOST_UNHEALTHY;
}

static struct host_list excluded_of(struct arena *arena, const struct host_list *all) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < all->count; i++) {
        count += is_excluded(all->hosts[i]) ? 1 : 0;
    }
    struct list_builder list = builder_new(arena, count);
    for (uint32_t i = 0; i < all->count && count > 0; i++) {
        if (is_excluded(all->hosts[i])) {
            builder_add(&list, all->hosts[i]);
        }
    }
    return builder_finish(&list);
}

static bool locality_equal(const struct locality *a, const struct locality *b) {
    return slice_equal(a->region, b->region) && slice_equal(a->zone, b->zone) &&
           slice_equal(a->sub_zone, b->sub_zone);
}

/* A locality's share of the requests: its weight, reduced when too few of its hosts are available. */
static double effective_weight(const struct locality_hosts *locality, uint32_t available,
                               uint32_t overprovisioning) {
    uint32_t excluded = 0;
    for (uint32_t i = 0; i < locality->all.count; i++) {
        excluded += is_excluded(locality->all.hosts[i]) ? 1 : 0;
    }
    uint32_t count = locality->all.count - excluded;
    if (count == 0) {
        return 0;
    }
    double ratio = overprovisioning / 100.0 * ((double)available / count);
    return locality->weight * (ratio < 1.0 ? ratio : 1.0);
}

static struct locality_hosts *find_locality(struct locality_hosts *localities, uint32_t *count,
                                            const struct cluster_member *member) {
    for (uint32_t i = 0; i < *count; i++) {
        if (locality_equal(&localities[i].locality, &member->host->locality)) {
            return &localities[i];
        }
    }
    struct locality_hosts *locality = &localities[(*count)++];
    *locality = (struct locality_hosts){.locality = member->host->locality,
                                        .weight = member->locality_weight};
    return locality;
}

static void build_localities(struct arena *arena, const struct cluster_members *members,
                             uint32_t number, struct host_priority *priority) {
    struct locality_hosts *localities =
        ARENA_NEW_ARRAY(arena, priority->all.count, struct locality_hosts);
    uint32_t count = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        if (members->items[i].host->priority == number) {
            find_locality(localities, &count, &members->items[i])->all.count++;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        struct list_builder list = builder_new(arena, localities[i].all.count);
        for (uint32_t k = 0; k < priority->all.count; k++) {
            if (locality_equal(&priority->all.hosts[k]->locality, &localities[i].locality)) {
                builder_add(&list, priority->all.hosts[k]);
            }
        }
        struct locality_hosts *locality = &localities[i];
        locality->all = builder_finish(&list);
        split(arena, &locality->all, &locality->healthy, &locality->degraded);
        uint32_t percent = members->overprovisioning_percent;
        locality->healthy_weight = effective_weight(locality, locality->healthy.count, percent);
        locality->degraded_weight = effective_weight(locality, locality->degraded.count, percent);
        priority->has_locality_weights = priority->has_locality_weights || locality->weight != 0;
    }
    priority->localities = localities;
    priority->locality_count = count;
}

static void build_priority(struct host_set *set, const struct cluster_members *members,
                           uint32_t number, bool with_localities) {
    struct arena *arena = &set->part.arena;
    struct host_priority *priority = &set->priorities[number];
    uint32_t count = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        count += members->items[i].host->priority == number ? 1 : 0;
    }
    struct list_builder all = builder_new(arena, count);
    for (uint32_t i = 0; i < members->count && count > 0; i++) {
        if (members->items[i].host->priority == number) {
            builder_add(&all, members->items[i].host);
        }
    }
    priority->all = builder_finish(&all);
    split(arena, &priority->all, &priority->healthy, &priority->degraded);
    priority->excluded = excluded_of(arena, &priority->all);
    if (with_localities && count > 0) {
        build_localities(arena, members, number, priority);
    }
    set->host_count += count;
    set->healthy_count += priority->healthy.count;
    set->degraded_count += priority->degraded.count;
    set->excluded_count += priority->excluded.count;
}

static void release(void *object) {
    struct host_set *set = object;
    for (uint32_t i = 0; i < set->priority_count; i++) {
        const struct host_list *all = &set->priorities[i].all;
        for (uint32_t k = 0; k < all->count; k++) {
            host_unref(all->hosts[k]);
        }
    }
    cluster_state_unref(set->state);
}

static void hold_hosts(struct host_set *set) {
    for (uint32_t i = 0; i < set->priority_count; i++) {
        const struct host_list *all = &set->priorities[i].all;
        for (uint32_t k = 0; k < all->count; k++) {
            struct host *host = host_ref(all->hosts[k]);
            uint64_t added_us = atomic_load_explicit(&host->added_us, memory_order_relaxed);
            set->newest_host_us = added_us > set->newest_host_us ? added_us : set->newest_host_us;
        }
    }
}

/* What a set of one priority takes, its hosts all healthy and without localities. */
static size_t usual_bytes(const struct cluster_members *members) {
    enum { CLEANUP_BYTES = 64 };
    return sizeof(struct host_priority) + members->count * sizeof(struct host *) + CLEANUP_BYTES;
}

struct host_set *host_set_new(const struct host_set_options *options) {
    const struct cluster_members *members = options->members;
    struct host_set *set = config_part_new_sized(CONFIG_ENDPOINT, sizeof(struct host_set),
                                                 options->name, usual_bytes(members));
    set->state = cluster_state_ref(options->state);
    set->version = ++options->state->set_version;
    set->overprovisioning_percent = members->overprovisioning_percent;
    set->drop_overload_per_million = members->drop_overload_per_million;
    set->weighted_priority_health = members->weighted_priority_health;
    set->priority_count = 1;
    for (uint32_t i = 0; i < members->count; i++) {
        uint32_t priority = members->items[i].host->priority;
        set->priority_count = priority >= set->priority_count ? priority + 1 : set->priority_count;
    }
    set->priorities = ARENA_NEW_ARRAY(&set->part.arena, set->priority_count, struct host_priority);
    for (uint32_t i = 0; i < set->priority_count; i++) {
        build_priority(set, members, i, options->lb->locality_weighted);
    }
    hold_hosts(set);
    config_part_on_free(&set->part, release, set);
    priority_load_compute(set, options->panic_percent);
    const struct load_balancer_factory *factory = load_balancer_factory_of(options->lb);
    for (uint32_t i = 0; i < set->priority_count && factory->build_table != NULL; i++) {
        struct host_priority *priority = &set->priorities[i];
        priority->table = factory->build_table(&set->part.arena, options->lb, priority);
    }
    return set;
}
