// SPDX-License-Identifier: Apache-2.0
/*
 * A filter that does whatever a filter may do (holds, pauses, consumes, injects, adds trailers, takes the
 * end back, replies, resets), as the input says. It checks that each direction is called in order, and
 * nothing after on_destroy.
 */
#ifndef TESTS_FUZZ_STREAM_FSM_FILTER_H
#define TESTS_FUZZ_STREAM_FSM_FILTER_H

#include "tests/fuzz/stream_fsm_world.h"

struct fuzz_side {
    enum fuzz_progress seen;
    bool is_held;   /* what it last said was not CONTINUE */
    bool is_closed; /* it sent the end itself and must not go on */
};

struct fuzz_filter {
    struct http_filter base; /* first */
    struct list_node node;   /* in world->alive */
    struct fuzz_side decode, encode;
    bool is_terminal, is_destroyed, has_local_reply;
    enum fuzz_progress answer; /* terminal: what it sent */
    int request_pauses;        /* terminal */
};

static inline struct fuzz_world *fuzz_world_of(const struct http_filter *f) {
    return CONTAINER_OF(((struct http_stream *)f->chain->host)->conn, struct fuzz_world, conn);
}

static inline struct fuzz_filter *fuzz_self(struct http_filter *f) {
    struct fuzz_filter *filter = (struct fuzz_filter *)(void *)f;
    CHECK(!filter->is_destroyed);
    return filter;
}

static inline void fuzz_reply(struct http_filter *f) {
    struct local_reply local = {.status = fuzz_chance(fuzz_world_of(f), 8) ? 400 : 403,
                                .body = SLICE("no"),
                                .details = SLICE("fuzz"),
                                .grpc_status = -1,
                                .flag = RESPONSE_FLAG_COUNT};
    http_filter_local_reply(f, &local);
}

/* What a filter may do from within any callback. The stream may be over afterwards. */
static inline void fuzz_act(struct http_filter *f) {
    struct fuzz_world *world = fuzz_world_of(f);
    if (world->is_finishing || f->chain->is_destroyed) {
        return;
    }
    switch (fuzz_take(world) % 24) {
    case 1:
        fuzz_reply(f);
        break;
    case 2:
        http_filter_reset_stream(f, HTTP_RESET_LOCAL, SLICE("fuzz"));
        break;
    case 3:
        http_filter_clear_route(f);
        break;
    case 4:
        http_filter_set_decoder_buffer_limit(f, fuzz_take(world));
        break;
    case 5:
        http_filter_set_encoder_buffer_limit(f, fuzz_take(world));
        break;
    case 6:
        http_filter_set_route_cluster(f, 3, SLICE("other"));
        break;
    default:
        break;
    }
}

static inline enum http_filter_verdict fuzz_verdict(struct http_filter *f, struct fuzz_side *side,
                                                    bool is_data) {
    static const enum http_filter_verdict verdicts[] = {HTTP_FILTER_CONTINUE, HTTP_FILTER_HOLD,
                                                        HTTP_FILTER_PAUSE, HTTP_FILTER_CONSUMED};
    struct fuzz_world *world = fuzz_world_of(f);
    enum http_filter_verdict verdict =
        world->is_finishing ? HTTP_FILTER_CONTINUE : verdicts[fuzz_take(world) % (is_data ? 4 : 3)];
    side->is_held = verdict != HTTP_FILTER_CONTINUE;
    return verdict;
}

static inline void fuzz_inject(struct http_filter *f, bool is_decode, bool end_stream) {
    struct fuzz_world *world = fuzz_world_of(f);
    struct buffer data;
    fuzz_fill(world, &data);
    world->injected_bytes += data.len;
    if (is_decode) {
        http_filter_inject_decoded_data(f, &data, end_stream);
    } else {
        http_filter_inject_encoded_data(f, &data, end_stream);
    }
    CHECK(buffer_is_empty(&data));
    buffer_deinit(&data);
}

/* The end came and is held with no bytes before it: the filter may send it itself, once. */
static inline bool fuzz_may_close(struct http_filter *f, const struct fuzz_side *side,
                                  bool is_decode) {
    const struct buffer *held =
        is_decode ? http_filter_decoding_buffer(f) : http_filter_encoding_buffer(f);
    return side->seen == FUZZ_END && side->is_held && !side->is_closed && buffer_is_empty(held);
}

static inline enum http_filter_verdict fuzz_headers(struct http_filter *f, struct fuzz_side *side,
                                                    bool end_stream) {
    fuzz_advance(&side->seen, true, end_stream);
    fuzz_act(f);
    return fuzz_verdict(f, side, false);
}

