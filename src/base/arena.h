// SPDX-License-Identifier: Apache-2.0
/*
 * Bump allocator for everything that dies together: one request, one immutable configuration part.
 * Single thread (a finished configuration arena may be read by all). Nothing is freed one by one; long
 * lived objects never point into a request's arena. Memory is not zeroed unless said.
 */
#ifndef SRC_BASE_ARENA_H
#define SRC_BASE_ARENA_H

#include <stddef.h>

#include "src/base/block_pool.h"
#include "src/base/memory_poison.h"
#include "src/base/slice.h"

struct arena_block;
struct arena_release;

struct arena {
    struct block_pool *pool;        /* NULL: blocks come from the heap, sized `block_bytes` */
    struct arena_block *blocks;     /* newest first */
    struct arena_release *releases; /* newest first */
    uint8_t *next;
    uint8_t *end;
    size_t block_bytes;     /* of the next block */
    size_t max_block_bytes; /* to which block_bytes doubles with each heap block; 0: it stays */
    size_t used_bytes;      /* bytes asked for so far, for accounting */
};

/* Blocks of pool->block_bytes; larger requests get a heap block of their own. The first block is taken
 * at the first allocation. */
void arena_init(struct arena *arena, struct block_pool *pool);
/* Heap-backed, with blocks of `block_bytes` (0: 4096). */
void arena_init_heap(struct arena *arena, size_t block_bytes);
/* Heap-backed, for objects that are small or large: the first block has `first_bytes` (block header
 * included), each later one twice as much, up to `max_bytes`. */
void arena_init_growing(struct arena *arena, size_t first_bytes, size_t max_bytes);
/* What a block keeps for itself of the bytes that it was sized with. */
size_t arena_block_overhead(void);
void arena_deinit(struct arena *arena);
/* Frees everything; the arena is as after init. */
void arena_reset(struct arena *arena);
typedef void arena_release_fn(void *arg);
/* Has `release(arg)` called when the arena is reset, while its memory is still there: for a reference to
 * what objects in the arena point to. */
void arena_at_reset(struct arena *arena, arena_release_fn *release, void *arg);
/* For key material. Zeroes all bytes of all blocks, in a way that the compiler keeps; what was
 * allocated is still allocated. */
void arena_wipe(struct arena *arena);
/* Leaves the pages that the blocks lie in out of core dumps, as long as the process lives. */
void arena_exclude_from_core(const struct arena *arena);

enum { ARENA_ALIGNMENT = 16 };

/* What the inline paths below fall back to: takes a new block, whose beginning is aligned for all. */
void *arena_alloc_slow(struct arena *arena, size_t size) __attribute__((returns_nonnull, noinline));

/* `size` bytes at `alignment` (a power of two up to ARENA_ALIGNMENT). */
__attribute__((returns_nonnull)) static inline void *
arena_alloc_aligned(struct arena *arena, size_t size, size_t alignment) {
    size_t pad = (size_t)(0 - (uintptr_t)arena->next) & (alignment - 1);
    size_t room = (size_t)((uintptr_t)arena->end - (uintptr_t)arena->next);
    if (room <= pad || size > room - pad) {
        return arena_alloc_slow(arena, size);
    }
    uint8_t *ptr = arena->next + pad;
    memory_unpoison(ptr, size);
    arena->next = ptr + memory_poison_padded(size, room - pad);
    arena->used_bytes += size;
    return ptr;
}

/* Aligned to 16 bytes; never NULL. */
__attribute__((returns_nonnull)) static inline void *arena_alloc(struct arena *arena, size_t size) {
    return arena_alloc_aligned(arena, size, ARENA_ALIGNMENT);
}
/* Zeroed. */
void *arena_zalloc(struct arena *arena, size_t size) __attribute__((returns_nonnull));
void *arena_calloc(struct arena *arena, size_t count, size_t size) __attribute__((returns_nonnull));
/* Unaligned bytes, for text. */
__attribute__((returns_nonnull)) static inline uint8_t *arena_alloc_bytes(struct arena *arena,
                                                                          size_t size) {
    return (uint8_t *)arena_alloc_aligned(arena, size, 1);
}
struct slice arena_dup_slice(struct arena *arena, struct slice s);
/* NUL-terminated copy. */
char *arena_dup_string(struct arena *arena, struct slice s) __attribute__((returns_nonnull));
struct slice arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

#define ARENA_NEW(arena, type) ((type *)arena_zalloc((arena), sizeof(type)))
#define ARENA_NEW_ARRAY(arena, count, type) ((type *)arena_calloc((arena), (count), sizeof(type)))

#endif
