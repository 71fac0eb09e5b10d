// SPDX-License-Identifier: Apache-2.0
/*
 * How far each overload action is on, for the whole process: written by the overload manager on the
 * control thread, read by the data path of every worker with one relaxed load. Names and meaning are
 * Envoy's (configuration/operations/overload_manager). The state outlives all who read it.
 */
#ifndef SRC_OVERLOAD_OVERLOAD_STATE_H
#define SRC_OVERLOAD_OVERLOAD_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/random.h"

#define OVERLOAD_ACTIONS(X)                                                                        \
    X(STOP_ACCEPTING_REQUESTS, "envoy.overload_actions.stop_accepting_requests")                   \
    X(DISABLE_HTTP_KEEPALIVE, "envoy.overload_actions.disable_http_keepalive")                     \
    X(STOP_ACCEPTING_CONNECTIONS, "envoy.overload_actions.stop_accepting_connections")             \
    X(REJECT_INCOMING_CONNECTIONS, "envoy.overload_actions.reject_incoming_connections")           \
    X(SHRINK_HEAP, "envoy.overload_actions.shrink_heap")                                           \
    X(RESET_HIGH_MEMORY_STREAM, "envoy.overload_actions.reset_high_memory_stream")                 \
    X(REDUCE_TIMEOUTS, "envoy.overload_actions.reduce_timeouts")                                   \
    X(CLOSE_IDLE_HTTP_CONNECTIONS, "envoy.overload_actions.close_idle_http_connections")

enum overload_action {
#define OVERLOAD_ACTION_ENUM(id, name) OVERLOAD_##id,
    OVERLOAD_ACTIONS(OVERLOAD_ACTION_ENUM)
#undef OVERLOAD_ACTION_ENUM
        OVERLOAD_ACTION_COUNT
};
extern const char *const overload_action_names[OVERLOAD_ACTION_COUNT];

/* Where single connections and requests are turned away. */
#define LOAD_SHED_POINTS(X)                                                                        \
    X(TCP_LISTENER_ACCEPT, "envoy.load_shed_points.tcp_listener_accept")                           \
    X(HCM_DECODE_HEADERS, "envoy.load_shed_points.http_connection_manager_decode_headers")         \
    X(HTTP1_ABORT_DISPATCH, "envoy.load_shed_points.http1_server_abort_dispatch")                  \
    X(HTTP2_GO_AWAY, "envoy.load_shed_points.http2_server_go_away_on_dispatch")                    \
    X(HTTP2_GO_AWAY_AND_CLOSE,                                                                     \
      "envoy.load_shed_points.http2_server_go_away_and_close_on_dispatch")                         \
    X(DOWNSTREAM_FILTER_CHECK, "envoy.load_shed_points.http_downstream_filter_check")              \
    X(HCM_CREATING_CODEC, "envoy.load_shed_points.hcm_ondata_creating_codec")                      \
    X(POOL_NEW_CONNECTION, "envoy.load_shed_points.connection_pool_new_connection")

enum load_shed_point {
#define LOAD_SHED_POINT_ENUM(id, name) LOAD_SHED_##id,
    LOAD_SHED_POINTS(LOAD_SHED_POINT_ENUM)
#undef LOAD_SHED_POINT_ENUM
        LOAD_SHED_POINT_COUNT
};
extern const char *const load_shed_point_names[LOAD_SHED_POINT_COUNT];

struct io_context;
struct overload_config;
struct stats_registry;
struct stats_scope;

/* A scale: 0 is off, this much is fully on. */
enum { OVERLOAD_SATURATED = 10000 };

struct overload_state {
    _Atomic uint32_t scale[OVERLOAD_ACTION_COUNT];
    _Atomic uint32_t shed_scale[LOAD_SHED_POINT_COUNT];
    struct stats_scope *shed_stats[LOAD_SHED_POINT_COUNT]; /* NULL: not configured */
    /* How much more memory a worker may take before it asks for a refresh. UINT64_MAX: no limit. */
    _Atomic uint64_t growth_budget_bytes;
    _Atomic bool is_refresh_asked;        /* of the control thread, and not yet begun */
    const struct overload_config *config; /* set before any worker runs; NULL: nothing is watched */
    uint32_t worker_count;
    /* Downstream: open ones, and those that were one too many; NULL: nobody counts. */
    const _Atomic uint64_t *connections, *refused_connections;
};

/* `config` outlives it; NULL: nothing is watched. Before any worker runs. */
void overload_state_init(struct overload_state *state, const struct overload_config *config,
                         uint32_t worker_count, struct stats_registry *stats);
void overload_state_deinit(struct overload_state *state);

/* A NULL state is one without overload. */
static inline uint32_t overload_scale(const struct overload_state *state,
                                      enum overload_action action) {
    return state == NULL ? 0 : atomic_load_explicit(&state->scale[action], memory_order_relaxed);
}

static inline bool overload_is_saturated(const struct overload_state *state,
                                         enum overload_action action) {
    return overload_scale(state, action) == OVERLOAD_SATURATED;
}

/* True with the probability that the action's scale stands for. */
static inline bool overload_hits(const struct overload_state *state, enum overload_action action,
                                 struct random *random) {
    uint32_t scale = overload_scale(state, action);
    return scale != 0 &&
           (scale == OVERLOAD_SATURATED || random_below(random, OVERLOAD_SATURATED) < scale);
}

/* Draws and counts. */
__attribute__((noinline, cold)) bool load_shed_draw(const struct overload_state *state,
                                                    enum load_shed_point point,
                                                    struct io_context *io);

/* True: what has come to the point is to be turned away. */
static inline bool load_is_shed(const struct overload_state *state, enum load_shed_point point,
                                struct io_context *io) {
    return state != NULL &&
           atomic_load_explicit(&state->shed_scale[point], memory_order_relaxed) != 0 &&
           load_shed_draw(state, point, io);
}

#endif
