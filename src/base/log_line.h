// SPDX-License-Identifier: Apache-2.0
/*
 * Lays one message of the application log out after an spdlog pattern: the pattern's standard flags
 * with padding and truncation (%8l %-8l %=8l %4!l), and Envoy's own: %_ is the message with its line
 * ends escaped, %j escaped for a JSON string, %+ the message without its tags, %* its tags, %N the
 * version. Unknown flags stay as they are. A line lives on the stack and takes heap only when it is long.
 */
#ifndef SRC_BASE_LOG_LINE_H
#define SRC_BASE_LOG_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/slice.h"

enum { LOG_LINE_STACK_BYTES = 2048 };

struct log_line {
    char *data; /* stack, or the heap */
    size_t len;
    size_t capacity;
    char stack[LOG_LINE_STACK_BYTES];
};

/* What a pattern can show of a message. */
struct log_record {
    const char *component;
    const char *level;
    const char *version;
    const char *file; /* root-relative path */
    int line;
    int64_t wall_s;
    uint32_t wall_ns;
    uint64_t elapsed_ns; /* since the message before */
    struct slice message;
};

void log_line_init(struct log_line *line);
void log_line_deinit(struct log_line *line);
void log_line_append(struct log_line *line, struct slice text);
/* Appends the record after `pattern`, without a line end. */
void log_line_format(struct log_line *line, const char *pattern, const struct log_record *record);
/* C-escapes all but white space at the end, so that a message stays one line whatever is in it. */
void log_line_escape(struct log_line *line);

#endif
