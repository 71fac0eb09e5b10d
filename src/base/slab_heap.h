// SPDX-License-Identifier: Apache-2.0
/*
 * A malloc for small blocks of one thread, for libraries that bring their own structures and take an
 * allocator (nghttp2). Blocks of one size class lie side by side in slabs of 64 KiB, without a header
 * of their own: a block's slab is found by its address, which costs a dozen instructions and no memory.
 * What is larger than a page comes from mem_alloc. A slab that has become empty goes back to it too,
 * but for the last one of its class. Blocks of a page are aligned to pages, so that the kernel can
 * take one back that holds zeroes only (slab_heap_discard_zeroes). Blocks are aligned to 8 bytes, those
 * of more than 128 bytes to 16. Under AddressSanitizer free blocks are poisoned.
 */
#ifndef SRC_BASE_SLAB_HEAP_H
#define SRC_BASE_SLAB_HEAP_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/list.h"

enum { SLAB_PAGE_BYTES = 4096, SLAB_CLASSES = 36 };

struct slab_heap {
    struct list_node open[SLAB_CLASSES]; /* slabs with room, of each class */
    uint64_t live_count; /* blocks handed out and not returned, large ones included */
    uint32_t slab_count;
};

void slab_heap_init(struct slab_heap *heap);
/* Every block must have been returned (ASSERT). */
void slab_heap_deinit(struct slab_heap *heap);
void *slab_alloc(struct slab_heap *heap, size_t size);
void *slab_calloc(struct slab_heap *heap, size_t count, size_t size);
void *slab_realloc(struct slab_heap *heap, void *block, size_t size);
void slab_free(struct slab_heap *heap, void *block); /* NULL: no-op */
/* Drops the empty slabs that were kept, at most one of each class. */
void slab_heap_trim(struct slab_heap *heap);
/* Gives the memory of a block of SLAB_PAGE_BYTES that holds zeroes only back to the kernel; it reads
 * as zeroes as before. Others, NULL included, are left as they are. */
void slab_heap_discard_zeroes(void *block);

#endif
