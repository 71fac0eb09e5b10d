// SPDX-License-Identifier: Apache-2.0
#include "filters/http/jwt_authn/jwt_extract.h"

#include "src/http/path.h"

struct finding {
    struct arena *arena;
    struct jwt_found *last;
    uint32_t count;
};

static void add(struct finding *finding, const struct jwt_location *location, struct slice text) {
    if (finding->count > JWT_MAX_TOKENS) {
        return;
    }
    struct jwt_found *found = ARENA_NEW(finding->arena, struct jwt_found);
    *found = (struct jwt_found){.text = text, .location = location, .previous = finding->last};
    finding->last = found;
    finding->count++;
}

static bool is_token_byte(uint8_t c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

/* From the first byte after the prefix that a token may have. */
static bool after_prefix(struct slice value, struct slice prefix, struct slice *text) {
    *text = value;
    if (prefix.len == 0) {
        return true;
    }
    size_t at = slice_find(value, prefix);
    if (at == SIZE_MAX) {
        return false;
    }
    for (at += prefix.len; at < value.len; at++) {
        if (is_token_byte(value.ptr[at])) {
            *text = slice_sub(value, at, value.len - at);
            return true;
        }
    }
    return true;
}

static void find_in_headers(struct finding *finding, const struct jwt_location *location,
                            const struct header_map *headers) {
    const struct header_entry *entry;
    for (uint32_t i = 0; (entry = header_map_next(headers, &i)) != NULL;) {
        struct slice text;
        if (slice_equal(header_entry_name(entry), location->name) &&
            after_prefix(header_entry_value(entry), location->prefix, &text)) {
            add(finding, location, text);
        }
    }
}

/* Takes "name=value" apart; the name is decoded. */
static struct slice pair_name(struct slice pair, struct slice *value, struct arena *arena) {
    size_t at = slice_find_byte(pair, '=');
    struct slice name = at == SIZE_MAX ? pair : slice_sub(pair, 0, at), decoded;
    *value = at == SIZE_MAX ? SLICE("") : slice_sub(pair, at + 1, pair.len);
    return path_percent_decode(name, arena, &decoded) == STATUS_OK ? decoded : name;
}

static void find_in_params(struct finding *finding, const struct jwt_location *location,
                           const struct header_map *headers) {
    struct slice query = path_query(header_map_get(headers, HEADER_PATH)), pair;
    while (slice_split(&query, '&', &pair)) {
        struct slice value, decoded;
        if (slice_equal(pair_name(pair, &value, finding->arena), location->name)) {
            bool is_ok = path_percent_decode(value, finding->arena, &decoded) == STATUS_OK;
            add(finding, location, is_ok ? decoded : value);
        }
    }
}

static struct slice without_quotes(struct slice value) {
    bool is_quoted = value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"';
    return is_quoted ? slice_sub(value, 1, value.len - 2) : value;
}

static void find_in_cookies(struct finding *finding, const struct jwt_location *location,
                            const struct header_map *headers) {
    const struct header_entry *entry;
    for (uint32_t i = 0; (entry = header_map_next(headers, &i)) != NULL;) {
        struct slice rest = entry->id == HEADER_COOKIE ? header_entry_value(entry) : SLICE(""),
                     pair;
        while (slice_split(&rest, ';', &pair)) {
            pair = slice_trim(pair);
            size_t at = slice_find_byte(pair, '=');
            if (at != SIZE_MAX && slice_equal(slice_sub(pair, 0, at), location->name)) {
                add(finding, location, without_quotes(slice_sub(pair, at + 1, pair.len)));
            }
        }
    }
}

static bool is_taken(const struct jwt_taken *taken, const struct jwt_location *location) {
    while (taken != NULL && !(taken->location->kind == location->kind &&
                              slice_equal(taken->location->name, location->name))) {
        taken = taken->next;
    }
    return taken != NULL;
}

struct jwt_found *jwt_extract(const struct jwt_extractor *extractor,
                              const struct header_map *headers, const struct jwt_taken *taken,
                              struct arena *arena, uint32_t *count) {
    struct finding finding = {.arena = arena};
    for (uint32_t i = 0; i < extractor->count; i++) {
        const struct jwt_location *location = &extractor->locations[i];
        if (is_taken(taken, location)) {
            continue;
        }
        switch (location->kind) {
        case JWT_IN_HEADER:
            find_in_headers(&finding, location, headers);
            break;
        case JWT_IN_PARAM:
            find_in_params(&finding, location, headers);
            break;
        case JWT_IN_COOKIE:
            find_in_cookies(&finding, location, headers);
            break;
        }
    }
    *count = finding.count;
    return finding.last;
}

static void remove_param(struct slice name, struct header_map *headers) {
    struct slice path = header_map_get(headers, HEADER_PATH), rest = path_query(path), pair, value;
    struct slice base = path_without_query(path);
    uint8_t *text = arena_alloc_bytes(headers->arena, path.len + 1);
    size_t len = base.len;
    memcpy(text, base.ptr, base.len);
    while (slice_split(&rest, '&', &pair)) {
        if (slice_equal(pair_name(pair, &value, headers->arena), name)) {
            continue;
        }
        text[len] = len == base.len ? '?' : '&';
        memcpy(text + len + 1, pair.ptr, pair.len);
        len += 1 + pair.len;
    }
    header_map_set(headers, HEADER_PATH, slice_make(text, len));
}

void jwt_remove(const struct jwt_location *location, struct header_map *headers) {
    switch (location->kind) {
    case JWT_IN_HEADER:
        (void)header_map_remove_name(headers, location->name);
        break;
    case JWT_IN_PARAM:
        remove_param(location->name, headers);
        break;
    case JWT_IN_COOKIE:
        break;
    }
}

bool jwt_location_allows(const struct jwt_location *location, struct slice issuer) {
    for (uint32_t i = 0; i < location->issuers.count; i++) {
        if (slice_equal(location->issuers.items[i], issuer)) {
            return true;
        }
    }
    return location->allows_any_issuer;
}
