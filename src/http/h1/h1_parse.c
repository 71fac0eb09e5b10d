// SPDX-License-Identifier: Apache-2.0
#include "src/http/h1/h1_parse.h"

#include "src/http/char_class.h"

enum {
    VERSION_BYTES = 8,     /* "HTTP/1.1" */
    SHORT_NAME_BYTES = 64, /* longer names are well known by nobody */
    MAX_CONNECTION_ELEMENTS = 100,
    MAX_TE_BYTES = 256,    /* Envoy's bound on a nominated TE */
    SMALLEST_REQUEST = 14, /* "GET / HTTP/1.1" */
};

/* Envoy's list; a method outside of it is refused. Gives the list's own text. */
static bool find_method(struct slice *method) {
    static const struct slice methods[] = {
        SLICE_INIT("GET"),       SLICE_INIT("POST"),        SLICE_INIT("PUT"),
        SLICE_INIT("HEAD"),      SLICE_INIT("DELETE"),      SLICE_INIT("OPTIONS"),
        SLICE_INIT("PATCH"),     SLICE_INIT("CONNECT"),     SLICE_INIT("TRACE"),
        SLICE_INIT("ACL"),       SLICE_INIT("BIND"),        SLICE_INIT("CHECKOUT"),
        SLICE_INIT("COPY"),      SLICE_INIT("LINK"),        SLICE_INIT("LOCK"),
        SLICE_INIT("MERGE"),     SLICE_INIT("MKACTIVITY"),  SLICE_INIT("MKCALENDAR"),
        SLICE_INIT("MKCOL"),     SLICE_INIT("MOVE"),        SLICE_INIT("M-SEARCH"),
        SLICE_INIT("NOTIFY"),    SLICE_INIT("PROPFIND"),    SLICE_INIT("PROPPATCH"),
        SLICE_INIT("PURGE"),     SLICE_INIT("QUERY"),       SLICE_INIT("REBIND"),
        SLICE_INIT("REPORT"),    SLICE_INIT("SEARCH"),      SLICE_INIT("SOURCE"),
        SLICE_INIT("SUBSCRIBE"), SLICE_INIT("UNBIND"),      SLICE_INIT("UNLINK"),
        SLICE_INIT("UNLOCK"),    SLICE_INIT("UNSUBSCRIBE"),
    };
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (slice_equal(*method, methods[i])) {
            *method = methods[i];
            return true;
        }
    }
    return false;
}

static bool is_version_shape(const uint8_t *text) {
    return memcmp(text, "HTTP/", 5) == 0 && text[5] >= '0' && text[5] <= '9' && text[6] == '.' &&
           text[7] >= '0' && text[7] <= '9';
}

/* Major and minor digit as a two-digit number. */
static uint32_t version_number(const uint8_t *text) {
    return (uint32_t)(text[5] - '0') * 10 + (uint32_t)(text[7] - '0');
}

struct h1_fault h1_parse_request_line(struct slice line, bool accept_http_10,
                                      struct h1_request_line *out) {
    if (line.len < SMALLEST_REQUEST) {
        return H1_CODEC_ERROR;
    }
    const uint8_t *version = line.ptr + line.len - VERSION_BYTES;
    const uint8_t *space = (const uint8_t *)memchr(line.ptr, ' ', line.len);
    if (version[-1] != ' ' || space == NULL || space >= version - 1 || !is_version_shape(version)) {
        return H1_CODEC_ERROR;
    }
    out->method = slice_make(line.ptr, (size_t)(space - line.ptr));
    out->target = slice_make(space + 1, (size_t)(version - 1 - (space + 1)));
    if (!find_method(&out->method)) {
        return H1_CODEC_ERROR;
    }
    if (!http_is_target(out->target, true)) {
        bool fragment = slice_find_byte(out->target, '#') != SIZE_MAX;
        return fragment ? H1_FAULT(400, "path_normalization_failed") : H1_CODEC_ERROR;
    }
    switch (version_number(version)) {
    case 11:
        out->protocol = HTTP_1_1;
        return H1_FINE;
    case 10:
        out->protocol = HTTP_1_0;
        return accept_http_10 ? H1_FINE : H1_FAULT(426, "low_version");
    default:
        return H1_FAULT(505, "http1.codec_error");
    }
}

