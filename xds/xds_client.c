// SPDX-License-Identifier: Apache-2.0
#include "xds/xds_client.h"

#include "envoy/config/core/v3/config_source.pb-c.h"
#include "src/base/check.h"
#include "src/event/io_context.h"
#include "xds/subscription_internal.h"

#define CONTROL_PLANE_STATS(X)                                                                     \
    X(CONNECTED_STATE, "connected_state", GAUGE, "1 while the stream is there")                    \
    X(PENDING_REQUESTS, "pending_requests", GAUGE, "requests that wait")                           \
    X(RATE_LIMIT_ENFORCED, "rate_limit_enforced", COUNTER, "requests held back by a rate limit")

#define CONTROL_PLANE_STAT_ID(id, name, kind, doc) CONTROL_PLANE_##id,
enum { CONTROL_PLANE_STATS(CONTROL_PLANE_STAT_ID) CONTROL_PLANE_STAT_COUNT };

static const struct stat_def control_plane_defs[] = {CONTROL_PLANE_STATS(STAT_DEF)};
static const struct stat_table control_plane_table = {"control_plane", control_plane_defs,
                                                      CONTROL_PLANE_STAT_COUNT};

/* ---- the aggregated stream ---- */

void xds_client_add(struct xds_client *client, struct xds_subscription *s) {
    struct hash_map *map = &client->named[s->type->kind];
    s->same_name = hash_map_put(map, s->name, s);
}

void xds_client_drop(struct xds_client *client, struct xds_subscription *s) {
    struct hash_map *map = &client->named[s->type->kind];
    struct xds_subscription *first = hash_map_remove(map, s->name);
    if (first == s) {
        first = s->same_name;
    }
    // The map borrows its key from the first of the chain.
    if (first != NULL) {
        hash_map_put(map, first->name, first);
    }
    for (struct xds_subscription *at = first; at != NULL; at = at->same_name) {
        if (at->same_name == s) {
            at->same_name = s->same_name;
        }
    }
    s->same_name = NULL;
}

struct dispatch {
    const struct discovery_response *response;
    struct arena arena;
    struct slice errors;
};

static void add_error(struct dispatch *dispatch, struct slice error) {
    if (error.len > 0 && dispatch->errors.len < DISCOVERY_MAX_ERROR_BYTES) {
        dispatch->errors = dispatch->errors.len == 0
                               ? error
                               : arena_printf(&dispatch->arena, "%.*s; %.*s",
                                              SLICE_ARG(dispatch->errors), SLICE_ARG(error));
    }
}

// Subscribers may end their own or others' subscriptions: all are held while they are told.
static void tell(struct dispatch *dispatch, struct xds_subscription *first,
                 const struct discovery_response *part) {
    uint32_t count = 0;
    for (struct xds_subscription *s = first; s != NULL; s = s->same_name) {
        count++;
    }
    struct xds_subscription **told =
        ARENA_NEW_ARRAY(&dispatch->arena, count, struct xds_subscription *);
    count = 0;
    for (struct xds_subscription *s = first; s != NULL; s = s->same_name) {
        subscription_hold(s);
        told[count++] = s;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!told[i]->is_dead) {
            add_error(dispatch, subscription_update(told[i], part, &dispatch->arena));
        }
        subscription_leave(told[i]);
    }
}

static void tell_named(struct xds_client *client, struct dispatch *dispatch,
                       const struct resource_type *type,
                       const struct discovery_resource *resource) {
    struct slice name =
        resource->name.len > 0 ? resource->name : resource_name(type, resource->value);
    struct discovery_response part = *dispatch->response;
    part.resources = resource;
    part.resource_count = 1;
    part.removed = NULL;
    part.removed_count = 0;
    if (name.len > 0) {
        tell(dispatch, hash_map_get(&client->named[type->kind], name), &part);
    }
}

static void tell_removed(struct xds_client *client, struct dispatch *dispatch,
                         const struct resource_type *type, const struct slice *name) {
    struct discovery_response part = *dispatch->response;
    part.resources = NULL;
    part.resource_count = 0;
    part.removed = name;
    part.removed_count = 1;
    if (name->len > 0) {
        tell(dispatch, hash_map_get(&client->named[type->kind], *name), &part);
    }
}

