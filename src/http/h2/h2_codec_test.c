// SPDX-License-Identifier: Apache-2.0
#include "src/http/h2/h2_codec.h"
#include "src/http/h2/h2_test_peer.h"

/* Two ends joined. */
struct test_pair {
    struct test_world world;
    struct test_end client, server;
};
static void test_pair_init(struct test_pair *pair, struct http_codec_options options,
                           struct http2_options client, struct http2_options server) {
    test_world_init(&pair->world);
    test_end_init(&pair->client, &pair->world, false, options, &client);
    test_end_init(&pair->server, &pair->world, true, options, &server);
}
static void test_carry(struct test_end *from, struct test_end *to) {
    struct buffer bytes;
    buffer_init(&bytes, &from->world->io.buffers);
    buffer_move(&bytes, &from->output);
    http_codec_output_drained(from->codec);
    if (bytes.len > 0) {
        test_end_feed(to, &bytes);
    }
    buffer_deinit(&bytes);
}
/* Carries bytes until both ends are silent. */
static void test_pair_run(struct test_pair *pair) {
    for (int turns = 0; turns < 10000; turns++) {
        test_turn(&pair->world);
        if (pair->client.output.len == 0 && pair->server.output.len == 0) {
            return;
        }
        test_carry(&pair->client, &pair->server);
        test_carry(&pair->server, &pair->client);
    }
    ck_abort_msg("the two ends never fall silent");
}
static void test_pair_deinit(struct test_pair *pair) {
    test_end_deinit(&pair->client);
    test_end_deinit(&pair->server);
    test_world_deinit(&pair->world);
}

static struct test_pair pair;

static void setup(void) {
    test_pair_init(&pair, (struct http_codec_options){0}, (struct http2_options){0},
                   (struct http2_options){.allow_connect = true});
    test_pair_run(&pair);
}

static void teardown(void) {
    test_pair_deinit(&pair);
}

static void expect_header(const struct header_map *map, const char *name, const char *value) {
    struct slice got = header_map_get_name(map, slice_from_string(name));
    ck_assert_msg(slice_equal(got, slice_from_string(value)), "%s is \"%.*s\"", name,
                  SLICE_ARG(got));
}

START_TEST(codec_get_without_body_is_answered) {
    struct test_stream *c = test_request(&pair.client, "GET", true);
    test_pair_run(&pair);
    ck_assert_uint_eq(pair.server.stream_count, 1);
    struct test_stream *s = &pair.server.streams[0];
    expect_header(s->headers, ":path", "/a?b=c");
    expect_header(s->headers, ":authority", "example.com");
    ck_assert(s->has_ended);
    ck_assert_uint_eq(pair.server.codec->active_streams, 1);
    test_answer(s, "204", NULL);
    test_pair_run(&pair);
    expect_header(c->headers, ":status", "204");
    ck_assert(c->has_ended && c->was_closed && s->was_closed);
    ck_assert_uint_eq(pair.server.codec->active_streams, 0);
    ck_assert_uint_eq(pair.client.codec->active_streams, 0);
}
END_TEST

START_TEST(codec_bodies_pass_both_ways_whole) {
    struct test_stream *c = test_request(&pair.client, "POST", false);
    test_send(c, 3000000, true);
    test_pair_run(&pair);
    struct test_stream *s = &pair.server.streams[0];
    ck_assert_uint_eq(s->body.len, 3000000);
    ck_assert(s->has_ended);
    struct header_map map;
    header_map_init(&map, &s->arena);
    test_add(&map, ":status", "200");
    ck_assert_int_eq(http_stream_encode_headers(s->stream, &map, false), STATUS_OK);
    test_send(s, 5000000, false);
    test_pair_run(&pair);
    test_send(s, 1, true);
    test_pair_run(&pair);
    ck_assert_uint_eq(c->body.len, 5000001);
    ck_assert(c->was_closed && s->was_closed);
    ck_assert_uint_ge(s->above_high_count, 1);
    ck_assert_uint_eq(s->above_high_count, s->below_low_count);
}
END_TEST

