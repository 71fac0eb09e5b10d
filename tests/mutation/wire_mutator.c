// SPDX-License-Identifier: Apache-2.0
#include "tests/mutation/wire_mutator.h"

#include <string.h>

#include "src/base/check.h"

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_LENGTH = 2, WIRE_FIXED32 = 5 };
enum { MUTATIONS_MAX = 3, RAW_ONE_IN = 8, COPIES = 50, LAYERS = 150, LONG_TEXT = 70000 };

/* ---- reading ---- */

struct item {
    uint32_t number;
    uint8_t type;
    uint64_t value;       /* of a varint */
    struct slice payload; /* of WIRE_LENGTH and the fixed ones */
    struct slice whole;   /* the tag included */
};

static bool take_varint(struct slice *rest, uint64_t *value) {
    *value = 0;
    for (unsigned i = 0; i < rest->len && i < 10; i++) {
        *value |= (uint64_t)(rest->ptr[i] & 127) << (7 * i);
        if (rest->ptr[i] < 128) {
            *rest = slice_sub(*rest, i + 1, SIZE_MAX);
            return true;
        }
    }
    return false;
}

static bool take_payload(struct slice *rest, uint64_t len, struct item *item) {
    if (len > rest->len) {
        return false;
    }
    item->payload = slice_sub(*rest, 0, (size_t)len);
    *rest = slice_sub(*rest, (size_t)len, SIZE_MAX);
    return true;
}

static bool take_value(struct slice *rest, struct item *item) {
    switch (item->type) {
    case WIRE_VARINT:
        return take_varint(rest, &item->value);
    case WIRE_FIXED64:
        return take_payload(rest, 8, item);
    case WIRE_FIXED32:
        return take_payload(rest, 4, item);
    case WIRE_LENGTH:
        return take_varint(rest, &item->value) && take_payload(rest, item->value, item);
    default:
        return false;
    }
}