static void on_response(void *arg, const struct discovery_response *response) {
    struct xds_client *client = arg;
    const struct resource_type *type = resource_type_find(response->type_url);
    struct dispatch dispatch = {.response = response, .errors = SLICE("")};
    arena_init_heap(&dispatch.arena, 0);
    if (type != NULL) {
        tell(&dispatch, hash_map_get(&client->named[type->kind], SLICE("")), response);
        for (uint32_t i = 0; i < response->resource_count; i++) {
            tell_named(client, &dispatch, type, &response->resources[i]);
        }
        if (hash_map_get(&client->named[type->kind], SLICE("")) == NULL) {
            add_error(&dispatch, subscription_nameless_error(type, response, &dispatch.arena));
        }
        for (uint32_t i = 0; i < response->removed_count; i++) {
            tell_removed(client, &dispatch, type, &response->removed[i]);
        }
    }
    ads_session_answer(xds_mux_session(client->ads), response, dispatch.errors);
    arena_deinit(&dispatch.arena);
}

static void on_connected(void *arg, bool is_connected) {
    struct xds_client *client = arg;
    stats_set(client->control_plane, client->options.control->index, CONTROL_PLANE_CONNECTED_STATE,
              is_connected ? 1 : 0);
}

static void on_failure(void *arg) {
    struct xds_client *client = arg;
    LIST_FOR_EACH (node, &client->subscriptions) {
        struct xds_subscription *s = LIST_ENTRY(node, struct xds_subscription, node);
        if (s->ads != NULL) {
            subscription_connection_failed(s);
        }
    }
}

static const struct xds_mux_handler ads_handler = {on_response, on_connected, on_failure};

enum status xds_client_set_ads(struct xds_client *client,
                               const struct Envoy__Config__Core__V3__ApiConfigSource *source,
                               struct error *err) {
    struct xds_mux_options options = {.control = client->options.control,
                                      .node = client->options.node,
                                      .node_on_first_message_only =
                                          source->set_node_on_first_message_only != 0,
                                      .handler = &ads_handler,
                                      .arg = client};
    bool is_delta =
        source->api_type == ENVOY__CONFIG__CORE__V3__API_CONFIG_SOURCE__API_TYPE__DELTA_GRPC;
    if (!is_delta &&
        source->api_type != ENVOY__CONFIG__CORE__V3__API_CONFIG_SOURCE__API_TYPE__GRPC) {
        return error_set(err, STATUS_INVALID, "ads_config: api_type %d is not supported",
                         (int)source->api_type);
    }
    if (source->n_grpc_services == 0) {
        return error_set(err, STATUS_INVALID, "ads_config: a gRPC service is needed");
    }
    TRY(management_server_new(&client->options.servers, source->grpc_services[0],
                              &client->ads_server, err));
    options.server = client->ads_server;
    options.variant = is_delta ? DISCOVERY_DELTA : DISCOVERY_SOTW;
    options.method = is_delta ? SLICE("/envoy.service.discovery.v3.AggregatedDiscoveryService/"
                                      "DeltaAggregatedResources")
                              : SLICE("/envoy.service.discovery.v3.AggregatedDiscoveryService/"
                                      "StreamAggregatedResources");
    client->ads = xds_mux_new(&options);
    client->control_plane =
        stats_scope_get(client->options.stats, SLICE("control_plane"), &control_plane_table);
    return STATUS_OK;
}

void xds_client_start(struct xds_client *client) {
    client->is_started = true;
    if (client->ads != NULL) {
        xds_mux_start(client->ads);
    }
    LIST_FOR_EACH (node, &client->subscriptions) {
        struct xds_subscription *s = LIST_ENTRY(node, struct xds_subscription, node);
        if (s->mux != NULL) {
            xds_mux_start(s->mux);
        }
    }
}

void xds_client_pause(struct xds_client *client, struct slice type_url) {
    if (client->ads != NULL) {
        ads_session_pause(xds_mux_session(client->ads), type_url);
    }
}

void xds_client_resume(struct xds_client *client, struct slice type_url) {
    if (client->ads != NULL) {
        ads_session_resume(xds_mux_session(client->ads), type_url);
    }
}

struct xds_client *xds_client_new(const struct xds_client_options *options) {
    struct xds_client *client = mem_calloc(1, sizeof(*client));
    client->options = *options;
    list_init(&client->subscriptions);
    for (uint32_t kind = 0; kind < CONFIG_KIND_COUNT; kind++) {
        hash_map_init(&client->named[kind]);
    }
    return client;
}

void xds_client_free(struct xds_client *client) {
    if (client == NULL) {
        return;
    }
    ASSERT(list_is_empty(&client->subscriptions));
    xds_mux_free(client->ads);
    management_server_free(client->ads_server);
    stats_scope_unref(client->control_plane);
    for (uint32_t kind = 0; kind < CONFIG_KIND_COUNT; kind++) {
        hash_map_deinit(&client->named[kind]);
    }
    mem_free(client);
}