START_TEST(codec_trailers_follow_the_body) {
    struct test_stream *c = test_request(&pair.client, "POST", false);
    test_send(c, 10, false);
    struct header_map trailers;
    header_map_init(&trailers, &c->arena);
    test_add(&trailers, "x-sum", "1");
    test_add(&trailers, ":path", "/smuggled");
    test_add(&trailers, "transfer-encoding", "chunked");
    http_stream_encode_trailers(c->stream, &trailers);
    test_pair_run(&pair);
    struct test_stream *s = &pair.server.streams[0];
    ck_assert_uint_eq(s->body.len, 10);
    ck_assert_ptr_nonnull(s->trailers);
    expect_header(s->trailers, "x-sum", "1");
    ck_assert_uint_eq(s->trailers->live, 1);
    ck_assert(s->has_ended);
}
END_TEST

START_TEST(codec_trailers_without_body_arrive) {
    struct test_stream *c = test_request(&pair.client, "POST", false);
    test_pair_run(&pair);
    struct test_stream *s = &pair.server.streams[0];
    ck_assert(!s->has_ended);
    struct header_map trailers;
    header_map_init(&trailers, &c->arena);
    test_add(&trailers, "grpc-status", "0");
    http_stream_encode_trailers(c->stream, &trailers);
    test_pair_run(&pair);
    ck_assert(s->has_ended);
    expect_header(s->trailers, "grpc-status", "0");
}
END_TEST

START_TEST(codec_informational_comes_before_the_response) {
    struct test_stream *c = test_request(&pair.client, "GET", true);
    test_pair_run(&pair);
    struct test_stream *s = &pair.server.streams[0];
    struct header_map map;
    header_map_init(&map, &s->arena);
    test_add(&map, ":status", "103");
    http_stream_encode_informational(s->stream, &map);
    http_stream_encode_informational(s->stream, &map);
    test_answer(s, "200", "hello");
    test_pair_run(&pair);
    ck_assert_uint_eq(c->informational_count, 2);
    expect_header(c->headers, ":status", "200");
    ck_assert_uint_eq(c->body.len, 5);
    ck_assert(c->was_closed);
}
END_TEST

START_TEST(codec_connection_specific_headers_are_not_sent) {
    struct test_stream *c = test_open(&pair.client);
    struct header_map map;
    header_map_init(&map, &c->arena);
    test_add(&map, ":method", "GET");
    test_add(&map, ":scheme", "http");
    test_add(&map, ":path", "/");
    test_add(&map, "host", "example.org");
    test_add(&map, "connection", "keep-alive, x");
    test_add(&map, "keep-alive", "1");
    test_add(&map, "proxy-connection", "close");
    test_add(&map, "transfer-encoding", "chunked");
    test_add(&map, "upgrade", "h2c");
    test_add(&map, "te", "gzip");
    test_add(&map, "x-kept", "1");
    ck_assert_int_eq(http_stream_encode_headers(c->stream, &map, true), STATUS_OK);
    test_pair_run(&pair);
    const struct header_map *got = pair.server.streams[0].headers;
    expect_header(got, ":authority", "example.org");
    expect_header(got, "x-kept", "1");
    ck_assert_uint_eq(got->live, 5);
}
END_TEST

START_TEST(codec_te_trailers_is_sent) {
    struct test_stream *c = test_open(&pair.client);
    struct header_map map;
    test_request_map(&map, &c->arena, "POST");
    test_add(&map, "te", "trailers");
    ck_assert_int_eq(http_stream_encode_headers(c->stream, &map, true), STATUS_OK);
    test_pair_run(&pair);
    expect_header(pair.server.streams[0].headers, "te", "trailers");
}
END_TEST

