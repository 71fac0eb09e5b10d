// SPDX-License-Identifier: Apache-2.0
#include "src/base/check.h"
#include "src/upstream/load_balancer/load_balancer.h"

/* Eisenbud et al., "Maglev", §3.4: each host walks its own permutation of the table's places. Hosts are
 * kept as indexes: a table of 65,537 places takes 256 KiB instead of 512. */
struct maglev {
    uint32_t size;
    struct host **hosts;
    uint32_t *places; /* index + 1; 0 only while building */
};

struct walker {
    uint64_t offset, skip, next;
    double weight, target;
};

static uint64_t greatest_common_divisor(uint64_t a, uint64_t b) {
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* A walk reaches every place only where skip and size have no common divisor; the table's size should
 * be a prime, but a walk that never ends would be too high a price for one that is not. */
static uint64_t skip_for(struct slice key, uint32_t size) {
    uint64_t skip = slice_xxhash64(key, 1) % (size - 1) + 1;
    while (greatest_common_divisor(skip, size) != 1) {
        skip = skip % (size - 1) + 1;
    }
    return skip;
}

static uint64_t step(struct walker *walker, uint32_t size) {
    return (walker->offset + walker->skip * walker->next++) % size;
}

static void fill(struct maglev *table, struct walker *walkers, uint32_t count, double max_weight) {
    uint32_t filled = 0;
    for (uint32_t iteration = 1; filled < table->size; iteration++) {
        for (uint32_t i = 0; i < count && filled < table->size; i++) {
            struct walker *walker = &walkers[i];
            // A host of a third of the largest weight has its turn in every third iteration.
            if (iteration * walker->weight < walker->target) {
                continue;
            }
            walker->target += max_weight;
            uint64_t place = step(walker, table->size);
            while (table->places[place] != 0) {
                place = step(walker, table->size);
            }
            table->places[place] = i + 1;
            filled++;
        }
    }
}

static const void *build_table(struct arena *arena, const struct lb_config *config,
                               const struct host_priority *priority) {
    struct weighted_hosts hosts = weighted_hosts_of(priority, config->locality_weighted);
    uint32_t size = config->table_size;
    if (hosts.count == 0 || size < 2) {
        mem_free(hosts.items);
        return NULL;
    }
    struct maglev *table = ARENA_NEW(arena, struct maglev);
    table->size = size;
    table->hosts = ARENA_NEW_ARRAY(arena, hosts.count, struct host *);
    table->places = ARENA_NEW_ARRAY(arena, size, uint32_t);
    struct walker *walkers = mem_calloc(hosts.count, sizeof(struct walker));
    for (uint32_t i = 0; i < hosts.count; i++) {
        struct host *host = hosts.items[i].host;
        struct slice key = load_balancer_hash_key(host, config->use_hostname_for_hashing);
        table->hosts[i] = host;
        walkers[i] = (struct walker){.offset = slice_xxhash64(key, 0) % size,
                                     .skip = skip_for(key, size),
                                     .weight = hosts.items[i].weight};
    }
    fill(table, walkers, hosts.count, hosts.max_weight);
    mem_free(walkers);
    mem_free(hosts.items);
    return table;
}

static struct host *pick_from_table(const void *table, uint64_t hash, uint32_t attempt) {
    const struct maglev *maglev = table;
    if (attempt > 0) {
        // Another place for each attempt, the same ones as Envoy's.
        hash ^= ~UINT64_C(0) - attempt + 1;
    }
    return maglev->hosts[maglev->places[hash % maglev->size] - 1];
}

const struct load_balancer_factory maglev_load_balancer = {
    .name = "maglev",
    .build_table = build_table,
    .pick_from_table = pick_from_table,
};
