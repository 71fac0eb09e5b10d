// SPDX-License-Identifier: Apache-2.0
/*
 * Invariants. ASSERT: broken inside one module, checked in debug and sanitizer builds. CHECK: would
 * corrupt memory, always checked, aborts with place and text. Bytes from peers, control planes, files
 * or the kernel are never asserted: they are handled.
 */
#ifndef SRC_BASE_CHECK_H
#define SRC_BASE_CHECK_H

#include <stddef.h>
#include <stdint.h>

_Noreturn void check_failed(const char *file, int line, const char *expression);

#define CHECK(expr) ((expr) ? (void)0 : check_failed(__FILE__, __LINE__, #expr))
#ifdef NDEBUG
#define ASSERT(expr) ((void)sizeof(expr))
#else
#define ASSERT(expr) CHECK(expr)
#endif

/* A long-lived object's first member is `uint32_t magic`, set at creation and cleared when freed;
 * each callback entry where a `void *` becomes a type checks it. */
#define CHECK_MAGIC(object, value) ASSERT((object) != NULL && (object)->magic == (value))

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Allocation that aborts when memory is out; the caller has bounded `size`. calloc zeroes. */
void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull, alloc_size(1)));
void *mem_calloc(size_t count, size_t size)
    __attribute__((malloc, returns_nonnull, alloc_size(1, 2)));
void *mem_realloc(void *ptr, size_t size) __attribute__((returns_nonnull, alloc_size(2)));
/* `alignment` is a power of two; for what must have a cache line of its own. */
void *mem_alloc_aligned(size_t alignment, size_t size)
    __attribute__((malloc, returns_nonnull, alloc_size(2)));
/* A NUL-terminated heap copy of `len` bytes; free with mem_free. */
char *mem_dup_string(const char *text, size_t len) __attribute__((returns_nonnull));
void mem_free(void *ptr);

#endif
