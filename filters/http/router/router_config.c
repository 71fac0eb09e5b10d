// SPDX-License-Identifier: Apache-2.0
#include "filters/http/router/router.h"

#include "envoy/extensions/filters/http/router/v3/router.pb-c.h"
#include "src/base/check.h"
#include "src/filter_chain/filter_config.h"

typedef Envoy__Extensions__Filters__Http__Router__V3__Router RouterMessage;

static void release_stats(void *scope) {
    stats_scope_unref(scope);
}

/* "http.ingress." names the scope "http.ingress". */
static struct slice scope_prefix(struct slice stat_prefix) {
    bool has_dot = stat_prefix.len > 0 && stat_prefix.ptr[stat_prefix.len - 1] == '.';
    return has_dot ? slice_sub(stat_prefix, 0, stat_prefix.len - 1) : stat_prefix;
}

static const void *parse(struct filter_config_context *context,
                         const struct ProtobufCMessage *base) {
    const RouterMessage *message = (const RouterMessage *)(const void *)base;
    struct router_config *config = ARENA_NEW(context->arena, struct router_config);
    config->suppress_envoy_headers = message->suppress_envoy_headers;
    config->respect_expected_rq_timeout = message->respect_expected_rq_timeout;
    if (context->stats != NULL) {
        config->stats =
            stats_scope_get(context->stats, scope_prefix(context->stat_prefix), &router_stat_table);
        config_part_on_free(context->part, release_stats, config->stats);
    }
    return config;
}

static struct http_filter *create(const void *config, struct arena *arena, struct io_context *io) {
    struct router *router = ARENA_NEW(arena, struct router);
    router->base.ops = &router_ops;
    router->magic = ROUTER_MAGIC;
    router->config = config;
    router->io = io;
    return &router->base;
}

static const struct ledger_field router_fields[] = {
    LEDGER_OK("suppress_envoy_headers"),
    LEDGER_OK("respect_expected_rq_timeout"),
    {"dynamic_stats", LEDGER_HARMLESS, "telemetry: per-code cluster stats are always kept"},
    {"start_child_span", LEDGER_HARMLESS, "telemetry: no tracer"},
    {"suppress_grpc_request_failure_code_stats", LEDGER_HARMLESS, "telemetry"},
    {"upstream_log", LEDGER_HARMLESS, "telemetry: upstream access logs are not written"},
    {"upstream_log_options", LEDGER_HARMLESS, "telemetry"},
    {"strict_check_headers", LEDGER_IGNORED, "malformed x-envoy headers are ignored, not refused"},
    {"upstream_http_filters", LEDGER_REFUSED, "filters would be lost: not built yet"},
    {"reject_connect_request_early_data", LEDGER_IGNORED, "early CONNECT data is held"},
};
static const struct ledger_message ledger[] = {
    LEDGER_MESSAGE("envoy.extensions.filters.http.router.v3.Router", router_fields),
};

const struct http_filter_factory router_http_filter_factory = {
    .name = "envoy.filters.http.router",
    .type_url = "envoy.extensions.filters.http.router.v3.Router",
    .is_terminal = true,
    .parse = parse,
    .create = create,
    .ledger = ledger,
    .ledger_count = ARRAY_LEN(ledger),
};
