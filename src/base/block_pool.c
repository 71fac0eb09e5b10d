// SPDX-License-Identifier: Apache-2.0
#include "src/base/block_pool.h"

#include "src/base/check.h"
#include "src/base/memory_poison.h"

/* A free block holds the link in its first word. */
struct free_block {
    struct free_block *next;
};

void block_pool_init(struct block_pool *pool, size_t block_bytes, uint32_t max_free) {
    CHECK(block_bytes >= sizeof(struct free_block));
    *pool = (struct block_pool){.block_bytes = block_bytes, .max_free = max_free};
}

void block_pool_deinit(struct block_pool *pool) {
    ASSERT(pool->live_count == 0);
    block_pool_trim(pool);
}

void block_growth_add(struct block_growth *growth, size_t bytes) {
    if (growth->budget_bytes == NULL) {
        return;
    }
    growth->bytes += bytes;
    if (growth->bytes >= atomic_load_explicit(growth->budget_bytes, memory_order_relaxed)) {
        growth->bytes = 0;
        growth->on_used_up(growth->arg);
    }
}

void block_growth_subtract(struct block_growth *growth, size_t bytes) {
    growth->bytes -= bytes < growth->bytes ? bytes : growth->bytes;
}

static __attribute__((noinline)) void *new_block(struct block_pool *pool) {
    if (pool->growth != NULL) {
        block_growth_add(pool->growth, pool->block_bytes);
    }
    return mem_alloc(pool->block_bytes);
}

static __attribute__((noinline)) void give_back(struct block_pool *pool, struct free_block *block) {
    if (pool->growth != NULL) {
        block_growth_subtract(pool->growth, pool->block_bytes);
    }
    mem_free(block);
}

void *block_pool_get(struct block_pool *pool) {
    pool->live_count++;
    struct free_block *block = pool->free_list;
    if (block == NULL) {
        return new_block(pool);
    }
    memory_unpoison(block, pool->block_bytes);
    pool->free_list = block->next;
    pool->free_count--;
    if (pool->free_count < pool->least_free) {
        pool->least_free = pool->free_count;
    }
    return block;
}

void block_pool_put(struct block_pool *pool, void *block) {
    ASSERT(pool->live_count > 0);
    pool->live_count--;
    if (pool->free_count >= pool->max_free) {
        give_back(pool, block);
        return;
    }
    memory_unpoison(block, pool->block_bytes);
    struct free_block *link = block;
    link->next = pool->free_list;
    pool->free_list = link;
    pool->free_count++;
    memory_poison(block, pool->block_bytes);
}

static void free_blocks(struct block_pool *pool, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        struct free_block *block = pool->free_list;
        memory_unpoison(block, pool->block_bytes);
        pool->free_list = block->next;
        give_back(pool, block);
    }
    pool->free_count -= count;
    pool->least_free = pool->free_count;
}

void block_pool_trim(struct block_pool *pool) {
    free_blocks(pool, pool->free_count);
}

void block_pool_trim_unused(struct block_pool *pool) {
    free_blocks(pool, pool->least_free);
}
