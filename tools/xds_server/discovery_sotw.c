// SPDX-License-Identifier: Apache-2.0
/* State of the world: each response holds all that the client wants of a type. */
#include <stdio.h>

#include "envoy/config/core/v3/base.pb-c.h"
#include "envoy/service/discovery/v3/discovery.pb-c.h"
#include "google/protobuf/any.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "src/base/check.h"
#include "tools/xds_server/discovery_watch.h"
#include "xds/proto_reflect.h"

enum { VERSION_TEXT_BYTES = 20 };

static bool is_wanted(const struct type_watch *watch, const struct catalog_resource *resource) {
    if (watch->is_wildcard) {
        return true;
    }
    const struct watched_name *name = hash_map_get(&watch->names, resource->name);
    return name != NULL && name->is_subscribed;
}

struct wanted_set {
    const struct catalog_resource **resources; /* owned */
    uint32_t count;
    uint64_t hash;
};

static struct wanted_set wanted_set_make(const struct discovery_stream *stream,
                                         const struct type_watch *watch) {
    struct wanted_set set = {0};
    const struct catalog_type *type = resource_catalog_type(stream->catalog, watch->type_url);
    if (type == NULL) {
        return set;
    }
    set.resources = mem_calloc(type->count + 1, sizeof(*set.resources));
    for (uint32_t i = 0; i < type->count; i++) {
        const struct catalog_resource *resource = type->resources[i];
        if (is_wanted(watch, resource)) {
            set.resources[set.count++] = resource;
            set.hash = slice_xxhash64(resource->name, set.hash);
            set.hash = slice_xxhash64(resource->version, set.hash);
        }
    }
    return set;
}

static Google__Protobuf__Any **anys(const struct wanted_set *set, struct arena *arena) {
    Google__Protobuf__Any **list = ARENA_NEW_ARRAY(arena, set->count, Google__Protobuf__Any *);
    for (uint32_t i = 0; i < set->count; i++) {
        const struct catalog_resource *resource = set->resources[i];
        list[i] = ARENA_NEW(arena, Google__Protobuf__Any);
        google__protobuf__any__init(list[i]);
        list[i]->type_url = arena_dup_string(arena, resource->type_url);
        list[i]->value.data = (uint8_t *)(uintptr_t)resource->value.ptr;
        list[i]->value.len = resource->value.len;
    }
    return list;
}

static void send_set(struct discovery_stream *stream, struct type_watch *watch,
                     const struct wanted_set *set) {
    struct arena arena;
    arena_init_heap(&arena, 0);
    char nonce[NONCE_TEXT_BYTES], version[VERSION_TEXT_BYTES], server[] = "sallyport-xds-server";
    type_watch_next_nonce(watch, nonce);
    snprintf(version, sizeof(version), "%016llx", (unsigned long long)set->hash);
    Envoy__Config__Core__V3__ControlPlane control_plane;
    envoy__config__core__v3__control_plane__init(&control_plane);
    control_plane.identifier = server;
    Envoy__Service__Discovery__V3__DiscoveryResponse response;
    envoy__service__discovery__v3__discovery_response__init(&response);
    response.version_info = version;
    response.type_url = arena_dup_string(&arena, watch->type_url);
    response.nonce = nonce;
    response.control_plane = &control_plane;
    response.n_resources = set->count;
    response.resources = anys(set, &arena);
    stream->options.handler->send(stream->options.arg, proto_pack(&response.base, &arena));
    watch->sent_hash = set->hash;
    type_watch_sent(stream, watch, slice_from_string(version), set->count, 0);
    arena_deinit(&arena);
}

// A client learns that a cluster or listener is absent from a response without it; for the other types
// an empty response says nothing, so that none is sent and the client waits.
static void send_if_due(struct discovery_stream *stream, struct type_watch *watch) {
    struct wanted_set set = wanted_set_make(stream, watch);
    bool may_be_empty = watch->is_wildcard || resource_type_is_wildcard(watch->type_url);
    if ((watch->must_send || set.hash != watch->sent_hash) && (set.count > 0 || may_be_empty)) {
        send_set(stream, watch, &set);
    }
    watch->must_send = false;
    watch->sent_hash = set.hash;
    mem_free(set.resources);
}

// Returns true where the request names something that the one before did not.
static bool update_names(struct type_watch *watch,
                         const Envoy__Service__Discovery__V3__DiscoveryRequest *request) {
    bool is_more = false, names_all = request->n_resource_names == 0 && !watch->has_named &&
                                      resource_type_is_wildcard(watch->type_url);
    for (size_t i = 0; i < request->n_resource_names; i++) {
        struct slice text = slice_from_string(request->resource_names[i]);
        if (slice_equal(text, SLICE("*"))) {
            names_all = true;
            continue;
        }
        struct watched_name *name = type_watch_name(watch, text);
        is_more = is_more || !name->is_subscribed;
        name->is_subscribed = true;
        name->is_touched = true;
    }
    watch->has_named = watch->has_named || request->n_resource_names > 0;
    is_more = is_more || (names_all && !watch->is_wildcard);
    watch->is_wildcard = names_all;
    size_t at = 0;
    struct slice key;
    void *value;
    while (hash_map_next(&watch->names, &at, &key, &value)) {
        struct watched_name *name = value;
        if (!name->is_touched) {
            type_watch_drop(watch, name);
        } else {
            name->is_touched = false;
        }
    }
    return is_more;
}

// A reconnecting client that says it has exactly what there is needs nothing.
static bool is_up_to_date(const struct discovery_stream *stream, const struct type_watch *watch,
                          struct slice version) {
    char text[VERSION_TEXT_BYTES];
    struct wanted_set set = wanted_set_make(stream, watch);
    snprintf(text, sizeof(text), "%016llx", (unsigned long long)set.hash);
    mem_free(set.resources);
    return slice_equal(version, slice_from_string(text));
}

void sotw_receive(struct discovery_stream *stream, struct type_watch *watch,
                  const Envoy__Service__Discovery__V3__DiscoveryRequest *request) {
    struct discovery_answer answer = {.nonce = slice_from_string(request->response_nonce),
                                      .is_refusal = request->error_detail != NULL};
    if (answer.is_refusal) {
        answer.error = slice_from_string(request->error_detail->message);
    }
    bool was_waiting = watch->awaits_answer;
    if (watch->nonce > 0 && !type_watch_answered(stream, watch, &answer)) {
        return; // it speaks of a response that a newer one has overtaken
    }
    bool is_more = update_names(watch, request);
    if (!watch->has_requested) {
        watch->has_requested = true;
        watch->must_send = !is_up_to_date(stream, watch, slice_from_string(request->version_info));
        if (!watch->must_send) {
            struct wanted_set set = wanted_set_make(stream, watch);
            watch->sent_hash = set.hash;
            mem_free(set.resources);
        }
    } else {
        // The same once more after the answer is a client that asks again.
        watch->must_send = is_more || (!was_waiting && !watch->was_refused);
    }
    if (watch->must_send) {
        send_if_due(stream, watch);
    } else {
        struct wanted_set set = wanted_set_make(stream, watch);
        watch->sent_hash = set.hash; // fewer names: nothing to tell
        mem_free(set.resources);
    }
}

void sotw_publish(struct discovery_stream *stream, struct type_watch *watch) {
    send_if_due(stream, watch);
}
