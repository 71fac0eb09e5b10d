// SPDX-License-Identifier: Apache-2.0
/*
 * Token buckets that are known only at request time: one per value of a wildcard descriptor, or per
 * connection. Shared by all threads under a lock, bounded: the one not used for longest gives way, and
 * is full when it comes back. Freed with the configuration part that made it.
 */
#ifndef FILTERS_HTTP_LOCAL_RATELIMIT_BUCKET_CACHE_H
#define FILTERS_HTTP_LOCAL_RATELIMIT_BUCKET_CACHE_H

#include "filters/http/local_ratelimit/token_bucket.h"
#include "src/base/slice.h"

struct bucket_cache;

struct bucket_cache *bucket_cache_new(uint32_t max_buckets);
void bucket_cache_free(struct bucket_cache *cache);
/* Consumes from the bucket of `key` (made full if it is not there) and shows it as it is then. */
bool bucket_cache_consume(struct bucket_cache *cache, struct slice key,
                          const struct token_rate *rate, uint64_t now_us, double tokens,
                          struct token_view *view);
uint32_t bucket_cache_count(struct bucket_cache *cache);

#endif
