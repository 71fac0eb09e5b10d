// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/http_call.h"

#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/event/timer.h"
#include "src/upstream/cluster_stats.h"

enum { HTTP_CALL_MAGIC = 0x48434131, DEFAULT_MAX_BODY = 1 << 20 };

struct http_call {
    uint32_t magic;
    struct http_call_options options;
    struct arena arena;
    struct header_map headers;
    struct upstream_request *request; /* NULL: over, or never begun */
    struct timer deadline;
    struct timer attempt_deadline;
    struct timer back_off; /* armed between attempts */
    uint32_t retries;
    bool holds_retry; /* of the cluster's breaker */
    struct event_deferred finish;
    struct http_call_result result;
    struct buffer body;
    bool is_decided; /* `result` stands */
};

static void let_go(struct http_call *call) {
    timer_cancel(&call->attempt_deadline);
    if (call->request != NULL) {
        upstream_request_end(call->request, HTTP_RESET_LOCAL);
        call->request = NULL;
    }
}

static void release_retry(struct http_call *call) {
    if (call->holds_retry) {
        call->holds_retry = false;
        upstream_retry_release(call->options.io, call->options.cluster_slot, false);
    }
}

static void call_free(struct http_call *call) {
    timer_cancel(&call->deadline);
    timer_cancel(&call->back_off);
    event_loop_defer_cancel(&call->finish);
    let_go(call);
    release_retry(call);
    buffer_deinit(&call->body);
    arena_deinit(&call->arena);
    call->magic = 0;
    mem_free(call);
}

static void count(const struct http_call *call, enum cluster_stat stat) {
    struct io_context *io = call->options.io;
    struct stats_scope *stats = upstream_cluster_stats(io, call->options.cluster_slot);
    if (stats != NULL) {
        stats_inc(stats, io->index, stat);
    }
}

/* What the cluster did not answer counts for it as what it would have got: 503 or 504. */
static void count_failure(const struct http_call *call, enum http_call_outcome outcome) {
    struct io_context *io = call->options.io;
    uint32_t slot = call->options.cluster_slot;
    if (outcome == HTTP_CALL_TIMEOUT) {
        upstream_report_local_reply(io, slot, 504, true);
    } else if (outcome == HTTP_CALL_RESET || outcome == HTTP_CALL_NO_UPSTREAM) {
        upstream_report_local_reply(io, slot, 503, true);
    }
}

/* The codec may be at work above us: the owner is told at the end of the turn. */
static void decide(struct http_call *call, enum http_call_outcome outcome) {
    if (call->is_decided) {
        return;
    }
    call->is_decided = true;
    call->result.outcome = outcome;
    if (call->result.headers == NULL) {
        count_failure(call, outcome);
    }
    timer_cancel(&call->deadline);
    timer_cancel(&call->attempt_deadline);
    timer_cancel(&call->back_off);
    event_loop_defer(call->options.io->loop, &call->finish);
}

/* ---- attempts after the first ---- */

/* Full jitter, as retries of requests have. */
static uint64_t back_off_ms(const struct http_call *call) {
    uint64_t limit = call->options.retry.base_ms;
    for (uint32_t i = 1; i < call->retries && limit < call->options.retry.max_ms; i++) {
        limit *= 2;
    }
    limit = limit > call->options.retry.max_ms ? call->options.retry.max_ms : limit;
    return limit == 0 ? 0 : random_below(&call->options.io->random, limit);
}

/* Arranges for another attempt. False: this one's outcome stands. `status` of the answer that is
 * dropped, 0: none came. The attempt is still to be let go. */
