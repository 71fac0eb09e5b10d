// SPDX-License-Identifier: Apache-2.0
/* What an open tunnel gives back: the route configuration, so that one which was replaced goes away, and
 * both heads. Nothing is decided any more; what the end still asks for is kept in its size. */
#include "src/config/config_store.h"
#include "src/event/io_context.h"
#include "src/http/packed_headers.h"
#include "src/stream/http_stream.h"

/* ---- facts that lie in what goes ---- */

static void own_text(struct arena *arena, struct slice *text) {
    if (text->ptr != NULL) {
        *text = arena_dup_slice(arena, *text);
    }
}

static const struct metadata *own_metadata(struct arena *arena, const struct metadata *metadata) {
    if (metadata == NULL || metadata->count == 0) {
        return NULL;
    }
    struct metadata *copy = ARENA_NEW(arena, struct metadata);
    struct metadata_entry *entries = ARENA_NEW_ARRAY(arena, metadata->count, struct metadata_entry);
    for (uint32_t i = 0; i < metadata->count; i++) {
        const struct metadata_entry *entry = &metadata->entries[i];
        entries[i] = (struct metadata_entry){
            .filter = arena_dup_slice(arena, entry->filter),
            .path = arena_dup_slice(arena, entry->path),
            .value = arena_dup_slice(arena, entry->value),
            .is_string = entry->is_string,
        };
    }
    *copy = (struct metadata){.entries = entries, .count = metadata->count};
    return copy;
}

static void own_facts(struct stream_info *info) {
    own_text(info->arena, &info->cluster_name);
    own_text(info->arena, &info->request_id);
    own_text(info->arena, &info->route_name);
    own_text(info->arena, &info->vhost_name);
    info->route_metadata = own_metadata(info->arena, info->route_metadata);
    info->vhost_metadata = own_metadata(info->arena, info->vhost_metadata);
}

static void forget_facts(struct stream_info *info) {
    info->cluster_name = info->request_id = (struct slice){NULL, 0};
    info->route_name = info->vhost_name = (struct slice){NULL, 0};
    info->route_metadata = info->vhost_metadata = NULL;
}

/* ---- the route ---- */

/* Filters may keep what a level of the configuration says to them. */
static bool has_filter_overrides(const struct http_stream *stream) {
    return stream->route_config->filters.count > 0 ||
           (stream->vhost != NULL && stream->vhost->filters.count > 0) ||
           (stream->route != NULL && stream->route->filters.count > 0) ||
           (stream->weighted != NULL && stream->weighted->filters.count > 0);
}

static void release_route(struct http_stream *stream) {
    if (stream->route_config == NULL || has_filter_overrides(stream)) {
        return;
    }
    http_filter_chain_route_released(&stream->chain);
    stream->vhost = NULL;
    stream->route = NULL;
    stream->weighted = NULL;
    config_unpin(stream->conn->io, &stream->route_config->part);
    stream->route_config = NULL;
}

/* ---- the heads ---- */

static void release_heads(struct http_stream *stream) {
    stream->request_headers = NULL;
    stream->info.request_headers = NULL;
    stream->info.response_headers = NULL;
    http_filter_chain_release_heads(&stream->chain);
    arena_reset(&stream->heads);
}

/* Whether anybody will ask for what was. */
static bool has_reader(const struct http_stream *stream) {
    return stream->conn->config->access_log_count > 0 ||
           http_filter_chain_wants_completion(&stream->chain);
}

void http_stream_settle(struct http_stream *stream) {
    if (stream->chain.is_local_reply) {
        return; // it ends soon, and an attempt may be reading a head
    }
    if (has_reader(stream)) {
        own_facts(&stream->info);
        stream->packed_request = packed_headers_new(stream->request_headers);
        stream->packed_response = packed_headers_new(stream->info.response_headers);
    } else {
        forget_facts(&stream->info);
    }
    release_route(stream);
    release_heads(stream);
}

void http_stream_restore_heads(struct http_stream *stream) {
    struct header_map *request = packed_headers_unpack(stream->packed_request, &stream->heads);
    struct header_map *response = packed_headers_unpack(stream->packed_response, &stream->heads);
    stream->request_headers = request;
    stream->info.request_headers = request;
    stream->info.response_headers = response;
    http_filter_chain_restore_heads(&stream->chain, request, response);
}