struct h1_fault h1_parse_status_line(struct slice line, struct h1_status_line *out) {
    const size_t digits_at = VERSION_BYTES + 1;
    if (line.len < digits_at + 3 || !is_version_shape(line.ptr) || line.ptr[VERSION_BYTES] != ' ') {
        return H1_CODEC_ERROR;
    }
    uint32_t version = version_number(line.ptr);
    if (version != 10 && version != 11) {
        return H1_CODEC_ERROR;
    }
    out->protocol = version == 11 ? HTTP_1_1 : HTTP_1_0;
    out->digits = slice_make(line.ptr + digits_at, 3);
    uint64_t status;
    if (slice_parse_uint64(out->digits, &status) != STATUS_OK || status < 100) {
        return H1_CODEC_ERROR;
    }
    if (line.len > digits_at + 3 && line.ptr[digits_at + 3] != ' ') {
        return H1_CODEC_ERROR;
    }
    out->status = (uint32_t)status;
    return H1_FINE;
}

static inline __attribute__((always_inline)) struct slice trim(struct slice s) {
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

#ifdef __SSE2__
/* Lower-cases 16 bytes; returns the bits of those that are a colon. */
static inline unsigned lower_block(uint8_t *lower, const uint8_t *text) {
    __m128i block = _mm_loadu_si128((const __m128i *)(const void *)text);
    // Signed: letters are moved to the low end of the range, where one comparison finds them.
    __m128i moved = _mm_sub_epi8(block, _mm_set1_epi8((char)('A' + 128)));
    __m128i is_upper = _mm_cmplt_epi8(moved, _mm_set1_epi8((char)(-128 + 26)));
    block = _mm_or_si128(block, _mm_and_si128(is_upper, _mm_set1_epi8(0x20)));
    _mm_storeu_si128((__m128i *)(void *)lower, block);
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_set1_epi8(':')));
}
#else
static inline unsigned lower_block(uint8_t *lower, const uint8_t *text) {
    unsigned colons = 0;
    for (unsigned i = 0; i < 16; i++) {
        lower[i] = ascii_lower(text[i]);
        colons |= (text[i] == ':' ? 1U : 0U) << i;
    }
    return colons;
}
#endif

/* Lower-cases the text before the first colon of `line` into `lower`, as far as that reaches; returns
 * its length, or line.len where there is no colon. */
static size_t take_name(struct slice line, uint8_t lower[SHORT_NAME_BYTES]) {
    size_t len = 0;
    for (; len + 16 <= SHORT_NAME_BYTES && len + 16 <= line.len; len += 16) {
        unsigned colons = lower_block(lower + len, line.ptr + len);
        if (colons != 0) {
            return len + (size_t)__builtin_ctz(colons);
        }
    }
    for (; len < line.len && line.ptr[len] != ':'; len++) {
        if (len < SHORT_NAME_BYTES) {
            lower[len] = ascii_lower(line.ptr[len]);
        }
    }
    return len;
}

/* A name that is not well known, lower case; false: not a token. */
static bool put_other_name(uint8_t *to, struct slice name) {
    for (size_t i = 0; i < name.len; i++) {
        to[i] = char_token_lower[name.ptr[i]];
        if (to[i] == 0) {
            return false;
        }
    }
    return true;
}

