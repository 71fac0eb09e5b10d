// SPDX-License-Identifier: Apache-2.0
/*
 * External authorisation: the request waits while a service is asked, over gRPC (envoy.service.auth.v3
 * Check) or plain HTTP; its answer lets the request on (changed as it says), denies it, or counts as an
 * error. One instance per stream, in its arena; configuration is immutable. Private to this folder.
 *
 *   headers [-> body held] -> authz_call_start ... -> authz_finish -> continue or local reply
 *
 * The call is cancelled in on_destroy and on another's local reply, so an answer never meets a dead stream.
 */
#ifndef FILTERS_HTTP_EXT_AUTHZ_EXT_AUTHZ_H
#define FILTERS_HTTP_EXT_AUTHZ_EXT_AUTHZ_H

#include "filters/http/ext_authz/ext_authz_check.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/filter_chain/http_filter.h"
#include "src/stats/stats.h"
#include "src/upstream/grpc_call.h"
#include "src/upstream/http_call.h"

/* clang-format off */
#define EXT_AUTHZ_STATS(X) \
    X(OK, "ok", COUNTER, "requests that the service allowed") \
    X(DENIED, "denied", COUNTER, "requests that the service denied") \
    X(ERROR, "error", COUNTER, "checks that failed") \
    X(DISABLED, "disabled", COUNTER, "requests for which the filter was not enabled") \
    X(FAILURE_MODE_ALLOWED, "failure_mode_allowed", COUNTER, "failed checks whose requests went on") \
    X(INVALID, "invalid", COUNTER, "answers that were refused for what they ask") \
    X(IGNORED_DYNAMIC_METADATA, "ignored_dynamic_metadata", COUNTER, "answers whose metadata was not taken") \
    X(OMITTED_RESPONSE_HEADERS, "omitted_response_headers", COUNTER, "answers whose response headers did not fit") \
    X(REQUEST_HEADER_LIMITS_REACHED, "request_header_limits_reached", COUNTER, "answers that made the request's headers too large") \
    X(SHADOW_DENIED, "shadow_denied", COUNTER, "denials that shadow mode let pass") \
    X(SHADOW_ERROR, "shadow_error", COUNTER, "errors that shadow mode let pass")
/* clang-format on */
enum ext_authz_stat {
#define EXT_AUTHZ_STAT_ENUM(id, name, kind, doc) EXT_AUTHZ_##id,
    EXT_AUTHZ_STATS(EXT_AUTHZ_STAT_ENUM)
#undef EXT_AUTHZ_STAT_ENUM
        EXT_AUTHZ_STAT_COUNT,
};
extern const struct stat_table ext_authz_stat_table;

/* Any of them matches; `is_set` says whether the list was configured at all. */
struct authz_matchers {
    const struct string_matcher *items;
    uint32_t count;
    bool is_set;
};
bool authz_matchers_match(const struct authz_matchers *matchers, struct slice name);

enum { AUTHZ_DEFAULT_TIMEOUT_MS = 200 };

/* Whom to ask. */
struct authz_service {
    bool is_http;
    uint32_t cluster_slot;
    uint32_t timeout_ms;         /* 0: none */
    const struct header_op *add; /* metadata of the gRPC call, headers of the HTTP request */
    uint32_t add_count;
    /* gRPC */
    struct slice authority;     /* empty: the cluster's name */
    uint32_t max_message_bytes; /* 0: the call's default */
    /* HTTP */
    struct slice path_prefix;
    struct slice path_override; /* empty: none */
    struct authz_matchers upstream_headers, upstream_headers_to_append;
    struct authz_matchers client_headers, client_headers_on_success;
    struct authz_matchers dynamic_metadata;
};

struct authz_body_settings {
    uint32_t max_request_bytes; /* 0: the body is not sent */
    bool allow_partial_message;
    bool pack_as_bytes;
};

/* What the service may do to the request's headers (HeaderMutationRules). */
struct authz_mutation_rules {
    bool allow_all_routing, allow_envoy, disallow_system, disallow_all, disallow_is_error;
    const struct regex *allow, *disallow; /* NULL: none */
};

