// SPDX-License-Identifier: Apache-2.0
#include "src/admin/admin_connection.h"

#include "src/base/check.h"
#include "src/base/log.h"
#include "src/event/io_context.h"
#include "src/listener/listener_stats.h"
#include "src/stream/http_connection_stats.h"

enum { ADMIN_CONNECTION_MAGIC = 0x61646d63, ADMIN_DELAYED_CLOSE_MS = 1000 };

static struct io_context *io_of(const struct admin_connection *conn) {
    return conn->admin->options.control;
}

static void count(struct admin_connection *conn, enum hcm_stat stat) {
    stats_inc(conn->admin->http_stats, io_of(conn)->index, stat);
}

static void count_listener(struct admin_connection *conn, enum listener_stat stat) {
    stats_inc(conn->admin->listener_stats, io_of(conn)->index, stat);
}

static void arm_idle(struct admin_connection *conn) {
    timer_arm(io_of(conn)->loop, &conn->idle_timer, ADMIN_IDLE_TIMEOUT_MS);
}

static void close_socket(struct admin_connection *conn, enum connection_close_kind kind) {
    timer_cancel(&conn->idle_timer);
    connection_close(conn->socket, kind);
}

static void on_idle(void *arg) {
    struct admin_connection *conn = arg;
    CHECK_MAGIC(conn, ADMIN_CONNECTION_MAGIC);
    count(conn, HCM_DOWNSTREAM_CX_IDLE_TIMEOUT);
    connection_close(conn->socket, CONNECTION_CLOSE_NOW);
}

/* ---- codec ---- */

static bool on_new_stream(void *arg, struct http_codec_stream *stream,
                          struct http_stream_sink *sink) {
    struct admin_connection *conn = arg;
    CHECK_MAGIC(conn, ADMIN_CONNECTION_MAGIC);
    struct admin_exchange *exchange = admin_exchange_new(conn, stream, sink);
    list_push_back(&conn->exchanges, &exchange->node);
    count(conn, HCM_DOWNSTREAM_RQ_TOTAL);
    count(conn, HCM_DOWNSTREAM_RQ_ACTIVE);
    count(conn, conn->codec->protocol == HTTP_2 ? HCM_DOWNSTREAM_RQ_HTTP2_TOTAL
                                                : HCM_DOWNSTREAM_RQ_HTTP1_TOTAL);
    return true;
}

static void on_bad_request(void *arg, struct http_codec_stream *stream, uint32_t status,
                           const char *detail) {
    struct admin_connection *conn = arg;
    CHECK_MAGIC(conn, ADMIN_CONNECTION_MAGIC);
    LOG(ADMIN, DEBUG, "bad request: %s", detail);
    count(conn, HCM_DOWNSTREAM_CX_PROTOCOL_ERROR);
    LIST_FOR_EACH_SAFE (node, &conn->exchanges) {
        struct admin_exchange *exchange = LIST_ENTRY(node, struct admin_exchange, node);
        if (exchange->stream == stream) {
            admin_exchange_refuse(exchange, status);
            return;
        }
    }
}

static void on_output(void *arg) {
    struct admin_connection *conn = arg;
    connection_output_added(conn->socket);
}

static const struct http_codec_callbacks codec_callbacks = {
    .on_new_stream = on_new_stream,
    .on_bad_request = on_bad_request,
    .on_output = on_output,
};

/* False while the bytes so far could still become the HTTP/2 preface. */
static bool choose_codec(struct admin_connection *conn, struct buffer *input) {
    const struct slice preface = SLICE("PRI * HTTP/2");
    size_t len = input->len < preface.len ? input->len : preface.len;
    bool is_http2 = slice_starts_with(preface, buffer_linearize(input, len));
    if (is_http2 && len < preface.len) {
        return false;
    }
    const struct http_codec_options options = {
        .io = io_of(conn),
        .callbacks = &codec_callbacks,
        .arg = conn,
        .output = connection_output(conn->socket),
    };
    const struct http1_options http1 = {0};
    const struct http2_options http2 = {
        .max_concurrent_streams = 100,
        .stream_window_bytes = ADMIN_BODY_LIMIT_BYTES,
        .connection_window_bytes = 1024 * 1024,
    };
    conn->codec = is_http2 ? http2_server_codec_new(&options, &http2)
                           : http1_server_codec_new(&options, &http1);
    count(conn, is_http2 ? HCM_DOWNSTREAM_CX_HTTP2_TOTAL : HCM_DOWNSTREAM_CX_HTTP1_TOTAL);
    return true;
}

/* ---- socket ---- */

static void on_data(void *arg, struct buffer *input, bool end_stream) {
    struct admin_connection *conn = arg;
    CHECK_MAGIC(conn, ADMIN_CONNECTION_MAGIC);
    (void)end_stream;
    arm_idle(conn);
    if (conn->codec == NULL && !choose_codec(conn, input)) {
        return;
    }
    struct error err = {.status = STATUS_OK};
    enum status status = STATUS_OK;
    /* HTTP/1.1 stops after each message; answers are made within the dispatch. */
    for (size_t before = SIZE_MAX;
         status == STATUS_OK && input->len > 0 && input->len < before && !conn->is_closed;) {
        before = input->len;
        status = http_codec_dispatch(conn->codec, input, &err);
    }
    if (conn->is_closed) {
        return;
    }
    if (status == STATUS_OK && !(conn->codec->is_ended && list_is_empty(&conn->exchanges))) {
        return;
    }
    if (status != STATUS_OK && status != STATUS_CLOSED) {
        LOG(ADMIN, DEBUG, "protocol error: %s", err.message);
        http_codec_connection_lost(conn->codec, HTTP_RESET_PROTOCOL_ERROR, "codec_error");
    }
    buffer_clear(input);
    close_socket(conn, CONNECTION_CLOSE_FLUSH_AND_DELAY);
}

