// SPDX-License-Identifier: Apache-2.0
#include <check.h>

#include "src/http/h1/h1_test_peer.h"

struct client_case {
    const char *method;
    const char *input;
    size_t len;
    const char *expected; /* the events; "~" at the end: the connection cannot be used again */
};

#define CASE(method, input, expected)                                                              \
    { method, input, sizeof(input) - 1, expected }
#define OK "HTTP/1.1 200 OK\r\n"
#define BAD "RESET protocol_error\n http1.codec_error ~"
#define CHUNKED OK "transfer-encoding: chunked\r\n\r\n"
#define CHUNKED_HEAD "HEADERS :status=200 transfer-encoding=chunked"

static const struct client_case cases[] = {
    CASE("GET", OK "content-length: 2\r\n\r\nok",
         "HEADERS :status=200 content-length=2\nDATA ok\nEND"),
    CASE("GET", OK "content-length: 0\r\n\r\n", "HEADERS :status=200 content-length=0 END"),
    CASE("GET", "HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n",
         "HEADERS :status=200 content-length=0 END"),
    CASE("GET", "HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n",
         "HEADERS :status=200 content-length=0 END"),
    CASE("GET", CHUNKED "2\r\nok\r\n0\r\n\r\n", CHUNKED_HEAD "\nDATA ok\nEND"),
    CASE("HEAD", OK "content-length: 2\r\n\r\n", "HEADERS :status=200 content-length=2 END"),
    CASE("HEAD", CHUNKED, CHUNKED_HEAD " END"),
    CASE("GET", "HTTP/1.1 204 No Content\r\n\r\n", "HEADERS :status=204 END"),
    CASE("GET", "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n", "HEADERS :status=204 END"),
    CASE("GET", "HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nok",
         "RESET protocol_error\n http1.content_length_not_allowed ~"),
    CASE("GET", "HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
         "RESET protocol_error\n http1.transfer_encoding_not_allowed ~"),
    CASE("GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n",
         "HEADERS :status=304 content-length=9 END"),
    CASE("GET", OK "\r\nok", "HEADERS :status=200\nDATA ok ~"),
    CASE("GET", OK "connection: close\r\ncontent-length: 0\r\n\r\n",
         "HEADERS :status=200 connection=close content-length=0 END ~"),
    CASE("GET", "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
         "HEADERS :status=200 content-length=0 END ~"),
    CASE("GET", "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n",
         "HEADERS :status=200 connection=keep-alive content-length=0 END"),
    CASE("GET", "HTTP/1.1 100 Continue\r\n\r\n" OK "content-length: 0\r\n\r\n",
         "INTERIM :status=100\nHEADERS :status=200 content-length=0 END"),
    CASE("GET", "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" OK "content-length: 0\r\n\r\n",
         "INTERIM :status=103 link=x\nHEADERS :status=200 content-length=0 END"),
    CASE("GET", "HTTP/1.1 103 x\r\ntransfer-encoding: chunked\r\n\r\n",
         "RESET protocol_error\n http1.transfer_encoding_not_allowed ~"),
    CASE("GET", "HTTP/1.1 100 x\r\ncontent-length: 5\r\n\r\n",
         "RESET protocol_error\n http1.content_length_not_allowed ~"),
    CASE("GET", "HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", BAD),
    CASE("GET", OK "content-length: 2\r\n\r\nok!",
         "HEADERS :status=200 content-length=2\nDATA ok\nEND ~"),
    CASE("GET", OK "content-length: 2\r\n\r\nok" OK "content-length: 0\r\n\r\n",
         "HEADERS :status=200 content-length=2\nDATA ok\nEND ~"),
    CASE("HEAD", OK "content-length: 2\r\n\r\nok", "HEADERS :status=200 content-length=2 END ~"),
    CASE("GET", "HTTP/1.1 1000 x\r\n\r\n", BAD),
    CASE("GET", "HTTP/1.1 99 x\r\n\r\n", BAD),
    CASE("GET", "HTTP/1.1 099 x\r\n\r\n", BAD),
    CASE("GET", "HTTP/1.1 20 x\r\n\r\n", BAD),
    CASE("GET", "HTTP/1.1 2x0 x\r\n\r\n", BAD),
    CASE("GET", "HTTP/1.1 -20 x\r\n\r\n", BAD),
    CASE("GET", "HTTP/1.1  200 x\r\n\r\n", BAD),
    CASE("GET", "HTTP/1.1 200x\r\n\r\n", BAD),
    CASE("GET", "HTTP/1.1200 OK\r\n\r\n", BAD),
    CASE("GET", "HTTP/2.0 200 OK\r\n\r\n", BAD),
    CASE("GET", "HTTP/1.2 200 OK\r\n\r\n", BAD),
    CASE("GET", "ICY 200 OK\r\n\r\n", BAD),
    CASE("GET", "<html>\r\n", BAD),
    CASE("GET", "\r\n" OK "content-length: 0\r\n\r\n", BAD),
    CASE("GET", "HTTP/1.1 200 OK\ncontent-length: 0\n\n", BAD),
    CASE("GET", "HTTP/1.1 200 O\rK\r\n\r\n", BAD),
    CASE("GET", "HTTP/1.1 200 O\0K\r\n\r\n", BAD),
    CASE("GET", OK "x: a\0b\r\n\r\n", "RESET protocol_error\n http1.invalid_characters ~"),
    CASE("GET", OK "x : a\r\n\r\n", BAD),
    CASE("GET", OK "x: a\r\n b\r\n\r\n", BAD),
    CASE("GET", OK ": a\r\n\r\n", BAD),
    CASE("GET", OK "x\r\n\r\n", BAD),
    CASE("GET", OK "content-length: -1\r\n\r\n", BAD),
    CASE("GET", OK "content-length: 2, 2\r\n\r\nok", BAD),
    CASE("GET", OK "content-length: 2\r\ncontent-length: 2\r\n\r\nok", BAD),
    CASE("GET", OK "content-length: 2\r\ncontent-length: 3\r\n\r\nok", BAD),
    CASE("GET", OK "content-length: 18446744073709551616\r\n\r\n", BAD),
    CASE("GET", OK "content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n",
         "RESET protocol_error\n http1.content_length_and_chunked_not_allowed ~"),
    CASE("GET", OK "transfer-encoding: gzip\r\n\r\n",
         "RESET protocol_error\n http1.invalid_transfer_encoding ~"),
    CASE("GET", "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
         "RESET protocol_error\n http1.transfer_encoding_not_allowed ~"),
    CASE("GET", CHUNKED "x\r\n", CHUNKED_HEAD "\n" BAD),
    CASE("GET", CHUNKED "2\r\nokk\r\n", CHUNKED_HEAD "\nDATA ok\n" BAD),
    CASE("GET", CHUNKED "2\r\nok\r\n0\r\nx y: 1\r\n\r\n", CHUNKED_HEAD "\nDATA ok\n" BAD),
    CASE("GET", CHUNKED "fffffffffffffffff\r\n", CHUNKED_HEAD "\n" BAD),
    CASE("CONNECT", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nraw\r\n",
         "HEADERS :status=200\nDATA raw\r\n ~"),
    CASE("CONNECT", "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno",
         "HEADERS :status=403 content-length=2\nDATA no\nEND ~"),
    CASE("UPGRADE", "HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nraw",
         "HEADERS :status=101 upgrade=x connection=upgrade\nDATA raw ~"),
    CASE("UPGRADE", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
         "HEADERS :status=200 content-length=2\nDATA ok\nEND ~"),
};

