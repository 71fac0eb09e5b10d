// SPDX-License-Identifier: Apache-2.0
// Target functions: all of http_filter_chain.h, in any order that a stream and its filters may call.
// Oracle: one terminal event per stream, each direction in order with one end for every filter, and
// nothing at all after on_destroy.
#include <stdlib.h>

#include "src/base/check.h"
#include "src/config/listener_config.h"
#include "src/event/io_context.h"
#include "src/filter_chain/http_filter_chain.h"

enum { MAX_FILTERS = 4, LIMIT_BYTES = 24 };

/* How far a direction has come, as one party saw it. */
enum progress { SEEN_NOTHING, SEEN_HEADERS, SEEN_END };

struct fuzz_filter {
    struct http_filter base;
    enum progress decode, encode;
    bool is_terminal, is_destroyed, in_decode, in_encode;
};

struct run {
    const uint8_t *data;
    size_t size;
    struct io_context io;
    struct arena arena;
    struct stream_info info;
    struct http_filter_chain chain;
    struct http_filter_factory factories[MAX_FILTERS];
    struct http_filter_config configs[MAX_FILTERS];
    struct fuzz_filter *filters[MAX_FILTERS];
    uint32_t count, created;
    struct header_map request, trailers, response, response_trailers;
    enum progress request_fed, answer_fed, sent;
    int request_pauses;
    bool client_is_slow;
    uint32_t terminal_events;
};

static uint8_t take(struct run *run) {
    if (run->size == 0) {
        return 0;
    }
    run->size--;
    return *run->data++;
}

/* The filters find their run through the chain's host. */
static struct run *run_of(const struct http_filter *f) {
    return (struct run *)f->chain->host;
}

static struct fuzz_filter *self(struct http_filter *f) {
    struct fuzz_filter *filter = (struct fuzz_filter *)(void *)f;
    CHECK(!filter->is_destroyed);
    return filter;
}

static void advance(enum progress *progress, bool is_headers, bool end_stream) {
    CHECK(*progress == (is_headers ? SEEN_NOTHING : SEEN_HEADERS));
    *progress = end_stream ? SEEN_END : SEEN_HEADERS;
}

/* ---- the end ---- */

static void end_stream(struct run *run) {
    run->terminal_events++;
    CHECK(run->terminal_events == 1);
    http_filter_chain_stream_complete(&run->chain);
    http_filter_chain_destroy(&run->chain);
}

static void reply(struct http_filter *f) {
    struct local_reply local = {.status = 403,
                                .body = SLICE("no"),
                                .details = SLICE("fuzz"),
                                .grpc_status = -1,
                                .flag = RESPONSE_FLAG_COUNT};
    http_filter_local_reply(f, &local);
}

/* What a filter may do from within any callback. True when the stream may be over. */
static void act(struct http_filter *f) {
    switch (take(run_of(f)) % 24) {
    case 1:
        reply(f);
        break;
    case 2:
        http_filter_reset_stream(f, HTTP_RESET_LOCAL, SLICE("fuzz"));
        break;
    case 3:
        http_filter_clear_route(f);
        break;
    case 4:
        http_filter_set_decoder_buffer_limit(f, take(run_of(f)));
        break;
    case 5:
        http_filter_set_encoder_buffer_limit(f, take(run_of(f)));
        break;
    default:
        break;
    }
}

static enum http_filter_verdict verdict_of(struct run *run, bool is_data) {
    static const enum http_filter_verdict verdicts[] = {HTTP_FILTER_CONTINUE, HTTP_FILTER_HOLD,
                                                        HTTP_FILTER_PAUSE, HTTP_FILTER_CONSUMED};
    return verdicts[take(run) % (is_data ? 4 : 3)];
}

/* ---- the filters ---- */

static void feed_answer(struct run *run, struct http_filter *f);

static enum http_filter_verdict decode_headers(struct http_filter *f, struct header_map *headers,
                                               bool end) {
    struct fuzz_filter *filter = self(f);
    (void)headers;
    advance(&filter->decode, true, end);
    filter->in_decode = true;
    act(f);
    if (filter->is_terminal && !filter->is_destroyed) {
        feed_answer(run_of(f), f);
    }
    filter->in_decode = false;
    return filter->is_terminal ? HTTP_FILTER_HOLD : verdict_of(run_of(f), false);
}