static inline enum http_filter_verdict fuzz_data(struct http_filter *f, struct fuzz_side *side,
                                                 bool is_decode, bool end_stream) {
    struct fuzz_world *world = fuzz_world_of(f);
    fuzz_advance(&side->seen, false, end_stream);
    if (!world->is_finishing && fuzz_chance(world, 8)) {
        fuzz_inject(f, is_decode, false);
    }
    const struct header_map *trailers =
        is_decode ? f->chain->request_trailers : f->chain->response_trailers;
    bool is_over = f->chain->is_destroyed;
    if (end_stream && !is_over && trailers == NULL && fuzz_chance(world, 8)) {
        (void)(is_decode ? http_filter_add_decoded_trailers(f)
                         : http_filter_add_encoded_trailers(f));
    }
    fuzz_act(f);
    return fuzz_verdict(f, side, true);
}

static inline enum http_filter_verdict fuzz_trailers(struct http_filter *f, struct fuzz_side *side,
                                                     bool is_decode) {
    struct fuzz_world *world = fuzz_world_of(f);
    fuzz_advance(&side->seen, false, true);
    fuzz_act(f);
    if (world->is_finishing || f->chain->is_destroyed) {
        side->is_held = false;
        return HTTP_FILTER_CONTINUE;
    }
    side->is_held = fuzz_chance(world, 2);
    const struct buffer *held =
        is_decode ? http_filter_decoding_buffer(f) : http_filter_encoding_buffer(f);
    if (side->is_held && buffer_is_empty(held) && fuzz_chance(world, 2)) {
        side->is_closed = true; /* they go as data, as gRPC-Web's do */
        fuzz_inject(f, is_decode, true);
    }
    return side->is_held ? HTTP_FILTER_HOLD : HTTP_FILTER_CONTINUE;
}

/* ---- callbacks ---- */

static inline struct fuzz_side *fuzz_decode_side(struct http_filter *f) {
    CHECK(!f->chain->decode_aborted && !f->chain->is_local_reply);
    return &fuzz_self(f)->decode;
}

static inline struct fuzz_side *fuzz_encode_side(struct http_filter *f) {
    CHECK(!f->chain->encode_aborted);
    return &fuzz_self(f)->encode;
}

static enum http_filter_verdict fuzz_decode_headers(struct http_filter *f,
                                                    struct header_map *headers, bool end_stream) {
    (void)headers;
    return fuzz_headers(f, fuzz_decode_side(f), end_stream);
}
static enum http_filter_verdict fuzz_decode_data(struct http_filter *f, struct buffer *data,
                                                 bool end_stream) {
    (void)data;
    return fuzz_data(f, fuzz_decode_side(f), true, end_stream);
}
static enum http_filter_verdict fuzz_decode_trailers(struct http_filter *f,
                                                     struct header_map *trailers) {
    (void)trailers;
    return fuzz_trailers(f, fuzz_decode_side(f), true);
}
static enum http_filter_verdict fuzz_encode_headers(struct http_filter *f,
                                                    struct header_map *headers, bool end_stream) {
    (void)headers;
    return fuzz_headers(f, fuzz_encode_side(f), end_stream);
}
static enum http_filter_verdict fuzz_encode_data(struct http_filter *f, struct buffer *data,
                                                 bool end_stream) {
    (void)data;
    return fuzz_data(f, fuzz_encode_side(f), false, end_stream);
}
static enum http_filter_verdict fuzz_encode_trailers(struct http_filter *f,
                                                     struct header_map *trailers) {
    (void)trailers;
    return fuzz_trailers(f, fuzz_encode_side(f), false);
}

static void fuzz_on_notice(struct http_filter *f) {
    (void)fuzz_self(f);
}
static void fuzz_on_local_reply(struct http_filter *f, uint32_t status, struct slice details) {
    (void)status;
    (void)details;
    CHECK(!fuzz_self(f)->has_local_reply);
    fuzz_self(f)->has_local_reply = true;
}
static void fuzz_on_destroy(struct http_filter *f) {
    struct fuzz_filter *filter = fuzz_self(f);
    filter->is_destroyed = true;
    list_remove(&filter->node);
}

static const struct http_filter_ops fuzz_filter_ops = {
    .decode_headers = fuzz_decode_headers,
    .decode_data = fuzz_decode_data,
    .decode_trailers = fuzz_decode_trailers,
    .encode_headers = fuzz_encode_headers,
    .encode_data = fuzz_encode_data,
    .encode_trailers = fuzz_encode_trailers,
    .on_route_changed = fuzz_on_notice,
    .on_above_write_watermark = fuzz_on_notice,
    .on_below_write_watermark = fuzz_on_notice,
    .on_local_reply = fuzz_on_local_reply,
    .on_stream_complete = fuzz_on_notice,
    .on_destroy = fuzz_on_destroy,
};

#endif
