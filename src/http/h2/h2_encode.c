// SPDX-License-Identifier: Apache-2.0
/* From a header map to HPACK fields: pseudo headers first, nothing that HTTP/2 forbids, and values that
 * never repeat kept out of the compression tables. */
#include "src/base/check.h"
#include "src/http/char_class.h"
#include "src/http/h2/h2_codec.h"

/* Pseudo headers that a map may lack plus those made from others. */
enum { EXTRA_FIELDS = 6 };

/* Of so many messages one may put fields that never repeat into the peer's table. */
enum { SEEDING_PERIOD = 64 };

static void reserve(struct h2_shared *shared, size_t count) {
    if (count > shared->fields_capacity) {
        shared->fields_capacity = count * 2;
        shared->fields =
            mem_realloc(shared->fields, shared->fields_capacity * sizeof(shared->fields[0]));
    }
}

/* How a well-known name goes into HPACK. */
enum field_rule {
    FIELD_DROPPED = 1, /* connection-specific (RFC 9113 §8.2.2), or what became a pseudo header */
    FIELD_UNINDEXED = 2,
    /* Different in every message: an entry made for each would only push out useful ones. One now and
     * then keeps the name in the table, for which RFC 7541 has no entry, so that an index stands for it. */
    FIELD_SEEDED = 4,
};

static const uint8_t field_rules[HEADER_ID_COUNT] = {
    [HEADER_AUTHORITY] = FIELD_DROPPED,
    [HEADER_METHOD] = FIELD_DROPPED,
    [HEADER_PATH] = FIELD_DROPPED,
    [HEADER_PROTOCOL] = FIELD_DROPPED,
    [HEADER_SCHEME] = FIELD_DROPPED,
    [HEADER_STATUS] = FIELD_DROPPED,
    [HEADER_CONNECTION] = FIELD_DROPPED,
    [HEADER_HOST] = FIELD_DROPPED,
    [HEADER_HTTP2_SETTINGS] = FIELD_DROPPED,
    [HEADER_KEEP_ALIVE] = FIELD_DROPPED,
    [HEADER_PROXY_CONNECTION] = FIELD_DROPPED,
    [HEADER_TRANSFER_ENCODING] = FIELD_DROPPED,
    [HEADER_UPGRADE] = FIELD_DROPPED,
    [HEADER_AUTHORIZATION] = FIELD_UNINDEXED,
    [HEADER_PROXY_AUTHORIZATION] = FIELD_UNINDEXED,
    [HEADER_CONTENT_LENGTH] = FIELD_UNINDEXED,
    [HEADER_X_REQUEST_ID] = FIELD_SEEDED,
    [HEADER_TRACEPARENT] = FIELD_SEEDED,
    [HEADER_X_ENVOY_UPSTREAM_SERVICE_TIME] = FIELD_SEEDED,
    [HEADER_X_FORWARDED_FOR] = FIELD_SEEDED,
};

static __attribute__((noinline)) bool has_no_line_end(struct slice s) {
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\r' || s.ptr[i] == '\n' || s.ptr[i] == '\0') {
            return false;
        }
    }
    return true;
}

// One that could end a field in HTTP/1.1 at the next hop must not leave, whoever put it in the map.
static inline __attribute__((always_inline)) bool is_safe(struct slice s) {
    return char_has_no_control(s.ptr, s.len) || has_no_line_end(s);
}

static uint8_t index_flags(const struct header_entry *entry, bool is_seeding) {
    unsigned unindexed = FIELD_UNINDEXED | (is_seeding ? 0U : (unsigned)FIELD_SEEDED);
    bool is_left_out =
        (entry->flags & HEADER_FLAG_SENSITIVE) != 0 || (field_rules[entry->id] & unindexed) != 0;
    return is_left_out ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;
}

// nghttp2 takes pointers to const data through a non-const type.
static nghttp2_nv make_field(struct slice name, struct slice value, unsigned flags) {
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name.ptr,
        .value = (uint8_t *)(uintptr_t)(value.len == 0 ? (const uint8_t *)"" : value.ptr),
        .namelen = name.len,
        .valuelen = value.len,
        .flags = (uint8_t)flags,
    };
}

/* Of the block being put together. */
struct field_list {
    nghttp2_nv *fields;
    size_t count;
    size_t bytes;   /* names and values */
    unsigned flags; /* of each field */
};