static const struct {
    const char *drop; /* this header is left out */
    const char *name, *value;
} unsendable[] = {
    {":method", NULL, NULL},          {":path", NULL, NULL},
    {":scheme", NULL, NULL},          {":path", ":path", "/a b"},
    {":path", ":path", "/a\r\nx: y"}, {":method", ":method", "GET /"},
    {NULL, "x-a", "b\r\nc: d"},       {NULL, "x-a", "b\nc"},
};

START_TEST(codec_request_that_cannot_be_sent_is_refused) {
    struct test_stream *c = test_open(&pair.client);
    struct header_map map;
    test_request_map(&map, &c->arena, "GET");
    if (unsendable[_i].drop != NULL) {
        header_map_remove_name(&map, slice_from_string(unsendable[_i].drop));
    }
    if (unsendable[_i].name != NULL) {
        test_add(&map, unsendable[_i].name, unsendable[_i].value);
    }
    ck_assert_int_eq(http_stream_encode_headers(c->stream, &map, true), STATUS_INVALID);
    // Nothing was written and the stream is still open.
    header_map_init(&map, &c->arena);
    test_request_map(&map, &c->arena, "GET");
    ck_assert_int_eq(http_stream_encode_headers(c->stream, &map, true), STATUS_OK);
    test_pair_run(&pair);
    ck_assert_uint_eq(pair.server.stream_count, 1);
}
END_TEST

START_TEST(codec_cookies_are_joined) {
    struct test_stream *c = test_open(&pair.client);
    struct header_map map;
    test_request_map(&map, &c->arena, "GET");
    test_add(&map, "cookie", "a=1");
    test_add(&map, "cookie", "b=2");
    test_add(&map, "cookie", "c=3");
    ck_assert_int_eq(http_stream_encode_headers(c->stream, &map, true), STATUS_OK);
    test_pair_run(&pair);
    const struct header_map *got = pair.server.streams[0].headers;
    expect_header(got, "cookie", "a=1; b=2; c=3");
    ck_assert_uint_eq(header_map_count_name(got, SLICE("cookie")), 1);
}
END_TEST

START_TEST(codec_extended_connect_keeps_protocol) {
    struct test_stream *c = test_open(&pair.client);
    struct header_map map;
    test_request_map(&map, &c->arena, "CONNECT");
    test_add(&map, ":protocol", "websocket");
    ck_assert_int_eq(http_stream_encode_headers(c->stream, &map, false), STATUS_OK);
    test_pair_run(&pair);
    struct test_stream *s = &pair.server.streams[0];
    expect_header(s->headers, ":protocol", "websocket");
    struct header_map answer;
    header_map_init(&answer, &s->arena);
    test_add(&answer, ":status", "200");
    ck_assert_int_eq(http_stream_encode_headers(s->stream, &answer, false), STATUS_OK);
    test_send(s, 5, false);
    test_send(c, 7, false);
    test_pair_run(&pair);
    ck_assert_uint_eq(c->body.len, 5);
    ck_assert_uint_eq(s->body.len, 7);
}
END_TEST

START_TEST(codec_client_reset_reaches_the_server) {
    struct test_stream *c = test_request(&pair.client, "POST", false);
    test_pair_run(&pair);
    http_stream_reset(c->stream, HTTP_RESET_LOCAL);
    test_pair_run(&pair);
    struct test_stream *s = &pair.server.streams[0];
    ck_assert(s->was_reset);
    ck_assert_int_eq(s->reason, HTTP_RESET_REMOTE);
    ck_assert_str_eq(s->detail, "http2.remote_reset");
    ck_assert(!c->was_reset);
    ck_assert(!pair.server.is_failed && !pair.client.is_failed);
}
END_TEST

