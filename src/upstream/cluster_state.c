// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/cluster_state.h"

#include "src/base/check.h"
#include "src/upstream/cluster_manager_internal.h"
#include "src/upstream/outlier_detector.h"

struct cluster_state *cluster_state_ref(struct cluster_state *state) {
    CHECK_MAGIC(state, CLUSTER_STATE_MAGIC);
    atomic_fetch_add_explicit(&state->refs, 1, memory_order_relaxed);
    return state;
}

static struct slice dup_text(struct slice text) {
    return slice_make(mem_dup_string((const char *)text.ptr, text.len), text.len);
}

static void free_text(struct slice text) {
    mem_free((void *)(uintptr_t)text.ptr);
}

struct cluster_state *cluster_state_new(struct cluster_manager *manager,
                                        const struct cluster_part *part) {
    uint32_t threads = manager->control->index + 1;
    size_t size = sizeof(struct cluster_state) + threads * sizeof(struct worker_cluster *);
    size = (size + 63) & ~(size_t)63;
    struct cluster_state *state = mem_alloc_aligned(64, size);
    memset(state, 0, size);
    state->magic = CLUSTER_STATE_MAGIC;
    atomic_init(&state->refs, 1);
    state->manager = manager;
    state->control = manager->control;
    state->thread_count = threads;
    state->name = dup_text(part->part.name);
    state->stat_name = dup_text(part->stat_name);
    struct arena arena;
    arena_init_heap(&arena, 0);
    state->stats = stats_scope_get(manager->stats,
                                   arena_printf(&arena, "cluster.%.*s", SLICE_ARG(part->stat_name)),
                                   &cluster_stat_table);
    arena_deinit(&arena);
    hash_map_init(&state->hosts);
    circuit_breaker_init(&state->breakers[0], false, state->stats);
    circuit_breaker_init(&state->breakers[1], true, state->stats);
    hash_map_put(&manager->states, state->name, state);
    manager->refs++;
    return state;
}

void cluster_state_unref(struct cluster_state *state) {
    CHECK_MAGIC(state, CLUSTER_STATE_MAGIC);
    if (atomic_fetch_sub_explicit(&state->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    ASSERT(state->hosts.count == 0);
    struct cluster_manager *manager = state->manager;
    if (hash_map_get(&manager->states, state->name) == state) {
        hash_map_remove(&manager->states, state->name);
    }
    outlier_detector_free(atomic_load_explicit(&state->outlier, memory_order_relaxed));
    hash_map_deinit(&state->hosts);
    stats_scope_unref(state->stats);
    stats_scope_unref(atomic_load_explicit(&state->ssl_stats, memory_order_relaxed));
    stats_scope_unref(atomic_load_explicit(&state->http1_stats, memory_order_relaxed));
    stats_scope_unref(atomic_load_explicit(&state->http2_stats, memory_order_relaxed));
    free_text(state->name);
    free_text(state->stat_name);
    state->magic = 0;
    mem_free(state);
    cluster_manager_release(manager);
}
