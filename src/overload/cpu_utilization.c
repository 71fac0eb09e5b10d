// SPDX-License-Identifier: Apache-2.0
#include "src/overload/cpu_utilization.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/kernel_file.h"

enum { FILE_BYTES = 4096 };
static const double NEWEST_SHARE = 0.05; /* of the newest reading in the value */

enum status cpu_times_of_host(const char *path, struct cpu_times *times, struct error *err) {
    char text[FILE_BYTES];
    TRY(kernel_file_read(path, text, sizeof(text), err));
    if (strncmp(text, "cpu  ", 5) != 0) {
        return error_set(err, STATUS_INVALID, "unexpected format of '%s'", path);
    }
    // user, nice, system, idle: proc_stat(5)
    double fields[4];
    char *at = text + 5;
    for (size_t i = 0; i < 4; i++) {
        char *end = at;
        fields[i] = (double)strtoull(at, &end, 10);
        if (end == at) {
            return error_set(err, STATUS_INVALID, "unexpected format of '%s'", path);
        }
        at = end;
    }
    double work = fields[0] + fields[1] + fields[2];
    *times = (struct cpu_times){.work = work, .total = work + fields[3], .cores = 1};
    return STATUS_OK;
}

/* ---- control groups ---- */

static enum status read_file(const char *root, const char *name, char text[FILE_BYTES],
                             struct error *err) {
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    return kernel_file_read(path, text, FILE_BYTES, err);
}

/* Of a list like "0-3,5". */
static double count_cpus(const char *list) {
    double count = 0;
    for (const char *at = list; *at != '\0' && *at != '\n';) {
        char *end;
        unsigned long first = strtoul(at, &end, 10), last = first;
        if (end == at) {
            return count;
        }
        if (*end == '-') {
            last = strtoul(end + 1, &end, 10);
        }
        count += last >= first ? (double)(last - first + 1) : 0;
        at = *end == ',' ? end + 1 : end;
    }
    return count;
}

/* The lesser of what the quota allows and of the processors that are its own. */
static double cores_of_v2(const char *root) {
    char text[FILE_BYTES];
    double cores = 0;
    if (read_file(root, "cpuset.cpus.effective", text, NULL) == STATUS_OK) {
        cores = count_cpus(text);
    }
    if (read_file(root, "cpu.max", text, NULL) == STATUS_OK && strncmp(text, "max", 3) != 0) {
        char *end;
        double quota = strtod(text, &end);
        double period = strtod(end, NULL);
        if (period > 0 && (cores <= 0 || quota / period < cores)) {
            cores = quota / period;
        }
    }
    return cores > 0 ? cores : 1;
}

static enum status read_v2(const char *root, double *work_us, double *cores, struct error *err) {
    char text[FILE_BYTES];
    TRY(read_file(root, "cpu.stat", text, err));
    const char *usage = strstr(text, "usage_usec ");
    if (usage == NULL) {
        return error_set(err, STATUS_INVALID, "no usage_usec in cpu.stat of '%s'", root);
    }
    *work_us = (double)strtoull(usage + strlen("usage_usec "), NULL, 10);
    *cores = cores_of_v2(root);
    return STATUS_OK;
}

static enum status read_v1(const char *root, double *work_us, double *cores, struct error *err) {
    char text[FILE_BYTES];
    if (read_file(root, "cpu/cpuacct.usage", text, NULL) != STATUS_OK) {
        TRY(read_file(root, "cpuacct/cpuacct.usage", text, err));
    }
    *work_us = (double)strtoull(text, NULL, 10) / 1000;
    TRY(read_file(root, "cpu/cpu.shares", text, err));
    *cores = (double)strtoull(text, NULL, 10) / 1000;
    return *cores > 0 ? STATUS_OK : error_set(err, STATUS_INVALID, "no cpu.shares in '%s'", root);
}

enum status cpu_times_of_group(const char *root, uint64_t now_us, struct cpu_times *times,
                               struct error *err) {
    struct cpu_times read = {.total = (double)now_us};
    enum status status = read_v2(root, &read.work, &read.cores, err);
    if (status == STATUS_NOT_FOUND) {
        status = read_v1(root, &read.work, &read.cores, err);
    }
    if (status == STATUS_OK) {
        *times = read;
    }
    return status;
}

enum status cpu_utilization_add(struct cpu_utilization *utilization, const struct cpu_times *times,
                                struct error *err) {
    double work = times->work - utilization->previous.work;
    double total = (times->total - utilization->previous.total) * times->cores;
    if (utilization->has_previous && (work < 0 || total <= 0)) {
        return error_set(err, STATUS_INVALID, "processor times went back");
    }
    if (utilization->has_previous) {
        double now = work / total < 1 ? work / total : 1;
        utilization->value = now * NEWEST_SHARE + utilization->value * (1 - NEWEST_SHARE);
    }
    utilization->has_previous = true;
    utilization->previous = *times;
    return STATUS_OK;
}