static const struct {
    enum http_reset_reason sent, received;
} resets[] = {
    {HTTP_RESET_LOCAL, HTTP_RESET_REMOTE},
    {HTTP_RESET_LOCAL_REFUSED, HTTP_RESET_REMOTE_REFUSED},
    {HTTP_RESET_CONNECT_ERROR, HTTP_RESET_CONNECT_ERROR},
    {HTTP_RESET_PROTOCOL_ERROR, HTTP_RESET_REMOTE},
    {HTTP_RESET_OVERFLOW, HTTP_RESET_REMOTE},
};

START_TEST(codec_server_reset_reason_is_mapped) {
    struct test_stream *c = test_request(&pair.client, "GET", true);
    test_pair_run(&pair);
    http_stream_reset(pair.server.streams[0].stream, resets[_i].sent);
    test_pair_run(&pair);
    ck_assert(c->was_reset);
    ck_assert_int_eq(c->reason, resets[_i].received);
}
END_TEST

// What is left of the head may end the connection when the stream has long been told.
START_TEST(codec_head_over_the_limit_takes_no_further_request) {
    enum { FIELDS = 80, FIELD_BYTES = 1000 };
    static char text[FIELD_BYTES + 1];
    memset(text, 'v', FIELD_BYTES);
    struct test_stream *c = test_request(&pair.client, "GET", true);
    test_pair_run(&pair);
    struct test_stream *s = &pair.server.streams[0];
    struct header_map answer;
    header_map_init(&answer, &s->arena);
    test_add(&answer, ":status", "200");
    for (unsigned i = 0; i < FIELDS; i++) {
        test_add(&answer, "x-long", text);
    }
    ck_assert_int_eq(http_stream_encode_headers(s->stream, &answer, true), STATUS_OK);
    test_pair_run(&pair);
    ck_assert(c->was_reset);
    ck_assert_uint_eq(pair.client.goaway_count, 1);
}
END_TEST

START_TEST(codec_refused_new_stream_is_retryable) {
    pair.server.refuse_streams = true;
    struct test_stream *c = test_request(&pair.client, "GET", true);
    test_pair_run(&pair);
    ck_assert(c->was_reset);
    ck_assert_int_eq(c->reason, HTTP_RESET_REMOTE_REFUSED);
}
END_TEST

START_TEST(codec_reset_after_last_byte_sends_it_first) {
    struct test_stream *c = test_request(&pair.client, "POST", false);
    test_pair_run(&pair);
    struct test_stream *s = &pair.server.streams[0];
    test_answer(s, "200", "whole answer");
    http_stream_reset(s->stream, HTTP_RESET_LOCAL);
    s->stream = NULL;
    ck_assert_uint_eq(pair.server.codec->active_streams, 0);
    test_pair_run(&pair);
    ck_assert_uint_eq(c->body.len, 12);
    ck_assert(c->has_ended && c->was_reset);
    ck_assert(!s->was_reset && !s->was_closed);
}
END_TEST

START_TEST(codec_stream_window_stops_and_resumes_with_reading) {
    test_pair_deinit(&pair);
    test_pair_init(
        &pair, (struct http_codec_options){0}, (struct http2_options){0},
        (struct http2_options){.stream_window_bytes = 65535, .connection_window_bytes = 65535});
    test_pair_run(&pair);
    struct test_stream *c = test_request(&pair.client, "POST", false);
    test_pair_run(&pair);
    struct test_stream *s = &pair.server.streams[0];
    http_stream_read_disable(s->stream, true);
    http_stream_read_disable(s->stream, true);
    test_send(c, 200000, true);
    test_pair_run(&pair);
    ck_assert_uint_eq(s->body.len, 65535);
    // The connection's window came back: another stream is not stopped by this one.
    struct test_stream *other = test_request(&pair.client, "POST", false);
    test_send(other, 100000, true);
    test_pair_run(&pair);
    ck_assert_uint_eq(pair.server.streams[1].body.len, 100000);
    http_stream_read_disable(s->stream, false);
    test_pair_run(&pair);
    ck_assert_uint_eq(s->body.len, 65535);
    http_stream_read_disable(s->stream, false);
    test_pair_run(&pair);
    ck_assert_uint_eq(s->body.len, 200000);
    ck_assert(s->has_ended);
}
END_TEST

