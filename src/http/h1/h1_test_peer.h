// SPDX-License-Identifier: Apache-2.0
/*
 * For tests and fuzz targets: one codec with a sink that writes down what it hears, in a text that two
 * runs can be compared by. Data events that follow each other are one entry, since where they are cut
 * is no promise. Answers by itself when asked to.
 */
#ifndef SRC_HTTP_H1_H1_TEST_PEER_H
#define SRC_HTTP_H1_H1_TEST_PEER_H

#include <stdio.h>
#include <stdlib.h>

#include "src/base/check.h"
#include "src/event/io_context.h"
#include "src/http/codec.h"

enum { H1_TEST_TEXT_BYTES = 1 << 16 };

struct h1_test_peer {
    struct io_context io;
    struct arena arena;
    struct buffer input, output;
    struct http_codec *codec;
    struct http_codec_stream *stream; /* open */
    struct http_codec_callbacks callbacks;
    bool answers;         /* requests with 200, bad ones with their status */
    bool grants_upgrades; /* with 101, or 200 for CONNECT */
    bool is_server, in_data, is_upgrade, is_connect;
    uint32_t requests, bad_requests, closed, resets, goaways, above, below, informational;
    bool ended;                 /* the message being received is complete */
    struct header_map *headers; /* of the last message */
    size_t body_at, body_len;   /* its body in `text` */
    enum status last;
    char text[H1_TEST_TEXT_BYTES];
    size_t text_len;
};

static inline void h1_test_note(struct h1_test_peer *peer, const void *bytes, size_t len) {
    const char *from = (const char *)bytes;
    for (size_t i = 0; i < len && peer->text_len < sizeof(peer->text) - 1; i++) {
        peer->text[peer->text_len++] = from[i];
    }
    peer->text[peer->text_len] = '\0';
}

static inline void h1_test_event(struct h1_test_peer *peer, const char *name, const char *detail) {
    peer->in_data = false;
    if (peer->text_len > 0) {
        h1_test_note(peer, "\n", 1);
    }
    h1_test_note(peer, name, strlen(name));
    h1_test_note(peer, detail, strlen(detail));
}

static inline void h1_test_map(struct h1_test_peer *peer, const char *name,
                               const struct header_map *map, bool end_stream) {
    h1_test_event(peer, name, "");
    uint32_t at = 0;
    const struct header_entry *entry;
    while ((entry = header_map_next(map, &at)) != NULL) {
        h1_test_note(peer, " ", 1);
        h1_test_note(peer, header_entry_name(entry).ptr, header_entry_name(entry).len);
        h1_test_note(peer, "=", 1);
        h1_test_note(peer, header_entry_value(entry).ptr, header_entry_value(entry).len);
    }
    if (end_stream) {
        h1_test_note(peer, " END", 4);
    }
}

/* Answers the open stream with `status` and a short body. */
static inline void h1_test_answer(struct h1_test_peer *peer, const char *status) {
    struct http_codec_stream *stream = peer->stream;
    struct header_map headers;
    header_map_init(&headers, &peer->arena);
    header_map_append(&headers, HEADER_STATUS, slice_from_string(status));
    bool is_tunnel = peer->grants_upgrades && (peer->is_upgrade || peer->is_connect);
    if (is_tunnel && peer->is_upgrade) {
        header_map_set(&headers, HEADER_STATUS, SLICE("101"));
        header_map_append(&headers, HEADER_CONNECTION, SLICE("upgrade"));
        header_map_append(&headers, HEADER_UPGRADE, SLICE("websocket"));
    }
    if (!is_tunnel) {
        header_map_append(&headers, HEADER_CONTENT_LENGTH, SLICE("2"));
    }
    CHECK(http_stream_encode_headers(stream, &headers, false) == STATUS_OK);
    if (is_tunnel) {
        return;
    }
    struct buffer body;
    buffer_init(&body, &peer->io.buffers);
    buffer_append(&body, SLICE("ok"));
    http_stream_encode_data(stream, &body, true);
    buffer_deinit(&body);
}

