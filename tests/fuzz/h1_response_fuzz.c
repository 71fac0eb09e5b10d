// SPDX-License-Identifier: Apache-2.0
// Target functions: http1_client_codec_new, http_codec_dispatch (HTTP/1.1 client).
// Oracle: however the input is cut, the same events come out; a response whose framing was in doubt
// never leaves a connection that takes another request.
#include "src/http/h1/h1_test_peer.h"

static struct h1_test_peer *new_peer(uint8_t bits) {
    struct http_codec_options options = {.max_headers_count = (bits & 16) != 0 ? 3 : 0};
    struct http1_options http1 = {.enable_trailers = (bits & 32) != 0};
    struct h1_test_peer *peer = h1_test_peer_new(false, options, http1);
    CHECK(h1_test_open(peer) != NULL);
    static const char *const methods[] = {"GET", "HEAD", "CONNECT", "POST"};
    const char *method = methods[bits & 3];
    struct header_map headers;
    header_map_init(&headers, &peer->arena);
    header_map_append(&headers, HEADER_METHOD, slice_from_string(method));
    header_map_append(&headers, HEADER_AUTHORITY, SLICE("a:1"));
    bool is_tunnel = strcmp(method, "CONNECT") == 0;
    if (!is_tunnel) {
        header_map_append(&headers, HEADER_PATH, SLICE("/"));
    }
    if ((bits & 4) != 0 && !is_tunnel) {
        is_tunnel = true;
        header_map_append(&headers, HEADER_UPGRADE, SLICE("x"));
        header_map_append(&headers, HEADER_CONNECTION, SLICE("upgrade"));
    }
    CHECK(http_stream_encode_headers(peer->stream, &headers, !is_tunnel) == STATUS_OK);
    return peer;
}

static void end_input(struct h1_test_peer *peer, uint8_t bits) {
    if ((bits & 8) != 0) {
        http_codec_input_ended(peer->codec);
    }
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
    end_input(whole, bits);
    CHECK(whole->last == STATUS_OK || whole->codec->is_ended);
    size_t step = size <= 160 ? 1 : size / 12 + 1;
    for (size_t at = 1; at < size; at += step) {
        struct h1_test_peer *cut = new_peer(bits);
        (void)h1_test_feed_apart(cut, data, at);
        (void)h1_test_feed_apart(cut, data + at, size - at);
        end_input(cut, bits);
        CHECK(strcmp(whole->text, cut->text) == 0);
        CHECK(whole->codec->is_ended == cut->codec->is_ended);
        h1_test_peer_free(cut);
    }
    h1_test_peer_free(whole);
    return 0;
}
