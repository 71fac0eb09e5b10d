// SPDX-License-Identifier: Apache-2.0
/*
 * envoy.filters.http.local_ratelimit: token buckets that all workers share, one for everything and one
 * per configured descriptor, or all of these per connection. A request takes a token from the buckets of
 * its descriptors, slowest first, then from the default one; where one is dry, it is answered with 429
 * or, not enforced, marked. The buckets live as long as the configuration part.
 */
#ifndef FILTERS_HTTP_LOCAL_RATELIMIT_LOCAL_RATELIMIT_H
#define FILTERS_HTTP_LOCAL_RATELIMIT_LOCAL_RATELIMIT_H

#include "filters/http/local_ratelimit/bucket_cache.h"
#include "filters/http/local_ratelimit/token_bucket.h"
#include "src/route/rate_descriptor.h"
#include "src/stats/stats.h"

/* A limiter: its rate and, where it is not made at request time, its bucket. */
struct local_rate {
    struct token_rate rate;
    struct token_bucket *bucket; /* shared, written by all threads; NULL: in the cache */
    struct rate_entries entries; /* none: the default */
    bool shadow_mode;
    uint32_t id; /* in the cache's keys */
};

#define LOCAL_RATELIMIT_STATS(X)                                                                   \
    X(ENABLED, "enabled", COUNTER, "requests that were held against the limit")                    \
    X(ENFORCED, "enforced", COUNTER, "requests answered because of the limit")                     \
    X(OK, "ok", COUNTER, "requests under the limit")                                               \
    X(RATE_LIMITED, "rate_limited", COUNTER, "requests over the limit, answered or not")           \
    X(SHADOW_MODE, "shadow_mode", COUNTER, "requests over a limit in shadow mode")
enum local_ratelimit_stat {
#define LOCAL_RATELIMIT_STAT_ENUM(id, name, kind, doc) LOCAL_RATELIMIT_##id,
    LOCAL_RATELIMIT_STATS(LOCAL_RATELIMIT_STAT_ENUM)
#undef LOCAL_RATELIMIT_STAT_ENUM
};
extern const struct stat_table local_ratelimit_stat_table;

/* Immutable but for what `bucket` and `cache` point to. The filter's or a route level's. */
struct local_ratelimit_config {
    struct stats_scope *stats;
    struct config_fraction enabled, enforced; /* of requests; unset: none */
    const struct local_rate *default_rate;    /* NULL: none */
    const struct local_rate *rates;           /* descriptors, slowest first */
    uint32_t rate_count;
    struct rate_limit_policy own_limits; /* what describes a request; none: the route's limits */
    uint32_t stage;                      /* of those */
    enum rate_vhost_limits vhost_limits;
    struct bucket_cache *cache; /* NULL: nothing is made at request time */
    bool is_per_connection;
    bool always_consume_default;
    uint32_t status;
    int32_t grpc_status; /* -1: from the status */
    struct header_ops response_headers;
    struct header_ops request_headers_when_not_enforced;
    bool has_ratelimit_headers;
    bool has_retry_after;
};

enum { LOCAL_RATELIMIT_MAGIC = 0x6c726c6d };
struct local_ratelimit_filter {
    struct http_filter base;
    uint32_t magic;
    const struct local_ratelimit_config *config;
    const struct local_ratelimit_config *used; /* the route's, once a request was seen */
    struct token_view view;                    /* of the bucket that decided */
    enum rate_headers headers;                 /* what its limit says of x-ratelimit-* */
};
extern const struct http_filter_ops local_ratelimit_ops;

#endif
