// SPDX-License-Identifier: Apache-2.0
#include "src/stream/http_stream.h"

#include "src/access_log/access_log.h"
#include "src/base/check.h"
#include "src/config/config_store.h"
#include "src/event/io_context.h"
#include "src/http/message.h"
#include "src/http/upgrade.h"
#include "src/overload/overload_state.h"
#include "src/stream/http_connection_stats.h"
#include "src/stream/local_reply.h"
#include "src/stream/request_headers.h"

enum { HTTP_STREAM_MAGIC = 0x68737472 };

void http_stream_log_input(const struct http_stream *stream, struct log_format_input *input) {
    const struct event_loop *loop = stream->conn->io->loop;
    *input = (struct log_format_input){
        .info = &stream->info,
        .request_headers = stream->request_headers,
        .response_headers = stream->info.response_headers,
        .response_trailers = stream->info.response_trailers,
        .access_log_type = "DownstreamEnd",
        .now_us = event_loop_now_us(loop),
        .now_wall_us = event_loop_wall_us(loop),
        .node_id = stream->conn->shared->node_id,
        .node_cluster = stream->conn->shared->node_cluster,
    };
}

/* ---- the end ---- */

static void free_stream(struct http_stream *stream) {
    stream->magic = 0;
    /* The stream lies in its own arena: take it out first. */
    struct arena arena = stream->arena;
    arena_deinit(&stream->heads);
    if (stream->packed_request != NULL) {
        packed_headers_free(stream->packed_request);
        packed_headers_free(stream->packed_response);
    }
    arena_deinit(&arena);
}

static void write_access_logs(struct http_stream *stream) {
    const struct http_connection_manager_config *config = stream->conn->config;
    if (config->access_log_count == 0) {
        return;
    }
    struct log_format_input input;
    http_stream_log_input(stream, &input);
    for (uint32_t i = 0; i < config->access_log_count; i++) {
        access_log_write(config->access_logs[i], stream->conn->io, &input);
    }
}

static void collect_codec_facts(struct http_stream *stream) {
    const struct http_codec_stream *codec = stream->codec;
    stream->info.received = codec->received;
    stream->info.sent = codec->sent;
}

void http_stream_finish(struct http_stream *stream) {
    if (stream->is_finished) {
        return;
    }
    stream->is_finished = true;
    struct http_connection *conn = stream->conn;
    struct event_loop *loop = conn->io->loop;
    stream->info.end_us = event_loop_now_us(loop);
    if (stream->codec != NULL) {
        collect_codec_facts(stream);
        stream->codec = NULL;
    }
    http_stream_timeouts_cancel(stream);
    if (stream->packed_request != NULL) {
        http_stream_restore_heads(stream);
    }
    http_filter_chain_stream_complete(&stream->chain);
    write_access_logs(stream);
    http_filter_chain_destroy(&stream->chain);
    uint32_t thread = conn->io->index;
    stats_dec(conn->shared->stats, thread, HCM_DOWNSTREAM_RQ_ACTIVE);
    stats_record(conn->shared->stats, thread, HCM_DOWNSTREAM_RQ_TIME,
                 (stream->info.end_us - stream->info.start_us) / 1000);
    if (stream->is_tunnel_open) {
        stats_dec(conn->shared->stats, thread, HCM_DOWNSTREAM_CX_UPGRADES_ACTIVE);
    }
    if (stream->route_config != NULL) {
        config_unpin(conn->io, &stream->route_config->part);
    }
    for (; stream->request_pauses > 0 && stream->info.protocol != HTTP_2;
         stream->request_pauses--) {
        http_connection_read_disable(conn, false);
    }
    list_remove(&stream->node);
    event_loop_defer(loop, &stream->deferred);
    if (stream->close_connection) {
        conn->close_after_stream = true;
    }
    http_connection_stream_ended(conn, stream->request == STREAM_HALF_ENDED);
}

void http_stream_abort(struct http_stream *stream, enum http_reset_reason reason,
                       struct slice details) {
    if (stream->is_finished) {
        return;
    }
    if (stream->info.response_code_details.ptr == NULL || stream->response != STREAM_HALF_ENDED) {
        stream->info.response_code_details = details;
    }
    http_connection_count(stream->conn, HCM_DOWNSTREAM_RQ_TX_RESET);
    http_connection_count(stream->conn, HCM_DOWNSTREAM_RQ_RX_RESET); /* all resets, as in Envoy */
    struct http_codec_stream *codec = stream->codec;
    if (codec != NULL) {
        collect_codec_facts(stream);
        stream->codec = NULL;
        http_stream_reset(codec, reason);
    }
    /* A reset HTTP/1.1 response must not look complete. */
    stream->request = STREAM_HALF_HEADERS;
    http_stream_finish(stream);
}