static inline void h1_test_ended(struct h1_test_peer *peer) {
    peer->ended = true;
    if (peer->answers && peer->is_server) {
        h1_test_answer(peer, "200");
    }
}

static inline void h1_test_on_headers(void *arg, struct header_map *headers, bool end_stream) {
    struct h1_test_peer *peer = (struct h1_test_peer *)arg;
    h1_test_map(peer, "HEADERS", headers, end_stream);
    peer->headers = headers;
    peer->requests++;
    peer->is_upgrade = http_is_upgrade(headers);
    peer->is_connect = http_is_connect(headers);
    if (end_stream) {
        h1_test_ended(peer);
    } else if (peer->is_server && peer->answers && (peer->is_upgrade || peer->is_connect)) {
        h1_test_answer(peer, peer->grants_upgrades ? "200" : "403");
    }
}

static inline void h1_test_on_informational(void *arg, struct header_map *headers) {
    struct h1_test_peer *peer = (struct h1_test_peer *)arg;
    peer->informational++;
    h1_test_map(peer, "INTERIM", headers, false);
}

static inline void h1_test_on_data(void *arg, struct buffer *data, bool end_stream) {
    struct h1_test_peer *peer = (struct h1_test_peer *)arg;
    if (!peer->in_data && data->len > 0) {
        h1_test_event(peer, "DATA ", "");
        peer->in_data = true;
        peer->body_at = peer->text_len;
        peer->body_len = 0;
    }
    while (data->len > 0) {
        struct slice front = buffer_front(data);
        h1_test_note(peer, front.ptr, front.len);
        peer->body_len = peer->text_len - peer->body_at;
        buffer_drain(data, front.len);
    }
    if (end_stream) {
        h1_test_event(peer, "END", "");
        h1_test_ended(peer);
    }
}

static inline void h1_test_on_trailers(void *arg, struct header_map *trailers) {
    struct h1_test_peer *peer = (struct h1_test_peer *)arg;
    h1_test_map(peer, "TRAILERS", trailers, true);
    h1_test_ended(peer);
}

static inline void h1_test_on_reset(void *arg, enum http_reset_reason reason, const char *detail) {
    struct h1_test_peer *peer = (struct h1_test_peer *)arg;
    h1_test_event(peer, "RESET ", http_reset_reason_name(reason));
    h1_test_event(peer, " ", detail);
    peer->resets++;
    peer->stream = NULL;
}

static inline void h1_test_on_closed(void *arg) {
    struct h1_test_peer *peer = (struct h1_test_peer *)arg;
    peer->closed++;
    peer->stream = NULL;
}

static inline void h1_test_on_above(void *arg) {
    ((struct h1_test_peer *)arg)->above++;
}

static inline void h1_test_on_below(void *arg) {
    ((struct h1_test_peer *)arg)->below++;
}

static const struct http_stream_sink_ops h1_test_sink_ops = {
    .on_headers = h1_test_on_headers,
    .on_informational = h1_test_on_informational,
    .on_data = h1_test_on_data,
    .on_trailers = h1_test_on_trailers,
    .on_reset = h1_test_on_reset,
    .on_stream_closed = h1_test_on_closed,
    .on_above_high_watermark = h1_test_on_above,
    .on_below_low_watermark = h1_test_on_below,
};

static inline bool h1_test_on_new_stream(void *arg, struct http_codec_stream *stream,
                                         struct http_stream_sink *sink) {
    struct h1_test_peer *peer = (struct h1_test_peer *)arg;
    peer->stream = stream;
    peer->ended = false;
    *sink = (struct http_stream_sink){.ops = &h1_test_sink_ops, .arg = peer, .arena = &peer->arena};
    return true;
}