#undef CASE

static void fill_request(struct h1_test_peer *peer, struct header_map *headers,
                         const char *method) {
    bool is_upgrade = strcmp(method, "UPGRADE") == 0;
    header_map_init(headers, &peer->arena);
    header_map_append(headers, HEADER_METHOD, slice_from_string(is_upgrade ? "GET" : method));
    header_map_append(headers, HEADER_AUTHORITY, SLICE("a:1"));
    header_map_append(headers, HEADER_SCHEME, SLICE("http"));
    if (strcmp(method, "CONNECT") != 0) {
        header_map_append(headers, HEADER_PATH, SLICE("/p"));
    }
    if (is_upgrade) {
        header_map_append(headers, HEADER_UPGRADE, SLICE("x"));
        header_map_append(headers, HEADER_CONNECTION, SLICE("upgrade"));
    }
}

static struct h1_test_peer *new_client(const char *method) {
    struct h1_test_peer *peer =
        h1_test_peer_new(false, (struct http_codec_options){0}, (struct http1_options){0});
    ck_assert_ptr_nonnull(h1_test_open(peer));
    struct header_map headers;
    fill_request(peer, &headers, method);
    bool is_tunnel = strcmp(method, "CONNECT") == 0 || strcmp(method, "UPGRADE") == 0;
    ck_assert_int_eq(http_stream_encode_headers(peer->stream, &headers, !is_tunnel), STATUS_OK);
    return peer;
}

