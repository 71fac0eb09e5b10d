// SPDX-License-Identifier: Apache-2.0
/*
 * The owner of a fuzzed HTTP/2 codec: answers, resets or pauses streams as the input's first byte says,
 * and checks the codec's promises. Each input is run twice, the second time with a session that is packed
 * in the turn after its last stream.
 */
#ifndef TESTS_FUZZ_H2_FUZZ_OWNER_H
#define TESTS_FUZZ_H2_FUZZ_OWNER_H

#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/http/codec.h"
#include "src/http/h2/h2_shared.h"

enum fuzz_behaviour {
    FUZZ_STREAM_ERRORS = 1,    /* malformed messages end the stream only */
    FUZZ_ANSWER_EARLY = 2,     /* at the headers instead of the end */
    FUZZ_RESET_ON_HEADERS = 4, /* every other stream */
    FUZZ_READ_DISABLE = 8,
    FUZZ_TRAILERS = 16,
    FUZZ_NEVER_READS = 32, /* the peer: the output is not emptied */
    FUZZ_ALLOW_CONNECT = 64,
    FUZZ_RESET_OTHERS = 128, /* from within callbacks */
};

struct fuzz_stream {
    struct list_node node;
    struct fuzz_world *world;
    struct http_codec_stream *stream;
    struct arena arena;
    uint32_t number;
    bool has_headers, has_ended, has_answered, is_over;
};

struct fuzz_world {
    struct virtual_clock clock;
    struct io_context io;
    struct http_codec *codec;
    struct buffer output;
    struct list_node streams;
    uint32_t count;
    uint8_t behaviour;
    bool is_failed;
};

static inline void fuzz_end(struct fuzz_stream *s) {
    CHECK(!s->is_over);
    s->is_over = true;
    list_remove(&s->node);
    arena_deinit(&s->arena);
    mem_free(s);
}

static inline void fuzz_reset(struct fuzz_stream *s) {
    http_stream_reset(s->stream, HTTP_RESET_LOCAL);
    fuzz_end(s);
}

static inline void fuzz_body(struct fuzz_stream *s, size_t len, bool end_stream) {
    struct buffer data;
    buffer_init(&data, &s->world->io.buffers);
    uint8_t block[2048] = {'b'};
    for (; len > 0; len -= len < sizeof(block) ? len : sizeof(block)) {
        buffer_append(&data, slice_make(block, len < sizeof(block) ? len : sizeof(block)));
    }
    http_stream_encode_data(s->stream, &data, end_stream);
    buffer_deinit(&data);
}

static inline void fuzz_answer(struct fuzz_stream *s) {
    if (s->has_answered || !s->has_headers) {
        return;
    }
    s->has_answered = true;
    struct header_map map;
    header_map_init(&map, &s->arena);
    header_map_append(&map, HEADER_STATUS, SLICE("200"));
    CHECK(http_stream_encode_headers(s->stream, &map, false) == STATUS_OK);
    bool has_trailers = (s->world->behaviour & FUZZ_TRAILERS) != 0;
    fuzz_body(s, s->number % 3 * 40000, !has_trailers);
    if (has_trailers) {
        struct header_map trailers;
        header_map_init(&trailers, &s->arena);
        header_map_append(&trailers, HEADER_GRPC_STATUS, SLICE("0"));
        http_stream_encode_trailers(s->stream, &trailers);
    }
}

static inline void fuzz_reset_another(struct fuzz_stream *s) {
    if ((s->world->behaviour & FUZZ_RESET_OTHERS) == 0 || s->number % 4 != 0) {
        return;
    }
    LIST_FOR_EACH (node, &s->world->streams) {
        struct fuzz_stream *other = LIST_ENTRY(node, struct fuzz_stream, node);
        if (other != s) {
            fuzz_reset(other);
            return;
        }
    }
}

static inline void fuzz_request_ended(struct fuzz_stream *s) {
    CHECK(!s->has_ended && !s->is_over);
    s->has_ended = true;
    fuzz_reset_another(s);
}

