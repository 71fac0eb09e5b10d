// SPDX-License-Identifier: Apache-2.0
#include "src/base/packed_bytes.h"

#include <zlib.h>

#include "src/base/arena.h"
#include "src/base/check.h"

/* In front of each block of zlib's, which does not say how long it is when it frees it. */
struct block_head {
    _Alignas(16) size_t len;
};

static void *wiped_alloc(void *arg, unsigned count, unsigned size) {
    (void)arg;
    size_t len = (size_t)count * size;
    struct block_head *head = mem_alloc(sizeof(*head) + len);
    head->len = len;
    return head + 1;
}

static void wiped_free(void *arg, void *block) {
    (void)arg;
    struct block_head *head = (struct block_head *)block - 1;
    explicit_bzero(block, head->len);
    mem_free(head);
}

struct packer {
    z_stream z;
    uint8_t room[PACKER_MAX_BYTES];
};

/* Pieces of a few pages: a window of 8 KiB and hash tables that fit beside it. */
enum { PACKER_WINDOW_BITS = 13, PACKER_MEM_LEVEL = 6 };
/* No header, no checksum: nothing here was out of our hands. */
enum { WINDOW_BITS = 15, MEM_LEVEL = 8 };

static void start_deflate(z_stream *z, int window_bits, int mem_level) {
    *z = (z_stream){.zalloc = wiped_alloc, .zfree = wiped_free};
    CHECK(deflateInit2(z, Z_BEST_SPEED, Z_DEFLATED, -window_bits, mem_level, Z_DEFAULT_STRATEGY) ==
          Z_OK);
}

/* As much of `from` as fits into `room`; returns zlib's word. */
static int run(z_stream *z, int (*step)(z_stream *, int), struct slice from, uint8_t *to,
               size_t room) {
    CHECK(from.len < UINT32_MAX && room < UINT32_MAX); // zlib's counts; a message has 2 GiB at most
    z->next_in = (uint8_t *)(uintptr_t)from.ptr;
    z->avail_in = (unsigned)from.len;
    z->next_out = to;
    z->avail_out = (unsigned)room;
    return step(z, Z_FINISH);
}

void packed_bytes_init(struct packed_bytes *packed, struct slice bytes) {
    *packed = (struct packed_bytes){.full_len = bytes.len};
    if (bytes.len == 0) {
        return;
    }
    z_stream z;
    start_deflate(&z, WINDOW_BITS, MEM_LEVEL);
    size_t room = deflateBound(&z, bytes.len);
    packed->ptr = mem_alloc(room);
    CHECK(run(&z, deflate, bytes, packed->ptr, room) == Z_STREAM_END);
    packed->len = z.total_out;
    (void)deflateEnd(&z);
    packed->ptr = mem_realloc(packed->ptr, packed->len);
}

void packed_bytes_deinit(struct packed_bytes *packed) {
    if (packed->ptr != NULL) {
        explicit_bzero(packed->ptr, packed->len);
        mem_free(packed->ptr);
    }
    *packed = (struct packed_bytes){.len = 0};
}

void packed_bytes_write(const struct packed_bytes *packed, uint8_t *to) {
    z_stream z = {.zalloc = wiped_alloc, .zfree = wiped_free};
    CHECK(inflateInit2(&z, -WINDOW_BITS) == Z_OK);
    CHECK(run(&z, inflate, slice_make(packed->ptr, packed->len), to, packed->full_len) ==
              Z_STREAM_END &&
          z.total_out == packed->full_len);
    (void)inflateEnd(&z);
}

struct slice packed_bytes_get(const struct packed_bytes *packed, struct arena *arena) {
    if (packed->full_len == 0) {
        return SLICE("");
    }
    uint8_t *bytes = arena_alloc_bytes(arena, packed->full_len);
    packed_bytes_write(packed, bytes);
    return slice_make(bytes, packed->full_len);
}

struct packer *packer_new(void) {
    struct packer *packer = mem_alloc(sizeof(*packer));
    start_deflate(&packer->z, PACKER_WINDOW_BITS, PACKER_MEM_LEVEL);
    return packer;
}

void packer_free(struct packer *packer) {
    if (packer != NULL) {
        (void)deflateEnd(&packer->z);
        explicit_bzero(packer, sizeof(*packer));
        mem_free(packer);
    }
}

enum status packed_bytes_try(struct packed_bytes *packed, struct packer *packer, struct slice bytes,
                             size_t max_len) {
    CHECK(max_len <= sizeof(packer->room));
    *packed = (struct packed_bytes){.len = 0};
    (void)deflateReset(&packer->z);
    if (run(&packer->z, deflate, bytes, packer->room, max_len) != Z_STREAM_END) {
        return STATUS_LIMIT;
    }
    packed->full_len = bytes.len;
    packed->len = packer->z.total_out;
    packed->ptr = mem_alloc(packed->len);
    memcpy(packed->ptr, packer->room, packed->len);
    return STATUS_OK;
}
