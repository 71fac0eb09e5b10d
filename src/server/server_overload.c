// SPDX-License-Identifier: Apache-2.0
/* What the overload manager finds, carried out: the actions that are no check on the data path. */
#include "src/base/clock.h"
#include "src/overload/overload_manager.h"
#include "src/overload/overload_stats.h"
#include "src/server/server_internal.h"

enum { TRIM_PAUSE = 9 }; /* times as long as it took */

void server_shrink_heap(struct server *server) {
    if (!overload_is_saturated(&server->overload_state, OVERLOAD_SHRINK_HEAP)) {
        return;
    }
    for (uint32_t i = 0; i < server->concurrency; i++) {
        worker_shrink_heap(server->workers[i]);
    }
    heap_trim_start(&server->heap_trim);
    overload_manager_count_shrink(server->overload);
}

static void on_change(void *arg, enum overload_action action, bool is_saturated) {
    struct server *server = arg;
    if (action == OVERLOAD_SHRINK_HEAP) {
        server_shrink_heap(server);
    }
    if (action != OVERLOAD_STOP_ACCEPTING_CONNECTIONS) {
        return;
    }
    for (uint32_t i = 0; i < server->concurrency; i++) {
        worker_pause_accepting(server->workers[i], is_saturated);
    }
}

/* What streams held that were reset is the allocator's, not yet the kernel's: the next reading would
 * ask for more of them. Over a large heap a trim takes long, and workers wait for it: one part in ten
 * of the time at most. */
static void on_refresh(void *arg) {
    struct server *server = arg;
    struct overload_trim *trim = &server->overload_trim;
    uint64_t resets = stats_value(server->stream_resets, STREAM_RESET_STAT_COUNT);
    uint64_t now_us = clock_system()->monotonic_us(clock_system());
    if (resets == trim->resets_seen || now_us < trim->next_us) {
        return;
    }
    trim->resets_seen = resets;
    heap_trim_start(&server->heap_trim);
    uint64_t end_us = clock_system()->monotonic_us(clock_system());
    trim->next_us = end_us + (end_us - now_us) * TRIM_PAUSE;
}

static void tell_timeouts(struct server *server) {
    uint32_t scale = overload_scale(&server->overload_state, OVERLOAD_REDUCE_TIMEOUTS);
    if (scale == server->timeout_scale) {
        return;
    }
    server->timeout_scale = scale;
    for (uint32_t i = 0; i < server->concurrency; i++) {
        worker_rescale_timeouts(server->workers[i]);
    }
}

static void on_refreshed(void *arg) {
    struct server *server = arg;
    tell_timeouts(server);
    if (overload_scale(&server->overload_state, OVERLOAD_RESET_HIGH_MEMORY_STREAM) == 0 ||
        server->settings.overload->tracked_power == 0) {
        return;
    }
    for (uint32_t i = 0; i < server->concurrency; i++) {
        worker_reset_streams(server->workers[i]);
    }
}

void server_on_worker_memory(void *arg) {
    struct server *server = arg;
    if (server->overload != NULL) {
        overload_manager_refresh(server->overload);
    }
}

void server_init_overload(struct server *server) {
    overload_state_init(&server->overload_state, server->settings.overload, server->concurrency,
                        server->stats);
    server->overload_state.connections = &server->limits.connections;
    server->overload_state.refused_connections = &server->limits.refused;
    server->stream_resets =
        stats_scope_get(server->stats, SLICE("envoy.overload_actions.reset_high_memory_stream"),
                        &stream_reset_stat_table);
}

void server_start_overload(struct server *server) {
    if (server->settings.overload == NULL) {
        return;
    }
    struct overload_manager_options options = {
        .control = &server->control,
        .config = server->settings.overload,
        .state = &server->overload_state,
        .stats = server->stats,
        .on_change = on_change,
        .on_refresh = on_refresh,
        .on_refreshed = on_refreshed,
        .arg = server,
    };
    server->overload = overload_manager_new(&options);
    overload_manager_start(server->overload);
}