struct h1_fault h1_parse_field(struct slice line, struct arena *arena, struct h1_field *out) {
    uint8_t lower[SHORT_NAME_BYTES];
    size_t len = take_name(line, lower);
    if (len == 0 || len == line.len) {
        return H1_CODEC_ERROR;
    }
    struct slice value = trim(slice_make(line.ptr + len + 1, line.len - len - 1));
    out->id = len <= sizeof(lower) ? header_id_of(slice_make(lower, len)) : HEADER_OTHER;
    size_t name_len = out->id == HEADER_OTHER ? len : 0;
    uint8_t *text = arena_alloc_bytes(arena, name_len + value.len);
    if (out->id != HEADER_OTHER) {
        // Equal to a well-known name, so it is a token.
        out->name = header_id_name(out->id);
    } else {
        if (!put_other_name(text, slice_make(line.ptr, len))) {
            return H1_CODEC_ERROR;
        }
        out->name = slice_make(text, len);
    }
    char_copy(text + name_len, value.ptr, value.len);
    out->value = slice_make(text + name_len, value.len);
    return H1_FINE;
}

struct h1_fault h1_split_absolute(struct slice target, struct arena *arena, struct slice *scheme,
                                  struct slice *authority, struct slice *path) {
    size_t mark = slice_find(target, SLICE("://"));
    if (mark == SIZE_MAX || mark == 0) {
        return H1_CODEC_ERROR;
    }
    struct slice name = slice_sub(target, 0, mark);
    if (slice_equal_nocase(name, SLICE("http"))) {
        *scheme = SLICE("http");
    } else if (slice_equal_nocase(name, SLICE("https"))) {
        *scheme = SLICE("https");
    } else {
        return H1_FAULT(400, "http1.invalid_scheme");
    }
    struct slice rest = slice_sub(target, mark + 3, SIZE_MAX);
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?') {
        end++;
    }
    *authority = slice_sub(rest, 0, end);
    if (!http_is_authority(*authority)) {
        return H1_FAULT(400, "http1.invalid_url");
    }
    struct slice tail = slice_sub(rest, end, SIZE_MAX);
    if (tail.len > 0 && tail.ptr[0] == '/') {
        *path = tail;
        return H1_FINE;
    }
    uint8_t *text = arena_alloc_bytes(arena, tail.len + 1);
    text[0] = '/';
    if (tail.len > 0) {
        memcpy(text + 1, tail.ptr, tail.len);
    }
    *path = slice_make(text, tail.len + 1);
    return H1_FINE;
}

bool h1_parse_content_length(struct slice value, uint64_t *length) {
    return slice_parse_uint64(value, length) == STATUS_OK && *length <= INT64_MAX;
}

static bool is_repeated(const struct header_map *headers, enum header_id id) {
    uint16_t first = headers->first[id];
    return first != HEADER_NONE && headers->entries[first].next != HEADER_NONE;
}

static struct h1_fault check_transfer_encoding(const struct header_map *headers,
                                               enum http_protocol protocol) {
    if (protocol == HTTP_1_0) {
        return H1_FAULT(400, "http1.transfer_encoding_not_allowed");
    }
    struct slice value = header_map_get(headers, HEADER_TRANSFER_ENCODING);
    if (is_repeated(headers, HEADER_TRANSFER_ENCODING) ||
        !slice_equal_nocase(value, SLICE("chunked"))) {
        return H1_FAULT(501, "http1.invalid_transfer_encoding");
    }
    return H1_FINE;
}