static enum http_filter_verdict decode_data(struct http_filter *f, struct buffer *data, bool end) {
    struct fuzz_filter *filter = self(f);
    advance(&filter->decode, false, end);
    filter->in_decode = true;
    if (end && !filter->is_terminal && f->chain->request_trailers == NULL &&
        take(run_of(f)) % 8 == 1) {
        (void)http_filter_add_decoded_trailers(f);
    }
    act(f);
    filter->in_decode = false;
    if (filter->is_terminal) {
        buffer_clear(data);
        return HTTP_FILTER_CONSUMED;
    }
    return verdict_of(run_of(f), true);
}

static enum http_filter_verdict decode_trailers(struct http_filter *f,
                                                struct header_map *trailers) {
    struct fuzz_filter *filter = self(f);
    (void)trailers;
    advance(&filter->decode, false, true);
    filter->in_decode = true;
    act(f);
    filter->in_decode = false;
    return filter->is_terminal || take(run_of(f)) % 2 == 1 ? HTTP_FILTER_HOLD
                                                           : HTTP_FILTER_CONTINUE;
}

static enum http_filter_verdict encode_headers(struct http_filter *f, struct header_map *headers,
                                               bool end) {
    struct fuzz_filter *filter = self(f);
    (void)headers;
    /* A local reply over an answer that waits starts the direction again. */
    if (f->chain->is_local_reply) {
        filter->encode = SEEN_NOTHING;
    }
    advance(&filter->encode, true, end);
    filter->in_encode = true;
    act(f);
    filter->in_encode = false;
    return verdict_of(run_of(f), false);
}

static enum http_filter_verdict encode_data(struct http_filter *f, struct buffer *data, bool end) {
    struct fuzz_filter *filter = self(f);
    (void)data;
    advance(&filter->encode, false, end);
    filter->in_encode = true;
    if (end && f->chain->response_trailers == NULL && take(run_of(f)) % 8 == 1) {
        (void)http_filter_add_encoded_trailers(f);
    }
    act(f);
    filter->in_encode = false;
    return verdict_of(run_of(f), true);
}

static enum http_filter_verdict encode_trailers(struct http_filter *f,
                                                struct header_map *trailers) {
    struct fuzz_filter *filter = self(f);
    (void)trailers;
    advance(&filter->encode, false, true);
    filter->in_encode = true;
    act(f);
    filter->in_encode = false;
    return take(run_of(f)) % 2 == 1 ? HTTP_FILTER_HOLD : HTTP_FILTER_CONTINUE;
}

static void on_notice(struct http_filter *f) {
    (void)self(f);
}

static void on_local_reply(struct http_filter *f, uint32_t status, struct slice details) {
    (void)self(f);
    (void)status;
    (void)details;
}

static void on_destroy(struct http_filter *f) {
    self(f)->is_destroyed = true;
}

static const struct http_filter_ops filter_ops = {
    .decode_headers = decode_headers,
    .decode_data = decode_data,
    .decode_trailers = decode_trailers,
    .encode_headers = encode_headers,
    .encode_data = encode_data,
    .encode_trailers = encode_trailers,
    .on_route_changed = on_notice,
    .on_above_write_watermark = on_notice,
    .on_below_write_watermark = on_notice,
    .on_local_reply = on_local_reply,
    .on_stream_complete = on_notice,
    .on_destroy = on_destroy,
};

static struct http_filter *create(const void *config, struct arena *arena, struct io_context *io) {
    struct run *run = (struct run *)(uintptr_t)config;
    (void)io;
    struct fuzz_filter *filter = ARENA_NEW(arena, struct fuzz_filter);
    filter->base.ops = &filter_ops;
    filter->is_terminal = run->created + 1 == run->count;
    run->filters[run->created++] = filter;
    return &filter->base;
}

/* ---- the host, as http_stream is one ---- */

static void host_informational(void *host, struct header_map *headers) {
    struct run *run = host;
    (void)headers;
    CHECK(run->terminal_events == 0);
}

