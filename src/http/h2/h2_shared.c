// SPDX-License-Identifier: Apache-2.0
#include "src/http/h2/h2_shared.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/check.h"
#include "src/event/io_context.h"
#include "src/http/h2/h2_codec.h"

/* The size of a session's frame buffer: header, pad length and payload. Another version of nghttp2 with
 * another size never asks for this one, and then each session has its own. */
enum { FRAME_BUFFER_BYTES = 9 + 1 + 16384 };
enum { MAX_FREE_STREAMS = 1024, REST_MS = 1000 };

static void on_rest_timer(void *arg) {
    struct h2_shared *shared = arg;
    while (!list_is_empty(&shared->resting)) {
        struct h2_codec *h2 = LIST_ENTRY(shared->resting.next, struct h2_codec, rest);
        list_remove(&h2->rest);
        if (list_is_empty(&h2->streams)) {
            slab_heap_discard_zeroes(h2->memory_hook.stream_table);
        }
    }
    slab_heap_trim(&shared->heap);
    block_pool_trim_unused(&shared->streams);
}

static void arm_rest_timer(struct h2_shared *shared) {
    if (!timer_is_armed(&shared->rest_timer)) {
        timer_arm(shared->loop, &shared->rest_timer, REST_MS);
    }
}

void h2_shared_rest(struct h2_shared *shared, struct h2_codec *h2) {
    if (list_is_linked(&h2->rest)) {
        return;
    }
    list_push_back(&shared->resting, &h2->rest);
    arm_rest_timer(shared);
}

struct h2_shared *h2_shared_get(struct io_context *io) {
    struct h2_shared *shared = io->h2_shared;
    if (shared == NULL) {
        shared = mem_calloc(1, sizeof(*shared));
        shared->frame_buffer = mem_alloc(FRAME_BUFFER_BYTES);
        block_pool_init(&shared->streams, sizeof(struct h2_stream), MAX_FREE_STREAMS);
        shared->callbacks = h2_callbacks_new();
        shared->loop = io->loop;
        slab_heap_init(&shared->heap);
        list_init(&shared->resting);
        timer_init(&shared->rest_timer, on_rest_timer, shared);
        io->h2_shared = shared;
    }
    shared->refs++;
    return shared;
}

void h2_shared_unref(struct io_context *io) {
    struct h2_shared *shared = io->h2_shared;
    if (--shared->refs > 0) {
        arm_rest_timer(shared);
        return;
    }
    io->h2_shared = NULL;
    nghttp2_session_callbacks_del(shared->callbacks);
    timer_cancel(&shared->rest_timer);
    slab_heap_deinit(&shared->heap);
    block_pool_deinit(&shared->streams);
    mem_free(shared->fields);
    mem_free(shared->frame_buffer);
    mem_free(shared);
}

static void *hook_malloc(size_t size, void *arg) {
    struct h2_memory_hook *hook = arg;
    if (size == FRAME_BUFFER_BYTES && !hook->is_claimed) {
        hook->is_claimed = true;
        return hook->frame_buffer;
    }
    return slab_alloc(hook->heap, size);
}

static void hook_free(void *ptr, void *arg) {
    struct h2_memory_hook *hook = arg;
    if (ptr == hook->frame_buffer) {
        hook->is_claimed = false;
        return;
    }
    if (ptr == hook->stream_table) {
        hook->stream_table = NULL;
    }
    slab_free(hook->heap, ptr);
}

static void *hook_calloc(size_t count, size_t size, void *arg) {
    struct h2_memory_hook *hook = arg;
    void *block = slab_calloc(hook->heap, count, size);
    // Only a table asks for a cleared page; what is given back is looked at anyway.
    if (count * size == SLAB_PAGE_BYTES && hook->stream_table == NULL) {
        hook->stream_table = block;
    }
    return block;
}

static void *hook_realloc(void *ptr, size_t size, void *arg) {
    struct h2_memory_hook *hook = arg;
    if (ptr == NULL) {
        return hook_malloc(size, arg);
    }
    if (ptr != hook->frame_buffer) {
        if (ptr == hook->stream_table) {
            hook->stream_table = NULL;
        }
        return slab_realloc(hook->heap, ptr, size);
    }
    void *own = slab_alloc(hook->heap, size);
    memcpy(own, ptr, size < FRAME_BUFFER_BYTES ? size : FRAME_BUFFER_BYTES);
    hook->is_claimed = false;
    return own;
}

void h2_memory_init(struct h2_shared *shared, struct h2_memory_hook *hook, nghttp2_mem *mem) {
    *hook = (struct h2_memory_hook){.heap = &shared->heap, .frame_buffer = shared->frame_buffer};
    *mem = (nghttp2_mem){
        .mem_user_data = hook,
        .malloc = hook_malloc,
        .free = hook_free,
        .calloc = hook_calloc,
        .realloc = hook_realloc,
    };
}
