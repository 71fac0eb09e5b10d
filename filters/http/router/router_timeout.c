// SPDX-License-Identifier: Apache-2.0
/* The router's clocks: the route timeout runs from the end of the request over all attempts, the
 * per-try timeouts from each attempt's start. Values come from the route, for internal requests from
 * x-envoy-* headers, for gRPC from grpc-timeout where the route allows it. */
#include "filters/http/router/router.h"

#include "src/event/event_loop.h"
#include "src/event/io_context.h"
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

/* gRPC over HTTP/2, "Timeout": at most 8 digits and a unit; saturates. */
static bool parse_grpc_timeout(struct slice text, uint64_t *ms) {
    if (text.len < 2 || text.len > 9) {
        return false;
    }
    uint64_t value = 0;
    if (slice_parse_uint64(slice_sub(text, 0, text.len - 1), &value) != STATUS_OK) {
        return false;
    }
    switch (text.ptr[text.len - 1]) {
    case 'H':
        *ms = value * 3600000;
        return true;
    case 'M':
        *ms = value * 60000;
        return true;
    case 'S':
        *ms = value * 1000;
        return true;
    case 'm':
        *ms = value;
        return true;
    case 'u':
        *ms = (value + 999) / 1000;
        return true;
    case 'n':
        *ms = (value + 999999) / 1000000;
        return true;
    default:
        return false;
    }
}

static void apply_grpc_timeout(struct router *router) {
    const struct route_action *action = router->action;
    uint64_t ms = 0;
    if (!action->has_grpc_timeout_header_max || !http_is_grpc(router->request_headers) ||
        !parse_grpc_timeout(header_map_get(router->request_headers, HEADER_GRPC_TIMEOUT), &ms)) {
        return;
    }
    if (action->grpc_timeout_header_max_ms != 0 && ms > action->grpc_timeout_header_max_ms) {
        ms = action->grpc_timeout_header_max_ms;
    }
    if (ms > action->grpc_timeout_header_offset_ms) {
        ms -= action->grpc_timeout_header_offset_ms;
    }
    router->timeout_ms = ms < CONFIG_TIMEOUT_UNSET ? (uint32_t)ms : CONFIG_TIMEOUT_UNSET - 1;
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

static void set_expected_timeout(struct router *router) {
    uint32_t expected = router->timeout_ms;
    if (router->per_try_timeout_ms != CONFIG_TIMEOUT_UNSET && router->per_try_timeout_ms != 0 &&
        (expected == 0 || router->per_try_timeout_ms < expected)) {
        expected = router->per_try_timeout_ms;
    }
    if (expected != 0 && !router->config->suppress_envoy_headers) {
        header_map_set_uint(router->request_headers, HEADER_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS,
                            expected);
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
    router->timeout_ms = action->has_max_stream_duration ? 0 : action->timeout_ms;
    router->per_try_timeout_ms = retry == NULL ? CONFIG_TIMEOUT_UNSET : retry->per_try_timeout_ms;
    router->per_try_idle_timeout_ms =
        retry == NULL ? CONFIG_TIMEOUT_UNSET : retry->per_try_idle_timeout_ms;
    apply_grpc_timeout(router);
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
    set_expected_timeout(router);
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