static void on_event(void *arg, enum connection_event event) {
    struct admin_connection *conn = arg;
    CHECK_MAGIC(conn, ADMIN_CONNECTION_MAGIC);
    if (event == CONNECTION_CONNECTED) {
        return;
    }
    conn->is_closed = true;
    count(conn, event == CONNECTION_LOCAL_CLOSE ? HCM_DOWNSTREAM_CX_DESTROY_LOCAL
                                                : HCM_DOWNSTREAM_CX_DESTROY_REMOTE);
    timer_cancel(&conn->idle_timer);
    if (conn->codec != NULL) {
        http_codec_connection_lost(conn->codec, HTTP_RESET_CONNECTION_TERMINATION,
                                   "downstream_remote_disconnect");
    }
    event_loop_defer(io_of(conn)->loop, &conn->reap);
}

static void on_bytes_sent(void *arg, size_t sent) {
    struct admin_connection *conn = arg;
    (void)sent;
    if (conn->is_closed) {
        return;
    }
    if (timer_is_armed(&conn->idle_timer)) {
        arm_idle(conn);
    }
    if (conn->codec != NULL) {
        http_codec_output_drained(conn->codec);
    }
}

static const struct connection_callbacks socket_callbacks = {
    .on_data = on_data,
    .on_event = on_event,
    .on_bytes_sent = on_bytes_sent,
};

/* ---- life ---- */

static void free_ended(struct admin_connection *conn) {
    LIST_FOR_EACH_SAFE (node, &conn->ended) {
        list_remove(node);
        admin_exchange_free(LIST_ENTRY(node, struct admin_exchange, node));
    }
}

void admin_connection_free(struct admin_connection *conn) {
    CHECK_MAGIC(conn, ADMIN_CONNECTION_MAGIC);
    struct admin *admin = conn->admin;
    uint32_t thread = io_of(conn)->index;
    if (conn->codec != NULL && !conn->is_closed) {
        conn->is_closed = true;
        http_codec_connection_lost(conn->codec, HTTP_RESET_CONNECTION_TERMINATION,
                                   "downstream_local_disconnect");
    }
    ASSERT(list_is_empty(&conn->exchanges));
    free_ended(conn);
    http_codec_free(conn->codec);
    connection_free(conn->socket);
    event_loop_defer_cancel(&conn->reap);
    timer_cancel(&conn->idle_timer);
    list_remove(&conn->node);
    admin->connection_count--;
    count(conn, HCM_DOWNSTREAM_CX_DESTROY);
    stats_dec(admin->http_stats, thread, HCM_DOWNSTREAM_CX_ACTIVE);
    count_listener(conn, LISTENER_DOWNSTREAM_CX_DESTROY);
    stats_dec(admin->listener_stats, thread, LISTENER_DOWNSTREAM_CX_ACTIVE);
    uint64_t lived_us = event_loop_now_us(admin->options.control->loop) - conn->accepted_us;
    stats_record(admin->http_stats, thread, HCM_DOWNSTREAM_CX_LENGTH_MS, lived_us / 1000);
    stats_record(admin->listener_stats, thread, LISTENER_DOWNSTREAM_CX_LENGTH_MS, lived_us / 1000);
    conn->magic = 0;
    mem_free(conn);
}

static void reap(void *arg) {
    struct admin_connection *conn = arg;
    CHECK_MAGIC(conn, ADMIN_CONNECTION_MAGIC);
    if (conn->is_closed) {
        admin_connection_free(conn);
        return;
    }
    free_ended(conn);
}

void admin_connection_exchange_ended(struct admin_connection *conn,
                                     struct admin_exchange *exchange) {
    list_remove(&exchange->node);
    list_push_back(&conn->ended, &exchange->node);
    stats_dec(conn->admin->http_stats, io_of(conn)->index, HCM_DOWNSTREAM_RQ_ACTIVE);
    event_loop_defer(io_of(conn)->loop, &conn->reap);
}

void admin_connection_accept(struct admin *admin, int fd, const struct address *remote) {
    struct admin_connection *conn = mem_calloc(1, sizeof(*conn));
    conn->magic = ADMIN_CONNECTION_MAGIC;
    conn->admin = admin;
    conn->accepted_us = event_loop_now_us(admin->options.control->loop);
    list_init(&conn->exchanges);
    list_init(&conn->ended);
    event_deferred_init(&conn->reap, reap, conn);
    timer_init(&conn->idle_timer, on_idle, conn);
    const struct connection_options options = {
        .io = admin->options.control,
        .transport = raw_transport_new(),
        .callbacks = &socket_callbacks,
        .arg = conn,
        .delayed_close_ms = ADMIN_DELAYED_CLOSE_MS,
    };
    struct error err;
    if (address_is_ip(remote)) {
        socket_set_nodelay(fd);
    }
    conn->socket = connection_new_server(&options, fd, &admin->bound, remote, NULL, &err);
    if (conn->socket == NULL) {
        LOG(ADMIN, WARN, "cannot take a connection: %s", err.message);
        mem_free(conn);
        return;
    }
    list_push_back(&admin->connections, &conn->node);
    admin->connection_count++;
    count(conn, HCM_DOWNSTREAM_CX_TOTAL);
    count(conn, HCM_DOWNSTREAM_CX_ACTIVE);
    count_listener(conn, LISTENER_DOWNSTREAM_CX_TOTAL);
    count_listener(conn, LISTENER_DOWNSTREAM_CX_ACTIVE);
    arm_idle(conn);
}