static inline void fuzz_on_server_headers(void *arg, struct header_map *headers, bool end_stream) {
    struct fuzz_stream *s = arg;
    CHECK(!s->has_headers && !s->has_ended && !s->is_over);
    CHECK(headers->bytes <= 60 * 1024 + 4096 && headers->live <= 100);
    s->has_headers = true;
    uint8_t behaviour = s->world->behaviour;
    if ((behaviour & FUZZ_READ_DISABLE) != 0) {
        http_stream_read_disable(s->stream, true);
    }
    if (end_stream) {
        fuzz_request_ended(s);
    }
    if ((behaviour & FUZZ_ANSWER_EARLY) != 0 || end_stream) {
        fuzz_answer(s);
    }
    if ((behaviour & FUZZ_RESET_ON_HEADERS) != 0 && s->number % 2 == 0) {
        fuzz_reset(s);
    }
}
static inline void fuzz_on_client_headers(void *arg, struct header_map *headers, bool end_stream) {
    struct fuzz_stream *s = arg;
    CHECK(!s->has_headers && !s->has_ended && !s->is_over);
    CHECK(http_status_of(headers) >= 200);
    s->has_headers = true;
    if (end_stream) {
        fuzz_request_ended(s);
    }
    if ((s->world->behaviour & FUZZ_RESET_ON_HEADERS) != 0) {
        fuzz_reset(s);
    }
}
static inline void fuzz_on_informational(void *arg, struct header_map *headers) {
    struct fuzz_stream *s = arg;
    CHECK(!s->has_headers && http_status_of(headers) < 200);
}
static inline void fuzz_on_data(void *arg, struct buffer *data, bool end_stream) {
    struct fuzz_stream *s = arg;
    CHECK(s->has_headers && !s->has_ended && !s->is_over);
    buffer_clear(data);
    if (end_stream) {
        fuzz_request_ended(s);
        fuzz_answer(s);
    }
}
static inline void fuzz_on_trailers(void *arg, struct header_map *trailers) {
    struct fuzz_stream *s = arg;
    CHECK(s->has_headers && !header_map_has(trailers, HEADER_PATH));
    fuzz_request_ended(s);
    fuzz_answer(s);
}
static inline void fuzz_on_reset(void *arg, enum http_reset_reason reason, const char *detail) {
    CHECK(http_reset_reason_name(reason) != NULL && detail != NULL);
    fuzz_end(arg);
}
static inline void fuzz_on_closed(void *arg) {
    struct fuzz_stream *s = arg;
    CHECK(s->has_ended && s->has_answered);
    fuzz_end(s);
}
static inline void fuzz_on_watermark(void *arg) {
    const struct fuzz_stream *s = arg;
    CHECK(!s->is_over);
}

static const struct http_stream_sink_ops fuzz_server_ops = {
    fuzz_on_server_headers, fuzz_on_informational, fuzz_on_data,      fuzz_on_trailers,
    fuzz_on_reset,          fuzz_on_closed,        fuzz_on_watermark, fuzz_on_watermark,
};
static const struct http_stream_sink_ops fuzz_client_ops = {
    fuzz_on_client_headers, fuzz_on_informational, fuzz_on_data,      fuzz_on_trailers,
    fuzz_on_reset,          fuzz_on_closed,        fuzz_on_watermark, fuzz_on_watermark,
};

static inline struct fuzz_stream *fuzz_stream_new(struct fuzz_world *world) {
    struct fuzz_stream *s = mem_calloc(1, sizeof(*s));
    s->world = world;
    s->number = world->count++;
    arena_init(&s->arena, &world->io.arena_blocks);
    list_push_back(&world->streams, &s->node);
    return s;
}

