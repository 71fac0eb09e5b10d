// SPDX-License-Identifier: Apache-2.0
/*
 * The limits of one cluster and priority over all threads: what is in use is counted in relaxed atomics
 * on a cache line of its own. The limits may be changed at any time by the control thread; what is in
 * use stays. Gauges circuit_breakers.<priority>.* follow.
 */
#ifndef SRC_UPSTREAM_CIRCUIT_BREAKER_H
#define SRC_UPSTREAM_CIRCUIT_BREAKER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "src/config/cluster_config.h"
#include "src/stats/stats.h"

/* In the order of the stats. */
enum breaker_resource {
    BREAKER_CONNECTIONS,
    BREAKER_POOLS,
    BREAKER_PENDING,
    BREAKER_REQUESTS,
    BREAKER_RETRIES,
    BREAKER_RESOURCE_COUNT,
};

struct circuit_breaker {
    _Alignas(64) _Atomic uint32_t used[BREAKER_RESOURCE_COUNT];
    _Atomic uint32_t max[BREAKER_RESOURCE_COUNT];
    _Atomic uint32_t budget_per_million; /* of retries; UINT32_MAX: no budget, max counts */
    _Atomic uint32_t budget_min;
    uint32_t is_high;
    _Atomic bool is_tracked; /* remaining_* gauges */
    struct stats_scope *stats;
};

/* `is_high`: the HIGH priority's; `stats` over cluster_stat_table outlives it. */
void circuit_breaker_init(struct circuit_breaker *breaker, bool is_high, struct stats_scope *stats);
/* Control thread, whose stats cell is `thread`. */
void circuit_breaker_configure(struct circuit_breaker *breaker, uint32_t thread,
                               const struct circuit_breaker_thresholds *thresholds);
/* Takes one; false where none is left. */
bool circuit_breaker_try(struct circuit_breaker *breaker, uint32_t thread,
                         enum breaker_resource resource);
/* Takes one whatever the limit says. */
void circuit_breaker_force(struct circuit_breaker *breaker, uint32_t thread,
                           enum breaker_resource resource);
void circuit_breaker_release(struct circuit_breaker *breaker, uint32_t thread,
                             enum breaker_resource resource);

/* As release, but no-op where none is taken: for holders that only know the cluster's name, which may
 * stand for another cluster by now. */
void circuit_breaker_release_if_any(struct circuit_breaker *breaker, uint32_t thread,
                                    enum breaker_resource resource);

static inline uint32_t circuit_breaker_used(const struct circuit_breaker *breaker,
                                            enum breaker_resource resource) {
    return atomic_load_explicit(&breaker->used[resource], memory_order_relaxed);
}
static inline uint32_t circuit_breaker_max(const struct circuit_breaker *breaker,
                                           enum breaker_resource resource) {
    return atomic_load_explicit(&breaker->max[resource], memory_order_relaxed);
}

#endif
