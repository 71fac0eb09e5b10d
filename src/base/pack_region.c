// SPDX-License-Identifier: Apache-2.0
#include "src/base/pack_region.h"

#include <string.h>
#include <sys/mman.h>

#include "src/base/check.h"
#include "src/base/memory_poison.h"
#include "src/base/size_class.h"

enum {
    SLOTS = 32,
    CHUNK_BYTES = SLOTS * PACK_REGION_BYTES,
    /* Heads of neighbouring regions lie on different cache lines. */
    COLOURS = 32,
    CACHE_LINE_BYTES = 64,
    PAGE_BYTES = 4096, /* for counting only */
    USABLE_BYTES = PACK_REGION_BYTES - COLOURS * CACHE_LINE_BYTES,
};

struct pack_chunk {
    struct list_node node; /* pack_regions.open; unlinked while it is full */
    uint8_t *base;
    struct pack_regions *regions;
    uint32_t free;        /* slots, a bit each */
    uint32_t used;        /* slots of which something is resident */
    uint8_t pages[SLOTS]; /* how much */
};

struct free_link {
    struct free_link *next;
};

/* In front of each block. What was carved out is a row of these up to pack_region_head.top. */
struct block {
    uint32_t bytes; /* with this header */
    uint16_t size_class;
    uint16_t is_free; /* told of runs always, of blocks while packing only */
};

enum { HEADER_BYTES = sizeof(struct block) };
_Static_assert(HEADER_BYTES == 8, "blocks are aligned to 8 bytes");

/* At the region's start, packed with it. Blocks are carved out of runs: free stretches between blocks,
 * in the order of addresses, and at last all that lies above `top`. */
struct pack_region_head {
    struct free_link *free[SIZE_CLASS_COUNT];
    uint8_t *fresh; /* of the run being carved */
    uint8_t *fresh_end;
    struct free_link *runs; /* the next ones */
    uint8_t *top; /* nothing from here on was used; behind `fresh` while that run is the last */
    bool is_last; /* the run being carved is what lies above `top` */
};

static uint8_t *end_of(const struct pack_region_head *head) {
    return (uint8_t *)(uintptr_t)head + USABLE_BYTES;
}

static uint8_t *first_of(struct pack_region_head *head) {
    return (uint8_t *)(head + 1);
}

static struct block *block_of(void *payload) {
    return (struct block *)payload - 1;
}

/* ---- slots ---- */

static struct pack_chunk *add_chunk(struct pack_regions *regions) {
    void *base = mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        return NULL;
    }
    // Best effort: kernels without huge pages refuse.
    (void)madvise(base, CHUNK_BYTES, MADV_NOHUGEPAGE);
    struct pack_chunk *chunk = mem_alloc(sizeof(*chunk));
    *chunk = (struct pack_chunk){.base = base, .regions = regions, .free = UINT32_MAX};
    list_push_front(&regions->open, &chunk->node);
    regions->chunk_count++;
    return chunk;
}

static uint8_t *slot_start(const struct pack_chunk *chunk, uint32_t slot) {
    return chunk->base + (size_t)slot * PACK_REGION_BYTES;
}

static uint32_t slot_of(const struct pack_region *region) {
    return (uint32_t)(((uintptr_t)region->head - (uintptr_t)region->chunk->base) /
                      PACK_REGION_BYTES);
}

/* So much of a slot is resident now. */
static void count_pages(struct pack_chunk *chunk, uint32_t slot, size_t pages) {
    size_t bytes = (pages - chunk->pages[slot]) * PAGE_BYTES; // modulo 2^64
    atomic_fetch_add_explicit(chunk->regions->resident_bytes, bytes, memory_order_relaxed);
    chunk->pages[slot] = (uint8_t)pages;
    chunk->used = pages == 0 ? chunk->used & ~(1U << slot) : chunk->used | 1U << slot;
}

/* The slot's pages that it has touched up to `end`. */
static void count_up_to(const struct pack_region *region, const uint8_t *end) {
    uint32_t slot = slot_of(region);
    size_t pages = ((size_t)(end - slot_start(region->chunk, slot)) + PAGE_BYTES - 1) / PAGE_BYTES;
    if (pages > region->chunk->pages[slot]) {
        count_pages(region->chunk, slot, pages);
    }
}

static void give_back(struct pack_chunk *chunk, uint32_t slot) {
    (void)madvise(slot_start(chunk, slot), PACK_REGION_BYTES, MADV_DONTNEED);
    count_pages(chunk, slot, 0);
}

