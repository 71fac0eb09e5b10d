// SPDX-License-Identifier: Apache-2.0
/*
 * The immutable model of a RouteConfiguration: virtual hosts, routes, actions. Matching is in src/route.
 * Defaults are filled in by the decoder. Named clusters are slots; the filter overrides of each level
 * are kept apart, most specific last looked up first.
 */
#ifndef SRC_CONFIG_ROUTE_CONFIG_H
#define SRC_CONFIG_ROUTE_CONFIG_H

#include "src/config/common_config.h"
#include "src/config/config_part.h"
#include "src/config/rate_limit_config.h"

enum route_match_kind {
    ROUTE_MATCH_PREFIX,
    ROUTE_MATCH_PATH,
    ROUTE_MATCH_SAFE_REGEX,
    ROUTE_MATCH_CONNECT,
    ROUTE_MATCH_PATH_SEPARATED_PREFIX,
    ROUTE_MATCH_URI_TEMPLATE,
};

struct route_match {
    enum route_match_kind kind;
    bool case_insensitive;
    struct slice path;         /* prefix, path; lower case where case_insensitive */
    const struct regex *regex; /* SAFE_REGEX, on the path without query */
    const struct header_matcher *headers;
    uint32_t header_count;
    const struct query_matcher *queries;
    uint32_t query_count;
    const struct header_matcher *cookies; /* name = cookie name */
    uint32_t cookie_count;
    bool has_runtime_fraction;
    struct config_fraction runtime_fraction;
    struct slice runtime_key; /* its text */
    bool grpc_only;
    int8_t tls_presented; /* -1: not asked, 0 / 1 */
    int8_t tls_validated;
};

enum route_action_kind {
    ROUTE_ACTION_CLUSTER,
    ROUTE_ACTION_REDIRECT,
    ROUTE_ACTION_DIRECT_RESPONSE,
    ROUTE_ACTION_NON_FORWARDING,
    ROUTE_ACTION_FILTER, /* a filter answers; without one 404-like failure as Envoy */
};

struct weighted_cluster {
    struct slice name;
    uint32_t cluster_slot; /* CONFIG_SLOT_NONE with cluster_header */
    struct slice cluster_header;
    struct config_integer weight;
    struct header_ops request_headers, response_headers;
    struct filter_overrides filters;
    struct slice host_rewrite_literal;
    const struct metadata *metadata_match;
};

enum hash_policy_kind {
    HASH_POLICY_HEADER,
    HASH_POLICY_COOKIE,
    HASH_POLICY_SOURCE_IP,
    HASH_POLICY_QUERY,
    HASH_POLICY_FILTER_STATE,
};
struct hash_policy {
    enum hash_policy_kind kind;
    bool terminal;
    struct slice name; /* header (lower case), cookie, parameter or key */
    struct slice cookie_path;
    bool has_cookie_ttl;
    uint64_t cookie_ttl_s;
    const struct regex *rewrite_regex;
    struct slice rewrite_substitution;
};

struct request_mirror {
    uint32_t cluster_slot;
    struct slice cluster_header;
    bool has_fraction;
    struct config_fraction fraction;
    struct slice host_rewrite; /* empty: the request's host */
    bool disable_shadow_host_suffix;
};

struct upgrade_config {
    struct slice type; /* lower case; "websocket", "connect" */
    bool enabled;
};

/* At most one rule for the path and one for the host; apart, since few routes have any. */
struct route_rewrite {
    struct slice prefix;
    const struct regex *regex;
    struct slice regex_substitution;
    const struct log_format *path;
    struct slice host_literal;
    struct slice host_header; /* lower case */
    const struct regex *host_regex;
    struct slice host_substitution;
};

