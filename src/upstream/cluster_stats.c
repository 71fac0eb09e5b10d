// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/cluster_stats.h"

#include "src/base/check.h"

static const struct stat_def cluster_defs[] = {CLUSTER_STATS(STAT_DEF)};
static const struct stat_def outlier_defs[] = {OUTLIER_STATS(STAT_DEF)};
static const struct stat_def health_check_defs[] = {HEALTH_CHECK_STATS(STAT_DEF)};

const struct stat_table cluster_stat_table = {"cluster", cluster_defs, ARRAY_LEN(cluster_defs)};
const struct stat_table outlier_stat_table = {"cluster outlier_detection", outlier_defs,
                                              ARRAY_LEN(outlier_defs)};
const struct stat_table health_check_stat_table = {"cluster health_check", health_check_defs,
                                                   ARRAY_LEN(health_check_defs)};