static void sent(struct run *run, bool is_headers, bool end) {
    CHECK(run->terminal_events == 0);
    advance(&run->sent, is_headers, end);
    if (end) {
        end_stream(run);
    }
}

static void host_headers(void *host, struct header_map *headers, bool end) {
    (void)headers;
    sent(host, true, end);
}

static void host_data(void *host, struct buffer *data, bool end) {
    buffer_clear(data);
    sent(host, false, end);
}

static void host_trailers(void *host, struct header_map *trailers) {
    (void)trailers;
    sent(host, false, true);
}

static void host_reset(void *host, enum http_reset_reason reason, struct slice details) {
    struct run *run = host;
    (void)reason;
    (void)details;
    if (run->terminal_events == 0) {
        end_stream(run);
    }
}

static void host_local_reply(void *host, const struct local_reply *local) {
    struct run *run = host;
    struct http_filter_chain *chain = &run->chain;
    if (run->terminal_events > 0 || chain->is_local_reply) {
        return;
    }
    if (chain->response_headers_out || run->sent != SEEN_NOTHING) {
        end_stream(run);
        return;
    }
    if (chain->response_started) {
        chain->decode_aborted = true;
        chain->encode_aborted = true;
        chain->is_local_reply = true;
        sent(run, true, true);
        return;
    }
    struct buffer body;
    buffer_init(&body, &run->io.buffers);
    buffer_append(&body, local->body);
    http_filter_chain_local_reply(chain, local, &run->response, &body);
    buffer_deinit(&body);
}

static void host_pause(void *host, bool pause) {
    struct run *run = host;
    run->request_pauses += pause ? 1 : -1;
    CHECK(run->request_pauses >= 0);
}

static const struct route *host_route(void *host) {
    (void)host;
    return NULL;
}
static const struct virtual_host *host_vhost(void *host) {
    (void)host;
    return NULL;
}
static const struct route_part *host_part(void *host) {
    (void)host;
    return NULL;
}
static const struct weighted_cluster *host_weighted(void *host) {
    (void)host;
    return NULL;
}
static void host_clear_route(void *host) {
    http_filter_chain_route_changed(&((struct run *)host)->chain);
}
static void host_set_cluster(void *host, uint32_t slot, struct slice name) {
    (void)host;
    (void)slot;
    (void)name;
}
static bool host_recreate(void *host) {
    (void)host;
    return false;
}
static void host_log_input(const void *host, struct log_format_input *input) {
    (void)host;
    (void)input;
}

static const struct http_filter_chain_host_ops host_ops = {
    .encode_informational = host_informational,
    .encode_headers = host_headers,
    .encode_data = host_data,
    .encode_trailers = host_trailers,
    .local_reply = host_local_reply,
    .reset = host_reset,
    .pause_request = host_pause,
    .route = host_route,
    .virtual_host = host_vhost,
    .route_config = host_part,
    .weighted_cluster = host_weighted,
    .clear_route = host_clear_route,
    .set_route_cluster = host_set_cluster,
    .recreate = host_recreate,
    .log_input = host_log_input,
};

/* ---- events ---- */

static void fill(struct run *run, struct buffer *data) {
    static const uint8_t bytes[40] = {0};
    buffer_init(data, &run->io.buffers);
    buffer_append(data, slice_make(bytes, take(run) % sizeof(bytes)));
}

static void feed_request(struct run *run) {
    uint8_t choice = take(run);
    bool end = (choice & 1) != 0;
    if (run->request_fed == SEEN_END) {
        return;
    }
    if (run->request_fed == SEEN_NOTHING) {
        run->request_fed = end ? SEEN_END : SEEN_HEADERS;
        http_filter_chain_decode_headers(&run->chain, &run->request, end);
        return;
    }
    if ((choice & 6) == 6) {
        run->request_fed = SEEN_END;
        /* One set of trailers only: a filter may have made some already. */
        if (run->chain.request_trailers == NULL) {
            http_filter_chain_decode_trailers(&run->chain, &run->trailers);
        }
        return;
    }
    run->request_fed = end ? SEEN_END : SEEN_HEADERS;
    struct buffer data;
    fill(run, &data);
    http_filter_chain_decode_data(&run->chain, &data, end);
    CHECK(buffer_is_empty(&data));
    buffer_deinit(&data);
}

