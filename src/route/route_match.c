// SPDX-License-Identifier: Apache-2.0
#include "src/route/route_match.h"

#include "src/config/config_runtime.h"
#include "src/http/message.h"
#include "src/http/path.h"
#include "src/matcher/regex.h"
#include "src/route/cookie.h"

enum { FRACTION_DENOMINATOR = 1000000 };

// "/a;x=1/b;y" is matched as "/a/b" (RFC 3986 §3.3).
static struct slice without_parameters(struct slice path, struct arena *arena) {
    if (slice_find_byte(path, ';') == SIZE_MAX) {
        return path;
    }
    uint8_t *text = arena_alloc_bytes(arena, path.len);
    size_t used = 0;
    bool is_skipping = false;
    for (size_t i = 0; i < path.len; i++) {
        is_skipping = path.ptr[i] == ';' || (is_skipping && path.ptr[i] != '/');
        if (!is_skipping) {
            text[used++] = path.ptr[i];
        }
    }
    return slice_make(text, used);
}

// Stricter than what the proxy treats as gRPC elsewhere: Envoy's route matcher takes neither
// parameters nor upper case.
static bool is_grpc(const struct route_facts *facts) {
    struct slice type = header_map_get(facts->request->headers, HEADER_CONTENT_TYPE);
    struct slice grpc = SLICE("application/grpc");
    return facts->has_path && slice_starts_with(type, grpc) &&
           (type.len == grpc.len || type.ptr[grpc.len] == '+');
}

void route_facts_init(struct route_facts *facts, const struct route_part *part,
                      const struct route_request *request) {
    struct slice path = header_map_get(request->headers, HEADER_PATH);
    facts->request = request;
    facts->has_path = path.ptr != NULL;
    facts->path = path_without_query(path);
    facts->query = path_query(path);
    if (part->ignore_path_parameters_in_path_matching) {
        facts->path = without_parameters(facts->path, request->headers->arena);
    }
}

// A WebSocket over HTTP/2 (RFC 8441) is an upgrade, not a CONNECT, to Envoy's routes.
static bool is_connect(const struct header_map *headers) {
    struct slice protocol = header_map_get(headers, HEADER_PROTOCOL);
    return http_is_connect(headers) &&
           (protocol.ptr == NULL || slice_equal_nocase(protocol, SLICE("connect-udp")));
}

static bool starts_with(const struct route_match *match, struct slice path) {
    return match->case_insensitive ? slice_starts_with_nocase(path, match->path)
                                   : slice_starts_with(path, match->path);
}

static bool path_matches(const struct route_match *match, const struct route_facts *facts) {
    struct slice path = facts->path;
    if (match->kind == ROUTE_MATCH_CONNECT) {
        return is_connect(facts->request->headers);
    }
    if (!facts->has_path) {
        return false;
    }
    switch (match->kind) {
    case ROUTE_MATCH_PREFIX:
        return starts_with(match, path);
    case ROUTE_MATCH_PATH:
        return path.len == match->path.len && starts_with(match, path);
    case ROUTE_MATCH_PATH_SEPARATED_PREFIX:
        return starts_with(match, path) &&
               (path.len == match->path.len || path.ptr[match->path.len] == '/');
    case ROUTE_MATCH_SAFE_REGEX:
    case ROUTE_MATCH_URI_TEMPLATE: // the decoder turns a template into a regular expression
        return match->regex != NULL && regex_full_match(match->regex, path);
    case ROUTE_MATCH_CONNECT:
        break;
    }
    return false;
}

static bool cookie_matches(const struct header_matcher *matcher, const struct header_map *headers) {
    struct slice value;
    bool is_present = cookie_get(headers, matcher->name, &value);
    if (matcher->kind == HEADER_MATCH_PRESENT) {
        return (is_present == matcher->present) != matcher->invert;
    }
    return (is_present && string_matcher_matches(&matcher->string, value)) != matcher->invert;
}

static const struct header_matcher *first_failed_header(const struct route_match *match,
                                                        const struct header_map *headers) {
    for (uint32_t i = 0; i < match->header_count; i++) {
        if (!header_matcher_matches(&match->headers[i], headers)) {
            return &match->headers[i];
        }
    }
    return NULL;
}

static const struct header_matcher *first_failed_cookie(const struct route_match *match,
                                                        const struct header_map *headers) {
    for (uint32_t i = 0; i < match->cookie_count; i++) {
        if (!cookie_matches(&match->cookies[i], headers)) {
            return &match->cookies[i];
        }
    }
    return NULL;
}

static const struct query_matcher *first_failed_query(const struct route_match *match,
                                                      struct slice query) {
    for (uint32_t i = 0; i < match->query_count; i++) {
        if (!query_matchers_match(&match->queries[i], 1, query)) {
            return &match->queries[i];
        }
    }
    return NULL;
}

static bool is_in_fraction(const struct route_match *match, const struct route_request *request) {
    return !match->has_runtime_fraction ||
           request->random % FRACTION_DENOMINATOR <
               config_fraction_now(&match->runtime_fraction, request->io);
}

static bool tls_matches(const struct route_match *match, const struct connection_info *connection) {
    bool is_presented =
        connection != NULL && connection_info_peer(connection)->peer_certificate_presented;
    bool is_validated =
        connection != NULL && connection_info_peer(connection)->peer_certificate_validated;
    return (match->tls_presented < 0 || (match->tls_presented != 0) == is_presented) &&
           (match->tls_validated < 0 || (match->tls_validated != 0) == is_validated);
}

// What is asked of few routes, behind the path and the cheap questions.
static const char *rules_why_not(const struct route_match *match, const struct route_facts *facts,
                                 struct slice *detail) {
    const struct header_map *headers = facts->request->headers;
    const struct header_matcher *header = first_failed_header(match, headers);
    if (header != NULL) {
        *detail = header->name;
        return "header";
    }
    const struct query_matcher *query = first_failed_query(match, facts->query);
    if (query != NULL) {
        *detail = query->name;
        return "query";
    }
    const struct header_matcher *cookie = first_failed_cookie(match, headers);
    if (cookie != NULL) {
        *detail = cookie->name;
        return "cookie";
    }
    return NULL;
}

const char *route_match_why_not(const struct route_match *match, const struct route_facts *facts,
                                struct slice *detail) {
    struct slice ignored;
    detail = detail == NULL ? &ignored : detail;
    *detail = match->path;
    if (!path_matches(match, facts)) {
        return "path";
    }
    *detail = SLICE("");
    if (!is_in_fraction(match, facts->request)) {
        *detail = match->runtime_key;
        return "runtime";
    }
    if (match->grpc_only && !is_grpc(facts)) {
        return "grpc";
    }
    if (!tls_matches(match, facts->request->connection)) {
        return "tls";
    }
    return rules_why_not(match, facts, detail);
}
