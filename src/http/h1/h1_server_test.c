// SPDX-License-Identifier: Apache-2.0
#include <check.h>

#include "src/http/h1/h1_server_cases.h"
#include "src/http/h1/h1_test_peer.h"

static struct h1_test_peer *new_server(void) {
    return h1_test_peer_new(true, (struct http_codec_options){0},
                            (struct http1_options){.allow_absolute_url = true});
}

/* What a case's `expected` says, read off a peer: answers in order, then the connection's state. */
static void summarize(struct h1_test_peer *peer, char *to, size_t size) {
    size_t used = 0;
    to[0] = '\0';
    const char *output = h1_test_output(peer);
    bool pending_body = false;
    char body[128] = "";
    for (const char *line = peer->text; line != NULL; line = strchr(line, '\n')) {
        line += line[0] == '\n' ? 1 : 0;
        if (strncmp(line, "DATA ", 5) == 0) {
            (void)snprintf(body, sizeof(body), "=%.*s", (int)strcspn(line + 5, "\n"), line + 5);
            pending_body = true;
        }
        bool ends = strncmp(line, "END", 3) == 0;
        bool head = strncmp(line, "HEADERS", 7) == 0;
        size_t len = strcspn(line, "\n");
        bool head_ends = head && len > 4 && strncmp(line + len - 4, " END", 4) == 0;
        bool refused = strncmp(line, "BAD ", 4) == 0;
        bool tunnel = head && (strstr(line, "upgrade=websocket") != NULL ||
                               strstr(line, ":method=CONNECT") != NULL);
        if (!ends && !head_ends && !refused && !tunnel) {
            continue;
        }
        const char *answer = strstr(output, "HTTP/1.1 ");
        ck_assert_ptr_nonnull(answer);
        used += (size_t)snprintf(to + used, size - used, "%s%.3s%s ", refused ? "!" : "",
                                 answer + 9, pending_body && !refused ? body : "");
        pending_body = false;
        output = answer + 9;
    }
    ck_assert_ptr_null(strstr(output, "HTTP/1.1 "));
    (void)snprintf(to + used, size - used, "%s", peer->codec->is_ended ? "shut" : "open");
}

static void check_text(struct h1_test_peer *peer, const char *whole, const struct server_case *it,
                       size_t split) {
    if (strcmp(peer->text, whole) != 0) {
        ck_abort_msg("split %zu of %s\nwhole: %s\nsplit: %s", split, it->input, whole, peer->text);
    }
}

START_TEST(h1_server_cases_give_their_answer) {
    const struct server_case *it = &server_cases[_i];
    struct h1_test_peer *peer = new_server();
    (void)h1_test_feed(peer, it->input, it->len);
    char summary[256];
    summarize(peer, summary, sizeof(summary));
    ck_assert_msg(strcmp(summary, it->expected) == 0, "%s\nexpected %s\ngot %s\n%s", it->input,
                  it->expected, summary, peer->text);
    h1_test_peer_free(peer);
}
END_TEST

START_TEST(h1_server_cases_agree_at_every_split) {
    const struct server_case *it = &server_cases[_i];
    struct h1_test_peer *whole = new_server();
    (void)h1_test_feed(whole, it->input, it->len);
    for (size_t split = 1; split < it->len; split++) {
        struct h1_test_peer *near = new_server();
        (void)h1_test_feed(near, it->input, split);
        (void)h1_test_feed(near, it->input + split, it->len - split);
        check_text(near, whole->text, it, split);
        ck_assert_int_eq(near->last, whole->last);
        ck_assert_str_eq(h1_test_output(near), h1_test_output(whole));
        h1_test_peer_free(near);
        struct h1_test_peer *apart = new_server();
        (void)h1_test_feed_apart(apart, it->input, split);
        (void)h1_test_feed_apart(apart, it->input + split, it->len - split);
        check_text(apart, whole->text, it, split);
        h1_test_peer_free(apart);
    }
    struct h1_test_peer *bytes = new_server();
    for (size_t i = 0; i < it->len; i++) {
        (void)h1_test_feed_apart(bytes, it->input + i, 1);
    }
    check_text(bytes, whole->text, it, 0);
    h1_test_peer_free(bytes);
    h1_test_peer_free(whole);
}
END_TEST

static void feed_text(struct h1_test_peer *peer, const char *text) {
    (void)h1_test_feed(peer, text, strlen(text));
}

