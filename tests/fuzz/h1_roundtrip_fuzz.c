// SPDX-License-Identifier: Apache-2.0
// Target functions: http_stream_encode_headers, http_stream_encode_data, http_stream_encode_trailers of
// both HTTP/1.1 codecs, fed with what the server codec has parsed.
// Oracle: whatever our serialiser emits parses under our strict parser, as one message with the same
// parts; serialising that again gives the same bytes.
#include "src/http/h1/h1_test_peer.h"

enum { MAX_HEADERS = 100, FRAMING_HEADERS = 2 };

static struct h1_test_peer *parse(struct slice bytes, uint32_t max_headers) {
    struct http_codec_options options = {.max_headers_count = max_headers};
    struct http1_options http1 = {.allow_absolute_url = true, .enable_trailers = true};
    struct h1_test_peer *peer = h1_test_peer_new(true, options, http1);
    peer->answers = false;
    (void)h1_test_feed(peer, bytes.ptr, bytes.len);
    return peer;
}

/* The body that the peer's text holds. */
static struct slice body_of(const struct h1_test_peer *peer) {
    return slice_make(peer->text + peer->body_at, peer->body_len);
}

/* Sends the request that `from` holds; empty when the codec refuses to. */
static struct slice serialize(struct h1_test_peer *from, struct h1_test_peer *client) {
    struct slice body = body_of(from);
    CHECK(h1_test_open(client) != NULL);
    if (http_stream_encode_headers(client->stream, from->headers, body.len == 0) != STATUS_OK) {
        CHECK(client->output.len == 0);
        return SLICE("");
    }
    if (body.len > 0) {
        struct buffer data;
        buffer_init(&data, &client->io.buffers);
        buffer_append(&data, body);
        http_stream_encode_data(client->stream, &data, true);
        CHECK(data.len == 0);
        buffer_deinit(&data);
    }
    struct slice bytes = buffer_linearize(&client->output, client->output.len);
    return arena_dup_slice(&client->arena, bytes);
}

static void assert_same(const struct header_map *a, const struct header_map *b, enum header_id id) {
    CHECK(slice_equal(header_map_get(a, id), header_map_get(b, id)));
}

static void check_request(struct h1_test_peer *first) {
    struct h1_test_peer *client =
        h1_test_peer_new(false, (struct http_codec_options){0}, (struct http1_options){0});
    struct slice bytes = serialize(first, client);
    if (bytes.len > 0) {
        struct h1_test_peer *second = parse(bytes, MAX_HEADERS + FRAMING_HEADERS);
        CHECK(second->requests == 1 && second->ended && second->bad_requests == 0);
        CHECK(second->input.len == 0);
        assert_same(first->headers, second->headers, HEADER_METHOD);
        assert_same(first->headers, second->headers, HEADER_PATH);
        assert_same(first->headers, second->headers, HEADER_AUTHORITY);
        CHECK(slice_equal(body_of(first), body_of(second)));
        struct h1_test_peer *again =
            h1_test_peer_new(false, (struct http_codec_options){0}, (struct http1_options){0});
        CHECK(slice_equal(bytes, serialize(second, again)));
        h1_test_peer_free(again);
        h1_test_peer_free(second);
    }
    h1_test_peer_free(client);
}

/* Answers with the request's own header fields, and reads the answer as a client. */
static void check_response(struct h1_test_peer *server, bool with_trailers) {
    struct header_map headers;
    header_map_copy(&headers, server->headers, &server->arena);
    header_map_remove_prefix(&headers, SLICE(":"));
    header_map_set(&headers, HEADER_STATUS, SLICE("200"));
    bool is_head = http_is_head(server->headers);
    if (http_stream_encode_headers(server->stream, &headers, false) != STATUS_OK) {
        CHECK(server->output.len == 0);
        return;
    }
    struct buffer data;
    buffer_init(&data, &server->io.buffers);
    buffer_append(&data, body_of(server));
    http_stream_encode_data(server->stream, &data, !with_trailers);
    buffer_deinit(&data);
    if (with_trailers) {
        http_stream_encode_trailers(server->stream, server->headers);
    }
    (void)h1_test_feed(server, "", 0);
    bool is_whole = server->last == STATUS_OK;
    struct http_codec_options options = {.max_headers_count = MAX_HEADERS + FRAMING_HEADERS};
    struct http1_options http1 = {.enable_trailers = true};
    struct h1_test_peer *client = h1_test_peer_new(false, options, http1);
    CHECK(h1_test_open(client) != NULL);
    struct header_map request;
    header_map_init(&request, &client->arena);
    header_map_append(&request, HEADER_METHOD, is_head ? SLICE("HEAD") : SLICE("GET"));
    header_map_append(&request, HEADER_PATH, SLICE("/"));
    header_map_append(&request, HEADER_AUTHORITY, SLICE("a"));
    CHECK(http_stream_encode_headers(client->stream, &request, true) == STATUS_OK);
    struct slice bytes = buffer_linearize(&server->output, server->output.len);
    (void)h1_test_feed(client, bytes.ptr, bytes.len);
    CHECK(client->requests == 1 && client->resets == 0);
    CHECK(client->ended == is_whole || !is_whole);
    h1_test_peer_free(client);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || size > 20000) {
        return 0;
    }
    struct h1_test_peer *first = parse(slice_make(data + 1, size - 1), MAX_HEADERS);
    bool has_trailers = strstr(first->text, "\nTRAILERS") != NULL;
    if (first->ended && first->requests == 1 && !has_trailers) {
        check_request(first);
        check_response(first, (data[0] & 1) != 0);
    }
    h1_test_peer_free(first);
    return 0;
}
