// SPDX-License-Identifier: Apache-2.0
/* From decoded header fields to a message: charged before they are copied, then judged as a whole. */
#include "src/base/check.h"
#include "src/http/char_class.h"
#include "src/http/h2/h2_codec.h"

static enum status refuse(struct h2_stream *s, enum http_reset_reason reason, const char *detail,
                          enum status status) {
    h2_stream_set_reason(s, reason, detail);
    return status;
}

void h2_block_begin(struct h2_stream *s) {
    const struct http_codec_options *options = &s->h2->options;
    s->has_regular_field = false;
    struct arena *arena =
        s->has_final_headers ? http_stream_sink_trailers(&s->sink) : s->sink.arena;
    s->block = ARENA_NEW(arena, struct header_map);
    header_map_init(s->block, arena);
    header_map_set_limits(s->block, options->max_headers_bytes,
                          (uint16_t)options->max_headers_count);
}

// Envoy resets such a stream and reports it as reset by the peer.
static enum status refuse_over_limit(struct h2_stream *s) {
    const struct header_map *map = s->block;
    enum http_reset_reason reason =
        s->h2->is_server ? HTTP_RESET_REMOTE : HTTP_RESET_PROTOCOL_ERROR;
    return refuse(s, reason,
                  map->live >= map->max_count ? "http2.too_many_headers"
                                              : "http2.header_list_size_too_large",
                  STATUS_LIMIT);
}

static const uint8_t *copy_text(struct arena *arena, struct slice text) {
    uint8_t *copy = arena_alloc_bytes(arena, text.len);
    char_copy(copy, text.ptr, text.len);
    return copy;
}

// Charged before anything is copied: until then the entry refers to nghttp2's text.
static enum status add_field(struct h2_stream *s, enum header_id id, struct slice name,
                             struct slice value) {
    struct header_map *map = s->block;
    if (header_map_add_id(map, id, id == HEADER_OTHER ? name : header_id_name(id), value) !=
        STATUS_OK) {
        return refuse_over_limit(s);
    }
    struct header_entry *entry = &map->entries[map->count - 1];
    if (id == HEADER_OTHER) {
        entry->name_ptr = copy_text(map->arena, name);
    }
    entry->value_ptr = copy_text(map->arena, value);
    return STATUS_OK;
}

enum status h2_block_add(struct h2_stream *s, struct slice name, struct slice value,
                         bool is_sensitive) {
    struct h2_codec *h2 = s->h2;
    enum header_id id = header_id_of(name);
    enum h2_verdict verdict = h2_judge_field(s, id, name, value);
    if (verdict == H2_FIELD_REFUSED) {
        return refuse(s, HTTP_RESET_PROTOCOL_ERROR, "http2.invalid.header.field", STATUS_PROTOCOL);
    }
    if (verdict == H2_FIELD_DROPPED) {
        return STATUS_OK;
    }
    if (h2->options.underscores != HTTP_UNDERSCORES_ALLOW &&
        slice_find_byte(name, '_') != SIZE_MAX) {
        if (h2->options.underscores == HTTP_UNDERSCORES_DROP) {
            h2_count(h2, HTTP2_STAT_DROPPED_HEADERS_WITH_UNDERSCORES);
            return STATUS_OK;
        }
        h2_count(h2, HTTP2_STAT_REQUESTS_REJECTED_WITH_UNDERSCORES_IN_HEADERS);
        return refuse(s, HTTP_RESET_REMOTE, "http2.unexpected_underscore", STATUS_INVALID);
    }
    TRY(add_field(s, id, name, value));
    if (is_sensitive && name.ptr[0] != ':') {
        s->block->entries[s->block->count - 1].flags |= HEADER_FLAG_SENSITIVE;
    }
    return STATUS_OK;
}

// RFC 9113 §8.2.3: cookie crumbs become one field again.
static void join_cookies(struct header_map *map) {
    if (!header_map_has(map, HEADER_COOKIE) ||
        map->entries[map->first[HEADER_COOKIE]].next == HEADER_NONE) {
        return;
    }
    struct slice joined = header_map_get_joined(map, SLICE("cookie"), SLICE("; "), map->arena);
    header_map_set(map, HEADER_COOKIE, joined);
}

// :authority wins over Host (Envoy drops a Host that differs); a Host alone becomes :authority.
static void settle_authority(struct header_map *map) {
    if (!header_map_has(map, HEADER_HOST)) {
        return;
    }
    if (slice_is_empty(header_map_get(map, HEADER_AUTHORITY))) {
        header_map_set(map, HEADER_AUTHORITY, header_map_get(map, HEADER_HOST));
    }
    header_map_remove(map, HEADER_HOST);
}

static void append_message(struct h2_stream *s, bool is_informational, bool end_stream) {
    struct h2_message *message = ARENA_NEW(s->sink.arena, struct h2_message);
    *message = (struct h2_message){NULL, s->block, is_informational, end_stream};
    struct h2_message **last = &s->messages;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = message;
}

static enum status refuse_message(struct h2_stream *s) {
    return refuse(s, HTTP_RESET_PROTOCOL_ERROR, "http2.violation.of.messaging.rule",
                  STATUS_INVALID);
}

static enum status end_trailers(struct h2_stream *s, bool end_stream) {
    if (!end_stream || !h2_may_end(s) || !h2_is_valid_trailers(s->block)) {
        return refuse_message(s);
    }
    if (s->h2->is_server) {
        h2_count(s->h2, HTTP2_STAT_TRAILERS); /* of requests only, as in Envoy */
    }
    s->trailers = s->block;
    return STATUS_OK;
}

static enum status end_response(struct h2_stream *s, bool end_stream) {
    if (!header_map_has(s->block, HEADER_STATUS)) {
        return refuse_message(s);
    }
    uint32_t status = http_status_of(s->block);
    if (status < 100 || status == 101) {
        return refuse(s, HTTP_RESET_PROTOCOL_ERROR, "http2.invalid.header.field", STATUS_INVALID);
    }
    bool is_informational = status < 200;
    // Each costs an arena allocation and an answer may have any number of them: the count is bounded
    // by the header limit, as if all were one block.
    s->informational_count += is_informational ? 1 : 0;
    if (s->informational_count > s->h2->options.max_headers_count ||
        (is_informational ? end_stream : !h2_settle_body(s, s->block, end_stream))) {
        return refuse_message(s);
    }
    s->has_final_headers = !is_informational;
    append_message(s, is_informational, end_stream);
    return STATUS_OK;
}

static enum status end_request(struct h2_stream *s, bool end_stream) {
    if (!h2_has_needed_pseudo(s->block)) {
        return refuse_message(s);
    }
    if (!h2_is_valid_request(s->h2, s->block)) {
        return refuse(s, HTTP_RESET_PROTOCOL_ERROR, "http2.invalid.header.field", STATUS_INVALID);
    }
    if (!h2_settle_body(s, s->block, end_stream)) {
        return refuse_message(s);
    }
    settle_authority(s->block);
    join_cookies(s->block);
    s->has_final_headers = true;
    append_message(s, false, end_stream);
    return STATUS_OK;
}

enum status h2_block_end(struct h2_stream *s, bool end_stream) {
    enum status status;
    if (s->has_final_headers) {
        status = end_trailers(s, end_stream);
    } else if (s->h2->is_server) {
        status = end_request(s, end_stream);
    } else {
        status = end_response(s, end_stream);
    }
    s->block = NULL;
    return status;
}
