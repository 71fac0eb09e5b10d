// SPDX-License-Identifier: Apache-2.0
/*
 * Marks memory that nobody may touch although the allocator still holds it: free blocks of a pool, the
 * unused rest of an arena block. Only AddressSanitizer builds look at the marks; elsewhere this is
 * nothing.
 */
#ifndef SRC_BASE_MEMORY_POISON_H
#define SRC_BASE_MEMORY_POISON_H

#include <sanitizer/asan_interface.h>
#include <stddef.h>

static inline void memory_poison(void *ptr, size_t size) {
    (void)ptr;
    (void)size;
    ASAN_POISON_MEMORY_REGION(ptr, size);
}
static inline void memory_unpoison(void *ptr, size_t size) {
    (void)ptr;
    (void)size;
    ASAN_UNPOISON_MEMORY_REGION(ptr, size);
}

/* What an arena takes for an allocation of `size` bytes out of `room` (>= size): where poison is looked
 * at, a gap follows each allocation, so that running over its end is seen. */
#ifdef __SANITIZE_ADDRESS__
static inline size_t memory_poison_padded(size_t size, size_t room) {
    return room - size < 16 ? size : size + 16;
}
#else
static inline size_t memory_poison_padded(size_t size, size_t room) {
    (void)room;
    return size;
}
#endif

#endif
