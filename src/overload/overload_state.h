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
    X(RESET_HIGH_MEMORY_STREAM, "envoy.overload_actions.reset_high_memory_stream")

enum overload_action {
#define OVERLOAD_ACTION_ENUM(id, name) OVERLOAD_##id,
    OVERLOAD_ACTIONS(OVERLOAD_ACTION_ENUM)
#undef OVERLOAD_ACTION_ENUM
        OVERLOAD_ACTION_COUNT
};
extern const char *const overload_action_names[OVERLOAD_ACTION_COUNT];

struct overload_config;

/* A scale: 0 is off, this much is fully on. */
enum { OVERLOAD_SATURATED = 10000 };

struct overload_state {
    _Atomic uint32_t scale[OVERLOAD_ACTION_COUNT];
    /* How much more memory a worker may take before it asks for a refresh. UINT64_MAX: no limit. */
    _Atomic uint64_t growth_budget_bytes;
    _Atomic bool is_refresh_asked;        /* of the control thread, and not yet begun */
    const struct overload_config *config; /* set before any worker runs; NULL: nothing is watched */
    uint32_t worker_count;
};

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

#endif
