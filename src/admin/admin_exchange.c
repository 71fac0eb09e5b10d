// SPDX-License-Identifier: Apache-2.0
#include "src/access_log/access_log.h"
#include "src/access_log/stream_info.h"
#include "src/admin/admin_connection.h"
#include "src/admin/admin_request.h"
#include "src/base/check.h"
#include "src/event/io_context.h"
#include "src/http/path.h"
#include "src/matcher/string_matcher.h"
#include "src/stream/http_connection_stats.h"

enum { ADMIN_EXCHANGE_MAGIC = 0x61646d78 };

const char admin_content_text[] = "text/plain; charset=UTF-8";
const char admin_content_json[] = "application/json";
const char admin_content_html[] = "text/html; charset=UTF-8";

static const struct admin_options *options_of(const struct admin_exchange *exchange) {
    return &exchange->conn->admin->options;
}

static struct event_loop *loop_of(const struct admin_exchange *exchange) {
    return options_of(exchange)->control->loop;
}

/* ---- after the answer ---- */

static void write_logs(const struct admin_exchange *exchange, const struct header_map *response) {
    const struct admin_options *options = options_of(exchange);
    struct connection *socket = exchange->conn->socket;
    struct connection_info connection = {
        .id = connection_id(socket),
        .local = connection_local_address(socket),
        .direct_remote = connection_remote_address(socket),
        .remote = connection_remote_address(socket),
        .listener_name = SLICE("admin"),
        .accepted_us = exchange->conn->accepted_us,
    };
    struct arena arena;
    arena_init(&arena, &options->control->arena_blocks);
    uint64_t now_us = event_loop_now_us(loop_of(exchange));
    struct stream_info info = {
        .arena = &arena,
        .connection = &connection,
        .protocol = exchange->conn->codec->protocol,
        .is_http = true,
        .start_us = exchange->start_us,
        .start_wall_us = exchange->start_wall_us,
        .last_rx_us = now_us,
        .first_tx_us = now_us,
        .last_tx_us = now_us,
        .end_us = now_us,
        .response_code = exchange->status,
        .response_code_details = SLICE("admin_filter_response"),
        .bytes_received = exchange->received_bytes,
        .bytes_sent = exchange->sent_bytes,
        .downstream_remote = connection.remote,
        .request_headers = exchange->headers,
        .response_headers = response,
    };
    const struct log_format_input input = {
        .info = &info,
        .request_headers = exchange->headers,
        .response_headers = response,
        .access_log_type = "DownstreamEnd",
        .now_us = now_us,
        .now_wall_us = event_loop_wall_us(loop_of(exchange)),
    };
    for (uint32_t i = 0; i < options->access_log_count; i++) {
        access_log_write(options->access_logs[i], options->control, &input);
    }
    arena_deinit(&arena);
}

static void count_answer(const struct admin_exchange *exchange) {
    struct stats_scope *stats = exchange->conn->admin->http_stats;
    uint32_t thread = options_of(exchange)->control->index;
    static const enum hcm_stat by_class[] = {
        HCM_DOWNSTREAM_RQ_1XX, HCM_DOWNSTREAM_RQ_2XX, HCM_DOWNSTREAM_RQ_3XX,
        HCM_DOWNSTREAM_RQ_4XX, HCM_DOWNSTREAM_RQ_5XX,
    };
    stats_inc(stats, thread, HCM_DOWNSTREAM_RQ_COMPLETED);
    stats_inc(stats, thread, by_class[exchange->status / 100 - 1]);
    uint64_t took_us = event_loop_now_us(loop_of(exchange)) - exchange->start_us;
    stats_record(stats, thread, HCM_DOWNSTREAM_RQ_TIME, took_us / 1000);
}

/* ---- the answer ---- */

static void make_headers(struct admin_exchange *exchange, const char *content_type,
                         struct header_map *headers) {
    char *date = (char *)arena_alloc_bytes(&exchange->arena, HTTP_DATE_LEN);
    http_format_date(event_loop_wall_us(loop_of(exchange)) / 1000000, date);
    header_map_init(headers, &exchange->arena);
    header_map_set_uint(headers, HEADER_STATUS, exchange->status);
    if (content_type != NULL) {
        header_map_append(headers, HEADER_CONTENT_TYPE, slice_from_string(content_type));
    }
    header_map_append_name(headers, SLICE("cache-control"), SLICE("no-cache, max-age=0"));
    header_map_append_name(headers, SLICE("x-content-type-options"), SLICE("nosniff"));
    header_map_append(headers, HEADER_DATE, slice_make(date, HTTP_DATE_LEN));
    header_map_append(headers, HEADER_SERVER, SLICE("envoy"));
}

/* Takes the body. */
static void send_answer(struct admin_exchange *exchange, const char *content_type,
                        struct buffer *body) {
    struct header_map headers;
    exchange->is_answered = true;
    exchange->sent_bytes = body->len;
    make_headers(exchange, content_type, &headers);
    bool is_empty = buffer_is_empty(body);
    struct http_codec_stream *stream = exchange->stream;
    if (http_stream_encode_headers(stream, &headers, is_empty) != STATUS_OK) {
        buffer_clear(body);
        http_stream_reset(stream, HTTP_RESET_LOCAL);
        admin_connection_exchange_ended(exchange->conn, exchange);
        return;
    }
    count_answer(exchange);
    write_logs(exchange, &headers);
    if (!is_empty) {
        http_stream_encode_data(stream, body, true);
    }
}

