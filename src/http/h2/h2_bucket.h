// SPDX-License-Identifier: Apache-2.0
/*
 * A token bucket in integers: `burst` tokens, refilled at `per_s` a second. A plain value inside its
 * owner; time is passed in, so that tests need no clock.
 */
#ifndef SRC_HTTP_H2_H2_BUCKET_H
#define SRC_HTTP_H2_H2_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct h2_bucket {
    uint32_t burst;
    uint32_t per_s;
    uint64_t millitokens; /* thousandths of a token left */
    uint64_t updated_ms;
};

static inline void h2_bucket_init(struct h2_bucket *bucket, uint32_t burst, uint32_t per_s,
                                  uint64_t now_ms) {
    *bucket = (struct h2_bucket){burst, per_s, (uint64_t)burst * 1000, now_ms};
}
/* Adds tokens, up to the burst. */
static inline void h2_bucket_refund(struct h2_bucket *bucket, uint32_t tokens) {
    uint64_t full = (uint64_t)bucket->burst * 1000;
    uint64_t sum = bucket->millitokens + (uint64_t)tokens * 1000;
    bucket->millitokens = sum < full ? sum : full;
}
/* Takes one token; false when there is none. */
static inline bool h2_bucket_take(struct h2_bucket *bucket, uint64_t now_ms) {
    if (now_ms > bucket->updated_ms) {
        uint64_t full = (uint64_t)bucket->burst * 1000;
        uint64_t elapsed_ms = now_ms - bucket->updated_ms;
        // An hour fills any bucket that is worth having, and keeps the product small.
        uint64_t gained = (elapsed_ms < 3600000 ? elapsed_ms : 3600000) * bucket->per_s;
        bucket->millitokens =
            full - bucket->millitokens < gained ? full : bucket->millitokens + gained;
        bucket->updated_ms = now_ms;
    }
    if (bucket->millitokens < 1000) {
        return false;
    }
    bucket->millitokens -= 1000;
    return true;
}

#endif
