// SPDX-License-Identifier: Apache-2.0
/*
 * The chunked transfer coding of RFC 9112 §7.1, both ways. The decoder moves payload from the
 * connection's input to a body buffer without a copy and stops before the trailer section; sizes are
 * bounded to 63 bits and extensions to a budget per message, since nobody needs them.
 */
#ifndef SRC_HTTP_H1_H1_CHUNKED_H
#define SRC_HTTP_H1_H1_CHUNKED_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/buffer.h"

enum h1_chunked_state {
    H1_CHUNKED_SIZE,     /* a chunk-size line comes next */
    H1_CHUNKED_DATA,     /* `left` bytes of payload */
    H1_CHUNKED_DATA_END, /* the CRLF behind it */
    H1_CHUNKED_LAST,     /* the last chunk's line was read: trailers or the empty line follow */
};

struct h1_chunked {
    enum h1_chunked_state state;
    uint32_t extension_bytes;
    uint64_t left;
    size_t scanned;
};

void h1_chunked_init(struct h1_chunked *chunked);
/* Consumes what it can up to H1_CHUNKED_LAST. False: the coding is broken. */
bool h1_chunked_decode(struct h1_chunked *chunked, struct buffer *input, struct buffer *body);

/* Moves all of `data` (not empty) to `out` as one chunk; `is_last` adds the last chunk and the empty
 * line. */
void h1_chunked_encode(struct buffer *out, struct buffer *data, bool is_last);

#endif
