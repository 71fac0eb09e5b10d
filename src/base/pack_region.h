// SPDX-License-Identifier: Apache-2.0
/*
 * Memory of an object that rests most of the time, made for a library that brings its own structures
 * (nghttp2): small blocks at addresses that stay, in a region of 64 KiB of which only what is used is
 * resident. At rest the region's bytes are deflated into one small block and its pages given back
 * (pack); before anything looks at them again they are put back in the same place (unpack). Touching a
 * packed region's memory is the caller's bug: debug builds make it fault.
 *
 * Regions are slots of 2 MiB mappings, so that thousands of them are few mappings to the kernel; what a
 * closed one used stays for the next until pack_regions_trim. Blocks have size classes, a header of 8
 * bytes and an alignment of 8. Packing joins what lies free. One thread. Under AddressSanitizer free
 * blocks are poisoned.
 */
#ifndef SRC_BASE_PACK_REGION_H
#define SRC_BASE_PACK_REGION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/list.h"
#include "src/base/packed_bytes.h"

enum { PACK_REGION_BYTES = 65536 };

struct pack_chunk;
struct pack_region_head;

/* All regions of a thread. */
struct pack_regions {
    struct list_node open; /* chunks with a free slot */
    uint32_t chunk_count;
    _Atomic size_t *resident_bytes; /* what of them is resident is added to this */
};

struct pack_region {
    struct pack_region_head *head; /* NULL: no address space was to be had; it gives out nothing */
    struct pack_chunk *chunk;
    struct packed_bytes packed; /* ptr NULL: it is not packed */
};

/* Other threads may read `resident_bytes` at any time. */
void pack_regions_init(struct pack_regions *regions, _Atomic size_t *resident_bytes);
/* Every region must be gone (ASSERT). */
void pack_regions_deinit(struct pack_regions *regions);
/* Gives back what closed regions left. */
void pack_regions_trim(struct pack_regions *regions);

void pack_region_init(struct pack_region *region, struct pack_regions *regions);
/* Drops all blocks, packed or not. */
void pack_region_deinit(struct pack_region *region, struct pack_regions *regions);

/* NULL: no room, or more than SIZE_CLASS_MAX_BYTES. Never of a packed region. */
void *pack_region_alloc(struct pack_region *region, size_t size);
void pack_region_free(struct pack_region *region, void *block);
static inline bool pack_region_holds(const struct pack_region *region, const void *block) {
    return (uintptr_t)block - (uintptr_t)region->head < PACK_REGION_BYTES && region->head != NULL;
}
/* What a block has room for. */
size_t pack_region_block_bytes(const void *block);

static inline bool pack_region_is_packed(const struct pack_region *region) {
    return region->packed.ptr != NULL;
}
/* STATUS_LIMIT: less than half would be gained; the region is as before. */
enum status pack_region_pack(struct pack_region *region, struct packer *packer) MUST_USE;
/* Of a packed one. */
void pack_region_unpack(struct pack_region *region);

#endif
