// SPDX-License-Identifier: Apache-2.0
#include "src/base/random.h"

#include <errno.h>
#include <stddef.h>
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

void random_uuid(struct random *random, char text[UUID_TEXT_LEN]) {
    static const char digits[] = "0123456789abcdef";
    uint64_t words[2] = {random_next(random), random_next(random)};
    // RFC 9562 §5.4: version 4 and variant 10.
    words[0] = (words[0] & ~UINT64_C(0xf000)) | UINT64_C(0x4000);
    words[1] = (words[1] & ~(UINT64_C(3) << 62)) | UINT64_C(2) << 62;
    size_t at = 0;
    for (unsigned nibble = 0; nibble < 32; nibble++) {
        if (nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20) {
            text[at++] = '-';
        }
        text[at++] = digits[words[nibble / 16] >> (60 - 4 * (nibble % 16)) & 15];
    }
}
