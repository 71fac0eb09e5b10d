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

/* The whole of `from` in one go; returns what it has become in `to`. */
static size_t run(z_stream *z, int (*step)(z_stream *, int), struct slice from, uint8_t *to,
                  size_t room) {
    CHECK(from.len < UINT32_MAX && room < UINT32_MAX); // zlib's counts; a message has 2 GiB at most
    z->next_in = (uint8_t *)(uintptr_t)from.ptr;
    z->avail_in = (unsigned)from.len;
    z->next_out = to;
    z->avail_out = (unsigned)room;
    CHECK(step(z, Z_FINISH) == Z_STREAM_END);
    return room - z->avail_out;
}

void packed_bytes_init(struct packed_bytes *packed, struct slice bytes) {
    *packed = (struct packed_bytes){.full_len = bytes.len};
    if (bytes.len == 0) {
        return;
    }
    z_stream z = {.zalloc = wiped_alloc, .zfree = wiped_free};
    CHECK(deflateInit(&z, Z_BEST_SPEED) == Z_OK);
    size_t room = deflateBound(&z, bytes.len);
    packed->ptr = mem_alloc(room);
    packed->len = run(&z, deflate, bytes, packed->ptr, room);
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

struct slice packed_bytes_get(const struct packed_bytes *packed, struct arena *arena) {
    if (packed->full_len == 0) {
        return SLICE("");
    }
    uint8_t *bytes = arena_alloc_bytes(arena, packed->full_len);
    z_stream z = {.zalloc = wiped_alloc, .zfree = wiped_free};
    CHECK(inflateInit(&z) == Z_OK);
    size_t len = run(&z, inflate, slice_make(packed->ptr, packed->len), bytes, packed->full_len);
    CHECK(len == packed->full_len);
    (void)inflateEnd(&z);
    return slice_make(bytes, len);
}
