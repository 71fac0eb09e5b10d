// SPDX-License-Identifier: Apache-2.0
#include "src/http/h2/http2_stats.h"

static const struct stat_def http2_stat_defs[] = {HTTP2_STATS(STAT_DEF)};

const struct stat_table http2_stat_table = {
    .title = "http2",
    .defs = http2_stat_defs,
    .count = HTTP2_STAT_COUNT,
};
