// SPDX-License-Identifier: Apache-2.0
#include "src/base/slice.h"

__extension__ typedef unsigned __int128 uint128;

static uint64_t rotate_left(uint64_t x, unsigned bits) {
    return x << bits | x >> (64 - bits);
}

// Both hashes read little-endian words whatever the machine is.
static uint64_t read64(const uint8_t *p) {
    uint64_t word;
    memcpy(&word, p, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static uint64_t read32(const uint8_t *p) {
    uint32_t word;
    memcpy(&word, p, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    return word;
}

// Full 128-bit product folded into 64 bits: every input bit reaches every output bit.
static uint64_t fold_multiply(uint64_t a, uint64_t b) {
    uint128 product = (uint128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

// The last 0..16 bytes as two words; reads overlap instead of looping.
static void read_tail(const uint8_t *p, size_t len, uint64_t *a, uint64_t *b) {
    if (len >= 8) {
        *a = read64(p);
        *b = read64(p + len - 8);
    } else if (len >= 4) {
        *a = read32(p);
        *b = read32(p + len - 4);
    } else if (len > 0) {
        *a = (uint64_t)p[0] << 16 | (uint64_t)p[len / 2] << 8 | p[len - 1];
        *b = 0;
    } else {
        *a = 0;
        *b = 0;
    }
}

uint64_t slice_hash(struct slice s, uint64_t seed) {
    // Odd constants from the fractional bits of sqrt(2), sqrt(3) and sqrt(5).
    const uint64_t k1 = UINT64_C(0x6a09e667f3bcc909);
    const uint64_t k2 = UINT64_C(0xbb67ae8584caa73b);
    const uint64_t k3 = UINT64_C(0x3c6ef372fe94f82b);
    // Both factors carry secret bits, so that nobody can choose bytes that make one of them zero.
    const uint64_t secret = fold_multiply(seed ^ k1, k2);
    uint64_t hash = secret ^ s.len;
    const uint8_t *p = s.ptr;
    size_t left = s.len;
    while (left > 16) {
        hash = fold_multiply(read64(p) ^ secret, read64(p + 8) ^ hash ^ k3);
        p += 16;
        left -= 16;
    }
    uint64_t a;
    uint64_t b;
    read_tail(p, left, &a, &b);
    hash = fold_multiply(a ^ secret ^ k2, b ^ hash ^ k3);
    return fold_multiply(hash ^ k1, s.len ^ secret);
}

/* xxHash64 (the xxHash specification, section "XXH64 algorithm description"). */

#define XXH_PRIME_1 UINT64_C(0x9e3779b185ebca87)
#define XXH_PRIME_2 UINT64_C(0xc2b2ae3d27d4eb4f)
#define XXH_PRIME_3 UINT64_C(0x165667b19e3779f9)
#define XXH_PRIME_4 UINT64_C(0x85ebca77c2b2ae63)
#define XXH_PRIME_5 UINT64_C(0x27d4eb2f165667c5)

static uint64_t xxh_round(uint64_t lane, uint64_t input) {
    return rotate_left(lane + input * XXH_PRIME_2, 31) * XXH_PRIME_1;
}

static uint64_t xxh_stripes(const uint8_t **p, size_t *left, uint64_t seed) {
    uint64_t lanes[4] = {seed + XXH_PRIME_1 + XXH_PRIME_2, seed + XXH_PRIME_2, seed,
                         seed - XXH_PRIME_1};
    for (; *left >= 32; *p += 32, *left -= 32) {
        for (size_t i = 0; i < 4; i++) {
            lanes[i] = xxh_round(lanes[i], read64(*p + 8 * i));
        }
    }
    uint64_t hash = rotate_left(lanes[0], 1) + rotate_left(lanes[1], 7) +
                    rotate_left(lanes[2], 12) + rotate_left(lanes[3], 18);
    for (size_t i = 0; i < 4; i++) {
        hash = (hash ^ xxh_round(0, lanes[i])) * XXH_PRIME_1 + XXH_PRIME_4;
    }
    return hash;
}

static uint64_t xxh_tail(uint64_t hash, const uint8_t *p, size_t left) {
    for (; left >= 8; p += 8, left -= 8) {
        hash = rotate_left(hash ^ xxh_round(0, read64(p)), 27) * XXH_PRIME_1 + XXH_PRIME_4;
    }
    if (left >= 4) {
        hash = rotate_left(hash ^ read32(p) * XXH_PRIME_1, 23) * XXH_PRIME_2 + XXH_PRIME_3;
        p += 4;
        left -= 4;
    }
    for (; left > 0; p++, left--) {
        hash = rotate_left(hash ^ *p * XXH_PRIME_5, 11) * XXH_PRIME_1;
    }
    return hash;
}

uint64_t slice_xxhash64(struct slice s, uint64_t seed) {
    const uint8_t *p = s.ptr;
    size_t left = s.len;
    uint64_t hash = left >= 32 ? xxh_stripes(&p, &left, seed) : seed + XXH_PRIME_5;
    hash = xxh_tail(hash + s.len, p, left);
    hash = (hash ^ hash >> 33) * XXH_PRIME_2;
    hash = (hash ^ hash >> 29) * XXH_PRIME_3;
    return hash ^ hash >> 32;
}