START_TEST(h1_server_gives_the_request_in_order) {
    struct h1_test_peer *peer = new_server();
    feed_text(peer, "POST /p?q HTTP/1.1\r\nX-A: 1\r\nHost: a.b\r\nContent-Length: 2\r\n\r\nhi");
    ck_assert_str_eq(peer->text, "HEADERS :method=POST :path=/p?q :authority=a.b x-a=1 "
                                 "content-length=2\nDATA hi\nEND");
    h1_test_peer_free(peer);
}
END_TEST

START_TEST(h1_server_absolute_form_replaces_host) {
    struct h1_test_peer *peer = new_server();
    feed_text(peer, "GET https://b:1?q HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_str_eq(peer->text, "HEADERS :method=GET :path=/?q :authority=b:1 :scheme=https END");
    h1_test_peer_free(peer);
    struct http1_options refuse = {.allow_absolute_url = false};
    peer = h1_test_peer_new(true, (struct http_codec_options){0}, refuse);
    feed_text(peer, "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_str_eq(peer->text, "BAD 404 absolute_path_rejected");
    h1_test_peer_free(peer);
}
END_TEST

struct detail_case {
    const char *input, *expected;
};

static const struct detail_case details[] = {
    {"FOO / HTTP/1.1\r\n", "BAD 400 http1.codec_error"},
    {"GET /#a HTTP/1.1\r\n", "BAD 400 path_normalization_failed"},
    {"GET * HTTP/1.1\r\n", "BAD 400 http1.invalid_url"},
    {"GET ftp://a/ HTTP/1.1\r\n", "BAD 400 http1.invalid_scheme"},
    {"GET / HTTP/1.0\r\n", "BAD 426 low_version"},
    {"GET / HTTP/1.1\r\n\r\n", "BAD 400 missing_host_header"},
    {"GET / HTTP/1.1\r\nhost: a b\r\n", "BAD 400 http.invalid_authority"},
    {"GET / HTTP/1.1\r\nx: \x01\r\n", "BAD 400 http1.invalid_characters"},
    {"GET / HTTP/1.1\r\nhost: a\r\nte: x\r\ntransfer-encoding: x\r\n\r\n",
     "BAD 501 http1.invalid_transfer_encoding"},
    {"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
     "BAD 400 http1.content_length_and_chunked_not_allowed"},
    {"GET / HTTP/1.1\r\nhost: a\r\nconnection: x-forwarded-for\r\n\r\n",
     "BAD 400 http1.connection_header_rejected"},
    {"CONNECT a:1 HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n",
     "BAD 400 http1.body_disallowed"},
};

START_TEST(h1_server_details_are_envoys) {
    struct h1_test_peer *peer = new_server();
    feed_text(peer, details[_i].input);
    ck_assert_str_eq(peer->text, details[_i].expected);
    ck_assert_ptr_nonnull(strstr(h1_test_output(peer), "connection: close\r\n"));
    ck_assert_int_eq(peer->last, STATUS_PROTOCOL);
    h1_test_peer_free(peer);
}
END_TEST

START_TEST(h1_server_head_limits_hold_to_the_byte) {
    struct http_codec_options options = {.max_headers_bytes = 40, .max_headers_count = 2};
    struct http1_options http1 = {0};
    const char *fits = "GET / HTTP/1.1\r\nHost: a\r\nx: 123456\r\n\r\n"; /* 38 bytes */
    struct h1_test_peer *peer = h1_test_peer_new(true, options, http1);
    feed_text(peer, "GET / HTTP/1.1\r\nHost: a\r\nx: 12345678\r\n\r\n");
    ck_assert_uint_eq(peer->requests, 1);
    h1_test_peer_free(peer);
    peer = h1_test_peer_new(true, options, http1);
    feed_text(peer, "GET / HTTP/1.1\r\nHost: a\r\nx: 123456789\r\n\r\n");
    ck_assert_str_eq(peer->text, "BAD 431 http1.headers_too_large");
    h1_test_peer_free(peer);
    peer = h1_test_peer_new(true, options, http1);
    feed_text(peer, "GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    ck_assert_str_eq(peer->text, "BAD 431 http1.headers_too_large");
    h1_test_peer_free(peer);
    peer = h1_test_peer_new(true, options, http1);
    feed_text(peer, fits);
    feed_text(peer, fits);
    ck_assert_uint_eq(peer->requests, 2);
    h1_test_peer_free(peer);
    peer = h1_test_peer_new(true, options, http1);
    feed_text(peer, "GET / HTTP/1.1\r\nHost: a\r\na:\r\nb:\r\n\r\n");
    ck_assert_str_eq(peer->text, "BAD 431 http1.too_many_headers");
    h1_test_peer_free(peer);
}
END_TEST

START_TEST(h1_server_underscores_follow_the_option) {
    const char *request = "GET / HTTP/1.1\r\nHost: a\r\nx_y: 1\r\nz: 2\r\n\r\n";
    struct http_codec_options options = {.underscores = HTTP_UNDERSCORES_REJECT};
    struct h1_test_peer *peer = h1_test_peer_new(true, options, (struct http1_options){0});
    feed_text(peer, request);
    ck_assert_str_eq(peer->text, "BAD 400 http1.unexpected_underscore");
    h1_test_peer_free(peer);
    options.underscores = HTTP_UNDERSCORES_DROP;
    peer = h1_test_peer_new(true, options, (struct http1_options){0});
    feed_text(peer, request);
    ck_assert_str_eq(peer->text, "HEADERS :method=GET :path=/ :authority=a z=2 END");
    h1_test_peer_free(peer);
}
END_TEST

START_TEST(h1_server_http_10_is_served_when_accepted) {
    struct http1_options http1 = {.accept_http_10 = true, .default_host = SLICE("d")};
    struct h1_test_peer *peer = h1_test_peer_new(true, (struct http_codec_options){0}, http1);
    feed_text(peer, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n");
    ck_assert_str_eq(peer->text, "HEADERS :method=GET :path=/ :authority=d connection=keep-alive "
                                 "END\nHEADERS :method=GET :path=/2 :authority=d END");
    ck_assert_str_eq(h1_test_output(peer),
                     "HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok"
                     "HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
    ck_assert(peer->codec->is_ended);
    h1_test_peer_free(peer);
}
END_TEST

START_TEST(h1_server_trailers_pass_when_enabled) {
    const char *request = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "2\r\nhi\r\n0\r\nX-T: 1\r\nContent-Length: 9\r\nHost: b\r\n\r\n";
    struct http1_options http1 = {.enable_trailers = true};
    struct h1_test_peer *peer = h1_test_peer_new(true, (struct http_codec_options){0}, http1);
    feed_text(peer, request);
    ck_assert_str_eq(strchr(peer->text, '\n'), "\nDATA hi\nTRAILERS x-t=1 END");
    h1_test_peer_free(peer);
    peer = new_server();
    feed_text(peer, request);
    ck_assert_str_eq(strchr(peer->text, '\n'), "\nDATA hi\nEND");
    h1_test_peer_free(peer);
}
END_TEST

START_TEST(h1_server_upgrade_data_waits_for_101) {
    struct h1_test_peer *peer = new_server();
    peer->answers = false;
    feed_text(peer, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
                    "early");
    ck_assert_ptr_null(strstr(peer->text, "DATA"));
    ck_assert_uint_eq(peer->input.len, 5);
    peer->grants_upgrades = true;
    h1_test_answer(peer, "101");
    ck_assert_str_eq(h1_test_output(peer), "HTTP/1.1 101 Switching Protocols\r\n"
                                           "connection: upgrade\r\nupgrade: websocket\r\n\r\n");
    feed_text(peer, "\r\nlate");
    ck_assert_ptr_nonnull(strstr(peer->text, "DATA early\r\nlate"));
    (void)http_codec_input_ended(peer->codec);
    ck_assert_ptr_nonnull(strstr(peer->text, "END"));
    h1_test_peer_free(peer);
}
END_TEST

START_TEST(h1_server_answer_before_the_request_ends_closes) {
    struct h1_test_peer *peer = new_server();
    peer->answers = false;
    feed_text(peer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nabc");
    h1_test_answer(peer, "413");
    ck_assert_uint_eq(peer->closed, 1);
    ck_assert_ptr_nonnull(strstr(h1_test_output(peer), "connection: close\r\n"));
    feed_text(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert(peer->codec->is_ended);
    ck_assert_uint_eq(peer->requests, 1);
    h1_test_peer_free(peer);
}
END_TEST

START_TEST(h1_server_pipelined_request_waits) {
    struct h1_test_peer *peer = new_server();
    peer->answers = false;
    feed_text(peer, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_uint_eq(peer->requests, 1);
    h1_test_answer(peer, "200");
    ck_assert_uint_eq(peer->closed, 1);
    feed_text(peer, "");
    ck_assert_uint_eq(peer->requests, 2);
    h1_test_peer_free(peer);
}
END_TEST

START_TEST(h1_server_read_disable_leaves_the_input) {
    struct h1_test_peer *peer = new_server();
    feed_text(peer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    http_stream_read_disable(peer->stream, true);
    feed_text(peer, "hello");
    ck_assert_uint_eq(peer->input.len, 5);
    http_stream_read_disable(peer->stream, false);
    feed_text(peer, "");
    ck_assert_uint_eq(peer->closed, 1);
    h1_test_peer_free(peer);
}
END_TEST

START_TEST(h1_server_shutdown_notice_closes_after_the_answer) {
    struct h1_test_peer *peer = new_server();
    http_codec_shutdown_notice(peer->codec);
    feed_text(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(h1_test_output(peer), "connection: close\r\n"));
    ck_assert(peer->codec->is_ended);
    h1_test_peer_free(peer);
}
END_TEST

START_TEST(h1_server_remote_end_resets_the_stream) {
    struct h1_test_peer *peer = new_server();
    feed_text(peer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    (void)http_codec_input_ended(peer->codec);
    ck_assert_uint_eq(peer->resets, 1);
    h1_test_peer_free(peer);
}
END_TEST

struct response_case {
    const char *method, *status, *length, *body; /* length, body: NULL where there is none */
    const char *expected;
};

static const struct response_case responses[] = {
    {"GET", "200", NULL, NULL, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"},
    {"GET", "200", "2", "ok", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"},
    {"GET", "200", NULL, "ok",
     "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
    {"GET", "200", "x", "ok",
     "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
    {"GET", "200", "7", NULL, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"},
    {"GET", "204", "2", NULL, "HTTP/1.1 204 No Content\r\n\r\n"},
    {"GET", "204", NULL, "ok", "HTTP/1.1 204 No Content\r\n\r\n"},
    {"GET", "304", "2", NULL, "HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n"},
    {"GET", "304", NULL, NULL, "HTTP/1.1 304 Not Modified\r\n\r\n"},
    {"HEAD", "200", "2", "ok", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"},
    {"HEAD", "200", NULL, NULL, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"},
    {"GET", "418", NULL, NULL, "HTTP/1.1 418 Unknown\r\ncontent-length: 0\r\n\r\n"},
};

static void answer_case(struct h1_test_peer *peer, const struct response_case *it) {
    struct header_map headers;
    header_map_init(&headers, &peer->arena);
    header_map_append(&headers, HEADER_STATUS, slice_from_string(it->status));
    if (it->length != NULL) {
        header_map_append(&headers, HEADER_CONTENT_LENGTH, slice_from_string(it->length));
    }
    ck_assert_int_eq(http_stream_encode_headers(peer->stream, &headers, it->body == NULL),
                     STATUS_OK);
    if (it->body != NULL) {
        struct buffer body;
        buffer_init(&body, &peer->io.buffers);
        buffer_append(&body, slice_from_string(it->body));
        http_stream_encode_data(peer->stream, &body, true);
        buffer_deinit(&body);
    }
}

START_TEST(h1_server_response_is_framed) {
    const struct response_case *it = &responses[_i];
    struct h1_test_peer *peer = new_server();
    peer->answers = false;
    feed_text(peer, arena_dup_string(&peer->arena,
                                     arena_printf(&peer->arena, "%s / HTTP/1.1\r\nHost: a\r\n\r\n",
                                                  it->method)));
    answer_case(peer, it);
    ck_assert_str_eq(h1_test_output(peer), it->expected);
    ck_assert_uint_eq(peer->closed, 1);
    feed_text(peer, "");
    ck_assert_int_eq(peer->last, STATUS_OK);
    h1_test_peer_free(peer);
}
END_TEST

START_TEST(h1_server_short_or_long_body_breaks_the_connection) {
    static const struct response_case wrong[] = {
        {"GET", "200", "3", "ok", NULL},
        {"GET", "200", "1", "ok", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct h1_test_peer *peer = new_server();
        peer->answers = false;
        feed_text(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        answer_case(peer, &wrong[i]);
        feed_text(peer, "");
        ck_assert_int_eq(peer->last, STATUS_PROTOCOL);
        h1_test_peer_free(peer);
    }
}
END_TEST

START_TEST(h1_server_refuses_to_send_broken_headers) {
    struct h1_test_peer *peer = new_server();
    peer->answers = false;
    feed_text(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    struct header_map headers;
    header_map_init(&headers, &peer->arena);
    ck_assert_int_eq(http_stream_encode_headers(peer->stream, &headers, true), STATUS_INVALID);
    header_map_append(&headers, HEADER_STATUS, SLICE("200"));
    header_map_append_name(&headers, SLICE("x"), SLICE("a\r\nb: c"));
    ck_assert_int_eq(http_stream_encode_headers(peer->stream, &headers, true), STATUS_INVALID);
    header_map_set_name(&headers, SLICE("x"), SLICE("a"));
    header_map_append_name(&headers, SLICE("x y"), SLICE("a"));
    ck_assert_int_eq(http_stream_encode_headers(peer->stream, &headers, true), STATUS_INVALID);
    header_map_remove_name(&headers, SLICE("x y"));
    header_map_set(&headers, HEADER_STATUS, SLICE("101"));
    ck_assert_int_eq(http_stream_encode_headers(peer->stream, &headers, true), STATUS_INVALID);
    ck_assert_uint_eq(peer->output.len, 0);
    header_map_set(&headers, HEADER_STATUS, SLICE("200"));
    ck_assert_int_eq(http_stream_encode_headers(peer->stream, &headers, true), STATUS_OK);
    ck_assert_uint_eq(peer->closed, 1);
    h1_test_peer_free(peer);
}
END_TEST

START_TEST(h1_server_watermarks_follow_the_output) {
    struct http_codec_options options = {.stream_buffer_bytes = 1000};
    struct h1_test_peer *peer = h1_test_peer_new(true, options, (struct http1_options){0});
    peer->answers = false;
    feed_text(peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    struct header_map headers;
    header_map_init(&headers, &peer->arena);
    header_map_append(&headers, HEADER_STATUS, SLICE("200"));
    ck_assert_int_eq(http_stream_encode_headers(peer->stream, &headers, false), STATUS_OK);
    uint8_t bytes[2000] = {0};
    struct buffer body;
    buffer_init(&body, &peer->io.buffers);
    buffer_append(&body, slice_make(bytes, sizeof(bytes)));
    http_stream_encode_data(peer->stream, &body, false);
    buffer_deinit(&body);
    ck_assert_uint_eq(peer->above, 1);
    buffer_clear(&peer->output);
    http_codec_output_drained(peer->codec);
    ck_assert_uint_eq(peer->below, 1);
    h1_test_peer_free(peer);
}
END_TEST

_Static_assert(ARRAY_LEN(server_cases) >= 160, "the corpus only grows");

int main(void) {
    Suite *suite = suite_create("h1_server");
    TCase *cases = tcase_create("cases");
    int count = (int)ARRAY_LEN(server_cases);
    tcase_add_loop_test(cases, h1_server_cases_give_their_answer, 0, count);
    tcase_add_loop_test(cases, h1_server_cases_agree_at_every_split, 0, count);
    tcase_add_loop_test(cases, h1_server_details_are_envoys, 0, (int)ARRAY_LEN(details));
    tcase_add_loop_test(cases, h1_server_response_is_framed, 0, (int)ARRAY_LEN(responses));
    suite_add_tcase(suite, cases);
    TCase *single = tcase_create("single");
    tcase_add_test(single, h1_server_gives_the_request_in_order);
    tcase_add_test(single, h1_server_absolute_form_replaces_host);
    tcase_add_test(single, h1_server_head_limits_hold_to_the_byte);
    tcase_add_test(single, h1_server_underscores_follow_the_option);
    tcase_add_test(single, h1_server_http_10_is_served_when_accepted);
    tcase_add_test(single, h1_server_trailers_pass_when_enabled);
    tcase_add_test(single, h1_server_upgrade_data_waits_for_101);
    tcase_add_test(single, h1_server_answer_before_the_request_ends_closes);
    tcase_add_test(single, h1_server_pipelined_request_waits);
    tcase_add_test(single, h1_server_read_disable_leaves_the_input);
    tcase_add_test(single, h1_server_shutdown_notice_closes_after_the_answer);
    tcase_add_test(single, h1_server_remote_end_resets_the_stream);
    tcase_add_test(single, h1_server_short_or_long_body_breaks_the_connection);
    tcase_add_test(single, h1_server_refuses_to_send_broken_headers);
    tcase_add_test(single, h1_server_watermarks_follow_the_output);
    suite_add_tcase(suite, single);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
