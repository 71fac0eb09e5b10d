// SPDX-License-Identifier: Apache-2.0
/*
 * Byte classes of the HTTP and URI grammars, as bits of one const table, and the lower-case form of
 * token characters. For the parsers of this folder; pure.
 */
#ifndef SRC_HTTP_CHAR_CLASS_H
#define SRC_HTTP_CHAR_CLASS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    CHAR_TOKEN = 1,    /* RFC 9110 §5.6.2 tchar */
    CHAR_VALUE = 2,    /* field value: VCHAR, obs-text, SP, HTAB */
    CHAR_URI = 4,      /* RFC 3986 pchar, '/' and '?'; '%' included */
    CHAR_REG_NAME = 8, /* RFC 3986 unreserved and sub-delims; '%' not included */
    CHAR_UNRESERVED = 16,
    CHAR_VISIBLE = 32, /* 0x21 to 0x7e */
    CHAR_HEX = 64,
};

extern const uint8_t char_class[256];

/* 0 for a byte that is no token character, else its lower-case form. */
extern const uint8_t char_token_lower[256];

static inline bool char_is(uint8_t c, uint8_t classes) {
    return (char_class[c] & classes) != 0;
}

/* Value of a hexadecimal digit; the caller has checked CHAR_HEX. */
static inline uint8_t char_hex_value(uint8_t c) {
    return (uint8_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

/* The high bit of each byte of `word` that is a control byte: below 0x20, HTAB included, or 0x7f. Above
 * the first such byte (in memory order of a little-endian machine) bits may be wrong. */
static inline uint64_t char_control_bits(uint64_t word) {
    const uint64_t ones = 0x0101010101010101U;
    uint64_t rubout = word ^ (ones * 0x7f);
    uint64_t hits = ((word - ones * 0x20) & ~word) | ((rubout - ones) & ~rubout);
    return hits & (ones * 0x80);
}

/* Index of the first byte with its bit set; `bits` is not 0. */
static inline size_t char_first_hit(uint64_t bits) {
    return (size_t)__builtin_ctzll(bits) / 8;
}

/* Number of bytes of [at, end) before the first control byte, eight at a time. */
static inline size_t char_run_before_control(const uint8_t *at, const uint8_t *end) {
    const uint8_t *start = at;
    uint64_t word;
    for (; end - at >= 8; at += 8) {
        memcpy(&word, at, sizeof(word));
        uint64_t hits = char_control_bits(word);
        if (hits != 0) {
            return (size_t)(at - start) + char_first_hit(hits);
        }
    }
    if (at < end && end - start >= 8) {
        // The last word overlaps bytes that are known to be harmless.
        memcpy(&word, end - 8, sizeof(word));
        uint64_t hits = char_control_bits(word);
        return (size_t)(end - start) - (hits == 0 ? 0 : 8 - char_first_hit(hits));
    }
    while (at < end && *at >= 0x20 && *at != 0x7f) {
        at++;
    }
    return (size_t)(at - start);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "char_first_hit counts from the low end");

#endif