static void run(struct admin_exchange *exchange, struct admin_request *request) {
    const struct path_options normal = {.normalize = true, .merge_slashes = true};
    struct slice path = header_map_get(exchange->headers, HEADER_PATH);
    request->method = header_map_get(exchange->headers, HEADER_METHOD);
    const char *refusal = admin_guard_refusal(
        request->options, connection_remote_address(exchange->conn->socket), exchange->headers);
    if (refusal != NULL) {
        admin_answer(request, 403, refusal);
        return;
    }
    if (exchange->is_too_large) {
        admin_answer(request, 413, "Payload Too Large");
        return;
    }
    if (path.len == 0 || path.ptr[0] != '/') {
        admin_answer(request, 404, "");
        return;
    }
    if (path_normalize(path, &normal, &exchange->arena, &request->target) != PATH_OK) {
        admin_answer(request, 400, "");
        return;
    }
    request->path = path_without_query(request->target);
    admin_params_parse(&request->params, path_query(request->target), &exchange->arena);
    if (request->params.count == 0 && exchange->body.len > 0 &&
        slice_starts_with_nocase(header_map_get(exchange->headers, HEADER_CONTENT_TYPE),
                                 SLICE("application/x-www-form-urlencoded"))) {
        struct slice form = buffer_linearize(&exchange->body, exchange->body.len);
        admin_params_parse(&request->params, form, &exchange->arena);
    }
    admin_route(request);
}

static void answer(struct admin_exchange *exchange) {
    struct buffer body;
    buffer_init(&body, &options_of(exchange)->control->buffers);
    struct admin_request request = {
        .options = options_of(exchange),
        .arena = &exchange->arena,
        .status = 200,
        .content_type = admin_content_text,
        .body = &body,
    };
    run(exchange, &request);
    exchange->status = request.status;
    struct admin *admin = exchange->conn->admin;
    struct connection *socket = exchange->conn->socket;
    send_answer(exchange, request.content_type, &body);
    buffer_deinit(&body);
    if (request.quits) {
        connection_flush(socket);
        admin_schedule_quit(admin);
    }
}

void admin_exchange_refuse(struct admin_exchange *exchange, uint32_t status) {
    if (exchange->is_answered) {
        return;
    }
    struct buffer body;
    buffer_init(&body, &options_of(exchange)->control->buffers);
    exchange->status = status;
    buffer_append(&body, http_reason_phrase(status));
    send_answer(exchange, "text/plain", &body);
    buffer_deinit(&body);
}

/* ---- sink ---- */

static struct admin_exchange *from_arg(void *arg) {
    struct admin_exchange *exchange = arg;
    CHECK_MAGIC(exchange, ADMIN_EXCHANGE_MAGIC);
    return exchange;
}

static void on_headers(void *arg, struct header_map *headers, bool end_stream) {
    struct admin_exchange *exchange = from_arg(arg);
    exchange->headers = headers;
    if (end_stream) {
        answer(exchange);
    }
}

static void on_informational(void *arg, struct header_map *headers) {
    (void)arg;
    (void)headers;
}

static void on_data(void *arg, struct buffer *data, bool end_stream) {
    struct admin_exchange *exchange = from_arg(arg);
    exchange->received_bytes += data->len;
    if (exchange->body.len + data->len > ADMIN_BODY_LIMIT_BYTES) {
        exchange->is_too_large = true;
        buffer_clear(&exchange->body);
    }
    if (exchange->is_too_large) {
        buffer_clear(data);
    } else {
        buffer_move(&exchange->body, data);
    }
    if (end_stream && !exchange->is_answered) {
        answer(exchange);
    }
}

static void on_trailers(void *arg, struct header_map *trailers) {
    struct admin_exchange *exchange = from_arg(arg);
    (void)trailers;
    if (!exchange->is_answered) {
        answer(exchange);
    }
}

static void on_gone(struct admin_exchange *exchange) {
    exchange->stream = NULL;
    exchange->is_answered = true;
    admin_connection_exchange_ended(exchange->conn, exchange);
}

static void on_reset(void *arg, enum http_reset_reason reason, const char *detail) {
    (void)reason;
    (void)detail;
    on_gone(from_arg(arg));
}

static void on_stream_closed(void *arg) {
    on_gone(from_arg(arg));
}

static void on_watermark(void *arg) {
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

struct admin_exchange *admin_exchange_new(struct admin_connection *conn,
                                          struct http_codec_stream *stream,
                                          struct http_stream_sink *sink) {
    struct admin_exchange *exchange = mem_calloc(1, sizeof(*exchange));
    struct io_context *io = conn->admin->options.control;
    exchange->magic = ADMIN_EXCHANGE_MAGIC;
    exchange->conn = conn;
    exchange->stream = stream;
    exchange->start_us = event_loop_now_us(io->loop);
    exchange->start_wall_us = event_loop_wall_us(io->loop);
    list_init(&exchange->node);
    arena_init(&exchange->arena, &io->arena_blocks);
    buffer_init(&exchange->body, &io->buffers);
    *sink = (struct http_stream_sink){.ops = &sink_ops, .arg = exchange, .arena = &exchange->arena};
    return exchange;
}

void admin_exchange_free(struct admin_exchange *exchange) {
    buffer_deinit(&exchange->body);
    arena_deinit(&exchange->arena);
    exchange->magic = 0;
    mem_free(exchange);
}