void http_stream_overload_reset(struct http_stream *stream) {
    struct http_connection *conn = stream->conn;
    bool is_http1 = stream->info.protocol != HTTP_2;
    stream_info_set_flag(&stream->info, RESPONSE_FLAG_OVERLOAD_MANAGER);
    http_stream_abort(stream, HTTP_RESET_OVERLOAD, SLICE("overload"));
    if (is_http1) {
        http_connection_close_now(conn);
    }
}

/* What was left of the request counts as reset. */
static void count_early_response(struct http_stream *stream) {
    http_connection_count(stream->conn, HCM_DOWNSTREAM_RQ_RESPONSE_BEFORE_RQ_COMPLETE);
    http_connection_count(stream->conn, HCM_DOWNSTREAM_RQ_RX_RESET);
}

void http_stream_response_ended(struct http_stream *stream) {
    stream->response = STREAM_HALF_ENDED;
    if (stream->is_finished || stream->request == STREAM_HALF_ENDED || stream->codec == NULL) {
        return;
    }
    /* Answered before the request was whole: the rest is not wanted (RFC 9113 §8.1, RFC 9112 §9.6). */
    count_early_response(stream);
    struct http_codec_stream *codec = stream->codec;
    collect_codec_facts(stream);
    stream->codec = NULL;
    http_stream_reset(codec, HTTP_RESET_LOCAL);
    http_stream_finish(stream);
}

/* ---- local replies ---- */

static void send_past_filters(struct http_stream *stream, const struct local_reply_result *result,
                              struct buffer *body) {
    stream->chain.decode_aborted = true;
    stream->chain.encode_aborted = true;
    stream->chain.is_local_reply = true;
    http_stream_send_headers(stream, result->headers, buffer_is_empty(body));
    if (!buffer_is_empty(body) && !stream->is_finished) {
        http_stream_send_data(stream, body, true);
    }
}

void http_stream_local_reply(struct http_stream *stream, const struct local_reply *reply) {
    if (stream->is_finished) {
        return;
    }
    if (reply->flag != RESPONSE_FLAG_COUNT) {
        stream_info_set_flag(&stream->info, reply->flag);
    }
    if (stream->chain.response_headers_out || stream->response != STREAM_HALF_IDLE) {
        http_stream_abort(stream, HTTP_RESET_LOCAL, reply->details);
        return;
    }
    stream->info.response_code_details = reply->details;
    /* As Envoy: 400 says that the framing of what follows may not be trusted. */
    if (reply->status == 400 && stream->info.protocol != HTTP_2) {
        stream->close_connection = true;
    }
    struct log_format_input input;
    http_stream_log_input(stream, &input);
    struct local_reply_result result;
    local_reply_make(stream->conn->config, reply, stream->is_grpc, stream->is_head, &input,
                     &stream->info, stream->conn->io, &result);
    struct buffer body;
    buffer_init(&body, &stream->conn->io->buffers);
    buffer_append(&body, result.body);
    if (stream->chain.response_started || !stream->chain_created) {
        send_past_filters(stream, &result, &body);
    } else {
        http_filter_chain_local_reply(&stream->chain, reply, result.headers, &body);
    }
    buffer_deinit(&body);
}

static void reply_simple(struct http_stream *stream, uint32_t status, struct slice body,
                         struct slice details, enum response_flag flag) {
    struct local_reply reply = {
        .status = status,
        .body = body,
        .details = details,
        .grpc_status = -1,
        .flag = flag,
    };
    http_stream_local_reply(stream, &reply);
}

void http_stream_bad_request(struct http_stream *stream, uint32_t status, const char *detail) {
    stream->close_connection = true;
    if (stream->response != STREAM_HALF_IDLE) {
        stream_info_set_flag(&stream->info, RESPONSE_FLAG_DOWNSTREAM_PROTOCOL_ERROR);
        http_stream_abort(stream, HTTP_RESET_PROTOCOL_ERROR, slice_from_string(detail));
        return;
    }
    struct slice body = http_reason_phrase(status);
    reply_simple(stream, status, body, slice_from_string(detail),
                 RESPONSE_FLAG_DOWNSTREAM_PROTOCOL_ERROR);
}

/* ---- the request's head ---- */

static void add_location(void *arg, struct header_map *headers) {
    const struct slice *location = arg;
    header_map_append(headers, HEADER_LOCATION, *location);
}

