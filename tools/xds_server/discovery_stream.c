// SPDX-License-Identifier: Apache-2.0
#include "tools/xds_server/discovery_stream.h"

#include <stdio.h>

#include "envoy/config/core/v3/base.pb-c.h"
#include "envoy/service/discovery/v3/discovery.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "src/base/check.h"
#include "src/config/validation.h"
#include "tools/xds_server/discovery_watch.h"
#include "xds/proto_reflect.h"

enum { MAX_LOGGED_BYTES = 4096 };

static struct slice own(struct slice text) {
    return slice_make(mem_dup_string((const char *)text.ptr, text.len), text.len);
}

static void disown(struct slice *text) {
    mem_free((void *)(uintptr_t)text->ptr);
    *text = SLICE("");
}

static void replace(struct slice *text, struct slice with) {
    struct slice old = *text;
    *text = own(with);
    mem_free((void *)(uintptr_t)old.ptr);
}

/* ---- names ---- */

struct watched_name *type_watch_name(struct type_watch *watch, struct slice name) {
    struct watched_name *watched = hash_map_get(&watch->names, name);
    if (watched == NULL) {
        watched = mem_calloc(1, sizeof(*watched));
        watched->name = own(name);
        (void)hash_map_put(&watch->names, watched->name, watched);
    }
    return watched;
}

void type_watch_drop(struct type_watch *watch, struct watched_name *name) {
    (void)hash_map_remove(&watch->names, name->name);
    mem_free((void *)(uintptr_t)name->name.ptr);
    mem_free(name);
}

/* ---- watches ---- */

static void free_watch(struct type_watch *watch) {
    size_t at = 0;
    struct slice key;
    void *value;
    while (hash_map_next(&watch->names, &at, &key, &value)) {
        type_watch_drop(watch, value);
    }
    hash_map_deinit(&watch->names);
    list_remove(&watch->node);
    disown(&watch->type_url);
    disown(&watch->version);
    mem_free(watch);
}

struct type_watch *discovery_stream_watch(struct discovery_stream *stream, struct slice type_url) {
    struct list_node *position = stream->watches.next;
    LIST_FOR_EACH (node, &stream->watches) {
        struct type_watch *watch = LIST_ENTRY(node, struct type_watch, node);
        if (slice_equal(watch->type_url, type_url)) {
            return watch;
        }
        if (resource_type_rank(watch->type_url) <= resource_type_rank(type_url)) {
            position = node->next;
        }
    }
    struct type_watch *watch = mem_calloc(1, sizeof(*watch));
    watch->type_url = own(type_url);
    watch->version = own(SLICE(""));
    hash_map_init(&watch->names);
    list_insert_before(position, &watch->node);
    return watch;
}

/* ---- log lines ---- */

static void log_line(struct discovery_stream *stream, const struct type_watch *watch,
                     const char *word, struct slice rest) {
    struct arena arena;
    arena_init_heap(&arena, 0);
    struct slice node = stream->node_id.len > 0 ? stream->node_id : SLICE("-");
    struct slice line =
        arena_printf(&arena, "%s %.*s node=%.*s peer=%.*s %.*s", word,
                     SLICE_ARG(resource_type_short_name(watch->type_url)), SLICE_ARG(node),
                     SLICE_ARG(stream->options.peer), SLICE_ARG(rest));
    // A client's text must not make lines of its own.
    uint8_t *text = (uint8_t *)(uintptr_t)line.ptr;
    for (size_t i = 0; i < line.len; i++) {
        if (text[i] < 0x20 || text[i] == 0x7f) {
            text[i] = ' ';
        }
    }
    stream->options.handler->log(stream->options.arg, slice_sub(line, 0, MAX_LOGGED_BYTES));
    arena_deinit(&arena);
}

void type_watch_next_nonce(struct type_watch *watch, char text[NONCE_TEXT_BYTES]) {
    snprintf(text, NONCE_TEXT_BYTES, "%llu", (unsigned long long)(watch->nonce + 1));
}

void type_watch_sent(struct discovery_stream *stream, struct type_watch *watch,
                     struct slice version, uint32_t resources, uint32_t removed) {
    watch->nonce++;
    watch->awaits_answer = true;
    watch->was_refused = false;
    watch->must_send = false;
    replace(&watch->version, version);
    char rest[128];
    int len = stream->options.is_delta
                  ? snprintf(rest, sizeof(rest), "version=%.*s resources=%u removed=%u",
                             SLICE_ARG(version), resources, removed)
                  : snprintf(rest, sizeof(rest), "version=%.*s resources=%u", SLICE_ARG(version),
                             resources);
    log_line(stream, watch, "SEND", slice_make(rest, (size_t)len));
}

