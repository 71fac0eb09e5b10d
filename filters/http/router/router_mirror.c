// SPDX-License-Identifier: Apache-2.0
/* Mirrors: a request goes to other clusters, too, whose answers nobody waits for. Once per request, with
 * the headers of its first attempt; nothing that becomes of a mirror is seen by the request. */
#include "filters/http/router/router.h"

#include "src/config/config_runtime.h"
#include "src/http/message.h"
#include "src/upstream/http_shadow.h"

enum { MILLION = 1000000 };

struct router_mirrors {
    uint32_t count;
    struct http_shadow *shadows[]; /* NULL: has the whole request, or ended */
};

/* "-shadow" goes before the port; behind an IPv6 literal it would make no host that can be sent. */
static struct slice shadow_host(struct router *router, const struct request_mirror *mirror) {
    struct slice host = header_map_get(router->request_headers, HEADER_AUTHORITY);
    if (mirror->host_rewrite.len > 0) {
        return mirror->host_rewrite;
    }
    if (mirror->disable_shadow_host_suffix || host.len == 0 || host.ptr[0] == '[') {
        return host;
    }
    size_t port = http_authority_port_start(host);
    struct slice name = slice_sub(host, 0, port);
    return arena_printf(http_filter_arena(&router->base), "%.*s-shadow%.*s", SLICE_ARG(name),
                        (int)(host.len - name.len), (const char *)host.ptr + name.len);
}

static uint32_t cluster_of(struct router *router, const struct request_mirror *mirror) {
    if (mirror->cluster_header.len == 0) {
        return mirror->cluster_slot;
    }
    struct slice name = header_map_get_name(router->request_headers, mirror->cluster_header);
    return name.len == 0 ? CONFIG_SLOT_NONE
                         : config_snapshot_find(router->io->snapshot, CONFIG_CLUSTER, name);
}

static void start(struct router *router, const struct request_mirror *mirror,
                  struct http_shadow **slot) {
    struct http_shadow_options options = {
        .io = router->io,
        .cluster_slot = cluster_of(router, mirror),
        .headers = router->request_headers,
        .authority = shadow_host(router, mirror),
        .timeout_ms = router->timeout_ms,
        .tells_timeout = !router->config->suppress_envoy_headers,
        .is_upgrade = router->is_upgrade,
        .slot = slot,
    };
    if (options.cluster_slot != CONFIG_SLOT_NONE) {
        http_shadow_start(&options, router->request_ended);
    }
}

void router_mirrors_start(struct router *router) {
    const struct route_action *action = router->action;
    if (http_is_connect(router->request_headers)) {
        return;
    }
    struct router_mirrors *mirrors =
        arena_calloc(http_filter_arena(&router->base), 1,
                     sizeof(*mirrors) + action->mirror_count * sizeof(struct http_shadow *));
    mirrors->count = action->mirror_count;
    // One draw for all: policies of the same share take the same requests, as in Envoy.
    uint32_t drawn = (uint32_t)random_below(&router->io->random, MILLION);
    for (uint32_t i = 0; i < mirrors->count; i++) {
        const struct request_mirror *mirror = &action->mirrors[i];
        if (!mirror->has_fraction || drawn < config_fraction_now(&mirror->fraction, router->io)) {
            start(router, mirror, &mirrors->shadows[i]);
        }
    }
    router->mirrors = mirrors;
}

void router_mirrors_data(struct router *router, const struct buffer *data, bool end_stream) {
    struct router_mirrors *mirrors = router->mirrors;
    // The request paces itself, so what it has not sent either is no fault of the mirror's.
    size_t max_held = router_held_bytes(router) + data->len + router->replay_limit_bytes;
    for (uint32_t i = 0; i < mirrors->count; i++) {
        struct http_shadow *shadow = mirrors->shadows[i];
        if (shadow != NULL && !http_shadow_data(shadow, data, end_stream, max_held)) {
            router_count_cluster(router, CLUSTER_STAT_RETRY_OR_SHADOW_ABANDONED);
        }
    }
}

void router_mirrors_trailers(struct router *router) {
    struct router_mirrors *mirrors = router->mirrors;
    for (uint32_t i = 0; i < mirrors->count; i++) {
        if (mirrors->shadows[i] != NULL) {
            http_shadow_trailers(mirrors->shadows[i], router->request_trailers);
        }
    }
}

void router_mirrors_end(struct router *router) {
    struct router_mirrors *mirrors = router->mirrors;
    for (uint32_t i = 0; i < mirrors->count; i++) {
        if (mirrors->shadows[i] != NULL) {
            http_shadow_cancel(mirrors->shadows[i]);
        }
    }
}

/* All hold ends of the same body, which they share. */
size_t router_mirrors_held_bytes(const struct router *router) {
    const struct router_mirrors *mirrors = router->mirrors;
    size_t most = 0;
    for (uint32_t i = 0; i < mirrors->count; i++) {
        size_t held = mirrors->shadows[i] == NULL ? 0 : http_shadow_held_bytes(mirrors->shadows[i]);
        most = held > most ? held : most;
    }
    return most;
}
