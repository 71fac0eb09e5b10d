// SPDX-License-Identifier: Apache-2.0
/*
 * For the tests of this folder: one codec against a hostile peer, whose frames and header blocks are
 * written byte by byte and whose findings are read from the codec's output.
 */
#ifndef SRC_HTTP_H2_H2_TEST_RAW_H
#define SRC_HTTP_H2_H2_TEST_RAW_H

#include "src/http/h2/h2_test_peer.h"

struct test_raw {
    struct test_world world;
    struct test_end end;
    struct buffer sent; /* not yet fed */
};
static inline void raw_bytes(struct test_raw *raw, const void *bytes, size_t len) {
    buffer_append(&raw->sent, slice_make(bytes, len));
}
static inline void raw_frame(struct test_raw *raw, uint8_t type, uint8_t flags, uint32_t id,
                             const void *payload, size_t len) {
    uint8_t header[9] = {
        (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len,       type,       flags,
        (uint8_t)(id >> 24),  (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};
    raw_bytes(raw, header, sizeof(header));
    raw_bytes(raw, payload, len);
}
static inline void raw_feed(struct test_raw *raw) {
    test_end_feed(&raw->end, &raw->sent);
    test_turn(&raw->world);
}
static inline void raw_init(struct test_raw *raw, bool is_server, struct http_codec_options options,
                            struct http2_options http2) {
    test_world_init(&raw->world);
    test_end_init(&raw->end, &raw->world, is_server, options, &http2);
    buffer_init(&raw->sent, &raw->world.io.buffers);
    if (is_server) {
        raw_bytes(raw, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    }
    raw_frame(raw, 4, 0, 0, "", 0);
    raw_feed(raw);
    buffer_clear(&raw->end.output);
}
static inline void raw_deinit(struct test_raw *raw) {
    test_end_deinit(&raw->end);
    buffer_deinit(&raw->sent);
    test_world_deinit(&raw->world);
}

/* A header block, every field literal without indexing. */
struct test_block {
    uint8_t bytes[32768];
    size_t len;
};
static inline void block_text(struct test_block *block, const void *text, size_t len) {
    ck_assert_uint_lt(block->len + len + 4, sizeof(block->bytes));
    if (len < 127) {
        block->bytes[block->len++] = (uint8_t)len;
    } else {
        block->bytes[block->len++] = 127;
        size_t rest = len - 127;
        while (rest >= 128) {
            block->bytes[block->len++] = (uint8_t)(rest % 128 + 128);
            rest /= 128;
        }
        block->bytes[block->len++] = (uint8_t)rest;
    }
    memcpy(block->bytes + block->len, text, len);
    block->len += len;
}
static inline void block_add_len(struct test_block *block, const char *name, const void *value,
                                 size_t value_len) {
    block->bytes[block->len++] = 0;
    block_text(block, name, strlen(name));
    block_text(block, value, value_len);
}
static inline void block_add(struct test_block *block, const char *name, const char *value) {
    block_add_len(block, name, value, strlen(value));
}
static inline void block_request(struct test_block *block, const char *method) {
    block->len = 0;
    block_add(block, ":method", method);
    block_add(block, ":scheme", "http");
    block_add(block, ":path", "/");
    block_add(block, ":authority", "example.com");
}
static inline void raw_headers(struct test_raw *raw, uint32_t id, const struct test_block *block,
                               bool end_stream) {
    raw_frame(raw, 1, (uint8_t)(4 | (end_stream ? 1 : 0)), id, block->bytes, block->len);
}
static inline void raw_get(struct test_raw *raw, uint32_t id, bool end_stream) {
    struct test_block block;
    block_request(&block, "GET");
    raw_headers(raw, id, &block, end_stream);
}

/* Finds the next frame of `type` in the end's output; false when there is none. The output stays. */
struct test_frame {
    uint8_t type, flags;
    uint32_t id, len, code; /* code: RST_STREAM's, GOAWAY's */
};
static inline bool raw_find(struct test_raw *raw, uint8_t type, struct test_frame *found) {
    size_t at = 0;
    while (at + 9 <= raw->end.output.len) {
        uint8_t h[9];
        buffer_copy_out(&raw->end.output, at, h, sizeof(h));
        uint32_t len = (uint32_t)h[0] << 16 | (uint32_t)h[1] << 8 | h[2];
        *found = (struct test_frame){
            .type = h[3],
            .flags = h[4],
            .id = (uint32_t)h[5] << 24 | (uint32_t)h[6] << 16 | (uint32_t)h[7] << 8 | h[8],
            .len = len,
        };
        if (found->type == type) {
            uint8_t code[4] = {0};
            size_t offset = type == 7 ? 4 : 0;
            if (len >= offset + 4) {
                buffer_copy_out(&raw->end.output, at + 9 + offset, code, sizeof(code));
            }
            found->code = (uint32_t)code[0] << 24 | (uint32_t)code[1] << 16 |
                          (uint32_t)code[2] << 8 | code[3];
            return true;
        }
        at += 9 + len;
    }
    return false;
}

#endif
