// SPDX-License-Identifier: Apache-2.0
/*
 * What all HTTP/2 codecs of one io_context share: nghttp2's memory, one frame buffer, the pool of
 * stream objects, the scratch array in which header blocks are put together, nghttp2's callback table.
 * Made by the context's first codec and freed with its last; hangs at io_context.h2_shared.
 *
 * The frame buffer: each nghttp2 session owns 16 KiB in which it builds the frame that it sends. All
 * sessions of a thread get the same memory for it, which is sound because a codec takes every frame out
 * at once (h2_output.c) and no other codec runs in between.
 *
 * Resting codecs: a session's table of streams is a page, all zeroes while there is no stream. A second
 * after a codec's last stream it is given back to the kernel. So is, a second after a codec went to rest
 * or away, what lies free in the pools.
 */
#ifndef SRC_HTTP_H2_H2_SHARED_H
#define SRC_HTTP_H2_H2_SHARED_H

#include <nghttp2/nghttp2.h>

#include <stdbool.h>

#include "src/base/block_pool.h"
#include "src/base/list.h"
#include "src/base/slab_heap.h"
#include "src/event/timer.h"

struct h2_codec;
struct io_context;

struct h2_shared {
    uint32_t refs;
    struct event_loop *loop;
    struct slab_heap heap; /* of nghttp2's sessions */
    uint8_t *frame_buffer;
    nghttp2_session_callbacks *callbacks;
    struct block_pool streams;
    nghttp2_nv *fields; /* scratch of h2_encode.c */
    size_t fields_capacity;
    struct list_node resting; /* codecs whose last stream went since the timer ran */
    struct timer rest_timer;  /* armed while there are any, or one has gone */
};

/* Finds or makes the context's; one reference. */
struct h2_shared *h2_shared_get(struct io_context *io);
void h2_shared_unref(struct io_context *io);

/* The codec has no stream left. */
void h2_shared_rest(struct h2_shared *shared, struct h2_codec *h2);

/* nghttp2's allocator for one session; it gives out the shared frame buffer once. `mem` points to
 * `hook` from then on. */
struct h2_memory_hook {
    struct slab_heap *heap;
    uint8_t *frame_buffer;
    void *stream_table; /* NULL: the session has none of a page */
    bool is_claimed;    /* the session has the frame buffer */
};
void h2_memory_init(struct h2_shared *shared, struct h2_memory_hook *hook, nghttp2_mem *mem);

#endif
