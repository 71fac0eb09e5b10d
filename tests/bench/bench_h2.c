// SPDX-License-Identifier: Apache-2.0
/*
 * Cost of small HTTP/2 requests in the codec alone: a client and a server codec joined in memory, ten
 * streams at a time. Prints time and, where the kernel lets us count them, user instructions per
 * request (both ends together).
 */
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/http/codec.h"

enum { STREAMS = 10, ROUNDS = 20000, WARM_UP = 200 };

struct bench_end {
    struct io_context *io;
    struct http_codec *codec;
    struct buffer output;
    uint64_t answered;
};
struct bench_stream {
    struct bench_end *end;
    struct http_codec_stream *stream;
    struct arena arena;
};

static void stream_end(void *arg) {
    struct bench_stream *s = arg;
    arena_deinit(&s->arena);
    mem_free(s);
}
static void on_server_headers(void *arg, struct header_map *headers, bool end_stream) {
    struct bench_stream *s = arg;
    (void)headers;
    CHECK(end_stream);
    struct header_map map;
    header_map_init(&map, &s->arena);
    header_map_append(&map, HEADER_STATUS, SLICE("200"));
    header_map_append(&map, HEADER_CONTENT_TYPE, SLICE("text/plain"));
    header_map_append(&map, HEADER_CONTENT_LENGTH, SLICE("64"));
    header_map_append(&map, HEADER_DATE, SLICE("Mon, 01 Jan 2024 00:00:00 GMT"));
    header_map_append(&map, HEADER_SERVER, SLICE("bench"));
    CHECK(http_stream_encode_headers(s->stream, &map, false) == STATUS_OK);
    static const uint8_t body[64];
    struct buffer data;
    buffer_init(&data, &s->end->io->buffers);
    buffer_append(&data, slice_make(body, sizeof(body)));
    http_stream_encode_data(s->stream, &data, true);
}
static void on_client_headers(void *arg, struct header_map *headers, bool end_stream) {
    (void)arg;
    (void)headers;
    (void)end_stream;
}
static void on_map(void *arg, struct header_map *headers) {
    (void)arg;
    (void)headers;
}
static void on_data(void *arg, struct buffer *data, bool end_stream) {
    struct bench_stream *s = arg;
    buffer_clear(data);
    s->end->answered += end_stream;
}
static void on_reset(void *arg, enum http_reset_reason reason, const char *detail) {
    fprintf(stderr, "reset: %s %s\n", http_reset_reason_name(reason), detail);
    stream_end(arg);
}
static void ignore(void *arg) {
    (void)arg;
}
static const struct http_stream_sink_ops server_ops = {
    on_server_headers, on_map, on_data, on_map, on_reset, stream_end, ignore, ignore,
};
static const struct http_stream_sink_ops client_ops = {
    on_client_headers, on_map, on_data, on_map, on_reset, stream_end, ignore, ignore,
};

static struct bench_stream *stream_new(struct bench_end *end) {
    struct bench_stream *s = mem_calloc(1, sizeof(*s));
    s->end = end;
    arena_init(&s->arena, &end->io->arena_blocks);
    return s;
}
static bool on_new_stream(void *arg, struct http_codec_stream *stream,
                          struct http_stream_sink *sink) {
    struct bench_stream *s = stream_new(arg);
    s->stream = stream;
    *sink = (struct http_stream_sink){.ops = &server_ops, .arg = s, .arena = &s->arena};
    return true;
}
static void on_bad_request(void *arg, struct http_codec_stream *stream, uint32_t status,
                           const char *detail) {
    (void)arg;
    (void)stream;
    (void)status;
    (void)detail;
}
static const struct http_codec_callbacks callbacks = {
    .on_new_stream = on_new_stream,
    .on_bad_request = on_bad_request,
    .on_output = ignore,
};

static void request(struct bench_end *client) {
    struct bench_stream *s = stream_new(client);
    struct http_stream_sink sink = {.ops = &client_ops, .arg = s, .arena = &s->arena};
    s->stream = http_codec_new_stream(client->codec, &sink);
    struct header_map map;
    header_map_init(&map, &s->arena);
    header_map_append(&map, HEADER_METHOD, SLICE("GET"));
    header_map_append(&map, HEADER_SCHEME, SLICE("https"));
    header_map_append(&map, HEADER_PATH, SLICE("/index.html?page=1"));
    header_map_append(&map, HEADER_AUTHORITY, SLICE("www.example.com"));
    header_map_append(&map, HEADER_USER_AGENT, SLICE("bench/1.0"));
    header_map_append(&map, HEADER_ACCEPT, SLICE("*/*"));
    header_map_append_name(&map, SLICE("x-custom"), SLICE("some value"));
    CHECK(http_stream_encode_headers(s->stream, &map, true) == STATUS_OK);
}

static void carry(struct bench_end *from, struct bench_end *to) {
    struct buffer bytes;
    buffer_init(&bytes, &from->io->buffers);
    buffer_move(&bytes, &from->output);
    CHECK(bytes.len == 0 || http_codec_dispatch(to->codec, &bytes, NULL) == STATUS_OK);
    http_codec_output_drained(from->codec);
}

static void run(struct bench_end *client, struct bench_end *server, uint32_t rounds) {
    for (uint32_t round = 0; round < rounds; round++) {
        for (int i = 0; i < STREAMS; i++) {
            request(client);
        }
        do {
            event_loop_run_once(client->io->loop, 0);
            carry(client, server);
            carry(server, client);
        } while (client->output.len + server->output.len + client->codec->active_streams > 0);
    }
}

static int open_counter(void) {
    struct perf_event_attr attr = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof(attr),
        .config = PERF_COUNT_HW_INSTRUCTIONS,
        .exclude_kernel = 1,
    };
    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static uint64_t read_counter(int fd) {
    uint64_t value = 0;
    return fd >= 0 && read(fd, &value, sizeof(value)) == sizeof(value) ? value : 0;
}

static double now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

int main(void) {
    struct io_context io;
    CHECK(io_context_init(&io, 0, clock_system(), NULL) == STATUS_OK);
    struct bench_end client = {.io = &io};
    struct bench_end server = {.io = &io};
    buffer_init(&client.output, &io.buffers);
    buffer_init(&server.output, &io.buffers);
    struct http_codec_options options = {.io = &io, .callbacks = &callbacks};
    struct http2_options http2 = {0};
    options.arg = &client;
    options.output = &client.output;
    client.codec = http2_client_codec_new(&options, &http2);
    options.arg = &server;
    options.output = &server.output;
    server.codec = http2_server_codec_new(&options, &http2);
    run(&client, &server, WARM_UP);
    int counter = open_counter();
    uint64_t instructions = read_counter(counter);
    uint64_t before = client.answered;
    double start_us = now_us();
    run(&client, &server, ROUNDS);
    double requests = (double)(client.answered - before);
    printf("%.0f requests, %.2f us CPU each", requests, (now_us() - start_us) / requests);
    if (counter >= 0) {
        printf(", %.0f instructions each",
               (double)(read_counter(counter) - instructions) / requests);
    }
    printf("\n");
    http_codec_free(client.codec);
    http_codec_free(server.codec);
    return 0;
}
