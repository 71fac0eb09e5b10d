// SPDX-License-Identifier: Apache-2.0
#include "filters/http/router/router.h"

#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/http/message.h"
#include "src/route/header_mutation.h"
#include "src/route/route_action.h"

static const struct stat_def router_stats[] = {ROUTER_STATS(STAT_DEF)};
const struct stat_table router_stat_table = {"http.router", router_stats, ARRAY_LEN(router_stats)};

static struct router *from_filter(struct http_filter *f) {
    struct router *router = (struct router *)(void *)f;
    CHECK_MAGIC(router, ROUTER_MAGIC);
    return router;
}

/* CONFIG_SLOT_NONE where the header is absent or names no cluster. */
static uint32_t cluster_of_header(struct router *router, struct slice header) {
    struct slice name = header_map_get_name(router->request_headers, header);
    if (name.len == 0) {
        return CONFIG_SLOT_NONE;
    }
    http_filter_info(&router->base)->cluster_name = name;
    return config_snapshot_find(router->io->snapshot, CONFIG_CLUSTER, name);
}

static uint32_t find_cluster(struct router *router) {
    if (router->weighted != NULL) {
        return router->weighted->cluster_header.len > 0
                   ? cluster_of_header(router, router->weighted->cluster_header)
                   : router->weighted->cluster_slot;
    }
    return router->action->cluster_header.len > 0
               ? cluster_of_header(router, router->action->cluster_header)
               : router->action->cluster_slot;
}

static uint32_t replay_limit(const struct router *router) {
    const struct virtual_host *vhost =
        http_filter_virtual_host((struct http_filter *)(uintptr_t)&router->base);
    uint32_t limit = router->action->request_body_buffer_limit;
    if (limit == UINT32_MAX && vhost != NULL) {
        limit = vhost->request_body_buffer_limit;
    }
    if (limit != UINT32_MAX) {
        return limit; // 0 keeps nothing, unlike the connection's
    }
    uint32_t held = http_filter_decoder_buffer_limit(&router->base);
    return held == 0 ? UINT32_MAX : held;
}

/* The request as the upstream will see it. */
static void finalize_headers(struct router *router) {
    struct header_map *headers = router->request_headers;
    struct log_format_input input;
    http_filter_log_input(&router->base, &input);
    route_apply_request_headers(http_filter_route_config(&router->base),
                                http_filter_virtual_host(&router->base), router->route,
                                router->weighted, headers, &input);
    route_apply_rewrites(router->route, router->weighted, headers, &input,
                         !router->config->suppress_envoy_headers);
}

static void dispatch(struct router *router) {
    router->action = router->route->cluster;
    router->weighted = http_filter_weighted_cluster(&router->base);
    router->cluster_slot = find_cluster(router);
    router->priority_high = router->action->priority_high;
    router->replay_limit_bytes = replay_limit(router);
    router->is_dispatched = true;
    if (router->cluster_slot == CONFIG_SLOT_NONE) {
        router_reply_failure(router, UPSTREAM_FAILURE_NO_CLUSTER);
        return;
    }
    if (http_filter_is_load_shed(&router->base)) {
        router_reply_overload(router);
        return;
    }
    router_timeouts_init(router);
    router_retry_init(router);
    finalize_headers(router);
    if (router->request_ended) {
        router_timeouts_request_ended(router);
    }
    router_start_attempt(router);
    if (router->action->mirrors != NULL && router->attempt != NULL) {
        router_mirrors_start(router);
    }
}

static enum http_filter_verdict decode_headers(struct http_filter *f, struct header_map *headers,
                                               bool end_stream) {
    struct router *router = from_filter(f);
    router->request_headers = headers;
    router->request_ended = end_stream;
    router->response_paused = http_filter_is_response_paused(f);
    router->is_upgrade = http_is_upgrade(headers) || http_is_connect(headers);
    router_count(router, ROUTER_RQ_TOTAL);
    router->route = http_filter_route(f);
    if (router->route == NULL) {
        router_reply_no_route(router);
        return HTTP_FILTER_HOLD;
    }
    switch (router->route->action) {
    case ROUTE_ACTION_CLUSTER:
        dispatch(router);
        break;
    case ROUTE_ACTION_REDIRECT:
        router_reply_redirect(router);
        break;
    case ROUTE_ACTION_DIRECT_RESPONSE:
        router_reply_direct(router);
        break;
    case ROUTE_ACTION_NON_FORWARDING:
    case ROUTE_ACTION_FILTER:
        router_reply_no_route(router);
        break;
    }
    return HTTP_FILTER_HOLD;
}

