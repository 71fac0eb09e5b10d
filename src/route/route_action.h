// SPDX-License-Identifier: Apache-2.0
/*
 * What a matched route does to a request or answers: rewrites, redirects' Location, hash keys. Pure
 * functions over headers; results lie in the given arena.
 */
#ifndef SRC_ROUTE_ROUTE_ACTION_H
#define SRC_ROUTE_ROUTE_ACTION_H

#include "src/access_log/log_format.h"
#include "src/config/route_config.h"

/* The rewritten :path (query kept), or `path` itself where nothing applies. Sets no header. */
struct slice route_rewrite_path(const struct route *route, struct slice path,
                                const struct log_format_input *input, struct arena *arena);
/* The rewritten host, or an empty slice where the route keeps it (auto_host_rewrite is the router's,
 * after host selection). `weighted` may be NULL. */
struct slice route_rewrite_host(const struct route *route, const struct weighted_cluster *weighted,
                                const struct header_map *headers, struct slice path,
                                struct arena *arena);
/* Applies path and host rewriting with x-envoy-original-path / -original-host / x-forwarded-host as
 * Envoy. */
void route_apply_rewrites(const struct route *route, const struct weighted_cluster *weighted,
                          struct header_map *headers, const struct log_format_input *input,
                          bool add_envoy_headers);
/* Location of a redirect action. `is_tls`: scheme of the downstream connection. */
struct slice route_redirect_location(const struct route *route, const struct header_map *headers,
                                     struct arena *arena);
/* Combined hash of the route's hash policies; false when none applied. A cookie policy with ttl that
 * has to make a cookie stores its Set-Cookie value in *set_cookie (else empty). */
bool route_hash(const struct route_action *action, const struct header_map *headers,
                const struct stream_info *info, uint64_t *hash, struct slice *set_cookie,
                struct arena *arena);

#endif
