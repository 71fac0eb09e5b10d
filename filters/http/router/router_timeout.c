// SPDX-License-Identifier: Apache-2.0
/* The router's clocks: the route timeout runs from the end of the request over all attempts, the
 * per-try timeouts from each attempt's start. Values come from the route, for internal requests from
 * x-envoy-* headers, for gRPC from grpc-timeout where the route allows it. */
#include "filters/http/router/router.h"

#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/http/grpc_timeout.h"
#include "src/http/message.h"

static bool take_header_ms(struct header_map *headers, enum header_id id, uint32_t *value) {
    struct slice text = header_map_get(headers, id);
    if (text.ptr == NULL) {
        return false;
    }
    uint64_t ms = 0;
    bool is_valid = slice_parse_uint64(text, &ms) == STATUS_OK && ms < CONFIG_TIMEOUT_UNSET;
    header_map_remove(headers, id);
    if (is_valid) {
        *value = (uint32_t)ms;
    }
    return is_valid;
}

/* max_grpc_timeout, the older form: the header's time, within bounds, is the route's timeout. A request
 * without one may take as long as the bound; 0 stands for no limit. */
static uint32_t grpc_timeout_ms(const struct router *router) {
    const struct route_action *action = router->action;
    uint32_t ms = 0;
    (void)grpc_timeout_get(router->request_headers, &ms);
    if (ms > action->grpc_timeout_header_offset_ms) {
        ms -= action->grpc_timeout_header_offset_ms;
    }
    uint32_t max_ms = action->grpc_timeout_header_max_ms;
    return max_ms != 0 && (ms == 0 || ms > max_ms) ? max_ms : ms;
}

static bool has_max_grpc_timeout(const struct router *router) {
    const struct route_action *action = router->action;
    return action->has_grpc_timeout_header_max && !action->has_stream_durations &&
           http_is_grpc(router->request_headers);
}

/* The host did not answer in time; once it has begun to, it is not blamed. */
static void report_timeout(struct router *router, enum cluster_stat stat) {
    router_count_cluster(router, stat);
    if (router->attempt != NULL && !router->response_started) {
        upstream_report_local_failure(router->io, upstream_request_host(router->attempt),
                                      router->cluster_slot, true);
    }
}

static void on_timeout(void *arg) {
    struct router *router = arg;
    report_timeout(router, CLUSTER_STAT_UPSTREAM_RQ_TIMEOUT);
    router_end_attempt(router, HTTP_RESET_LOCAL);
    if (router->tries != NULL) {
        timer_cancel(&router->tries->retry_timer);
    }
    router_reply_timeout(router, SLICE("response_timeout"));
}

static void on_per_try(void *arg) {
    struct router *router = arg;
    report_timeout(router, CLUSTER_STAT_UPSTREAM_RQ_PER_TRY_TIMEOUT);
    if (router_retry_timeout(router)) {
        return;
    }
    router_end_attempt(router, HTTP_RESET_LOCAL);
    router_reply_timeout(router, SLICE("upstream_per_try_timeout"));
}

static void on_per_try_idle(void *arg) {
    struct router *router = arg;
    report_timeout(router, CLUSTER_STAT_UPSTREAM_RQ_PER_TRY_IDLE_TIMEOUT);
    if (router_retry_timeout(router)) {
        return;
    }
    router_end_attempt(router, HTTP_RESET_LOCAL);
    router_reply_timeout(router, SLICE("upstream_per_try_idle_timeout"));
}

/* Since the request was whole. */
static uint64_t elapsed_ms(const struct router *router) {
    return router->request_ended_us == 0
               ? 0
               : (event_loop_now_us(router->io->loop) - router->request_ended_us) / 1000;
}

void router_timeouts_tell(struct router *router) {
    uint32_t per_try_ms = router->per_try_timeout_ms;
    uint32_t expected =
        per_try_ms != CONFIG_TIMEOUT_UNSET && per_try_ms != 0 ? per_try_ms : router->timeout_ms;
    if (expected == 0) {
        return;
    }
    if (router->timeout_ms != 0) {
        uint64_t elapsed = elapsed_ms(router);
        uint64_t left = elapsed < router->timeout_ms ? router->timeout_ms - elapsed : 1;
        expected = left < expected ? (uint32_t)left : expected;
    }
    if (!router->config->suppress_envoy_headers) {
        header_map_set_uint(router->request_headers, HEADER_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS,
                            expected);
    }
    if (has_max_grpc_timeout(router)) {
        grpc_timeout_set(router->request_headers, expected);
    }
}