struct h1_fault h1_framing_of(struct header_map *headers, enum http_protocol protocol,
                              bool allow_chunked_length, struct h1_framing *out) {
    *out = (struct h1_framing){H1_FRAMING_NONE, 0, false};
    bool has_length = header_map_has(headers, HEADER_CONTENT_LENGTH);
    if (has_length) {
        struct slice value = header_map_get(headers, HEADER_CONTENT_LENGTH);
        if (is_repeated(headers, HEADER_CONTENT_LENGTH) ||
            !h1_parse_content_length(value, &out->length)) {
            return H1_CODEC_ERROR;
        }
        out->kind = H1_FRAMING_LENGTH;
    }
    if (!header_map_has(headers, HEADER_TRANSFER_ENCODING)) {
        return H1_FINE;
    }
    struct h1_fault fault = check_transfer_encoding(headers, protocol);
    if (fault.detail != NULL) {
        return fault;
    }
    if (has_length && !allow_chunked_length) {
        return H1_FAULT(400, "http1.content_length_and_chunked_not_allowed");
    }
    (void)header_map_remove(headers, HEADER_CONTENT_LENGTH);
    out->kind = H1_FRAMING_CHUNKED;
    out->length = 0;
    out->must_close = has_length;
    return H1_FINE;
}

void h1_remove_connection_token(struct header_map *headers, struct slice token) {
    struct slice joined =
        header_map_get_joined(headers, SLICE("connection"), SLICE(","), headers->arena);
    uint8_t *text = arena_alloc_bytes(headers->arena, joined.len);
    size_t used = 0;
    struct slice part;
    while (slice_split(&joined, ',', &part)) {
        part = trim(part);
        if (part.len == 0 || slice_equal_nocase(part, token)) {
            continue;
        }
        if (used > 0) {
            text[used++] = ',';
        }
        memcpy(text + used, part.ptr, part.len);
        used += part.len;
    }
    if (used == 0) {
        (void)header_map_remove(headers, HEADER_CONNECTION);
    } else {
        header_map_set(headers, HEADER_CONNECTION, slice_make(text, used));
    }
}

void h1_drop_h2c_upgrade(struct header_map *headers) {
    if (is_repeated(headers, HEADER_UPGRADE) ||
        !slice_equal_nocase(header_map_get(headers, HEADER_UPGRADE), SLICE("h2c"))) {
        return;
    }
    (void)header_map_remove(headers, HEADER_UPGRADE);
    (void)header_map_remove(headers, HEADER_HTTP2_SETTINGS);
    h1_remove_connection_token(headers, SLICE("upgrade"));
    h1_remove_connection_token(headers, SLICE("http2-settings"));
}

static struct slice lower_copy(struct arena *arena, struct slice s) {
    uint8_t *text = arena_alloc_bytes(arena, s.len);
    for (size_t i = 0; i < s.len; i++) {
        text[i] = ascii_lower(s.ptr[i]);
    }
    return slice_make(text, s.len);
}

enum nomination { NOMINATION_OPTION, NOMINATION_KEEP, NOMINATION_REMOVE, NOMINATION_REFUSE };

static enum nomination judge_nomination(struct slice name, enum header_id id) {
    switch ((int)id) {
    case HEADER_CONNECTION:
    case HEADER_KEEP_ALIVE:
    case HEADER_UPGRADE:
    case HEADER_HTTP2_SETTINGS:
        return NOMINATION_OPTION;
    case HEADER_X_FORWARDED_FOR:
    case HEADER_X_FORWARDED_HOST:
    case HEADER_X_FORWARDED_PROTO:
        return NOMINATION_REFUSE;
    case HEADER_HOST:
    case HEADER_AUTHORIZATION:
    case HEADER_COOKIE:
    case HEADER_CONTENT_LENGTH:
    case HEADER_TRANSFER_ENCODING:
    case HEADER_X_FORWARDED_CLIENT_CERT:
    case HEADER_X_FORWARDED_PORT:
        return NOMINATION_KEEP;
    default:
        break;
    }
    if (slice_equal(name, SLICE("close"))) {
        return NOMINATION_OPTION;
    }
    return name.ptr[0] == ':' ? NOMINATION_REFUSE : NOMINATION_REMOVE;
}

