// SPDX-License-Identifier: Apache-2.0
/*
 * Base64 of streams: bytes come in pieces of any size. The decoder takes padded groups anywhere, so that
 * a client may encode piece by piece; the encoder pads at the end of each gRPC frame, so that each frame
 * can be decoded by itself. Values; no memory of their own.
 */
#ifndef FILTERS_HTTP_GRPC_WEB_BASE64_STREAM_H
#define FILTERS_HTTP_GRPC_WEB_BASE64_STREAM_H

#include "src/base/buffer.h"

struct base64_decoder {
    uint8_t group[4];
    uint32_t count; /* of `group` */
};
/* Replaces the bytes of `data` by what they mean; up to three are kept for the next call.
 * STATUS_INVALID on anything but the alphabet and padding at the end of a group. */
enum status base64_decode(struct base64_decoder *decoder, struct buffer *data) MUST_USE;

struct grpc_text_encoder {
    uint8_t group[3];
    uint32_t count;    /* of `group` */
    uint8_t header[5]; /* of the frame in progress */
    uint32_t header_count;
    uint32_t payload_left; /* bytes of the frame in progress */
};
/* Replaces the bytes of `data` (gRPC frames, cut anywhere) by their text. */
void grpc_text_encode(struct grpc_text_encoder *encoder, struct buffer *data);
/* Appends what an unfinished frame left behind. */
void grpc_text_finish(struct grpc_text_encoder *encoder, struct buffer *data);

#endif