static void refuse_head(struct http_stream *stream, struct request_head *head) {
    if (head->path_failed) {
        http_connection_count(stream->conn, HCM_DOWNSTREAM_RQ_FAILED_PATH_NORMALIZATION);
    }
    if (head->path_is_no_path) {
        http_connection_count(stream->conn, HCM_DOWNSTREAM_RQ_NON_RELATIVE_PATH);
    }
    struct local_reply reply = {
        .status = head->failed_status,
        .details = slice_from_string(head->failed_details),
        .grpc_status = -1,
        .flag = RESPONSE_FLAG_COUNT,
    };
    if (head->failed_location.len > 0) {
        http_connection_count(stream->conn, HCM_DOWNSTREAM_RQ_REDIRECTED_WITH_NORMALIZED_PATH);
        reply.modify = add_location;
        reply.arg = &head->failed_location;
    }
    http_stream_local_reply(stream, &reply);
}

/* The route's own list decides where it has one for the type, else the connection manager's. */
static bool is_upgrade_allowed(const struct http_stream *stream, struct slice type) {
    if (stream->route != NULL && stream->route->action == ROUTE_ACTION_CLUSTER) {
        const struct route_action *action = stream->route->cluster;
        for (uint32_t i = 0; i < action->upgrade_count; i++) {
            if (slice_equal_nocase(action->upgrades[i].type, type)) {
                return action->upgrades[i].enabled;
            }
        }
    }
    const struct http_connection_manager_config *config = stream->conn->config;
    for (uint32_t i = 0; i < config->upgrade_count; i++) {
        if (slice_equal_nocase(config->upgrades[i].type, type)) {
            return config->upgrades[i].enabled;
        }
    }
    return false;
}

static struct slice upgrade_type(const struct http_stream *stream) {
    struct slice protocol = header_map_get(stream->request_headers, HEADER_PROTOCOL);
    if (protocol.len > 0) {
        return protocol;
    }
    if (http_is_connect(stream->request_headers)) {
        return SLICE("CONNECT");
    }
    return header_map_get(stream->request_headers, HEADER_UPGRADE);
}

static bool check_upgrade(struct http_stream *stream) {
    if (!stream->is_upgrade || stream->route == NULL) {
        return true;
    }
    if (is_upgrade_allowed(stream, upgrade_type(stream))) {
        http_connection_count(stream->conn, HCM_DOWNSTREAM_CX_UPGRADES_TOTAL);
        return true;
    }
    http_connection_count(stream->conn, HCM_DOWNSTREAM_RQ_WS_ON_NON_WS_ROUTE);
    stream->close_connection = true;
    reply_simple(stream, 403, SLICE(""), SLICE("upgrade_failed"), RESPONSE_FLAG_COUNT);
    return false;
}

static void add_local_overloaded(void *arg, struct header_map *headers) {
    (void)arg;
    header_map_append(headers, HEADER_X_ENVOY_LOCAL_OVERLOADED, SLICE("true"));
}

/* Before anything is allocated or asked for the request: no filter sees it. */
static bool is_overloaded(struct http_stream *stream) {
    struct http_connection *conn = stream->conn;
    if (!load_is_shed(conn->overload, LOAD_SHED_HCM_DECODE_HEADERS, conn->io) &&
        !overload_hits(conn->overload, OVERLOAD_STOP_ACCEPTING_REQUESTS, &conn->io->random)) {
        return false;
    }
    http_connection_count(conn, HCM_DOWNSTREAM_RQ_OVERLOAD_CLOSE);
    struct local_reply reply = {
        .status = 503,
        .body = SLICE("envoy overloaded"),
        .details = SLICE("overload"),
        .grpc_status = -1,
        .flag = RESPONSE_FLAG_COUNT,
        .modify = conn->config->append_local_overload ? add_local_overloaded : NULL,
    };
    http_stream_local_reply(stream, &reply);
    return true;
}

static bool prepare_head(struct http_stream *stream) {
    struct http_connection *conn = stream->conn;
    const struct route_part *routes = http_stream_route_config(stream);
    struct request_head head = {
        .config = conn->config,
        .headers = stream->request_headers,
        .info = &stream->info,
        .random = &conn->io->random,
        .node_id = conn->shared->node_id,
        .node_cluster = conn->shared->node_cluster,
        .is_tls = conn->is_tls,
        .is_upgrade = stream->is_upgrade,
        .is_connect = http_is_connect(stream->request_headers),
        .internal_only_headers = routes == NULL ? NULL : routes->internal_only_headers,
        .internal_only_header_count = routes == NULL ? 0 : routes->internal_only_header_count,
    };
    request_headers_validate(&head);
    if (head.failed_status != 0) {
        refuse_head(stream, &head);
        return false;
    }
    request_headers_mutate(&head);
    stream->is_internal = head.is_internal;
    return true;
}