static void note_usability(struct h1_test_peer *peer) {
    if (peer->goaways > 0 || peer->last != STATUS_OK) {
        h1_test_note(peer, " ~", 2);
    }
}

START_TEST(h1_client_cases_give_their_events) {
    const struct client_case *it = &cases[_i];
    struct h1_test_peer *peer = new_client(it->method);
    (void)h1_test_feed(peer, it->input, it->len);
    note_usability(peer);
    ck_assert_str_eq(peer->text, it->expected);
    h1_test_peer_free(peer);
}
END_TEST

START_TEST(h1_client_cases_agree_at_every_split) {
    const struct client_case *it = &cases[_i];
    for (size_t split = 1; split < it->len; split++) {
        struct h1_test_peer *peer = new_client(it->method);
        (void)h1_test_feed_apart(peer, it->input, split);
        (void)h1_test_feed_apart(peer, it->input + split, it->len - split);
        note_usability(peer);
        ck_assert_msg(strcmp(peer->text, it->expected) == 0, "split %zu of %s\nexpected %s\ngot %s",
                      split, it->input, it->expected, peer->text);
        h1_test_peer_free(peer);
    }
}
END_TEST

struct request_case {
    const char *method;
    const char *length, *body;
    const char *expected;
};

#define LINE(method) method " /p HTTP/1.1\r\nhost: a:1\r\n"

