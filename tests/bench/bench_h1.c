// SPDX-License-Identifier: Apache-2.0
/*
 * Cost of small HTTP/1.1 messages in the codec alone: the server codec parses a request of ten header
 * fields, a client codec serialises it again, parses a small response to it, and the server codec
 * serialises that one. Prints nanoseconds for each part.
 *   bench_h1 [ROUNDS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "src/base/check.h"
#include "src/event/io_context.h"
#include "src/http/codec.h"

enum { DEFAULT_ROUNDS = 300000, WARM_UP = 5000 };

static const char request[] =
    "GET /api/v1/items/12345?fields=name,price&limit=20 HTTP/1.1\r\n"
    "Host: shop.example.com\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Referer: https://shop.example.com/catalogue\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
    "X-Request-Id: 6f1c8a52-6a0e-4f55-9a3e-2f0d4f1f9b7a\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "Cache-Control: no-cache\r\n"
    "\r\n";

static const char response[] = "HTTP/1.1 200 OK\r\n"
                               "content-type: application/json\r\n"
                               "content-length: 2\r\n"
                               "date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                               "x-upstream: 10.0.0.1:8080\r\n"
                               "\r\n{}";

enum part { PARSE_REQUEST, WRITE_REQUEST, PARSE_RESPONSE, WRITE_RESPONSE, PART_COUNT };

struct bench {
    struct io_context io;
    struct arena arena;
    struct buffer input, server_output, client_output;
    struct http_codec *server, *client;
    struct http_codec_stream *stream;
    struct header_map *headers;
    struct buffer body;
    uint64_t spent_ns[PART_COUNT];
};

static uint64_t now_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void on_headers(void *arg, struct header_map *headers, bool end_stream) {
    (void)end_stream;
    ((struct bench *)arg)->headers = headers;
}
static void on_informational(void *arg, struct header_map *headers) {
    (void)arg;
    (void)headers;
}
static void on_data(void *arg, struct buffer *data, bool end_stream) {
    (void)end_stream;
    buffer_move(&((struct bench *)arg)->body, data);
}
static void on_trailers(void *arg, struct header_map *trailers) {
    (void)arg;
    (void)trailers;
}
static void on_reset(void *arg, enum http_reset_reason reason, const char *detail) {
    (void)arg;
    (void)fprintf(stderr, "reset: %s %s\n", http_reset_reason_name(reason), detail);
    abort();
}
static void on_nothing(void *arg) {
    (void)arg;
}

static const struct http_stream_sink_ops sink_ops = {
    .on_headers = on_headers,
    .on_informational = on_informational,
    .on_data = on_data,
    .on_trailers = on_trailers,
    .on_reset = on_reset,
    .on_stream_closed = on_nothing,
    .on_above_high_watermark = on_nothing,
    .on_below_low_watermark = on_nothing,
};

static bool on_new_stream(void *arg, struct http_codec_stream *stream,
                          struct http_stream_sink *sink) {
    struct bench *bench = (struct bench *)arg;
    bench->stream = stream;
    *sink = (struct http_stream_sink){.ops = &sink_ops, .arg = bench, .arena = &bench->arena};
    return true;
}
static void on_bad_request(void *arg, struct http_codec_stream *stream, uint32_t status,
                           const char *detail) {
    (void)arg;
    (void)stream;
    (void)fprintf(stderr, "refused: %u %s\n", status, detail);
    abort();
}

static const struct http_codec_callbacks callbacks = {
    .on_new_stream = on_new_stream,
    .on_bad_request = on_bad_request,
    .on_output = on_nothing,
};

static void dispatch(struct bench *bench, struct http_codec *codec, const char *bytes, size_t len) {
    buffer_append(&bench->input, slice_make(bytes, len));
    CHECK(http_codec_dispatch(codec, &bench->input, NULL) == STATUS_OK);
}

static void add_since(struct bench *bench, enum part part, uint64_t *mark) {
    uint64_t now = now_ns();
    bench->spent_ns[part] += now - *mark;
    *mark = now;
}

static void one_round(struct bench *bench) {
    uint64_t mark = now_ns();
    dispatch(bench, bench->server, request, sizeof(request) - 1);
    add_since(bench, PARSE_REQUEST, &mark);
    struct http_stream_sink sink = {.ops = &sink_ops, .arg = bench, .arena = &bench->arena};
    struct http_codec_stream *upstream = http_codec_new_stream(bench->client, &sink);
    CHECK(http_stream_encode_headers(upstream, bench->headers, true) == STATUS_OK);
    add_since(bench, WRITE_REQUEST, &mark);
    dispatch(bench, bench->client, response, sizeof(response) - 1);
    add_since(bench, PARSE_RESPONSE, &mark);
    CHECK(http_stream_encode_headers(bench->stream, bench->headers, false) == STATUS_OK);
    http_stream_encode_data(bench->stream, &bench->body, true);
    add_since(bench, WRITE_RESPONSE, &mark);
    buffer_clear(&bench->client_output);
    buffer_clear(&bench->server_output);
    arena_reset(&bench->arena);
}

static void set_up(struct bench *bench) {
    buffer_pool_init(&bench->io.buffers);
    block_pool_init(&bench->io.arena_blocks, IO_ARENA_BLOCK_BYTES, 16);
    arena_init(&bench->arena, &bench->io.arena_blocks);
    buffer_init(&bench->input, &bench->io.buffers);
    buffer_init(&bench->server_output, &bench->io.buffers);
    buffer_init(&bench->client_output, &bench->io.buffers);
    buffer_init(&bench->body, &bench->io.buffers);
    struct http_codec_options options = {
        .io = &bench->io, .callbacks = &callbacks, .arg = bench, .output = &bench->server_output};
    struct http1_options http1 = {.allow_absolute_url = true};
    bench->server = http1_server_codec_new(&options, &http1);
    options.output = &bench->client_output;
    bench->client = http1_client_codec_new(&options, &http1);
}

int main(int argc, char **argv) {
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : DEFAULT_ROUNDS;
    struct bench bench = {0};
    set_up(&bench);
    for (long i = 0; i < WARM_UP && i < rounds; i++) {
        one_round(&bench);
    }
    for (int part = 0; part < PART_COUNT; part++) {
        bench.spent_ns[part] = 0;
    }
    for (long i = 0; i < rounds; i++) {
        one_round(&bench);
    }
    static const char *const names[PART_COUNT] = {"parse request", "write request",
                                                  "parse response", "write response"};
    for (int part = 0; part < PART_COUNT; part++) {
        (void)printf("%-15s %6.0f ns\n", names[part],
                     (double)bench.spent_ns[part] / (double)rounds);
    }
    http_codec_free(bench.server);
    http_codec_free(bench.client);
    return 0;
}
