// SPDX-License-Identifier: Apache-2.0
#include "src/base/buffer.h"

#include <stdarg.h>
#include <stdio.h>

#include "src/base/check.h"

/* What lies unused in a pool above these goes back to the allocator: 1 MiB and 64 KiB. */
enum { MAX_FREE_CHUNKS = 64, MAX_FREE_FRAGMENTS = 1024 };
/* Up to this many bytes a copy is cheaper than a link, which pins a chunk and costs an iovec. */
enum { COPY_LIMIT_BYTES = 512 };

enum chunk_kind {
    CHUNK_POOLED,   /* a block of pool->chunks, storage behind the header */
    CHUNK_HEAP,     /* the same, but larger and from the heap */
    CHUNK_EXTERNAL, /* a header in pool->fragments, storage is the caller's */
};

struct buffer_chunk {
    uint32_t refs; /* fragments, in whatever buffers */
    enum chunk_kind kind;
    uint8_t *base;
    size_t capacity;
    /* Storage below this offset may be seen by some fragment. Only the fragment that ends here may
     * grow, so sharers of a chunk never see each other's appended bytes. */
    size_t used;
    buffer_release_fn *release; /* external only; may be NULL */
    void *release_arg;
};

struct buffer_fragment {
    struct buffer_fragment *next;
    struct buffer_chunk *chunk;
    uint8_t *ptr;
    size_t len;
};

_Static_assert(BUFFER_CHUNK_CAPACITY + sizeof(struct buffer_chunk) == BUFFER_CHUNK_BYTES,
               "the header says what a chunk holds");
_Static_assert(sizeof(struct buffer_chunk) >= sizeof(struct buffer_fragment),
               "one block size serves both");

void buffer_pool_init(struct buffer_pool *pool) {
    block_pool_init(&pool->chunks, BUFFER_CHUNK_BYTES, MAX_FREE_CHUNKS);
    block_pool_init(&pool->fragments, sizeof(struct buffer_chunk), MAX_FREE_FRAGMENTS);
}

void buffer_pool_deinit(struct buffer_pool *pool) {
    block_pool_deinit(&pool->chunks);
    block_pool_deinit(&pool->fragments);
}

void buffer_pool_count_growth(struct buffer_pool *pool, struct block_growth *growth) {
    pool->chunks.growth = growth;
    pool->fragments.growth = growth;
}

void buffer_pool_trim_unused(struct buffer_pool *pool) {
    block_pool_trim_unused(&pool->chunks);
    block_pool_trim_unused(&pool->fragments);
}

static struct buffer_chunk *heap_chunk_new(size_t capacity) {
    struct buffer_chunk *chunk = mem_alloc(sizeof(struct buffer_chunk) + capacity);
    *chunk = (struct buffer_chunk){
        .kind = CHUNK_HEAP, .base = (uint8_t *)(chunk + 1), .capacity = capacity};
    return chunk;
}

static struct buffer_chunk *chunk_new(struct buffer_pool *pool, size_t capacity) {
    if (capacity > BUFFER_CHUNK_CAPACITY) {
        return heap_chunk_new(capacity);
    }
    struct buffer_chunk *chunk = block_pool_get(&pool->chunks);
    *chunk = (struct buffer_chunk){
        .kind = CHUNK_POOLED, .base = (uint8_t *)(chunk + 1), .capacity = BUFFER_CHUNK_CAPACITY};
    return chunk;
}

static void chunk_unref(struct buffer_pool *pool, struct buffer_chunk *chunk) {
    ASSERT(chunk->refs > 0);
    if (--chunk->refs > 0) {
        return;
    }
    switch (chunk->kind) {
    case CHUNK_POOLED:
        block_pool_put(&pool->chunks, chunk);
        return;
    case CHUNK_HEAP:
        mem_free(chunk);
        return;
    case CHUNK_EXTERNAL: {
        buffer_release_fn *release = chunk->release;
        void *arg = chunk->release_arg;
        block_pool_put(&pool->fragments, chunk);
        if (release != NULL) {
            release(arg);
        }
        return;
    }
    }
}

