// SPDX-License-Identifier: Apache-2.0
#include "src/overload/overload_stats.h"

#include <stdio.h>

#include "src/base/check.h"

static const struct stat_def manager_defs[] = {OVERLOAD_MANAGER_STATS(STAT_DEF)};
const struct stat_table overload_manager_stat_table = {"overload", manager_defs,
                                                       ARRAY_LEN(manager_defs)};

static const struct stat_def resource_defs[] = {RESOURCE_STATS(STAT_DEF)};
const struct stat_table resource_stat_table = {"overload.<resource monitor>", resource_defs,
                                               ARRAY_LEN(resource_defs)};

static const struct stat_def action_defs[] = {OVERLOAD_ACTION_STATS(STAT_DEF)};
const struct stat_table overload_action_stat_table = {"overload.<action>", action_defs,
                                                      ARRAY_LEN(action_defs)};

static const struct stat_def shrink_defs[] = {SHRINK_HEAP_STATS(STAT_DEF)};
const struct stat_table shrink_heap_stat_table = {"overload.envoy.overload_actions.shrink_heap",
                                                  shrink_defs, ARRAY_LEN(shrink_defs)};

static const struct stat_def stream_reset_defs[] = {STREAM_RESET_STATS(STAT_DEF)};
const struct stat_table stream_reset_stat_table = {
    "envoy.overload_actions.reset_high_memory_stream", stream_reset_defs,
    ARRAY_LEN(stream_reset_defs)};

static const struct stat_def load_shed_defs[] = {LOAD_SHED_STATS(STAT_DEF)};
const struct stat_table load_shed_stat_table = {"overload.<load shed point>", load_shed_defs,
                                                ARRAY_LEN(load_shed_defs)};

struct stats_scope *overload_scope_get(struct stats_registry *stats, struct slice name,
                                       const struct stat_table *table) {
    char prefix[512];
    int len = snprintf(prefix, sizeof(prefix), "overload.%.*s", SLICE_ARG(name));
    size_t used = (size_t)len < sizeof(prefix) ? (size_t)len : sizeof(prefix) - 1;
    struct stats_scope *scope = stats_scope_get(stats, slice_make(prefix, used), table);
    for (uint32_t i = 0; i < table->count; i++) {
        stats_add(scope, 0, i, 0);
    }
    return scope;
}
