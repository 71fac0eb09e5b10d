// SPDX-License-Identifier: Apache-2.0
#include "src/stream/http_connection_stats.h"

#include "src/base/check.h"

static const struct stat_def hcm_stats[] = {HCM_STATS(STAT_DEF)};
const struct stat_table hcm_stat_table = {"http", hcm_stats, ARRAY_LEN(hcm_stats)};

static const struct stat_def hcm_listener_stats[] = {HCM_LISTENER_STATS(STAT_DEF)};
const struct stat_table hcm_listener_stat_table = {"listener.http", hcm_listener_stats,
                                                   ARRAY_LEN(hcm_listener_stats)};
