// SPDX-License-Identifier: Apache-2.0
/* One attempt at the upstream: choosing where, sending the request (again), and what comes back. */
#include "filters/http/router/router.h"

#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/http/message.h"
#include "src/route/header_mutation.h"
#include "src/route/route_action.h"

static uint64_t now_us(const struct router *router) {
    return event_loop_now_us(router->io->loop);
}

/* ---- the response ---- */

static void add_response_headers(struct router *router, struct header_map *headers) {
    const struct virtual_host *vhost = http_filter_virtual_host(&router->base);
    // As Envoy: the time since the request was whole, which a tunnel's never is.
    if (!router->config->suppress_envoy_headers && router->request_ended_us != 0) {
        header_map_set_uint(headers, HEADER_X_ENVOY_UPSTREAM_SERVICE_TIME,
                            (now_us(router) - router->request_ended_us) / 1000);
    }
    if (vhost != NULL && vhost->include_attempt_count_in_response) {
        header_map_set_uint(headers, HEADER_X_ENVOY_ATTEMPT_COUNT, router->attempt_count);
    }
    if (router->set_cookie.len > 0) {
        header_map_append(headers, HEADER_SET_COOKIE, router->set_cookie);
    }
    struct log_format_input input;
    http_filter_log_input(&router->base, &input);
    input.response_headers = headers;
    route_apply_response_headers(http_filter_route_config(&router->base), vhost, router->route,
                                 router->weighted, headers, &input);
}

static void finish(struct router *router) {
    router->response_ended = true;
    router->is_done = true;
    http_filter_info(&router->base)->upstream->last_rx_us = now_us(router);
    router_timeouts_cancel(router);
    router_retry_release(router);
}

static void on_headers(void *arg, struct header_map *headers, bool end_stream) {
    struct router *router = arg;
    uint32_t status = http_status_of(headers);
    struct stream_info *info = http_filter_info(&router->base);
    info->upstream->first_rx_us = now_us(router);
    router_timeouts_activity(router);
    if (router_retry_status(router, headers, end_stream)) {
        return;
    }
    upstream_report_response(router->io, router->attempt, status);
    router->response_started = true;
    router_timeouts_response_started(router);
    router_retry_forget_body(router);
    info->response_code = status; // header operations of the route may ask for it
    info->response_code_details = SLICE("via_upstream");
    add_response_headers(router, headers);
    if (end_stream) {
        finish(router);
    }
    http_filter_encode_headers(&router->base, headers, end_stream);
}

static void on_informational(void *arg, struct header_map *headers) {
    struct router *router = arg;
    router_timeouts_activity(router);
    uint32_t status = http_status_of(headers);
    upstream_report_interim(router->io, router->attempt, status);
    // Envoy takes no interim response but 100 to the client.
    if (status != 100) {
        return;
    }
    http_filter_encode_informational(&router->base, headers);
}

static void on_data(void *arg, struct buffer *data, bool end_stream) {
    struct router *router = arg;
    router_timeouts_activity(router);
    if (end_stream) {
        finish(router);
    }
    http_filter_encode_data(&router->base, data, end_stream);
}

static void on_trailers(void *arg, struct header_map *trailers) {
    struct router *router = arg;
    finish(router);
    http_filter_encode_trailers(&router->base, trailers);
}

static void on_reset(void *arg, enum http_reset_reason reason, const char *detail) {
    struct router *router = arg;
    (void)detail;
    if (!router->response_started && reason != HTTP_RESET_OVERFLOW) {
        upstream_report_local_failure(router->io, upstream_request_host(router->attempt),
                                      router->cluster_slot, false);
    }
    if (!router->is_destroyed && router_retry_reset(router, reason)) {
        return;
    }
    event_loop_defer_cancel(&router->farewell);
    router_end_attempt(router, reason);
    if (!router->response_ended) {
        router_reply_reset(router, reason);
    }
}

