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
    s->block = ARENA_NEW(s->sink.arena, struct header_map);
    header_map_init(s->block, s->sink.arena);
    header_map_set_limits(s->block, options->max_headers_bytes,
                          (uint16_t)options->max_headers_count);
}

// Envoy resets such a stream and reports it as reset by the peer.
static enum status charge(struct h2_stream *s, struct slice name, struct slice value) {
    const struct header_map *map = s->block;
    enum http_reset_reason reason =
        s->h2->is_server ? HTTP_RESET_REMOTE : HTTP_RESET_PROTOCOL_ERROR;
    if (map->live >= map->max_count) {
        return refuse(s, reason, "http2.too_many_headers", STATUS_LIMIT);
    }
    uint64_t total = (uint64_t)map->bytes + name.len + value.len + 32;
    if (total > map->max_bytes) {
        return refuse(s, reason, "http2.header_list_size_too_large", STATUS_LIMIT);
    }
    return STATUS_OK;
}

static struct slice copy_text(struct arena *arena, struct slice text) {
    uint8_t *copy = arena_alloc_bytes(arena, text.len);
    char_copy(copy, text.ptr, text.len);
    return slice_make(copy, text.len);
}

enum status h2_block_add(struct h2_stream *s, struct slice name, struct slice value,
                         bool is_sensitive) {
    struct h2_codec *h2 = s->h2;
    if (h2->options.underscores != HTTP_UNDERSCORES_ALLOW &&
        slice_find_byte(name, '_') != SIZE_MAX) {
        if (h2->options.underscores == HTTP_UNDERSCORES_DROP) {
            h2_count(h2, HTTP2_STAT_DROPPED_HEADERS_WITH_UNDERSCORES);
            return STATUS_OK;
        }
        h2_count(h2, HTTP2_STAT_REQUESTS_REJECTED_WITH_UNDERSCORES_IN_HEADERS);
        return refuse(s, HTTP_RESET_REMOTE, "http2.unexpected_underscore", STATUS_INVALID);
    }
    TRY(charge(s, name, value));
    struct header_map *map = s->block;
    enum header_id id = header_id_of(name);
    struct slice kept_name = id == HEADER_OTHER ? copy_text(map->arena, name) : header_id_name(id);
    TRY(header_map_add_id(map, id, kept_name, copy_text(map->arena, value)));
    if (is_sensitive && name.ptr[0] != ':') {
        map->entries[map->count - 1].flags |= HEADER_FLAG_SENSITIVE;
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

static bool is_valid_path(struct slice path, struct slice method) {
    if (slice_equal(path, SLICE("*"))) {
        return slice_equal(method, SLICE("OPTIONS"));
    }
    return path.len > 0 && path.ptr[0] == '/' && http_is_target(path, true);
}

// RFC 3986 §3.1.
static bool is_valid_scheme(struct slice scheme) {
    for (size_t i = 0; i < scheme.len; i++) {
        uint8_t c = ascii_lower(scheme.ptr[i]);
        bool is_alpha = c >= 'a' && c <= 'z';
        bool is_other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (!is_alpha && (i == 0 || !is_other)) {
            return false;
        }
    }
    return scheme.len > 0;
}

// What of RFC 9113 §8.3.1 and §8.5 nghttp2 leaves open: it has checked which pseudo headers are there.
static bool is_valid_request(const struct h2_codec *h2, const struct header_map *map) {
    struct slice method = header_map_get(map, HEADER_METHOD);
    if (!http_is_token(method) || header_map_count_name(map, SLICE("host")) > 1) {
        return false;
    }
    bool has_protocol = header_map_has(map, HEADER_PROTOCOL);
    if (has_protocol &&
        (!h2->limits.allow_connect || !http_is_token(header_map_get(map, HEADER_PROTOCOL)))) {
        return false;
    }
    struct slice host = header_map_get(map, HEADER_HOST);
    if (host.ptr != NULL && !http_is_authority(host)) {
        return false;
    }
    if (!http_is_authority(
            header_map_has(map, HEADER_AUTHORITY) ? header_map_get(map, HEADER_AUTHORITY) : host)) {
        return false;
    }
    bool is_plain_connect = slice_equal(method, SLICE("CONNECT")) && !has_protocol;
    return is_plain_connect || (is_valid_scheme(header_map_get(map, HEADER_SCHEME)) &&
                                is_valid_path(header_map_get(map, HEADER_PATH), method));
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

// Fields that frame or route a message must not come after it (RFC 9110 §6.5.1).
static bool is_valid_trailers(const struct header_map *map) {
    return !header_map_has(map, HEADER_CONTENT_LENGTH) && !header_map_has(map, HEADER_HOST) &&
           !header_map_has(map, HEADER_TE) && !header_map_has(map, HEADER_TRANSFER_ENCODING);
}

static enum status end_trailers(struct h2_stream *s) {
    if (!is_valid_trailers(s->block)) {
        return refuse(s, HTTP_RESET_PROTOCOL_ERROR, "http2.violation.of.messaging.rule",
                      STATUS_INVALID);
    }
    h2_count(s->h2, HTTP2_STAT_TRAILERS);
    s->trailers = s->block;
    return STATUS_OK;
}

static enum status end_response(struct h2_stream *s, bool end_stream) {
    uint32_t status = http_status_of(s->block);
    if (status < 100 || status == 101) {
        return refuse(s, HTTP_RESET_PROTOCOL_ERROR, "http2.invalid.header.field", STATUS_INVALID);
    }
    bool is_informational = status < 200;
    // Each costs an arena allocation and an answer may have any number of them: the count is bounded
    // by the header limit, as if all were one block.
    s->informational_count += is_informational ? 1 : 0;
    if (s->informational_count > s->h2->options.max_headers_count ||
        (is_informational && end_stream)) {
        return refuse(s, HTTP_RESET_PROTOCOL_ERROR, "http2.violation.of.messaging.rule",
                      STATUS_INVALID);
    }
    s->has_final_headers = !is_informational;
    append_message(s, is_informational, end_stream);
    return STATUS_OK;
}

static enum status end_request(struct h2_stream *s, bool end_stream) {
    if (!is_valid_request(s->h2, s->block)) {
        return refuse(s, HTTP_RESET_PROTOCOL_ERROR, "http2.invalid.header.field", STATUS_INVALID);
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
        status = end_trailers(s);
    } else if (s->h2->is_server) {
        status = end_request(s, end_stream);
    } else {
        status = end_response(s, end_stream);
    }
    s->block = NULL;
    return status;
}
