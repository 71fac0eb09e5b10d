// SPDX-License-Identifier: Apache-2.0
// Target functions: base64_decode, grpc_text_encode, grpc_text_finish.
// Oracle: however the input is cut, the same bytes come out; text that was made of gRPC frames decodes
// to them.
#include "filters/http/grpc_web/base64_stream.h"
#include "src/base/check.h"

struct outcome {
    struct buffer bytes;
    bool is_fine;
    uint32_t left; /* of an unfinished group */
};

static void feed(struct base64_decoder *decoder, struct outcome *out, struct slice text) {
    if (!out->is_fine) {
        return;
    }
    struct buffer piece;
    buffer_init(&piece, out->bytes.pool);
    buffer_append(&piece, text);
    out->is_fine = base64_decode(decoder, &piece) == STATUS_OK;
    buffer_move(&out->bytes, &piece);
    buffer_deinit(&piece);
    out->left = decoder->count;
}

static void decode(struct outcome *out, struct buffer_pool *pool, struct slice text, size_t step) {
    struct base64_decoder decoder = {.count = 0};
    *out = (struct outcome){.is_fine = true};
    buffer_init(&out->bytes, pool);
    for (size_t at = 0; at < text.len; at += step) {
        feed(&decoder, out, slice_sub(text, at, step));
    }
}

static struct slice all(struct buffer *buf) {
    return buf->len == 0 ? SLICE("") : buffer_linearize(buf, buf->len);
}

static void encode(struct buffer *out, struct buffer_pool *pool, struct slice bytes, size_t step) {
    struct grpc_text_encoder encoder = {.count = 0};
    buffer_init(out, pool);
    for (size_t at = 0; at < bytes.len; at += step) {
        struct buffer piece;
        buffer_init(&piece, pool);
        buffer_append(&piece, slice_sub(bytes, at, step));
        grpc_text_encode(&encoder, &piece);
        buffer_move(out, &piece);
        buffer_deinit(&piece);
    }
    grpc_text_finish(&encoder, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2 || size > 20000) {
        return 0;
    }
    size_t step = data[0] % 7 + 1;
    struct slice bytes = slice_make(data + 1, size - 1);
    struct buffer_pool pool;
    struct outcome whole, cut, back;
    struct buffer text, text_cut;
    buffer_pool_init(&pool);
    decode(&whole, &pool, bytes, bytes.len);
    decode(&cut, &pool, bytes, step);
    CHECK(whole.is_fine == cut.is_fine);
    CHECK(!whole.is_fine || whole.left == cut.left);
    CHECK(!whole.is_fine || slice_equal(all(&whole.bytes), all(&cut.bytes)));
    encode(&text, &pool, bytes, bytes.len);
    encode(&text_cut, &pool, bytes, step);
    CHECK(slice_equal(all(&text), all(&text_cut)));
    decode(&back, &pool, all(&text), text.len);
    CHECK(back.is_fine && back.left == 0 && slice_equal(all(&back.bytes), bytes));
    buffer_deinit(&whole.bytes);
    buffer_deinit(&cut.bytes);
    buffer_deinit(&back.bytes);
    buffer_deinit(&text);
    buffer_deinit(&text_cut);
    buffer_pool_deinit(&pool);
    return 0;
}
