// SPDX-License-Identifier: Apache-2.0
#include "tests/mutation/mutation_world.h"

#include <stdio.h>
#include <stdlib.h>

#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "envoy/service/discovery/v3/discovery.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "src/access_log/access_log.h"
#include "src/base/check.h"
#include "src/base/hash_map.h"
#include "src/config/cluster_config.h"
#include "src/config/listener_config.h"
#include "src/event/event_loop.h"
#include "src/server/hcm_factory.h"
#include "xds/bootstrap/proto_json.h"
#include "xds/proto_reflect.h"
#include "xds/xds.h"

enum { TURNS = 4, WAITING_MAX = 64, FETCH_TIMEOUT_MS = 15000, FETCH_TIMEOUTS = 2 };

#define BOOTSTRAP                                                                                  \
    "{node: {id: edge, cluster: edges}, static_resources: {clusters: [{name: ads, type: STATIC, "  \
    "load_assignment: {cluster_name: ads, endpoints: [{lb_endpoints: [{endpoint: {address: "       \
    "{socket_address: {address: 127.0.0.1, port_value: 1}}}}]}]}}]}, dynamic_resources: "          \
    "{ads_config: {api_type: %s, grpc_services: [{envoy_grpc: {cluster_name: ads}}]}, "            \
    "cds_config: {ads: {}}, lds_config: {ads: {}}}}"

struct waiting_cluster {
    struct cluster_part *part;
    xds_warm_fn *on_warm;
    void *arg;
};

struct mutation_world {
    bool is_delta;
    struct virtual_clock clock;
    struct io_context control;
    struct config_store *store;
    struct stats_registry *stats;
    struct file_writer *files;
    struct filter_registry registry;
    struct decode_context decode;
    struct arena arena;
    struct arena answers; /* since the last push */
    struct xds_transport transport;
    struct xds_stream *stream; /* ADS; NULL: none */
    struct waiting_cluster waiting[WAITING_MAX];
    uint32_t waiting_count;
    struct hash_map endpoints; /* by name: struct config_part */
    struct xds *xds;
    unsigned pushes;
    char nonce[16]; /* of the last push */
    struct mutation_answer answer;
};

/* ---- the managers ---- */

static void stop_waiting(struct mutation_world *w, struct slice name) {
    for (uint32_t i = 0; i < w->waiting_count; i++) {
        if (slice_equal(w->waiting[i].part->part.name, name)) {
            config_part_unref(&w->waiting[i].part->part);
            w->waiting[i--] = w->waiting[--w->waiting_count];
        }
    }
}

static void cluster_add(void *arg, struct cluster_part *part, xds_warm_fn *on_warm,
                        void *warm_arg) {
    struct mutation_world *w = arg;
    uint32_t slot = config_store_slot(w->store, CONFIG_CLUSTER, part->part.name);
    config_store_put(w->store, CONFIG_CLUSTER, slot, config_part_ref(&part->part));
    stop_waiting(w, part->part.name);
    if (part->type == CLUSTER_EDS && w->waiting_count < WAITING_MAX) {
        w->waiting[w->waiting_count++] = (struct waiting_cluster){part, on_warm, warm_arg};
        return;
    }
    on_warm(warm_arg, part->part.name);
    config_part_unref(&part->part);
}

static void cluster_remove(void *arg, struct slice name) {
    struct mutation_world *w = arg;
    stop_waiting(w, name);
    config_store_put(w->store, CONFIG_CLUSTER, config_store_slot(w->store, CONFIG_CLUSTER, name),
                     NULL);
}

static void warm(struct mutation_world *w, struct slice eds_name) {
    for (uint32_t i = 0; i < w->waiting_count; i++) {
        struct waiting_cluster cluster = w->waiting[i];
        if (slice_equal(cluster.part->eds_name, eds_name)) {
            w->waiting[i--] = w->waiting[--w->waiting_count];
            cluster.on_warm(cluster.arg, cluster.part->part.name);
            config_part_unref(&cluster.part->part);
        }
    }
}

