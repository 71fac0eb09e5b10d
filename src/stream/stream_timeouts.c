// SPDX-License-Identifier: Apache-2.0
/* The timers of one request. Each answers in Envoy's words while an answer is possible, else it resets.
 * The idle timer is re-armed at every byte, which costs one store (see timer.h). */
#include "src/event/io_context.h"
#include "src/http/grpc_timeout.h"
#include "src/stream/http_connection_stats.h"
#include "src/stream/http_stream.h"

enum { GRPC_DEADLINE_EXCEEDED = 4 };

static struct event_loop *loop_of(const struct http_stream *stream) {
    return stream->conn->io->loop;
}

static void time_out(struct http_stream *stream, const struct local_reply *reply) {
    if (reply->flag != RESPONSE_FLAG_COUNT) {
        stream_info_set_flag(&stream->info, reply->flag);
    }
    if (stream->response != STREAM_HALF_IDLE) {
        http_stream_abort(stream, HTTP_RESET_LOCAL, reply->details);
        return;
    }
    stream->close_connection = stream->request != STREAM_HALF_ENDED;
    http_stream_local_reply(stream, reply);
}

static void on_idle(void *arg) {
    struct http_stream *stream = arg;
    http_connection_count(stream->conn, HCM_DOWNSTREAM_RQ_IDLE_TIMEOUT);
    time_out(stream, &(struct local_reply){
                         .status = stream->request == STREAM_HALF_ENDED ? 504 : 408,
                         .body = SLICE("stream timeout"),
                         .details = SLICE("stream_idle_timeout"),
                         .grpc_status = -1,
                         .flag = RESPONSE_FLAG_STREAM_IDLE_TIMEOUT,
                     });
}

static void on_request_timeout(void *arg) {
    struct http_stream *stream = arg;
    http_connection_count(stream->conn, HCM_DOWNSTREAM_RQ_TIMEOUT);
    time_out(stream, &(struct local_reply){
                         .status = 408,
                         .body = SLICE("request timeout"),
                         .details = SLICE("request_overall_timeout"),
                         .grpc_status = -1,
                         .flag = RESPONSE_FLAG_COUNT,
                     });
}

static void on_headers_timeout(void *arg) {
    struct http_stream *stream = arg;
    http_connection_count(stream->conn, HCM_DOWNSTREAM_RQ_HEADER_TIMEOUT);
    time_out(stream, &(struct local_reply){
                         .status = 408,
                         .body = SLICE("request header timeout"),
                         .details = SLICE("request_header_timeout"),
                         .grpc_status = -1,
                         .flag = RESPONSE_FLAG_COUNT,
                     });
}

static void on_max_duration(void *arg) {
    struct http_stream *stream = arg;
    http_connection_count(stream->conn, HCM_DOWNSTREAM_RQ_MAX_DURATION_REACHED);
    time_out(stream, &(struct local_reply){
                         .status = 504,
                         .body = SLICE("downstream duration timeout"),
                         .details = SLICE("max_duration_timeout"),
                         .grpc_status = GRPC_DEADLINE_EXCEEDED,
                         .flag = RESPONSE_FLAG_COUNT,
                     });
}

static void arm(struct http_stream *stream, struct timer *timer, uint32_t ms) {
    if (ms != 0 && ms != CONFIG_TIMEOUT_UNSET) {
        timer_arm(loop_of(stream), timer, ms);
    }
}

void http_stream_timeouts_init(struct http_stream *stream) {
    const struct http_connection_manager_config *config = stream->conn->config;
    timer_init(&stream->idle_timer, on_idle, stream);
    timer_init(&stream->request_timer, on_request_timeout, stream);
    timer_init(&stream->headers_timer, on_headers_timeout, stream);
    timer_init(&stream->duration_timer, on_max_duration, stream);
    stream->idle_timeout_ms = config->stream_idle_timeout_ms;
    arm(stream, &stream->idle_timer, stream->idle_timeout_ms);
    arm(stream, &stream->request_timer, config->request_timeout_ms);
    arm(stream, &stream->headers_timer, config->request_headers_timeout_ms);
    arm(stream, &stream->duration_timer, config->max_stream_duration_ms);
}

void http_stream_timeouts_headers_done(struct http_stream *stream) {
    timer_cancel(&stream->headers_timer);
}

void http_stream_timeouts_request_done(struct http_stream *stream) {
    timer_cancel(&stream->headers_timer);
    timer_cancel(&stream->request_timer);
}

/* False: no limit. The client's grpc-timeout rules where the route says how far it may. */
static bool find_duration(const struct http_stream *stream, const struct route_action *action,
                          uint32_t *ms) {
    if (!action->has_stream_durations || !action->has_grpc_timeout_header_max ||
        !grpc_timeout_get(stream->request_headers, ms)) {
        *ms = action->has_max_stream_duration ? action->max_stream_duration_ms
                                              : stream->conn->config->max_stream_duration_ms;
        return *ms != 0 && *ms != CONFIG_TIMEOUT_UNSET;
    }
    if (action->grpc_timeout_header_max_ms != 0 && *ms > action->grpc_timeout_header_max_ms) {
        *ms = action->grpc_timeout_header_max_ms;
    }
    if (*ms > action->grpc_timeout_header_offset_ms) {
        *ms -= action->grpc_timeout_header_offset_ms;
    }
    return true;
}

/* The limit counts from the stream's begin; the upstream is told of it as it stands. */
static void limit_duration(struct http_stream *stream, const struct route_action *action) {
    bool tells_upstream = action->has_stream_durations && stream->is_grpc;
    uint32_t ms;
    if (!find_duration(stream, action, &ms)) {
        if (timer_is_armed(&stream->duration_timer) && tells_upstream) {
            header_map_remove(stream->request_headers, HEADER_GRPC_TIMEOUT);
        }
        timer_cancel(&stream->duration_timer);
        return;
    }
    if (tells_upstream) {
        grpc_timeout_set(stream->request_headers, ms);
    }
    uint64_t used = (event_loop_now_us(loop_of(stream)) - stream->info.start_us) / 1000;
    timer_cancel(&stream->duration_timer);
    timer_arm(loop_of(stream), &stream->duration_timer, used < ms ? ms - used : 0);
}

void http_stream_timeouts_route(struct http_stream *stream) {
    const struct route *route = stream->route;
    if (route == NULL || route->action != ROUTE_ACTION_CLUSTER) {
        return;
    }
    const struct route_action *action = route->cluster;
    if (action->idle_timeout_ms != CONFIG_TIMEOUT_UNSET) {
        stream->idle_timeout_ms = action->idle_timeout_ms;
        timer_cancel(&stream->idle_timer);
        arm(stream, &stream->idle_timer, stream->idle_timeout_ms);
    }
    limit_duration(stream, action);
}

void http_stream_timeouts_cancel(struct http_stream *stream) {
    timer_cancel(&stream->idle_timer);
    timer_cancel(&stream->request_timer);
    timer_cancel(&stream->headers_timer);
    timer_cancel(&stream->duration_timer);
}

void http_stream_activity(struct http_stream *stream) {
    if (stream->idle_timeout_ms != 0 && timer_is_armed(&stream->idle_timer)) {
        timer_arm(loop_of(stream), &stream->idle_timer, stream->idle_timeout_ms);
    }
}
