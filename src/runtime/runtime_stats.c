// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/runtime_stats.h"

#include "src/base/check.h"

static const struct stat_def runtime_defs[] = {RUNTIME_STATS(STAT_DEF)};
const struct stat_table runtime_stat_table = {"runtime", runtime_defs, ARRAY_LEN(runtime_defs)};
