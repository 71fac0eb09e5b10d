// SPDX-License-Identifier: Apache-2.0
#include "src/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum status error_set(struct error *err, enum status status, const char *format, ...) {
    if (err == NULL) {
        return status;
    }
    // Through a copy: the arguments may point into err->message.
    char text[ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    err->status = status;
    if (len < 0) {
        err->message[0] = '\0';
        return status;
    }
    size_t kept = (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1;
    memcpy(err->message, text, kept + 1);
    return status;
}

enum status error_prefix(struct error *err, const char *format, ...) {
    if (err == NULL) {
        return STATUS_INTERNAL;
    }
    char text[ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    size_t used = len < 0 ? 0 : (size_t)len;
    if (used >= sizeof(text)) {
        used = sizeof(text) - 1;
    }
    size_t room = sizeof(text) - 1 - used;
    size_t separator_len = room < 2 ? room : 2;
    memcpy(text + used, ": ", separator_len);
    used += separator_len;
    room -= separator_len;
    size_t message_len = strnlen(err->message, sizeof(err->message));
    size_t kept = message_len < room ? message_len : room;
    memcpy(text + used, err->message, kept);
    text[used + kept] = '\0';
    memcpy(err->message, text, used + kept + 1);
    return err->status;
}
