// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fake_upstream.h"

#include <stdio.h>
#include <unistd.h>

#include "src/net/socket.h"

/* ---- one request ---- */

static void complete(struct fake_request *request) {
    request->is_complete = true;
    request->server->complete_count++;
    request->server->on_complete(request);
}

static void on_headers(void *arg, struct header_map *headers, bool end_stream) {
    struct fake_request *request = arg;
    request->headers = headers;
    if (request->server->on_headers != NULL) {
        request->server->on_headers(request);
    }
    if (end_stream) {
        complete(request);
    }
}

static void on_data(void *arg, struct buffer *data, bool end_stream) {
    struct fake_request *request = arg;
    request->body_bytes += data->len;
    while (data->len > 0) {
        struct slice front = buffer_front(data);
        if (!request->server->drops_body) {
            test_text_add(&request->body, front.ptr, front.len);
        }
        buffer_drain(data, front.len);
    }
    if (end_stream) {
        complete(request);
    }
}

static void on_trailers(void *arg, struct header_map *trailers) {
    struct fake_request *request = arg;
    request->trailers = trailers;
    complete(request);
}

static void on_informational(void *arg, struct header_map *headers) {
    (void)arg;
    (void)headers;
}

static void on_reset(void *arg, enum http_reset_reason reason, const char *detail) {
    struct fake_request *request = arg;
    (void)detail;
    request->stream = NULL;
    request->is_reset = true;
    request->reason = reason;
}

static void resume(struct fake_connection *connection);

static void on_stream_closed(void *arg) {
    struct fake_request *request = arg;
    request->stream = NULL;
    resume(request->connection);
}

static void on_above(void *arg) {
    ((struct fake_request *)arg)->is_backed_up = true;
}

static void on_below(void *arg) {
    ((struct fake_request *)arg)->is_backed_up = false;
}

static const struct http_stream_sink_ops sink_ops = {
    .on_headers = on_headers,
    .on_informational = on_informational,
    .on_data = on_data,
    .on_trailers = on_trailers,
    .on_reset = on_reset,
    .on_stream_closed = on_stream_closed,
    .on_above_high_watermark = on_above,
    .on_below_low_watermark = on_below,
};

/* ---- one connection ---- */

static bool on_new_stream(void *arg, struct http_codec_stream *stream,
                          struct http_stream_sink *sink) {
    struct fake_connection *connection = arg;
    struct fake_upstream *server = connection->server;
    ck_assert_uint_lt(server->request_count, FAKE_MAX_REQUESTS);
    struct fake_request *request = mem_calloc(1, sizeof(*request));
    request->server = server;
    request->connection = connection;
    request->stream = stream;
    arena_init_heap(&request->arena, 0);
    server->requests[server->request_count++] = request;
    *sink = (struct http_stream_sink){.ops = &sink_ops, .arg = request, .arena = &request->arena};
    return true;
}

static void on_bad_request(void *arg, struct http_codec_stream *stream, uint32_t status,
                           const char *detail) {
    (void)arg;
    (void)stream;
    ck_abort_msg("the proxy sent a bad request: %u %s", (unsigned)status, detail);
}

static void on_output(void *arg) {
    connection_output_added(((struct fake_connection *)arg)->connection);
}

static const struct http_codec_callbacks codec_callbacks = {
    .on_new_stream = on_new_stream,
    .on_bad_request = on_bad_request,
    .on_output = on_output,
};

static void on_input(void *arg, struct buffer *input, bool end_stream) {
    struct fake_connection *connection = arg;
    struct error err = {0};
    (void)end_stream;
    enum status status = http_codec_dispatch(connection->codec, input, &err);
    ck_assert_msg(status == STATUS_OK || status == STATUS_CLOSED, "%s", err.message);
    if (status == STATUS_CLOSED) {
        connection_close(connection->connection, CONNECTION_CLOSE_FLUSH);
    }
}

static void resume(struct fake_connection *connection) {
    if (!connection->is_closed) {
        connection_read_disable(connection->connection, true);
        connection_read_disable(connection->connection, false);
    }
}

static void on_event(void *arg, enum connection_event event) {
    struct fake_connection *connection = arg;
    if (event != CONNECTION_CONNECTED && !connection->is_closed) {
        connection->is_closed = true;
        http_codec_connection_lost(connection->codec, HTTP_RESET_CONNECTION_TERMINATION, "closed");
    }
}

static void on_bytes_sent(void *arg, size_t count) {
    struct fake_connection *connection = arg;
    (void)count;
    http_codec_output_drained(connection->codec);
}

static const struct connection_callbacks callbacks = {
    .on_data = on_input,
    .on_event = on_event,
    .on_bytes_sent = on_bytes_sent,
};

static void add_connection(struct fake_upstream *server, int fd, const struct address *remote) {
    struct fake_connection *connection = mem_calloc(1, sizeof(*connection));
    struct error err = {0};
    connection->server = server;
    struct connection_options options = {.io = &server->stack->control,
                                         .transport = raw_transport_new(),
                                         .callbacks = &callbacks,
                                         .arg = connection};
    connection->connection =
        connection_new_server(&options, fd, &server->address, remote, NULL, &err);
    ck_assert_ptr_nonnull(connection->connection);
    struct http_codec_options codec = {.io = &server->stack->control,
                                       .callbacks = &codec_callbacks,
                                       .arg = connection,
                                       .output = connection_output(connection->connection)};
    connection->codec = server->is_http2 ? http2_server_codec_new(&codec, &server->http2)
                                         : http1_server_codec_new(&codec, &server->http1);
    ck_assert_uint_lt(server->connection_count, FAKE_MAX_REQUESTS);
    server->connections[server->connection_count++] = connection;
}

