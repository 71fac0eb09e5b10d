// SPDX-License-Identifier: Apache-2.0
/*
 * What packing an HTTP/2 session costs and saves: a server codec whose client has filled the table of
 * header fields with a hundred requests is packed and woken again and again.
 */
#include <stdio.h>
#include <time.h>

#include "src/base/check.h"
#include "src/http/h2/h2_codec.h"

enum { REQUESTS = 100, ROUNDS = 4000, PACKED_IN_TURN = 16 };

struct bench_stream {
    struct http_codec_stream *stream;
    struct arena arena;
};

static struct bench_stream current;

static void on_headers(void *arg, struct header_map *headers, bool end_stream) {
    struct bench_stream *s = arg;
    (void)headers;
    CHECK(end_stream);
    struct header_map map;
    header_map_init(&map, &s->arena);
    header_map_append(&map, HEADER_STATUS, SLICE("200"));
    header_map_append(&map, HEADER_SERVER, SLICE("bench"));
    CHECK(http_stream_encode_headers(s->stream, &map, true) == STATUS_OK);
}
static void on_closed(void *arg) {
    struct bench_stream *s = arg;
    arena_deinit(&s->arena);
}
static const struct http_stream_sink_ops ops = {.on_headers = on_headers,
                                                .on_stream_closed = on_closed};

static bool on_new_stream(void *arg, struct http_codec_stream *stream,
                          struct http_stream_sink *sink) {
    struct io_context *io = arg;
    current = (struct bench_stream){.stream = stream};
    arena_init(&current.arena, &io->arena_blocks);
    *sink = (struct http_stream_sink){.ops = &ops, .arg = &current, .arena = &current.arena};
    return true;
}
static void ignore(void *arg) {
    (void)arg;
}
static void on_max_streams(void *arg, uint32_t max_streams) {
    (void)arg;
    (void)max_streams;
}
static const struct http_codec_callbacks callbacks = {
    .on_new_stream = on_new_stream, .on_output = ignore, .on_max_streams = on_max_streams};

static void feed(struct http_codec *codec, struct io_context *io, const void *bytes, size_t len) {
    struct buffer input;
    buffer_init(&input, &io->buffers);
    buffer_append(&input, slice_make(bytes, len));
    CHECK(http_codec_dispatch(codec, &input, NULL) == STATUS_OK);
    event_loop_run_once(io->loop, 0);
}

/* GET https /small, and ":authority: example.com" into the table once more. */
static void request(struct http_codec *codec, struct io_context *io, uint32_t id) {
    uint8_t frame[] = "\0\0\x17\1\5\0\0\0\0\x82\x87\x04\x06/small\x41\x0b"
                      "example.com";
    frame[7] = (uint8_t)(id >> 8);
    frame[8] = (uint8_t)id;
    feed(codec, io, frame, sizeof(frame) - 1);
}

static double now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void measure(struct h2_session *session) {
    struct packer *packer = NULL;
    size_t full_len = 0, packed_len = 0;
    double pack_us = 0, wake_us = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double start_us = now_us();
        if (round % PACKED_IN_TURN == 0) {
            packer_free(packer);
            packer = packer_new();
        }
        CHECK(h2_session_pack(session, packer) == STATUS_OK);
        full_len = session->region.packed.full_len;
        packed_len = session->region.packed.len;
        double packed_us = now_us();
        (void)h2_session_get(session);
        pack_us += packed_us - start_us;
        wake_us += now_us() - packed_us;
    }
    packer_free(packer);
    printf("%zu bytes packed into %zu: %.1f us, woken: %.1f us\n", full_len, packed_len,
           pack_us / ROUNDS, wake_us / ROUNDS);
}

int main(void) {
    struct io_context io;
    CHECK(io_context_init(&io, 0, clock_system(), NULL) == STATUS_OK);
    struct buffer output;
    buffer_init(&output, &io.buffers);
    struct http_codec_options options = {
        .io = &io, .callbacks = &callbacks, .arg = &io, .output = &output};
    struct http_codec *codec = http2_server_codec_new(&options, &(struct http2_options){0});
    static const char start[] =
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\0\4\1\0\0\0\0";
    feed(codec, &io, start, sizeof(start) - 1);
    for (uint32_t i = 0; i < REQUESTS; i++) {
        request(codec, &io, 2 * i + 1);
        buffer_clear(&output);
    }
    measure(&CONTAINER_OF(codec, struct h2_codec, base)->session);
    http_codec_free(codec);
    buffer_deinit(&output);
    io_context_deinit(&io);
    return 0;
}