static struct buffer_fragment *fragment_new(struct buffer_pool *pool, struct buffer_chunk *chunk,
                                            uint8_t *ptr, size_t len) {
    struct buffer_fragment *fragment = block_pool_get(&pool->fragments);
    *fragment = (struct buffer_fragment){.chunk = chunk, .ptr = ptr, .len = len};
    chunk->refs++;
    return fragment;
}

static void fragment_free(struct buffer_pool *pool, struct buffer_fragment *fragment) {
    struct buffer_chunk *chunk = fragment->chunk;
    block_pool_put(&pool->fragments, fragment);
    chunk_unref(pool, chunk);
}

// Storage behind the fragment's bytes that it may grow into.
static size_t fragment_room(const struct buffer_fragment *fragment) {
    struct buffer_chunk *chunk = fragment->chunk;
    size_t end = (size_t)(fragment->ptr - chunk->base) + fragment->len;
    if (chunk->refs == 1 && chunk->kind != CHUNK_EXTERNAL) {
        // What lay behind is gone with its fragments.
        chunk->used = end;
    }
    return chunk->used == end ? chunk->capacity - end : 0;
}

static void fragment_grow(struct buffer_fragment *fragment, size_t len) {
    fragment->len += len;
    fragment->chunk->used += len;
}

/* Fragments behind the tail (all, when there is no tail) are empty: an open reserve. */

static struct buffer_fragment *reserve_of(const struct buffer *buf) {
    return buf->tail != NULL ? buf->tail->next : buf->head;
}

static void set_after_tail(struct buffer *buf, struct buffer_fragment *fragment) {
    if (buf->tail != NULL) {
        buf->tail->next = fragment;
    } else {
        buf->head = fragment;
    }
}

static void free_fragments(struct buffer_pool *pool, struct buffer_fragment *fragment) {
    while (fragment != NULL) {
        struct buffer_fragment *next = fragment->next;
        fragment_free(pool, fragment);
        fragment = next;
    }
}

static __attribute__((noinline)) void drop_reserve(struct buffer *buf) {
    struct buffer_fragment *reserve = reserve_of(buf);
    set_after_tail(buf, NULL);
    free_fragments(buf->pool, reserve);
}

static inline void trim(struct buffer *buf) {
    if (reserve_of(buf) != NULL) {
        drop_reserve(buf);
    }
}

void buffer_trim(struct buffer *buf) {
    trim(buf);
}

static void link_tail(struct buffer *buf, struct buffer_fragment *fragment) {
    trim(buf);
    set_after_tail(buf, fragment);
    buf->tail = fragment;
    buf->len += fragment->len;
}

static void link_head(struct buffer *buf, struct buffer_fragment *fragment) {
    trim(buf);
    fragment->next = buf->head;
    buf->head = fragment;
    if (buf->tail == NULL) {
        buf->tail = fragment;
    }
    buf->len += fragment->len;
}

void buffer_init(struct buffer *buf, struct buffer_pool *pool) {
    *buf = (struct buffer){.pool = pool};
}

void buffer_deinit(struct buffer *buf) {
    buffer_clear(buf);
}

void buffer_clear(struct buffer *buf) {
    struct buffer_fragment *fragments = buf->head;
    // Emptied first: a release function may come back to this buffer.
    buf->head = NULL;
    buf->tail = NULL;
    buf->len = 0;
    free_fragments(buf->pool, fragments);
}

