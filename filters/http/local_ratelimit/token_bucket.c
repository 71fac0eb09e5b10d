// SPDX-License-Identifier: Apache-2.0
#include "filters/http/local_ratelimit/token_bucket.h"

static const double us_per_s = 1e6;

void token_bucket_init(struct token_bucket *bucket) {
    /* So long ago that every bucket is full. */
    atomic_init(&bucket->empty_at_s, -1e300);
}

static double tokens_at(double empty_at_s, const struct token_rate *rate, double now_s) {
    double tokens = (now_s - empty_at_s) * rate->tokens_per_s;
    return tokens > rate->max_tokens ? rate->max_tokens : tokens;
}

bool token_bucket_consume(struct token_bucket *bucket, const struct token_rate *rate,
                          uint64_t now_us, double tokens) {
    double now_s = (double)now_us / us_per_s;
    double before = atomic_load_explicit(&bucket->empty_at_s, memory_order_relaxed);
    double after;
    do {
        double left = tokens_at(before, rate, now_s) - tokens;
        if (left < 0) {
            return false;
        }
        after = now_s - left / rate->tokens_per_s;
    } while (!atomic_compare_exchange_weak_explicit(&bucket->empty_at_s, &before, after,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

static uint64_t round_up(double value) {
    uint64_t whole = (uint64_t)value;
    return (double)whole < value ? whole + 1 : whole;
}

void token_bucket_view(const struct token_bucket *bucket, const struct token_rate *rate,
                       uint64_t now_us, struct token_view *view) {
    double empty_at_s = atomic_load_explicit(&bucket->empty_at_s, memory_order_relaxed);
    double tokens = tokens_at(empty_at_s, rate, (double)now_us / us_per_s);
    tokens = tokens < 0 ? 0 : tokens;
    *view = (struct token_view){
        .is_set = true,
        .limit = (uint64_t)rate->max_tokens,
        .remaining = (uint64_t)tokens,
        .reset_s = tokens >= 1 ? 0 : round_up((1 - tokens) / rate->tokens_per_s),
    };
}
