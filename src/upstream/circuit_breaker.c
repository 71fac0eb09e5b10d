// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/circuit_breaker.h"

#include "src/base/check.h"
#include "src/upstream/cluster_stats.h"

static const uint32_t high_offset =
    CLUSTER_STAT_CIRCUIT_BREAKERS_HIGH_CX_OPEN - CLUSTER_STAT_CIRCUIT_BREAKERS_DEFAULT_CX_OPEN;

static uint32_t open_gauge(const struct circuit_breaker *breaker, enum breaker_resource resource) {
    return CLUSTER_STAT_CIRCUIT_BREAKERS_DEFAULT_CX_OPEN + (uint32_t)resource +
           (breaker->is_high != 0 ? high_offset : 0);
}

static uint32_t remaining_gauge(const struct circuit_breaker *breaker,
                                enum breaker_resource resource) {
    return open_gauge(breaker, resource) + BREAKER_RESOURCE_COUNT;
}

void circuit_breaker_init(struct circuit_breaker *breaker, bool is_high,
                          struct stats_scope *stats) {
    for (int i = 0; i < BREAKER_RESOURCE_COUNT; i++) {
        atomic_init(&breaker->used[i], 0);
        atomic_init(&breaker->max[i], UINT32_MAX);
    }
    atomic_init(&breaker->budget_per_million, UINT32_MAX);
    atomic_init(&breaker->budget_min, 0);
    atomic_init(&breaker->is_tracked, false);
    breaker->is_high = is_high;
    breaker->stats = stats;
}

/* A limit of nothing never opens by a request that was taken: as in Envoy its gauge stays at 0. */
static bool is_open(uint32_t used, uint32_t max) {
    return max > 0 && used >= max;
}

static void set_max(struct circuit_breaker *breaker, uint32_t thread,
                    enum breaker_resource resource, uint32_t max, bool was_tracked,
                    bool is_tracked) {
    uint32_t used = circuit_breaker_used(breaker, resource);
    uint32_t before = circuit_breaker_max(breaker, resource);
    atomic_store_explicit(&breaker->max[resource], max, memory_order_relaxed);
    if (is_open(used, before) && !is_open(used, max)) {
        stats_dec(breaker->stats, thread, open_gauge(breaker, resource));
    } else if (!is_open(used, before) && is_open(used, max)) {
        stats_inc(breaker->stats, thread, open_gauge(breaker, resource));
    }
    // The gauge is the sum of all threads' cells: the limit in ours, minus one for each that is taken.
    uint64_t old_base = was_tracked ? (uint64_t)before - used : 0;
    uint64_t new_base = is_tracked ? (uint64_t)max - used : 0;
    if (new_base != old_base) {
        stats_add(breaker->stats, thread, remaining_gauge(breaker, resource), new_base - old_base);
    }
}

void circuit_breaker_configure(struct circuit_breaker *breaker, uint32_t thread,
                               const struct circuit_breaker_thresholds *thresholds) {
    bool was_tracked = atomic_load_explicit(&breaker->is_tracked, memory_order_relaxed);
    bool is_tracked = thresholds->track_remaining;
    set_max(breaker, thread, BREAKER_CONNECTIONS, thresholds->max_connections, was_tracked,
            is_tracked);
    set_max(breaker, thread, BREAKER_POOLS, thresholds->max_connection_pools, was_tracked,
            is_tracked);
    set_max(breaker, thread, BREAKER_PENDING, thresholds->max_pending_requests, was_tracked,
            is_tracked);
    set_max(breaker, thread, BREAKER_REQUESTS, thresholds->max_requests, was_tracked, is_tracked);
    set_max(breaker, thread, BREAKER_RETRIES, thresholds->max_retries, was_tracked, is_tracked);
    atomic_store_explicit(&breaker->is_tracked, is_tracked, memory_order_relaxed);
    atomic_store_explicit(&breaker->budget_min, thresholds->retry_budget_min_concurrency,
                          memory_order_relaxed);
    atomic_store_explicit(&breaker->budget_per_million,
                          thresholds->has_retry_budget ? thresholds->retry_budget_per_million
                                                       : UINT32_MAX,
                          memory_order_relaxed);
}

/* With a budget the limit of retries follows what is going on. */
static uint32_t limit_of(const struct circuit_breaker *breaker, enum breaker_resource resource) {
    uint32_t budget = atomic_load_explicit(&breaker->budget_per_million, memory_order_relaxed);
    if (resource != BREAKER_RETRIES || budget == UINT32_MAX) {
        return circuit_breaker_max(breaker, resource);
    }
    uint64_t busy = (uint64_t)circuit_breaker_used(breaker, BREAKER_REQUESTS) +
                    circuit_breaker_used(breaker, BREAKER_PENDING);
    uint64_t limit = busy * budget / 1000000;
    uint32_t min = atomic_load_explicit(&breaker->budget_min, memory_order_relaxed);
    return limit < min ? min : (uint32_t)limit;
}

/* `used`: before this one was taken. */
static void note_taken(struct circuit_breaker *breaker, uint32_t thread,
                       enum breaker_resource resource, uint32_t used) {
    if (used + 1 == circuit_breaker_max(breaker, resource)) {
        stats_inc(breaker->stats, thread, open_gauge(breaker, resource));
    }
    if (atomic_load_explicit(&breaker->is_tracked, memory_order_relaxed)) {
        stats_dec(breaker->stats, thread, remaining_gauge(breaker, resource));
    }
}

bool circuit_breaker_try(struct circuit_breaker *breaker, uint32_t thread,
                         enum breaker_resource resource) {
    uint32_t limit = limit_of(breaker, resource);
    uint32_t used = circuit_breaker_used(breaker, resource);
    do {
        if (used >= limit) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&breaker->used[resource], &used, used + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    note_taken(breaker, thread, resource, used);
    return true;
}

void circuit_breaker_force(struct circuit_breaker *breaker, uint32_t thread,
                           enum breaker_resource resource) {
    uint32_t used = atomic_fetch_add_explicit(&breaker->used[resource], 1, memory_order_relaxed);
    note_taken(breaker, thread, resource, used);
}

/* `used`: before this one was given back. */
static void note_released(struct circuit_breaker *breaker, uint32_t thread,
                          enum breaker_resource resource, uint32_t used) {
    if (used == circuit_breaker_max(breaker, resource)) {
        stats_dec(breaker->stats, thread, open_gauge(breaker, resource));
    }
    if (atomic_load_explicit(&breaker->is_tracked, memory_order_relaxed)) {
        stats_inc(breaker->stats, thread, remaining_gauge(breaker, resource));
    }
}

void circuit_breaker_release(struct circuit_breaker *breaker, uint32_t thread,
                             enum breaker_resource resource) {
    uint32_t used = atomic_fetch_sub_explicit(&breaker->used[resource], 1, memory_order_relaxed);
    ASSERT(used > 0);
    note_released(breaker, thread, resource, used);
}

void circuit_breaker_release_if_any(struct circuit_breaker *breaker, uint32_t thread,
                                    enum breaker_resource resource) {
    uint32_t used = circuit_breaker_used(breaker, resource);
    do {
        if (used == 0) {
            return;
        }
    } while (!atomic_compare_exchange_weak_explicit(&breaker->used[resource], &used, used - 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    note_released(breaker, thread, resource, used);
}
