// SPDX-License-Identifier: Apache-2.0
/* The timers of one request. Each answers in Envoy's words while an answer is possible, else it resets.
 * The idle timer is re-armed at every byte, which costs one store (see timer.h). All other limits count
 * from the stream's begin and share a timer, which looks at what still applies when it fires. */
#include "src/event/io_context.h"
#include "src/http/grpc_timeout.h"
#include "src/overload/overload_timeouts.h"
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

static void request_timed_out(struct http_stream *stream) {
    http_connection_count(stream->conn, HCM_DOWNSTREAM_RQ_TIMEOUT);
    time_out(stream, &(struct local_reply){
                         .status = 408,
                         .body = SLICE("request timeout"),
                         .details = SLICE("request_overall_timeout"),
                         .grpc_status = -1,
                         .flag = RESPONSE_FLAG_COUNT,
                     });
}

static void headers_timed_out(struct http_stream *stream) {
    http_connection_count(stream->conn, HCM_DOWNSTREAM_RQ_HEADER_TIMEOUT);
    time_out(stream, &(struct local_reply){
                         .status = 408,
                         .body = SLICE("request header timeout"),
                         .details = SLICE("request_header_timeout"),
                         .grpc_status = -1,
                         .flag = RESPONSE_FLAG_COUNT,
                     });
}

static void duration_reached(struct http_stream *stream) {
    http_connection_count(stream->conn, HCM_DOWNSTREAM_RQ_MAX_DURATION_REACHED);
    time_out(stream, &(struct local_reply){
                         .status = 504,
                         .body = SLICE("downstream duration timeout"),
                         .details = SLICE("max_duration_timeout"),
                         .grpc_status = GRPC_DEADLINE_EXCEEDED,
                         .flag = RESPONSE_FLAG_COUNT,
                     });
}

static bool is_set(uint32_t ms) {
    return ms != 0 && ms != CONFIG_TIMEOUT_UNSET;
}

static uint32_t idle_ms(const struct http_stream *stream) {
    return overload_timeout(stream->conn->io, OVERLOAD_TIMER_STREAM_IDLE, stream->idle_timeout_ms);
}

static void arm_idle(struct http_stream *stream) {
    if (is_set(stream->idle_timeout_ms)) {
        timer_arm(loop_of(stream), &stream->idle_timer, idle_ms(stream));
    }
}

/* ---- limits from the stream's begin ---- */

#define NO_LIMIT UINT64_MAX

/* What still applies. */
static uint64_t headers_limit_ms(const struct http_stream *stream) {
    uint32_t ms = stream->conn->config->request_headers_timeout_ms;
    return stream->request == STREAM_HALF_IDLE && is_set(ms) ? ms : NO_LIMIT;
}

static uint64_t request_limit_ms(const struct http_stream *stream) {
    uint32_t ms = stream->conn->config->request_timeout_ms;
    return stream->request != STREAM_HALF_ENDED && is_set(ms) ? ms : NO_LIMIT;
}

static uint64_t duration_limit_ms(const struct http_stream *stream) {
    return stream->duration_ms != CONFIG_TIMEOUT_UNSET ? stream->duration_ms : NO_LIMIT;
}

static uint64_t min_of(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t age_ms(const struct http_stream *stream) {
    return event_loop_now_ms(loop_of(stream)) - stream->info.start_us / 1000;
}

/* For the next limit; what has ended meanwhile is seen when the timer fires. */
static void arm_limits(struct http_stream *stream) {
    uint64_t next_ms = min_of(duration_limit_ms(stream),
                              min_of(headers_limit_ms(stream), request_limit_ms(stream)));
    if (next_ms == NO_LIMIT) {
        timer_cancel(&stream->limit_timer);
        return;
    }
    uint64_t age = age_ms(stream);
    timer_arm(loop_of(stream), &stream->limit_timer, age < next_ms ? next_ms - age : 0);
}

static void on_limit(void *arg) {
    struct http_stream *stream = arg;
    uint64_t age = age_ms(stream);
    if (age >= headers_limit_ms(stream)) {
        headers_timed_out(stream);
    } else if (age >= request_limit_ms(stream)) {
        request_timed_out(stream);
    } else if (age >= duration_limit_ms(stream)) {
        duration_reached(stream);
    } else {
        arm_limits(stream);
    }
}

void http_stream_timeouts_init(struct http_stream *stream) {
    const struct http_connection_manager_config *config = stream->conn->config;
    uint32_t duration_ms = config->max_stream_duration_ms;
    timer_init(&stream->idle_timer, on_idle, stream);
    timer_init(&stream->limit_timer, on_limit, stream);
    stream->idle_timeout_ms = config->stream_idle_timeout_ms;
    stream->duration_ms = duration_ms == 0 ? CONFIG_TIMEOUT_UNSET : duration_ms;
    arm_idle(stream);
    arm_limits(stream);
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
    uint32_t before_ms = stream->duration_ms;
    uint32_t ms;
    bool is_limited = find_duration(stream, action, &ms);
    if (tells_upstream && is_limited) {
        grpc_timeout_set(stream->request_headers, ms);
    } else if (tells_upstream && before_ms != CONFIG_TIMEOUT_UNSET) {
        header_map_remove(stream->request_headers, HEADER_GRPC_TIMEOUT);
    }
    stream->duration_ms = is_limited ? ms : CONFIG_TIMEOUT_UNSET;
    if (stream->duration_ms != before_ms) {
        arm_limits(stream);
    }
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
        arm_idle(stream);
    }
    limit_duration(stream, action);
}

void http_stream_timeouts_cancel(struct http_stream *stream) {
    timer_cancel(&stream->idle_timer);
    timer_cancel(&stream->limit_timer);
}

void http_stream_activity(struct http_stream *stream) {
    if (stream->idle_timeout_ms != 0 && timer_is_armed(&stream->idle_timer)) {
        timer_arm(loop_of(stream), &stream->idle_timer, idle_ms(stream));
    }
}

void http_stream_timeouts_rescale(struct http_stream *stream, uint32_t before) {
    overload_rescale_timer(stream->conn->io, &stream->idle_timer, OVERLOAD_TIMER_STREAM_IDLE,
                           stream->idle_timeout_ms, before);
}