static bool try_again(struct http_call *call, uint32_t status) {
    const struct http_call_retry *retry = &call->options.retry;
    if (!retry->is_set || call->is_decided) {
        return false;
    }
    release_retry(call);
    if (call->retries == retry->max) {
        count(call, CLUSTER_STAT_UPSTREAM_RQ_RETRY_LIMIT_EXCEEDED);
        return false;
    }
    if (!upstream_retry_acquire(call->options.io, call->options.cluster_slot, false)) {
        return false;
    }
    call->holds_retry = true;
    call->retries++;
    count(call, CLUSTER_STAT_UPSTREAM_RQ_RETRY);
    count(call, CLUSTER_STAT_UPSTREAM_RQ_RETRY_BACKOFF_EXPONENTIAL);
    if (status != 0) {
        upstream_report_retried(call->options.io, call->request, status);
    }
    timer_cancel(&call->attempt_deadline);
    timer_arm(call->options.io->loop, &call->back_off, back_off_ms(call));
    return true;
}

/* ---- one attempt ---- */

static void finish(void *arg) {
    struct http_call *call = arg;
    CHECK_MAGIC(call, HTTP_CALL_MAGIC);
    call->result.body = &call->body;
    let_go(call);
    release_retry(call);
    http_call_done_fn *done = call->options.done;
    done(call->options.arg, &call->result);
    call_free(call);
}

static void on_headers(void *arg, struct header_map *headers, bool end_stream) {
    struct http_call *call = arg;
    CHECK_MAGIC(call, HTTP_CALL_MAGIC);
    uint32_t status = http_status_of(headers);
    if (status >= 500 && try_again(call, status)) {
        if (!end_stream) {
            let_go(call);
        }
        return; // a whole answer leaves its connection to the next: on_stream_closed
    }
    timer_cancel(&call->attempt_deadline);
    if (call->holds_retry) { /* by an answer that needs no other */
        count(call, CLUSTER_STAT_UPSTREAM_RQ_RETRY_SUCCESS);
    }
    call->result.headers = headers;
    if (end_stream) {
        decide(call, HTTP_CALL_RESPONSE);
    }
}

static void on_informational(void *arg, struct header_map *headers) {
    (void)arg;
    (void)headers;
}

static void on_data(void *arg, struct buffer *data, bool end_stream) {
    struct http_call *call = arg;
    CHECK_MAGIC(call, HTTP_CALL_MAGIC);
    uint32_t max =
        call->options.max_body_bytes == 0 ? DEFAULT_MAX_BODY : call->options.max_body_bytes;
    if (call->is_decided || data->len > max - call->body.len) {
        buffer_clear(data);
        decide(call, HTTP_CALL_TOO_LARGE);
        return;
    }
    buffer_move(&call->body, data);
    if (end_stream) {
        decide(call, HTTP_CALL_RESPONSE);
    }
}

static void on_trailers(void *arg, struct header_map *trailers) {
    struct http_call *call = arg;
    CHECK_MAGIC(call, HTTP_CALL_MAGIC);
    call->result.trailers = trailers;
    decide(call, HTTP_CALL_RESPONSE);
}

static void on_reset(void *arg, enum http_reset_reason reason, const char *detail) {
    struct http_call *call = arg;
    CHECK_MAGIC(call, HTTP_CALL_MAGIC);
    (void)detail;
    struct upstream_request *request = call->request;
    if (!call->is_decided &&
        (reason == HTTP_RESET_CONNECTION_FAILURE || reason == HTTP_RESET_CONNECTION_TIMEOUT)) {
        upstream_report_local_failure(call->options.io, upstream_request_host(request),
                                      call->options.cluster_slot,
                                      reason == HTTP_RESET_CONNECTION_TIMEOUT);
    }
    bool may_help = reason != HTTP_RESET_OVERFLOW && call->result.headers == NULL;
    if (timer_is_armed(&call->back_off) || (may_help && try_again(call, 0))) {
        let_go(call);
        return;
    }
    call->result.reason = reason;
    decide(call, HTTP_CALL_RESET);
    let_go(call);
}

static void on_stream_closed(void *arg) {
    struct http_call *call = arg;
    CHECK_MAGIC(call, HTTP_CALL_MAGIC);
    if (call->result.headers != NULL) {
        upstream_report_response(call->options.io, call->request,
                                 http_status_of(call->result.headers));
    }
    if (!timer_is_armed(&call->back_off)) {
        decide(call, HTTP_CALL_RESPONSE);
    }
    let_go(call);
}

