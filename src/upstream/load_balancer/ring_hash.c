// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/check.h"
#include "src/upstream/load_balancer/load_balancer.h"

struct ring_point {
    uint64_t hash;
    struct host *host;
};
struct ring {
    uint64_t size;
    struct ring_point points[]; /* ascending */
};

static int compare_points(const void *a, const void *b) {
    uint64_t x = ((const struct ring_point *)a)->hash;
    uint64_t y = ((const struct ring_point *)b)->hash;
    return x < y ? -1 : x > y;
}

/* Points of a host are the hashes of "<key>_0", "<key>_1", …, as Envoy has them: a fleet of both must
 * agree on every mapping. */
static void add_points(struct ring *ring, struct host *host, struct slice key, double target) {
    size_t room = key.len + 32;
    char *text = mem_alloc(room);
    if (key.len != 0) {
        memcpy(text, key.ptr, key.len);
    }
    for (uint64_t i = 0; (double)ring->size < target; i++) {
        int digits = snprintf(text + key.len, room - key.len, "_%llu", (unsigned long long)i);
        uint64_t hash = slice_xxhash64(slice_make(text, key.len + (size_t)digits), 0);
        ring->points[ring->size++] = (struct ring_point){hash, host};
    }
    mem_free(text);
}

static const void *build_table(struct arena *arena, const struct lb_config *config,
                               const struct host_priority *priority) {
    struct weighted_hosts hosts = weighted_hosts_of(priority, config->locality_weighted);
    if (hosts.count == 0) {
        mem_free(hosts.items);
        return NULL;
    }
    // The lightest host gets a whole number of points, unless the ring would grow too large.
    double scale = fmin(ceil(hosts.min_weight * (double)config->min_ring_size) / hosts.min_weight,
                        (double)config->max_ring_size);
    // Rounding in the running sum below may add one point.
    size_t capacity = (size_t)ceil(scale) + 1;
    struct ring *ring =
        arena_alloc(arena, sizeof(struct ring) + capacity * sizeof(struct ring_point));
    ring->size = 0;
    double target = 0;
    for (uint32_t i = 0; i < hosts.count; i++) {
        target += scale * hosts.items[i].weight;
        double limit = target < (double)capacity ? target : (double)capacity;
        struct host *host = hosts.items[i].host;
        add_points(ring, host, load_balancer_hash_key(host, config->use_hostname_for_hashing),
                   limit);
    }
    mem_free(hosts.items);
    qsort(ring->points, ring->size, sizeof(struct ring_point), compare_points);
    return ring;
}

static struct host *pick_from_table(const void *table, uint64_t hash, uint32_t attempt) {
    const struct ring *ring = table;
    if (ring->size == 0) {
        return NULL;
    }
    uint64_t low = 0;
    uint64_t high = ring->size;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (ring->points[middle].hash < hash) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    // Behind the last point comes the first; a retry goes on along the ring.
    return ring->points[(low + attempt) % ring->size].host;
}

const struct load_balancer_factory ring_hash_load_balancer = {
    .name = "ring_hash",
    .build_table = build_table,
    .pick_from_table = pick_from_table,
};
