// SPDX-License-Identifier: Apache-2.0
/*
 * What all HTTP/2 codecs of one io_context share: nghttp2's memory, one frame buffer, the pool of
 * stream objects, the scratch array in which header blocks are put together, nghttp2's callback table,
 * the watch over sessions at rest.
 * Made by the context's first codec and freed with its last; hangs at io_context.h2_shared.
 *
 * The frame buffer: each nghttp2 session owns 16 KiB in which it builds the frame that it sends. All
 * sessions of a thread get the same memory for it, which is sound because a codec takes every frame out
 * at once (h2_output.c) and no other codec runs in between.
 *
 * What lies free in the pools is given back a second after a codec's last stream, or a codec, went.
 */
#ifndef SRC_HTTP_H2_H2_SHARED_H
#define SRC_HTTP_H2_H2_SHARED_H

#include <nghttp2/nghttp2.h>

#include <stdbool.h>

#include "src/base/block_pool.h"
#include "src/base/pack_region.h"
#include "src/base/slab_heap.h"
#include "src/event/timer.h"
#include "src/http/h2/h2_rest.h"

struct io_context;

/* The size of a session's frame buffer: header, pad length and payload. Another version of nghttp2 with
 * another size never asks for this one, and then each session has its own. */
enum { H2_FRAME_BUFFER_BYTES = 9 + 1 + 16384 };

struct h2_shared {
    uint32_t refs;
    struct event_loop *loop;
    struct slab_heap heap;       /* of nghttp2's sessions: what comes and goes */
    struct pack_regions regions; /* what stays */
    struct h2_rest rest;
    uint8_t *frame_buffer;
    nghttp2_session_callbacks *callbacks;
    struct block_pool streams;
    nghttp2_nv *fields; /* scratch of h2_encode.c */
    size_t fields_capacity;
    struct timer trim_timer; /* armed since something was let go */
};

/* Finds or makes the context's; one reference. */
struct h2_shared *h2_shared_get(struct io_context *io);
void h2_shared_unref(struct io_context *io);

/* There may be something to give back soon. */
void h2_shared_let_go(struct h2_shared *shared);

#endif
