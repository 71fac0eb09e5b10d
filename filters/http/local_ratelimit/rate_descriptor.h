// SPDX-License-Identifier: Apache-2.0
/*
 * Descriptors of a request: the list of (key, value) that a rate limit's actions give, or nothing where
 * one of them does not apply. Configuration is immutable; the result lies in the stream's arena.
 */
#ifndef FILTERS_HTTP_LOCAL_RATELIMIT_RATE_DESCRIPTOR_H
#define FILTERS_HTTP_LOCAL_RATELIMIT_RATE_DESCRIPTOR_H

#include "src/access_log/log_format.h"
#include "src/config/common_config.h"
#include "src/filter_chain/http_filter.h"

struct rate_entry {
    struct slice key;
    struct slice value; /* in configuration, empty: any */
};
struct rate_entries {
    const struct rate_entry *items;
    uint32_t count;
};

enum rate_action_kind {
    RATE_ACTION_SOURCE_CLUSTER,
    RATE_ACTION_DESTINATION_CLUSTER,
    RATE_ACTION_REQUEST_HEADERS,
    RATE_ACTION_QUERY_PARAMETERS,
    RATE_ACTION_REMOTE_ADDRESS,
    RATE_ACTION_MASKED_REMOTE_ADDRESS,
    RATE_ACTION_GENERIC_KEY,
    RATE_ACTION_HEADER_VALUE_MATCH,
    RATE_ACTION_QUERY_VALUE_MATCH,
    RATE_ACTION_METADATA,
};
struct rate_action {
    enum rate_action_kind kind;
    struct slice key;               /* of the descriptor's entry */
    struct slice name;              /* header (lower case), query parameter or metadata namespace */
    struct slice path;              /* METADATA: "a.b" */
    const struct log_format *value; /* GENERIC_KEY and the matches; may hold operators */
    struct slice default_value;
    bool skip_if_absent;
    bool from_route; /* METADATA */
    bool expect_match;
    uint32_t v4_bits, v6_bits;
    const struct header_matcher *headers;
    uint32_t header_count;
    const struct query_matcher *queries;
    uint32_t query_count;
};
struct rate_limit {
    const struct rate_action *actions;
    uint32_t action_count;
    uint64_t hits;
};

/* False: one of the actions does not apply to this request. */
bool rate_limit_describe(const struct rate_limit *limit, struct http_filter *f,
                         const struct header_map *headers, struct rate_entries *out);
/* Same keys in the same order, same values; an empty value of `rule` stands for any. */
bool rate_entries_match(const struct rate_entries *rule, const struct rate_entries *request);

#endif
