// SPDX-License-Identifier: Apache-2.0
/*
 * For the tests of this folder: codecs of both roles with owners that write down
 * what they hear. Everything is in memory; an end's output buffer is the other's input.
 */
#ifndef SRC_HTTP_H2_H2_TEST_PEER_H
#define SRC_HTTP_H2_H2_TEST_PEER_H

#include <check.h>
#include <stdio.h>

#include "src/base/check.h"
#include "src/http/codec.h"
#include "src/http/h2/h2_test_world.h"

enum { TEST_MAX_STREAMS = 4096 };

/* An owner's view of one stream. */
struct test_stream {
    struct test_end *end;
    struct http_codec_stream *stream; /* NULL when it is over */
    struct arena arena;
    struct header_map *headers;
    struct header_map *trailers;
    struct buffer body;
    uint32_t informational_count, data_calls;
    uint32_t bad_status;
    bool has_ended; /* the peer's direction */
    bool was_reset, was_closed;
    bool is_above_high;
    uint32_t above_high_count, below_low_count;
    enum http_reset_reason reason;
    const char *detail;
};

/* A codec and its owner. */
struct test_end {
    struct test_world *world;
    struct http_codec *codec;
    struct buffer output;
    struct test_stream *streams;
    uint32_t stream_count;
    bool refuse_streams;
    bool answer_at_once; /* 200, end of stream */
    bool reset_at_headers;
    bool is_failed;
    struct error err;
    uint32_t output_count, goaway_count, pong_count, max_streams;
};

static inline struct test_stream *test_stream_add(struct test_end *end) {
    ck_assert_uint_lt(end->stream_count, TEST_MAX_STREAMS);
    struct test_stream *s = &end->streams[end->stream_count++];
    s->end = end;
    arena_init(&s->arena, &end->world->io.arena_blocks);
    buffer_init(&s->body, &end->world->io.buffers);
    return s;
}

static inline void test_answer(struct test_stream *s, const char *status, const char *body) {
    struct header_map map;
    header_map_init(&map, &s->arena);
    header_map_append(&map, HEADER_STATUS, slice_from_string(status));
    ck_assert_int_eq(http_stream_encode_headers(s->stream, &map, body == NULL), STATUS_OK);
    if (body != NULL) {
        struct buffer data;
        buffer_init(&data, &s->end->world->io.buffers);
        buffer_append(&data, slice_from_string(body));
        http_stream_encode_data(s->stream, &data, true);
        buffer_deinit(&data);
    }
}

static inline void test_request_done(struct test_stream *s) {
    s->has_ended = true;
    if (s->end->answer_at_once) {
        test_answer(s, "200", NULL);
    }
}

static inline void test_on_headers(void *arg, struct header_map *headers, bool end_stream) {
    struct test_stream *s = arg;
    ck_assert_ptr_null(s->headers);
    s->headers = headers;
    if (s->end->reset_at_headers) {
        http_stream_reset(s->stream, HTTP_RESET_LOCAL);
        s->stream = NULL;
        return;
    }
    if (end_stream) {
        test_request_done(s);
    }
}
static inline void test_on_informational(void *arg, struct header_map *headers) {
    struct test_stream *s = arg;
    (void)headers;
    s->informational_count++;
}
static inline void test_on_data(void *arg, struct buffer *data, bool end_stream) {
    struct test_stream *s = arg;
    ck_assert_ptr_nonnull(s->headers);
    ck_assert(!s->has_ended);
    s->data_calls++;
    buffer_move(&s->body, data);
    if (end_stream) {
        test_request_done(s);
    }
}
static inline void test_on_trailers(void *arg, struct header_map *trailers) {
    struct test_stream *s = arg;
    ck_assert(!s->has_ended);
    s->trailers = trailers;
    test_request_done(s);
}
static inline void test_on_reset(void *arg, enum http_reset_reason reason, const char *detail) {
    struct test_stream *s = arg;
    ck_assert(!s->was_reset && !s->was_closed);
    s->was_reset = true;
    s->reason = reason;
    s->detail = detail;
    s->stream = NULL;
}
static inline void test_on_closed(void *arg) {
    struct test_stream *s = arg;
    ck_assert(!s->was_reset && !s->was_closed);
    s->was_closed = true;
    s->stream = NULL;
}
static inline void test_on_above_high(void *arg) {
    struct test_stream *s = arg;
    s->is_above_high = true;
    s->above_high_count++;
}
static inline void test_on_below_low(void *arg) {
    struct test_stream *s = arg;
    s->is_above_high = false;
    s->below_low_count++;
}

