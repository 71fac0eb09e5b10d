// SPDX-License-Identifier: Apache-2.0
/*
 * A malloc for small blocks of one thread, for libraries that bring their own structures and take an
 * allocator (nghttp2). Blocks of one size class lie side by side in slabs of 64 KiB, without a header
 * of their own: a block's slab is found by its address, which costs a dozen instructions and no memory.
 * What is larger than a page comes from mem_alloc. A slab that has become empty goes back to it too,
 * but for the last one of its class. Blocks are aligned to 8 bytes, those of more than 128 bytes to 16.
 * Under AddressSanitizer free blocks are poisoned.
 */
#ifndef SRC_BASE_SLAB_HEAP_H
#define SRC_BASE_SLAB_HEAP_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/list.h"
#include "src/base/size_class.h"

struct slab_heap {
    struct list_node open[SIZE_CLASS_COUNT]; /* slabs with room, of each class */
    uint64_t live_count; /* blocks handed out and not returned, large ones included */
    uint32_t slab_count;
};

void slab_heap_init(struct slab_heap *heap);
/* Every block must have been returned (ASSERT). */
void slab_heap_deinit(struct slab_heap *heap);
void *slab_alloc(struct slab_heap *heap, size_t size);
void slab_free(struct slab_heap *heap, void *block); /* NULL: no-op */
/* What a block has room for. */
size_t slab_block_bytes(void *block);
/* Drops the empty slabs that were kept, at most one of each class. */
void slab_heap_trim(struct slab_heap *heap);

#endif
