// SPDX-License-Identifier: Apache-2.0
/*
 * A token bucket that all threads share without a lock: its whole state is one number, the time at which
 * it would have been empty. It fills steadily, as Envoy's does. Starts full. Relaxed atomics: nothing
 * else is published through it.
 */
#ifndef FILTERS_HTTP_LOCAL_RATELIMIT_TOKEN_BUCKET_H
#define FILTERS_HTTP_LOCAL_RATELIMIT_TOKEN_BUCKET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct token_rate {
    double max_tokens;
    double tokens_per_s; /* > 0 */
};

struct token_bucket {
    _Atomic double empty_at_s; /* monotonic */
};

/* What a client is told. */
struct token_view {
    bool is_set;
    uint64_t limit;
    uint64_t remaining;
    uint64_t reset_s; /* until the next token; 0: there is one */
};

void token_bucket_init(struct token_bucket *bucket);
/* All of `tokens` or none. */
bool token_bucket_consume(struct token_bucket *bucket, const struct token_rate *rate,
                          uint64_t now_us, double tokens);
void token_bucket_view(const struct token_bucket *bucket, const struct token_rate *rate,
                       uint64_t now_us, struct token_view *view);

#endif