static inline void h1_test_on_bad_request(void *arg, struct http_codec_stream *stream,
                                          uint32_t status, const char *detail) {
    struct h1_test_peer *peer = (struct h1_test_peer *)arg;
    char line[8];
    (void)snprintf(line, sizeof(line), "%u", status);
    h1_test_event(peer, "BAD ", line);
    h1_test_note(peer, " ", 1);
    h1_test_note(peer, detail, strlen(detail));
    peer->bad_requests++;
    peer->is_upgrade = false;
    peer->is_connect = false;
    CHECK(stream == peer->stream);
    if (peer->answers) {
        h1_test_answer(peer, line);
    }
}

static inline void h1_test_on_goaway(void *arg, bool by_peer) {
    (void)by_peer;
    ((struct h1_test_peer *)arg)->goaways++;
}

static inline void h1_test_on_output(void *arg) {
    (void)arg;
}

static inline void h1_test_io_init(struct io_context *io) {
    memset(io, 0, sizeof(*io));
    buffer_pool_init(&io->buffers);
    block_pool_init(&io->arena_blocks, IO_ARENA_BLOCK_BYTES, 16);
}

static inline struct h1_test_peer *
h1_test_peer_new(bool is_server, struct http_codec_options options, struct http1_options http1) {
    struct h1_test_peer *peer = (struct h1_test_peer *)calloc(1, sizeof(*peer));
    CHECK(peer != NULL);
    h1_test_io_init(&peer->io);
    arena_init(&peer->arena, &peer->io.arena_blocks);
    buffer_init(&peer->input, &peer->io.buffers);
    buffer_init(&peer->output, &peer->io.buffers);
    peer->callbacks.on_new_stream = h1_test_on_new_stream;
    peer->callbacks.on_bad_request = h1_test_on_bad_request;
    peer->callbacks.on_goaway = h1_test_on_goaway;
    peer->callbacks.on_output = h1_test_on_output;
    peer->is_server = is_server;
    peer->answers = is_server;
    options.io = &peer->io;
    options.callbacks = &peer->callbacks;
    options.arg = peer;
    options.output = &peer->output;
    peer->codec = is_server ? http1_server_codec_new(&options, &http1)
                            : http1_client_codec_new(&options, &http1);
    return peer;
}

/* Client: opens the stream that the next response belongs to. */
static inline struct http_codec_stream *h1_test_open(struct h1_test_peer *peer) {
    struct http_stream_sink sink = {.ops = &h1_test_sink_ops, .arg = peer, .arena = &peer->arena};
    peer->ended = false;
    peer->stream = http_codec_new_stream(peer->codec, &sink);
    return peer->stream;
}

static inline enum status h1_test_feed(struct h1_test_peer *peer, const void *bytes, size_t len) {
    buffer_append(&peer->input, slice_make(bytes, len));
    peer->last = http_codec_dispatch(peer->codec, &peer->input, NULL);
    return peer->last;
}

/* Each call's bytes are a fragment of their own, so that lines cross chunks. */
static inline enum status h1_test_feed_apart(struct h1_test_peer *peer, const void *bytes,
                                             size_t len) {
    if (len > 0) {
        buffer_append_external(&peer->input, slice_make(bytes, len), NULL, NULL);
    }
    peer->last = http_codec_dispatch(peer->codec, &peer->input, NULL);
    return peer->last;
}

static inline void h1_test_peer_free(struct h1_test_peer *peer) {
    http_codec_connection_lost(peer->codec, HTTP_RESET_CONNECTION_TERMINATION, "test");
    http_codec_free(peer->codec);
    buffer_deinit(&peer->input);
    buffer_deinit(&peer->output);
    arena_deinit(&peer->arena);
    block_pool_deinit(&peer->io.arena_blocks);
    buffer_pool_deinit(&peer->io.buffers);
    free(peer);
}

/* The output as one string in the peer's arena. */
static inline const char *h1_test_output(struct h1_test_peer *peer) {
    if (peer->output.len == 0) {
        return "";
    }
    struct slice all = buffer_linearize(&peer->output, peer->output.len);
    return arena_dup_string(&peer->arena, all);
}

#endif
