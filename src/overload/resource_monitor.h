// SPDX-License-Identifier: Apache-2.0
/*
 * Reads how much of a resource is used, as a share of its limit. Blocking reads of a few bytes from
 * /proc, /sys/fs/cgroup or a file: for the control thread, at the refresh interval.
 */
#ifndef SRC_OVERLOAD_RESOURCE_MONITOR_H
#define SRC_OVERLOAD_RESOURCE_MONITOR_H

#include "src/base/error.h"
#include "src/overload/overload_config.h"

/* *pressure: 0 is unused, 1 is the limit, which it may exceed. */
enum status resource_monitor_read(const struct resource_monitor_config *config, double *pressure,
                                  struct error *err) MUST_USE;

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
