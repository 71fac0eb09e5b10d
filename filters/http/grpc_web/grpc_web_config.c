// SPDX-License-Identifier: Apache-2.0
#include "filters/http/grpc_web/grpc_web.h"

#include "src/base/check.h"
#include "src/config/config_part.h"
#include "src/filter_chain/filter_config.h"

static void release_stats(void *scope) {
    stats_scope_unref(scope);
}

/* The names come from requests, so they have a scope of their own with its own bound: a flood of made-up
 * methods cannot crowd out a cluster's other dynamic names. */
static const void *parse(struct filter_config_context *context,
                         const struct ProtobufCMessage *message) {
    struct grpc_web_config *config = ARENA_NEW(context->arena, struct grpc_web_config);
    (void)message;
    if (context->stats != NULL) {
        config->stats = stats_scope_get(context->stats, SLICE("cluster"), &grpc_web_stat_table);
        config_part_on_free(context->part, release_stats, config->stats);
    }
    return config;
}

static struct http_filter *create(const void *config, struct arena *arena, struct io_context *io) {
    struct grpc_web *web = ARENA_NEW(arena, struct grpc_web);
    web->base.ops = &grpc_web_ops;
    web->magic = GRPC_WEB_MAGIC;
    web->config = config;
    web->io = io;
    return &web->base;
}

static const struct ledger_message ledger[] = {
    {"envoy.extensions.filters.http.grpc_web.v3.GrpcWeb", NULL, 0},
};

const struct http_filter_factory grpc_web_http_filter_factory = {
    .name = "envoy.filters.http.grpc_web",
    .type_url = "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb",
    .parse = parse,
    .create = create,
    .ledger = ledger,
    .ledger_count = ARRAY_LEN(ledger),
};
