// SPDX-License-Identifier: Apache-2.0
#include "src/http/path.h"

#include <string.h>

#include "src/http/char_class.h"

/* Bytes that a URL parser writes percent-encoded in a path, as measured on Envoy 1.40. */
static bool needs_escape(uint8_t c) {
    switch (c) {
    case '"':
    case '<':
    case '>':
    case '^':
    case '`':
    case '{':
    case '|':
    case '}':
        return true;
    default:
        return !char_is(c, CHAR_VISIBLE);
    }
}

static bool is_escape(struct slice s, size_t at) {
    return s.ptr[at] == '%' && s.len - at >= 3 && char_is(s.ptr[at + 1], CHAR_HEX) &&
           char_is(s.ptr[at + 2], CHAR_HEX);
}

static uint8_t escape_value(struct slice s, size_t at) {
    return (uint8_t)(char_hex_value(s.ptr[at + 1]) << 4 | char_hex_value(s.ptr[at + 2]));
}

struct slice path_without_query(struct slice path) {
    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] == '?' || path.ptr[i] == '#') {
            return slice_make(path.ptr, i);
        }
    }
    return path;
}

struct slice path_query(struct slice path) {
    size_t mark = slice_find_byte(path, '?');
    if (mark == SIZE_MAX) {
        return slice_sub(path, path.len, 0);
    }
    struct slice query = slice_sub(path, mark + 1, SIZE_MAX);
    size_t fragment = slice_find_byte(query, '#');
    return fragment == SIZE_MAX ? query : slice_sub(query, 0, fragment);
}

bool path_query_get(struct slice query, struct slice key, struct slice *value) {
    struct slice part;
    while (slice_split(&query, '&', &part)) {
        size_t equals = slice_find_byte(part, '=');
        size_t name_len = equals == SIZE_MAX ? part.len : equals;
        if (slice_equal(slice_sub(part, 0, name_len), key)) {
            *value = slice_sub(part, equals == SIZE_MAX ? part.len : equals + 1, SIZE_MAX);
            return true;
        }
    }
    return false;
}

enum status path_percent_decode(struct slice s, struct arena *arena, struct slice *out) {
    if (slice_find_byte(s, '%') == SIZE_MAX) {
        *out = s;
        return STATUS_OK;
    }
    uint8_t *text = arena_alloc_bytes(arena, s.len);
    size_t used = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '%') {
            text[used++] = s.ptr[i];
            continue;
        }
        if (!is_escape(s, i)) {
            return STATUS_INVALID;
        }
        text[used++] = escape_value(s, i);
        i += 2;
    }
    *out = slice_make(text, used);
    return STATUS_OK;
}

/* A segment without its parameters where the rest is "." or "..": "..;x" is a spelling of ".."
 * that some origins honour. */
static size_t dot_segment_len(const uint8_t *segment, size_t len) {
    size_t dots = 0;
    while (dots < len && dots < 3 && segment[dots] == '.') {
        dots++;
    }
    bool ends = dots == len || segment[dots] == ';';
    return (dots == 1 || dots == 2) && ends ? dots : 0;
}

/* Decodes escaped slashes; returns false when there was none. */
static bool unescape_slashes(struct slice path, struct arena *arena, struct slice *out) {
    bool found = false;
    uint8_t *text = NULL;
    size_t used = 0;
    for (size_t i = 0; i < path.len; i++) {
        uint8_t value = is_escape(path, i) ? escape_value(path, i) : 0;
        if (value != '/' && value != '\\') {
            if (found) {
                text[used++] = path.ptr[i];
            }
            continue;
        }
        if (!found) {
            found = true;
            text = arena_alloc_bytes(arena, path.len);
            memcpy(text, path.ptr, i);
            used = i;
        }
        text[used++] = value;
        i += 2;
    }
    if (found) {
        *out = slice_make(text, used);
    }
    return found;
}

static size_t put_escaped(uint8_t *to, uint8_t c) {
    static const char digits[] = "0123456789ABCDEF";
    to[0] = '%';
    to[1] = (uint8_t)digits[c >> 4];
    to[2] = (uint8_t)digits[c & 15];
    return 3;
}

/* A character decoded behind a bare '%' must not make an escape that was not there: "%%32e" is no
 * spelling of "%2e". */
static bool makes_escape(const uint8_t *text, size_t used, uint8_t c) {
    if (!char_is(c, CHAR_HEX)) {
        return false;
    }
    return (used >= 1 && text[used - 1] == '%') ||
           (used >= 2 && text[used - 2] == '%' && char_is(text[used - 1], CHAR_HEX));
}

/* Writes one segment with escaped unreserved characters decoded and unsafe ones escaped; moves
 * *at behind it, on its separator or the end. */
static size_t put_segment(uint8_t *to, struct slice path, size_t *at) {
    size_t used = 0;
    size_t i = *at;
    for (; i < path.len && path.ptr[i] != '/' && path.ptr[i] != '\\'; i++) {
        if (is_escape(path, i) && char_is(escape_value(path, i), CHAR_UNRESERVED) &&
            !makes_escape(to, used, escape_value(path, i))) {
            to[used++] = escape_value(path, i);
            i += 2;
        } else if (needs_escape(path.ptr[i])) {
            used += put_escaped(to + used, path.ptr[i]);
        } else {
            to[used++] = path.ptr[i];
        }
    }
    *at = i;
    return used;
}