static void feed_answer(struct run *run, struct http_filter *f) {
    uint8_t choice = take(run);
    bool end = (choice & 1) != 0;
    if (run->answer_fed == SEEN_END || (choice & 8) != 0) {
        return;
    }
    if (run->answer_fed == SEEN_NOTHING) {
        if ((choice & 16) != 0) {
            http_filter_encode_informational(f, &run->response);
            return;
        }
        run->answer_fed = end ? SEEN_END : SEEN_HEADERS;
        http_filter_encode_headers(f, &run->response, end);
        return;
    }
    if ((choice & 6) == 6 && run->chain.response_trailers == NULL) {
        run->answer_fed = SEEN_END;
        http_filter_encode_trailers(f, &run->response_trailers);
        return;
    }
    run->answer_fed = end ? SEEN_END : SEEN_HEADERS;
    struct buffer data;
    fill(run, &data);
    http_filter_encode_data(f, &data, end);
    CHECK(buffer_is_empty(&data));
    buffer_deinit(&data);
}

/* A timer or a call's answer: something happens to one filter, from the loop. */
static void wake(struct run *run, uint8_t choice) {
    struct fuzz_filter *filter = run->filters[choice % run->count];
    struct http_filter *f = &filter->base;
    if (filter->is_destroyed) {
        return;
    }
    switch (take(run) % 6) {
    case 0:
        if (!filter->is_terminal) {
            http_filter_continue_decoding(f);
        }
        break;
    case 1:
        if (!filter->is_terminal || run->chain.is_local_reply) {
            http_filter_continue_encoding(f);
        }
        break;
    case 2:
        reply(f);
        break;
    case 3:
        http_filter_reset_stream(f, HTTP_RESET_LOCAL, SLICE("fuzz"));
        break;
    case 4:
        http_filter_clear_route(f);
        break;
    default:
        if (filter->is_terminal && filter->decode != SEEN_NOTHING) {
            feed_answer(run, f);
        }
        break;
    }
}

static void step(struct run *run) {
    uint8_t choice = take(run);
    switch (choice >> 6) {
    case 0:
        feed_request(run);
        break;
    case 1:
    case 2:
        wake(run, choice & 63);
        break;
    default:
        if ((choice & 63) == 63) {
            host_reset(run, HTTP_RESET_REMOTE, SLICE("client"));
        } else if ((choice & 1) != 0) {
            run->client_is_slow = !run->client_is_slow;
            http_filter_chain_pause_response(&run->chain, run->client_is_slow);
        } else {
            struct fuzz_filter *last = run->filters[run->count - 1];
            if (!last->is_destroyed && last->decode != SEEN_NOTHING) {
                feed_answer(run, &last->base);
            }
        }
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct run run = {.data = data, .size = size};
    buffer_pool_init(&run.io.buffers);
    block_pool_init(&run.io.arena_blocks, IO_ARENA_BLOCK_BYTES, 4);
    arena_init(&run.arena, &run.io.arena_blocks);
    header_map_init(&run.request, &run.arena);
    header_map_init(&run.trailers, &run.arena);
    header_map_init(&run.response, &run.arena);
    header_map_init(&run.response_trailers, &run.arena);
    run.count = 1 + take(&run) % MAX_FILTERS;
    for (uint32_t i = 0; i < run.count; i++) {
        run.factories[i].create = create;
        run.configs[i] =
            (struct http_filter_config){.name_id = i, .factory = &run.factories[i], .config = &run};
    }
    http_filter_chain_init(&run.chain, &host_ops, &run, &run.arena, &run.io, &run.info,
                           LIMIT_BYTES);
    http_filter_chain_create(&run.chain, run.configs, run.count, NULL);
    while (run.size > 0 && run.terminal_events == 0) {
        step(&run);
    }
    if (run.terminal_events == 0) {
        end_stream(&run);
    }
    for (uint32_t i = 0; i < run.count; i++) {
        CHECK(run.filters[i]->is_destroyed);
    }
    arena_deinit(&run.arena);
    block_pool_deinit(&run.io.arena_blocks);
    buffer_pool_deinit(&run.io.buffers);
    return 0;
}
