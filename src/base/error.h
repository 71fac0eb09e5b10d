// SPDX-License-Identifier: Apache-2.0
/*
 * The human-readable reason that goes with a failed `enum status`. Storage is the caller's, usually on
 * the stack; every function accepts NULL where the reason is not wanted.
 */
#ifndef SRC_BASE_ERROR_H
#define SRC_BASE_ERROR_H

#include "src/base/status.h"

enum { ERROR_MESSAGE_BYTES = 1024 };

struct error {
    enum status status;
    char message[ERROR_MESSAGE_BYTES]; /* NUL-terminated, cut at the end when too long */
};

/* Stores category and formatted message in `err` (NULL: ignored) and returns `status`, so that a
 * failing function can end with `return error_set(err, STATUS_INVALID, ...)`. */
enum status error_set(struct error *err, enum status status, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Puts "<formatted prefix>: " before the message already in `err`; returns err->status
 * (STATUS_INTERNAL where `err` is NULL). */
enum status error_prefix(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
