// SPDX-License-Identifier: Apache-2.0
#include "src/route/route_action.h"

#include "src/base/check.h"
#include "src/http/message.h"
#include "src/http/path.h"
#include "src/matcher/regex.h"

static struct slice join(struct arena *arena, const struct slice *parts, size_t count) {
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        len += parts[i].len;
    }
    uint8_t *text = arena_alloc_bytes(arena, len);
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > 0) {
            memcpy(text + used, parts[i].ptr, parts[i].len);
            used += parts[i].len;
        }
    }
    return slice_make(text, len);
}

// How much of the path a prefix rewrite replaces. A regular expression has no prefix: all but the query.
static size_t matched_len(const struct route_match *match, struct slice path) {
    size_t whole = path_without_query(path).len;
    switch (match->kind) {
    case ROUTE_MATCH_PREFIX:
    case ROUTE_MATCH_PATH:
    case ROUTE_MATCH_PATH_SEPARATED_PREFIX:
        return match->path.len < whole ? match->path.len : whole;
    case ROUTE_MATCH_SAFE_REGEX:
    case ROUTE_MATCH_CONNECT:
    case ROUTE_MATCH_URI_TEMPLATE:
        return whole;
    }
    return whole;
}

static struct slice replace_front(struct slice path, size_t len, struct slice with,
                                  struct arena *arena) {
    struct slice parts[] = {with, slice_sub(path, len, SIZE_MAX)};
    return join(arena, parts, ARRAY_LEN(parts));
}

static struct slice replace_by_regex(const struct regex *regex, struct slice substitution,
                                     struct slice path, struct arena *arena) {
    struct slice front = path_without_query(path);
    struct slice with = regex_replace_all(regex, front, substitution, arena);
    return replace_front(path, front.len, with, arena);
}

// False: the route leaves the path alone. A regular expression that finds nothing still rewrites: to
// the same text, with the original kept beside it.
static bool rewrite_path(const struct route *route, struct slice path,
                         const struct log_format_input *input, struct arena *arena,
                         struct slice *rewritten) {
    const struct route_rewrite *rewrite =
        route->action == ROUTE_ACTION_CLUSTER ? route->cluster->rewrite : NULL;
    if (rewrite == NULL || path.len == 0) {
        return false;
    }
    if (!slice_is_empty(rewrite->prefix)) {
        *rewritten = replace_front(path, matched_len(&route->match, path), rewrite->prefix, arena);
        return true;
    }
    if (rewrite->regex != NULL) {
        *rewritten = replace_by_regex(rewrite->regex, rewrite->regex_substitution, path, arena);
        return true;
    }
    if (rewrite->path != NULL) {
        struct slice with = log_format_text(rewrite->path, input, arena);
        if (with.len > 0) {
            *rewritten = replace_front(path, path_without_query(path).len, with, arena);
            return true;
        }
    }
    return false;
}

struct slice route_rewrite_path(const struct route *route, struct slice path,
                                const struct log_format_input *input, struct arena *arena) {
    struct slice rewritten;
    return rewrite_path(route, path, input, arena, &rewritten) ? rewritten : path;
}

// The route's own rule, which has the last word over the weighted cluster's.
static struct slice rewrite_host_by_action(const struct route_rewrite *rewrite,
                                           const struct header_map *headers, struct slice path,
                                           struct arena *arena) {
    if (rewrite == NULL) {
        return (struct slice){NULL, 0};
    }
    if (!slice_is_empty(rewrite->host_literal)) {
        return rewrite->host_literal;
    }
    if (!slice_is_empty(rewrite->host_header)) {
        return header_map_get_name(headers, rewrite->host_header);
    }
    if (rewrite->host_regex != NULL) {
        return regex_replace_all(rewrite->host_regex, path_without_query(path),
                                 rewrite->host_substitution, arena);
    }
    return (struct slice){NULL, 0};
}

struct slice route_rewrite_host(const struct route *route, const struct weighted_cluster *weighted,
                                const struct header_map *headers, struct slice path,
                                struct arena *arena) {
    struct slice host = {NULL, 0};
    if (route->action == ROUTE_ACTION_CLUSTER) {
        host = rewrite_host_by_action(route->cluster->rewrite, headers, path, arena);
    }
    return slice_is_empty(host) && weighted != NULL ? weighted->host_rewrite_literal : host;
}

static struct slice last_element(struct slice list) {
    size_t comma = slice_rfind_byte(list, ',');
    return slice_trim(comma == SIZE_MAX ? list : slice_sub(list, comma + 1, SIZE_MAX));
}

// Once: a host that is the last element already is not added again.
static void append_forwarded_host(struct header_map *headers, struct slice host) {
    struct slice before = header_map_get(headers, HEADER_X_FORWARDED_HOST);
    if (host.len == 0 || slice_equal(last_element(before), host)) {
        return;
    }
    struct slice parts[] = {before, SLICE(","), host};
    header_map_set(headers, HEADER_X_FORWARDED_HOST,
                   before.len == 0 ? host : join(headers->arena, parts, ARRAY_LEN(parts)));
}

