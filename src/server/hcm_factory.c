// SPDX-License-Identifier: Apache-2.0
#include "src/server/hcm_factory.h"

#include "src/base/check.h"
#include "src/filter_chain/filter_config.h"
#include "src/http/h1/http1_stats.h"
#include "src/http/h2/http2_stats.h"
#include "src/stream/http_connection.h"
#include "src/stream/http_connection_stats.h"
#include "xds/decode/http_connection_manager.h"

static void release_stats(void *scope) {
    stats_scope_unref(scope);
}

static struct stats_scope *make_scope(struct filter_config_context *context, struct slice prefix,
                                      const struct stat_table *table) {
    if (context->stats == NULL) {
        return NULL;
    }
    struct stats_scope *scope = stats_scope_get(context->stats, prefix, table);
    config_part_on_free(context->part, release_stats, scope);
    return scope;
}

static const void *parse(struct filter_config_context *context,
                         const struct ProtobufCMessage *message) {
    const struct http_connection_manager_config *config =
        http_connection_manager_parse(context, message);
    if (config == NULL) {
        return NULL;
    }
    struct http_connection_shared *shared =
        ARENA_NEW(context->arena, struct http_connection_shared);
    struct slice prefix = arena_printf(context->arena, "http.%.*s", SLICE_ARG(config->stat_prefix));
    struct slice listener_prefix = arena_printf(context->arena, "%.*s%.*s",
                                                SLICE_ARG(context->stat_prefix), SLICE_ARG(prefix));
    shared->config = config;
    shared->bypass_overload = context->bypass_overload;
    shared->node_id = context->node_id;
    shared->node_cluster = context->node_cluster;
    shared->stats = make_scope(context, prefix, &hcm_stat_table);
    shared->listener_stats = make_scope(context, listener_prefix, &hcm_listener_stat_table);
    shared->http1_stats = make_scope(context, SLICE("http1"), &http1_stat_table);
    shared->http2_stats = make_scope(context, SLICE("http2"), &http2_stat_table);
    return shared;
}

const struct network_filter_factory http_connection_manager_factory = {
    .name = "envoy.filters.network.http_connection_manager",
    .type_url = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    .is_terminal = true,
    .parse = parse,
    .create = http_connection_create,
};

void server_registry_init(struct filter_registry *registry) {
    size_t count = 0;
    while (network_filter_factories[count] != NULL) {
        count++;
    }
    const struct network_filter_factory **network = mem_calloc(count + 2, sizeof(*network));
    memcpy(network, network_filter_factories, count * sizeof(*network));
    network[count] = &http_connection_manager_factory;
    registry->http = http_filter_factories;
    registry->network = network;
    registry->listener = listener_filter_factories;
}

void server_registry_deinit(struct filter_registry *registry) {
    mem_free((void *)(uintptr_t)registry->network);
    registry->network = NULL;
}