static void drop_chunk(struct pack_regions *regions, struct pack_chunk *chunk) {
    list_remove(&chunk->node);
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        count_pages(chunk, slot, 0);
    }
    memory_unpoison(chunk->base, CHUNK_BYTES);
    (void)munmap(chunk->base, CHUNK_BYTES);
    mem_free(chunk);
    regions->chunk_count--;
}

void pack_regions_init(struct pack_regions *regions, _Atomic size_t *resident_bytes) {
    *regions = (struct pack_regions){.resident_bytes = resident_bytes};
    list_init(&regions->open);
}

void pack_regions_trim(struct pack_regions *regions) {
    LIST_FOR_EACH_SAFE (node, &regions->open) {
        struct pack_chunk *chunk = LIST_ENTRY(node, struct pack_chunk, node);
        if (chunk->free == UINT32_MAX) {
            drop_chunk(regions, chunk);
            continue;
        }
        for (uint32_t left = chunk->free & chunk->used; left != 0; left &= left - 1) {
            give_back(chunk, (uint32_t)__builtin_ctz(left));
        }
    }
}

void pack_regions_deinit(struct pack_regions *regions) {
    pack_regions_trim(regions);
    ASSERT(regions->chunk_count == 0);
}

/* Debug builds only: what touches a packed region faults. It splits mappings, of which a process has
 * not many. */
#ifdef NDEBUG
static void guard(const struct pack_region *region, bool is_forbidden) {
    (void)region;
    (void)is_forbidden;
}
#else
static void guard(const struct pack_region *region, bool is_forbidden) {
    (void)mprotect(slot_start(region->chunk, slot_of(region)), PACK_REGION_BYTES,
                   is_forbidden ? PROT_NONE : PROT_READ | PROT_WRITE);
}
#endif

void pack_region_init(struct pack_region *region, struct pack_regions *regions) {
    *region = (struct pack_region){.head = NULL};
    struct pack_chunk *chunk = list_is_empty(&regions->open)
                                   ? add_chunk(regions)
                                   : LIST_ENTRY(regions->open.next, struct pack_chunk, node);
    if (chunk == NULL) {
        return;
    }
    uint32_t warm = chunk->free & chunk->used;
    uint32_t slot = (uint32_t)__builtin_ctz(warm != 0 ? warm : chunk->free);
    chunk->free &= ~(1U << slot);
    if (chunk->free == 0) {
        list_remove(&chunk->node);
    }
    uint8_t *start = slot_start(chunk, slot) + (size_t)(slot % COLOURS) * CACHE_LINE_BYTES;
    region->chunk = chunk;
    region->head = (struct pack_region_head *)(void *)start;
    memory_unpoison(start, USABLE_BYTES);
    *region->head = (struct pack_region_head){
        .fresh = first_of(region->head), .fresh_end = end_of(region->head), .is_last = true};
    memory_poison(region->head->fresh, (size_t)(region->head->fresh_end - region->head->fresh));
    count_up_to(region, region->head->fresh);
}

void pack_region_deinit(struct pack_region *region, struct pack_regions *regions) {
    struct pack_chunk *chunk = region->chunk;
    if (chunk == NULL) {
        return;
    }
    if (pack_region_is_packed(region)) {
        guard(region, false);
        packed_bytes_deinit(&region->packed);
    }
    chunk->free |= 1U << slot_of(region);
    if (!list_is_linked(&chunk->node)) {
        list_push_front(&regions->open, &chunk->node);
    }
    *region = (struct pack_region){.head = NULL};
}

/* ---- blocks ---- */

/* A free stretch of `bytes`, for who goes from block to block. */
static void mark_run(uint8_t *start, size_t bytes) {
    memory_unpoison(start, HEADER_BYTES);
    *(struct block *)(void *)start = (struct block){.bytes = (uint32_t)bytes, .is_free = 1};
}

/* Leaves what is left of the run; false: there is no other. */
static bool next_run(struct pack_region_head *head) {
    if (head->is_last) {
        return false;
    }
    if (head->fresh < head->fresh_end) {
        mark_run(head->fresh, (size_t)(head->fresh_end - head->fresh));
    }
    struct free_link *run = head->runs;
    if (run == NULL) {
        head->fresh = head->top;
        head->fresh_end = end_of(head);
        head->is_last = true;
        return true;
    }
    head->fresh = (uint8_t *)block_of(run);
    head->fresh_end = head->fresh + block_of(run)->bytes;
    memory_unpoison(run, sizeof(*run));
    head->runs = run->next;
    return true;
}

