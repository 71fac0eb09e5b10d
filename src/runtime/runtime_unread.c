// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/runtime_unread.h"

#include "src/base/check.h"
#include "src/runtime/runtime_key.h"

struct rule {
    struct slice prefix;
    const char *reason; /* NULL: harmless */
};

/* The first that fits counts. */
static const struct rule rules[] = {
    {SLICE_INIT("upstream.maintenance_mode."), "there is no maintenance mode"},
    {SLICE_INIT("upstream.zone_routing."), "there is no zone-aware routing"},
    {SLICE_INIT("upstream."), "nothing reads it"},
    {SLICE_INIT("health_check.verify_cluster"), "service names are always verified"},
    {SLICE_INIT("health_check."), "nothing reads it"},
    {SLICE_INIT("outlier_detection."), "the cluster's configuration holds"},
    {SLICE_INIT("http_connection_manager."), "the connection manager's configuration holds"},
    {SLICE_INIT("tracing."), "the connection manager's configuration holds"},
    {SLICE_INIT("overload."), "the overload manager's configuration holds"},
    {SLICE_INIT("ratelimit."), "no such filter is built in"},
    {SLICE_INIT("conn_pool."), "nothing reads it"},
};

/* Guards whose other side is what happens here, or is not to be told apart. */
struct guard {
    struct slice name;
    enum { GUARD_ANY, GUARD_ON, GUARD_OFF } value; /* under which the guard asks for nothing else */
};
static const struct guard guards[] = {
    {SLICE_INIT("envoy.reloadable_features.coalesce_lb_rebuilds_on_batch_update"), GUARD_ANY},
    {SLICE_INIT("envoy.reloadable_features.explicit_internal_address_config"), GUARD_ON},
    {SLICE_INIT("envoy.reloadable_features.fixed_heap_use_allocated"), GUARD_ON},
    {SLICE_INIT("envoy.reloadable_features.google_grpc_disable_tls_13"), GUARD_ANY},
    // A path with a fragment is refused in any case (docs/deviations.md, path-fragment).
    {SLICE_INIT("envoy.reloadable_features.http_reject_path_with_fragment"), GUARD_ANY},
};

static const struct slice guard_prefixes[] = {SLICE_INIT("envoy.reloadable_features."),
                                              SLICE_INIT("envoy.restart_features."),
                                              SLICE_INIT("envoy.features.")};

static bool is_known(struct slice key) {
    static const struct slice known[] = {
#define RUNTIME_KEY_TEXT(id, name) SLICE_INIT(name),
        RUNTIME_KEYS(RUNTIME_KEY_TEXT)
#undef RUNTIME_KEY_TEXT
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (slice_equal(known[i], key)) {
            return true;
        }
    }
    return false;
}

static const char *guard_reason(struct slice key, const struct runtime_value *value) {
    for (size_t i = 0; i < ARRAY_LEN(guards); i++) {
        bool is_on = (value->readings & RUNTIME_HAS_FLAG) != 0 && value->flag;
        if (slice_equal(guards[i].name, key) &&
            (guards[i].value == GUARD_ANY || (guards[i].value == GUARD_ON) == is_on)) {
            return NULL;
        }
    }
    return "guards are not read: what Envoy 1.40 does by default holds";
}

const char *runtime_unread_reason(struct slice key, const struct runtime_value *value) {
    if (is_known(key)) {
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(guard_prefixes); i++) {
        if (slice_starts_with(key, guard_prefixes[i])) {
            return guard_reason(key, value);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (slice_starts_with(key, rules[i].prefix)) {
            return rules[i].reason;
        }
    }
    return NULL;
}
