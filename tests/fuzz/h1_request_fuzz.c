// SPDX-License-Identifier: Apache-2.0
// Target functions: http1_server_codec_new, http_codec_dispatch (HTTP/1.1 server), h1_reader_line,
// h1_parse_*, h1_chunked_decode.
// Oracle: however the input is cut, the same requests are seen and the same answers given.
#include "src/http/h1/h1_test_peer.h"

enum { EVERY_SPLIT_UP_TO = 160, SPLITS_OF_LONGER = 12 };

static struct h1_test_peer *new_peer(uint8_t bits) {
    struct http_codec_options options = {
        .max_headers_bytes = (bits & 1) != 0 ? 64 : 0,
        .max_headers_count = (bits & 2) != 0 ? 3 : 0,
        .underscores = (bits & 4) != 0 ? HTTP_UNDERSCORES_DROP : HTTP_UNDERSCORES_ALLOW,
    };
    struct http1_options http1 = {
        .allow_absolute_url = (bits & 8) == 0,
        .accept_http_10 = (bits & 16) != 0,
        .default_host = (bits & 16) != 0 ? SLICE("d") : SLICE(""),
        .enable_trailers = (bits & 32) != 0,
        .allow_chunked_length = (bits & 64) != 0,
    };
    struct h1_test_peer *peer = h1_test_peer_new(true, options, http1);
    peer->grants_upgrades = (bits & 128) != 0;
    return peer;
}

static void compare(struct h1_test_peer *whole, struct h1_test_peer *cut) {
    CHECK(strcmp(whole->text, cut->text) == 0);
    CHECK(strcmp(h1_test_output(whole), h1_test_output(cut)) == 0);
    CHECK(whole->codec->is_ended == cut->codec->is_ended);
    CHECK(whole->bad_requests == cut->bad_requests && whole->resets == cut->resets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2 || size > 20000) {
        return 0;
    }
    uint8_t bits = data[0];
    data++;
    size--;
    struct h1_test_peer *whole = new_peer(bits);
    (void)h1_test_feed(whole, data, size);
    size_t step = size <= EVERY_SPLIT_UP_TO ? 1 : size / SPLITS_OF_LONGER + 1;
    for (size_t at = 1; at < size; at += step) {
        struct h1_test_peer *cut = new_peer(bits);
        (void)h1_test_feed_apart(cut, data, at);
        (void)h1_test_feed_apart(cut, data + at, size - at);
        compare(whole, cut);
        h1_test_peer_free(cut);
    }
    struct h1_test_peer *bytes = new_peer(bits);
    for (size_t i = 0; i < size; i++) {
        (void)h1_test_feed(bytes, data + i, 1);
    }
    compare(whole, bytes);
    h1_test_peer_free(bytes);
    h1_test_peer_free(whole);
    return 0;
}
