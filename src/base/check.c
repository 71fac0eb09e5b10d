// SPDX-License-Identifier: Apache-2.0
#include "src/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Noreturn void check_failed(const char *file, int line, const char *expression) {
    // No log and no stdio buffer: either may be what is broken.
    char text[512];
    int len = snprintf(text, sizeof(text), "%s:%d: check failed: %s\n", file, line, expression);
    if (len > 0) {
        size_t bytes = (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1;
        ssize_t ignored = write(STDERR_FILENO, text, bytes);
        (void)ignored;
    }
    abort();
}

void *mem_alloc(size_t size) {
    void *ptr = malloc(size == 0 ? 1 : size);
    if (ptr == NULL) {
        check_failed(__FILE__, __LINE__, "out of memory");
    }
    return ptr;
}

void *mem_calloc(size_t count, size_t size) {
    void *ptr = count == 0 || size == 0 ? calloc(1, 1) : calloc(count, size);
    if (ptr == NULL) {
        check_failed(__FILE__, __LINE__, "out of memory");
    }
    return ptr;
}

void *mem_realloc(void *ptr, size_t size) {
    void *moved = realloc(ptr, size == 0 ? 1 : size);
    if (moved == NULL) {
        check_failed(__FILE__, __LINE__, "out of memory");
    }
    return moved;
}

void *mem_alloc_aligned(size_t alignment, size_t size) {
    void *ptr = aligned_alloc(alignment, (size + alignment - 1) & ~(alignment - 1));
    if (ptr == NULL) {
        check_failed(__FILE__, __LINE__, "out of memory");
    }
    return ptr;
}

char *mem_dup_string(const char *text, size_t len) {
    char *copy = (char *)mem_alloc(len + 1);
    if (len > 0) {
        memcpy(copy, text, len);
    }
    copy[len] = '\0';
    return copy;
}

void mem_free(void *ptr) {
    free(ptr);
}
