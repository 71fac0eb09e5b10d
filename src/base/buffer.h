// SPDX-License-Identifier: Apache-2.0
/*
 * A queue of byte chunks: message bodies and connection input and output. Bytes enter at the tail and
 * leave at the head; whole chunks move between buffers without a copy, a chunk cut in two is shared by
 * reference count. All buffers of one io_context use its chunk pool and stay on its thread. An empty
 * buffer owns no memory.
 */
#ifndef SRC_BASE_BUFFER_H
#define SRC_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "src/base/block_pool.h"
#include "src/base/slice.h"

/* Bytes of a pool block, and what of them a chunk's header leaves for payload. */
enum { BUFFER_CHUNK_BYTES = 16384, BUFFER_CHUNK_CAPACITY = BUFFER_CHUNK_BYTES - 48 };

struct buffer_chunk;    /* pooled, reference counted storage */
struct buffer_fragment; /* a chunk's range in one buffer's queue */

/* Where chunks and fragments come from; one per io_context. */
struct buffer_pool {
    struct block_pool chunks;
    struct block_pool fragments;
};
void buffer_pool_init(struct buffer_pool *pool);
void buffer_pool_deinit(struct buffer_pool *pool);
/* The growth of both counts in `growth`, which outlives the pool. */
void buffer_pool_count_growth(struct buffer_pool *pool, struct block_growth *growth);
/* block_pool_trim_unused of both. */
void buffer_pool_trim_unused(struct buffer_pool *pool);

typedef void buffer_release_fn(void *arg);

struct buffer {
    struct buffer_pool *pool;
    struct buffer_fragment *head;
    struct buffer_fragment *tail;
    size_t len; /* bytes held */
};

void buffer_init(struct buffer *buf, struct buffer_pool *pool);
/* Same as buffer_clear; the struct may be initialised again. */
void buffer_deinit(struct buffer *buf);
void buffer_clear(struct buffer *buf);
static inline bool buffer_is_empty(const struct buffer *buf) {
    return buf->len == 0;
}

/* Copies. Fills the last chunk's free space first when it is not shared. */
void buffer_append(struct buffer *buf, struct slice bytes);
void buffer_prepend(struct buffer *buf, struct slice bytes);
void buffer_append_printf(struct buffer *buf, const char *format, ...) PRINTF_LIKE(2, 3);
/* Without a copy: `bytes` stay valid until `release(arg)` is called, which happens when the last
 * reference goes (release may be NULL for static bytes). */
void buffer_append_external(struct buffer *buf, struct slice bytes, buffer_release_fn *release,
                            void *arg);
/* Moves all (the first `len` bytes; at most from->len) of `from` to the end of `to`. Same pool. Small
 * pieces are copied instead of linked where that is cheaper. */
void buffer_move(struct buffer *to, struct buffer *from);
void buffer_move_len(struct buffer *to, struct buffer *from, size_t len);
/* Shares all bytes of `from` at the end of `to` (replay buffer, shadowing): no copy, `from` stays. */
void buffer_share(struct buffer *to, const struct buffer *from);
/* Shares `len` bytes from `offset` on, which must exist; small ranges are copied
 * where the last chunk has room for them. */
void buffer_share_range(struct buffer *to, const struct buffer *from, size_t offset, size_t len);
/* Drops `len` bytes (at most buf->len) from the front. */
void buffer_drain(struct buffer *buf, size_t len);

/* Contiguous free space of at least 1 and usually BUFFER_CHUNK_BYTES-ish bytes at the tail: fills up
 * to `max` iovecs of about `want` bytes in total and returns their count. buffer_commit makes the
 * first `len` of them part of the buffer; the rest stays reserve or returns to the pool. */
int buffer_reserve(struct buffer *buf, size_t want, struct iovec *vecs, int max);
void buffer_commit(struct buffer *buf, size_t len);
/* Gives up an unused reserve, so that an empty buffer owns nothing. */
void buffer_trim(struct buffer *buf);
/* Moves the bytes into storage of just their length: for a little that stays for long. */
void buffer_compact(struct buffer *buf);

/* Up to `max` iovecs over the front bytes for writev; returns their count, bytes in *total. */
int buffer_peek_iovecs(const struct buffer *buf, struct iovec *vecs, int max, size_t *total);
/* The first contiguous run; empty for an empty buffer. */
struct slice buffer_front(const struct buffer *buf);
/* Makes the first `len` (<= buf->len) bytes contiguous, copying as little as possible, and returns
 * them; valid until the buffer is next changed. */
struct slice buffer_linearize(struct buffer *buf, size_t len);
/* Copies out `len` bytes from `offset`; the range must exist. */
void buffer_copy_out(const struct buffer *buf, size_t offset, void *to, size_t len);
/* Offset of the first `byte` at or after `from`, or SIZE_MAX. */
size_t buffer_find_byte(const struct buffer *buf, size_t from, uint8_t byte);

#endif
