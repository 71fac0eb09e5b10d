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
#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

/* Lower-case form of each ASCII letter of `word`; other bytes stay. */
static inline uint64_t char_lower_word(uint64_t word) {
    const uint64_t ones = 0x0101010101010101U;
    uint64_t low = word & (ones * 0x7f);
    uint64_t above_z = low + ones * (0x7f - 'Z');
    uint64_t from_a = low + ones * (0x80 - 'A');
    uint64_t upper = (from_a ^ above_z) & ~word & (ones * 0x80);
    return word | upper >> 2;
}

/* The high bit of each byte of `word` that equals `byte`; above the first one bits may be wrong. */
static inline uint64_t char_equal_bits(uint64_t word, uint8_t byte) {
    const uint64_t ones = 0x0101010101010101U;
    uint64_t other = word ^ (ones * byte);
    return (other - ones) & ~other & (ones * 0x80);
}

#ifdef __SSE2__
/* Moves *at over whole blocks of 16 bytes up to the first control byte; true: *at is on it. */
static inline bool char_skip_blocks(const uint8_t **at, const uint8_t *end) {
    const __m128i last_control = _mm_set1_epi8(0x1f);
    const __m128i rubout = _mm_set1_epi8(0x7f);
    for (; end - *at >= 16; *at += 16) {
        __m128i block = _mm_loadu_si128((const __m128i *)(const void *)*at);
        __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(block, last_control), block);
        int hits = _mm_movemask_epi8(_mm_or_si128(low, _mm_cmpeq_epi8(block, rubout)));
        if (hits != 0) {
            *at += __builtin_ctz((unsigned)hits);
            return true;
        }
    }
    return false;
}
#else
static inline bool char_skip_blocks(const uint8_t **at, const uint8_t *end) {
    (void)at;
    (void)end;
    return false;
}
#endif

/* Number of bytes of [at, end) before the first control byte, in blocks and words. */
static inline __attribute__((always_inline)) size_t char_run_before_control(const uint8_t *at,
                                                                            const uint8_t *end) {
    const uint8_t *start = at;
    if (char_skip_blocks(&at, end)) {
        return (size_t)(at - start);
    }
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

/* Copies a short text in pieces that may overlap: a call of memcpy costs more than most names and values
 * do. */
static inline __attribute__((always_inline)) void char_copy(uint8_t *to, const uint8_t *from,
                                                            size_t len) {
    if (len >= 16) {
        for (size_t at = 0; at + 16 < len; at += 16) {
            memcpy(to + at, from + at, 16);
        }
        memcpy(to + len - 16, from + len - 16, 16);
    } else if (len >= 8) {
        memcpy(to, from, 8);
        memcpy(to + len - 8, from + len - 8, 8);
    } else if (len >= 4) {
        memcpy(to, from, 4);
        memcpy(to + len - 4, from + len - 4, 4);
    } else if (len > 0) {
        to[0] = from[0];
        to[len / 2] = from[len / 2];
        to[len - 1] = from[len - 1];
    }
}

/* The bits of char_control_bits for a text of less than 16 bytes. */
static inline uint64_t char_control_bits_of(const uint8_t *text, size_t len) {
    uint64_t head = 0x2020202020202020U;
    uint64_t tail = 0;
    if (len >= 8) {
        memcpy(&head, text, 8);
        memcpy(&tail, text + len - 8, 8);
        return char_control_bits(head) | char_control_bits(tail);
    }
    if (len >= 4) {
        uint32_t half[2];
        memcpy(&half[0], text, 4);
        memcpy(&half[1], text + len - 4, 4);
        memcpy(&head, half, sizeof(head));
    } else if (len > 0) {
        memcpy(&head, (uint8_t[4]){text[0], text[len / 2], text[len - 1], ' '}, 4);
    }
    return char_control_bits(head);
}

#ifdef __SSE2__
/* 0xff at each control byte of a block, HTAB included. */
static inline __m128i char_control_block(__m128i block) {
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
    return _mm_or_si128(low, _mm_cmpeq_epi8(block, _mm_set1_epi8(0x7f)));
}

/* True when no byte of the text is a control byte, HTAB included. */
static inline __attribute__((always_inline)) bool char_has_no_control(const uint8_t *text,
                                                                      size_t len) {
    if (len < 16) {
        return char_control_bits_of(text, len) == 0;
    }
    const uint8_t *last = text + len - 16;
    __m128i hits = char_control_block(_mm_loadu_si128((const __m128i *)(const void *)last));
    for (; text < last; text += 16) {
        __m128i block = _mm_loadu_si128((const __m128i *)(const void *)text);
        hits = _mm_or_si128(hits, char_control_block(block));
    }
    return _mm_movemask_epi8(hits) == 0;
}
#else
static inline __attribute__((always_inline)) bool char_has_no_control(const uint8_t *text,
                                                                      size_t len) {
    return char_run_before_control(text, text + len) == len;
}
#endif

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "char_first_hit counts from the low end");

#endif