static void endpoints_set(void *arg, struct slice eds_name, struct endpoint_part *part) {
    struct mutation_world *w = arg;
    struct config_part *base = (struct config_part *)(void *)part;
    struct config_part *before = base != NULL ? hash_map_put(&w->endpoints, base->name, base)
                                              : hash_map_remove(&w->endpoints, eds_name);
    warm(w, eds_name);
    config_part_unref(before);
}

static enum status listener_put(void *arg, struct listener_part *part, struct error *err) {
    struct mutation_world *w = arg;
    struct config_part *base = (struct config_part *)(void *)part;
    (void)err;
    config_store_put(w->store, CONFIG_LISTENER,
                     config_store_slot(w->store, CONFIG_LISTENER, base->name), base);
    return STATUS_OK;
}

static void listener_remove(void *arg, struct slice name) {
    struct mutation_world *w = arg;
    config_store_put(w->store, CONFIG_LISTENER, config_store_slot(w->store, CONFIG_LISTENER, name),
                     NULL);
}

static void listeners_warming(void *arg, uint32_t count) {
    (void)arg;
    (void)count;
}

/* ---- the management server ---- */

struct xds_channel {
    struct mutation_world *world;
};
struct xds_stream {
    struct mutation_world *world;
    const struct xds_stream_handler *handler;
    void *arg;
};

static struct xds_channel *channel_new(struct xds_transport *transport,
                                       const struct xds_channel_config *config, struct error *err) {
    struct xds_channel *channel = mem_calloc(1, sizeof(*channel));
    (void)err;
    channel->world = CONTAINER_OF(transport, struct mutation_world, transport);
    if (config->release_matchers != NULL) {
        config->release_matchers(config->matchers_owner);
    }
    return channel;
}

static void channel_free(struct xds_channel *channel) {
    mem_free(channel);
}

// A mutant may ask for streams of its own: these stay silent.
static struct xds_stream *stream_open(struct xds_channel *channel, struct slice method,
                                      const struct xds_stream_handler *handler, void *arg) {
    struct xds_stream *stream = mem_calloc(1, sizeof(*stream));
    *stream = (struct xds_stream){channel->world, handler, arg};
    if (slice_find(method, SLICE("AggregatedResources")) != SIZE_MAX) {
        CHECK(channel->world->stream == NULL);
        channel->world->stream = stream;
    }
    return stream;
}

static void note_answer(struct mutation_world *w, const char *nonce,
                        const Google__Rpc__Status *error) {
    if (w->nonce[0] == '\0' || strcmp(nonce, w->nonce) != 0 || w->answer.is_there) {
        return;
    }
    w->answer.is_there = true;
    w->answer.error = SLICE("");
    if (error != NULL) {
        w->answer.error = arena_dup_slice(&w->answers, slice_from_string(error->message));
        CHECK(w->answer.error.len > 0);
    }
}

static void stream_send(struct xds_stream *stream, struct slice bytes) {
    struct mutation_world *w = stream->world;
    if (stream != w->stream) {
        return;
    }
    if (w->is_delta) {
        Envoy__Service__Discovery__V3__DeltaDiscoveryRequest *request =
            envoy__service__discovery__v3__delta_discovery_request__unpack(NULL, bytes.len,
                                                                           bytes.ptr);
        CHECK(request != NULL);
        note_answer(w, request->response_nonce, request->error_detail);
        envoy__service__discovery__v3__delta_discovery_request__free_unpacked(request, NULL);
        return;
    }
    Envoy__Service__Discovery__V3__DiscoveryRequest *request =
        envoy__service__discovery__v3__discovery_request__unpack(NULL, bytes.len, bytes.ptr);
    CHECK(request != NULL);
    note_answer(w, request->response_nonce, request->error_detail);
    envoy__service__discovery__v3__discovery_request__free_unpacked(request, NULL);
}

static void stream_close(struct xds_stream *stream) {
    if (stream->world->stream == stream) {
        stream->world->stream = NULL;
    }
    mem_free(stream);
}

static const struct xds_transport_ops transport_ops = {channel_new, channel_free, stream_open,
                                                       stream_send, stream_close};

/* ---- pushes ---- */

