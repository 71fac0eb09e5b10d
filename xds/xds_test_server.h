// SPDX-License-Identifier: Apache-2.0
/*
 * The rest of a test's world: a management server's stream whose requests go into the log and whose
 * responses are written as YAML; starting, turning and ending the world.
 */
#ifndef XDS_XDS_TEST_SERVER_H
#define XDS_XDS_TEST_SERVER_H

#include "xds/xds_test_world.h"

#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "envoy/service/discovery/v3/discovery.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "xds/xds_mux.h"

struct xds_channel {
    struct world *world;
};
struct xds_stream {
    struct world *world;
    const struct xds_stream_handler *handler;
    void *arg;
    bool is_delta;
};

/* ---- the management server ---- */

static inline struct xds_channel *world_channel_new(struct xds_transport *transport,
                                                    const struct xds_channel_config *config,
                                                    struct error *err) {
    (void)err;
    struct xds_channel *channel = mem_calloc(1, sizeof(*channel));
    channel->world = CONTAINER_OF(transport, struct world, transport);
    channel->world->channels++;
    snprintf(channel->world->target, sizeof(channel->world->target), "%.*s",
             SLICE_ARG(config->target));
    if (config->release_matchers != NULL) {
        config->release_matchers(config->matchers_owner);
    }
    return channel;
}

static inline void world_channel_free(struct xds_channel *channel) {
    channel->world->channels--;
    mem_free(channel);
}

static inline struct xds_stream *world_stream_open(struct xds_channel *channel, struct slice method,
                                                   const struct xds_stream_handler *handler,
                                                   void *arg) {
    struct xds_stream *stream = mem_calloc(1, sizeof(*stream));
    stream->world = channel->world;
    stream->handler = handler;
    stream->arg = arg;
    stream->is_delta = slice_find(method, SLICE("/Delta")) != SIZE_MAX;
    channel->world->stream = stream;
    channel->world->opened++;
    return stream;
}

static inline const char *short_type(const char *type_url) {
    static const char *const names[][2] = {{"Cluster", "CDS"},  {"ClusterLoadAssignment", "EDS"},
                                           {"Listener", "LDS"}, {"RouteConfiguration", "RDS"},
                                           {"Secret", "SDS"},   {"Runtime", "RTDS"}};
    const char *dot = strrchr(type_url, '.');
    for (size_t i = 0; dot != NULL && i < ARRAY_LEN(names); i++) {
        if (strcmp(dot + 1, names[i][0]) == 0) {
            return names[i][1];
        }
    }
    return type_url;
}

static inline void note_names(struct world *w, const char *mark, char **names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        note(w, " %s%s", mark, names[i]);
    }
}

static inline void note_sotw(struct world *w, struct slice bytes) {
    Envoy__Service__Discovery__V3__DiscoveryRequest *request =
        envoy__service__discovery__v3__discovery_request__unpack(NULL, bytes.len, bytes.ptr);
    ck_assert_ptr_nonnull(request);
    note(w, "> %s v=%s n=%s", short_type(request->type_url), request->version_info,
         request->response_nonce);
    note_names(w, "", request->resource_names, request->n_resource_names);
    if (request->error_detail != NULL) {
        note(w, " !%s", request->error_detail->message);
    }
    note(w, "\n");
    envoy__service__discovery__v3__discovery_request__free_unpacked(request, NULL);
}

static inline void note_delta(struct world *w, struct slice bytes) {
    Envoy__Service__Discovery__V3__DeltaDiscoveryRequest *request =
        envoy__service__discovery__v3__delta_discovery_request__unpack(NULL, bytes.len, bytes.ptr);
    ck_assert_ptr_nonnull(request);
    note(w, "> %s n=%s", short_type(request->type_url), request->response_nonce);
    note_names(w, "+", request->resource_names_subscribe, request->n_resource_names_subscribe);
    note_names(w, "-", request->resource_names_unsubscribe, request->n_resource_names_unsubscribe);
    for (size_t i = 0; i < request->n_initial_resource_versions; i++) {
        note(w, " %s=%s", request->initial_resource_versions[i]->key,
             request->initial_resource_versions[i]->value);
    }
    if (request->error_detail != NULL) {
        note(w, " !%s", request->error_detail->message);
    }
    note(w, "\n");
    envoy__service__discovery__v3__delta_discovery_request__free_unpacked(request, NULL);
}

static inline void world_stream_send(struct xds_stream *stream, struct slice bytes) {
    if (stream->is_delta) {
        note_delta(stream->world, bytes);
    } else {
        note_sotw(stream->world, bytes);
    }
}

static inline void world_stream_close(struct xds_stream *stream) {
    if (stream->world->stream == stream) {
        stream->world->stream = NULL;
    }
    mem_free(stream);
}

static const struct xds_transport_ops world_ops = {world_channel_new, world_channel_free,
                                                   world_stream_open, world_stream_send,
                                                   world_stream_close};

static inline void world_turn(struct world *w) {
    for (int i = 0; i < 5; i++) {
        event_loop_run_once(w->control.loop, 0);
    }
}

static inline void world_advance(struct world *w, uint64_t ms) {
    virtual_clock_advance(&w->clock, ms * 1000);
    world_turn(w);
}

