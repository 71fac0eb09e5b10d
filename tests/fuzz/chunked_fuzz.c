// SPDX-License-Identifier: Apache-2.0
// Target functions: h1_chunked_decode, h1_chunked_encode.
// Oracle: any cut gives the same payload, verdict and rest; what is encoded decodes to itself.
#include "src/http/h1/h1_chunked.h"
#include "src/http/h1/h1_test_peer.h"

struct decoded {
    struct h1_chunked chunked;
    struct buffer input, body;
    bool is_fine;
};

static void feed(struct decoded *it, const uint8_t *data, size_t size) {
    if (!it->is_fine) {
        return;
    }
    buffer_append(&it->input, slice_make(data, size));
    it->is_fine = h1_chunked_decode(&it->chunked, &it->input, &it->body);
}

static void begin(struct decoded *it, struct io_context *io) {
    h1_chunked_init(&it->chunked);
    buffer_init(&it->input, &io->buffers);
    buffer_init(&it->body, &io->buffers);
    it->is_fine = true;
}

static void end(struct decoded *it) {
    buffer_deinit(&it->input);
    buffer_deinit(&it->body);
}

static struct slice all(struct buffer *buf) {
    return buf->len == 0 ? SLICE("") : buffer_linearize(buf, buf->len);
}

static void check_encode(struct io_context *io, const uint8_t *data, size_t size) {
    struct decoded back;
    begin(&back, io);
    struct buffer payload;
    buffer_init(&payload, &io->buffers);
    buffer_append(&payload, slice_make(data, size));
    h1_chunked_encode(&back.input, &payload, true);
    CHECK(payload.len == 0);
    CHECK(h1_chunked_decode(&back.chunked, &back.input, &back.body));
    CHECK(back.chunked.state == H1_CHUNKED_LAST && slice_equal(all(&back.input), SLICE("\r\n")));
    CHECK(slice_equal(all(&back.body), slice_make(data, size)));
    buffer_deinit(&payload);
    end(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > 65536) {
        return 0;
    }
    struct io_context io;
    h1_test_io_init(&io);
    struct decoded whole;
    begin(&whole, &io);
    feed(&whole, data, size);
    for (size_t cuts = 0; cuts < 16; cuts++) {
        size_t at = cuts * size / 16;
        struct decoded cut;
        begin(&cut, &io);
        if (cuts == 0) {
            for (size_t i = 0; i < size; i++) {
                feed(&cut, data + i, 1);
            }
        } else {
            feed(&cut, data, at);
            feed(&cut, data + at, size - at);
        }
        CHECK(cut.is_fine == whole.is_fine);
        CHECK(slice_equal(all(&cut.body), all(&whole.body)));
        CHECK(!cut.is_fine || slice_equal(all(&cut.input), all(&whole.input)));
        CHECK(cut.chunked.state == whole.chunked.state || !cut.is_fine);
        end(&cut);
    }
    end(&whole);
    check_encode(&io, data, size);
    block_pool_deinit(&io.arena_blocks);
    buffer_pool_deinit(&io.buffers);
    return 0;
}
