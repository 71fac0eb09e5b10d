// SPDX-License-Identifier: Apache-2.0
#include "src/http/h2/h2_shared.h"

#include "src/base/check.h"
#include "src/event/io_context.h"
#include "src/http/h2/h2_codec.h"

enum { MAX_FREE_STREAMS = 1024, TRIM_MS = 1000 };

static void on_trim_timer(void *arg) {
    struct h2_shared *shared = arg;
    slab_heap_trim(&shared->heap);
    pack_regions_trim(&shared->regions);
    block_pool_trim_unused(&shared->streams);
}

void h2_shared_let_go(struct h2_shared *shared) {
    if (!timer_is_armed(&shared->trim_timer)) {
        timer_arm(shared->loop, &shared->trim_timer, TRIM_MS);
    }
}

struct h2_shared *h2_shared_get(struct io_context *io) {
    struct h2_shared *shared = io->h2_shared;
    if (shared == NULL) {
        shared = mem_calloc(1, sizeof(*shared));
        shared->frame_buffer = mem_alloc(H2_FRAME_BUFFER_BYTES);
        block_pool_init(&shared->streams, sizeof(struct h2_stream), MAX_FREE_STREAMS);
        shared->callbacks = h2_callbacks_new();
        shared->loop = io->loop;
        slab_heap_init(&shared->heap);
        pack_regions_init(&shared->regions, &io->mapped_bytes);
        h2_rest_init(&shared->rest, io->loop);
        timer_init(&shared->trim_timer, on_trim_timer, shared);
        io->h2_shared = shared;
    }
    shared->refs++;
    return shared;
}

void h2_shared_unref(struct io_context *io) {
    struct h2_shared *shared = io->h2_shared;
    if (--shared->refs > 0) {
        h2_shared_let_go(shared);
        return;
    }
    io->h2_shared = NULL;
    nghttp2_session_callbacks_del(shared->callbacks);
    timer_cancel(&shared->trim_timer);
    h2_rest_deinit(&shared->rest);
    pack_regions_deinit(&shared->regions);
    slab_heap_deinit(&shared->heap);
    block_pool_deinit(&shared->streams);
    mem_free(shared->fields);
    mem_free(shared->frame_buffer);
    mem_free(shared);
}
