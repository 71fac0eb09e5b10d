// SPDX-License-Identifier: Apache-2.0
#include "src/http/h1/h1_encode.h"

#include <check.h>

#include "src/base/random.h"
#include "src/http/h1/h1_chunked.h"
#include "src/http/h1/h1_test_peer.h"

static struct h1_test_peer *new_client(struct http1_options http1) {
    struct h1_test_peer *peer = h1_test_peer_new(false, (struct http_codec_options){0}, http1);
    ck_assert_ptr_nonnull(h1_test_open(peer));
    return peer;
}

static void start_request(struct h1_test_peer *peer, struct header_map *headers) {
    header_map_init(headers, &peer->arena);
    header_map_append(headers, HEADER_METHOD, SLICE("POST"));
    header_map_append(headers, HEADER_AUTHORITY, SLICE("a"));
    header_map_append(headers, HEADER_SCHEME, SLICE("https"));
    header_map_append(headers, HEADER_PATH, SLICE("/p"));
}

static void send_bytes(struct h1_test_peer *peer, struct slice bytes, bool end_stream) {
    struct buffer body;
    buffer_init(&body, &peer->io.buffers);
    buffer_append(&body, bytes);
    http_stream_encode_data(peer->stream, &body, end_stream);
    ck_assert_uint_eq(body.len, 0);
    buffer_deinit(&body);
}

/* Carries `len` bytes over, as a network would: pools are not shared. */
static enum status pass(struct h1_test_peer *from, struct h1_test_peer *to, size_t len) {
    struct slice bytes = slice_sub(buffer_linearize(&from->output, len), 0, len);
    enum status status = h1_test_feed(to, bytes.ptr, bytes.len);
    buffer_drain(&from->output, len);
    return status;
}

START_TEST(h1_encode_head_larger_than_a_chunk_is_whole) {
    struct h1_test_peer *client = new_client((struct http1_options){0});
    struct header_map headers;
    start_request(client, &headers);
    uint8_t *value = arena_alloc_bytes(&client->arena, 20000);
    memset(value, 'v', 20000);
    for (int i = 0; i < 2; i++) {
        header_map_append_name(&headers, SLICE("x-long"), slice_make(value, 20000));
    }
    ck_assert_int_eq(http_stream_encode_headers(client->stream, &headers, true), STATUS_OK);
    struct h1_test_peer *server =
        h1_test_peer_new(true, (struct http_codec_options){0}, (struct http1_options){0});
    ck_assert_int_eq(pass(client, server, client->output.len), STATUS_OK);
    ck_assert_uint_eq(server->requests, 1);
    ck_assert_uint_eq(header_map_count_name(server->headers, SLICE("x-long")), 2);
    h1_test_peer_free(server);
    h1_test_peer_free(client);
}
END_TEST

START_TEST(h1_encode_options_change_the_form) {
    struct http1_options http1 = {.proper_case = true, .send_fully_qualified_url = true};
    struct h1_test_peer *client = new_client(http1);
    struct header_map headers;
    start_request(client, &headers);
    header_map_append_name(&headers, SLICE("x-1a_b-c"), SLICE(" v "));
    ck_assert_int_eq(http_stream_encode_headers(client->stream, &headers, true), STATUS_OK);
    ck_assert_str_eq(h1_test_output(client), "POST https://a/p HTTP/1.1\r\nHost: a\r\n"
                                             "X-1a_B-C: v\r\nContent-Length: 0\r\n\r\n");
    h1_test_peer_free(client);
}
END_TEST

START_TEST(h1_encode_trailers_need_the_option_and_leave_out_what_is_none) {
    for (int enabled = 0; enabled < 2; enabled++) {
        struct h1_test_peer *client =
            new_client((struct http1_options){.enable_trailers = enabled == 1});
        struct header_map headers;
        start_request(client, &headers);
        ck_assert_int_eq(http_stream_encode_headers(client->stream, &headers, false), STATUS_OK);
        send_bytes(client, SLICE("hi"), false);
        buffer_clear(&client->output);
        struct header_map trailers;
        header_map_init(&trailers, &client->arena);
        header_map_append_name(&trailers, SLICE("x-t"), SLICE("1"));
        header_map_append(&trailers, HEADER_CONTENT_LENGTH, SLICE("5"));
        header_map_append_name(&trailers, SLICE("x-bad"), SLICE("a\nb"));
        http_stream_encode_trailers(client->stream, &trailers);
        ck_assert_str_eq(h1_test_output(client),
                         enabled == 1 ? "0\r\nx-t: 1\r\n\r\n" : "0\r\n\r\n");
        h1_test_peer_free(client);
    }
}
END_TEST

START_TEST(h1_chunked_extensions_have_a_budget) {
    struct h1_test_peer *peer =
        h1_test_peer_new(true, (struct http_codec_options){0}, (struct http1_options){0});
    const char *head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    (void)h1_test_feed(peer, head, strlen(head));
    char chunk[600] = "1;";
    memset(chunk + 2, 'x', 500);
    memcpy(chunk + 502, "\r\n!\r\n", 6);
    int fed = 0;
    while (peer->bad_requests == 0 && fed < 100) {
        (void)h1_test_feed(peer, chunk, strlen(chunk));
        fed++;
    }
    ck_assert_int_eq(fed, 16384 / 501 + 1);
    h1_test_peer_free(peer);
}
END_TEST

/* One request with a random body, in random pieces, encoded, cut at random places and read again. */
static void exchange(struct random *random) {
    static uint8_t bytes[5000];
    struct h1_test_peer *client = new_client((struct http1_options){0});
    struct h1_test_peer *server =
        h1_test_peer_new(true, (struct http_codec_options){0}, (struct http1_options){0});
    size_t len = random_below(random, sizeof(bytes));
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)random_next(random);
    }
    struct header_map headers;
    start_request(client, &headers);
    if (random_below(random, 2) == 0) {
        header_map_set_uint(&headers, HEADER_CONTENT_LENGTH, len);
    }
    ck_assert_int_eq(http_stream_encode_headers(client->stream, &headers, false), STATUS_OK);
    for (size_t at = 0; at < len;) {
        size_t piece = 1 + random_below(random, len - at);
        send_bytes(client, slice_make(bytes + at, piece), false);
        at += piece;
    }
    send_bytes(client, SLICE(""), true);
    while (client->output.len > 0) {
        size_t piece = 1 + random_below(random, client->output.len);
        ck_assert_int_eq(pass(client, server, piece), STATUS_OK);
    }
    ck_assert(server->ended);
    ck_assert_uint_eq(server->body_len, len);
    ck_assert(memcmp(server->text + server->body_at, bytes, len) == 0);
    ck_assert_uint_eq(server->closed, 1);
    h1_test_peer_free(server);
    h1_test_peer_free(client);
}

START_TEST(h1_encode_random_bodies_arrive) {
    struct random random;
    random_init_seed(&random, 7);
    for (int i = 0; i < 300; i++) {
        exchange(&random);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("h1_encode");
    TCase *tcase = tcase_create("h1_encode");
    tcase_add_test(tcase, h1_encode_head_larger_than_a_chunk_is_whole);
    tcase_add_test(tcase, h1_encode_options_change_the_form);
    tcase_add_test(tcase, h1_encode_trailers_need_the_option_and_leave_out_what_is_none);
    tcase_add_test(tcase, h1_chunked_extensions_have_a_budget);
    tcase_add_test(tcase, h1_encode_random_bodies_arrive);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
