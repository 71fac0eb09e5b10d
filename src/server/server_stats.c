// SPDX-License-Identifier: Apache-2.0
#include "src/server/server_stats.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "sallyport_version.h"
#include "src/base/check.h"
#include "src/base/process_memory.h"

static const struct stat_def defs[] = {SERVER_STATS(STAT_DEF)};
const struct stat_table server_stat_table = {"server", defs, ARRAY_LEN(defs)};

void server_stats_refresh(struct stats_scope *scope, uint32_t thread,
                          const struct server_gauges *gauges) {
    struct mallinfo2 heap = mallinfo2();
    stats_set(scope, thread, SERVER_STAT_MEMORY_ALLOCATED, heap.uordblks + heap.hblkhd);
    stats_set(scope, thread, SERVER_STAT_MEMORY_HEAP_SIZE, heap.arena + heap.hblkhd);
    stats_set(scope, thread, SERVER_STAT_MEMORY_PHYSICAL_SIZE,
              process_memory_read().resident_bytes);
    stats_set(scope, thread, SERVER_STAT_CONCURRENCY, gauges->concurrency);
    stats_set(scope, thread, SERVER_STAT_LIVE, gauges->state == SERVER_LIVE);
    stats_set(scope, thread, SERVER_STAT_STATE, gauges->state);
    stats_set(scope, thread, SERVER_STAT_UPTIME, gauges->uptime_s);
    stats_set(scope, thread, SERVER_STAT_TOTAL_CONNECTIONS, gauges->connections);
    stats_set(scope, thread, SERVER_STAT_DAYS_UNTIL_FIRST_CERT_EXPIRING,
              gauges->days_until_first_cert);
    char start[7] = {0};
    (void)snprintf(start, sizeof(start), "%.6s", SALLYPORT_REVISION);
    stats_set(scope, thread, SERVER_STAT_VERSION, strtoull(start, NULL, 16));
}
