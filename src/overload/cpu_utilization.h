// SPDX-License-Identifier: Apache-2.0
/*
 * How busy the processors are, as Envoy's cpu_utilization monitor reckons it: of the host, or of the
 * control group in what it may use; smoothed, so that it follows a change over some twenty readings.
 * Owned by the overload manager; control thread.
 */
#ifndef SRC_OVERLOAD_CPU_UTILIZATION_H
#define SRC_OVERLOAD_CPU_UTILIZATION_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/error.h"

struct cpu_times {
    double work;  /* done so far */
    double total; /* gone by so far, of one core (host: of all); same unit */
    double cores; /* that were there to do it; host: 1 */
};
struct cpu_utilization {
    struct cpu_times previous;
    bool has_previous;
    double value; /* 0 idle, 1 busy */
};

/* `path`: a file in the form of /proc/stat. */
enum status cpu_times_of_host(const char *path, struct cpu_times *times,
                              struct error *err) MUST_USE;
/* Version 2 (cpu.stat, cpu.max, cpuset.cpus.effective), else version 1 (cpu.shares are taken for
 * thousandths of a core, as Envoy does) below the folder `root`. */
enum status cpu_times_of_group(const char *root, uint64_t now_us, struct cpu_times *times,
                               struct error *err) MUST_USE;

/* STATUS_INVALID: no time went by, or work went back; nothing is changed then. */
enum status cpu_utilization_add(struct cpu_utilization *utilization, const struct cpu_times *times,
                                struct error *err) MUST_USE;

#endif
