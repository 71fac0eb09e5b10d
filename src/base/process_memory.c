// SPDX-License-Identifier: Apache-2.0
#include "src/base/process_memory.h"

#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include "src/base/kernel_file.h"

/* Less than this, and than this share of what is in use, is not worth a trim. */
enum { TRIM_LEAST_BYTES = 512 * 1024, TRIM_SHARE = 16 };

struct process_memory process_memory_read(void) {
    char line[128];
    if (kernel_file_read("/proc/self/statm", line, sizeof(line), NULL) != STATUS_OK) {
        return (struct process_memory){.resident_bytes = 0};
    }
    size_t fields[3] = {0}; // all, resident and file-backed pages, proc_pid_statm(5)
    char *at = line;
    for (size_t i = 0; i < 3; i++) {
        fields[i] = strtoull(at, &at, 10);
    }
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t of_files = fields[2] < fields[1] ? fields[2] : fields[1];
    return (struct process_memory){
        .resident_bytes = fields[1] * page,
        .private_bytes = (fields[1] - of_files) * page,
    };
}

static size_t minus(size_t from, size_t what) {
    return from > what ? from - what : 0;
}

static size_t heap_in_use(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

void heap_trim_start(struct heap_trim *trim) {
    (void)malloc_trim(0);
    size_t unused = minus(process_memory_read().private_bytes, heap_in_use());
    *trim = (struct heap_trim){.foreign_bytes = unused, .kept_bytes = unused};
}

void heap_trim_run(struct heap_trim *trim, size_t mapped_bytes) {
    size_t in_use = heap_in_use();
    size_t least = in_use / TRIM_SHARE > TRIM_LEAST_BYTES ? in_use / TRIM_SHARE : TRIM_LEAST_BYTES;
    size_t before = process_memory_read().private_bytes;
    size_t unused = minus(before, in_use + mapped_bytes);
    if (in_use < trim->fruitless_in_use_bytes / 2) {
        // What lay between blocks in use then may be whole pages now.
        trim->kept_bytes = trim->foreign_bytes;
        trim->fruitless_in_use_bytes = 0;
    }
    if (unused < trim->kept_bytes) {
        trim->kept_bytes = unused;
    }
    if (unused - trim->kept_bytes < least) {
        return;
    }
    (void)malloc_trim(0);
    size_t returned = minus(before, process_memory_read().private_bytes);
    // Fruitless: the same amount is not tried again.
    if (returned < least / 2) {
        trim->kept_bytes = unused;
        trim->fruitless_in_use_bytes = in_use;
    }
}