/* filter_enabled_metadata: one value of the dynamic metadata. */
enum authz_value_kind {
    AUTHZ_VALUE_STRING,
    AUTHZ_VALUE_BOOL,
    AUTHZ_VALUE_PRESENT,
    AUTHZ_VALUE_NULL
};
struct authz_metadata_matcher {
    struct slice space, path;
    enum authz_value_kind kind;
    struct string_matcher string;
    bool wanted; /* BOOL, PRESENT */
    bool invert;
};

struct ext_authz_config {
    const struct authz_service *service;
    struct authz_body_settings body;
    bool failure_mode_allow, failure_mode_allow_header_add;
    bool clear_route_cache;
    bool validate_mutations;
    bool include_peer_certificate, include_tls_session;
    bool encode_raw_headers;
    bool ignores_dynamic_metadata;
    bool skips_cluster_response_stats;
    bool enforce_response_header_limits;
    bool shadow_mode;
    bool has_filter_enabled;
    struct config_flag deny_at_disable;
    struct config_fraction filter_enabled;
    const struct authz_metadata_matcher *filter_enabled_metadata; /* NULL: always */
    uint32_t status_on_error;
    uint32_t max_denied_body_bytes; /* 0: no limit */
    struct authz_matchers allowed_headers, disallowed_headers;
    const struct slice *metadata_namespaces;
    uint32_t metadata_namespace_count;
    const struct slice *route_metadata_namespaces;
    uint32_t route_metadata_namespace_count;
    const struct authz_mutation_rules *rules; /* NULL: everything may change */
    struct slice cluster_stat_prefix;         /* "ext_authz.", "ext_authz.waf." */
    struct stats_scope *stats;
};

/* ExtAuthzPerRoute */
struct ext_authz_route {
    bool is_disabled;
    bool disable_request_body_buffering;
    bool has_body;
    struct authz_body_settings body;
    const struct authz_pair *context_extensions;
    uint32_t context_extension_count;
    const struct authz_service *service; /* NULL: the filter's */
};

enum authz_state {
    AUTHZ_IDLE,      /* nothing asked: disabled, or before the headers */
    AUTHZ_BUFFERING, /* the body is held */
    AUTHZ_CALLING,   /* the service was asked */
    AUTHZ_DONE,
};
enum { EXT_AUTHZ_MAGIC = 0x61757468 };

struct ext_authz {
    struct http_filter base;
    uint32_t magic;
    const struct ext_authz_config *config;
    struct io_context *io;
    enum authz_state state;
    struct authz_body_settings body;
    const struct authz_service *service;
    uint32_t route_cluster_slot; /* whose stats count the outcome; CONFIG_SLOT_NONE: nobody's */
    uint64_t start_us;
    struct grpc_call *grpc;
    struct http_call *http;
    struct authz_response response;
    bool has_response_headers;
};

extern const struct http_filter_ops ext_authz_ops;

/* ext_authz_call.c: gathers the check and asks. `body` may be empty. The answer comes to authz_finish
 * in a later turn, once, unless cancelled. */
void authz_call_start(struct ext_authz *authz, struct slice body, bool body_is_partial);
void authz_call_cancel(struct ext_authz *authz);

/* ext_authz_http.c: the HTTP form of check and answer. */
void authz_http_request(const struct ext_authz *authz, const struct authz_check *check,
                        struct header_map *headers);
void authz_http_response(const struct ext_authz *authz, const struct http_call_result *result,
                         struct authz_response *response);

/* ext_authz_finish.c: acts on authz->response. */
void authz_finish(struct ext_authz *authz);
void authz_encode_headers(struct ext_authz *authz, struct header_map *headers);
void authz_reply_error(struct ext_authz *authz);

/* ext_authz_mutation.c: changes to the request. STATUS_INVALID: the answer must be refused, STATUS_LIMIT:
 * the headers grew too large. */
enum status authz_apply_request(struct ext_authz *authz, struct header_map *headers) MUST_USE;
/* True for a header that may stand in a response: well formed, no pseudo or framing header. */
bool authz_header_is_response_safe(const struct authz_header *header);
/* The path with the answer's changes to its query. */
struct slice authz_mutate_query(const struct authz_response *response, struct slice path,
                                struct arena *arena);

static inline void authz_count(const struct ext_authz *authz, enum ext_authz_stat stat) {
    stats_inc(authz->config->stats, authz->io->index, stat);
}

#endif
