// SPDX-License-Identifier: Apache-2.0
/* Statistics of the runtime under Envoy's names: "runtime.". Written on the control thread only. */
#ifndef SRC_RUNTIME_RUNTIME_STATS_H
#define SRC_RUNTIME_RUNTIME_STATS_H

#include "src/stats/stats.h"

#define RUNTIME_STATS(X)                                                                           \
    X(DEPRECATED_FEATURE_USE, "deprecated_feature_use", COUNTER, "always 0")                       \
    X(LOAD_ERROR, "load_error", COUNTER, "loads in which a folder could not be read")              \
    X(LOAD_SUCCESS, "load_success", COUNTER, "loads without an error")                             \
    X(OVERRIDE_DIR_EXISTS, "override_dir_exists", COUNTER, "loads with more than one disk layer")  \
    X(OVERRIDE_DIR_NOT_EXISTS, "override_dir_not_exists", COUNTER, "the other loads")              \
    X(ADMIN_OVERRIDES_ACTIVE, "admin_overrides_active", GAUGE, "1 while the admin layer has keys") \
    X(DEPRECATED_FEATURE_SEEN, "deprecated_feature_seen_since_process_start", GAUGE, "always 0")   \
    X(NUM_KEYS, "num_keys", GAUGE, "keys of all layers")                                           \
    X(NUM_LAYERS, "num_layers", GAUGE, "layers that are there")
enum runtime_stat {
#define RUNTIME_STAT_ENUM(id, name, kind, doc) RUNTIME_STAT_##id,
    RUNTIME_STATS(RUNTIME_STAT_ENUM)
#undef RUNTIME_STAT_ENUM
};
extern const struct stat_table runtime_stat_table;

#endif