static void on_acceptable(void *arg, unsigned flags) {
    struct fake_upstream *server = arg;
    int fd = -1;
    struct address remote;
    struct error err = {0};
    (void)flags;
    while (socket_accept(server->fd, &fd, &remote, &err) == STATUS_OK) {
        add_connection(server, fd, &remote);
    }
}

/* ---- the server ---- */

void fake_upstream_init(struct fake_upstream *server, struct test_stack *stack, bool is_http2) {
    *server = (struct fake_upstream){
        .stack = stack,
        .is_http2 = is_http2,
        .on_complete = fake_request_ok,
        .http1 = {.enable_trailers = true},
    };
    struct error err = {0};
    struct address any;
    ck_assert_int_eq(address_from_text(&any, SLICE("127.0.0.1:0"), &err), STATUS_OK);
    ck_assert_int_eq(socket_listen(&any, &(struct socket_listen_options){0}, &server->fd, &err),
                     STATUS_OK);
    ck_assert_int_eq(socket_local_address(server->fd, &server->address, &err), STATUS_OK);
    ck_assert_int_eq(event_loop_watch_level(stack->control.loop, &server->watch, server->fd,
                                            on_acceptable, server),
                     STATUS_OK);
}

void fake_upstream_deinit(struct fake_upstream *server) {
    event_loop_unwatch(server->stack->control.loop, &server->watch);
    (void)close(server->fd);
    for (uint32_t i = 0; i < server->connection_count; i++) {
        struct fake_connection *connection = server->connections[i];
        connection->is_closed = true;
        http_codec_connection_lost(connection->codec, HTTP_RESET_CONNECTION_TERMINATION, "end");
        http_codec_free(connection->codec);
        connection_free(connection->connection);
        mem_free(connection);
    }
    for (uint32_t i = 0; i < server->request_count; i++) {
        struct fake_request *request = server->requests[i];
        arena_deinit(&request->arena);
        test_text_free(&request->body);
        mem_free(request);
    }
}

struct fake_request *fake_upstream_last(const struct fake_upstream *server) {
    ck_assert_uint_gt(server->request_count, 0);
    return server->requests[server->request_count - 1];
}

uint32_t fake_upstream_open_count(const struct fake_upstream *server) {
    uint32_t open = 0;
    for (uint32_t i = 0; i < server->connection_count; i++) {
        open += server->connections[i]->is_closed ? 0 : 1;
    }
    return open;
}

/* ---- answers ---- */

void fake_request_wait(struct fake_request *request) {
    (void)request;
}

void fake_request_headers(struct fake_request *request, uint32_t status,
                          const struct header_map *more, bool end_stream) {
    struct header_map headers;
    header_map_init(&headers, &request->arena);
    header_map_set_uint(&headers, HEADER_STATUS, status);
    const struct header_entry *entry;
    for (uint32_t i = 0; more != NULL && (entry = header_map_next(more, &i)) != NULL;) {
        header_map_append_name(&headers, arena_dup_slice(&request->arena, header_entry_name(entry)),
                               arena_dup_slice(&request->arena, header_entry_value(entry)));
    }
    ck_assert_ptr_nonnull(request->stream);
    ck_assert_int_eq(http_stream_encode_headers(request->stream, &headers, end_stream), STATUS_OK);
}

void fake_request_data(struct fake_request *request, const void *bytes, size_t len,
                       bool end_stream) {
    struct buffer data;
    buffer_init(&data, &request->server->stack->control.buffers);
    buffer_append(&data, slice_make(bytes, len));
    ck_assert_ptr_nonnull(request->stream);
    http_stream_encode_data(request->stream, &data, end_stream);
    buffer_deinit(&data);
}

void fake_request_trailers(struct fake_request *request, const struct header_map *trailers) {
    ck_assert_ptr_nonnull(request->stream);
    http_stream_encode_trailers(request->stream, trailers);
}

void fake_request_informational(struct fake_request *request, uint32_t status) {
    struct header_map headers;
    header_map_init(&headers, &request->arena);
    header_map_set_uint(&headers, HEADER_STATUS, status);
    header_map_append_name(&headers, SLICE("link"), SLICE("</x>"));
    http_stream_encode_informational(request->stream, &headers);
}

void fake_request_answer(struct fake_request *request, uint32_t status, const char *body) {
    if (body == NULL) {
        fake_request_headers(request, status, NULL, true);
        return;
    }
    char len[24];
    (void)snprintf(len, sizeof(len), "%zu", strlen(body));
    struct header_map *more = test_headers(&request->arena, "content-length", len, NULL);
    fake_request_headers(request, status, more, false);
    fake_request_data(request, body, strlen(body), true);
}

void fake_request_ok(struct fake_request *request) {
    fake_request_answer(request, 200, "ok");
}

void fake_request_reset(struct fake_request *request, enum http_reset_reason reason) {
    struct http_codec_stream *stream = request->stream;
    request->stream = NULL;
    http_stream_reset(stream, reason);
    if (!request->server->is_http2) {
        connection_close(request->connection->connection, CONNECTION_CLOSE_NOW);
    }
}

void fake_request_close_connection(struct fake_request *request) {
    connection_close(request->connection->connection, CONNECTION_CLOSE_NOW);
}
