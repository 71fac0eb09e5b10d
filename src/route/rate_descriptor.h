// SPDX-License-Identifier: Apache-2.0
/*
 * Descriptors of a request: the list of (key, value) that a rate limit's actions give, or nothing where
 * one of them does not apply. For every rate limit filter. The result lies in the stream's arena.
 */
#ifndef SRC_ROUTE_RATE_DESCRIPTOR_H
#define SRC_ROUTE_RATE_DESCRIPTOR_H

#include "src/config/rate_limit_config.h"
#include "src/filter_chain/http_filter.h"

struct rate_entry {
    struct slice key;
    struct slice value; /* in configuration, empty: any */
};
struct rate_entries {
    const struct rate_entry *items;
    uint32_t count;
};

/* What a filter makes of the virtual host's limits; a route's include_vh_rate_limits goes before it. */
enum rate_vhost_limits { RATE_VHOST_OVERRIDE, RATE_VHOST_INCLUDE, RATE_VHOST_IGNORE };

/* The policies that apply to the stream's route, in order; how many were stored. */
enum { RATE_POLICIES_MAX = 2 };
uint32_t rate_limit_policies(struct http_filter *f, enum rate_vhost_limits option,
                             const struct rate_limit_policy *policies[RATE_POLICIES_MAX]);

/* False: one of the actions does not apply to this request. */
bool rate_limit_describe(const struct rate_limit *limit, struct http_filter *f,
                         const struct header_map *headers, struct rate_entries *out);
/* How much the request counts; false: what should say so does not, and the limit does not apply. */
bool rate_limit_hits(const struct rate_limit *limit, struct http_filter *f, uint64_t *hits);
/* Same keys in the same order, same values; an empty value of `rule` stands for any. */
bool rate_entries_match(const struct rate_entries *rule, const struct rate_entries *request);

#endif