static enum http_filter_verdict decode_data(struct http_filter *f, struct buffer *data,
                                            bool end_stream) {
    struct router *router = from_filter(f);
    router->request_ended = end_stream;
    if (end_stream) {
        router_timeouts_request_ended(router);
    }
    router_timeouts_activity(router);
    if (router->mirrors != NULL) {
        router_mirrors_data(router, data, end_stream);
    }
    router_attempt_data(router, data, end_stream);
    return HTTP_FILTER_CONSUMED;
}

static enum http_filter_verdict decode_trailers(struct http_filter *f,
                                                struct header_map *trailers) {
    struct router *router = from_filter(f);
    router->request_trailers = trailers;
    router->request_ended = true;
    router_timeouts_request_ended(router);
    if (router->mirrors != NULL) {
        router_mirrors_trailers(router);
    }
    router_attempt_trailers(router);
    return HTTP_FILTER_HOLD;
}

static void on_above_write_watermark(struct http_filter *f) {
    struct router *router = from_filter(f);
    router->response_paused = true;
    if (router->attempt != NULL) {
        upstream_request_read_disable(router->attempt, true);
    }
}

static void on_below_write_watermark(struct http_filter *f) {
    struct router *router = from_filter(f);
    router->response_paused = false;
    if (router->attempt != NULL) {
        upstream_request_read_disable(router->attempt, false);
    }
}

/* What is kept for another attempt shares its memory with what the first one still has to send. */
size_t router_held_bytes(const struct router *router) {
    size_t kept = router->tries == NULL ? 0 : router->tries->replay.len;
    size_t waiting = router->attempt == NULL ? 0 : upstream_request_held_bytes(router->attempt);
    return kept > waiting ? kept : waiting;
}

/* Mirrors share it, too. */
static size_t held_bytes(const struct http_filter *f) {
    const struct router *router = (const struct router *)(const void *)f;
    size_t held = router_held_bytes(router);
    size_t mirrored = router->mirrors == NULL ? 0 : router_mirrors_held_bytes(router);
    return mirrored > held ? mirrored : held;
}

/* An open tunnel is not retried, rewritten or timed by its route. */
static void on_route_released(struct http_filter *f) {
    struct router *router = from_filter(f);
    router->route = NULL;
    router->action = NULL;
    router->weighted = NULL;
    if (router->tries != NULL) {
        router->tries->may_retry = false;
        router->tries->retry.policy = NULL;
    }
}

static void on_heads_released(struct http_filter *f) {
    struct router *router = from_filter(f);
    router->request_headers = NULL;
    router->set_cookie = (struct slice){NULL, 0};
}

static void on_destroy(struct http_filter *f) {
    struct router *router = from_filter(f);
    router->is_done = true;
    router->is_destroyed = true;
    router->magic = 0;
    if (!router->is_dispatched) {
        return;
    }
    router_timeouts_cancel(router);
    router_retry_release(router);
    router_retry_forget_body(router);
    if (router->mirrors != NULL) {
        router_mirrors_end(router);
    }
    if (router->attempt != NULL && router->request_ended && router->response_ended) {
        router_await_close(router);
        return;
    }
    router_end_attempt(router, HTTP_RESET_LOCAL);
}

const struct http_filter_ops router_ops = {
    .decode_headers = decode_headers,
    .decode_data = decode_data,
    .decode_trailers = decode_trailers,
    .on_above_write_watermark = on_above_write_watermark,
    .on_below_write_watermark = on_below_write_watermark,
    .on_route_released = on_route_released,
    .on_heads_released = on_heads_released,
    .held_bytes = held_bytes,
    .on_destroy = on_destroy,
};