void buffer_append(struct buffer *buf, struct slice bytes) {
    size_t room = buf->tail == NULL ? 0 : fragment_room(buf->tail);
    while (bytes.len > 0) {
        if (room == 0) {
            struct buffer_chunk *chunk = chunk_new(buf->pool, BUFFER_CHUNK_CAPACITY);
            link_tail(buf, fragment_new(buf->pool, chunk, chunk->base, 0));
            room = chunk->capacity;
        }
        size_t len = bytes.len < room ? bytes.len : room;
        memcpy(buf->tail->ptr + buf->tail->len, bytes.ptr, len);
        fragment_grow(buf->tail, len);
        buf->len += len;
        room -= len;
        bytes = slice_make(bytes.ptr + len, bytes.len - len);
    }
}

void buffer_prepend(struct buffer *buf, struct slice bytes) {
    // From the last byte to the first, each piece as far right as it goes, so that another prepend
    // finds room before it.
    while (bytes.len > 0) {
        struct buffer_fragment *head = buf->tail == NULL ? NULL : buf->head;
        size_t room = 0;
        if (head != NULL && head->chunk->refs == 1 && head->chunk->kind != CHUNK_EXTERNAL) {
            room = (size_t)(head->ptr - head->chunk->base);
        }
        if (room == 0) {
            struct buffer_chunk *chunk = chunk_new(buf->pool, BUFFER_CHUNK_CAPACITY);
            chunk->used = chunk->capacity;
            head = fragment_new(buf->pool, chunk, chunk->base + chunk->capacity, 0);
            link_head(buf, head);
            room = chunk->capacity;
        }
        size_t len = bytes.len < room ? bytes.len : room;
        head->ptr -= len;
        head->len += len;
        buf->len += len;
        bytes.len -= len;
        memcpy(head->ptr, bytes.ptr + bytes.len, len);
    }
}

void buffer_append_printf(struct buffer *buf, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len >= (int)sizeof(text)) {
        char *longer = mem_alloc((size_t)len + 1);
        len = vsnprintf(longer, (size_t)len + 1, format, again);
        buffer_append(buf, slice_make(longer, len < 0 ? 0 : (size_t)len));
        mem_free(longer);
    } else if (len > 0) {
        buffer_append(buf, slice_make(text, (size_t)len));
    }
    va_end(again);
}

void buffer_append_external(struct buffer *buf, struct slice bytes, buffer_release_fn *release,
                            void *arg) {
    if (bytes.len == 0) {
        if (release != NULL) {
            release(arg);
        }
        return;
    }
    struct buffer_chunk *chunk = block_pool_get(&buf->pool->fragments);
    *chunk = (struct buffer_chunk){
        .kind = CHUNK_EXTERNAL,
        // Never written through: an external chunk has no room.
        .base = (uint8_t *)(uintptr_t)bytes.ptr,
        .capacity = bytes.len,
        .used = bytes.len,
        .release = release,
        .release_arg = arg,
    };
    link_tail(buf, fragment_new(buf->pool, chunk, chunk->base, bytes.len));
}

// True when `len` bytes at the end of `to` were better copied than linked.
static bool should_copy(const struct buffer *to, size_t len) {
    return len <= COPY_LIMIT_BYTES && to->tail != NULL && fragment_room(to->tail) >= len;
}

static void copy_fragments(struct buffer *to, const struct buffer *from, size_t len) {
    for (const struct buffer_fragment *at = from->head; len > 0; at = at->next) {
        size_t part = at->len < len ? at->len : len;
        buffer_append(to, slice_make(at->ptr, part));
        len -= part;
    }
}

void buffer_move(struct buffer *to, struct buffer *from) {
    ASSERT(to != from && to->pool == from->pool);
    if (from->len == 0) {
        return;
    }
    if (should_copy(to, from->len)) {
        copy_fragments(to, from, from->len);
        buffer_clear(from);
        return;
    }
    trim(to);
    trim(from);
    set_after_tail(to, from->head);
    to->tail = from->tail;
    to->len += from->len;
    buffer_init(from, from->pool);
}

