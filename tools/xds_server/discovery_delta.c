// SPDX-License-Identifier: Apache-2.0
/* Delta: each response holds what the client lacks and names what is gone. */
#include "envoy/config/core/v3/base.pb-c.h"
#include "envoy/service/discovery/v3/discovery.pb-c.h"
#include "google/protobuf/any.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "src/base/check.h"
#include "tools/xds_server/discovery_watch.h"
#include "xds/proto_reflect.h"

struct delta_batch {
    struct arena arena;
    Envoy__Service__Discovery__V3__Resource **resources;
    char **removed;
    uint32_t resource_count, removed_count;
    uint64_t hash; /* of what is sent: the response's version */
};

static void add_resource(struct delta_batch *batch, const struct catalog_resource *from) {
    Envoy__Service__Discovery__V3__Resource *resource =
        ARENA_NEW(&batch->arena, Envoy__Service__Discovery__V3__Resource);
    envoy__service__discovery__v3__resource__init(resource);
    resource->name = arena_dup_string(&batch->arena, from->name);
    resource->version = arena_dup_string(&batch->arena, from->version);
    resource->resource = ARENA_NEW(&batch->arena, Google__Protobuf__Any);
    google__protobuf__any__init(resource->resource);
    resource->resource->type_url = arena_dup_string(&batch->arena, from->type_url);
    resource->resource->value.data = (uint8_t *)(uintptr_t)from->value.ptr;
    resource->resource->value.len = from->value.len;
    batch->resources[batch->resource_count++] = resource;
}

static void collect_changed(const struct catalog_type *type, struct type_watch *watch,
                            struct delta_batch *batch) {
    for (uint32_t i = 0; i < type->count; i++) {
        const struct catalog_resource *resource = type->resources[i];
        struct watched_name *name = hash_map_get(&watch->names, resource->name);
        if (!watch->is_wildcard && (name == NULL || !name->is_subscribed)) {
            continue;
        }
        if (name == NULL) {
            name = type_watch_name(watch, resource->name);
        }
        if (!name->is_sent || name->is_absent || name->hash != resource->hash) {
            add_resource(batch, resource);
            name->is_sent = true;
            name->is_absent = false;
            name->hash = resource->hash;
        }
    }
}

// What the client has, or asked for, and what is not there.
static void collect_removed(const struct catalog_type *type, struct type_watch *watch,
                            struct delta_batch *batch) {
    size_t at = 0;
    struct slice key;
    void *value;
    while (hash_map_next(&watch->names, &at, &key, &value)) {
        struct watched_name *name = value;
        if (catalog_type_find(type, name->name) != NULL || (name->is_sent && name->is_absent)) {
            continue;
        }
        batch->removed[batch->removed_count++] = arena_dup_string(&batch->arena, name->name);
        name->is_sent = true;
        name->is_absent = true;
        if (!name->is_subscribed) {
            type_watch_drop(watch, name);
        }
    }
}

// One version for the whole catalog of the type: it is informative only.
static uint64_t type_hash(const struct catalog_type *type) {
    uint64_t hash = 0;
    for (uint32_t i = 0; type != NULL && i < type->count; i++) {
        hash = slice_xxhash64(type->resources[i]->name, hash);
        hash = slice_xxhash64(type->resources[i]->version, hash);
    }
    return hash;
}

static void send_batch(struct discovery_stream *stream, struct type_watch *watch,
                       struct delta_batch *batch) {
    char nonce[NONCE_TEXT_BYTES], server[] = "sallyport-xds-server";
    type_watch_next_nonce(watch, nonce);
    struct slice version = arena_printf(&batch->arena, "%016llx", (unsigned long long)batch->hash);
    Envoy__Config__Core__V3__ControlPlane control_plane;
    envoy__config__core__v3__control_plane__init(&control_plane);
    control_plane.identifier = server;
    Envoy__Service__Discovery__V3__DeltaDiscoveryResponse response;
    envoy__service__discovery__v3__delta_discovery_response__init(&response);
    response.system_version_info = arena_dup_string(&batch->arena, version);
    response.type_url = arena_dup_string(&batch->arena, watch->type_url);
    response.nonce = nonce;
    response.control_plane = &control_plane;
    response.n_resources = batch->resource_count;
    response.resources = batch->resources;
    response.n_removed_resources = batch->removed_count;
    response.removed_resources = batch->removed;
    stream->options.handler->send(stream->options.arg, proto_pack(&response.base, &batch->arena));
    type_watch_sent(stream, watch, version, batch->resource_count, batch->removed_count);
}