static void *carve(struct pack_region *region, uint32_t size_class) {
    struct pack_region_head *head = region->head;
    uint32_t bytes = size_class_bytes(size_class) + HEADER_BYTES;
    while ((size_t)(head->fresh_end - head->fresh) < bytes) {
        if (!next_run(head)) {
            return NULL;
        }
    }
    struct block *block = (struct block *)(void *)head->fresh;
    head->fresh += bytes;
    memory_unpoison(block, bytes);
    *block = (struct block){.bytes = bytes, .size_class = (uint16_t)size_class};
    count_up_to(region, head->fresh);
    return block + 1;
}

void *pack_region_alloc(struct pack_region *region, size_t size) {
    struct pack_region_head *head = region->head;
    ASSERT(!pack_region_is_packed(region));
    if (head == NULL || size > SIZE_CLASS_MAX_BYTES) {
        return NULL;
    }
    uint32_t size_class = size_class_of(size);
    struct free_link *link = head->free[size_class];
    if (link == NULL) {
        return carve(region, size_class);
    }
    memory_unpoison(link, size_class_bytes(size_class));
    head->free[size_class] = link->next;
    return link;
}

void pack_region_free(struct pack_region *region, void *payload) {
    ASSERT(!pack_region_is_packed(region) && pack_region_holds(region, payload));
    struct pack_region_head *head = region->head;
    struct free_link *link = payload;
    const struct block *block = block_of(payload);
    link->next = head->free[block->size_class];
    head->free[block->size_class] = link;
    memory_poison(payload, block->bytes - HEADER_BYTES);
}

size_t pack_region_block_bytes(const void *payload) {
    return ((const struct block *)payload - 1)->bytes - HEADER_BYTES;
}

/* ---- packing ---- */

static void flag_free_blocks(struct pack_region_head *head) {
    for (uint32_t i = 0; i < SIZE_CLASS_COUNT; i++) {
        for (struct free_link *link = head->free[i]; link != NULL; link = link->next) {
            block_of(link)->is_free = 1;
        }
        head->free[i] = NULL;
    }
}

/* The free stretch from `at` on, cleared, its length in the header. */
static size_t join_run(uint8_t *at, const uint8_t *top) {
    size_t bytes = 0;
    while (at + bytes < top) {
        const struct block *block = (const struct block *)(const void *)(at + bytes);
        if (block->is_free == 0) {
            break;
        }
        bytes += block->bytes;
    }
    memset(at, 0, bytes);
    return bytes;
}

/* All that lies free becomes runs of zeroes; what lies free at the top is not used any more. */
static void compact(struct pack_region_head *head) {
    if (head->is_last) {
        head->top = head->fresh;
    } else if (head->fresh < head->fresh_end) {
        mark_run(head->fresh, (size_t)(head->fresh_end - head->fresh));
    }
    memory_unpoison(head, (size_t)(head->top - (uint8_t *)head));
    flag_free_blocks(head);
    struct free_link **last = &head->runs;
    uint8_t *at = first_of(head);
    while (at < head->top) {
        struct block *block = (struct block *)(void *)at;
        if (block->is_free == 0) {
            at += block->bytes;
            continue;
        }
        size_t bytes = join_run(at, head->top);
        if (at + bytes == head->top) {
            head->top = at;
            break;
        }
        mark_run(at, bytes);
        if (bytes >= HEADER_BYTES + sizeof(struct free_link)) {
            *last = (struct free_link *)(void *)(block + 1);
            last = &(*last)->next;
        }
        at += bytes;
    }
    *last = NULL;
    head->fresh = head->fresh_end = head->top;
    head->is_last = false;
}

static void poison_free(struct pack_region_head *head) {
    for (struct free_link *run = head->runs; run != NULL;) {
        struct free_link *next = run->next;
        memory_poison(run, block_of(run)->bytes - HEADER_BYTES);
        run = next;
    }
    memory_poison(head->top, (size_t)(end_of(head) - head->top));
}

enum status pack_region_pack(struct pack_region *region, struct packer *packer) {
    struct pack_region_head *head = region->head;
    ASSERT(!pack_region_is_packed(region));
    if (head == NULL) {
        return STATUS_LIMIT;
    }
    compact(head);
    struct slice bytes = slice_make((const uint8_t *)head, (size_t)(head->top - (uint8_t *)head));
    if (packed_bytes_try(&region->packed, packer, bytes, bytes.len / 2) != STATUS_OK) {
        poison_free(head);
        return STATUS_LIMIT;
    }
    give_back(region->chunk, slot_of(region));
    guard(region, true);
    return STATUS_OK;
}

void pack_region_unpack(struct pack_region *region) {
    ASSERT(pack_region_is_packed(region));
    guard(region, false);
    packed_bytes_write(&region->packed, (uint8_t *)region->head);
    packed_bytes_deinit(&region->packed);
    count_up_to(region, region->head->top);
    poison_free(region->head);
}
