// SPDX-License-Identifier: Apache-2.0
/*
 * Reads what the kernel shows as a small file (/proc, /sys/fs/cgroup): one read of a few bytes, which
 * blocks on nothing but the kernel's own work.
 */
#ifndef SRC_BASE_KERNEL_FILE_H
#define SRC_BASE_KERNEL_FILE_H

#include <stddef.h>

#include "src/base/error.h"

/* The first `size` - 1 bytes of the file, NUL-terminated. STATUS_NOT_FOUND: it cannot be opened;
 * STATUS_IO: it cannot be read. */
enum status kernel_file_read(const char *path, char *text, size_t size, struct error *err) MUST_USE;

#endif
