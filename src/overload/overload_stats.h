// SPDX-License-Identifier: Apache-2.0
/*
 * Statistics of the overload manager under Envoy's names: "overload.", "overload.<resource monitor>.",
 * "overload.<action>.", "overload.<load shed point>.". All but the counts of what was shed or reset are
 * written on the control thread.
 */
#ifndef SRC_OVERLOAD_OVERLOAD_STATS_H
#define SRC_OVERLOAD_OVERLOAD_STATS_H

#include "src/stats/stats.h"

#define RESOURCE_STATS(X)                                                                          \
    X(FAILED_UPDATES, "failed_updates", COUNTER, "readings that failed")                           \
    X(SKIPPED_UPDATES, "skipped_updates", COUNTER, "always 0: a reading is done when it returns")  \
    X(PRESSURE, "pressure", GAUGE, "percent of the limit in use")
enum resource_stat {
#define RESOURCE_STAT_ENUM(id, name, kind, doc) RESOURCE_STAT_##id,
    RESOURCE_STATS(RESOURCE_STAT_ENUM)
#undef RESOURCE_STAT_ENUM
};
extern const struct stat_table resource_stat_table;

#define OVERLOAD_ACTION_STATS(X)                                                                   \
    X(ACTIVE, "active", GAUGE, "1 while the action is fully on")                                   \
    X(SCALE_PERCENT, "scale_percent", GAUGE, "how far the action is on")
enum overload_action_stat {
#define OVERLOAD_STAT_ENUM(id, name, kind, doc) OVERLOAD_STAT_##id,
    OVERLOAD_ACTION_STATS(OVERLOAD_STAT_ENUM)
#undef OVERLOAD_STAT_ENUM
};
extern const struct stat_table overload_action_stat_table;

#define LOAD_SHED_STATS(X)                                                                         \
    X(SCALE_PERCENT, "scale_percent", GAUGE, "how probable it is that load is shed")               \
    X(SHED_LOAD_COUNT, "shed_load_count", COUNTER, "times it was")
enum load_shed_stat {
#define LOAD_SHED_STAT_ENUM(id, name, kind, doc) LOAD_SHED_STAT_##id,
    LOAD_SHED_STATS(LOAD_SHED_STAT_ENUM)
#undef LOAD_SHED_STAT_ENUM
};
extern const struct stat_table load_shed_stat_table;

#define OVERLOAD_MANAGER_STATS(X)                                                                  \
    X(REFRESH_INTERVAL_DELAY, "refresh_interval_delay", HISTOGRAM, "from refresh to refresh")
enum overload_manager_stat {
#define OVERLOAD_MANAGER_STAT_ENUM(id, name, kind, doc) OVERLOAD_MANAGER_STAT_##id,
    OVERLOAD_MANAGER_STATS(OVERLOAD_MANAGER_STAT_ENUM)
#undef OVERLOAD_MANAGER_STAT_ENUM
};
extern const struct stat_table overload_manager_stat_table;

#define SHRINK_HEAP_STATS(X) X(SHRINK_COUNT, "shrink_count", COUNTER, "times the heap was shrunk")
enum shrink_heap_stat {
#define SHRINK_HEAP_STAT_ENUM(id, name, kind, doc) SHRINK_HEAP_STAT_##id,
    SHRINK_HEAP_STATS(SHRINK_HEAP_STAT_ENUM)
#undef SHRINK_HEAP_STAT_ENUM
};
extern const struct stat_table shrink_heap_stat_table;

/* "overload.<name>.", with zeroes that show what is watched. */
struct stats_scope *overload_scope_get(struct stats_registry *stats, struct slice name,
                                       const struct stat_table *table);

/* Not below "overload.", as in Envoy: "envoy.overload_actions.reset_high_memory_stream.". */
#define STREAM_RESET_STATS(X) X(COUNT, "count", COUNTER, "streams that were reset")
enum stream_reset_stat {
#define STREAM_RESET_STAT_ENUM(id, name, kind, doc) STREAM_RESET_STAT_##id,
    STREAM_RESET_STATS(STREAM_RESET_STAT_ENUM)
#undef STREAM_RESET_STAT_ENUM
};
extern const struct stat_table stream_reset_stat_table;

#endif