/* "Expect: 100-continue" is answered here unless the upstream is to decide. */
static void answer_expect(struct http_stream *stream) {
    struct slice expect = header_map_get(stream->request_headers, HEADER_EXPECT);
    if (expect.ptr == NULL || stream->conn->config->proxy_100_continue ||
        !slice_equal_nocase(expect, SLICE("100-continue"))) {
        return;
    }
    struct header_map headers;
    header_map_init(&headers, &stream->heads);
    header_map_append(&headers, HEADER_STATUS, SLICE("100"));
    http_stream_send_informational(stream, &headers);
    header_map_remove(stream->request_headers, HEADER_EXPECT);
}

static void run_request(struct http_stream *stream, bool end_stream) {
    (void)http_stream_route(stream);
    if (!check_upgrade(stream)) {
        return;
    }
    http_stream_create_chain(stream);
    http_filter_chain_decode_headers(&stream->chain, stream->request_headers, end_stream);
}

static void on_headers(void *arg, struct header_map *headers, bool end_stream) {
    struct http_stream *stream = arg;
    CHECK_MAGIC(stream, HTTP_STREAM_MAGIC);
    struct http_connection *conn = stream->conn;
    stream->request_headers = headers;
    stream->info.request_headers = headers;
    stream->info.upstream = ARENA_NEW(&stream->arena, struct upstream_info);
    stream->info.protocol = stream->codec->codec->protocol;
    stream->request = end_stream ? STREAM_HALF_ENDED : STREAM_HALF_HEADERS;
    stream->is_http2_upgrade = upgrade_is_http2_request(headers);
    if (stream->is_http2_upgrade) {
        upgrade_request_to_http1(headers);
    }
    stream->is_head = http_is_head(headers);
    stream->is_grpc = http_is_grpc(headers);
    stream->is_upgrade = http_is_upgrade(headers) || http_is_connect(headers);
    http_stream_activity(stream);
    if (end_stream) {
        stream->info.last_rx_us = event_loop_now_us(conn->io->loop);
    }
    if (!header_map_has(headers, HEADER_SCHEME)) {
        header_map_append(headers, HEADER_SCHEME, conn->is_tls ? SLICE("https") : SLICE("http"));
    }
    if (!is_overloaded(stream) && prepare_head(stream)) {
        answer_expect(stream);
        run_request(stream, end_stream);
    }
}

static void on_data(void *arg, struct buffer *data, bool end_stream) {
    struct http_stream *stream = arg;
    CHECK_MAGIC(stream, HTTP_STREAM_MAGIC);
    stream->info.bytes_received += data->len;
    http_stream_activity(stream);
    if (end_stream) {
        stream->request = STREAM_HALF_ENDED;
        stream->info.last_rx_us = event_loop_now_us(stream->conn->io->loop);
    }
    http_filter_chain_decode_data(&stream->chain, data, end_stream);
}

static void on_trailers(void *arg, struct header_map *trailers) {
    struct http_stream *stream = arg;
    CHECK_MAGIC(stream, HTTP_STREAM_MAGIC);
    stream->request = STREAM_HALF_ENDED;
    stream->info.last_rx_us = event_loop_now_us(stream->conn->io->loop);
    http_stream_activity(stream);
    http_filter_chain_decode_trailers(&stream->chain, trailers);
}

static void on_informational(void *arg, struct header_map *headers) {
    (void)arg;
    (void)headers; /* requests have no interim header blocks */
}

static void on_reset(void *arg, enum http_reset_reason reason, const char *detail) {
    struct http_stream *stream = arg;
    CHECK_MAGIC(stream, HTTP_STREAM_MAGIC);
    if (stream->is_finished) {
        return;
    }
    collect_codec_facts(stream);
    stream->codec = NULL;
    stream->info.downstream_reset = true;
    if (reason == HTTP_RESET_CONNECTION_TERMINATION) {
        stream_info_set_flag(&stream->info, RESPONSE_FLAG_DOWNSTREAM_CONNECTION_TERMINATION);
    } else if (reason == HTTP_RESET_PROTOCOL_ERROR) {
        stream_info_set_flag(&stream->info, RESPONSE_FLAG_DOWNSTREAM_PROTOCOL_ERROR);
    } else {
        stream_info_set_flag(&stream->info, RESPONSE_FLAG_DOWNSTREAM_REMOTE_RESET);
    }
    http_connection_count(stream->conn, HCM_DOWNSTREAM_RQ_RX_RESET);
    stream->info.response_code_details = slice_from_string(detail);
    stream->request = STREAM_HALF_HEADERS;
    http_stream_finish(stream);
}

