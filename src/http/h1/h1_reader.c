// SPDX-License-Identifier: Apache-2.0
#include "src/http/h1/h1_reader.h"

enum { PIECE_BYTES = 256 };

void h1_reader_init(struct h1_reader *reader, struct buffer *input, size_t scanned) {
    reader->input = input;
    reader->front = buffer_front(input);
    reader->at = 0;
    reader->scanned = scanned;
}

size_t h1_reader_finish(struct h1_reader *reader) {
    if (reader->at > 0) {
        buffer_drain(reader->input, reader->at);
    }
    return reader->scanned - reader->at;
}

/* Offset of the first control byte in [from, stop), or `stop`, where the range leaves the first
 * chunk. */
static size_t scan_pieces(const struct buffer *input, size_t from, size_t stop) {
    uint8_t piece[PIECE_BYTES];
    while (from < stop) {
        size_t len = stop - from < sizeof(piece) ? stop - from : sizeof(piece);
        buffer_copy_out(input, from, piece, len);
        size_t run = char_run_before_control(piece, piece + len);
        from += run;
        if (run < len) {
            break;
        }
    }
    return from;
}

static size_t scan(const struct h1_reader *reader, size_t stop) {
    size_t from = reader->scanned;
    size_t in_front = stop < reader->front.len ? stop : reader->front.len;
    if (from < in_front) {
        from += char_run_before_control(reader->front.ptr + from, reader->front.ptr + in_front);
        if (from < in_front) {
            return from;
        }
    }
    return scan_pieces(reader->input, from, stop);
}

static uint8_t byte_at(const struct h1_reader *reader, size_t offset) {
    if (offset < reader->front.len) {
        return reader->front.ptr[offset];
    }
    uint8_t byte;
    buffer_copy_out(reader->input, offset, &byte, 1);
    return byte;
}

/* The line is [at, end) with CRLF behind it. */
static struct slice take(struct h1_reader *reader, size_t end) {
    size_t len = end - reader->at;
    if (end > reader->front.len) {
        buffer_drain(reader->input, reader->at);
        reader->at = 0;
        (void)buffer_linearize(reader->input, len);
        reader->front = buffer_front(reader->input);
    }
    struct slice line = slice_make(reader->front.ptr + reader->at, len);
    reader->at += len + 2;
    reader->scanned = reader->at;
    return line;
}

enum h1_line h1_reader_careful_line(struct h1_reader *reader, size_t stop, enum h1_line at_end,
                                    struct slice *line) {
    for (;;) {
        size_t hit = scan(reader, stop);
        reader->scanned = hit;
        if (hit >= stop) {
            return at_end;
        }
        uint8_t byte = byte_at(reader, hit);
        if (byte == '\t') {
            reader->scanned++;
            continue;
        }
        if (byte != '\r') {
            return byte == '\n' ? H1_LINE_BAD_END : H1_LINE_BAD_CHAR;
        }
        if (hit + 1 == stop) {
            return at_end;
        }
        if (byte_at(reader, hit + 1) != '\n') {
            return H1_LINE_BAD_END;
        }
        *line = take(reader, hit);
        return H1_LINE_DONE;
    }
}