/* `used` bytes end in '/'; takes the segment before it away. */
static size_t pop_segment(const uint8_t *text, size_t used) {
    if (used <= 1) {
        return used;
    }
    used--;
    while (text[used - 1] != '/') {
        used--;
    }
    return used;
}

static struct slice canonicalize(struct slice path, struct arena *arena) {
    uint8_t *text = arena_alloc_bytes(arena, path.len * 3);
    size_t used = 0;
    text[used++] = '/';
    for (size_t at = 1; at <= path.len; at++) {
        size_t len = put_segment(text + used, path, &at);
        size_t dots = dot_segment_len(text + used, len);
        if (dots == 2) {
            used = pop_segment(text, used);
        }
        if (dots != 0) {
            continue;
        }
        used += len;
        if (at < path.len) {
            text[used++] = '/';
        }
    }
    return slice_make(text, used);
}

static struct slice merge_slashes(struct slice path, struct arena *arena) {
    if (slice_find(path, SLICE("//")) == SIZE_MAX) {
        return path;
    }
    uint8_t *text = arena_alloc_bytes(arena, path.len);
    size_t used = 0;
    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] != '/' || used == 0 || text[used - 1] != '/') {
            text[used++] = path.ptr[i];
        }
    }
    return slice_make(text, used);
}

/* What has no safe reading: nested escapes, '\', parameters of dot segments, however spelled. */
static bool is_refused_by_strict(struct slice path) {
    size_t dots = 0; /* of a segment that has only dots so far; SIZE_MAX: other characters */
    for (size_t i = 0; i < path.len; i++) {
        uint8_t c = path.ptr[i];
        if (is_escape(path, i)) {
            c = escape_value(path, i);
            struct slice rest = slice_sub(path, i + 2, SIZE_MAX);
            if (c == '%' && rest.len >= 3 && char_is(rest.ptr[1], CHAR_HEX) &&
                char_is(rest.ptr[2], CHAR_HEX)) {
                return true;
            }
            i += 2;
        }
        if (c == '\\' && path.ptr[i] == '\\') {
            return true;
        }
        if (c == ';' && (dots == 1 || dots == 2)) {
            return true;
        }
        if (c == '/' || c == '\\') {
            dots = 0;
        } else {
            dots = c == '.' && dots != SIZE_MAX ? dots + 1 : SIZE_MAX;
        }
    }
    return false;
}

static bool has_nul(struct slice path) {
    return slice_find(path, SLICE("%00")) != SIZE_MAX || slice_find_byte(path, 0) != SIZE_MAX;
}

/* True when nothing that the options act on is in the path. */
static bool is_plain(struct slice path) {
    uint8_t before = 0;
    for (size_t i = 0; i < path.len; i++) {
        uint8_t c = path.ptr[i];
        if (c == '%' || c == '\\' || needs_escape(c)) {
            return false;
        }
        if (before == '/' && (c == '.' || c == '/')) {
            return false;
        }
        before = c;
    }
    return true;
}

static struct slice join(struct slice path, struct slice tail, struct arena *arena) {
    if (tail.len == 0) {
        return path;
    }
    uint8_t *text = arena_alloc_bytes(arena, path.len + tail.len);
    memcpy(text, path.ptr, path.len);
    memcpy(text + path.len, tail.ptr, tail.len);
    return slice_make(text, path.len + tail.len);
}

enum path_verdict path_normalize(struct slice path, const struct path_options *options,
                                 struct arena *arena, struct slice *normalized) {
    *normalized = path;
    if (slice_equal(path, SLICE("*"))) {
        return PATH_OK;
    }
    if (path.len == 0 || path.ptr[0] != '/' || slice_find_byte(path, '#') != SIZE_MAX) {
        return PATH_REJECT;
    }
    struct slice part = path_without_query(path);
    if (is_plain(part)) {
        return PATH_OK;
    }
    if ((options->normalize || options->strict) && has_nul(part)) {
        return PATH_REJECT;
    }
    if (options->strict && is_refused_by_strict(part)) {
        return PATH_REJECT;
    }
    struct slice result = part;
    bool redirect = false;
    if (options->escaped_slashes != PATH_SLASHES_KEEP_UNCHANGED &&
        unescape_slashes(part, arena, &result)) {
        if (options->escaped_slashes == PATH_SLASHES_REJECT) {
            return PATH_REJECT;
        }
        redirect = options->escaped_slashes == PATH_SLASHES_UNESCAPE_AND_REDIRECT;
    }
    if (options->normalize) {
        result = canonicalize(result, arena);
    }
    if (options->merge_slashes) {
        result = merge_slashes(result, arena);
    }
    if (options->strict && is_refused_by_strict(result)) {
        return PATH_REJECT; // decoding brought it to light
    }
    if (!slice_equal(result, part)) {
        *normalized = join(result, slice_sub(path, part.len, SIZE_MAX), arena);
    }
    return redirect ? PATH_REDIRECT : PATH_OK;
}
