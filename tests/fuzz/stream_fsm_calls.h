// SPDX-License-Identifier: Apache-2.0
/*
 * The calls that the filters of stream_fsm_fuzz.c make to other services, and how those are answered. A
 * call is open from its start until it is answered or given up, and neither comes twice.
 */
#ifndef TESTS_FUZZ_STREAM_FSM_CALLS_H
#define TESTS_FUZZ_STREAM_FSM_CALLS_H

#include "tests/fuzz/stream_fsm_world.h"

/* Defined here, so that those of src/upstream are not linked. */

static inline struct fuzz_call *fuzz_call_open(struct io_context *io) {
    struct fuzz_world *world = CONTAINER_OF(io, struct fuzz_world, io);
    for (uint32_t i = 0; i < FUZZ_MAX_CALLS; i++) {
        if (!world->calls[i].is_open) {
            world->calls[i] = (struct fuzz_call){.is_open = true};
            return &world->calls[i];
        }
    }
    CHECK(false); /* more calls than filters and streams can have open */
    return NULL;
}

static inline void fuzz_call_close(struct fuzz_call *call) {
    CHECK(call->is_open);
    call->is_open = false;
}

struct grpc_call *grpc_call_start(const struct grpc_call_options *options) {
    struct fuzz_call *call = fuzz_call_open(options->io);
    call->is_grpc = true;
    call->grpc = *options;
    return (struct grpc_call *)(void *)call;
}

void grpc_call_abandon(struct grpc_call *call) {
    fuzz_call_close((struct fuzz_call *)(void *)call);
}

struct http_call *http_call_start(const struct http_call_options *options) {
    struct fuzz_call *call = fuzz_call_open(options->io);
    call->http = *options;
    if (options->body != NULL) {
        buffer_clear(options->body);
    }
    return (struct http_call *)(void *)call;
}

void http_call_cancel(struct http_call *call) {
    fuzz_call_close((struct fuzz_call *)(void *)call);
}

struct stats_scope *upstream_cluster_stats(struct io_context *io, uint32_t cluster_slot) {
    (void)io;
    (void)cluster_slot;
    return NULL;
}

/* Allowed; allowed with a header; denied by status; denied with a response; empty. */
static const struct slice fuzz_check_answers[] = {
    SLICE_INIT("\x0a\x00\x1a\x00"),
    SLICE_INIT("\x1a\x0e\x12\x0c\x0a\x0a\x0a\x03x-h\x12\x03val"),
    SLICE_INIT("\x0a\x02\x08\x07"),
    SLICE_INIT("\x0a\x02\x08\x07\x12\x0b\x0a\x03\x08\x91\x03\x1a\x04nope"),
    SLICE_INIT(""),
};

static inline void fuzz_answer_grpc(struct fuzz_world *world, struct fuzz_call *call) {
    uint8_t choice = fuzz_take(world);
    struct slice message = fuzz_check_answers[choice % ARRAY_LEN(fuzz_check_answers)];
    if ((choice & 128) != 0) { /* bytes of the input instead */
        size_t len = choice & 31;
        message = slice_make(world->data, len < world->size ? len : world->size);
        world->data += message.len;
        world->size -= message.len;
    }
    bool is_ok = (choice & 96) != 96;
    call->grpc.done(call->grpc.arg, is_ok ? GRPC_OK : GRPC_UNAVAILABLE, is_ok ? message : SLICE(""),
                    SLICE(""));
}

static inline void fuzz_answer_http(struct fuzz_world *world, struct fuzz_call *call) {
    uint8_t choice = fuzz_take(world);
    struct arena arena;
    struct header_map headers;
    struct buffer body;
    arena_init(&arena, &world->io.arena_blocks);
    header_map_init(&headers, &arena);
    buffer_init(&body, &world->io.buffers);
    struct http_call_result result = {
        .outcome = HTTP_CALL_RESPONSE, .headers = &headers, .body = &body};
    if (choice >= 192) {
        result.outcome = choice % 2 == 1 ? HTTP_CALL_TIMEOUT : HTTP_CALL_RESET;
        result.headers = NULL;
    } else {
        static const uint32_t statuses[] = {200, 200, 403, 503};
        header_map_set_uint(&headers, HEADER_STATUS, statuses[choice % 4]);
        buffer_append(&body, (choice & 4) != 0 ? SLICE("{}") : SLICE(FUZZ_KEYS));
    }
    call->http.done(call->http.arg, &result);
    buffer_deinit(&body);
    arena_deinit(&arena);
}

static inline void fuzz_answer_call(struct fuzz_world *world, uint32_t index) {
    struct fuzz_call *call = &world->calls[index % FUZZ_MAX_CALLS];
    if (!call->is_open) {
        return;
    }
    struct fuzz_call copy = *call;
    fuzz_call_close(call); /* it is gone before its owner hears */
    if (copy.is_grpc) {
        fuzz_answer_grpc(world, &copy);
    } else {
        fuzz_answer_http(world, &copy);
    }
}

#endif
