// SPDX-License-Identifier: Apache-2.0
#include "src/overload/overload_stats.h"

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