void delta_publish(struct discovery_stream *stream, struct type_watch *watch) {
    static const struct catalog_type no_resources = {0};
    const struct catalog_type *type = resource_catalog_type(stream->catalog, watch->type_url);
    struct delta_batch batch = {.hash = type_hash(type)};
    type = type == NULL ? &no_resources : type;
    arena_init_heap(&batch.arena, 0);
    batch.resources = mem_calloc(type->count + 1, sizeof(*batch.resources));
    collect_changed(type, watch, &batch);
    batch.removed = mem_calloc(watch->names.count + 1, sizeof(char *));
    collect_removed(type, watch, &batch);
    if (watch->must_send || batch.resource_count > 0 || batch.removed_count > 0) {
        send_batch(stream, watch, &batch);
    }
    mem_free(batch.removed);
    mem_free(batch.resources);
    arena_deinit(&batch.arena);
}

/* ---- requests ---- */

static void
take_initial_versions(struct type_watch *watch,
                      const Envoy__Service__Discovery__V3__DeltaDiscoveryRequest *request) {
    for (size_t i = 0; i < request->n_initial_resource_versions; i++) {
        uint64_t hash;
        struct slice version = slice_from_string(request->initial_resource_versions[i]->value);
        struct watched_name *name =
            type_watch_name(watch, slice_from_string(request->initial_resource_versions[i]->key));
        name->is_sent = true;
        // A version that is not of our making is never equal to one of ours but by chance.
        name->hash = slice_parse_hex64(version, &hash) == STATUS_OK ? hash : 0;
    }
}

static void subscribe(struct type_watch *watch,
                      const Envoy__Service__Discovery__V3__DeltaDiscoveryRequest *request) {
    for (size_t i = 0; i < request->n_resource_names_subscribe; i++) {
        struct slice text = slice_from_string(request->resource_names_subscribe[i]);
        if (slice_equal(text, SLICE("*"))) {
            watch->must_send = watch->must_send || !watch->is_wildcard;
            watch->is_wildcard = true;
            continue;
        }
        struct watched_name *name = type_watch_name(watch, text);
        name->is_subscribed = true;
        // Who subscribes again has forgotten what it had; a first request says what it has.
        if (watch->has_requested) {
            name->is_sent = false;
        }
    }
}

static void unsubscribe(struct type_watch *watch,
                        const Envoy__Service__Discovery__V3__DeltaDiscoveryRequest *request) {
    for (size_t i = 0; i < request->n_resource_names_unsubscribe; i++) {
        struct slice text = slice_from_string(request->resource_names_unsubscribe[i]);
        if (slice_equal(text, SLICE("*"))) {
            watch->is_wildcard = false;
            continue;
        }
        struct watched_name *name = hash_map_get(&watch->names, text);
        if (name != NULL) {
            type_watch_drop(watch, name); // under a wildcard it is sent anew
        }
    }
}

// What only the wildcard covered is forgotten with it.
static void forget_unsubscribed(struct type_watch *watch) {
    size_t at = 0;
    struct slice key;
    void *value;
    while (hash_map_next(&watch->names, &at, &key, &value)) {
        if (!((struct watched_name *)value)->is_subscribed) {
            type_watch_drop(watch, value);
        }
    }
}

void delta_receive(struct discovery_stream *stream, struct type_watch *watch,
                   const Envoy__Service__Discovery__V3__DeltaDiscoveryRequest *request) {
    struct discovery_answer answer = {.nonce = slice_from_string(request->response_nonce),
                                      .is_refusal = request->error_detail != NULL};
    if (answer.is_refusal) {
        answer.error = slice_from_string(request->error_detail->message);
    }
    if (!slice_is_empty(answer.nonce)) {
        (void)type_watch_answered(stream, watch, &answer);
    }
    if (!watch->has_requested) {
        take_initial_versions(watch, request);
        if (request->n_resource_names_subscribe == 0 &&
            resource_type_is_wildcard(watch->type_url)) {
            watch->is_wildcard = true;
            watch->must_send = true;
        }
    }
    subscribe(watch, request);
    unsubscribe(watch, request);
    watch->has_requested = true;
    if (!watch->is_wildcard) {
        forget_unsubscribed(watch);
    }
    delta_publish(stream, watch);
}
