// SPDX-License-Identifier: Apache-2.0
/*
 * Per-thread free list of equally sized memory blocks: arenas and buffer chunks come from here, so
 * that a request in the steady state allocates nothing. Owned by one io_context; one thread only.
 * What lies free above `max_free` goes back to the allocator at once. Under AddressSanitizer free
 * blocks are poisoned.
 */
#ifndef SRC_BASE_BLOCK_POOL_H
#define SRC_BASE_BLOCK_POOL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* How much more than before a thread's pools hold of the allocator's memory, against a budget that
 * another thread may change. Looked at only where a pool asks the allocator. */
struct block_growth {
    uint64_t bytes;                       /* since the budget was last used up */
    const _Atomic uint64_t *budget_bytes; /* NULL: nobody wants to know */
    void (*on_used_up)(void *arg);        /* may not use the pool */
    void *arg;
};

/* Memory of another kind that the thread took, or gave back. */
void block_growth_add(struct block_growth *growth, size_t bytes);
void block_growth_subtract(struct block_growth *growth, size_t bytes);

struct block_pool {
    void *free_list;
    size_t block_bytes;
    uint32_t free_count;
    uint32_t max_free;
    uint32_t least_free;         /* the fewest that lay free since block_pool_trim_unused */
    uint64_t live_count;         /* handed out and not returned */
    struct block_growth *growth; /* NULL: not counted */
};

void block_pool_init(struct block_pool *pool, size_t block_bytes, uint32_t max_free);
/* Frees the free list; every block must have been returned (ASSERT). */
void block_pool_deinit(struct block_pool *pool);
void *block_pool_get(struct block_pool *pool);
void block_pool_put(struct block_pool *pool, void *block);
/* Gives all free blocks back to the allocator. */
void block_pool_trim(struct block_pool *pool);
/* Gives back as many as nobody had needed since the last call: to be called now and then. */
void block_pool_trim_unused(struct block_pool *pool);

#endif
