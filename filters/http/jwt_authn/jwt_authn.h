// SPDX-License-Identifier: Apache-2.0
/*
 * envoy.filters.http.jwt_authn: requests pass that carry tokens which satisfy the first matching rule's
 * requirement. The configuration is immutable but for what each thread has of its own in it: the key
 * sets of remote providers and the caches of verified tokens. A filter's instance lies in its stream's
 * arena; it pauses only while a key set is fetched, and then judges the request anew from the start.
 */
#ifndef FILTERS_HTTP_JWT_AUTHN_JWT_AUTHN_H
#define FILTERS_HTTP_JWT_AUTHN_JWT_AUTHN_H

#include "filters/http/jwt_authn/jwks_source.h"
#include "filters/http/jwt_authn/jwt_cache.h"
#include "src/config/route_config.h"
#include "src/filter_chain/http_filter.h"
#include "src/stats/stats.h"

#define JWT_AUTHN_STATS(X)                                                                         \
    X(ALLOWED, "allowed", COUNTER, "Requests that satisfied their requirement, or had none")       \
    X(DENIED, "denied", COUNTER, "Requests refused")                                               \
    X(CORS_PREFLIGHT_BYPASSED, "cors_preflight_bypassed", COUNTER, "Preflights let through")       \
    X(JWKS_FETCH_SUCCESS, "jwks_fetch_success", COUNTER, "Key sets fetched")                       \
    X(JWKS_FETCH_FAILED, "jwks_fetch_failed", COUNTER, "Fetches of key sets that failed")          \
    X(JWT_CACHE_HIT, "jwt_cache_hit", COUNTER, "Tokens found verified")                            \
    X(JWT_CACHE_MISS, "jwt_cache_miss", COUNTER, "Tokens verified anew")
enum jwt_authn_stat {
#define JWT_AUTHN_ENUM(id, name, kind, doc) STAT_ENUM(JWT_AUTHN, id),
    JWT_AUTHN_STATS(JWT_AUTHN_ENUM)
#undef JWT_AUTHN_ENUM
};
extern const struct stat_table jwt_authn_stat_table;

struct jwt_texts {
    const struct slice *items;
    uint32_t count;
};

/* ---- where tokens are ---- */

enum jwt_location_kind { JWT_IN_HEADER, JWT_IN_PARAM, JWT_IN_COOKIE };
struct jwt_location {
    enum jwt_location_kind kind;
    struct slice name;        /* header: lower case */
    struct slice prefix;      /* header only; found anywhere in the value */
    bool allows_any_issuer;   /* else one of `issuers` */
    struct jwt_texts issuers; /* whose providers name this place */
};
/* Ordered by kind and name; the last place's tokens are judged first. */
struct jwt_extractor {
    const struct jwt_location *locations;
    uint32_t count;
};

/* ---- providers ---- */

struct jwt_claim_header {
    struct slice header;   /* lower case */
    struct jwt_texts path; /* names from the payload's root on */
};
struct jwt_provider {
    struct slice name, issuer;            /* issuer empty: any */
    struct jwt_texts audiences;           /* as jwt_audience_trim leaves them; none: any */
    const struct string_matcher *subject; /* NULL: any */
    bool has_max_lifetime;                /* exp must be there */
    uint64_t max_lifetime_s;              /* what is left must be less; UINT64_MAX: no limit */
    uint64_t clock_skew_s;
    bool forwards_token;
    bool pads_payload_header;
    bool clears_route;
    struct slice payload_header;      /* empty: none */
    struct slice payload_in_metadata; /* keys in the filter's namespace; empty: none */
    struct slice header_in_metadata;
    struct slice failure_in_metadata;
    struct jwt_texts space_delimited; /* claims to be stored as lists */
    const struct jwt_claim_header *claim_headers;
    uint32_t claim_header_count;
    struct jwt_extractor extractor;
    struct jwks_source *keys;
    struct jwt_cache **caches; /* one for each thread; NULL: none */
    uint32_t cache_count;
};

/* ---- requirements ---- */

enum jwt_requirement_kind {
    JWT_REQUIRE_NOTHING,
    JWT_REQUIRE_PROVIDER,
    JWT_REQUIRE_ANY,
    JWT_REQUIRE_ALL,
    JWT_ALLOW_MISSING,
    JWT_ALLOW_MISSING_OR_FAILED,
    JWT_EXTRACT_ONLY, /* as the former; failure is told in `status_header` */
};
struct jwt_requirement {
    enum jwt_requirement_kind kind;
    const struct jwt_provider *provider;
    bool has_audiences; /* instead of the provider's */
    struct jwt_texts audiences;
    const struct jwt_requirement *children; /* ANY: without the two below */
    uint32_t child_count;
    bool allows_missing, allows_failed; /* ANY */
    struct slice status_header;         /* lower case; empty: none */
};
struct jwt_named_requirement {
    struct slice name;
    struct jwt_requirement requirement;
};
struct jwt_rule {
    struct route_match match;
    const struct jwt_requirement *requirement; /* NULL: none */
};

struct jwt_authn_config {
    const struct jwt_provider *providers;
    uint32_t provider_count;
    struct jwt_extractor extractor; /* of all providers */
    const struct jwt_rule *rules;
    uint32_t rule_count;
    const struct jwt_named_requirement *named;
    uint32_t named_count;
    struct slice names;           /* of `named`, sorted, with commas */
    struct jwt_texts own_headers; /* what a client must not bring */
    bool bypass_cors_preflight;
    bool strip_failure_response;
    const struct route_part *no_routes; /* matching options of rules */
    struct stats_scope *stats;
};

struct jwt_authn_route {
    bool is_disabled;
    struct slice requirement_name;
};

/* ---- one stream ---- */

enum { JWT_AUTHN_MAGIC = 0x4a415554 };

struct jwt_authn {
    struct http_filter base;
    uint32_t magic;
    const struct jwt_authn_config *config;
    struct io_context *io;
    const struct jwt_requirement *requirement;
    struct slice realm;      /* as at the first look */
    struct jwks_wait *waits; /* one for each key set asked for */
    bool is_done;
    bool is_counted; /* cache hits and misses of this request */
};

extern const struct http_filter_ops jwt_authn_ops;

/* Without the scheme of a URL and one slash at the end: what audiences are compared by. */
struct slice jwt_audience_trim(struct slice audience);

#endif
