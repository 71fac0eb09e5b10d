// SPDX-License-Identifier: Apache-2.0
/*
 * A borrowed run of bytes: not NUL-terminated, never owned. Valid as long as what it points into (an
 * arena, a buffer chunk, a literal). Comparison and parsing of text go through these functions.
 */
#ifndef SRC_BASE_SLICE_H
#define SRC_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "src/base/status.h"

struct slice {
    const uint8_t *ptr; /* may be NULL only where len is 0 */
    size_t len;
};

/* For string literals only: SLICE("abc"); SLICE_INIT in static initialisers. */
#define SLICE(literal) ((struct slice){(const uint8_t *)("" literal), sizeof(literal) - 1})
#define SLICE_INIT(literal)                                                                        \
    { (const uint8_t *)("" literal), sizeof(literal) - 1 }
/* printf("%.*s", SLICE_ARG(s)) */
#define SLICE_ARG(s) (int)(s).len, (const char *)(s).ptr

static inline struct slice slice_make(const void *ptr, size_t len) {
    return (struct slice){(const uint8_t *)ptr, len};
}
static inline struct slice slice_from_string(const char *text) {
    return slice_make(text, text == NULL ? 0 : strlen(text));
}
static inline bool slice_is_empty(struct slice s) {
    return s.len == 0;
}
static inline bool slice_equal(struct slice a, struct slice b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
/* `from` past the end gives an empty slice; `len` is cut to what is there. */
struct slice slice_sub(struct slice s, size_t from, size_t len);
/* ASCII case is ignored; other bytes compare as they are. */
bool slice_equal_nocase(struct slice a, struct slice b);
bool slice_starts_with(struct slice s, struct slice prefix);
bool slice_ends_with(struct slice s, struct slice suffix);
bool slice_starts_with_nocase(struct slice s, struct slice prefix);
bool slice_ends_with_nocase(struct slice s, struct slice suffix);
/* memcmp order, a shorter prefix first. */
int slice_compare(struct slice a, struct slice b);
/* Index of the first (last) occurrence, or SIZE_MAX. */
size_t slice_find_byte(struct slice s, uint8_t byte);
size_t slice_rfind_byte(struct slice s, uint8_t byte);
size_t slice_find(struct slice s, struct slice needle);
/* Without leading and trailing SP and HTAB. */
struct slice slice_trim(struct slice s);
/* Takes the part of *rest before `separator` (all, where it is absent) off *rest. Returns false when
 * nothing was left: `while (slice_split(&rest, ',', &part))`. So "a,,b," has the parts a, "" and b. */
bool slice_split(struct slice *rest, uint8_t separator, struct slice *part);
/* Whole-slice decimal (hexadecimal) digits; no sign, no spaces. STATUS_INVALID on other bytes or
 * none, STATUS_LIMIT on overflow. */
enum status slice_parse_uint64(struct slice s, uint64_t *value) MUST_USE;
enum status slice_parse_hex64(struct slice s, uint64_t *value) MUST_USE;
/* True when all of `s` is well-formed UTF-8 (RFC 3629; no surrogates). */
bool slice_is_utf8(struct slice s);
/* A seeded 64-bit hash for in-memory tables (not for the wire). */
uint64_t slice_hash(struct slice s, uint64_t seed);
/* xxHash64 with the given seed, the hash Envoy uses where a value is seen outside (ring, maglev,
 * hash policies). */
uint64_t slice_xxhash64(struct slice s, uint64_t seed);

static inline uint8_t ascii_lower(uint8_t c) {
    return (c >= 'A' && c <= 'Z') ? (uint8_t)(c | 0x20) : c;
}

#endif
