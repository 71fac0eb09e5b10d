// SPDX-License-Identifier: Apache-2.0
/*
 * Per-thread pseudo random numbers (xoshiro256**), seeded from the kernel or, in tests, by hand. For
 * balancing, jitter, sampling and request ids; keys and nonces come from the TLS library.
 */
#ifndef SRC_BASE_RANDOM_H
#define SRC_BASE_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state[4];
};

void random_init(struct random *random);                     /* from getrandom(2) */
void random_init_seed(struct random *random, uint64_t seed); /* repeatable */
uint64_t random_next(struct random *random);
/* Uniform in [0, bound); bound 0 gives 0. */
uint64_t random_below(struct random *random, uint64_t bound);

enum { UUID_TEXT_LEN = 36 };
/* Version-4 UUID in lower-case text, not NUL-terminated. */
void random_uuid(struct random *random, char text[UUID_TEXT_LEN]);

#endif