START_TEST(codec_blocked_output_stops_production_and_other_streams_get_their_turn) {
    struct test_stream *big = test_request(&pair.client, "GET", true);
    struct test_stream *small = test_request(&pair.client, "GET", true);
    test_pair_run(&pair);
    struct test_stream *s = &pair.server.streams[0];
    struct header_map map;
    header_map_init(&map, &s->arena);
    test_add(&map, ":status", "200");
    ck_assert_int_eq(http_stream_encode_headers(s->stream, &map, false), STATUS_OK);
    test_send(s, 4000000, true);
    test_answer(&pair.server.streams[1], "200", "small");
    test_turn(&pair.world);
    ck_assert_uint_lt(pair.server.output.len, 200 * 1024);
    test_carry(&pair.server, &pair.client);
    ck_assert_uint_eq(small->body.len, 5);
    ck_assert(!big->has_ended);
    test_pair_run(&pair);
    ck_assert_uint_eq(big->body.len, 4000000);
}
END_TEST

START_TEST(codec_shutdown_notice_then_goaway_drains) {
    struct test_stream *c = test_request(&pair.client, "GET", true);
    test_pair_run(&pair);
    http_codec_shutdown_notice(pair.server.codec);
    test_pair_run(&pair);
    ck_assert_uint_eq(pair.client.goaway_count, 1);
    http_codec_goaway(pair.server.codec);
    test_pair_run(&pair);
    ck_assert_uint_eq(pair.client.goaway_count, 1);
    test_answer(&pair.server.streams[0], "200", "x");
    test_pair_run(&pair);
    ck_assert(c->was_closed);
    // One that the server will not see is safe to retry.
    struct test_stream *late = test_request(&pair.client, "GET", true);
    test_pair_run(&pair);
    ck_assert(late->was_reset);
    ck_assert_int_eq(late->reason, HTTP_RESET_REMOTE_REFUSED);
    ck_assert_uint_eq(pair.server.stream_count, 1);
}
END_TEST

START_TEST(codec_ping_comes_back) {
    http_codec_ping(pair.client.codec);
    test_pair_run(&pair);
    ck_assert_uint_eq(pair.client.pong_count, 1);
    ck_assert_uint_eq(pair.server.pong_count, 0);
}
END_TEST

START_TEST(codec_max_streams_of_the_peer_is_told_and_kept) {
    test_pair_deinit(&pair);
    test_pair_init(&pair, (struct http_codec_options){0}, (struct http2_options){0},
                   (struct http2_options){.max_concurrent_streams = 2});
    test_pair_run(&pair);
    ck_assert_uint_eq(pair.client.max_streams, 2);
    for (int i = 0; i < 3; i++) {
        test_request(&pair.client, "GET", true);
    }
    test_pair_run(&pair);
    ck_assert_uint_eq(pair.server.stream_count, 2);
    // The third waits, and may be given up before it began.
    http_stream_reset(pair.client.streams[2].stream, HTTP_RESET_LOCAL);
    test_pair_run(&pair);
    test_answer(&pair.server.streams[0], "200", NULL);
    test_pair_run(&pair);
    ck_assert_uint_eq(pair.server.stream_count, 2);
    ck_assert(pair.client.streams[0].was_closed);
}
END_TEST

/* The text of a header map is its owner's again when encode_headers has returned. */
static struct test_stream *request_of_passing_text(struct test_end *client) {
    char path[] = "/waiting";
    struct test_stream *s = test_open(client);
    struct header_map map;
    test_request_map(&map, &s->arena, "POST");
    header_map_set(&map, HEADER_PATH, slice_from_string(path));
    ck_assert_int_eq(http_stream_encode_headers(s->stream, &map, false), STATUS_OK);
    memset(path, '#', sizeof(path) - 1);
    return s;
}