bool type_watch_answered(struct discovery_stream *stream, struct type_watch *watch,
                         const struct discovery_answer *answer) {
    char current[NONCE_TEXT_BYTES];
    snprintf(current, sizeof(current), "%llu", (unsigned long long)watch->nonce);
    if (!slice_equal(answer->nonce, slice_from_string(current))) {
        return false;
    }
    if (!watch->awaits_answer) {
        return true;
    }
    struct arena arena;
    arena_init_heap(&arena, 0);
    struct slice version = arena_printf(&arena, "version=%.*s", SLICE_ARG(watch->version));
    watch->awaits_answer = false;
    watch->was_refused = answer->is_refusal;
    if (answer->is_refusal) {
        log_line(stream, watch, "NACK",
                 arena_printf(&arena, "%.*s: %.*s", SLICE_ARG(version), SLICE_ARG(answer->error)));
    } else {
        log_line(stream, watch, "ACK", version);
    }
    arena_deinit(&arena);
    return true;
}

/* ---- requests ---- */

static void learn_node(struct discovery_stream *stream, const Envoy__Config__Core__V3__Node *node) {
    if (node != NULL && slice_is_empty(stream->node_id)) {
        replace(&stream->node_id, slice_from_string(node->id));
    }
}

static enum status find_type(const struct discovery_stream *stream, const char *requested,
                             struct slice *type_url, struct error *err) {
    struct slice served = stream->options.type_url;
    *type_url = slice_from_string(requested);
    if (slice_is_empty(*type_url)) {
        *type_url = served;
    }
    if (slice_is_empty(*type_url)) {
        return error_set(err, STATUS_INVALID, "type URL is required for ADS");
    }
    if (!slice_is_empty(served) && !slice_equal(*type_url, served)) {
        return error_set(err, STATUS_INVALID, "this service serves %.*s only", SLICE_ARG(served));
    }
    return STATUS_OK;
}

static enum status receive_message(struct discovery_stream *stream, const ProtobufCMessage *message,
                                   struct error *err) {
    struct slice type_url = SLICE("");
    if (stream->options.is_delta) {
        const Envoy__Service__Discovery__V3__DeltaDiscoveryRequest *request =
            (const Envoy__Service__Discovery__V3__DeltaDiscoveryRequest *)(const void *)message;
        learn_node(stream, request->node);
        TRY(find_type(stream, request->type_url, &type_url, err));
        delta_receive(stream, discovery_stream_watch(stream, type_url), request);
    } else {
        const Envoy__Service__Discovery__V3__DiscoveryRequest *request =
            (const Envoy__Service__Discovery__V3__DiscoveryRequest *)(const void *)message;
        learn_node(stream, request->node);
        TRY(find_type(stream, request->type_url, &type_url, err));
        sotw_receive(stream, discovery_stream_watch(stream, type_url), request);
    }
    return STATUS_OK;
}

enum status discovery_stream_receive(struct discovery_stream *stream, struct slice message,
                                     struct error *err) {
    const struct proto_message_info *info = proto_message_find(
        stream->options.is_delta ? SLICE("envoy.service.discovery.v3.DeltaDiscoveryRequest")
                                 : SLICE("envoy.service.discovery.v3.DiscoveryRequest"));
    struct arena arena;
    struct validation v;
    arena_init_heap(&arena, 0);
    validation_init(&v, &arena, SLICE("discovery request"));
    const ProtobufCMessage *request = proto_unpack(info, message, &arena, &v);
    enum status status = validation_result(&v, err);
    if (status == STATUS_OK) {
        status = receive_message(stream, request, err);
    }
    arena_deinit(&arena);
    return status;
}

/* ---- life ---- */

struct discovery_stream *discovery_stream_new(const struct discovery_stream_options *options,
                                              struct resource_catalog *catalog) {
    struct discovery_stream *stream = mem_calloc(1, sizeof(*stream));
    stream->options = *options;
    stream->options.type_url = own(options->type_url);
    stream->options.peer = own(options->peer);
    stream->catalog = resource_catalog_ref(catalog);
    stream->node_id = own(SLICE(""));
    list_init(&stream->watches);
    return stream;
}

void discovery_stream_free(struct discovery_stream *stream) {
    if (stream == NULL) {
        return;
    }
    LIST_FOR_EACH_SAFE (node, &stream->watches) {
        free_watch(LIST_ENTRY(node, struct type_watch, node));
    }
    resource_catalog_unref(stream->catalog);
    disown(&stream->options.type_url);
    disown(&stream->options.peer);
    disown(&stream->node_id);
    mem_free(stream);
}

void discovery_stream_publish(struct discovery_stream *stream, struct resource_catalog *catalog) {
    struct resource_catalog *old = stream->catalog;
    stream->catalog = resource_catalog_ref(catalog);
    LIST_FOR_EACH (node, &stream->watches) {
        struct type_watch *watch = LIST_ENTRY(node, struct type_watch, node);
        if (stream->options.is_delta) {
            delta_publish(stream, watch);
        } else {
            sotw_publish(stream, watch);
        }
    }
    resource_catalog_unref(old);
}

bool discovery_stream_is_quiet(const struct discovery_stream *stream) {
    LIST_FOR_EACH (node, &stream->watches) {
        if (LIST_ENTRY(node, struct type_watch, node)->awaits_answer) {
            return false;
        }
    }
    return true;
}

struct slice discovery_stream_node(const struct discovery_stream *stream) {
    return stream->node_id;
}
