// SPDX-License-Identifier: Apache-2.0
#include "src/base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "src/base/check.h"

enum { ARENA_DEFAULT_BLOCK_BYTES = 4096 };

struct arena_block {
    struct arena_block *next;
    size_t bytes; /* header included */
    bool is_pooled;
    _Alignas(ARENA_ALIGNMENT) uint8_t data[];
};

struct arena_release {
    struct arena_release *next;
    arena_release_fn *release;
    void *arg;
};

void arena_init(struct arena *arena, struct block_pool *pool) {
    CHECK(pool->block_bytes > sizeof(struct arena_block) + ARENA_ALIGNMENT);
    *arena = (struct arena){.pool = pool, .block_bytes = pool->block_bytes};
}

void arena_init_heap(struct arena *arena, size_t block_bytes) {
    size_t bytes = block_bytes == 0 ? ARENA_DEFAULT_BLOCK_BYTES : block_bytes;
    CHECK(bytes > sizeof(struct arena_block) + ARENA_ALIGNMENT);
    *arena = (struct arena){.block_bytes = bytes};
}

void arena_init_growing(struct arena *arena, size_t first_bytes, size_t max_bytes) {
    arena_init_heap(arena, first_bytes);
    arena->max_block_bytes = max_bytes;
}

size_t arena_block_overhead(void) {
    return sizeof(struct arena_block);
}

void arena_deinit(struct arena *arena) {
    arena_reset(arena);
}

void arena_at_reset(struct arena *arena, arena_release_fn *release, void *arg) {
    struct arena_release *entry = ARENA_NEW(arena, struct arena_release);
    *entry = (struct arena_release){arena->releases, release, arg};
    arena->releases = entry;
}

void arena_reset(struct arena *arena) {
    for (struct arena_release *entry = arena->releases; entry != NULL; entry = entry->next) {
        entry->release(entry->arg);
    }
    arena->releases = NULL;
    struct arena_block *block = arena->blocks;
    while (block != NULL) {
        struct arena_block *next = block->next;
        memory_unpoison(block, block->bytes);
        if (block->is_pooled) {
            block_pool_put(arena->pool, block);
        } else {
            mem_free(block);
        }
        block = next;
    }
    arena->blocks = NULL;
    arena->next = NULL;
    arena->end = NULL;
    arena->used_bytes = 0;
}

void arena_wipe(struct arena *arena) {
    for (struct arena_block *block = arena->blocks; block != NULL; block = block->next) {
        size_t capacity = block->bytes - sizeof(struct arena_block);
        memory_unpoison(block->data, capacity);
        explicit_bzero(block->data, capacity);
    }
}

void arena_exclude_from_core(const struct arena *arena) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (struct arena_block *block = arena->blocks; block != NULL; block = block->next) {
        uintptr_t from = (uintptr_t)block & ~(page - 1);
        uintptr_t end = ((uintptr_t)block + block->bytes + page - 1) & ~(page - 1);
        // Neighbours on the same pages are left out too; a kernel without the advice changes nothing.
        (void)madvise((void *)from, end - from, MADV_DONTDUMP);
    }
}

// A request that no block holds gets its own, linked behind the current one, whose rest stays in use.
static void *alloc_large(struct arena *arena, size_t size) {
    CHECK(size < SIZE_MAX / 2);
    struct arena_block *block = mem_alloc(sizeof(struct arena_block) + size);
    block->bytes = sizeof(struct arena_block) + size;
    block->is_pooled = false;
    if (arena->blocks == NULL) {
        block->next = NULL;
        arena->blocks = block;
    } else {
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    }
    arena->used_bytes += size;
    return block->data;
}

static struct arena_block *heap_block(struct arena *arena) {
    struct arena_block *block = mem_alloc(arena->block_bytes);
    block->bytes = arena->block_bytes;
    block->is_pooled = false;
    if (arena->block_bytes < arena->max_block_bytes) {
        size_t doubled = arena->block_bytes * 2;
        arena->block_bytes = doubled < arena->max_block_bytes ? doubled : arena->max_block_bytes;
    }
    return block;
}

static struct arena_block *pool_block(struct block_pool *pool) {
    struct arena_block *block = block_pool_get(pool);
    block->bytes = pool->block_bytes;
    block->is_pooled = true;
    return block;
}

void *arena_alloc_slow(struct arena *arena, size_t size) {
    if (size >= arena->block_bytes - sizeof(struct arena_block)) {
        return alloc_large(arena, size);
    }
    struct arena_block *block = arena->pool != NULL ? pool_block(arena->pool) : heap_block(arena);
    block->next = arena->blocks;
    arena->blocks = block;
    size_t capacity = block->bytes - sizeof(struct arena_block);
    memory_poison(block->data + size, capacity - size);
    arena->next = block->data + memory_poison_padded(size, capacity);
    arena->end = block->data + capacity;
    arena->used_bytes += size;
    return block->data;
}

void *arena_zalloc(struct arena *arena, size_t size) {
    return memset(arena_alloc(arena, size), 0, size);
}

void *arena_calloc(struct arena *arena, size_t count, size_t size) {
    size_t bytes;
    CHECK(!__builtin_mul_overflow(count, size, &bytes));
    return arena_zalloc(arena, bytes);
}

struct slice arena_dup_slice(struct arena *arena, struct slice s) {
    if (s.len == 0) {
        return SLICE("");
    }
    uint8_t *copy = arena_alloc_bytes(arena, s.len);
    memcpy(copy, s.ptr, s.len);
    return slice_make(copy, s.len);
}

char *arena_dup_string(struct arena *arena, struct slice s) {
    char *copy = (char *)arena_alloc_bytes(arena, s.len + 1);
    if (s.len > 0) {
        memcpy(copy, s.ptr, s.len);
    }
    copy[s.len] = '\0';
    return copy;
}

struct slice arena_printf(struct arena *arena, const char *format, ...) {
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = (char *)arena_alloc_bytes(arena, len < 0 ? 1 : (size_t)len + 1);
    int written = len < 0 ? len : vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return slice_make(text, written < 0 ? 0 : (size_t)written);
}