// Takes the first fragment, which is not empty, off the queue.
static struct buffer_fragment *unlink_head(struct buffer *buf) {
    struct buffer_fragment *head = buf->head;
    buf->head = head->next;
    if (buf->tail == head) {
        buf->tail = NULL;
    }
    buf->len -= head->len;
    head->next = NULL;
    return head;
}

void buffer_move_len(struct buffer *to, struct buffer *from, size_t len) {
    ASSERT(to != from && to->pool == from->pool);
    if (len >= from->len) {
        buffer_move(to, from);
        return;
    }
    trim(from);
    if (should_copy(to, len)) {
        copy_fragments(to, from, len);
        buffer_drain(from, len);
        return;
    }
    while (len >= from->head->len) {
        len -= from->head->len;
        link_tail(to, unlink_head(from));
    }
    if (len == 0) {
        return;
    }
    struct buffer_fragment *head = from->head;
    if (should_copy(to, len)) {
        buffer_append(to, slice_make(head->ptr, len));
    } else {
        link_tail(to, fragment_new(to->pool, head->chunk, head->ptr, len));
    }
    buffer_drain(from, len);
}

void buffer_share(struct buffer *to, const struct buffer *from) {
    ASSERT(to != from && to->pool == from->pool);
    if (from->len == 0) {
        return;
    }
    if (should_copy(to, from->len)) {
        copy_fragments(to, from, from->len);
        return;
    }
    size_t left = from->len;
    for (struct buffer_fragment *at = from->head; left > 0; at = at->next) {
        link_tail(to, fragment_new(to->pool, at->chunk, at->ptr, at->len));
        left -= at->len;
    }
}

void buffer_share_range(struct buffer *to, const struct buffer *from, size_t offset, size_t len) {
    ASSERT(to != from && to->pool == from->pool);
    CHECK(offset <= from->len && len <= from->len - offset);
    struct buffer_fragment *at = from->head;
    for (; len > 0 && offset >= at->len; at = at->next) {
        offset -= at->len;
    }
    while (len > 0) {
        size_t part = at->len - offset < len ? at->len - offset : len;
        // A copy into a chunk of its own would take more memory than the link pins.
        if (should_copy(to, part)) {
            buffer_append(to, slice_make(at->ptr + offset, part));
        } else {
            link_tail(to, fragment_new(to->pool, at->chunk, at->ptr + offset, part));
        }
        len -= part;
        offset = 0;
        at = at->next;
    }
}

void buffer_drain(struct buffer *buf, size_t len) {
    if (len >= buf->len) {
        buffer_clear(buf);
        return;
    }
    while (len >= buf->head->len) {
        len -= buf->head->len;
        fragment_free(buf->pool, unlink_head(buf));
    }
    buf->head->ptr += len;
    buf->head->len -= len;
    buf->len -= len;
}

int buffer_reserve(struct buffer *buf, size_t want, struct iovec *vecs, int max) {
    ASSERT(max > 0);
    trim(buf);
    int count = 0;
    size_t got = 0;
    size_t room = buf->tail == NULL ? 0 : fragment_room(buf->tail);
    if (room > 0) {
        vecs[count++] = (struct iovec){buf->tail->ptr + buf->tail->len, room};
        got = room;
    }
    struct buffer_fragment *last = buf->tail;
    while (count < max && (got < want || count == 0)) {
        struct buffer_chunk *chunk = chunk_new(buf->pool, BUFFER_CHUNK_CAPACITY);
        struct buffer_fragment *fragment = fragment_new(buf->pool, chunk, chunk->base, 0);
        if (last == NULL) {
            buf->head = fragment;
        } else {
            last->next = fragment;
        }
        last = fragment;
        vecs[count++] = (struct iovec){chunk->base, chunk->capacity};
        got += chunk->capacity;
    }
    return count;
}

