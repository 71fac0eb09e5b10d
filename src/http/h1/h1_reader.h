// SPDX-License-Identifier: Apache-2.0
/*
 * Takes CRLF-ended lines off the front of an input buffer, without looking at a byte twice however the
 * input arrives. Lines within the first chunk are read in place. A verdict on a line never depends on
 * where the input was cut: the scan stops at the line's limit, not at what happens to be there.
 */
#ifndef SRC_HTTP_H1_H1_READER_H
#define SRC_HTTP_H1_H1_READER_H

#include "src/base/buffer.h"
#include "src/http/char_class.h"

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
/* The general case of h1_reader_line: a line that leaves the first chunk, or holds what is rare. The line
 * has its end before `stop`, or `at_end` is the answer. */
enum h1_line h1_reader_careful_line(struct h1_reader *reader, size_t stop, enum h1_line at_end,
                                    struct slice *line) __attribute__((noinline));
/* `limit` counts the line with its CRLF. *line is valid until the next call or the input changes. */
static inline __attribute__((always_inline)) enum h1_line
h1_reader_line(struct h1_reader *reader, size_t limit, struct slice *line) {
    size_t available = reader->input->len - reader->at;
    bool clipped = available >= limit;
    size_t stop = reader->at + (clipped ? limit : available);
    if (stop <= reader->front.len && reader->scanned < stop) {
        const uint8_t *front = reader->front.ptr;
        const uint8_t *hit = front + reader->scanned;
        hit += char_run_before_control(hit, front + stop);
        if (hit + 1 < front + stop && hit[0] == '\r' && hit[1] == '\n') {
            *line = slice_make(front + reader->at, (size_t)(hit - front) - reader->at);
            reader->at = (size_t)(hit - front) + 2;
            reader->scanned = reader->at;
            return H1_LINE_DONE;
        }
        reader->scanned = (size_t)(hit - front);
    }
    return h1_reader_careful_line(reader, stop, clipped ? H1_LINE_TOO_LONG : H1_LINE_MORE, line);
}
/* Drains what was consumed; returns how much of the remaining line is scanned. */
size_t h1_reader_finish(struct h1_reader *reader);

#endif
