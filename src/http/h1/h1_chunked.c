// SPDX-License-Identifier: Apache-2.0
#include "src/http/h1/h1_chunked.h"

#include "src/http/char_class.h"
#include "src/http/h1/h1_reader.h"

enum {
    MAX_SIZE_DIGITS = 16,
    MAX_SIZE_LINE_BYTES = 1024,
    MAX_EXTENSION_BYTES = 16384, /* of all chunks of a message */
};

void h1_chunked_init(struct h1_chunked *chunked) {
    *chunked = (struct h1_chunked){.state = H1_CHUNKED_SIZE};
}

/* chunk-size [ BWS ";" … ]; space before the end of the line is not allowed. */
static bool parse_size_line(struct h1_chunked *chunked, struct slice line) {
    uint64_t size = 0;
    size_t at = 0;
    while (at < line.len && char_is(line.ptr[at], CHAR_HEX)) {
        if (at == MAX_SIZE_DIGITS) {
            return false;
        }
        size = size << 4 | char_hex_value(line.ptr[at]);
        at++;
    }
    if (at == 0 || size > INT64_MAX) {
        return false;
    }
    chunked->extension_bytes += (uint32_t)(line.len - at);
    if (chunked->extension_bytes > MAX_EXTENSION_BYTES) {
        return false;
    }
    chunked->left = size;
    chunked->state = size > 0 ? H1_CHUNKED_DATA : H1_CHUNKED_LAST;
    if (at == line.len) {
        return true;
    }
    while (at < line.len && (line.ptr[at] == ' ' || line.ptr[at] == '\t')) {
        at++;
    }
    return at + 1 < line.len && line.ptr[at] == ';';
}

/* Reads a line of at most `limit` bytes; *complete is false when more input is needed. */
static bool take_line(struct h1_chunked *chunked, struct buffer *input, size_t limit,
                      struct slice *line, bool *complete) {
    struct h1_reader reader;
    h1_reader_init(&reader, input, chunked->scanned);
    enum h1_line result = h1_reader_line(&reader, limit, line);
    bool fine = result == H1_LINE_DONE || result == H1_LINE_MORE;
    *complete = result == H1_LINE_DONE;
    if (*complete && limit > 2) {
        fine = parse_size_line(chunked, *line);
    }
    chunked->scanned = h1_reader_finish(&reader);
    return fine;
}

bool h1_chunked_decode(struct h1_chunked *chunked, struct buffer *input, struct buffer *body) {
    while (input->len > 0 && chunked->state != H1_CHUNKED_LAST) {
        if (chunked->state == H1_CHUNKED_DATA) {
            size_t len = chunked->left < input->len ? (size_t)chunked->left : input->len;
            buffer_move_len(body, input, len);
            chunked->left -= len;
            if (chunked->left == 0) {
                chunked->state = H1_CHUNKED_DATA_END;
            }
            continue;
        }
        bool is_size = chunked->state == H1_CHUNKED_SIZE;
        struct slice line;
        bool complete;
        if (!take_line(chunked, input, is_size ? MAX_SIZE_LINE_BYTES : 2, &line, &complete)) {
            return false;
        }
        if (!complete) {
            return true;
        }
        if (!is_size) {
            chunked->state = H1_CHUNKED_SIZE;
        }
    }
    return true;
}

void h1_chunked_encode(struct buffer *out, struct buffer *data, bool is_last) {
    static const char digits[] = "0123456789abcdef";
    uint8_t line[MAX_SIZE_DIGITS + 2];
    size_t at = sizeof(line);
    line[--at] = '\n';
    line[--at] = '\r';
    size_t len = data->len;
    do {
        line[--at] = (uint8_t)digits[len & 15];
        len >>= 4;
    } while (len > 0);
    buffer_append(out, slice_make(line + at, sizeof(line) - at));
    buffer_move(out, data);
    buffer_append(out, is_last ? SLICE("\r\n0\r\n\r\n") : SLICE("\r\n"));
}
