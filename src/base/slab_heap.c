// SPDX-License-Identifier: Apache-2.0
#include "src/base/slab_heap.h"

#include <malloc.h>
#include <string.h>

#include "src/base/check.h"
#include "src/base/memory_poison.h"

enum {
    SLAB_BYTES = 65536,
    /* Headers of neighbouring slabs lie on different cache lines of their first page. */
    SLAB_COLOURS = 16,
    CACHE_LINE_BYTES = 64,
};

struct free_block {
    struct free_block *next;
};

struct slab {
    struct list_node node; /* of its class's open slabs; unlinked while it is full */
    struct free_block *free_list;
    uint8_t *fresh; /* never handed out from here on */
    uint8_t *end;
    uint32_t block_bytes;
    uint32_t live_count;
    uint32_t size_class;
};

_Static_assert(sizeof(struct slab) <= CACHE_LINE_BYTES, "a slab's header is one cache line");

/* NULL: the block is a large one. Those are aligned like slabs, whose first line is never a block. */
static struct slab *slab_of(const void *block) {
    uintptr_t address = (uintptr_t)block;
    uintptr_t base = address & ~(uintptr_t)(SLAB_BYTES - 1);
    if (address == base) {
        return NULL;
    }
    uintptr_t colour = base / SLAB_BYTES % SLAB_COLOURS;
    return (struct slab *)(base + colour * CACHE_LINE_BYTES);
}

static struct slab *add_slab(struct slab_heap *heap, uint32_t size_class) {
    uint8_t *base = mem_alloc_aligned(SLAB_BYTES, SLAB_BYTES);
    struct slab *slab = slab_of(base + 1);
    uint32_t block_bytes = size_class_bytes(size_class);
    uint8_t *first = (uint8_t *)slab + CACHE_LINE_BYTES;
    *slab = (struct slab){
        .fresh = first,
        .end = base + SLAB_BYTES,
        .block_bytes = block_bytes,
        .size_class = size_class,
    };
    memory_poison(slab->fresh, (size_t)(slab->end - slab->fresh));
    list_push_front(&heap->open[size_class], &slab->node);
    heap->slab_count++;
    return slab;
}

static void drop_slab(struct slab_heap *heap, struct slab *slab) {
    void *base = (void *)((uintptr_t)slab & ~(uintptr_t)(SLAB_BYTES - 1));
    list_remove(&slab->node);
    memory_unpoison(base, SLAB_BYTES);
    mem_free(base);
    heap->slab_count--;
}

void slab_heap_init(struct slab_heap *heap) {
    *heap = (struct slab_heap){.live_count = 0};
    for (uint32_t i = 0; i < SIZE_CLASS_COUNT; i++) {
        list_init(&heap->open[i]);
    }
}

void slab_heap_deinit(struct slab_heap *heap) {
    ASSERT(heap->live_count == 0);
    for (uint32_t i = 0; i < SIZE_CLASS_COUNT; i++) {
        LIST_FOR_EACH_SAFE (node, &heap->open[i]) {
            drop_slab(heap, LIST_ENTRY(node, struct slab, node));
        }
    }
}

void slab_heap_trim(struct slab_heap *heap) {
    for (uint32_t i = 0; i < SIZE_CLASS_COUNT; i++) {
        LIST_FOR_EACH_SAFE (node, &heap->open[i]) {
            struct slab *slab = LIST_ENTRY(node, struct slab, node);
            if (slab->live_count == 0) {
                drop_slab(heap, slab);
            }
        }
    }
}

static bool has_room(const struct slab *slab) {
    return slab->free_list != NULL || slab->fresh + slab->block_bytes <= slab->end;
}

void *slab_alloc(struct slab_heap *heap, size_t size) {
    heap->live_count++;
    if (size > SIZE_CLASS_MAX_BYTES) {
        return mem_alloc_aligned(SLAB_BYTES, size);
    }
    uint32_t size_class = size_class_of(size);
    struct list_node *open = &heap->open[size_class];
    struct slab *slab = list_is_empty(open) ? add_slab(heap, size_class)
                                            : LIST_ENTRY(open->next, struct slab, node);
    struct free_block *block = slab->free_list;
    if (block != NULL) {
        memory_unpoison(block, slab->block_bytes);
        slab->free_list = block->next;
    } else {
        block = (struct free_block *)(void *)slab->fresh;
        memory_unpoison(block, slab->block_bytes);
        slab->fresh += slab->block_bytes;
    }
    slab->live_count++;
    if (!has_room(slab)) {
        list_remove(&slab->node);
    }
    return block;
}

void slab_free(struct slab_heap *heap, void *block) {
    if (block == NULL) {
        return;
    }
    ASSERT(heap->live_count > 0);
    heap->live_count--;
    struct slab *slab = slab_of(block);
    if (slab == NULL) {
        mem_free(block);
        return;
    }
    ASSERT(slab->live_count > 0);
    struct free_block *link = block;
    link->next = slab->free_list;
    slab->free_list = link;
    memory_poison(block, slab->block_bytes);
    struct list_node *open = &heap->open[slab->size_class];
    if (!list_is_linked(&slab->node)) {
        list_push_front(open, &slab->node);
    }
    if (--slab->live_count == 0 && open->next->next != open) {
        drop_slab(heap, slab);
    }
}

size_t slab_block_bytes(void *block) {
    const struct slab *slab = slab_of(block);
    return slab == NULL ? malloc_usable_size(block) : slab->block_bytes;
}
