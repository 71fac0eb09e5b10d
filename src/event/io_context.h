// SPDX-License-Identifier: Apache-2.0
/*
 * What every thread that does I/O has (each worker and the control thread): its loop, its memory
 * pools, its random numbers, its stats cells, its snapshot. The whole upstream stack runs on any
 * io_context. Owned by the thread's creator; everything in it is touched by that thread only, but for
 * `mailbox`, to which all may post, and `mapped_bytes`, which all may read.
 */
#ifndef SRC_EVENT_IO_CONTEXT_H
#define SRC_EVENT_IO_CONTEXT_H

#include <stdatomic.h>

#include "src/base/block_pool.h"
#include "src/base/buffer.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/random.h"

struct event_loop;
struct mailbox;
struct config_snapshot;
struct upstream_manager;
struct dns_resolver;
struct overload_state;

/* Arena blocks of streams: room for a stream, for what it has in a chain of few filters and upstream,
 * and for a head each; with the allocator's word a multiple of a cache line. */
enum { IO_ARENA_BLOCK_BYTES = 952 };

struct io_context {
    uint32_t index; /* 0..workers-1 for workers, `workers` for the control thread: the stats cell */
    struct event_loop *loop;
    struct mailbox *mailbox;
    struct buffer_pool buffers;
    struct block_pool arena_blocks;
    struct block_growth growth; /* of both, and of connections */
    struct random random;
    const struct config_snapshot *snapshot; /* current; swapped between callbacks, at a loop turn */
    struct upstream_manager *upstream; /* this thread's pools and balancers; NULL before set-up */
    struct dns_resolver *dns;          /* NULL where no cluster needs it */
    const struct overload_state *overload; /* the process'; NULL: no overload manager */
    uint32_t timeout_scale;                /* how far timeouts are reduced; overload_timeouts.h */
    uint64_t connection_count;             /* connections ever made here; their ids come from it */
    /* What this thread's HTTP/2 codecs share (one frame buffer, pools); src/http/h2 makes and frees it. */
    void *h2_shared;
    _Atomic size_t mapped_bytes; /* resident memory of this thread that is not the allocator's */
    bool is_draining;
    bool holds_reads; /* until the end of the turn: memory is short, what is held goes first */
};

/* Initialises loop, mailbox, pools and random; the pointers above stay NULL. */
enum status io_context_init(struct io_context *io, uint32_t index, struct clock *clock,
                            struct error *err) MUST_USE;
/* Gives back the pooled memory that nobody needed since the last call, to be called at this interval:
 * a burst's memory is back in the allocator after two. */
enum { IO_TRIM_INTERVAL_MS = 5000 };
void io_context_trim_unused(struct io_context *io);
/* Everything that used it is gone. */
void io_context_deinit(struct io_context *io);

#endif