static void turn(struct mutation_world *w) {
    for (int i = 0; i < TURNS; i++) {
        event_loop_run_once(w->control.loop, 0);
    }
}

static ProtobufCBinaryData binary(struct slice bytes) {
    return (ProtobufCBinaryData){bytes.len, (uint8_t *)(uintptr_t)bytes.ptr};
}

static Google__Protobuf__Any *packed_any(const struct resource_type *type, struct slice raw,
                                         struct arena *arena) {
    Google__Protobuf__Any *any = ARENA_NEW(arena, Google__Protobuf__Any);
    google__protobuf__any__init(any);
    any->type_url = (char *)(uintptr_t)type->type_url;
    any->value = binary(raw);
    return any;
}

static struct slice sotw_response(struct mutation_world *w, const struct resource_type *type,
                                  const struct mutation_resource *resources, size_t count,
                                  struct arena *arena) {
    Envoy__Service__Discovery__V3__DiscoveryResponse response =
        ENVOY__SERVICE__DISCOVERY__V3__DISCOVERY_RESPONSE__INIT;
    response.version_info = response.nonce = w->nonce;
    response.type_url = (char *)(uintptr_t)type->type_url;
    response.n_resources = count;
    response.resources = ARENA_NEW_ARRAY(arena, count, Google__Protobuf__Any *);
    for (size_t i = 0; i < count; i++) {
        response.resources[i] = packed_any(type, resources[i].raw, arena);
    }
    return proto_pack(&response.base, arena);
}

static struct slice delta_response(struct mutation_world *w, const struct resource_type *type,
                                   const struct mutation_resource *resources, size_t count,
                                   struct arena *arena) {
    Envoy__Service__Discovery__V3__DeltaDiscoveryResponse response =
        ENVOY__SERVICE__DISCOVERY__V3__DELTA_DISCOVERY_RESPONSE__INIT;
    response.nonce = w->nonce;
    response.type_url = (char *)(uintptr_t)type->type_url;
    response.n_resources = count;
    response.resources = ARENA_NEW_ARRAY(arena, count, Envoy__Service__Discovery__V3__Resource *);
    for (size_t i = 0; i < count; i++) {
        Envoy__Service__Discovery__V3__Resource *resource =
            ARENA_NEW(arena, Envoy__Service__Discovery__V3__Resource);
        envoy__service__discovery__v3__resource__init(resource);
        resource->name = (char *)(uintptr_t)arena_dup_string(arena, resources[i].name);
        resource->version = w->nonce;
        resource->resource = packed_any(type, resources[i].raw, arena);
        response.resources[i] = resource;
    }
    return proto_pack(&response.base, arena);
}

struct mutation_answer mutation_world_push(struct mutation_world *w,
                                           const struct resource_type *type,
                                           const struct mutation_resource *resources,
                                           size_t count) {
    struct arena arena;
    arena_init_heap(&arena, 0);
    arena_reset(&w->answers);
    w->answer = (struct mutation_answer){0};
    snprintf(w->nonce, sizeof(w->nonce), "%u", ++w->pushes);
    struct slice bytes = w->is_delta ? delta_response(w, type, resources, count, &arena)
                                     : sotw_response(w, type, resources, count, &arena);
    CHECK(w->stream != NULL);
    w->stream->handler->on_message(w->stream->arg, bytes);
    turn(w);
    for (int i = 0; i < FETCH_TIMEOUTS && !w->answer.is_there; i++) {
        virtual_clock_advance(&w->clock, FETCH_TIMEOUT_MS * 1000ULL);
        turn(w);
    }
    CHECK(w->stream != NULL); // nothing that is sent may end the stream
    arena_deinit(&arena);
    return w->answer;
}

unsigned mutation_world_version(const struct mutation_world *w, const struct resource_type *type,
                                struct slice name) {
    const struct config_part *part =
        type->kind == CONFIG_ENDPOINT
            ? hash_map_get(&w->endpoints, name)
            : config_store_get(w->store, type->kind, config_store_slot(w->store, type->kind, name));
    unsigned version = 0;
    for (size_t i = 0; part != NULL && i < part->version.len; i++) {
        version = version * 10 + (unsigned)(part->version.ptr[i] - '0');
    }
    return version;
}