static void apply_host(const struct route *route, const struct weighted_cluster *weighted,
                       struct header_map *headers, bool add_envoy_headers) {
    // Envoy notes the original host and x-forwarded-host for the route's rewrite only.
    if (weighted != NULL && !slice_is_empty(weighted->host_rewrite_literal)) {
        header_map_set(headers, HEADER_AUTHORITY, weighted->host_rewrite_literal);
    }
    struct slice path = header_map_get(headers, HEADER_PATH);
    struct slice host =
        rewrite_host_by_action(route->cluster->rewrite, headers, path, headers->arena);
    if (slice_is_empty(host)) {
        return;
    }
    struct slice original = header_map_get(headers, HEADER_AUTHORITY);
    if (route->cluster->append_x_forwarded_host) {
        append_forwarded_host(headers, original);
    }
    if (add_envoy_headers) {
        header_map_set(headers, HEADER_X_ENVOY_ORIGINAL_HOST, original);
    }
    header_map_set(headers, HEADER_AUTHORITY, host);
}

void route_apply_rewrites(const struct route *route, const struct weighted_cluster *weighted,
                          struct header_map *headers, const struct log_format_input *input,
                          bool add_envoy_headers) {
    if (route->action != ROUTE_ACTION_CLUSTER) {
        return;
    }
    apply_host(route, weighted, headers, add_envoy_headers);
    struct slice path = header_map_get(headers, HEADER_PATH);
    struct slice rewritten;
    if (!rewrite_path(route, path, input, headers->arena, &rewritten)) {
        return;
    }
    if (add_envoy_headers) {
        header_map_set(headers, HEADER_X_ENVOY_ORIGINAL_PATH, path);
    }
    header_map_set(headers, HEADER_PATH, rewritten);
}

// The request's host without its port where a new one is given, or where the port was the default of
// the protocol that the redirect leaves.
static struct slice redirect_host(const struct redirect_action *redirect, struct slice scheme,
                                  const struct header_map *headers) {
    if (!slice_is_empty(redirect->host)) {
        return redirect->host;
    }
    struct slice host = header_map_get(headers, HEADER_AUTHORITY);
    size_t at = http_authority_port_start(host);
    if (at == SIZE_MAX) {
        return host;
    }
    struct slice port = slice_sub(host, at, SIZE_MAX);
    struct slice protocol = header_map_get(headers, HEADER_X_FORWARDED_PROTO);
    bool is_default = (slice_equal(protocol, SLICE("https")) && slice_equal(port, SLICE(":443"))) ||
                      (slice_equal(protocol, SLICE("http")) && slice_equal(port, SLICE(":80")));
    bool drops = redirect->port != 0 || (is_default && !slice_equal(scheme, protocol));
    return drops ? slice_sub(host, 0, at) : host;
}

static struct slice without_query(struct slice path) {
    return slice_sub(path, 0, slice_find_byte(path, '?'));
}

static struct slice redirect_path(const struct route *route, struct slice path,
                                  struct arena *arena) {
    const struct redirect_action *redirect = route->redirect;
    if (!slice_is_empty(redirect->path)) {
        // A query in the configured path stands; strip_query is about the request's.
        if (slice_find_byte(redirect->path, '?') != SIZE_MAX) {
            return redirect->path;
        }
        path = replace_front(path, without_query(path).len, redirect->path, arena);
    } else if (redirect->has_prefix_rewrite && !slice_is_empty(redirect->prefix_rewrite)) {
        path =
            replace_front(path, matched_len(&route->match, path), redirect->prefix_rewrite, arena);
    } else if (redirect->regex_rewrite != NULL) {
        path = replace_by_regex(redirect->regex_rewrite, redirect->regex_rewrite_substitution, path,
                                arena);
    }
    return redirect->strip_query ? without_query(path) : path;
}

struct slice route_redirect_location(const struct route *route, const struct header_map *headers,
                                     struct arena *arena) {
    const struct redirect_action *redirect = route->redirect;
    if (redirect->is_require_tls) {
        return arena_printf(arena, "https://%.*s%.*s",
                            SLICE_ARG(header_map_get(headers, HEADER_AUTHORITY)),
                            SLICE_ARG(header_map_get(headers, HEADER_PATH)));
    }
    struct slice scheme = header_map_get(headers, HEADER_SCHEME);
    if (redirect->https_redirect) {
        scheme = SLICE("https");
    } else if (!slice_is_empty(redirect->scheme)) {
        scheme = redirect->scheme;
    }
    struct slice parts[] = {
        scheme,
        SLICE("://"),
        redirect_host(redirect, scheme, headers),
        redirect->port == 0 ? SLICE("") : arena_printf(arena, ":%u", redirect->port),
        redirect_path(route, header_map_get(headers, HEADER_PATH), arena),
    };
    return join(arena, parts, ARRAY_LEN(parts));
}