void router_timeouts_init(struct router *router) {
    const struct route_action *action = router->action;
    const struct virtual_host *vhost = http_filter_virtual_host(&router->base);
    const struct retry_policy *retry = action->retry != NULL ? action->retry
                                       : vhost != NULL       ? vhost->retry
                                                             : NULL;
    timer_init(&router->timeout_timer, on_timeout, router);
    // A route with max_stream_duration has that alone for a limit, as in Envoy.
    router->timeout_ms = action->has_stream_durations   ? 0
                         : has_max_grpc_timeout(router) ? grpc_timeout_ms(router)
                                                        : action->timeout_ms;
    router->per_try_timeout_ms = retry == NULL ? CONFIG_TIMEOUT_UNSET : retry->per_try_timeout_ms;
    router->per_try_idle_timeout_ms =
        retry == NULL ? CONFIG_TIMEOUT_UNSET : retry->per_try_idle_timeout_ms;
    if (router->config->respect_expected_rq_timeout) {
        (void)take_header_ms(router->request_headers, HEADER_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS,
                             &router->timeout_ms);
    }
    (void)take_header_ms(router->request_headers, HEADER_X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS,
                         &router->timeout_ms);
    (void)take_header_ms(router->request_headers, HEADER_X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS,
                         &router->per_try_timeout_ms);
    router->timeout_alt_response =
        header_map_remove(router->request_headers,
                          HEADER_X_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE) > 0;
    if (router->per_try_timeout_ms >= router->timeout_ms && router->timeout_ms != 0) {
        router->per_try_timeout_ms = 0;
    }
    router_timeouts_tell(router);
}

static bool is_set(uint32_t ms) {
    return ms != 0 && ms != CONFIG_TIMEOUT_UNSET;
}

bool router_has_per_try_timeouts(const struct router *router) {
    return is_set(router->per_try_timeout_ms) || is_set(router->per_try_idle_timeout_ms);
}

void router_timeouts_init_tries(struct router *router) {
    timer_init(&router->tries->per_try_timer, on_per_try, router);
    timer_init(&router->tries->per_try_idle_timer, on_per_try_idle, router);
}

static void arm_per_try(struct router *router) {
    if (is_set(router->per_try_timeout_ms) && router->request_ended) {
        timer_arm(router->io->loop, &router->tries->per_try_timer, router->per_try_timeout_ms);
    }
}

void router_timeouts_request_ended(struct router *router) {
    router->request_ended_us = event_loop_now_us(router->io->loop);
    if (router->attempt != NULL && !router->response_started) {
        arm_per_try(router);
    }
    if (router->timeout_ms != 0 && !router->is_upgrade && !router->timeout_armed &&
        !router->is_done) {
        router->timeout_armed = true;
        timer_arm(router->io->loop, &router->timeout_timer, router->timeout_ms);
    }
}

void router_timeouts_attempt_started(struct router *router) {
    arm_per_try(router);
    if (is_set(router->per_try_idle_timeout_ms)) {
        timer_arm(router->io->loop, &router->tries->per_try_idle_timer,
                  router->per_try_idle_timeout_ms);
    }
}

void router_timeouts_activity(struct router *router) {
    struct router_tries *tries = router->tries;
    if (tries != NULL && timer_is_armed(&tries->per_try_idle_timer)) {
        timer_arm(router->io->loop, &tries->per_try_idle_timer, router->per_try_idle_timeout_ms);
    }
}

void router_timeouts_response_started(struct router *router) {
    if (router->tries != NULL) {
        timer_cancel(&router->tries->per_try_timer);
    }
}

void router_timeouts_attempt_ended(struct router *router) {
    if (router->tries != NULL) {
        timer_cancel(&router->tries->per_try_timer);
        timer_cancel(&router->tries->per_try_idle_timer);
    }
}

void router_timeouts_cancel(struct router *router) {
    router_timeouts_attempt_ended(router);
    timer_cancel(&router->timeout_timer);
    if (router->tries != NULL) {
        timer_cancel(&router->tries->retry_timer);
    }
}
