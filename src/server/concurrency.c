// SPDX-License-Identifier: Apache-2.0
/* How many workers, as Envoy 1.40 counts: hardware threads, the affinity mask, and the cgroup's CPU
 * quota, whichever is least; ENVOY_CGROUP_CPU_DETECTION=false leaves the quota out. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/kernel_file.h"
#include "src/server/options.h"

static uint32_t affinity_count(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0) {
        return UINT32_MAX;
    }
    return (uint32_t)CPU_COUNT(&set);
}

enum { LINE_BYTES = 128 };

static bool read_line(const char *path, char line[LINE_BYTES]) {
    return kernel_file_read(path, line, LINE_BYTES, NULL) == STATUS_OK && line[0] != '\0';
}

/* "max 100000" or "150000 100000" (cgroup v2), quota and period in files of their own (v1). */
static uint32_t cgroup_count(void) {
    char line[LINE_BYTES];
    long long quota = -1;
    long long period = 0;
    if (read_line("/sys/fs/cgroup/cpu.max", line)) {
        char *end = NULL;
        if (strncmp(line, "max", 3) == 0) {
            return UINT32_MAX;
        }
        quota = strtoll(line, &end, 10);
        period = end == NULL ? 0 : strtoll(end, NULL, 10);
    } else if (read_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", line)) {
        quota = strtoll(line, NULL, 10);
        period =
            read_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", line) ? strtoll(line, NULL, 10) : 0;
    }
    if (quota <= 0 || period <= 0) {
        return UINT32_MAX;
    }
    return quota < period ? 1 : (uint32_t)(quota / period);
}

uint32_t options_concurrency(const struct options *options) {
    if (options->has_concurrency) {
        return options->concurrency;
    }
    long hardware = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t count = hardware < 1 ? 1 : (uint32_t)hardware;
    uint32_t affinity = affinity_count();
    count = affinity < count ? affinity : count;
    const char *detection = getenv("ENVOY_CGROUP_CPU_DETECTION");
    if (detection == NULL || strcmp(detection, "false") != 0) {
        uint32_t quota = cgroup_count();
        count = quota < count ? quota : count;
    }
    return count == 0 ? 1 : count;
}
