// SPDX-License-Identifier: Apache-2.0
/*
 * The router: the terminal HTTP filter. It answers redirects and direct responses, otherwise sends the
 * request to the route's cluster through upstream_request, retries by the route's policy, and feeds the
 * response into the encode chain. One instance per stream, in its arena; private to this folder.
 *
 *   decode_headers -> route action -> start_attempt -> (reset, timeout, 5xx: retry) -> encode_*
 */
#ifndef FILTERS_HTTP_ROUTER_ROUTER_H
#define FILTERS_HTTP_ROUTER_ROUTER_H

#include "src/config/route_config.h"
#include "src/event/event_loop.h"
#include "src/event/timer.h"
#include "src/filter_chain/http_filter.h"
#include "src/route/retry_state.h"
#include "src/route/route_table.h"
#include "src/stats/stats.h"
#include "src/upstream/cluster_stats.h"
#include "src/upstream/upstream.h"

/* The filter's configuration; immutable. */
struct router_config {
    bool suppress_envoy_headers;
    bool respect_expected_rq_timeout;
    struct stats_scope
        *stats; /* router_stat_table over the connection manager's "http.<prefix>." */
};

#define ROUTER_STATS(X)                                                                            \
    X(NO_ROUTE, "no_route", COUNTER, "requests without a route")                                   \
    X(NO_CLUSTER, "no_cluster", COUNTER, "requests whose cluster does not exist")                  \
    X(RQ_DIRECT_RESPONSE, "rq_direct_response", COUNTER, "direct responses")                       \
    X(RQ_REDIRECT, "rq_redirect", COUNTER, "redirects")                                            \
    X(RQ_OVERLOAD_LOCAL_REPLY, "rq_overload_local_reply", COUNTER,                                 \
      "requests turned away by overload")                                                          \
    X(RQ_RESET_AFTER_DOWNSTREAM_RESPONSE_STARTED, "rq_reset_after_downstream_response_started",    \
      COUNTER, "upstream resets after the response began")                                         \
    X(RQ_RETRY_SKIPPED_REQUEST_NOT_COMPLETE, "rq_retry_skipped_request_not_complete", COUNTER,     \
      "retries not made because the request was not whole")                                        \
    X(RQ_TOTAL, "rq_total", COUNTER, "requests that reached the router")
enum router_stat {
#define ROUTER_STAT_ENUM(id, name, kind, doc) ROUTER_##id,
    ROUTER_STATS(ROUTER_STAT_ENUM)
#undef ROUTER_STAT_ENUM
};
extern const struct stat_table router_stat_table;

struct router_mirrors; /* router_mirror.c */

enum { ROUTER_MAGIC = 0x726f7574 };

/* What only a request needs that may be tried again, or whose attempts have times of their own. */
struct router_tries {
    bool may_retry;
    struct retry_state retry;
    struct buffer replay; /* request bytes sent so far, shared not copied */
    bool replay_abandoned;
    struct host *tried_hosts[8]; /* for previous_hosts; addresses only, never dereferenced */
    uint32_t tried_count;
    struct timer per_try_timer, per_try_idle_timer, retry_timer;
};

struct router {
    struct http_filter base;
    uint32_t magic;
    uint32_t cluster_slot;
    const struct router_config *config;
    struct io_context *io;
    const struct route *route;
    const struct route_action *action;
    const struct weighted_cluster *weighted;
    struct header_map *request_headers, *request_trailers;
    bool request_ended;
    bool is_upgrade;
    bool priority_high;
    bool is_dispatched; /* to a cluster: there is more to release than this */
    bool is_done;       /* the response is complete, or the stream is over */
    bool is_destroyed;
    bool attempt_sent;     /* it got a connection: its request may have been seen */
    bool response_started; /* headers went to the client: no retry any more */
    bool response_ended;
    bool response_paused;
    bool request_paused;
    bool holds_retry; /* counted against the retry breaker */
    bool timeout_armed;
    bool timeout_alt_response;
    uint32_t attempt_count;
    struct upstream_request *attempt; /* in progress; NULL between attempts */
    struct event_deferred farewell;   /* ends an attempt that its codec did not close by itself */
    struct router_tries *tries;       /* NULL: one attempt, which has as long as the request */
    struct router_mirrors *mirrors;   /* NULL: none */
    uint32_t replay_limit_bytes;
    uint32_t timeout_ms, per_try_timeout_ms, per_try_idle_timeout_ms;
    uint64_t request_ended_us; /* 0: not yet whole */
    struct timer timeout_timer;
    struct slice set_cookie; /* of a hash policy; added to the response */
};

extern const struct http_filter_ops router_ops;

/* router.c */
/* Body bytes of the request for the upstream that answers, without those of mirrors. */
size_t router_held_bytes(const struct router *router);

/* router_attempt.c */
void router_start_attempt(struct router *router);
void router_end_attempt(struct router *router, enum http_reset_reason reason);
/* The stream is over while the attempt's codec is still passing on the response's end: the connection
 * stays usable only when the codec may finish. Falls back on a reset at the end of the turn. */
void router_await_close(struct router *router);
/* Sends what came from the client to the attempt in progress. */
void router_attempt_data(struct router *router, struct buffer *data, bool end_stream);
void router_attempt_trailers(struct router *router);

/* router_retry.c */
/* True when a retry was scheduled; the attempt is gone then, or goes as the whole answer ends. */
bool router_retry_status(struct router *router, const struct header_map *response_headers,
                         bool end_stream);
bool router_retry_reset(struct router *router, enum http_reset_reason reason);
bool router_retry_timeout(struct router *router);
void router_retry_init(struct router *router);
void router_retry_release(struct router *router);
/* What was sent is not sent again. */
void router_retry_forget_body(struct router *router);

/* router_timeout.c */
void router_timeouts_init(struct router *router);
/* An attempt may have less time than the request. */
bool router_has_per_try_timeouts(const struct router *router);
void router_timeouts_init_tries(struct router *router);
/* Puts what is left of the shorter limit into the request, for the upstream to know. */
void router_timeouts_tell(struct router *router);
void router_timeouts_request_ended(struct router *router);
void router_timeouts_attempt_started(struct router *router);
void router_timeouts_activity(struct router *router);
void router_timeouts_response_started(struct router *router);
void router_timeouts_attempt_ended(struct router *router);
void router_timeouts_cancel(struct router *router);

/* router_mirror.c */
/* The first attempt was begun on a route that has mirrors; sets router->mirrors where some got the
 * request. The functions below are for where it is set. */
void router_mirrors_start(struct router *router);
void router_mirrors_data(struct router *router, const struct buffer *data, bool end_stream);
void router_mirrors_trailers(struct router *router);
/* Those that lack a part of the request will not get it. */
void router_mirrors_end(struct router *router);
size_t router_mirrors_held_bytes(const struct router *router);

/* router_reply.c */
void router_reply_no_route(struct router *router);
void router_reply_redirect(struct router *router);
void router_reply_direct(struct router *router);
void router_reply_overload(struct router *router);
void router_reply_failure(struct router *router, enum upstream_failure failure);
void router_reply_reset(struct router *router, enum http_reset_reason reason);
void router_reply_timeout(struct router *router, struct slice details);
void router_count(struct router *router, enum router_stat stat);
void router_count_cluster(struct router *router, enum cluster_stat stat);

#endif
