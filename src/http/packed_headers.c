// SPDX-License-Identifier: Apache-2.0
#include "src/http/packed_headers.h"

#include "src/base/check.h"

/* Per entry: the id, for HEADER_OTHER the name, the value. Texts have their length in front, seven bits
 * a byte, the lowest first; all bytes but the last have the high bit. */
struct packed_headers {
    uint32_t bytes;
    uint8_t data[];
};

_Static_assert(HEADER_ID_COUNT <= UINT8_MAX, "an id is a byte");

enum { LENGTH_BITS = 7, LENGTH_MORE = 1 << LENGTH_BITS };

static size_t text_bytes(struct slice text) {
    size_t bytes = text.len + 1;
    for (size_t left = text.len; left >= LENGTH_MORE; left >>= LENGTH_BITS) {
        bytes++;
    }
    return bytes;
}

static size_t entry_bytes(const struct header_entry *entry) {
    size_t name = entry->id == HEADER_OTHER ? text_bytes(header_entry_name(entry)) : 0;
    return 1 + name + text_bytes(header_entry_value(entry));
}

static uint8_t *put_text(uint8_t *to, struct slice text) {
    size_t left = text.len;
    for (; left >= LENGTH_MORE; left >>= LENGTH_BITS) {
        *to++ = (uint8_t)(LENGTH_MORE | (left & (LENGTH_MORE - 1)));
    }
    *to++ = (uint8_t)left;
    memcpy(to, text.ptr, text.len);
    return to + text.len;
}

static struct slice take_text(const uint8_t **from) {
    size_t len = 0;
    unsigned shift = 0;
    for (; (**from & LENGTH_MORE) != 0; (*from)++, shift += LENGTH_BITS) {
        len |= (size_t)(**from & (LENGTH_MORE - 1)) << shift;
    }
    len |= (size_t) * (*from)++ << shift;
    struct slice text = slice_make(*from, len);
    *from += len;
    return text;
}

struct packed_headers *packed_headers_new(const struct header_map *map) {
    if (map == NULL) {
        return NULL;
    }
    const struct header_entry *entry;
    size_t bytes = 0;
    for (uint32_t i = 0; (entry = header_map_next(map, &i)) != NULL;) {
        bytes += entry_bytes(entry);
    }
    CHECK(bytes <= UINT32_MAX);
    struct packed_headers *packed = mem_alloc(sizeof(*packed) + bytes);
    packed->bytes = (uint32_t)bytes;
    uint8_t *to = packed->data;
    for (uint32_t i = 0; (entry = header_map_next(map, &i)) != NULL;) {
        *to++ = (uint8_t)entry->id;
        if (entry->id == HEADER_OTHER) {
            to = put_text(to, header_entry_name(entry));
        }
        to = put_text(to, header_entry_value(entry));
    }
    ASSERT(to == packed->data + bytes);
    return packed;
}

void packed_headers_free(struct packed_headers *packed) {
    mem_free(packed);
}

struct header_map *packed_headers_unpack(const struct packed_headers *packed, struct arena *arena) {
    if (packed == NULL) {
        return NULL;
    }
    struct header_map *map = (struct header_map *)arena_alloc(arena, sizeof(*map));
    header_map_init(map, arena);
    const uint8_t *at = packed->data;
    while (at < packed->data + packed->bytes) {
        enum header_id id = (enum header_id) * at++;
        if (id == HEADER_OTHER) {
            struct slice name = take_text(&at);
            header_map_append_name(map, name, take_text(&at));
        } else {
            header_map_append(map, id, take_text(&at));
        }
    }
    return map;
}