/* Both directions are over; the response has been passed on. */
static void on_stream_closed(void *arg) {
    struct router *router = arg;
    event_loop_defer_cancel(&router->farewell);
    router_end_attempt(router, HTTP_RESET_LOCAL);
}

static void on_farewell(void *arg) {
    struct router *router = arg;
    router_end_attempt(router, HTTP_RESET_LOCAL);
}

/* Runs before the stream's memory goes: that is deferred too, and later. */
void router_await_close(struct router *router) {
    event_loop_defer(router->io->loop, &router->farewell);
}

static void on_above_high_watermark(void *arg) {
    struct router *router = arg;
    if (!router->request_paused) {
        router->request_paused = true;
        http_filter_pause_request(&router->base, true);
    }
}

static void on_below_low_watermark(void *arg) {
    struct router *router = arg;
    if (router->request_paused) {
        router->request_paused = false;
        http_filter_pause_request(&router->base, false);
    }
}

static const struct http_stream_sink_ops sink_ops = {
    .on_headers = on_headers,
    .on_informational = on_informational,
    .on_data = on_data,
    .on_trailers = on_trailers,
    .on_reset = on_reset,
    .on_stream_closed = on_stream_closed,
    .on_above_high_watermark = on_above_high_watermark,
    .on_below_low_watermark = on_below_low_watermark,
};

static void on_pool_ready(void *arg) {
    struct router *router = arg;
    struct stream_info *info = http_filter_info(&router->base);
    router->attempt_sent = true;
    info->upstream->pool_ready_us = now_us(router);
    if (router->action->auto_host_rewrite) {
        const struct host *host = upstream_request_host(router->attempt);
        if (host->hostname.len > 0) {
            if (!router->config->suppress_envoy_headers) {
                header_map_set(router->request_headers, HEADER_X_ENVOY_ORIGINAL_HOST,
                               header_map_get(router->request_headers, HEADER_AUTHORITY));
            }
            header_map_set(router->request_headers, HEADER_AUTHORITY, host->hostname);
        }
    }
}

/* ---- the request ---- */

static bool refuse_tried(void *arg, const struct host *host) {
    const struct router_tries *tries = arg;
    for (uint32_t i = 0; i < tries->tried_count; i++) {
        if (tries->tried_hosts[i] == host) {
            return true;
        }
    }
    return false;
}

static void fill_lb_context(struct router *router, struct lb_context *lb) {
    struct stream_info *info = http_filter_info(&router->base);
    struct slice cookie = {NULL, 0};
    lb->has_hash = route_hash(router->action, router->request_headers, info, &lb->hash, &cookie,
                              http_filter_arena(&router->base));
    if (cookie.len > 0) {
        router->set_cookie = cookie;
    }
    lb->metadata_match = router->weighted != NULL && router->weighted->metadata_match != NULL
                             ? router->weighted->metadata_match
                             : router->action->metadata_match;
    lb->request_headers = router->request_headers;
    lb->downstream = info->connection;
    const struct retry_policy *policy = router->tries == NULL ? NULL : router->tries->retry.policy;
    if (router->attempt_count > 0 && policy != NULL && policy->avoid_previous_hosts) {
        lb->refuse = refuse_tried;
        lb->refuse_arg = router->tries;
        lb->max_attempts = policy->host_selection_max_attempts;
    }
}

static void set_attempt_count(struct router *router) {
    const struct virtual_host *vhost = http_filter_virtual_host(&router->base);
    http_filter_info(&router->base)->upstream->attempts = router->attempt_count;
    if (vhost != NULL && vhost->include_request_attempt_count) {
        header_map_set_uint(router->request_headers, HEADER_X_ENVOY_ATTEMPT_COUNT,
                            router->attempt_count);
    }
}

