// SPDX-License-Identifier: Apache-2.0
/*
 * An HTTP/2 server on the codec alone, for conformance tools (h2spec, h2load): listens on a loopback
 * port, prints it, answers every request with 200 and a body of the size named in its path ("/1000";
 * 64 bytes otherwise) after the request's end. Cleartext with prior knowledge. Ends when its standard
 * input is closed.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/http/codec.h"

enum { MAX_BODY_BYTES = 16 * 1024 * 1024, READ_BYTES = 65536, LINGER_READS = 64 };

struct peer_server {
    struct io_context io;
    struct event_watch listener, input;
    struct http2_options http2;
};

struct peer_connection {
    struct peer_server *server;
    int fd;
    struct event_watch watch;
    struct event_deferred flush;
    struct http_codec *codec;
    struct buffer input, output;
    bool is_ending; /* flush, then close */
};

struct peer_stream {
    struct http_codec_stream *stream;
    struct peer_connection *connection;
    struct arena arena;
    struct header_map *headers;
};

static void stream_free(struct peer_stream *s) {
    arena_deinit(&s->arena);
    mem_free(s);
}

static void answer(struct peer_stream *s) {
    struct slice path = header_map_get(s->headers, HEADER_PATH);
    uint64_t len;
    if (slice_parse_uint64(slice_sub(path, 1, path.len), &len) != STATUS_OK ||
        len > MAX_BODY_BYTES) {
        len = 64;
    }
    struct header_map map;
    header_map_init(&map, &s->arena);
    header_map_append(&map, HEADER_STATUS, SLICE("200"));
    header_map_append(&map, HEADER_CONTENT_TYPE, SLICE("text/plain"));
    header_map_set_uint(&map, HEADER_CONTENT_LENGTH, len);
    if (http_stream_encode_headers(s->stream, &map, len == 0) != STATUS_OK || len == 0) {
        return;
    }
    static const uint8_t block[4096] = {'.'};
    struct buffer body;
    buffer_init(&body, &s->connection->server->io.buffers);
    for (uint64_t left = len; left > 0;) {
        size_t part = left < sizeof(block) ? (size_t)left : sizeof(block);
        buffer_append_external(&body, slice_make(block, part), NULL, NULL);
        left -= part;
    }
    http_stream_encode_data(s->stream, &body, true);
    buffer_deinit(&body);
}

static void on_headers(void *arg, struct header_map *headers, bool end_stream) {
    struct peer_stream *s = arg;
    s->headers = headers;
    if (end_stream) {
        answer(s);
    }
}
static void on_informational(void *arg, struct header_map *headers) {
    (void)arg;
    (void)headers;
}
static void on_data(void *arg, struct buffer *data, bool end_stream) {
    buffer_clear(data);
    if (end_stream) {
        answer(arg);
    }
}
static void on_trailers(void *arg, struct header_map *trailers) {
    (void)trailers;
    answer(arg);
}
static void on_reset(void *arg, enum http_reset_reason reason, const char *detail) {
    (void)reason;
    (void)detail;
    stream_free(arg);
}
static void on_closed(void *arg) {
    stream_free(arg);
}
static void on_watermark(void *arg) {
    (void)arg;
}

static const struct http_stream_sink_ops sink_ops = {
    on_headers, on_informational, on_data,      on_trailers,
    on_reset,   on_closed,        on_watermark, on_watermark,
};

static bool on_new_stream(void *arg, struct http_codec_stream *stream,
                          struct http_stream_sink *sink) {
    struct peer_connection *connection = arg;
    struct peer_stream *s = mem_calloc(1, sizeof(*s));
    s->stream = stream;
    s->connection = connection;
    arena_init(&s->arena, &connection->server->io.arena_blocks);
    *sink = (struct http_stream_sink){.ops = &sink_ops, .arg = s, .arena = &s->arena};
    return true;
}
static void on_bad_request(void *arg, struct http_codec_stream *stream, uint32_t status,
                           const char *detail) {
    (void)arg;
    (void)status;
    (void)detail;
    http_stream_reset(stream, HTTP_RESET_PROTOCOL_ERROR);
}
static void on_output(void *arg) {
    struct peer_connection *connection = arg;
    event_loop_defer(connection->server->io.loop, &connection->flush);
}
static const struct http_codec_callbacks codec_callbacks = {
    .on_new_stream = on_new_stream,
    .on_bad_request = on_bad_request,
    .on_output = on_output,
};