static bool take_item(struct slice *rest, struct item *item) {
    struct slice before = *rest;
    uint64_t tag;
    if (!take_varint(rest, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX) {
        return false;
    }
    item->number = (uint32_t)(tag >> 3);
    item->type = (uint8_t)(tag & 7);
    item->payload = SLICE("");
    if (!take_value(rest, item)) {
        return false;
    }
    item->whole = slice_sub(before, 0, before.len - rest->len);
    return true;
}

/* Whether the bytes may be taken for a message; a text may be by chance. */
static bool is_message(struct slice bytes) {
    struct item item;
    if (bytes.len == 0) {
        return false;
    }
    while (bytes.len > 0) {
        if (!take_item(&bytes, &item)) {
            return false;
        }
    }
    return true;
}

static bool is_nested(const struct item *item) {
    return item->type == WIRE_LENGTH && is_message(item->payload);
}

/* Counts items at all depths; with `found` not NULL stops at that of number `wanted`. */
static uint64_t walk(struct slice bytes, uint64_t wanted, struct item *found) {
    uint64_t count = 0;
    struct item item;
    while (bytes.len > 0 && take_item(&bytes, &item)) {
        if (count++ == wanted && found != NULL) {
            *found = item;
            return count;
        }
        if (is_nested(&item)) {
            count += walk(item.payload, wanted - count, found);
            if (found != NULL && count > wanted) {
                return count;
            }
        }
    }
    return count;
}

/* ---- writing ---- */

struct output {
    uint8_t *bytes;
    size_t len;
};

static struct output output_new(struct arena *arena) {
    return (struct output){arena_alloc_bytes(arena, WIRE_MUTANT_BYTES_MAX), 0};
}

static struct slice output_slice(const struct output *out) {
    return slice_make(out->bytes, out->len);
}

static void put(struct output *out, struct slice bytes) {
    size_t len =
        bytes.len < WIRE_MUTANT_BYTES_MAX - out->len ? bytes.len : WIRE_MUTANT_BYTES_MAX - out->len;
    if (len > 0) {
        memcpy(out->bytes + out->len, bytes.ptr, len);
        out->len += len;
    }
}

static void put_varint(struct output *out, uint64_t value) {
    uint8_t bytes[10];
    size_t len = 0;
    do {
        bytes[len++] = (uint8_t)((value & 127) | (value > 127 ? 128 : 0));
        value >>= 7;
    } while (value > 0);
    put(out, slice_make(bytes, len));
}

static void put_length(struct output *out, uint32_t number, struct slice payload) {
    put_varint(out, (uint64_t)number << 3 | WIRE_LENGTH);
    put_varint(out, payload.len);
    put(out, payload);
}

/* ---- mutating one item ---- */

struct mutation {
    uint64_t countdown; /* items until the one that is changed */
    struct slice donor;
    struct random *random;
    struct arena *arena;
};

static uint64_t edge_number(struct random *random) {
    static const uint64_t edges[] = {0,          1,         2,          7,          99,
                                     100,        101,       599,        600,        65535,
                                     65536,      INT32_MAX, 1ULL << 31, UINT32_MAX, 1ULL << 32,
                                     1ULL << 62, INT64_MAX, 1ULL << 63, UINT64_MAX, UINT64_MAX - 1};
    size_t choice = (size_t)random_below(random, ARRAY_LEN(edges) + 2);
    return choice < ARRAY_LEN(edges) ? edges[choice] : random_next(random);
}

static struct slice edge_text(struct mutation *m) {
    static const struct slice edges[] = {
        SLICE_INIT(""),          SLICE_INIT("*"),         SLICE_INIT("\0"),
        SLICE_INIT("\xff\xfe"),  SLICE_INIT("("),         SLICE_INIT("%"),
        SLICE_INIT("a\r\nb: c"), SLICE_INIT("neighbour"), SLICE_INIT("(a+)+$"),
        SLICE_INIT("%REQ(X)%"),  SLICE_INIT(":path"),     SLICE_INIT("\xed\xa0\x80"),
        SLICE_INIT("host"),      SLICE_INIT("::1"),       SLICE_INIT("0.0.0.0/33")};
    size_t choice = (size_t)random_below(m->random, ARRAY_LEN(edges) + 1);
    if (choice < ARRAY_LEN(edges)) {
        return edges[choice];
    }
    uint8_t *text = arena_alloc_bytes(m->arena, LONG_TEXT);
    memset(text, 'a', LONG_TEXT);
    return slice_make(text, LONG_TEXT);
}

static struct slice broken(struct mutation *m, struct slice bytes) {
    uint8_t *copy = arena_alloc_bytes(m->arena, bytes.len + 1);
    if (bytes.len > 0) {
        memcpy(copy, bytes.ptr, bytes.len);
        copy[random_below(m->random, bytes.len)] ^= (uint8_t)(1U << random_below(m->random, 8));
    }
    return slice_make(copy, bytes.len);
}

static struct slice of_donor(struct mutation *m) {
    struct item item = {.payload = m->donor};
    uint64_t count = walk(m->donor, UINT64_MAX, NULL);
    if (count > 0) {
        (void)walk(m->donor, random_below(m->random, count), &item);
    }
    return item.payload;
}

/* The payload within itself, many layers deep. */
static struct slice layered(struct mutation *m, const struct item *item) {
    struct slice payload = item->payload;
    for (unsigned i = 0; i < LAYERS && payload.len < WIRE_MUTANT_BYTES_MAX / 2; i++) {
        uint8_t *bytes = arena_alloc_bytes(m->arena, payload.len + 16);
        struct output out = {bytes, 0};
        put_length(&out, item->number, payload);
        payload = output_slice(&out);
    }
    return payload;
}

static void put_renumbered(struct mutation *m, const struct item *item, struct output *out) {
    uint64_t number = 1 + random_below(m->random, 80);
    struct slice rest = item->whole;
    uint64_t tag;
    CHECK(take_varint(&rest, &tag));
    put_varint(out, number << 3 | item->type);
    put(out, rest);
}

static void put_copies(const struct item *item, unsigned count, struct output *out) {
    for (unsigned i = 0; i < count; i++) {
        put(out, item->whole);
    }
}

/* What any kind of field may suffer. False: another kind of change is to be made. */
static bool mutate_any(struct mutation *m, const struct item *item, struct output *out) {
    switch (random_below(m->random, 10)) {
    case 0:
        return true; // dropped
    case 1:
        put_copies(item, 2, out);
        return true;
    case 2:
        put_copies(item, COPIES, out);
        return true;
    case 3:
        put_renumbered(m, item, out);
        return true;
    case 4:
        put(out, broken(m, item->whole));
        return true;
    default:
        return false;
    }
}

static struct slice mutated_payload(struct mutation *m, const struct item *item) {
    switch (random_below(m->random, 5)) {
    case 0:
        return edge_text(m);
    case 1:
        return slice_sub(item->payload, 0, (size_t)random_below(m->random, item->payload.len + 1));
    case 2:
        return of_donor(m);
    case 3:
        return layered(m, item);
    default:
        return broken(m, item->payload);
    }
}

static void mutate_item(struct mutation *m, const struct item *item, struct output *out) {
    if (mutate_any(m, item, out)) {
        return;
    }
    switch (item->type) {
    case WIRE_VARINT:
        put_varint(out, (uint64_t)item->number << 3);
        put_varint(out, edge_number(m->random));
        break;
    case WIRE_LENGTH:
        put_length(out, item->number, mutated_payload(m, item));
        break;
    default:
        put(out, broken(m, item->whole));
        break;
    }
}

static void rewrite(struct mutation *m, struct slice bytes, struct output *out) {
    struct item item;
    bool is_done = false;
    while (!is_done && bytes.len > 0 && take_item(&bytes, &item)) {
        uint64_t nested = is_nested(&item) ? walk(item.payload, UINT64_MAX, NULL) : 0;
        is_done = m->countdown <= nested;
        if (m->countdown == 0) {
            mutate_item(m, &item, out);
        } else if (is_done) {
            struct output inner = output_new(m->arena);
            m->countdown--;
            rewrite(m, item.payload, &inner);
            put_length(out, item.number, output_slice(&inner));
        } else {
            m->countdown -= nested + 1;
            put(out, item.whole);
        }
    }
    put(out, bytes);
}

/* Bytes changed, taken out or cut off, with no length put right. */
static struct slice mutate_raw(struct mutation *m, struct slice bytes) {
    struct slice result = broken(m, bytes);
    if (random_below(m->random, 3) == 0) {
        return slice_sub(result, 0, (size_t)random_below(m->random, result.len + 1));
    }
    return result;
}

struct slice wire_mutate(struct slice original, struct slice donor, struct random *random,
                         struct arena *arena) {
    struct mutation m = {.donor = donor, .random = random, .arena = arena};
    struct slice result = original;
    uint64_t mutations = 1 + random_below(random, MUTATIONS_MAX);
    for (uint64_t i = 0; i < mutations; i++) {
        uint64_t count = walk(result, UINT64_MAX, NULL);
        if (count == 0 || random_below(random, RAW_ONE_IN) == 0) {
            result = mutate_raw(&m, result);
            continue;
        }
        m.countdown = random_below(random, count);
        struct output out = output_new(arena);
        rewrite(&m, result, &out);
        result = output_slice(&out);
    }
    return result;
}