/* The part of the request that earlier attempts have seen. */
static void send_replay(struct router *router) {
    const struct buffer *replay = router->tries == NULL ? NULL : &router->tries->replay;
    bool has_body = replay != NULL && !buffer_is_empty(replay);
    bool has_trailers = router->request_trailers != NULL;
    bool ends_here = router->request_ended && !has_body && !has_trailers;
    upstream_request_headers(router->attempt, router->request_headers, ends_here);
    if (has_body && router->attempt != NULL) {
        struct buffer copy;
        buffer_init(&copy, &router->io->buffers);
        buffer_share(&copy, replay);
        upstream_request_data(router->attempt, &copy, router->request_ended && !has_trailers);
        buffer_deinit(&copy);
    }
    if (has_trailers && router->attempt != NULL) {
        upstream_request_trailers(router->attempt, router->request_trailers);
    }
}

static void note_host(struct router *router) {
    struct router_tries *tries = router->tries;
    if (tries != NULL && tries->tried_count < ARRAY_LEN(tries->tried_hosts)) {
        tries->tried_hosts[tries->tried_count++] = upstream_request_host(router->attempt);
    }
}

void router_start_attempt(struct router *router) {
    event_deferred_init(&router->farewell, on_farewell, router);
    struct stream_info *info = http_filter_info(&router->base);
    struct upstream_request_options options = {
        .io = router->io,
        .arena = http_filter_arena(&router->base),
        .cluster_slot = router->cluster_slot,
        .priority_high = router->priority_high,
        .downstream_protocol = info->protocol,
        .is_upgrade = router->is_upgrade,
        .sni_override = header_map_get(router->request_headers, HEADER_AUTHORITY),
        .info = info->upstream,
        .sink = {.ops = &sink_ops,
                 .arg = router,
                 .arena = router->request_headers->arena,
                 .trailers_arena = http_filter_arena(&router->base)},
        .on_pool_ready = on_pool_ready,
        .buffer_limit_bytes = http_filter_decoder_buffer_limit(&router->base),
    };
    fill_lb_context(router, &options.lb);
    router->attempt_count++;
    router->attempt_sent = false;
    info->upstream->transport_failure_reason = (struct slice){NULL, 0};
    set_attempt_count(router);
    enum upstream_failure failure = UPSTREAM_FAILURE_NONE;
    router->attempt = upstream_request_start(&options, &failure);
    if (router->attempt == NULL) {
        router_retry_release(router);
        router_reply_failure(router, failure);
        return;
    }
    note_host(router);
    if (router->response_paused) {
        upstream_request_read_disable(router->attempt, true);
    }
    router_timeouts_attempt_started(router);
    send_replay(router);
}

void router_end_attempt(struct router *router, enum http_reset_reason reason) {
    struct upstream_request *attempt = router->attempt;
    if (attempt == NULL) {
        return;
    }
    router->attempt = NULL;
    router_timeouts_attempt_ended(router);
    upstream_request_end(attempt, reason);
    if (router->request_paused) {
        router->request_paused = false;
        http_filter_pause_request(&router->base, false);
    }
}

/* Over the limit no retry is possible any more; but what comes while one is already being waited for is
 * kept, or the next attempt would lack it. */
static void keep_for_replay(struct router *router, const struct buffer *data) {
    struct router_tries *tries = router->tries;
    if (tries == NULL || !tries->may_retry || tries->replay_abandoned) {
        return;
    }
    bool is_over = tries->replay.len + data->len > router->replay_limit_bytes;
    if (is_over && router->attempt != NULL) {
        router_retry_forget_body(router);
        router_count_cluster(router, CLUSTER_STAT_RETRY_OR_SHADOW_ABANDONED);
        return;
    }
    buffer_share(&tries->replay, data);
}

void router_attempt_data(struct router *router, struct buffer *data, bool end_stream) {
    if (data->len > 0) {
        keep_for_replay(router, data);
    }
    if (router->attempt != NULL) {
        upstream_request_data(router->attempt, data, end_stream);
    }
    buffer_clear(data);
}

void router_attempt_trailers(struct router *router) {
    if (router->attempt != NULL) {
        upstream_request_trailers(router->attempt, router->request_trailers);
    }
}