static void connection_free(struct peer_connection *connection) {
    struct event_loop *loop = connection->server->io.loop;
    http_codec_connection_lost(connection->codec, HTTP_RESET_CONNECTION_TERMINATION, "");
    http_codec_free(connection->codec);
    event_loop_defer_cancel(&connection->flush);
    event_loop_unwatch(loop, &connection->watch);
    close(connection->fd);
    buffer_deinit(&connection->input);
    buffer_deinit(&connection->output);
    mem_free(connection);
}

/* False: the connection is broken. */
static bool write_output(struct peer_connection *connection) {
    while (connection->output.len > 0) {
        struct iovec vecs[64];
        size_t total;
        int count = buffer_peek_iovecs(&connection->output, vecs, 64, &total);
        ssize_t len = writev(connection->fd, vecs, count);
        if (len < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        buffer_drain(&connection->output, (size_t)len);
        http_codec_output_drained(connection->codec);
    }
    return true;
}

/* So that the peer reads our GOAWAY before it sees the reset that unread input would cause. */
static void drain_input(int fd) {
    uint8_t bytes[READ_BYTES];
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < LINGER_READS && recv(fd, bytes, sizeof(bytes), 0) > 0; i++) {
    }
}

static void flush_connection(void *arg) {
    struct peer_connection *connection = arg;
    bool is_sound = write_output(connection);
    if (!is_sound || (connection->is_ending && connection->output.len == 0)) {
        drain_input(connection->fd);
        connection_free(connection);
    }
}

static void read_connection(struct peer_connection *connection) {
    for (;;) {
        struct iovec vec;
        buffer_reserve(&connection->input, READ_BYTES, &vec, 1);
        ssize_t len = recv(connection->fd, vec.iov_base, vec.iov_len, 0);
        buffer_commit(&connection->input, len > 0 ? (size_t)len : 0);
        buffer_trim(&connection->input);
        if (len < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (len <= 0 ||
            http_codec_dispatch(connection->codec, &connection->input, NULL) != STATUS_OK) {
            connection->is_ending = true;
            event_loop_defer(connection->server->io.loop, &connection->flush);
            return;
        }
    }
}

static void on_ready(void *arg, unsigned flags) {
    struct peer_connection *connection = arg;
    if ((flags & (EVENT_READ | EVENT_ERROR)) != 0 && !connection->is_ending) {
        read_connection(connection);
    }
    event_loop_defer(connection->server->io.loop, &connection->flush);
}

static void on_accept(void *arg, unsigned flags) {
    (void)flags;
    struct peer_server *server = arg;
    int fd;
    while ((fd = accept4(server->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        struct peer_connection *connection = mem_calloc(1, sizeof(*connection));
        connection->server = server;
        connection->fd = fd;
        buffer_init(&connection->input, &server->io.buffers);
        buffer_init(&connection->output, &server->io.buffers);
        event_deferred_init(&connection->flush, flush_connection, connection);
        struct http_codec_options options = {
            .io = &server->io,
            .callbacks = &codec_callbacks,
            .arg = connection,
            .output = &connection->output,
        };
        connection->codec = http2_server_codec_new(&options, &server->http2);
        connection->watch.fd = -1;
        if (event_loop_watch(server->io.loop, &connection->watch, fd, on_ready, connection) !=
            STATUS_OK) {
            connection_free(connection);
        }
    }
}

static void on_input(void *arg, unsigned flags) {
    (void)flags;
    struct peer_server *server = arg;
    char byte;
    if (read(0, &byte, 1) <= 0) {
        event_loop_stop(server->io.loop);
    }
}

static int listen_on(uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof(address);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 512) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        perror("listen");
        exit(1);
    }
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv) {
    struct peer_server server = {.http2 = {.max_concurrent_streams = 100}};
    uint64_t port = 0;
    if (argc > 1 && slice_parse_uint64(slice_from_string(argv[1]), &port) != STATUS_OK) {
        fprintf(stderr, "usage: %s [port]\n", argv[0]);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (io_context_init(&server.io, 0, clock_system(), NULL) != STATUS_OK) {
        return 1;
    }
    server.listener.fd = -1;
    server.input.fd = -1;
    CHECK(event_loop_watch_level(server.io.loop, &server.listener, listen_on((uint16_t)port),
                                 on_accept, &server) == STATUS_OK);
    CHECK(event_loop_watch_level(server.io.loop, &server.input, 0, on_input, &server) == STATUS_OK);
    event_loop_run(server.io.loop);
    return 0;
}
