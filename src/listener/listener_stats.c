// SPDX-License-Identifier: Apache-2.0
#include "src/listener/listener_stats.h"

#include "src/base/check.h"

static const struct stat_def listener_stats[] = {LISTENER_STATS(STAT_DEF)};
const struct stat_table listener_stat_table = {"listener", listener_stats,
                                               ARRAY_LEN(listener_stats)};

static const struct stat_def manager_stats[] = {LISTENER_MANAGER_STATS(STAT_DEF)};
const struct stat_table listener_manager_stat_table = {"listener_manager", manager_stats,
                                                       ARRAY_LEN(manager_stats)};