void buffer_commit(struct buffer *buf, size_t len) {
    size_t room = buf->tail == NULL ? 0 : fragment_room(buf->tail);
    if (room > 0 && len > 0) {
        size_t part = len < room ? len : room;
        fragment_grow(buf->tail, part);
        buf->len += part;
        len -= part;
    }
    while (len > 0) {
        struct buffer_fragment *next = reserve_of(buf);
        CHECK(next != NULL);
        size_t part = len < next->chunk->capacity ? len : next->chunk->capacity;
        fragment_grow(next, part);
        buf->tail = next;
        buf->len += part;
        len -= part;
    }
    trim(buf);
}

int buffer_peek_iovecs(const struct buffer *buf, struct iovec *vecs, int max, size_t *total) {
    int count = 0;
    size_t sum = 0;
    for (const struct buffer_fragment *at = buf->head; count < max && sum < buf->len;
         at = at->next) {
        vecs[count++] = (struct iovec){at->ptr, at->len};
        sum += at->len;
    }
    *total = sum;
    return count;
}

struct slice buffer_front(const struct buffer *buf) {
    return buf->len == 0 ? slice_make(NULL, 0) : slice_make(buf->head->ptr, buf->head->len);
}

// Appends the `len` bytes that follow the head fragment to it.
static void pull_into_head(struct buffer *buf, size_t len) {
    struct buffer_fragment *head = buf->head;
    while (len > 0) {
        struct buffer_fragment *next = head->next;
        size_t part = next->len < len ? next->len : len;
        memcpy(head->ptr + head->len, next->ptr, part);
        fragment_grow(head, part);
        next->ptr += part;
        next->len -= part;
        len -= part;
        if (next->len == 0) {
            head->next = next->next;
            if (buf->tail == next) {
                buf->tail = head;
            }
            fragment_free(buf->pool, next);
        }
    }
}

struct slice buffer_linearize(struct buffer *buf, size_t len) {
    ASSERT(len <= buf->len);
    if (len == 0) {
        return slice_make(NULL, 0);
    }
    if (buf->head->len >= len) {
        return slice_make(buf->head->ptr, len);
    }
    trim(buf);
    if (fragment_room(buf->head) < len - buf->head->len) {
        struct buffer_chunk *chunk = chunk_new(buf->pool, len);
        link_head(buf, fragment_new(buf->pool, chunk, chunk->base, 0));
    }
    pull_into_head(buf, len - buf->head->len);
    return slice_make(buf->head->ptr, len);
}

void buffer_copy_out(const struct buffer *buf, size_t offset, void *to, size_t len) {
    CHECK(offset <= buf->len && len <= buf->len - offset);
    uint8_t *out = to;
    const struct buffer_fragment *at = buf->head;
    while (len > 0) {
        if (offset >= at->len) {
            offset -= at->len;
            at = at->next;
            continue;
        }
        size_t part = at->len - offset < len ? at->len - offset : len;
        memcpy(out, at->ptr + offset, part);
        out += part;
        len -= part;
        offset = 0;
        at = at->next;
    }
}

void buffer_compact(struct buffer *buf) {
    size_t len = buf->len;
    if (len == 0) {
        buffer_trim(buf);
        return;
    }
    struct buffer_chunk *chunk = heap_chunk_new(len);
    buffer_copy_out(buf, 0, chunk->base, len);
    buffer_clear(buf);
    chunk->used = len;
    link_tail(buf, fragment_new(buf->pool, chunk, chunk->base, len));
}

size_t buffer_find_byte(const struct buffer *buf, size_t from, uint8_t byte) {
    size_t before = 0;
    const struct buffer_fragment *at = buf->head;
    while (before < buf->len) {
        if (from < before + at->len) {
            size_t skip = from > before ? from - before : 0;
            const uint8_t *hit = memchr(at->ptr + skip, byte, at->len - skip);
            if (hit != NULL) {
                return before + (size_t)(hit - at->ptr);
            }
        }
        before += at->len;
        at = at->next;
    }
    return SIZE_MAX;
}
