// SPDX-License-Identifier: Apache-2.0
/*
 * What RFC 9113 §8 asks of a message, in both roles: each field by itself, the head as a whole, the body
 * against its content-length. nghttp2 has the same rules, switched off in h2_codec.c: a field is looked
 * up by name once and judged by its id.
 */
#include "src/http/char_class.h"
#include "src/http/h2/h2_codec.h"
#include "src/http/message.h"

static bool is_pseudo_id(enum header_id id) {
    return id != HEADER_OTHER && id <= HEADER_STATUS;
}

// A token in lower case; a colon is none, so unknown pseudo headers end here.
static bool is_valid_name(struct slice name) {
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        if (c == 0 || char_token_lower[c] != c) {
            return false;
        }
    }
    return name.len > 0;
}

// Each once, not empty, before all other fields, never in trailers; which of them the head ends with is
// judged then.
static bool is_valid_pseudo(const struct h2_stream *s, enum header_id id, struct slice value) {
    return (id == HEADER_STATUS) != s->h2->is_server && !s->has_final_headers &&
           !s->has_regular_field && !header_map_has(s->block, id) && value.len > 0;
}

// RFC 9110 §8.6. Of a 204 and of an answer that opens a tunnel it says nothing, and is left out.
static enum h2_verdict judge_length(struct h2_stream *s, struct slice value) {
    if (s->has_final_headers) {
        return H2_FIELD_KEPT; // trailers, which end_trailers refuses
    }
    uint32_t status = s->h2->is_server ? 0 : http_status_of(s->block);
    if (status != 204 && status / 100 == 2 && s->asked_connect) {
        return H2_FIELD_DROPPED;
    }
    uint64_t length;
    if (status / 100 == 1 || s->body_left != H2_BODY_UNKNOWN ||
        slice_parse_uint64(value, &length) != STATUS_OK || length > INT64_MAX) {
        return H2_FIELD_REFUSED;
    }
    s->body_left = length;
    if (status != 204) {
        return H2_FIELD_KEPT;
    }
    return slice_equal(value, SLICE("0")) ? H2_FIELD_DROPPED : H2_FIELD_REFUSED;
}

enum h2_verdict h2_judge_field(struct h2_stream *s, enum header_id id, struct slice name,
                               struct slice value) {
    if (is_pseudo_id(id)) {
        return is_valid_pseudo(s, id, value) ? H2_FIELD_KEPT : H2_FIELD_REFUSED;
    }
    s->has_regular_field = true;
    if ((id == HEADER_OTHER && !is_valid_name(name)) || !http_is_field_value(value)) {
        return H2_FIELD_REFUSED;
    }
    switch (id) {
    // Connection-specific (RFC 9113 §8.2.2).
    case HEADER_CONNECTION:
    case HEADER_KEEP_ALIVE:
    case HEADER_PROXY_CONNECTION:
    case HEADER_TRANSFER_ENCODING:
    case HEADER_UPGRADE:
        return H2_FIELD_REFUSED;
    // One at most, as a pseudo header: refused at the second, not when a head full of them has ended.
    case HEADER_HOST:
        return s->h2->is_server && (value.len == 0 || header_map_has(s->block, HEADER_HOST))
                   ? H2_FIELD_REFUSED
                   : H2_FIELD_KEPT;
    case HEADER_TE:
        return slice_equal_nocase(value, SLICE("trailers")) ? H2_FIELD_KEPT : H2_FIELD_REFUSED;
    case HEADER_CONTENT_LENGTH:
        return judge_length(s, value);
    default:
        return H2_FIELD_KEPT;
    }
}

static bool is_plain_connect(const struct header_map *map) {
    return http_is_connect(map) && !header_map_has(map, HEADER_PROTOCOL);
}

static bool has_path_form(struct slice path, struct slice method) {
    return path.ptr[0] == '/' ||
           (slice_equal(path, SLICE("*")) && slice_equal(method, SLICE("OPTIONS")));
}

bool h2_has_needed_pseudo(const struct header_map *map) {
    bool has_authority = header_map_has(map, HEADER_AUTHORITY);
    bool has_scheme = header_map_has(map, HEADER_SCHEME);
    bool has_path = header_map_has(map, HEADER_PATH);
    if (is_plain_connect(map)) {
        return has_authority && !has_scheme && !has_path;
    }
    if (header_map_has(map, HEADER_PROTOCOL) && !(http_is_connect(map) && has_authority)) {
        return false;
    }
    return header_map_has(map, HEADER_METHOD) && has_scheme && has_path &&
           (has_authority || header_map_has(map, HEADER_HOST)) &&
           has_path_form(header_map_get(map, HEADER_PATH), header_map_get(map, HEADER_METHOD));
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

bool h2_is_valid_request(const struct h2_codec *h2, const struct header_map *map) {
    struct slice method = header_map_get(map, HEADER_METHOD);
    if (!http_is_token(method)) {
        return false;
    }
    if (header_map_has(map, HEADER_PROTOCOL) &&
        (!h2->limits.allow_connect || !http_is_token(header_map_get(map, HEADER_PROTOCOL)))) {
        return false;
    }
    if (header_map_has(map, HEADER_HOST) && !http_is_authority(header_map_get(map, HEADER_HOST))) {
        return false;
    }
    if (header_map_has(map, HEADER_AUTHORITY) &&
        !http_is_authority(header_map_get(map, HEADER_AUTHORITY))) {
        return false;
    }
    return is_plain_connect(map) || (is_valid_scheme(header_map_get(map, HEADER_SCHEME)) &&
                                     http_is_target(header_map_get(map, HEADER_PATH), true));
}

bool h2_is_valid_trailers(const struct header_map *map) {
    return !header_map_has(map, HEADER_CONTENT_LENGTH) && !header_map_has(map, HEADER_HOST) &&
           !header_map_has(map, HEADER_TE) && !header_map_has(map, HEADER_TRANSFER_ENCODING);
}

void h2_note_request(struct h2_stream *s, const struct header_map *map) {
    s->asked_head = http_is_head(map);
    s->asked_connect = http_is_connect(map);
}

static bool is_complete(const struct h2_stream *s) {
    return s->body_left == 0 || s->body_left == H2_BODY_UNKNOWN;
}

bool h2_settle_body(struct h2_stream *s, const struct header_map *map, bool end_stream) {
    if (s->h2->is_server) {
        s->body_left = is_plain_connect(map) ? H2_BODY_UNKNOWN : s->body_left;
    } else {
        uint32_t status = http_status_of(map);
        if (s->asked_head || status == 204 || status == 304) {
            s->body_left = 0;
        } else if (s->asked_connect) {
            s->body_left = H2_BODY_UNKNOWN;
        }
    }
    return !end_stream || is_complete(s);
}

bool h2_take_body(struct h2_stream *s, size_t len) {
    if (!s->has_final_headers || s->body_left < len) {
        return false;
    }
    s->body_left -= s->body_left == H2_BODY_UNKNOWN ? 0 : len;
    return true;
}

bool h2_may_end(const struct h2_stream *s) {
    return s->has_final_headers && is_complete(s);
}