static void on_stream_closed(void *arg) {
    struct http_stream *stream = arg;
    CHECK_MAGIC(stream, HTTP_STREAM_MAGIC);
    if (stream->request != STREAM_HALF_ENDED) { /* an HTTP/1.1 codec gives the rest up by itself */
        count_early_response(stream);
    }
    http_stream_finish(stream);
}

static void on_above_high_watermark(void *arg) {
    struct http_stream *stream = arg;
    http_filter_chain_pause_response(&stream->chain, true);
}

static void on_below_low_watermark(void *arg) {
    struct http_stream *stream = arg;
    http_filter_chain_pause_response(&stream->chain, false);
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

/* ---- birth ---- */

/* Runs at the end of a turn: frees a finished stream, settles a tunnel, or runs a recreated one again. */
static void on_deferred(void *arg) {
    struct http_stream *stream = arg;
    CHECK_MAGIC(stream, HTTP_STREAM_MAGIC);
    if (stream->is_finished) {
        free_stream(stream);
        return;
    }
    if (stream->is_tunnel_open) {
        http_stream_settle(stream);
        return;
    }
    /* Unless a timer has answered it since. */
    if (stream->chain.is_destroyed && stream->response == STREAM_HALF_IDLE) {
        uint32_t pauses = stream->chain.encode_pauses;
        http_filter_chain_init(&stream->chain, &http_stream_host_ops, stream, &stream->arena,
                               stream->conn->io, &stream->info, stream->chain.decode_limit_bytes);
        stream->chain.encode_pauses = pauses; /* the client is as slow as before */
        run_request(stream, true);
    }
}

static void init_info(struct http_stream *stream) {
    struct http_connection *conn = stream->conn;
    struct event_loop *loop = conn->io->loop;
    struct stream_info *info = &stream->info;
    info->arena = &stream->arena;
    info->connection = network_filter_connection_info(&conn->base);
    info->protocol = conn->codec->protocol;
    info->is_http = true;
    info->start_us = event_loop_now_us(loop);
    info->start_wall_us = event_loop_wall_us(loop);
    info->downstream_remote = info->connection->remote;
    info->stream_id = ((uint64_t)conn->io->index << 48) | (info->connection->id << 24) |
                      (conn->stream_total & 0xffffff);
}

/* What a stream may hold: in HTTP/2 the window that it was given, as in Envoy. */
static uint32_t buffer_limit(const struct http_connection *conn,
                             const struct http_codec_stream *codec) {
    if (codec->codec->protocol != HTTP_2) {
        return network_filter_listener(&conn->base)->per_connection_buffer_limit_bytes;
    }
    uint32_t window = conn->config->http2.stream_window_bytes;
    return window != 0 ? window : HTTP2_DEFAULT_STREAM_WINDOW_BYTES;
}

struct http_stream *http_stream_new(struct http_connection *conn, struct http_codec_stream *codec,
                                    struct http_stream_sink *sink) {
    struct arena arena;
    arena_init(&arena, &conn->io->arena_blocks);
    struct http_stream *stream = ARENA_NEW(&arena, struct http_stream);
    stream->arena = arena;
    arena_init(&stream->heads, &conn->io->arena_blocks);
    stream->magic = HTTP_STREAM_MAGIC;
    stream->conn = conn;
    stream->codec = codec;
    list_init(&stream->node);
    event_deferred_init(&stream->deferred, on_deferred, stream);
    init_info(stream);
    stream->random = random_next(&conn->io->random);
    http_filter_chain_init(&stream->chain, &http_stream_host_ops, stream, &stream->arena, conn->io,
                           &stream->info, buffer_limit(conn, codec));
    if (http_connection_is_output_full(conn)) {
        http_filter_chain_pause_response(&stream->chain, true);
    }
    http_stream_timeouts_init(stream);
    http_connection_count(conn, HCM_DOWNSTREAM_RQ_TOTAL);
    http_connection_count(conn, HCM_DOWNSTREAM_RQ_ACTIVE);
    http_connection_count(conn, codec->codec->protocol == HTTP_2 ? HCM_DOWNSTREAM_RQ_HTTP2_TOTAL
                                                                 : HCM_DOWNSTREAM_RQ_HTTP1_TOTAL);
    *sink = (struct http_stream_sink){
        .ops = &sink_ops, .arg = stream, .arena = &stream->heads, .trailers_arena = &stream->arena};
    return stream;
}
