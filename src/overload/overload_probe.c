// SPDX-License-Identifier: Apache-2.0
#include "src/overload/overload_probe.h"

/* Of the memory that is left, the workers together take one in so many before they look again: near
 * the limit the steps are small. */
enum { GROWTH_SHARE = 4, LEAST_GROWTH_BYTES = 128 * 1024 };

uint32_t overload_trigger_scale(const struct overload_trigger_config *trigger, double pressure) {
    if (pressure >= trigger->saturated_from) {
        return OVERLOAD_SATURATED;
    }
    if (pressure <= trigger->scaling_from) {
        return 0;
    }
    double share =
        (pressure - trigger->scaling_from) / (trigger->saturated_from - trigger->scaling_from);
    return (uint32_t)(share * OVERLOAD_SATURATED + 0.5);
}

void overload_set_growth_budget(struct overload_state *state, uint64_t left_bytes) {
    uint64_t budget = left_bytes;
    if (left_bytes != UINT64_MAX) {
        budget = left_bytes / GROWTH_SHARE / state->worker_count;
        budget = budget < LEAST_GROWTH_BYTES ? LEAST_GROWTH_BYTES : budget;
    }
    atomic_store_explicit(&state->growth_budget_bytes, budget, memory_order_relaxed);
}

static void raise(_Atomic uint32_t *scale, uint32_t to) {
    uint32_t now = atomic_load_explicit(scale, memory_order_relaxed);
    while (now < to && !atomic_compare_exchange_weak_explicit(scale, &now, to, memory_order_relaxed,
                                                              memory_order_relaxed)) {
    }
}

static void raise_actions(struct overload_state *state, uint32_t monitor, double pressure) {
    for (uint32_t i = 0; i < state->config->action_count; i++) {
        const struct overload_action_config *action = &state->config->actions[i];
        for (uint32_t j = 0; j < action->trigger_count; j++) {
            if (action->triggers[j].monitor == monitor) {
                raise(&state->scale[action->action],
                      overload_trigger_scale(&action->triggers[j], pressure));
            }
        }
    }
}

void overload_probe(struct overload_state *state) {
    uint64_t left = UINT64_MAX;
    for (uint32_t i = 0; i < state->config->monitor_count; i++) {
        const struct resource_monitor_config *monitor = &state->config->monitors[i];
        struct resource_usage usage;
        if (!resource_monitor_is_of_memory(monitor) ||
            resource_monitor_read(monitor, &usage, NULL) != STATUS_OK) {
            continue;
        }
        raise_actions(state, i, usage.pressure);
        left = usage.left_bytes < left ? usage.left_bytes : left;
    }
    if (left != UINT64_MAX) {
        overload_set_growth_budget(state, left);
    }
}
