// SPDX-License-Identifier: Apache-2.0
/* Every clock of a request and of a connection, on virtual time. */
#include "src/filter_chain/http_filter.h"
#include "tests/support/proxy_case.h"
#include "tests/support/raw_peer.h"

static struct proxy_case c;

static void begin_post(void) {
    test_exchange_headers(&c.exchange,
                          test_headers(&c.exchange.arena, ":method", "POST", ":scheme", "http",
                                       ":authority", "test", ":path", "/", NULL),
                          false);
}

static void wait_for_request(void) {
    RUN_UNTIL(&c.stack, c.upstream.request_count > 0);
}

START_TEST(route_timeout_is_504) {
    proxy_case_init(&c, _i);
    c.action->timeout_ms = 300;
    c.upstream.on_complete = fake_request_wait;
    proxy_case_serve(&c);
    test_exchange_get(&c.exchange, "/");
    wait_for_request();
    test_stack_advance(&c.stack, 299);
    ck_assert(!test_exchange_is_over(&c.exchange));
    test_stack_advance(&c.stack, 2);
    test_exchange_expect(&c.exchange, 504);
    ck_assert_str_eq(test_text_get(&c.exchange.body), "upstream request timeout");
    ASSERT_LOGGED(&c.stack, 504, "response_timeout");
    ASSERT_FLAG(&c.stack, UPSTREAM_REQUEST_TIMEOUT);
    ASSERT_STAT(&c.stack, "cluster.web.upstream_rq_timeout", 1);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(route_timeout_starts_at_the_end_of_the_request) {
    proxy_case_init(&c, _i);
    c.action->timeout_ms = 300;
    proxy_case_serve(&c);
    begin_post();
    test_exchange_data(&c.exchange, "a", 1, false);
    wait_for_request();
    test_stack_advance(&c.stack, 5000);
    ck_assert(!test_exchange_is_over(&c.exchange));
    test_exchange_data(&c.exchange, "b", 1, true);
    test_exchange_expect(&c.exchange, 200);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(timeout_zero_waits) {
    proxy_case_init(&c, _i);
    c.action->timeout_ms = 0;
    c.upstream.on_complete = fake_request_wait;
    proxy_case_serve(&c);
    test_exchange_get(&c.exchange, "/");
    wait_for_request();
    ck_assert_ptr_null(
        test_header(fake_upstream_last(&c.upstream)->headers, "x-envoy-expected-rq-timeout-ms"));
    test_stack_advance(&c.stack, 100000);
    ck_assert(!test_exchange_is_over(&c.exchange));
    fake_request_ok(fake_upstream_last(&c.upstream));
    test_exchange_expect(&c.exchange, 200);
    proxy_case_deinit(&c);
}
END_TEST

static void answer_begin(struct fake_request *request) {
    fake_request_headers(request, 200, NULL, false);
    fake_request_data(request, "begin", 5, false);
}

START_TEST(timeout_in_the_response_resets) {
    proxy_case_init(&c, _i);
    c.action->timeout_ms = 300;
    c.upstream.on_complete = answer_begin;
    proxy_case_serve(&c);
    test_exchange_get(&c.exchange, "/");
    RUN_UNTIL(&c.stack, c.exchange.body_bytes == 5);
    test_stack_advance(&c.stack, 301);
    RUN_UNTIL(&c.stack, test_exchange_is_over(&c.exchange));
    ck_assert(c.exchange.is_reset);
    ASSERT_FLAG(&c.stack, UPSTREAM_REQUEST_TIMEOUT);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(per_try_timeout_is_504) {
    proxy_case_init(&c, _i);
    struct retry_policy *policy = test_retry(&c.routes, c.action, 0, 0);
    policy->per_try_timeout_ms = 100;
    c.upstream.on_complete = fake_request_wait;
    proxy_case_serve(&c);
    test_exchange_get(&c.exchange, "/");
    wait_for_request();
    test_stack_advance(&c.stack, 101);
    test_exchange_expect(&c.exchange, 504);
    ASSERT_LOGGED(&c.stack, 504, "upstream_per_try_timeout");
    ASSERT_STAT(&c.stack, "cluster.web.upstream_rq_per_try_timeout", 1);
    proxy_case_deinit(&c);
}
END_TEST

/* The try's clock starts with the end of the request, also where that comes after the try began. */
START_TEST(per_try_timeout_holds_for_a_request_with_a_body) {
    proxy_case_init(&c, _i);
    struct retry_policy *policy = test_retry(&c.routes, c.action, 0, 0);
    policy->per_try_timeout_ms = 100;
    c.upstream.on_complete = fake_request_wait;
    proxy_case_serve(&c);
    begin_post();
    wait_for_request();
    test_stack_advance(&c.stack, 1000);
    ck_assert(!test_exchange_is_over(&c.exchange));
    test_exchange_data(&c.exchange, "b", 1, true);
    RUN_UNTIL(&c.stack, c.upstream.complete_count == 1);
    test_stack_advance(&c.stack, 101);
    test_exchange_expect(&c.exchange, 504);
    ASSERT_LOGGED(&c.stack, 504, "upstream_per_try_timeout");
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(stream_idle_timeout_before_the_response) {
    proxy_case_init(&c, _i);
    c.listener.hcm->stream_idle_timeout_ms = 400;
    c.upstream.on_complete = fake_request_wait;
    proxy_case_serve(&c);
    test_exchange_get(&c.exchange, "/");
    wait_for_request();
    test_stack_advance(&c.stack, 401);
    test_exchange_expect(&c.exchange, 504);
    ck_assert_str_eq(test_text_get(&c.exchange.body), "stream timeout");
    ASSERT_LOGGED(&c.stack, 504, "stream_idle_timeout");
    ASSERT_FLAG(&c.stack, STREAM_IDLE_TIMEOUT);
    ASSERT_STAT(&c.stack, "http.test.downstream_rq_idle_timeout", 1);
    proxy_case_deinit(&c);
}
END_TEST

/* ---- an answer of our own that a filter holds ---- */

static enum http_filter_verdict refuse_request(struct http_filter *f, struct header_map *headers,
                                               bool end_stream) {
    (void)headers;
    (void)end_stream;
    struct local_reply reply = {.status = 403,
                                .body = SLICE("no"),
                                .details = SLICE("refused"),
                                .grpc_status = -1,
                                .flag = RESPONSE_FLAG_COUNT};
    http_filter_local_reply(f, &reply);
    return HTTP_FILTER_HOLD;
}

static enum http_filter_verdict hold_response(struct http_filter *f, struct header_map *headers,
                                              bool end_stream) {
    (void)f;
    (void)headers;
    (void)end_stream;
    return HTTP_FILTER_HOLD;
}

static const struct http_filter_ops refusing_ops = {.decode_headers = refuse_request};
static const struct http_filter_ops holding_ops = {.encode_headers = hold_response};

static struct http_filter *create_with_ops(const void *ops, struct arena *arena,
                                           struct io_context *io) {
    (void)io;
    struct http_filter *filter = ARENA_NEW(arena, struct http_filter);
    filter->ops = ops;
    return filter;
}

static const struct http_filter_factory holding = {.name = "holding", .create = create_with_ops};
static const struct http_filter_factory refusing = {.name = "refusing", .create = create_with_ops};

static void begin_held_reply(void) {
    test_listener_add_filter(&c.listener, &holding, &holding_ops);
    test_listener_add_filter(&c.listener, &refusing, &refusing_ops);
    proxy_case_serve(&c);
    test_exchange_get(&c.exchange, "/");
    test_stack_turns(&c.stack, 10);
}

START_TEST(stream_idle_timeout_ends_a_local_reply_that_a_filter_holds) {
    proxy_case_init(&c, _i);
    c.listener.hcm->stream_idle_timeout_ms = 400;
    begin_held_reply();
    test_stack_advance(&c.stack, 399);
    ck_assert(!test_exchange_is_over(&c.exchange));
    test_stack_advance(&c.stack, 2);
    test_exchange_expect(&c.exchange, 504);
    ck_assert_str_eq(test_text_get(&c.exchange.body), "stream timeout");
    ASSERT_LOGGED(&c.stack, 504, "stream_idle_timeout");
    ASSERT_FLAG(&c.stack, STREAM_IDLE_TIMEOUT);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(max_stream_duration_ends_a_local_reply_that_a_filter_holds) {
    proxy_case_init(&c, _i);
    c.listener.hcm->max_stream_duration_ms = 400;
    begin_held_reply();
    test_stack_advance(&c.stack, 401);
    test_exchange_expect(&c.exchange, 504);
    ck_assert_str_eq(test_text_get(&c.exchange.body), "downstream duration timeout");
    ASSERT_LOGGED(&c.stack, 504, "max_duration_timeout");
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(stream_idle_timeout_in_the_request_is_408) {
    proxy_case_init(&c, _i);
    c.listener.hcm->stream_idle_timeout_ms = 400;
    proxy_case_serve(&c);
    begin_post();
    for (int i = 0; i < 4; i++) {
        test_exchange_data(&c.exchange, "x", 1, false);
        test_stack_turns(&c.stack, 10);
        test_stack_advance(&c.stack, 300);
    }
    ck_assert(!test_exchange_is_over(&c.exchange));
    test_stack_advance(&c.stack, 101);
    test_exchange_expect(&c.exchange, 408);
    ASSERT_LOGGED(&c.stack, 408, "stream_idle_timeout");
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(stream_idle_timeout_in_the_response_resets) {
    proxy_case_init(&c, _i);
    c.listener.hcm->stream_idle_timeout_ms = 400;
    c.upstream.on_complete = answer_begin;
    proxy_case_serve(&c);
    test_exchange_get(&c.exchange, "/");
    RUN_UNTIL(&c.stack, c.exchange.body_bytes == 5);
    test_stack_advance(&c.stack, 401);
    RUN_UNTIL(&c.stack, c.exchange.is_reset);
    ASSERT_FLAG(&c.stack, STREAM_IDLE_TIMEOUT);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(route_idle_timeout_wins) {
    proxy_case_init(&c, _i);
    c.action->idle_timeout_ms = 200;
    c.upstream.on_complete = fake_request_wait;
    proxy_case_serve(&c);
    test_exchange_get(&c.exchange, "/");
    wait_for_request();
    test_stack_advance(&c.stack, 201);
    test_exchange_expect(&c.exchange, 504);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(request_timeout_is_408) {
    proxy_case_init(&c, _i);
    c.listener.hcm->request_timeout_ms = 500;
    proxy_case_serve(&c);
    begin_post();
    test_stack_turns(&c.stack, 10);
    for (int i = 0; i < 5; i++) {
        test_exchange_data(&c.exchange, "x", 1, false);
        test_stack_turns(&c.stack, 5);
        test_stack_advance(&c.stack, 90);
    }
    ck_assert(!test_exchange_is_over(&c.exchange));
    test_stack_advance(&c.stack, 51);
    test_exchange_expect(&c.exchange, 408);
    ck_assert_str_eq(test_text_get(&c.exchange.body), "request timeout");
    ASSERT_LOGGED(&c.stack, 408, "request_overall_timeout");
    ck_assert_uint_eq(test_stack_log(&c.stack)->flags, 0);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(request_headers_timeout_is_408) {
    proxy_case_init(&c, 0);
    c.listener.hcm->request_headers_timeout_ms = 500;
    proxy_case_serve(&c);
    struct raw_peer peer;
    raw_peer_connect(&peer, &c.stack, &c.listener.address);
    raw_peer_send(&peer, "GET / HTTP/1.1\r\nhost: x\r\n");
    test_stack_turns(&c.stack, 10);
    test_stack_advance(&c.stack, 501);
    RUN_UNTIL(&c.stack, raw_peer_got(&peer, "request header timeout"));
    ck_assert(raw_peer_got(&peer, "HTTP/1.1 408 Request Timeout\r\n"));
    ASSERT_LOGGED(&c.stack, 408, "request_header_timeout");
    test_stack_advance(&c.stack, 1100);
    RUN_UNTIL(&c.stack, raw_peer_is_over(&peer));
    raw_peer_close(&peer);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(max_stream_duration_is_504) {
    proxy_case_init(&c, _i);
    c.listener.hcm->max_stream_duration_ms = 700;
    c.upstream.on_complete = fake_request_wait;
    proxy_case_serve(&c);
    test_exchange_get(&c.exchange, "/");
    wait_for_request();
    test_stack_advance(&c.stack, 701);
    test_exchange_expect(&c.exchange, 504);
    ck_assert_str_eq(test_text_get(&c.exchange.body), "downstream duration timeout");
    ASSERT_LOGGED(&c.stack, 504, "max_duration_timeout");
    proxy_case_deinit(&c);
}
END_TEST

/* ---- connections ---- */

START_TEST(idle_connection_is_drained_then_closed) {
    proxy_case_init(&c, _i & 1);
    c.listener.hcm->idle_timeout_ms = 400;
    c.listener.hcm->drain_timeout_ms = 300;
    proxy_case_serve(&c);
    proxy_case_get(&c, 200);
    RUN_UNTIL(&c.stack, c.exchange.is_closed);
    test_stack_turns(&c.stack, 5);
    test_stack_advance(&c.stack, 401);
    ck_assert(!c.client.is_closed);
    ASSERT_STAT(&c.stack, "http.test.downstream_cx_idle_timeout", 1);
    test_stack_advance(&c.stack, 301);
    ck_assert(c.client.has_goaway || (_i & 1) == 0);
    test_stack_advance(&c.stack, 1001);
    RUN_UNTIL(&c.stack, c.client.is_closed);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(request_in_the_drain_of_an_idle_connection_is_answered) {
    proxy_case_init(&c, 0); /* a client of HTTP/2 heeds the GOAWAY */
    c.listener.hcm->idle_timeout_ms = 400;
    c.listener.hcm->drain_timeout_ms = 300;
    proxy_case_serve(&c);
    proxy_case_get(&c, 200);
    RUN_UNTIL(&c.stack, c.exchange.is_closed);
    proxy_case_next(&c);
    test_stack_turns(&c.stack, 5);
    test_stack_advance(&c.stack, 401);
    test_exchange_get(&c.exchange, "/");
    test_exchange_expect(&c.exchange, 200);
    ck_assert_str_eq(test_header(c.exchange.headers, "connection"), "close");
    test_stack_advance(&c.stack, 301);
    test_stack_advance(&c.stack, 1001);
    RUN_UNTIL(&c.stack, c.client.is_closed);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(max_requests_ends_the_connection) {
    proxy_case_init(&c, _i & 1);
    c.listener.hcm->max_requests_per_connection = 2;
    proxy_case_serve(&c);
    proxy_case_get(&c, 200);
    RUN_UNTIL(&c.stack, c.exchange.is_closed);
    ck_assert_ptr_null(test_header(c.exchange.headers, "connection"));
    proxy_case_next(&c);
    proxy_case_get(&c, 200);
    if ((_i & 1) == 0) {
        ck_assert_str_eq(test_header(c.exchange.headers, "connection"), "close");
    }
    test_stack_turns(&c.stack, 5);
    test_stack_advance(&c.stack, 5001);
    test_stack_advance(&c.stack, 1001);
    RUN_UNTIL(&c.stack, c.client.is_closed);
    ASSERT_STAT(&c.stack, "http.test.downstream_cx_max_requests_reached", 1);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(max_connection_duration_ends_the_connection) {
    proxy_case_init(&c, _i & 1);
    c.listener.hcm->max_connection_duration_ms = 1000;
    c.listener.hcm->drain_timeout_ms = 300;
    c.upstream.on_complete = fake_request_wait;
    proxy_case_serve(&c);
    test_exchange_get(&c.exchange, "/");
    wait_for_request();
    test_stack_advance(&c.stack, 1001);
    test_stack_advance(&c.stack, 301);
    ck_assert(!test_exchange_is_over(&c.exchange)); /* what is in progress finishes */
    fake_request_ok(fake_upstream_last(&c.upstream));
    test_exchange_expect(&c.exchange, 200);
    test_stack_turns(&c.stack, 5);
    test_stack_advance(&c.stack, 1001);
    RUN_UNTIL(&c.stack, c.client.is_closed);
    ASSERT_STAT(&c.stack, "http.test.downstream_cx_max_duration_reached", 1);
    proxy_case_deinit(&c);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("timeout");
    TCase *t = tcase_create("request");
    tcase_add_loop_test(t, route_timeout_is_504, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, route_timeout_starts_at_the_end_of_the_request, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, timeout_zero_waits, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, timeout_in_the_response_resets, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, per_try_timeout_is_504, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, per_try_timeout_holds_for_a_request_with_a_body, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, stream_idle_timeout_before_the_response, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, stream_idle_timeout_ends_a_local_reply_that_a_filter_holds, 0,
                        PROXY_PAIRS);
    tcase_add_loop_test(t, max_stream_duration_ends_a_local_reply_that_a_filter_holds, 0,
                        PROXY_PAIRS);
    tcase_add_loop_test(t, stream_idle_timeout_in_the_request_is_408, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, stream_idle_timeout_in_the_response_resets, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, route_idle_timeout_wins, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, request_timeout_is_408, 0, PROXY_PAIRS);
    tcase_add_test(t, request_headers_timeout_is_408);
    tcase_add_loop_test(t, max_stream_duration_is_504, 0, PROXY_PAIRS);
    suite_add_tcase(s, t);
    TCase *connection = tcase_create("connection");
    tcase_add_loop_test(connection, idle_connection_is_drained_then_closed, 0, 2);
    tcase_add_test(connection, request_in_the_drain_of_an_idle_connection_is_answered);
    tcase_add_loop_test(connection, max_requests_ends_the_connection, 0, 2);
    tcase_add_loop_test(connection, max_connection_duration_ends_the_connection, 0, 2);
    suite_add_tcase(s, connection);
    return s;
}

int main(void) {
    return test_run(suite());
}
