// SPDX-License-Identifier: Apache-2.0
/*
 * envoy.filters.http.rbac: takes or refuses a request by policies over who asks and for what. Shadow
 * rules only count and leave metadata. The configuration is immutable in its part's arena; evaluation
 * is pure over the request's facts (rbac_engine.c), the filter acts on the outcome (rbac.c).
 *
 * A header of several values: a rule that grants must hold for each of them, one that refuses for any.
 * So `allow` policies ask for all values, `deny` policies for one, and `not_rule` turns it round.
 */
#ifndef FILTERS_HTTP_RBAC_RBAC_H
#define FILTERS_HTTP_RBAC_RBAC_H

#include "src/filter_chain/http_filter.h"
#include "src/stats/stats.h"

enum rbac_rule_kind {
    RBAC_RULE_ANY,
    RBAC_RULE_AND,
    RBAC_RULE_OR,
    RBAC_RULE_NOT, /* one child */
    RBAC_RULE_HEADER,
    RBAC_RULE_URL_PATH,
    RBAC_RULE_DESTINATION_IP,
    RBAC_RULE_DESTINATION_PORT,
    RBAC_RULE_SOURCE_IP,        /* the connection's peer, after PROXY protocol */
    RBAC_RULE_DIRECT_REMOTE_IP, /* the socket's peer */
    RBAC_RULE_REMOTE_IP,        /* after x-forwarded-for */
    RBAC_RULE_METADATA,
    RBAC_RULE_SERVER_NAME,
    RBAC_RULE_AUTHENTICATED,
    RBAC_RULE_FILTER_STATE,
    RBAC_RULE_FILTER_STATE_IP,
};

enum rbac_value_kind {
    RBAC_VALUE_NULL,
    RBAC_VALUE_DOUBLE_EXACT,
    RBAC_VALUE_DOUBLE_RANGE,
    RBAC_VALUE_STRING,
    RBAC_VALUE_BOOL,
    RBAC_VALUE_PRESENT,
    RBAC_VALUE_LIST, /* one element matches the child */
    RBAC_VALUE_OR,
};
/* type.matcher.v3.ValueMatcher */
struct rbac_value_matcher {
    enum rbac_value_kind kind;
    bool boolean;      /* BOOL, PRESENT */
    double start, end; /* start <= value < end; EXACT: start */
    struct string_matcher string;
    const struct rbac_value_matcher *children;
    uint32_t child_count;
};

struct rbac_metadata_rule {
    struct slice filter;
    struct slice path; /* "a.b" */
    bool from_route;   /* the route's metadata instead of the stream's */
    bool invert;
    struct rbac_value_matcher value;
};

struct rbac_rule {
    enum rbac_rule_kind kind;
    const struct rbac_rule *children;
    uint32_t child_count;
    struct header_matcher header;
    struct string_matcher string; /* URL_PATH, SERVER_NAME, AUTHENTICATED, FILTER_STATE */
    bool has_string;              /* AUTHENTICATED: a principal name is asked for */
    struct slice key;             /* FILTER_STATE */
    const struct cidr *cidrs;     /* any contains */
    uint32_t cidr_count;
    bool invert;         /* FILTER_STATE_IP */
    uint16_t port_start; /* DESTINATION_PORT, both included */
    uint16_t port_last;
    const struct rbac_metadata_rule *metadata;
};

struct rbac_policy {
    struct slice name;
    struct slice denied_details;  /* "rbac_access_denied_matched_policy[name]" */
    struct rbac_rule permissions; /* an OR */
    struct rbac_rule principals;
};

enum rbac_action { RBAC_ALLOW, RBAC_DENY, RBAC_LOG };
struct rbac_engine {
    enum rbac_action action;
    const struct rbac_policy *policies; /* by name */
    uint32_t policy_count;
    struct slice policy_field; /* metadata keys with their prefix */
    struct slice result_field;
};

#define RBAC_STATS(X)                                                                              \
    X(ALLOWED, "allowed", COUNTER, "requests let through by the rules")                            \
    X(DENIED, "denied", COUNTER, "requests refused by the rules")
#define RBAC_SHADOW_STATS(X)                                                                       \
    X(SHADOW_ALLOWED, "shadow_allowed", COUNTER,                                                   \
      "requests that the shadow rules would let through")                                          \
    X(SHADOW_DENIED, "shadow_denied", COUNTER, "requests that the shadow rules would refuse")
enum rbac_stat {
#define RBAC_STAT_ENUM(id, name, kind, doc) RBAC_STAT_##id,
    RBAC_STATS(RBAC_STAT_ENUM)
};
enum rbac_shadow_stat {
    RBAC_SHADOW_STATS(RBAC_STAT_ENUM)
#undef RBAC_STAT_ENUM
};
extern const struct stat_table rbac_stat_table, rbac_shadow_stat_table;

/* The filter's configuration and that of a route level, which has no stats of its own. */
struct rbac_config {
    const struct rbac_engine *rules; /* NULL: everything is let through */
    const struct rbac_engine *shadow_rules;
    bool track_per_rule_stats;
    struct stats_scope *stats, *shadow_stats; /* NULL in a route level */
};

/* What the rules look at; filled by the filter. */
struct rbac_request {
    const struct header_map *headers;
    const struct stream_info *info;
    const struct metadata *route_metadata; /* NULL: no route */
    struct slice path;                     /* without query; ptr NULL: none */
};

/* The first policy by name that matches; NULL for none. */
const struct rbac_policy *rbac_engine_match(const struct rbac_engine *engine,
                                            const struct rbac_request *request);
/* What the action makes of it. */
bool rbac_engine_allows(const struct rbac_engine *engine, const struct rbac_policy *matched);

/* `text` is a string's content or, where `is_string` is false, a JSON value. */
bool rbac_value_matches(const struct rbac_value_matcher *matcher, struct slice text,
                        bool is_string);

enum { RBAC_MAGIC = 0x72626163 };
struct rbac_filter {
    struct http_filter base;
    uint32_t magic;
    const struct rbac_config *config;
};
extern const struct http_filter_ops rbac_ops;

#endif
