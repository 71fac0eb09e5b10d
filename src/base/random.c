// SPDX-License-Identifier: Apache-2.0
#include "src/base/random.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/random.h>

#include "src/base/check.h"

__extension__ typedef unsigned __int128 uint128;

static uint64_t rotate_left(uint64_t x, unsigned bits) {
    return x << bits | x >> (64 - bits);
}

void random_init(struct random *random) {
    uint8_t *at = (uint8_t *)random->state;
    size_t left = sizeof(random->state);
    while (left > 0) {
        ssize_t got = getrandom(at, left, 0);
        CHECK(got > 0 || errno == EINTR);
        if (got > 0) {
            at += got;
            left -= (size_t)got;
        }
    }
    // The all-zero state is the generator's one fixed point.
    random->state[0] |= 1;
}

void random_init_seed(struct random *random, uint64_t seed) {
    // SplitMix64, which the generator's authors recommend for filling its state.
    for (size_t i = 0; i < 4; i++) {
        seed += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t z = seed;
        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        random->state[i] = z ^ z >> 31;
    }
}

uint64_t random_next(struct random *random) {
    uint64_t *s = random->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t random_below(struct random *random, uint64_t bound) {
    if (bound == 0) {
        return 0;
    }
    // The high half of the product is uniform once the few low halves that would favour some results
    // are rejected.
    uint128 product = (uint128)random_next(random) * bound;
    if ((uint64_t)product < bound) {
        uint64_t rejected = (0 - bound) % bound;
        while ((uint64_t)product < rejected) {
            product = (uint128)random_next(random) * bound;
        }
    }
    return (uint64_t)(product >> 64);
}

/* Eight digits of the low half of `word`, all at once: its nibbles are spread to bytes, and those from
 * ten on are lifted to the letters. */
static void put_hex32(char *to, uint64_t word) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t x = __builtin_bswap32((uint32_t)word);
    x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
    x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
    // The high nibble of each byte is written first, and the first byte in memory is the lowest.
    x = (x >> 4 & UINT64_C(0x000f000f000f000f)) | (x << 8 & UINT64_C(0x0f000f000f000f00));
    uint64_t from_ten = (x + ones * 6) >> 4 & ones;
    x += ones * '0' + from_ten * ('a' - '0' - 10);
    memcpy(to, &x, sizeof(x));
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "put_hex32 counts from the low end");

void random_uuid(struct random *random, char text[UUID_TEXT_LEN]) {
    uint64_t high = random_next(random);
    uint64_t low = random_next(random);
    // RFC 9562 §5.4: version 4 and variant 10.
    high = (high & ~UINT64_C(0xf000)) | UINT64_C(0x4000);
    low = (low & ~(UINT64_C(3) << 62)) | UINT64_C(2) << 62;
    char digits[32];
    put_hex32(digits, high >> 32);
    put_hex32(digits + 8, high);
    put_hex32(digits + 16, low >> 32);
    put_hex32(digits + 24, low);
    memcpy(text, digits, 8);
    memcpy(text + 9, digits + 8, 4);
    memcpy(text + 14, digits + 12, 4);
    memcpy(text + 19, digits + 16, 4);
    memcpy(text + 24, digits + 20, 12);
    text[8] = text[13] = text[18] = text[23] = '-';
}
