// SPDX-License-Identifier: Apache-2.0
/*
 * Where a format writes: a small piece of the caller's stack that spills into a buffer or grows in an
 * arena. Text goes in as it is, sanitised to one line, or escaped for a JSON string. Private to
 * src/access_log.
 */
#ifndef SRC_ACCESS_LOG_LOG_OUTPUT_H
#define SRC_ACCESS_LOG_LOG_OUTPUT_H

#include "src/base/arena.h"
#include "src/base/buffer.h"

struct log_output {
    uint8_t *ptr;
    size_t used;
    size_t capacity;
    struct buffer *buffer; /* full: spill to it; NULL: grow in `arena` */
    struct arena *arena;
};

void log_output_init(struct log_output *out, uint8_t *scratch, size_t capacity,
                     struct buffer *buffer, struct arena *arena);
/* Moves what is left in the scratch to the buffer. */
void log_output_finish(struct log_output *out);
void log_output_bytes(struct log_output *out, struct slice bytes);
void log_output_number(struct log_output *out, uint64_t number);
/* Control bytes but HTAB become "\x0a": a value cannot begin a line of its own. */
void log_output_one_line(struct log_output *out, struct slice text);
/* A JSON document on one line: control bytes, which only stand between its tokens, become spaces. */
void log_output_document(struct log_output *out, struct slice json);
/* What stands between the quotes of a JSON string. Bytes that are not UTF-8 are each written as a code
 * point, as Envoy does. */
void log_output_json(struct log_output *out, struct slice text);

#endif
