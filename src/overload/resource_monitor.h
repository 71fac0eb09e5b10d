// SPDX-License-Identifier: Apache-2.0
/*
 * Reads how much of a resource is used, as a share of its limit: a few bytes from /proc,
 * /sys/fs/cgroup or a file, on the thread that asks. Processors and connections are the manager's.
 */
#ifndef SRC_OVERLOAD_RESOURCE_MONITOR_H
#define SRC_OVERLOAD_RESOURCE_MONITOR_H

#include "src/base/error.h"
#include "src/overload/overload_config.h"

struct resource_usage {
    double pressure;     /* 0 is unused, 1 is the limit, which it may exceed */
    uint64_t left_bytes; /* of memory, up to the limit; UINT64_MAX: no memory, or no limit */
};
enum status resource_monitor_read(const struct resource_monitor_config *config,
                                  struct resource_usage *usage, struct error *err) MUST_USE;

static inline bool resource_monitor_is_of_memory(const struct resource_monitor_config *config) {
    return config->kind == RESOURCE_FIXED_HEAP || config->kind == RESOURCE_CGROUP_MEMORY;
}

/* Where the kernel shows a container its own group. */
#define CGROUP_ROOT "/sys/fs/cgroup"

struct cgroup_memory {
    uint64_t used_bytes;  /* without the file pages that the kernel would drop first */
    uint64_t limit_bytes; /* UINT64_MAX: none */
};
/* Reads memory.* of version 2, else of version 1, below the folder `root`. */
enum status cgroup_memory_read(const char *root, struct cgroup_memory *memory,
                               struct error *err) MUST_USE;

#endif
