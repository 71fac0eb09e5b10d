// SPDX-License-Identifier: Apache-2.0
/*
 * Takes CRLF-ended lines off the front of an input buffer, without looking at a byte twice however the
 * input arrives. Lines within the first chunk are read in place. A verdict on a line never depends on
 * where the input was cut: the scan stops at the line's limit, not at what happens to be there.
 */
#ifndef SRC_HTTP_H1_H1_READER_H
#define SRC_HTTP_H1_H1_READER_H

#include "src/base/buffer.h"

enum h1_line {
    H1_LINE_DONE,
    H1_LINE_MORE,     /* incomplete */
    H1_LINE_TOO_LONG, /* no end within the limit */
    H1_LINE_BAD_END,  /* bare CR or LF */
    H1_LINE_BAD_CHAR, /* another control byte but HTAB */
};

struct h1_reader {
    struct buffer *input;
    struct slice front;
    size_t at;      /* start of the line; the bytes before are consumed */
    size_t scanned; /* bytes before this are known to be harmless */
};

/* `scanned`: what h1_reader_finish returned at the last visit. */
void h1_reader_init(struct h1_reader *reader, struct buffer *input, size_t scanned);
/* `limit` counts the line with its CRLF. *line is valid until the next call or the input changes. */
enum h1_line h1_reader_line(struct h1_reader *reader, size_t limit, struct slice *line);
/* Drains what was consumed; returns how much of the remaining line is scanned. */
size_t h1_reader_finish(struct h1_reader *reader);

#endif
