// SPDX-License-Identifier: Apache-2.0
#include "src/base/kernel_file.h"

#include <fcntl.h>
#include <unistd.h>

enum status kernel_file_read(const char *path, char *text, size_t size, struct error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return error_set(err, STATUS_NOT_FOUND, "cannot open '%s'", path);
    }
    ssize_t got = read(fd, text, size - 1);
    (void)close(fd);
    if (got < 0) {
        return error_set(err, STATUS_IO, "cannot read '%s'", path);
    }
    text[got] = '\0';
    return STATUS_OK;
}