START_TEST(codec_request_that_has_to_wait_keeps_its_text_and_body) {
    test_pair_deinit(&pair);
    test_pair_init(&pair, (struct http_codec_options){0}, (struct http2_options){0},
                   (struct http2_options){.max_concurrent_streams = 1});
    test_pair_run(&pair);
    test_send(request_of_passing_text(&pair.client), 0, true);
    test_send(request_of_passing_text(&pair.client), 7, true);
    test_send(request_of_passing_text(&pair.client), 0, true);
    for (uint32_t i = 0; i < 3; i++) {
        test_pair_run(&pair);
        ck_assert_uint_eq(pair.server.stream_count, i + 1);
        struct test_stream *got = &pair.server.streams[i];
        expect_header(got->headers, ":path", "/waiting");
        ck_assert(got->has_ended);
        ck_assert_uint_eq(got->body.len, i == 1 ? 7 : 0);
        test_answer(got, "200", NULL);
    }
    test_pair_run(&pair);
    ck_assert(pair.client.streams[2].was_closed);
}
END_TEST

START_TEST(codec_connection_lost_resets_all_streams) {
    test_request(&pair.client, "GET", true);
    test_request(&pair.client, "POST", false);
    test_pair_run(&pair);
    http_codec_connection_lost(pair.server.codec, HTTP_RESET_CONNECTION_TIMEOUT, "why");
    for (int i = 0; i < 2; i++) {
        ck_assert(pair.server.streams[i].was_reset);
        ck_assert_int_eq(pair.server.streams[i].reason, HTTP_RESET_CONNECTION_TIMEOUT);
        ck_assert_str_eq(pair.server.streams[i].detail, "why");
    }
    ck_assert_uint_eq(pair.server.codec->active_streams, 0);
    (void)http_codec_input_ended(pair.client.codec);
    ck_assert_int_eq(pair.client.streams[0].reason, HTTP_RESET_CONNECTION_TERMINATION);
}
END_TEST

START_TEST(codec_output_is_announced_once_a_turn) {
    uint32_t before = pair.client.output_count;
    for (int i = 0; i < 5; i++) {
        test_request(&pair.client, "GET", true);
    }
    ck_assert_uint_eq(pair.client.output_count, before);
    test_turn(&pair.world);
    ck_assert_uint_eq(pair.client.output_count, before + 1);
}
END_TEST

START_TEST(codec_input_may_come_byte_by_byte) {
    struct test_stream *c = test_request(&pair.client, "POST", false);
    test_send(c, 1000, true);
    test_turn(&pair.world);
    struct buffer one;
    buffer_init(&one, &pair.world.io.buffers);
    while (pair.client.output.len > 0) {
        buffer_move_len(&one, &pair.client.output, 1);
        test_end_feed(&pair.server, &one);
        ck_assert(!pair.server.is_failed);
    }
    struct test_stream *s = &pair.server.streams[0];
    ck_assert_uint_eq(s->body.len, 1000);
    ck_assert(s->has_ended);
    buffer_deinit(&one);
}
END_TEST

// Headers, body and trailers come in one piece of input; the owner ends the stream at the first of them.
START_TEST(codec_stream_reset_within_a_callback_hears_no_more) {
    pair.server.reset_at_headers = true;
    struct test_stream *c = test_request(&pair.client, "POST", false);
    test_send(c, 100, false);
    struct header_map trailers;
    header_map_init(&trailers, &c->arena);
    test_add(&trailers, "x", "y");
    http_stream_encode_trailers(c->stream, &trailers);
    test_pair_run(&pair);
    struct test_stream *s = &pair.server.streams[0];
    ck_assert_ptr_nonnull(s->headers);
    ck_assert(s->data_calls == 0 && s->trailers == NULL && !s->was_reset);
    ck_assert(c->was_reset);
}
END_TEST

