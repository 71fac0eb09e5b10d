// SPDX-License-Identifier: Apache-2.0
#include "src/http/h1/http1_stats.h"

static const struct stat_def defs[HTTP1_STAT_COUNT] = {HTTP1_STATS(STAT_DEF)};

const struct stat_table http1_stat_table = {
    .title = "http1",
    .defs = defs,
    .count = HTTP1_STAT_COUNT,
};