static void add(struct field_list *list, struct slice name, struct slice value, unsigned flags) {
    list->fields[list->count++] = make_field(name, value, list->flags | flags);
    list->bytes += name.len + value.len;
}

static bool add_pseudo(struct field_list *list, enum header_id id, struct slice value) {
    if (slice_is_empty(value) || !is_safe(value)) {
        return false;
    }
    add(list, header_id_name(id), value, NGHTTP2_NV_FLAG_NO_COPY_NAME);
    return true;
}

static struct slice authority_of(const struct header_map *map) {
    struct slice authority = header_map_get(map, HEADER_AUTHORITY);
    return slice_is_empty(authority) ? header_map_get(map, HEADER_HOST) : authority;
}

static bool add_request_pseudo(struct field_list *list, const struct header_map *map) {
    struct slice method = header_map_get(map, HEADER_METHOD);
    struct slice authority = authority_of(map);
    bool has_protocol = header_map_has(map, HEADER_PROTOCOL);
    if (!http_is_token(method) || !add_pseudo(list, HEADER_METHOD, method)) {
        return false;
    }
    if (!slice_equal(method, SLICE("CONNECT")) || has_protocol) {
        struct slice scheme = header_map_get(map, HEADER_SCHEME);
        struct slice path = header_map_get(map, HEADER_PATH);
        if (!add_pseudo(list, HEADER_SCHEME, scheme) || slice_find_byte(path, ' ') != SIZE_MAX ||
            !add_pseudo(list, HEADER_PATH, path)) {
            return false;
        }
    } else if (slice_is_empty(authority)) {
        return false;
    }
    if (!slice_is_empty(authority) && !add_pseudo(list, HEADER_AUTHORITY, authority)) {
        return false;
    }
    return !has_protocol || add_pseudo(list, HEADER_PROTOCOL, header_map_get(map, HEADER_PROTOCOL));
}

static bool is_dropped(const struct header_entry *entry) {
    if (entry->id == HEADER_OTHER) {
        return entry->name_len == 0 || entry->name_ptr[0] == ':';
    }
    if (entry->id == HEADER_TE) {
        return !slice_equal_nocase(header_entry_value(entry), SLICE("trailers"));
    }
    return (field_rules[entry->id] & FIELD_DROPPED) != 0;
}

static bool add_entry(struct field_list *list, const struct header_entry *entry, bool is_seeding) {
    unsigned flags = index_flags(entry, is_seeding);
    struct slice name = header_entry_name(entry);
    if (entry->id != HEADER_OTHER) {
        name = header_id_name(entry->id);
        flags |= NGHTTP2_NV_FLAG_NO_COPY_NAME;
    } else if (!is_safe(name)) {
        return false;
    }
    if (!is_safe(header_entry_value(entry))) {
        return false;
    }
    add(list, name, header_entry_value(entry), flags);
    return true;
}

static bool add_block_pseudo(struct field_list *list, const struct header_map *headers,
                             enum h2_block_kind kind) {
    switch (kind) {
    case H2_BLOCK_REQUEST:
        return add_request_pseudo(list, headers);
    case H2_BLOCK_RESPONSE:
        return http_status_of(headers) >= 100 &&
               add_pseudo(list, HEADER_STATUS, header_map_get(headers, HEADER_STATUS));
    case H2_BLOCK_TRAILERS:
        break;
    }
    return true;
}

size_t h2_encode_fields(struct h2_stream *s, const struct header_map *headers,
                        enum h2_block_kind kind, bool copies_values) {
    struct h2_codec *h2 = s->h2;
    struct h2_shared *shared = h2->shared;
    bool is_seeding = kind != H2_BLOCK_TRAILERS && h2->messages_encoded++ % SEEDING_PERIOD == 0;
    reserve(shared, (size_t)headers->count + EXTRA_FIELDS);
    struct field_list list = {
        .fields = shared->fields,
        .flags = copies_values ? 0 : NGHTTP2_NV_FLAG_NO_COPY_VALUE,
    };
    if (!add_block_pseudo(&list, headers, kind)) {
        return 0;
    }
    const struct header_entry *entry;
    for (uint32_t i = 0; (entry = header_map_next(headers, &i)) != NULL;) {
        if (!is_dropped(entry) && !add_entry(&list, entry, is_seeding)) {
            return 0;
        }
    }
    s->base.sent.fields += list.bytes;
    return list.count;
}