static const struct http_stream_sink_ops test_sink_ops = {
    .on_headers = test_on_headers,
    .on_informational = test_on_informational,
    .on_data = test_on_data,
    .on_trailers = test_on_trailers,
    .on_reset = test_on_reset,
    .on_stream_closed = test_on_closed,
    .on_above_high_watermark = test_on_above_high,
    .on_below_low_watermark = test_on_below_low,
};

static inline bool test_on_new_stream(void *arg, struct http_codec_stream *stream,
                                      struct http_stream_sink *sink) {
    struct test_end *end = arg;
    if (end->refuse_streams) {
        return false;
    }
    struct test_stream *s = test_stream_add(end);
    s->stream = stream;
    *sink = (struct http_stream_sink){.ops = &test_sink_ops, .arg = s, .arena = &s->arena};
    return true;
}
static inline void test_on_bad_request(void *arg, struct http_codec_stream *stream, uint32_t status,
                                       const char *detail) {
    struct test_end *end = arg;
    (void)detail;
    for (uint32_t i = 0; i < end->stream_count; i++) {
        if (end->streams[i].stream == stream) {
            end->streams[i].bad_status = status;
        }
    }
}
static inline void test_on_goaway(void *arg, bool by_peer) {
    (void)by_peer;
    struct test_end *end = arg;
    end->goaway_count++;
}
static inline void test_on_max_streams(void *arg, uint32_t max_streams) {
    struct test_end *end = arg;
    end->max_streams = max_streams;
}
static inline void test_on_output(void *arg) {
    struct test_end *end = arg;
    end->output_count++;
}
static inline void test_on_pong(void *arg) {
    struct test_end *end = arg;
    end->pong_count++;
}

static const struct http_codec_callbacks test_callbacks = {
    .on_new_stream = test_on_new_stream,
    .on_bad_request = test_on_bad_request,
    .on_goaway = test_on_goaway,
    .on_max_streams = test_on_max_streams,
    .on_output = test_on_output,
    .on_pong = test_on_pong,
};

static inline void test_end_init(struct test_end *end, struct test_world *world, bool is_server,
                                 struct http_codec_options options,
                                 const struct http2_options *http2) {
    *end = (struct test_end){.world = world};
    end->streams = mem_calloc(TEST_MAX_STREAMS, sizeof(*end->streams));
    buffer_init(&end->output, &world->io.buffers);
    options.io = &world->io;
    options.callbacks = &test_callbacks;
    options.arg = end;
    options.output = &end->output;
    end->codec = is_server ? http2_server_codec_new(&options, http2)
                           : http2_client_codec_new(&options, http2);
}
static inline void test_end_deinit(struct test_end *end) {
    http_codec_connection_lost(end->codec, HTTP_RESET_CONNECTION_TERMINATION, "");
    http_codec_free(end->codec);
    for (uint32_t i = 0; i < end->stream_count; i++) {
        buffer_deinit(&end->streams[i].body);
        arena_deinit(&end->streams[i].arena);
    }
    buffer_deinit(&end->output);
    mem_free(end->streams);
}
static inline void test_end_feed(struct test_end *end, struct buffer *bytes) {
    if (end->is_failed) {
        buffer_clear(bytes);
        return;
    }
    end->is_failed = http_codec_dispatch(end->codec, bytes, &end->err) != STATUS_OK;
}

static inline void test_add(struct header_map *map, const char *name, const char *value) {
    header_map_append_name(map, slice_from_string(name), slice_from_string(value));
}
static inline void test_request_map(struct header_map *map, struct arena *arena,
                                    const char *method) {
    header_map_init(map, arena);
    test_add(map, ":method", method);
    test_add(map, ":scheme", "http");
    test_add(map, ":path", "/a?b=c");
    test_add(map, ":authority", "example.com");
}
static inline struct test_stream *test_open(struct test_end *client) {
    struct test_stream *s = test_stream_add(client);
    struct http_stream_sink sink = {.ops = &test_sink_ops, .arg = s, .arena = &s->arena};
    s->stream = http_codec_new_stream(client->codec, &sink);
    return s;
}
static inline struct test_stream *test_request(struct test_end *client, const char *method,
                                               bool end_stream) {
    struct test_stream *s = test_open(client);
    struct header_map map;
    test_request_map(&map, &s->arena, method);
    ck_assert_int_eq(http_stream_encode_headers(s->stream, &map, end_stream), STATUS_OK);
    return s;
}
static inline void test_send(struct test_stream *s, size_t len, bool end_stream) {
    struct buffer data;
    buffer_init(&data, &s->end->world->io.buffers);
    uint8_t block[1024];
    memset(block, 'x', sizeof(block));
    while (len > 0) {
        size_t part = len < sizeof(block) ? len : sizeof(block);
        buffer_append(&data, slice_make(block, part));
        len -= part;
    }
    http_stream_encode_data(s->stream, &data, end_stream);
    buffer_deinit(&data);
}

#endif
