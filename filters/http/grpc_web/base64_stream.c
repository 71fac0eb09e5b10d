// SPDX-License-Identifier: Apache-2.0
#include "filters/http/grpc_web/base64_stream.h"

enum { FRAME_HEADER_BYTES = 5, OUT_BYTES = 4096 };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Small pieces of output on their way into a buffer. */
struct sink {
    struct buffer *to;
    uint8_t bytes[OUT_BYTES];
    size_t len;
};

static void sink_flush(struct sink *sink) {
    buffer_append(sink->to, slice_make(sink->bytes, sink->len));
    sink->len = 0;
}

static void sink_put(struct sink *sink, const uint8_t *bytes, size_t len) {
    if (sink->len + len > sizeof(sink->bytes)) {
        sink_flush(sink);
    }
    memcpy(sink->bytes + sink->len, bytes, len);
    sink->len += len;
}

/* ---- decoding ---- */

static int value_of(uint8_t c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '+') {
        return 62;
    }
    return c == '/' ? 63 : -1;
}

static enum status decode_group(const uint8_t group[4], struct sink *sink) {
    size_t padding = group[3] != '=' ? 0 : group[2] != '=' ? 1 : 2;
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        int value = i >= 4 - padding ? 0 : value_of(group[i]);
        if (value < 0) {
            return STATUS_INVALID;
        }
        bits = bits << 6 | (uint32_t)value;
    }
    const uint8_t out[3] = {(uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits};
    size_t len = 3 - padding;
    if (padding > 0 && out[len] != 0) {
        return STATUS_INVALID; /* two texts would mean the same bytes */
    }
    sink_put(sink, out, len);
    return STATUS_OK;
}

enum status base64_decode(struct base64_decoder *decoder, struct buffer *data) {
    struct buffer out;
    buffer_init(&out, data->pool);
    struct sink sink = {.to = &out};
    enum status status = STATUS_OK;
    while (!buffer_is_empty(data) && status == STATUS_OK) {
        struct slice run = buffer_front(data);
        for (size_t i = 0; i < run.len && status == STATUS_OK; i++) {
            decoder->group[decoder->count++] = run.ptr[i];
            if (decoder->count == sizeof(decoder->group)) {
                decoder->count = 0;
                status = decode_group(decoder->group, &sink);
            }
        }
        buffer_drain(data, run.len);
    }
    sink_flush(&sink);
    buffer_move(data, &out);
    buffer_deinit(&out);
    return status;
}

/* ---- encoding ---- */

static void encode_group(struct grpc_text_encoder *encoder, struct sink *sink) {
    const uint8_t *in = encoder->group;
    uint32_t count = encoder->count;
    if (count == 0) {
        return;
    }
    uint32_t bits =
        (uint32_t)in[0] << 16 | (count > 1 ? (uint32_t)in[1] << 8 : 0) | (count > 2 ? in[2] : 0);
    const uint8_t text[4] = {
        (uint8_t)alphabet[bits >> 18],
        (uint8_t)alphabet[bits >> 12 & 63],
        (uint8_t)(count > 1 ? alphabet[bits >> 6 & 63] : '='),
        (uint8_t)(count > 2 ? alphabet[bits & 63] : '='),
    };
    sink_put(sink, text, sizeof(text));
    encoder->count = 0;
}

static void encode_byte(struct grpc_text_encoder *encoder, uint8_t byte, struct sink *sink) {
    encoder->group[encoder->count++] = byte;
    if (encoder->count == sizeof(encoder->group)) {
        encode_group(encoder, sink);
    }
}

/* Follows the frames: true where `byte` was a frame's last one. */
static bool ends_frame(struct grpc_text_encoder *encoder, uint8_t byte) {
    if (encoder->header_count < FRAME_HEADER_BYTES) {
        encoder->header[encoder->header_count++] = byte;
        if (encoder->header_count < FRAME_HEADER_BYTES) {
            return false;
        }
        const uint8_t *header = encoder->header;
        encoder->payload_left = (uint32_t)header[1] << 24 | (uint32_t)header[2] << 16 |
                                (uint32_t)header[3] << 8 | header[4];
    } else {
        encoder->payload_left--;
    }
    if (encoder->payload_left > 0) {
        return false;
    }
    encoder->header_count = 0;
    return true;
}

void grpc_text_encode(struct grpc_text_encoder *encoder, struct buffer *data) {
    struct buffer out;
    buffer_init(&out, data->pool);
    struct sink sink = {.to = &out};
    while (!buffer_is_empty(data)) {
        struct slice run = buffer_front(data);
        for (size_t i = 0; i < run.len; i++) {
            encode_byte(encoder, run.ptr[i], &sink);
            if (ends_frame(encoder, run.ptr[i])) {
                encode_group(encoder, &sink);
            }
        }
        buffer_drain(data, run.len);
    }
    sink_flush(&sink);
    buffer_move(data, &out);
    buffer_deinit(&out);
}

void grpc_text_finish(struct grpc_text_encoder *encoder, struct buffer *data) {
    struct sink sink = {.to = data};
    encode_group(encoder, &sink);
    encoder->header_count = 0;
    sink_flush(&sink);
}
