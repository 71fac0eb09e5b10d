// SPDX-License-Identifier: Apache-2.0
/*
 * Sizes to which allocators of small blocks round: every 8 bytes up to 128, then four for each doubling,
 * up to a page.
 */
#ifndef SRC_BASE_SIZE_CLASS_H
#define SRC_BASE_SIZE_CLASS_H

#include <stddef.h>
#include <stdint.h>

enum {
    SIZE_CLASS_MAX_BYTES = 4096,
    SIZE_CLASS_FINE_BYTES = 128,
    SIZE_CLASS_FINE_COUNT = SIZE_CLASS_FINE_BYTES / 8,
    SIZE_CLASS_COUNT = 36,
};

/* Of `size` <= SIZE_CLASS_MAX_BYTES; 0 is rounded up to the smallest. */
static inline uint32_t size_class_of(size_t size) {
    if (size <= SIZE_CLASS_FINE_BYTES) {
        return size == 0 ? 0 : (uint32_t)(size - 1) / 8;
    }
    uint32_t log2 = 63 - (uint32_t)__builtin_clzll(size - 1); // 7 for 129
    return SIZE_CLASS_FINE_COUNT + (log2 - 7) * 4 + ((uint32_t)((size - 1) >> (log2 - 2)) & 3);
}

static inline uint32_t size_class_bytes(uint32_t size_class) {
    if (size_class < SIZE_CLASS_FINE_COUNT) {
        return (size_class + 1) * 8;
    }
    uint32_t step = size_class - SIZE_CLASS_FINE_COUNT;
    return (5 + step % 4) << (step / 4 + 5);
}

#endif
