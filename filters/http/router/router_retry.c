// SPDX-License-Identifier: Apache-2.0
/* When an attempt failed: may it be made again, when, and what of the request is sent again. */
#include "filters/http/router/router.h"

#include "src/config/config_runtime.h"
#include "src/http/message.h"
#include "src/runtime/runtime_key.h"

static void on_retry_timer(void *arg) {
    struct router *router = arg;
    router_timeouts_tell(router);
    router_start_attempt(router);
}

void router_retry_init(struct router *router) {
    const struct virtual_host *vhost = http_filter_virtual_host(&router->base);
    const struct retry_policy *policy = router->action->retry != NULL ? router->action->retry
                                        : vhost != NULL               ? vhost->retry
                                                                      : NULL;
    struct retry_state retry = {0};
    bool may_retry = retry_state_init(&retry, policy, router->request_headers, true,
                                      http_filter_arena(&router->base)) &&
                     !router->is_upgrade;
    if (!may_retry && !router_has_per_try_timeouts(router)) {
        return;
    }
    struct router_tries *tries = ARENA_NEW(http_filter_arena(&router->base), struct router_tries);
    tries->may_retry = may_retry;
    tries->retry = retry;
    timer_init(&tries->retry_timer, on_retry_timer, router);
    buffer_init(&tries->replay, &router->io->buffers);
    router->tries = tries;
    router_timeouts_init_tries(router);
}

void router_retry_forget_body(struct router *router) {
    if (router->tries != NULL) {
        router->tries->replay_abandoned = true;
        buffer_clear(&router->tries->replay);
    }
}

static bool may_retry(const struct router *router) {
    return router->tries != NULL && router->tries->may_retry;
}

void router_retry_release(struct router *router) {
    if (router->holds_retry) {
        router->holds_retry = false;
        upstream_retry_release(router->io, router->cluster_slot, router->priority_high);
    }
}

/* A percentage of retries, all without a word of the runtime. */
static bool is_retry_in_use(const struct router *router) {
    uint64_t percent = runtime_integer(config_runtime(router->io), RUNTIME_USE_RETRY, 100);
    return percent >= 100 || random_below(&router->io->random, 100) < percent;
}

/* The upstream may ask of each retry whether it comes after a timeout. */
static void set_is_timeout_retry(struct router *router, bool is_timeout) {
    const struct virtual_host *vhost = http_filter_virtual_host(&router->base);
    if (vhost != NULL && vhost->include_is_timeout_retry_header) {
        header_map_set(router->request_headers, HEADER_X_ENVOY_IS_TIMEOUT_RETRY,
                       is_timeout ? SLICE("true") : SLICE("false"));
    }
}

/* What a retry is for; `status`: of the answer not passed on, or 0. */
struct retry_cause {
    uint32_t status;
    bool is_timeout;
};

/* Takes a retry from policy and breaker and schedules it. The attempt is still to be ended. */
static bool schedule(struct router *router, struct retry_cause cause) {
    struct stream_info *info = http_filter_info(&router->base);
    struct router_tries *tries = router->tries;
    if (tries->replay_abandoned || router->response_started) {
        return false;
    }
    if (!retry_state_take(&tries->retry)) {
        stream_info_set_flag(info, RESPONSE_FLAG_UPSTREAM_RETRY_LIMIT_EXCEEDED);
        router_count_cluster(router, CLUSTER_STAT_UPSTREAM_RQ_RETRY_LIMIT_EXCEEDED);
        return false;
    }
    router_retry_release(router);
    if (!upstream_retry_acquire(router->io, router->cluster_slot, router->priority_high)) {
        stream_info_set_flag(info, RESPONSE_FLAG_UPSTREAM_OVERFLOW);
        return false;
    }
    router->holds_retry = true;
    if (!is_retry_in_use(router)) {
        router_retry_release(router);
        return false;
    }
    retry_state_set_default_base(&tries->retry, runtime_integer(config_runtime(router->io),
                                                                RUNTIME_BASE_RETRY_BACKOFF_MS, 0));
    router_count_cluster(router, CLUSTER_STAT_UPSTREAM_RQ_RETRY);
    router_count_cluster(router, CLUSTER_STAT_UPSTREAM_RQ_RETRY_BACKOFF_EXPONENTIAL);
    if (cause.status != 0) {
        upstream_report_retried(router->io, router->attempt, cause.status);
    }
    set_is_timeout_retry(router, cause.is_timeout);
    timer_arm(router->io->loop, &tries->retry_timer,
              retry_state_backoff_ms(&tries->retry, &router->io->random));
    return true;
}

bool router_retry_status(struct router *router, const struct header_map *response_headers,
                         bool end_stream) {
    if (!may_retry(router)) {
        return false;
    }
    if (retry_state_wants_status(&router->tries->retry, response_headers)) {
        struct retry_cause cause = {.status = http_status_of(response_headers)};
        if (!schedule(router, cause)) {
            return false;
        }
        if (end_stream && router->request_ended) { /* the connection is as good as before */
            router_timeouts_attempt_ended(router);
            router_await_close(router);
        } else {
            router_end_attempt(router, HTTP_RESET_LOCAL);
        }
        return true;
    }
    if (router->holds_retry) { /* a retry brought an answer that needs no other */
        router_count_cluster(router, CLUSTER_STAT_UPSTREAM_RQ_RETRY_SUCCESS);
    }
    return false;
}

bool router_retry_reset(struct router *router, enum http_reset_reason reason) {
    if (!may_retry(router)) {
        return false;
    }
    bool is_waiting = timer_is_armed(&router->tries->retry_timer);
    bool is_retried = is_waiting || (retry_state_wants_reset(&router->tries->retry, reason,
                                                             router->attempt_sent) &&
                                     schedule(router, (struct retry_cause){0}));
    if (is_retried) {
        router_end_attempt(router, reason);
    }
    return is_retried;
}

bool router_retry_timeout(struct router *router) {
    bool is_retried = may_retry(router) && retry_state_wants_timeout(&router->tries->retry) &&
                      schedule(router, (struct retry_cause){.is_timeout = true});
    if (is_retried) {
        router_end_attempt(router, HTTP_RESET_LOCAL);
    }
    return is_retried;
}