/* "te" may be nominated only to say that trailers are welcome. */
static struct h1_fault sanitize_te(struct header_map *headers) {
    if (header_map_get(headers, HEADER_TE).len >= MAX_TE_BYTES) {
        return H1_FAULT(400, "http1.connection_header_rejected");
    }
    if (http_header_has_token(headers, HEADER_TE, SLICE("trailers"))) {
        header_map_set(headers, HEADER_TE, SLICE("trailers"));
    } else {
        (void)header_map_remove(headers, HEADER_TE);
    }
    return H1_FINE;
}

/* Whether the element stays in the Connection header; *fault is set where the request is refused. */
static bool keep_element(struct header_map *headers, struct slice name, struct h1_fault *fault) {
    enum header_id id = header_id_of(name);
    switch (judge_nomination(name, id)) {
    case NOMINATION_OPTION:
        return true;
    case NOMINATION_KEEP:
        return false;
    case NOMINATION_REFUSE:
        *fault = H1_FAULT(400, "http1.connection_header_rejected");
        return false;
    case NOMINATION_REMOVE:
        break;
    }
    if (id == HEADER_TE) {
        *fault = sanitize_te(headers);
        return header_map_has(headers, HEADER_TE);
    }
    (void)header_map_remove_name(headers, name);
    return false;
}

static size_t put_element(uint8_t *text, size_t used, struct slice element) {
    if (used > 0) {
        text[used++] = ',';
    }
    memcpy(text + used, element.ptr, element.len);
    return used + element.len;
}

struct h1_fault h1_sanitize_connection(struct header_map *headers) {
    struct slice rest =
        header_map_get_joined(headers, SLICE("connection"), SLICE(","), headers->arena);
    uint8_t *text = arena_alloc_bytes(headers->arena, rest.len);
    size_t used = 0;
    uint32_t elements = 0;
    uint32_t dropped = 0;
    struct slice part;
    while (slice_split(&rest, ',', &part)) {
        part = trim(part);
        if (part.len == 0) {
            continue;
        }
        if (++elements > MAX_CONNECTION_ELEMENTS) {
            return H1_FAULT(400, "http1.connection_header_rejected");
        }
        struct h1_fault fault = H1_FINE;
        bool keep = keep_element(headers, lower_copy(headers->arena, part), &fault);
        if (fault.detail != NULL) {
            return fault;
        }
        if (keep) {
            used = put_element(text, used, part);
        } else {
            dropped++;
        }
    }
    if (used == 0) {
        (void)header_map_remove(headers, HEADER_CONNECTION);
    } else if (dropped > 0) {
        header_map_set(headers, HEADER_CONNECTION, slice_make(text, used));
    }
    return H1_FINE;
}

bool h1_is_forbidden_trailer(enum header_id id) {
    switch ((int)id) {
    case HEADER_AUTHORIZATION:
    case HEADER_CACHE_CONTROL:
    case HEADER_CONNECTION:
    case HEADER_CONTENT_ENCODING:
    case HEADER_CONTENT_LENGTH:
    case HEADER_CONTENT_TYPE:
    case HEADER_COOKIE:
    case HEADER_EXPECT:
    case HEADER_FORWARDED:
    case HEADER_HOST:
    case HEADER_HTTP2_SETTINGS:
    case HEADER_KEEP_ALIVE:
    case HEADER_PROXY_AUTHENTICATE:
    case HEADER_PROXY_AUTHORIZATION:
    case HEADER_PROXY_CONNECTION:
    case HEADER_RANGE:
    case HEADER_SET_COOKIE:
    case HEADER_TE:
    case HEADER_TRAILER:
    case HEADER_TRANSFER_ENCODING:
    case HEADER_UPGRADE:
    case HEADER_WWW_AUTHENTICATE:
    case HEADER_X_FORWARDED_CLIENT_CERT:
    case HEADER_X_FORWARDED_FOR:
    case HEADER_X_FORWARDED_HOST:
    case HEADER_X_FORWARDED_PORT:
    case HEADER_X_FORWARDED_PROTO:
    case HEADER_X_REAL_IP:
        return true;
    default:
        return false;
    }
}