/* A response as YAML, to the newest stream. */
static inline void world_receive(struct world *w, const char *yaml) {
    struct arena arena;
    arena_init_heap(&arena, 0);
    ck_assert_ptr_nonnull(w->stream);
    const char *type = w->stream->is_delta ? "envoy.service.discovery.v3.DeltaDiscoveryResponse"
                                           : "envoy.service.discovery.v3.DiscoveryResponse";
    w->stream->handler->on_message(w->stream->arg,
                                   proto_pack(test_message(type, yaml, &arena), &arena));
    arena_deinit(&arena);
    world_turn(w);
}

/* A response of the state of the world whose resources are these bytes, right or not. */
static inline void world_receive_bytes(struct world *w, const char *type_url, const char *nonce,
                                       const struct slice *resources, size_t count) {
    Envoy__Service__Discovery__V3__DiscoveryResponse response =
        ENVOY__SERVICE__DISCOVERY__V3__DISCOVERY_RESPONSE__INIT;
    Google__Protobuf__Any bodies[4], *pointers[4];
    struct arena arena;
    ck_assert_uint_le(count, ARRAY_LEN(bodies));
    for (size_t i = 0; i < count; i++) {
        google__protobuf__any__init(&bodies[i]);
        bodies[i].type_url = (char *)(uintptr_t)type_url;
        bodies[i].value.data = (uint8_t *)(uintptr_t)resources[i].ptr;
        bodies[i].value.len = resources[i].len;
        pointers[i] = &bodies[i];
    }
    response.type_url = (char *)(uintptr_t)type_url;
    response.version_info = response.nonce = (char *)(uintptr_t)nonce;
    response.n_resources = count;
    response.resources = pointers;
    arena_init_heap(&arena, 0);
    w->stream->handler->on_message(w->stream->arg, proto_pack(&response.base, &arena));
    arena_deinit(&arena);
    world_turn(w);
}

static inline void world_end_stream(struct world *w, int code) {
    struct xds_stream *stream = w->stream;
    ck_assert_ptr_nonnull(stream);
    w->stream = NULL;
    stream->handler->on_closed(stream->arg, code, SLICE("gone"));
    mem_free(stream);
    world_turn(w);
}

static inline void world_lose_stream(struct world *w) {
    world_end_stream(w, XDS_CODE_UNAVAILABLE);
}

#define expect_log(w, text)                                                                        \
    do {                                                                                           \
        ck_assert_str_eq((w)->log, (text));                                                        \
        (w)->log[0] = '\0';                                                                        \
    } while (0)

/* ---- life ---- */

static inline void world_init(struct world *w) {
    memset(w, 0, sizeof(*w));
    virtual_clock_init(&w->clock, 1700000000ULL * 1000000);
    ck_assert_int_eq(io_context_init(&w->control, 0, &w->clock.base, NULL), STATUS_OK);
    // What is drawn must not decide a test: a back-off may come out as none at all.
    random_init_seed(&w->control.random, 1);
    w->store = config_store_new(&w->control);
    w->stats = stats_registry_new(1);
    struct file_writer_options files = {.flush_interval_ms = 1000, .threads = 1};
    w->files = file_writer_new(&files, w->stats, NULL);
    w->registry = (struct filter_registry){.http = test_http_factories,
                                           .network = test_network_factories,
                                           .listener = test_listener_factories};
    w->decode = (struct decode_context){
        .store = w->store, .stats = w->stats, .files = w->files, .registry = &w->registry};
    w->transport.ops = &world_ops;
    arena_init_heap(&w->arena, 0);
}

static inline struct xds *world_xds(struct world *w, const char *bootstrap, struct error *err) {
    struct xds_options options = {
        .control = &w->control,
        .decode = &w->decode,
        .targets = {.arg = w,
                    .cluster_add = world_cluster_add,
                    .cluster_remove = world_cluster_remove,
                    .endpoints_set = world_endpoints_set,
                    .listener_put = world_listener_put,
                    .listener_remove = world_listener_remove,
                    .listeners_warming = world_listeners_warming},
        .transport = &w->transport,
        .bootstrap = (const Envoy__Config__Bootstrap__V3__Bootstrap *)test_message(
            "envoy.config.bootstrap.v3.Bootstrap", bootstrap, &w->arena),
        .runtime = w->runtime,
        .on_initialized = world_initialized,
        .arg = w};
    return xds_new(&options, err);
}

static inline void world_start(struct world *w, const char *bootstrap) {
    struct error err = {0};
    w->xds = world_xds(w, bootstrap, &err);
    ck_assert_msg(w->xds != NULL, "%s", err.message);
    ck_assert_msg(xds_start(w->xds, &err) == STATUS_OK, "%s", err.message);
    world_turn(w);
}

static inline void world_deinit(struct world *w) {
    xds_free(w->xds);
    for (uint32_t i = 0; i < w->waiting_count; i++) {
        config_part_unref(w->waiting[i].part);
    }
    config_store_free(w->store);
    io_context_deinit(&w->control);
    file_writer_free(w->files);
    stats_registry_free(w->stats);
    arena_deinit(&w->arena);
}

struct stat_search {
    const char *name;
    uint64_t value;
    bool is_found;
};
static inline void world_look(void *arg, const struct stats_visit *visit) {
    struct stat_search *search = arg;
    if (slice_equal(visit->full_name, slice_from_string(search->name))) {
        search->value = visit->value;
        search->is_found = true;
    }
}
static inline uint64_t world_stat(const struct world *w, const char *name) {
    struct stat_search search = {.name = name};
    stats_visit_all(w->stats, world_look, &search);
    ck_assert_msg(search.is_found, "no stat %s", name);
    return search.value;
}

#endif
