// SPDX-License-Identifier: Apache-2.0
/*
 * For the tests of this folder: a fake upstream over loopback that speaks with our own server codecs, on
 * the io_context that it is given. It answers each request at once, or when the test says so.
 */
#ifndef SRC_UPSTREAM_UPSTREAM_TEST_SERVER_H
#define SRC_UPSTREAM_UPSTREAM_TEST_SERVER_H

#include <check.h>
#include <unistd.h>

#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/http/codec.h"
#include "src/net/connection.h"
#include "src/net/socket.h"

/* More than a test sends in all: where the balancer draws, all may go to one server. */
enum { MAX_SERVER_STREAMS = 512 };

struct server_stream {
    struct server *server;
    struct http_codec_stream *stream;
    struct server_connection *connection;
    struct arena arena;
    bool is_complete;
    size_t body_bytes;
    bool is_gone;
};

struct server_connection {
    struct server *server;
    struct connection *connection;
    struct http_codec *codec;
    bool is_closed;
};

struct server {
    struct io_context *io;
    int fd;
    struct address address;
    struct event_watch watch;
    bool is_http2;
    bool answers;    /* at once, 200 without a body */
    bool says_close; /* with "connection: close" */
    uint32_t connection_count, request_count;
    struct server_connection *connections[MAX_SERVER_STREAMS];
    struct server_stream *streams[MAX_SERVER_STREAMS];
};

static inline void server_answer(struct server_stream *stream, uint32_t status) {
    struct header_map headers;
    header_map_init(&headers, &stream->arena);
    header_map_set_uint(&headers, HEADER_STATUS, status);
    if (stream->server->says_close) {
        header_map_append(&headers, HEADER_CONNECTION, SLICE("close"));
    }
    ck_assert_int_eq(http_stream_encode_headers(stream->stream, &headers, true), STATUS_OK);
}

static inline void server_complete(struct server_stream *stream) {
    stream->is_complete = true;
    if (stream->server->answers) {
        server_answer(stream, 200);
    }
}

static inline void server_on_headers(void *arg, struct header_map *headers, bool end_stream) {
    (void)headers;
    if (end_stream) {
        server_complete(arg);
    }
}

static inline void server_on_data_frame(void *arg, struct buffer *data, bool end_stream) {
    struct server_stream *stream = arg;
    stream->body_bytes += data->len;
    buffer_clear(data);
    if (end_stream) {
        server_complete(stream);
    }
}

static inline void server_on_trailers(void *arg, struct header_map *trailers) {
    (void)trailers;
    server_complete(arg);
}

static inline void server_on_reset(void *arg, enum http_reset_reason reason, const char *detail) {
    (void)reason;
    (void)detail;
    ((struct server_stream *)arg)->is_gone = true;
}

static inline void server_on_closed(void *arg) {
    ((struct server_stream *)arg)->is_gone = true;
}

static inline void server_ignore(void *arg) {
    (void)arg;
}

static const struct http_stream_sink_ops server_sink_ops = {
    .on_headers = server_on_headers,
    .on_data = server_on_data_frame,
    .on_trailers = server_on_trailers,
    .on_reset = server_on_reset,
    .on_stream_closed = server_on_closed,
    .on_above_high_watermark = server_ignore,
    .on_below_low_watermark = server_ignore,
};

static inline bool server_on_new_stream(void *arg, struct http_codec_stream *codec_stream,
                                        struct http_stream_sink *sink) {
    struct server_connection *connection = arg;
    struct server *server = connection->server;
    ck_assert_uint_lt(server->request_count, MAX_SERVER_STREAMS);
    struct server_stream *stream = mem_calloc(1, sizeof(*stream));
    stream->server = server;
    stream->connection = connection;
    stream->stream = codec_stream;
    arena_init_heap(&stream->arena, 0);
    server->streams[server->request_count++] = stream;
    *sink =
        (struct http_stream_sink){.ops = &server_sink_ops, .arg = stream, .arena = &stream->arena};
    return true;
}

static inline void server_on_bad_request(void *arg, struct http_codec_stream *stream,
                                         uint32_t status, const char *detail) {
    (void)arg;
    (void)stream;
    ck_abort_msg("bad request %u: %s", (unsigned)status, detail);
}