static void on_watermark(void *arg) {
    // The body was given whole: there is no source to pause.
    (void)arg;
}

static const struct http_stream_sink_ops sink_ops = {
    .on_headers = on_headers,
    .on_informational = on_informational,
    .on_data = on_data,
    .on_trailers = on_trailers,
    .on_reset = on_reset,
    .on_stream_closed = on_stream_closed,
    .on_above_high_watermark = on_watermark,
    .on_below_low_watermark = on_watermark,
};

static void report_timeout(const struct http_call *call, enum cluster_stat stat) {
    count(call, stat);
    if (call->request != NULL) {
        upstream_report_local_failure(call->options.io, upstream_request_host(call->request),
                                      call->options.cluster_slot, true);
    }
}

static void on_deadline(void *arg) {
    struct http_call *call = arg;
    CHECK_MAGIC(call, HTTP_CALL_MAGIC);
    report_timeout(call, CLUSTER_STAT_UPSTREAM_RQ_TIMEOUT);
    decide(call, HTTP_CALL_TIMEOUT);
}

static void on_attempt_deadline(void *arg) {
    struct http_call *call = arg;
    CHECK_MAGIC(call, HTTP_CALL_MAGIC);
    report_timeout(call, CLUSTER_STAT_UPSTREAM_RQ_PER_TRY_TIMEOUT);
    if (try_again(call, 0)) {
        let_go(call);
    } else {
        decide(call, HTTP_CALL_TIMEOUT);
    }
}

static void send_request(struct http_call *call, struct buffer *body) {
    const struct http_call_retry *retry = &call->options.retry;
    bool has_body = body != NULL && body->len != 0;
    struct upstream_request_options options = {
        .io = call->options.io,
        .arena = &call->arena,
        .cluster_slot = call->options.cluster_slot,
        .lb = call->options.lb,
        .downstream_protocol = HTTP_1_1,
        .sink = {.ops = &sink_ops, .arg = call, .arena = &call->arena},
    };
    call->request = upstream_request_start(&options, &call->result.failure);
    if (call->request == NULL) {
        if (body != NULL) {
            buffer_clear(body);
        }
        decide(call, HTTP_CALL_NO_UPSTREAM);
        return;
    }
    if (retry->is_set && retry->max_ms != 0) {
        timer_arm(call->options.io->loop, &call->attempt_deadline, retry->max_ms);
    }
    upstream_request_headers(call->request, &call->headers, !has_body);
    if (has_body) {
        upstream_request_data(call->request, body, true);
    }
}

static void on_back_off(void *arg) {
    struct http_call *call = arg;
    CHECK_MAGIC(call, HTTP_CALL_MAGIC);
    let_go(call);
    send_request(call, NULL);
}

struct http_call *http_call_start(const struct http_call_options *options) {
    CHECK(!options->retry.is_set || options->body == NULL);
    struct http_call *call = mem_calloc(1, sizeof(*call));
    call->magic = HTTP_CALL_MAGIC;
    call->options = *options;
    call->options.body = NULL;
    arena_init(&call->arena, &options->io->arena_blocks);
    header_map_copy(&call->headers, options->headers, &call->arena);
    buffer_init(&call->body, &options->io->buffers);
    event_deferred_init(&call->finish, finish, call);
    timer_init(&call->deadline, on_deadline, call);
    timer_init(&call->attempt_deadline, on_attempt_deadline, call);
    timer_init(&call->back_off, on_back_off, call);
    if (options->timeout_ms != 0) {
        timer_arm(options->io->loop, &call->deadline, options->timeout_ms);
    }
    send_request(call, options->body);
    return call;
}

void http_call_cancel(struct http_call *call) {
    CHECK_MAGIC(call, HTTP_CALL_MAGIC);
    call_free(call);
}