unsigned mutation_world_pushes(const struct mutation_world *w) {
    return w->pushes;
}

/* ---- life ---- */

struct slice mutation_message(const char *type, struct slice text, struct arena *arena) {
    const struct document_node *root = NULL;
    struct error err = {0};
    struct validation v;
    struct proto_json_read_options options = {.unknown_is_error = true};
    validation_init(&v, arena, slice_from_string(type));
    ProtobufCMessage *message = NULL;
    if (document_parse_yaml(text, arena, &root, &err) == STATUS_OK) {
        message =
            proto_json_read(proto_message_find(slice_from_string(type)), root, &options, arena, &v);
    }
    if (message == NULL || validation_result(&v, &err) != STATUS_OK) {
        fprintf(stderr, "%s\n%.*s\n", err.message, SLICE_ARG(text));
        abort();
    }
    return proto_pack(message, arena);
}

static void on_initialized(void *arg) {
    (void)arg;
}

static struct xds *client(struct mutation_world *w, struct error *err) {
    struct slice text = arena_printf(&w->arena, BOOTSTRAP, w->is_delta ? "DELTA_GRPC" : "GRPC");
    struct slice raw = mutation_message("envoy.config.bootstrap.v3.Bootstrap", text, &w->arena);
    struct validation v;
    validation_init(&v, &w->arena, SLICE("bootstrap"));
    struct xds_options options = {
        .control = &w->control,
        .decode = &w->decode,
        .targets = {.arg = w,
                    .cluster_add = cluster_add,
                    .cluster_remove = cluster_remove,
                    .endpoints_set = endpoints_set,
                    .listener_put = listener_put,
                    .listener_remove = listener_remove,
                    .listeners_warming = listeners_warming},
        .transport = &w->transport,
        .bootstrap = (const Envoy__Config__Bootstrap__V3__Bootstrap *)proto_unpack(
            proto_message_find(SLICE("envoy.config.bootstrap.v3.Bootstrap")), raw, &w->arena, &v),
        .on_initialized = on_initialized,
        .arg = w};
    return xds_new(&options, err);
}

struct mutation_world *mutation_world_new(bool is_delta) {
    struct mutation_world *w = mem_calloc(1, sizeof(*w));
    struct error err = {0};
    w->is_delta = is_delta;
    virtual_clock_init(&w->clock, 1700000000ULL * 1000000);
    CHECK(io_context_init(&w->control, 0, &w->clock.base, NULL) == STATUS_OK);
    w->store = config_store_new(&w->control);
    w->stats = stats_registry_new(1);
    server_registry_init(&w->registry);
    struct file_writer_options files = {.flush_interval_ms = 1000, .threads = 1};
    w->files = file_writer_new(&files, w->stats, &err);
    CHECK(w->files != NULL);
    w->decode = (struct decode_context){.store = w->store,
                                        .stats = w->stats,
                                        .files = w->files,
                                        .registry = &w->registry,
                                        .edge_defaults = true};
    w->transport.ops = &transport_ops;
    arena_init_heap(&w->arena, 0);
    arena_init_heap(&w->answers, 0);
    hash_map_init(&w->endpoints);
    w->xds = client(w, &err);
    CHECK(w->xds != NULL);
    CHECK(xds_start(w->xds, &err) == STATUS_OK);
    turn(w);
    return w;
}

void mutation_world_free(struct mutation_world *w) {
    if (w == NULL) {
        return;
    }
    xds_free(w->xds);
    while (w->waiting_count > 0) {
        config_part_unref(&w->waiting[--w->waiting_count].part->part);
    }
    size_t at = 0;
    struct slice name;
    void *part;
    while (hash_map_next(&w->endpoints, &at, &name, &part)) {
        config_part_unref(part);
    }
    hash_map_deinit(&w->endpoints);
    config_store_free(w->store);
    io_context_deinit(&w->control);
    file_writer_free(w->files);
    stats_registry_free(w->stats);
    server_registry_deinit(&w->registry);
    arena_deinit(&w->answers);
    arena_deinit(&w->arena);
    mem_free(w);
}