static inline void server_on_output(void *arg) {
    connection_output_added(((struct server_connection *)arg)->connection);
}

static const struct http_codec_callbacks server_codec_callbacks = {
    .on_new_stream = server_on_new_stream,
    .on_bad_request = server_on_bad_request,
    .on_output = server_on_output,
};

static inline void server_on_data(void *arg, struct buffer *input, bool end_stream) {
    struct server_connection *connection = arg;
    (void)end_stream;
    struct error err = {0};
    ck_assert_msg(http_codec_dispatch(connection->codec, input, &err) == STATUS_OK, "%s",
                  err.message);
}

static inline void server_on_event(void *arg, enum connection_event event) {
    struct server_connection *connection = arg;
    if (event != CONNECTION_CONNECTED && !connection->is_closed) {
        connection->is_closed = true;
        http_codec_connection_lost(connection->codec, HTTP_RESET_CONNECTION_TERMINATION, "closed");
    }
}

static const struct connection_callbacks server_callbacks = {
    .on_data = server_on_data,
    .on_event = server_on_event,
};

static inline void server_accept(void *arg, unsigned flags) {
    struct server *server = arg;
    (void)flags;
    int fd;
    struct address remote;
    struct error err = {0};
    while (socket_accept(server->fd, &fd, &remote, &err) == STATUS_OK) {
        struct server_connection *connection = mem_calloc(1, sizeof(*connection));
        connection->server = server;
        struct connection_options options = {.io = server->io,
                                             .transport = raw_transport_new(),
                                             .callbacks = &server_callbacks,
                                             .arg = connection};
        connection->connection =
            connection_new_server(&options, fd, &server->address, &remote, NULL, &err);
        ck_assert_ptr_nonnull(connection->connection);
        struct http_codec_options codec = {.io = server->io,
                                           .callbacks = &server_codec_callbacks,
                                           .arg = connection,
                                           .output = connection_output(connection->connection)};
        connection->codec = server->is_http2
                                ? http2_server_codec_new(&codec, &(struct http2_options){0})
                                : http1_server_codec_new(&codec, &(struct http1_options){0});
        ck_assert_uint_lt(server->connection_count, MAX_SERVER_STREAMS);
        server->connections[server->connection_count++] = connection;
    }
}

static inline void server_init(struct server *server, struct io_context *io, bool is_http2) {
    *server = (struct server){.io = io, .is_http2 = is_http2, .answers = true};
    struct error err = {0};
    struct address any;
    ck_assert_int_eq(address_from_text(&any, SLICE("127.0.0.1:0"), &err), STATUS_OK);
    ck_assert_int_eq(socket_listen(&any, &(struct socket_listen_options){0}, &server->fd, &err),
                     STATUS_OK);
    ck_assert_int_eq(socket_local_address(server->fd, &server->address, &err), STATUS_OK);
    ck_assert_int_eq(
        event_loop_watch_level(io->loop, &server->watch, server->fd, server_accept, server),
        STATUS_OK);
}

static inline void server_close_connection(struct server_connection *connection) {
    if (!connection->is_closed) {
        connection_close(connection->connection, CONNECTION_CLOSE_NOW);
    }
}

static inline uint32_t server_open_connections(const struct server *server) {
    uint32_t open = 0;
    for (uint32_t i = 0; i < server->connection_count; i++) {
        open += server->connections[i]->is_closed ? 0 : 1;
    }
    return open;
}

static inline void server_deinit(struct server *server) {
    event_loop_unwatch(server->io->loop, &server->watch);
    close(server->fd);
    for (uint32_t i = 0; i < server->connection_count; i++) {
        struct server_connection *connection = server->connections[i];
        http_codec_connection_lost(connection->codec, HTTP_RESET_CONNECTION_TERMINATION, "end");
        http_codec_free(connection->codec);
        connection_free(connection->connection);
        mem_free(connection);
    }
    for (uint32_t i = 0; i < server->request_count; i++) {
        arena_deinit(&server->streams[i]->arena);
        mem_free(server->streams[i]);
    }
}

#endif
