// SPDX-License-Identifier: Apache-2.0
/*
 * The terminal filter of stream_fsm_fuzz.c, in the router's place, which answers as the input says; and
 * what wakes it and the others from the loop.
 */
#ifndef TESTS_FUZZ_STREAM_FSM_TERMINAL_H
#define TESTS_FUZZ_STREAM_FSM_TERMINAL_H

#include "tests/fuzz/stream_fsm_filter.h"

/* ---- the terminal filter ---- */

static inline bool fuzz_may_answer(const struct fuzz_filter *filter) {
    return !filter->is_destroyed && filter->decode.seen != FUZZ_NOTHING &&
           filter->answer != FUZZ_END;
}

static inline struct header_map *fuzz_response_headers(struct http_filter *f, uint8_t choice) {
    static const uint32_t statuses[] = {200, 200, 204, 503, 101, 304, 200, 404};
    struct header_map *headers = ARENA_NEW(http_filter_arena(f), struct header_map);
    header_map_init(headers, http_filter_arena(f));
    header_map_set_uint(headers, HEADER_STATUS, statuses[choice & 7]);
    if ((choice & 8) != 0) {
        header_map_append(headers, HEADER_CONTENT_TYPE, SLICE("application/grpc"));
    }
    if ((choice & 16) != 0) {
        header_map_append(headers, HEADER_GRPC_STATUS, SLICE("0"));
    }
    return headers;
}

static inline void fuzz_answer_informational(struct http_filter *f) {
    struct header_map *headers = ARENA_NEW(http_filter_arena(f), struct header_map);
    header_map_init(headers, http_filter_arena(f));
    header_map_set_uint(headers, HEADER_STATUS, 103);
    http_filter_encode_informational(f, headers);
}

/* The next part of the answer. */
static inline void fuzz_answer(struct fuzz_filter *filter) {
    struct http_filter *f = &filter->base;
    struct fuzz_world *world = fuzz_world_of(f);
    if (!fuzz_may_answer(filter)) {
        return;
    }
    uint8_t choice = fuzz_take(world);
    bool end = world->is_finishing || (choice & 1) != 0;
    if (filter->answer == FUZZ_NOTHING) {
        if ((choice & 6) == 6 && !world->is_finishing) {
            fuzz_answer_informational(f);
            return;
        }
        filter->answer = end ? FUZZ_END : FUZZ_HEADERS;
        http_filter_encode_headers(f, fuzz_response_headers(f, choice >> 3), end);
        return;
    }
    if (http_filter_is_response_paused(f) && !world->is_finishing) {
        return; /* its source waits */
    }
    /* One set of trailers only: a filter may have made some already. */
    if ((choice & 6) == 6 && f->chain->response_trailers == NULL) {
        filter->answer = FUZZ_END;
        http_filter_encode_trailers(f, fuzz_response_headers(f, 16));
        return;
    }
    filter->answer = end ? FUZZ_END : FUZZ_HEADERS;
    struct buffer data;
    fuzz_fill(world, &data);
    http_filter_encode_data(f, &data, end);
    CHECK(buffer_is_empty(&data));
    buffer_deinit(&data);
}

static inline void fuzz_terminal_pause(struct fuzz_filter *filter, bool pause) {
    if (pause || filter->request_pauses > 0) {
        filter->request_pauses += pause ? 1 : -1;
        http_filter_pause_request(&filter->base, pause);
    }
}

static enum http_filter_verdict fuzz_terminal_headers(struct http_filter *f,
                                                      struct header_map *headers, bool end_stream) {
    struct fuzz_side *side = fuzz_decode_side(f);
    (void)headers;
    fuzz_advance(&side->seen, true, end_stream);
    fuzz_act(f);
    if (fuzz_chance(fuzz_world_of(f), 3)) {
        fuzz_answer((struct fuzz_filter *)(void *)f);
    }
    return HTTP_FILTER_HOLD;
}
static enum http_filter_verdict fuzz_terminal_data(struct http_filter *f, struct buffer *data,
                                                   bool end_stream) {
    fuzz_advance(&fuzz_decode_side(f)->seen, false, end_stream);
    buffer_clear(data);
    fuzz_act(f);
    return HTTP_FILTER_CONSUMED;
}
static enum http_filter_verdict fuzz_terminal_trailers(struct http_filter *f,
                                                       struct header_map *trailers) {
    (void)trailers;
    fuzz_advance(&fuzz_decode_side(f)->seen, false, true);
    fuzz_act(f);
    return HTTP_FILTER_HOLD;
}

