// SPDX-License-Identifier: Apache-2.0
/*
 * Serialises message heads and trailers into the output buffer's last chunk. Everything is checked
 * before a byte is written: what comes out parses under our own strict parser, whatever a filter put
 * into the map.
 */
#ifndef SRC_HTTP_H1_H1_ENCODE_H
#define SRC_HTTP_H1_H1_ENCODE_H

#include "src/http/codec.h"

enum h1_out_framing {
    H1_OUT_NONE,    /* no framing header: no body, until close, or a tunnel */
    H1_OUT_LENGTH,  /* content-length: `length` */
    H1_OUT_CHUNKED, /* transfer-encoding: chunked */
};

struct h1_head {
    struct slice start[6]; /* the start line's pieces, CRLF (and a request's host line) included */
    uint32_t start_count;
    size_t start_field_bytes; /* of the host line */
    const struct header_map *headers;
    enum h1_out_framing framing;
    uint64_t length;
    struct slice connection; /* empty: the map's own Connection; else the value that replaces it */
    bool proper_case;        /* Names-Like-This */
};

/* Returns the bytes written; 0: the map holds a name or value that cannot be sent, nothing was
 * written. */
size_t h1_put_head(struct buffer *out, const struct h1_head *head);
/* Field lines and the empty line. Entries that cannot be trailers are left out. */
size_t h1_put_trailers(struct buffer *out, const struct header_map *trailers, bool proper_case);

#endif
