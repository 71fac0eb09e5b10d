// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/breaker_runtime.h"

#include "src/base/arena.h"
#include "src/runtime/runtime.h"

static const struct slice prefix = SLICE_INIT("circuit_breakers.");

struct limits {
    const struct runtime *runtime;
    struct slice cluster;
    const char *priority;
    struct arena *arena;
};

static const struct runtime_value *find(const struct limits *limits, const char *name) {
    return runtime_find(limits->runtime,
                        arena_printf(limits->arena, "%.*s%.*s.%s.%s", SLICE_ARG(prefix),
                                     SLICE_ARG(limits->cluster), limits->priority, name));
}

static void set_limit(const struct limits *limits, const char *name, uint32_t *limit) {
    const struct runtime_value *value = find(limits, name);
    if (value != NULL && (value->readings & RUNTIME_HAS_INTEGER) != 0) {
        *limit = value->integer > UINT32_MAX ? UINT32_MAX : (uint32_t)value->integer;
    }
}

// A percentage, or a part of one.
static void set_budget(const struct limits *limits, uint32_t *per_million) {
    const struct runtime_value *value = find(limits, "retry_budget.budget_percent");
    if (value != NULL && (value->readings & RUNTIME_HAS_NUMBER) != 0 && value->number >= 0) {
        *per_million = value->number > 100 ? RUNTIME_MILLION : (uint32_t)(value->number * 10000);
    }
}

bool breaker_runtime_is_used(const struct runtime *runtime) {
    return runtime_has_prefix(runtime, prefix);
}

struct circuit_breaker_thresholds
breaker_thresholds_now(const struct runtime *runtime, struct slice cluster, bool is_high,
                       const struct circuit_breaker_thresholds *configured) {
    struct circuit_breaker_thresholds now = *configured;
    if (!breaker_runtime_is_used(runtime)) {
        return now;
    }
    struct arena arena;
    arena_init_heap(&arena, 0);
    const struct limits limits = {.runtime = runtime,
                                  .cluster = cluster,
                                  .priority = is_high ? "high" : "default",
                                  .arena = &arena};
    set_limit(&limits, "max_connections", &now.max_connections);
    set_limit(&limits, "max_pending_requests", &now.max_pending_requests);
    set_limit(&limits, "max_requests", &now.max_requests);
    set_limit(&limits, "max_retries", &now.max_retries);
    set_limit(&limits, "max_connection_pools", &now.max_connection_pools);
    if (now.has_retry_budget) {
        set_budget(&limits, &now.retry_budget_per_million);
        set_limit(&limits, "retry_budget.min_retry_concurrency", &now.retry_budget_min_concurrency);
    }
    arena_deinit(&arena);
    return now;
}
