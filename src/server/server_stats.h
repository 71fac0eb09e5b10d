// SPDX-License-Identifier: Apache-2.0
/*
 * "server." statistics: gauges of the process, refreshed at the stats flush interval.
 */
#ifndef SRC_SERVER_SERVER_STATS_H
#define SRC_SERVER_SERVER_STATS_H

#include "src/stats/stats.h"

#define SERVER_STATS(X)                                                                            \
    X(DEBUG_ASSERTION_FAILURES, "debug_assertion_failures", COUNTER, "broken invariants")          \
    X(DYNAMIC_UNKNOWN_FIELDS, "dynamic_unknown_fields", COUNTER,                                   \
      "unknown fields in xDS resources")                                                           \
    X(ENVOY_BUG_FAILURES, "envoy_bug_failures", COUNTER, "always 0")                               \
    X(STATIC_UNKNOWN_FIELDS, "static_unknown_fields", COUNTER, "unknown fields in the bootstrap")  \
    X(WIP_PROTOS, "wip_protos", COUNTER, "always 0")                                               \
    X(COMPILATION_SETTINGS_FIPS_MODE, "compilation_settings.fips_mode", GAUGE, "always 0")         \
    X(CONCURRENCY, "concurrency", GAUGE, "worker threads")                                         \
    X(DAYS_UNTIL_FIRST_CERT_EXPIRING, "days_until_first_cert_expiring", GAUGE,                     \
      "days until the first certificate expires")                                                  \
    X(FIPS_MODE, "fips_mode", GAUGE, "always 0")                                                   \
    X(HOT_RESTART_EPOCH, "hot_restart_epoch", GAUGE, "always 0")                                   \
    X(LIVE, "live", GAUGE, "1 while the server takes traffic")                                     \
    X(MEMORY_ALLOCATED, "memory_allocated", GAUGE, "bytes in use of the heap")                     \
    X(MEMORY_HEAP_SIZE, "memory_heap_size", GAUGE, "bytes of the heap")                            \
    X(MEMORY_PHYSICAL_SIZE, "memory_physical_size", GAUGE, "resident bytes")                       \
    X(PARENT_CONNECTIONS, "parent_connections", GAUGE, "always 0")                                 \
    X(STATE, "state", GAUGE, "0 live, 1 draining, 2 pre-initializing, 3 initializing")             \
    X(TOTAL_CONNECTIONS, "total_connections", GAUGE, "open downstream connections")                \
    X(UPTIME, "uptime", GAUGE, "seconds since the start")                                          \
    X(VERSION, "version", GAUGE, "the revision as a number")                                       \
    X(INITIALIZATION_TIME_MS, "initialization_time_ms", HISTOGRAM, "start to live")
enum server_stat {
#define SERVER_STAT_ENUM(id, name, kind, doc) SERVER_STAT_##id,
    SERVER_STATS(SERVER_STAT_ENUM)
#undef SERVER_STAT_ENUM
};
extern const struct stat_table server_stat_table;

enum server_state {
    SERVER_LIVE,
    SERVER_DRAINING,
    SERVER_PRE_INITIALIZING,
    SERVER_INITIALIZING,
};

struct server_gauges {
    enum server_state state;
    uint64_t uptime_s;
    uint64_t connections;
    uint32_t concurrency;
    uint32_t days_until_first_cert; /* UINT32_MAX: no certificate */
};
/* Sets all gauges from `gauges` and the process' memory. */
void server_stats_refresh(struct stats_scope *scope, uint32_t thread,
                          const struct server_gauges *gauges);

#endif
