// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "xds/decode/decode_common.h"

enum { READ_STEP_BYTES = 64 * 1024 };

struct slice data_source_file(const CORE(DataSource) *from) {
    if (from == NULL ||
        from->specifier_case != ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_FILENAME) {
        return SLICE("");
    }
    return slice_from_string(from->filename);
}

// All that `fd` gives, straight into the arena, which is the only place that keys are kept in.
static bool read_all(struct arena *arena, int fd, size_t hint, struct slice *out) {
    size_t capacity = hint + 1;
    uint8_t *bytes = arena_alloc_bytes(arena, capacity);
    size_t len = 0;
    for (;;) {
        ssize_t got = read(fd, bytes + len, capacity - len);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return false;
        }
        if (got == 0) {
            *out = slice_make(bytes, len);
            return true;
        }
        len += (size_t)got;
        if (len > DATA_SOURCE_MAX_BYTES) {
            errno = EFBIG;
            return false;
        }
        if (len == capacity) {
            uint8_t *more = arena_alloc_bytes(arena, capacity * 2);
            memcpy(more, bytes, len);
            bytes = more;
            capacity *= 2;
        }
    }
}

static bool read_file(struct decoder *d, const char *path, struct slice *out) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) {
        int reason = errno;
        if (fd >= 0) {
            close(fd);
        }
        return decoder_field_error(d, "filename", "unable to read file: %s (%s)", path,
                                   strerror(reason));
    }
    bool is_sized = S_ISREG(info.st_mode) && info.st_size <= DATA_SOURCE_MAX_BYTES;
    size_t hint = is_sized && info.st_size > 0 ? (size_t)info.st_size : READ_STEP_BYTES;
    bool is_ok = read_all(d->config.arena, fd, hint, out);
    int reason = errno;
    close(fd);
    if (!is_ok) {
        return decoder_field_error(d, "filename", "unable to read file: %s (%s)", path,
                                   strerror(reason));
    }
    return true;
}

static bool read_environment(struct decoder *d, const char *name, struct slice *out) {
    const char *value = getenv(name);
    if (value == NULL) {
        return decoder_error(d, "Environment variable doesn't exist: %s", name);
    }
    *out = decoder_text(d, value);
    return true;
}

bool decode_data_source(struct decoder *d, const CORE(DataSource) *from, struct slice *out) {
    switch ((int)from->specifier_case) {
    case ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_FILENAME:
        return read_file(d, from->filename, out);
    case ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_INLINE_BYTES:
        *out = arena_dup_slice(d->config.arena,
                               slice_make(from->inline_bytes.data, from->inline_bytes.len));
        return true;
    case ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_INLINE_STRING:
        *out = decoder_text(d, from->inline_string);
        return true;
    case ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_ENVIRONMENT_VARIABLE:
        return read_environment(d, from->environment_variable, out);
    default:
        return decoder_error(d, "DataSource cannot be empty");
    }
}