START_TEST(codec_many_requests_leave_nothing_behind) {
    pair.server.answer_at_once = true;
    for (int i = 0; i < 2000; i++) {
        test_request(&pair.client, "GET", true);
        test_pair_run(&pair);
        ck_assert(pair.client.streams[i].was_closed);
    }
    ck_assert(!pair.server.is_failed && !pair.client.is_failed);
    ck_assert_uint_eq(pair.server.codec->active_streams, 0);
}
END_TEST

static uint64_t request_bytes(const char *request_id) {
    struct test_stream *c = test_open(&pair.client);
    struct header_map map;
    test_request_map(&map, &c->arena, "GET");
    test_add(&map, "x-request-id", request_id);
    ck_assert_int_eq(http_stream_encode_headers(c->stream, &map, true), STATUS_OK);
    test_pair_run(&pair);
    struct test_stream *s = &pair.server.streams[pair.server.stream_count - 1];
    expect_header(s->headers, "x-request-id", request_id);
    return c->stream->sent.header;
}

START_TEST(codec_name_of_a_field_that_never_repeats_is_sent_once) {
    // The values are of one length in Huffman code.
    uint64_t first = request_bytes("aaaaaaaa");
    uint64_t second = request_bytes("cccccccc");
    ck_assert_uint_ge(first, second + 8);
    ck_assert_uint_eq(request_bytes("eeeeeeee"), second);
    // Its value took no entry: not even an old one comes back shorter.
    ck_assert_uint_eq(request_bytes("cccccccc"), second);
}
END_TEST

static Suite *make_suite(void) {
    Suite *suite = suite_create("h2_codec");
    TCase *tests = tcase_create("h2_codec");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, codec_get_without_body_is_answered);
    tcase_add_test(tests, codec_bodies_pass_both_ways_whole);
    tcase_add_test(tests, codec_name_of_a_field_that_never_repeats_is_sent_once);
    tcase_add_test(tests, codec_trailers_follow_the_body);
    tcase_add_test(tests, codec_trailers_without_body_arrive);
    tcase_add_test(tests, codec_informational_comes_before_the_response);
    tcase_add_test(tests, codec_connection_specific_headers_are_not_sent);
    tcase_add_test(tests, codec_te_trailers_is_sent);
    tcase_add_loop_test(tests, codec_request_that_cannot_be_sent_is_refused, 0,
                        (int)ARRAY_LEN(unsendable));
    tcase_add_test(tests, codec_cookies_are_joined);
    tcase_add_test(tests, codec_extended_connect_keeps_protocol);
    tcase_add_test(tests, codec_client_reset_reaches_the_server);
    tcase_add_loop_test(tests, codec_server_reset_reason_is_mapped, 0, (int)ARRAY_LEN(resets));
    tcase_add_test(tests, codec_head_over_the_limit_takes_no_further_request);
    tcase_add_test(tests, codec_refused_new_stream_is_retryable);
    tcase_add_test(tests, codec_reset_after_last_byte_sends_it_first);
    tcase_add_test(tests, codec_stream_window_stops_and_resumes_with_reading);
    tcase_add_test(tests, codec_blocked_output_stops_production_and_other_streams_get_their_turn);
    tcase_add_test(tests, codec_shutdown_notice_then_goaway_drains);
    tcase_add_test(tests, codec_ping_comes_back);
    tcase_add_test(tests, codec_max_streams_of_the_peer_is_told_and_kept);
    tcase_add_test(tests, codec_request_that_has_to_wait_keeps_its_text_and_body);
    tcase_add_test(tests, codec_connection_lost_resets_all_streams);
    tcase_add_test(tests, codec_output_is_announced_once_a_turn);
    tcase_add_test(tests, codec_input_may_come_byte_by_byte);
    tcase_add_test(tests, codec_stream_reset_within_a_callback_hears_no_more);
    tcase_add_test(tests, codec_many_requests_leave_nothing_behind);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void) {
    return test_run_both(make_suite);
}
