// SPDX-License-Identifier: Apache-2.0
/*
 * Finds the frame headers in a connection's input and remembers how the peer left its last 64 streams.
 * nghttp2 calls nobody for frames on streams that it has already forgotten; what they mean (RFC 9113
 * §5.1) depends on whether the stream was ended or reset by the peer, or by us. Two bits an id keep
 * that. A plain value inside the codec; knows nothing of nghttp2.
 */
#ifndef SRC_HTTP_H2_H2_SCAN_H
#define SRC_HTTP_H2_H2_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    H2_FRAME_HEADER_BYTES = 9,
    H2_PREFACE_BYTES = 24,
    H2_SCAN_IDS = 64, /* odd ids remembered, counted down from the highest */
};

enum h2_frame_type {
    H2_FRAME_DATA = 0,
    H2_FRAME_HEADERS = 1,
    H2_FRAME_PRIORITY = 2,
    H2_FRAME_RST_STREAM = 3,
    H2_FRAME_SETTINGS = 4,
    H2_FRAME_PUSH_PROMISE = 5,
    H2_FRAME_PING = 6,
    H2_FRAME_GOAWAY = 7,
    H2_FRAME_WINDOW_UPDATE = 8,
    H2_FRAME_CONTINUATION = 9,
};
enum { H2_FLAG_END_STREAM = 1, H2_FLAG_ACK = 1, H2_FLAG_END_HEADERS = 4 };

struct h2_frame_header {
    uint32_t length;
    uint32_t stream_id;
    uint8_t type;
    uint8_t flags;
};

/* What the peer did with an id. */
enum h2_id_state {
    H2_ID_SKIPPED, /* never used, and a higher one was: closed (§5.1.1) */
    H2_ID_OPEN,    /* request begun; our own resets leave it here */
    H2_ID_ENDED,   /* END_STREAM received */
    H2_ID_RESET,   /* RST_STREAM received */
    H2_ID_UNKNOWN, /* not remembered: new, too old, or even */
};

struct h2_scan {
    uint64_t skip; /* payload (or preface) bytes before the next frame header */
    uint64_t ids[2];
    uint32_t highest_id;
    uint8_t header[H2_FRAME_HEADER_BYTES]; /* one cut in two by the input's pieces */
    uint8_t header_len;
};

void h2_scan_init(struct h2_scan *scan, bool expects_preface);

/* Goes on to the next frame header in `bytes` from *at. True: `*header` is set, *at stands behind it
 * and `*is_split` tells that its first bytes came earlier and lie in scan->header. False: the bytes
 * are used up; scan->header_len bytes of an incomplete header were kept back. */
bool h2_scan_next(struct h2_scan *scan, const uint8_t *bytes, size_t len, size_t *at,
                  struct h2_frame_header *header, bool *is_split);

enum h2_id_state h2_scan_get(const struct h2_scan *scan, uint32_t id);
/* Opens a new, higher id (odd); ids in between become skipped. */
void h2_scan_open(struct h2_scan *scan, uint32_t id);
/* No-op for ids that are not remembered. */
void h2_scan_set(struct h2_scan *scan, uint32_t id, enum h2_id_state state);

#endif
