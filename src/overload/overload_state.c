// SPDX-License-Identifier: Apache-2.0
#include "src/overload/overload_state.h"

#include "src/event/io_context.h"
#include "src/overload/overload_config.h"
#include "src/overload/overload_stats.h"

const char *const overload_action_names[OVERLOAD_ACTION_COUNT] = {
#define OVERLOAD_ACTION_NAME(id, name) [OVERLOAD_##id] = name,
    OVERLOAD_ACTIONS(OVERLOAD_ACTION_NAME)
#undef OVERLOAD_ACTION_NAME
};

const char *const load_shed_point_names[LOAD_SHED_POINT_COUNT] = {
#define LOAD_SHED_POINT_NAME(id, name) [LOAD_SHED_##id] = name,
    LOAD_SHED_POINTS(LOAD_SHED_POINT_NAME)
#undef LOAD_SHED_POINT_NAME
};

void overload_state_init(struct overload_state *state, const struct overload_config *config,
                         uint32_t worker_count, struct stats_registry *stats) {
    *state = (struct overload_state){.config = config, .worker_count = worker_count};
    atomic_store_explicit(&state->growth_budget_bytes, UINT64_MAX, memory_order_relaxed);
    for (uint32_t i = 0; config != NULL && i < config->point_count; i++) {
        enum load_shed_point point = config->points[i].point;
        state->shed_stats[point] = overload_scope_get(
            stats, slice_from_string(load_shed_point_names[point]), &load_shed_stat_table);
    }
}

void overload_state_deinit(struct overload_state *state) {
    for (uint32_t i = 0; i < LOAD_SHED_POINT_COUNT; i++) {
        stats_scope_unref(state->shed_stats[i]);
    }
}

bool load_shed_draw(const struct overload_state *state, enum load_shed_point point,
                    struct io_context *io) {
    uint32_t scale = atomic_load_explicit(&state->shed_scale[point], memory_order_relaxed);
    if (scale < OVERLOAD_SATURATED && random_below(&io->random, OVERLOAD_SATURATED) >= scale) {
        return false;
    }
    stats_inc(state->shed_stats[point], io->index, LOAD_SHED_STAT_SHED_LOAD_COUNT);
    return true;
}
