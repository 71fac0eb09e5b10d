// SPDX-License-Identifier: Apache-2.0
/*
 * The immutable model of rate_limits (config.route.v3.RateLimit): what describes a request to a rate
 * limit. Those of routes and virtual hosts are read by whatever rate limit filter is in the chain; what
 * it makes of them is in src/route/rate_descriptor.h.
 */
#ifndef SRC_CONFIG_RATE_LIMIT_CONFIG_H
#define SRC_CONFIG_RATE_LIMIT_CONFIG_H

#include "src/config/common_config.h"

struct cidr;

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
    RATE_ACTION_REMOTE_ADDRESS_MATCH,
    RATE_ACTION_METADATA,
};
struct rate_action {
    enum rate_action_kind kind;
    struct slice key;           /* of the descriptor's entry */
    struct slice name;          /* header (lower case), query parameter or metadata namespace */
    struct slice path;          /* METADATA: "a.b" */
    struct slice value;         /* GENERIC_KEY and the matches */
    struct slice default_value; /* METADATA */
    bool skip_if_absent;
    bool from_route; /* METADATA */
    bool expect_match;
    uint32_t v4_bits, v6_bits;
    const struct header_matcher *headers;
    uint32_t header_count;
    const struct query_matcher *queries;
    uint32_t query_count;
    const struct cidr *ranges;
    uint32_t range_count;
};

/* Whether x-ratelimit-* headers tell of it. */
enum rate_headers { RATE_HEADERS_AS_FILTER, RATE_HEADERS_OFF, RATE_HEADERS_ON };

struct rate_limit {
    const struct rate_action *actions;
    uint32_t action_count;
    uint32_t stage;
    bool has_disable_key;
    bool applies_on_stream_done;
    uint64_t hits;
    const struct log_format *hits_format; /* instead of `hits`; NULL: none */
    enum rate_headers headers;
};

/* Of one route or virtual host, in order. */
struct rate_limit_policy {
    const struct rate_limit *limits;
    uint32_t count;
};

#endif