static inline bool fuzz_on_new_stream(void *arg, struct http_codec_stream *stream,
                                      struct http_stream_sink *sink) {
    struct fuzz_world *world = arg;
    if (world->count % 16 == 15) {
        world->count++;
        return false;
    }
    struct fuzz_stream *s = fuzz_stream_new(world);
    s->stream = stream;
    *sink = (struct http_stream_sink){.ops = &fuzz_server_ops, .arg = s, .arena = &s->arena};
    return true;
}
static inline void fuzz_on_bad_request(void *arg, struct http_codec_stream *stream, uint32_t status,
                                       const char *detail) {
    (void)arg;
    (void)stream;
    (void)detail;
    CHECK(status >= 400);
}
static inline void fuzz_on_event(void *arg) {
    (void)arg;
}
static inline void fuzz_on_max_streams(void *arg, uint32_t max_streams) {
    (void)arg;
    (void)max_streams;
}

static const struct http_codec_callbacks fuzz_callbacks = {
    fuzz_on_new_stream,  fuzz_on_bad_request, NULL,
    fuzz_on_max_streams, fuzz_on_event,       fuzz_on_event,
};

static inline bool fuzz_world_init(struct fuzz_world *world, uint8_t behaviour, bool is_server,
                                   bool packs_at_once) {
    *world = (struct fuzz_world){.behaviour = behaviour};
    virtual_clock_init(&world->clock, 1700000000000000);
    if (io_context_init(&world->io, 0, &world->clock.base, NULL) != STATUS_OK) {
        return false;
    }
    list_init(&world->streams);
    buffer_init(&world->output, &world->io.buffers);
    struct h2_shared *shared = h2_shared_get(&world->io);
    shared->rest.delay_ms = packs_at_once ? 0 : shared->rest.delay_ms;
    struct http_codec_options options = {
        .io = &world->io,
        .callbacks = &fuzz_callbacks,
        .arg = world,
        .output = &world->output,
        .stream_buffer_bytes = 10000,
    };
    struct http2_options http2 = {
        .max_concurrent_streams = 20,
        .stream_window_bytes = 65535,
        .connection_window_bytes = 65535,
        .allow_connect = (behaviour & FUZZ_ALLOW_CONNECT) != 0,
        .stream_error_on_invalid_message = (behaviour & FUZZ_STREAM_ERRORS) != 0,
    };
    world->codec = is_server ? http2_server_codec_new(&options, &http2)
                             : http2_client_codec_new(&options, &http2);
    h2_shared_unref(&world->io);
    return true;
}

static inline void fuzz_feed(struct fuzz_world *world, const uint8_t *bytes, size_t len) {
    if (world->is_failed) {
        return;
    }
    struct buffer input;
    buffer_init(&input, &world->io.buffers);
    buffer_append(&input, slice_make(bytes, len));
    world->is_failed = http_codec_dispatch(world->codec, &input, NULL) != STATUS_OK;
    CHECK(input.len == 0);
    virtual_clock_advance(&world->clock, 1000);
    event_loop_run_once(world->io.loop, 0);
    CHECK(world->output.len <= 512 * 1024);
    if ((world->behaviour & FUZZ_NEVER_READS) == 0) {
        buffer_clear(&world->output);
        http_codec_output_drained(world->codec);
    }
}

/* Packing in between is slow: pieces are not small then. */
static inline void fuzz_feed_pieces(struct fuzz_world *world, const uint8_t *bytes, size_t len,
                                    uint8_t piece) {
    const struct h2_shared *shared = world->io.h2_shared;
    size_t least = shared->rest.delay_ms == 0 ? 32 : 1;
    size_t step = piece == 0 ? len : piece < least ? least : piece;
    for (size_t at = 0; at < len; at += step) {
        fuzz_feed(world, bytes + at, len - at < step ? len - at : step);
    }
}

static inline void fuzz_world_deinit(struct fuzz_world *world) {
    CHECK(!world->is_failed || world->codec->active_streams == 0);
    http_codec_connection_lost(world->codec, HTTP_RESET_CONNECTION_TERMINATION, "");
    CHECK(list_is_empty(&world->streams) && world->codec->active_streams == 0);
    http_codec_free(world->codec);
    buffer_deinit(&world->output);
    io_context_deinit(&world->io);
}

#endif