static const struct request_case requests[] = {
    {"GET", NULL, NULL, LINE("GET") "\r\n"},
    {"DELETE", NULL, NULL, LINE("DELETE") "\r\n"},
    {"HEAD", NULL, NULL, LINE("HEAD") "\r\n"},
    {"POST", NULL, NULL, LINE("POST") "content-length: 0\r\n\r\n"},
    {"PATCH", NULL, NULL, LINE("PATCH") "content-length: 0\r\n\r\n"},
    {"OPTIONS", NULL, NULL, LINE("OPTIONS") "content-length: 0\r\n\r\n"},
    {"GET", "5", NULL, LINE("GET") "content-length: 0\r\n\r\n"},
    {"POST", "2", "ok", LINE("POST") "content-length: 2\r\n\r\nok"},
    {"POST", NULL, "ok", LINE("POST") "transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
    {"GET", NULL, "ok", LINE("GET") "transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
    {"POST", NULL, "", LINE("POST") "transfer-encoding: chunked\r\n\r\n0\r\n\r\n"},
};

static void send_body(struct h1_test_peer *peer, const char *text, bool end_stream) {
    struct buffer body;
    buffer_init(&body, &peer->io.buffers);
    buffer_append(&body, slice_from_string(text));
    http_stream_encode_data(peer->stream, &body, end_stream);
    buffer_deinit(&body);
}

START_TEST(h1_client_request_is_framed) {
    const struct request_case *it = &requests[_i];
    struct h1_test_peer *peer =
        h1_test_peer_new(false, (struct http_codec_options){0}, (struct http1_options){0});
    ck_assert_ptr_nonnull(h1_test_open(peer));
    struct header_map headers;
    fill_request(peer, &headers, it->method);
    if (it->length != NULL) {
        header_map_append(&headers, HEADER_CONTENT_LENGTH, slice_from_string(it->length));
    }
    ck_assert_int_eq(http_stream_encode_headers(peer->stream, &headers, it->body == NULL),
                     STATUS_OK);
    if (it->body != NULL) {
        send_body(peer, it->body, true);
    }
    ck_assert_str_eq(h1_test_output(peer), it->expected);
    h1_test_peer_free(peer);
}
END_TEST

START_TEST(h1_client_refuses_what_is_no_request) {
    static const struct {
        enum header_id id;
        const char *value;
    } wrong[] = {
        {HEADER_PATH, "/a b"},
        {HEADER_PATH, "/a\r\nx: y"},
        {HEADER_PATH, "a"},
        {HEADER_PATH, ""},
        {HEADER_PATH, "/a#b"},
        {HEADER_METHOD, "G T"},
        {HEADER_METHOD, ""},
        {HEADER_AUTHORITY, "a b"},
        {HEADER_AUTHORITY, ""},
        {HEADER_AUTHORITY, "u@a"},
        {HEADER_AUTHORITY, "a\r\nx: y"},
        {HEADER_USER_AGENT, "a\nb"},
        {HEADER_PROTOCOL, "websocket"},
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct h1_test_peer *peer =
            h1_test_peer_new(false, (struct http_codec_options){0}, (struct http1_options){0});
        ck_assert_ptr_nonnull(h1_test_open(peer));
        struct header_map headers;
        fill_request(peer, &headers, "GET");
        header_map_set(&headers, wrong[i].id, slice_from_string(wrong[i].value));
        ck_assert_int_eq(http_stream_encode_headers(peer->stream, &headers, true), STATUS_INVALID);
        ck_assert_uint_eq(peer->output.len, 0);
        h1_test_peer_free(peer);
    }
}
END_TEST

START_TEST(h1_client_tunnel_data_waits_for_the_grant) {
    struct h1_test_peer *peer = new_client("UPGRADE");
    buffer_clear(&peer->output);
    send_body(peer, "early", false);
    ck_assert_uint_eq(peer->output.len, 0);
    const char *grant = "HTTP/1.1 101 x\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n";
    (void)h1_test_feed(peer, grant, strlen(grant));
    send_body(peer, "+late", false);
    ck_assert_str_eq(h1_test_output(peer), "early+late");
    h1_test_peer_free(peer);
    peer = new_client("UPGRADE");
    buffer_clear(&peer->output);
    send_body(peer, "early", false);
    const char *refusal = "HTTP/1.1 403 x\r\ncontent-length: 0\r\n\r\n";
    (void)h1_test_feed(peer, refusal, strlen(refusal));
    ck_assert_uint_eq(peer->output.len, 0);
    ck_assert_uint_eq(peer->closed, 1);
    ck_assert(peer->codec->is_ended);
    h1_test_peer_free(peer);
}
END_TEST

START_TEST(h1_client_connection_is_used_again) {
    struct h1_test_peer *peer = new_client("GET");
    const char *response = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    for (int i = 0; i < 3; i++) {
        (void)h1_test_feed(peer, response, strlen(response));
        ck_assert_int_eq(peer->last, STATUS_OK);
        ck_assert_ptr_nonnull(h1_test_open(peer));
        struct header_map headers;
        fill_request(peer, &headers, "GET");
        ck_assert_int_eq(http_stream_encode_headers(peer->stream, &headers, true), STATUS_OK);
    }
    ck_assert_uint_eq(peer->goaways, 0);
    ck_assert_uint_eq(peer->closed, 3);
    h1_test_peer_free(peer);
}
END_TEST

START_TEST(h1_client_unsolicited_bytes_end_the_connection) {
    struct h1_test_peer *peer =
        h1_test_peer_new(false, (struct http_codec_options){0}, (struct http1_options){0});
    const char *response = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    ck_assert_int_eq(h1_test_feed(peer, response, strlen(response)), STATUS_PROTOCOL);
    ck_assert_uint_eq(peer->goaways, 1);
    ck_assert_ptr_null(h1_test_open(peer));
    h1_test_peer_free(peer);
}
END_TEST

START_TEST(h1_client_end_of_input_ends_only_a_close_delimited_body) {
    struct h1_test_peer *peer = new_client("GET");
    const char *response = "HTTP/1.1 200 OK\r\n\r\nok";
    (void)h1_test_feed(peer, response, strlen(response));
    (void)http_codec_input_ended(peer->codec);
    ck_assert_str_eq(peer->text, "HEADERS :status=200\nDATA ok\nEND");
    ck_assert_uint_eq(peer->closed, 1);
    h1_test_peer_free(peer);
    peer = new_client("GET");
    response = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok";
    (void)h1_test_feed(peer, response, strlen(response));
    ck_assert_int_eq(http_codec_input_ended(peer->codec), STATUS_PROTOCOL);
    ck_assert_uint_eq(peer->resets, 1);
    h1_test_peer_free(peer);
}
END_TEST

START_TEST(h1_client_interim_responses_are_bounded) {
    struct h1_test_peer *peer = new_client("GET");
    const char *interim = "HTTP/1.1 103 x\r\n\r\n";
    for (int i = 0; i < 100; i++) {
        (void)h1_test_feed(peer, interim, strlen(interim));
    }
    ck_assert_int_eq(peer->last, STATUS_OK);
    ck_assert_uint_eq(peer->informational, 100);
    (void)h1_test_feed(peer, interim, strlen(interim));
    ck_assert_int_eq(peer->last, STATUS_PROTOCOL);
    h1_test_peer_free(peer);
}
END_TEST

START_TEST(h1_client_response_before_the_request_ends) {
    struct h1_test_peer *peer =
        h1_test_peer_new(false, (struct http_codec_options){0}, (struct http1_options){0});
    ck_assert_ptr_nonnull(h1_test_open(peer));
    struct header_map headers;
    fill_request(peer, &headers, "POST");
    ck_assert_int_eq(http_stream_encode_headers(peer->stream, &headers, false), STATUS_OK);
    const char *response = "HTTP/1.1 413 x\r\ncontent-length: 0\r\n\r\n";
    (void)h1_test_feed(peer, response, strlen(response));
    ck_assert_uint_eq(peer->goaways, 1);
    ck_assert_uint_eq(peer->closed, 0);
    send_body(peer, "x", true);
    ck_assert_uint_eq(peer->closed, 1);
    ck_assert(peer->codec->is_ended);
    h1_test_peer_free(peer);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("h1_client");
    TCase *tcase = tcase_create("h1_client");
    tcase_add_loop_test(tcase, h1_client_cases_give_their_events, 0, (int)ARRAY_LEN(cases));
    tcase_add_loop_test(tcase, h1_client_cases_agree_at_every_split, 0, (int)ARRAY_LEN(cases));
    tcase_add_loop_test(tcase, h1_client_request_is_framed, 0, (int)ARRAY_LEN(requests));
    tcase_add_test(tcase, h1_client_refuses_what_is_no_request);
    tcase_add_test(tcase, h1_client_tunnel_data_waits_for_the_grant);
    tcase_add_test(tcase, h1_client_connection_is_used_again);
    tcase_add_test(tcase, h1_client_unsolicited_bytes_end_the_connection);
    tcase_add_test(tcase, h1_client_end_of_input_ends_only_a_close_delimited_body);
    tcase_add_test(tcase, h1_client_interim_responses_are_bounded);
    tcase_add_test(tcase, h1_client_response_before_the_request_ends);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