struct route_action {
    /* where to */
    uint32_t cluster_slot; /* CONFIG_SLOT_NONE: cluster_header or weighted */
    struct slice cluster_name;
    struct slice cluster_header; /* lower case; empty: none */
    const struct weighted_cluster *weighted;
    uint32_t weighted_count;
    uint32_t total_weight; /* of the weights as configured */
    bool has_runtime_weights;
    struct slice random_value_header; /* of weighted_clusters.header_name */
    uint32_t cluster_not_found_code;  /* 503, 404 or 500 */
    const struct metadata *metadata_match;
    bool priority_high;
    /* rewriting */
    const struct route_rewrite *rewrite; /* NULL: neither path nor host */
    bool auto_host_rewrite;
    bool append_x_forwarded_host;
    /* times, ms */
    uint32_t timeout_ms;      /* default 15,000; 0 disables */
    uint32_t idle_timeout_ms; /* CONFIG_TIMEOUT_UNSET: the connection manager's */
    bool
        has_stream_durations; /* max_stream_duration: the request's duration is limited, not `timeout` */
    bool has_max_stream_duration;
    uint32_t max_stream_duration_ms; /* 0: none */
    bool has_grpc_timeout_header_max;
    uint32_t grpc_timeout_header_max_ms; /* 0: as the header says */
    uint32_t grpc_timeout_header_offset_ms;
    /* behaviour */
    const struct retry_policy *retry;   /* NULL: none */
    uint32_t request_body_buffer_limit; /* for retries; UINT32_MAX: the connection's limit */
    const struct hash_policy *hash_policies;
    uint32_t hash_policy_count;
    const struct request_mirror *mirrors;
    uint32_t mirror_count;
    const struct upgrade_config *upgrades;
    uint32_t upgrade_count;
    bool include_vh_rate_limits;
    const struct rate_limit_policy *rate_limits; /* NULL: none */
};

struct redirect_action {
    uint32_t response_code; /* 301 … */
    bool https_redirect;
    bool is_require_tls; /* of a virtual host's require_tls: the URL as it came, no headers added */
    struct slice scheme; /* empty: keep */
    struct slice host;   /* empty: keep */
    uint32_t port;       /* 0: keep */
    struct slice path;   /* may hold a query; empty: keep */
    struct slice prefix_rewrite;
    bool has_prefix_rewrite;
    const struct regex *regex_rewrite;
    struct slice regex_rewrite_substitution;
    bool strip_query;
};

struct direct_response_action {
    uint32_t status;
    struct slice body;
    const struct log_format *body_format; /* NULL: body */
    struct slice content_type;            /* empty: text/plain */
};

struct route {
    struct slice name;
    struct route_match match;
    enum route_action_kind action;
    union {
        const struct route_action *cluster;
        const struct redirect_action *redirect;
        const struct direct_response_action *direct;
    };
    struct header_ops request_headers, response_headers;
    struct filter_overrides filters;
    struct metadata metadata;
    struct config_owner owner;
};

struct virtual_host {
    struct slice name;
    const struct slice *domains; /* lower case */
    uint32_t domain_count;
    struct route *routes;
    uint32_t route_count;
    const void *route_index; /* built by src/route at decode; NULL: linear */
    const void *matcher;     /* generic matcher tree instead of routes; NULL: none */
    enum { VHOST_TLS_NONE, VHOST_TLS_EXTERNAL_ONLY, VHOST_TLS_ALL } require_tls;
    struct header_ops request_headers, response_headers;
    struct filter_overrides filters;
    const struct retry_policy *retry;
    bool include_request_attempt_count;
    bool include_attempt_count_in_response;
    bool include_is_timeout_retry_header;
    uint32_t request_body_buffer_limit;          /* UINT32_MAX: unset */
    const struct rate_limit_policy *rate_limits; /* NULL: none */
    struct metadata metadata;
    struct config_owner owner;
};

struct host_index; /* built by src/route: exact, suffix, prefix, "*" */

/* CONFIG_ROUTE */
struct route_part {
    struct config_part part;
    const struct virtual_host *const *vhosts;
    uint32_t vhost_count;
    const struct host_index *hosts;
    struct header_ops request_headers, response_headers;
    const struct slice *internal_only_headers;
    uint32_t internal_only_header_count;
    struct filter_overrides filters;
    bool most_specific_header_mutations_wins;
    bool ignore_port_in_host_matching;
    bool ignore_path_parameters_in_path_matching;
    struct slice vhost_header; /* lower case; empty: host */
    struct metadata metadata;
};

#endif
