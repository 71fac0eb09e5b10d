// SPDX-License-Identifier: Apache-2.0
#include "src/overload/resource_monitor.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/kernel_file.h"
#include "src/base/process_memory.h"

enum { FILE_BYTES = 8192 }; /* memory.stat has some 2 KiB */

/* A version 1 group without a limit shows the largest multiple of a page. */
static const uint64_t V1_UNLIMITED = (uint64_t)INT64_MAX / 4096 * 4096;

/* ---- cgroup_memory ---- */

struct cgroup_files {
    const char *used, *limit, *stat;
    const char *droppable; /* in `stat`: file pages that nobody used lately */
};
static const struct cgroup_files cgroup_versions[] = {
    {"memory.current", "memory.max", "memory.stat", "inactive_file "},
    {"memory/memory.usage_in_bytes", "memory/memory.limit_in_bytes", "memory/memory.stat",
     "total_inactive_file "},
};

static enum status read_cgroup_file(const char *root, const char *name, char text[FILE_BYTES],
                                    struct error *err) {
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    return kernel_file_read(path, text, FILE_BYTES, err);
}

static uint64_t stat_value(const char *text, const char *key) {
    size_t len = strlen(key);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, len) == 0) {
            return strtoull(line + len, NULL, 10);
        }
    }
    return 0;
}

static enum status read_version(const char *root, const struct cgroup_files *files,
                                struct cgroup_memory *memory, struct error *err) {
    char text[FILE_BYTES];
    TRY(read_cgroup_file(root, files->limit, text, err));
    memory->limit_bytes = strncmp(text, "max", 3) == 0 ? UINT64_MAX : strtoull(text, NULL, 10);
    if (memory->limit_bytes >= V1_UNLIMITED) {
        memory->limit_bytes = UINT64_MAX;
    }
    TRY(read_cgroup_file(root, files->used, text, err));
    memory->used_bytes = strtoull(text, NULL, 10);
    // Without it a log file's pages would count as much as memory that cannot be given back.
    if (read_cgroup_file(root, files->stat, text, NULL) == STATUS_OK) {
        uint64_t droppable = stat_value(text, files->droppable);
        memory->used_bytes -= droppable < memory->used_bytes ? droppable : memory->used_bytes;
    }
    return STATUS_OK;
}

enum status cgroup_memory_read(const char *root, struct cgroup_memory *memory, struct error *err) {
    for (size_t i = 0; i < sizeof(cgroup_versions) / sizeof(cgroup_versions[0]); i++) {
        enum status status = read_version(root, &cgroup_versions[i], memory, err);
        if (status != STATUS_NOT_FOUND) {
            return status;
        }
    }
    return error_set(err, STATUS_NOT_FOUND, "no memory control group in '%s'", root);
}

static struct resource_usage of_limit(uint64_t used, uint64_t limit) {
    return (struct resource_usage){
        .pressure = (double)used / (double)limit,
        .left_bytes = used < limit ? limit - used : 0,
    };
}

static enum status read_cgroup(uint64_t max_bytes, struct resource_usage *usage,
                               struct error *err) {
    struct cgroup_memory memory;
    TRY(cgroup_memory_read(CGROUP_ROOT, &memory, err));
    uint64_t limit = memory.limit_bytes;
    if (max_bytes != 0 && max_bytes < limit) {
        limit = max_bytes;
    }
    if (limit != UINT64_MAX) {
        *usage = of_limit(memory.used_bytes, limit);
    }
    return STATUS_OK;
}

/* ---- injected_resource ---- */

static enum status read_injected(struct slice file, struct resource_usage *usage,
                                 struct error *err) {
    char path[PATH_MAX], text[FILE_BYTES];
    (void)snprintf(path, sizeof(path), "%.*s", SLICE_ARG(file));
    TRY(kernel_file_read(path, text, sizeof(text), err));
    char *end = text;
    double value = strtod(text, &end);
    if (end == text || !(value >= 0 && value <= 1)) {
        return error_set(err, STATUS_INVALID, "no number from 0 to 1 in '%s'", path);
    }
    usage->pressure = value;
    return STATUS_OK;
}

enum status resource_monitor_read(const struct resource_monitor_config *config,
                                  struct resource_usage *usage, struct error *err) {
    struct resource_usage read = {.left_bytes = UINT64_MAX};
    enum status status = STATUS_OK;
    switch (config->kind) {
    case RESOURCE_FIXED_HEAP:
        read = of_limit(process_memory_read().private_bytes, config->max_bytes);
        break;
    case RESOURCE_CGROUP_MEMORY:
        status = read_cgroup(config->max_bytes, &read, err);
        break;
    case RESOURCE_INJECTED:
        status = read_injected(config->file, &read, err);
        break;
    case RESOURCE_CPU_HOST:
    case RESOURCE_CPU_CONTAINER:
    case RESOURCE_CONNECTIONS:
        status = error_set(err, STATUS_INTERNAL, "not read from here");
        break;
    }
    if (status == STATUS_OK) {
        *usage = read;
    }
    return status;
}
