// SPDX-License-Identifier: Apache-2.0
/*
 * What the kernel counts as this process's memory, and giving back what the allocator holds without
 * need. The allocator returns only what lies at the ends of its heaps: after a burst nearly nothing.
 * A trim of all heaps (malloc_trim) returns every free page, but holds each heap's lock for its time,
 * so it is done only where there is something to gain.
 */
#ifndef SRC_BASE_PROCESS_MEMORY_H
#define SRC_BASE_PROCESS_MEMORY_H

#include <stddef.h>

struct process_memory {
    size_t resident_bytes;
    size_t private_bytes; /* of these, not of files: heaps, stacks, written data */
};

/* All 0 where the kernel does not say. */
struct process_memory process_memory_read(void);

/* One per process, on one thread. */
struct heap_trim {
    size_t foreign_bytes; /* private memory at the start that is not the allocator's */
    /* The same, and what a trim could not return: no reason for another. */
    size_t kept_bytes;
    size_t fruitless_in_use_bytes; /* at that trim; with half of it there may be more to gain */
};

/* Returns all of the allocator's free pages; what is private then and not in use is no reason for
 * another trim. */
void heap_trim_start(struct heap_trim *trim);
/* Returns the allocator's free pages to the kernel when that is worth it. Counts resident pages, not
 * the allocator's free bytes, of which it never learns that the kernel has them back: what came and
 * went between two calls, or during a trim, is noticed by the next one. `mapped_bytes` of them are not
 * the allocator's, and come and go on their own. */
void heap_trim_run(struct heap_trim *trim, size_t mapped_bytes);

#endif