static const struct http_filter_ops fuzz_terminal_ops = {
    .decode_headers = fuzz_terminal_headers,
    .decode_data = fuzz_terminal_data,
    .decode_trailers = fuzz_terminal_trailers,
    .on_route_changed = fuzz_on_notice,
    .on_above_write_watermark = fuzz_on_notice,
    .on_below_write_watermark = fuzz_on_notice,
    .on_local_reply = fuzz_on_local_reply,
    .on_stream_complete = fuzz_on_notice,
    .on_destroy = fuzz_on_destroy,
};

static inline struct http_filter *fuzz_create(struct arena *arena, struct io_context *io,
                                              bool is_terminal) {
    struct fuzz_world *world = CONTAINER_OF(io, struct fuzz_world, io);
    struct fuzz_filter *filter = ARENA_NEW(arena, struct fuzz_filter);
    filter->base.ops = is_terminal ? &fuzz_terminal_ops : &fuzz_filter_ops;
    filter->is_terminal = is_terminal;
    list_push_back(&world->alive, &filter->node);
    return &filter->base;
}
static struct http_filter *fuzz_filter_create(const void *config, struct arena *arena,
                                              struct io_context *io) {
    (void)config;
    return fuzz_create(arena, io, false);
}
static struct http_filter *fuzz_terminal_create(const void *config, struct arena *arena,
                                                struct io_context *io) {
    (void)config;
    return fuzz_create(arena, io, true);
}
static const struct http_filter_factory fuzz_filter_factory = {.name = "fuzz",
                                                               .create = fuzz_filter_create};
static const struct http_filter_factory fuzz_terminal_factory = {
    .name = "terminal", .is_terminal = true, .create = fuzz_terminal_create};

/* ---- a timer or another call's answer wakes a filter, from the loop ---- */

static inline void fuzz_continue(struct fuzz_filter *filter, bool is_decode) {
    struct fuzz_side *side = is_decode ? &filter->decode : &filter->encode;
    if (filter->is_destroyed || filter->is_terminal || side->is_closed) {
        return;
    }
    side->is_held = false; /* where it was not, the chain takes no notice */
    if (is_decode) {
        http_filter_continue_decoding(&filter->base);
    } else {
        http_filter_continue_encoding(&filter->base);
    }
}

static inline void fuzz_wake_inject(struct fuzz_filter *filter, bool is_decode) {
    struct fuzz_side *side = is_decode ? &filter->decode : &filter->encode;
    if (filter->is_terminal || side->seen == FUZZ_NOTHING || !side->is_held || side->is_closed) {
        return;
    }
    bool end_stream = fuzz_may_close(&filter->base, side, is_decode) &&
                      fuzz_chance(fuzz_world_of(&filter->base), 2);
    side->is_closed = end_stream;
    fuzz_inject(&filter->base, is_decode, end_stream);
}

static inline void fuzz_wake_terminal(struct fuzz_filter *filter, uint8_t choice) {
    if ((choice & 24) == 24) {
        fuzz_terminal_pause(filter, (choice & 32) != 0);
    } else if ((choice & 24) == 16 && filter->decode.seen == FUZZ_END && !filter->has_local_reply &&
               filter->answer == FUZZ_NOTHING) {
        (void)http_filter_recreate_stream(&filter->base);
    } else {
        fuzz_answer(filter);
    }
}

static inline void fuzz_wake(struct fuzz_filter *filter) {
    struct http_filter *f = &filter->base;
    uint8_t choice = fuzz_take(fuzz_world_of(f));
    switch (choice % 8) {
    case 0:
        fuzz_continue(filter, true);
        break;
    case 1:
        fuzz_continue(filter, false);
        break;
    case 2:
        fuzz_wake_inject(filter, true);
        break;
    case 3:
        fuzz_wake_inject(filter, false);
        break;
    case 4:
        fuzz_act(f);
        break;
    default:
        if (filter->is_terminal) {
            fuzz_wake_terminal(filter, choice);
        } else {
            fuzz_continue(filter, (choice & 8) != 0);
        }
        break;
    }
}

#endif
