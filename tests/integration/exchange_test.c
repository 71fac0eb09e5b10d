// SPDX-License-Identifier: Apache-2.0
/* Ordinary exchanges through the whole data path, over all four pairs of protocols. */
#include "tests/support/fake_upstream.h"
#include "tests/support/test_client.h"
#include "tests/support/test_config.h"

static struct test_stack stack;
static struct fake_upstream upstream;
static struct test_listener listener;
static struct test_client client;

static bool client_is_http2(int i) {
    return (i & 1) != 0;
}
static bool upstream_is_http2(int i) {
    return (i & 2) != 0;
}
enum { PAIRS = 4 };

static void start(int i) {
    test_stack_init(&stack, 1);
    fake_upstream_init(&upstream, &stack, upstream_is_http2(i));
    test_cluster_add(&stack, "web", &upstream.address,
                     upstream_is_http2(i) ? UPSTREAM_HTTP_2 : UPSTREAM_HTTP_1);
    test_routes_all_to(&stack, "web");
    test_listener_init(&listener, &stack, "in");
    listener.hcm->http1.enable_trailers = true;
}

static void serve(int i) {
    test_listener_publish(&listener);
    test_client_connect(&client, &stack, &listener.address, client_is_http2(i));
}

static void finish(void) {
    test_client_close(&client);
    fake_upstream_deinit(&upstream);
    test_stack_turns(&stack, 10);
    test_stack_deinit(&stack);
}

START_TEST(get_is_answered) {
    start(_i);
    serve(_i);
    struct test_exchange exchange;
    test_exchange_init(&exchange, &client);
    test_exchange_get(&exchange, "/path?q=1");
    test_exchange_expect(&exchange, 200);
    ck_assert_str_eq(test_text_get(&exchange.body), "ok");
    struct fake_request *request = fake_upstream_last(&upstream);
    ck_assert_str_eq(test_header(request->headers, ":method"), "GET");
    ck_assert_str_eq(test_header(request->headers, ":path"), "/path?q=1");
    ck_assert_str_eq(test_header(request->headers, ":authority"), "test");
    ck_assert_str_eq(test_header(request->headers, "x-forwarded-proto"), "http");
    ck_assert_str_eq(test_header(request->headers, "x-envoy-expected-rq-timeout-ms"), "15000");
    ck_assert_ptr_nonnull(test_header(request->headers, "x-request-id"));
    ck_assert_str_eq(test_header(exchange.headers, "server"), "envoy");
    ck_assert_str_eq(test_header(exchange.headers, "x-envoy-upstream-service-time"), "0");
    ck_assert_ptr_nonnull(test_header(exchange.headers, "date"));
    ASSERT_LOGGED(&stack, 200, "via_upstream");
    ASSERT_STAT(&stack, "http.test.downstream_rq_total", 1);
    ASSERT_STAT(&stack, "http.test.downstream_rq_2xx", 1);
    ASSERT_STAT(&stack, "http.test.downstream_rq_active", 0);
    ASSERT_STAT(&stack, "cluster.web.upstream_rq_2xx", 1);
    ASSERT_STAT(&stack, "listener.in.downstream_cx_active", 1);
    test_exchange_deinit(&exchange);
    finish();
}
END_TEST

START_TEST(post_with_length_is_answered) {
    start(_i);
    serve(_i);
    struct test_exchange exchange;
    test_exchange_init(&exchange, &client);
    test_exchange_post(&exchange, "/", "the body");
    test_exchange_expect(&exchange, 200);
    struct fake_request *request = fake_upstream_last(&upstream);
    ck_assert_str_eq(test_text_get(&request->body), "the body");
    ck_assert_str_eq(test_header(request->headers, "content-length"), "8");
    ck_assert_uint_eq(test_stack_log(&stack)->bytes_received, 8);
    ck_assert_uint_eq(test_stack_log(&stack)->bytes_sent, 2);
    test_exchange_deinit(&exchange);
    finish();
}
END_TEST

START_TEST(body_without_length_arrives_whole) {
    start(_i);
    serve(_i);
    struct test_exchange exchange;
    test_exchange_init(&exchange, &client);
    test_exchange_headers(&exchange,
                          test_headers(&exchange.arena, ":method", "POST", ":scheme", "http",
                                       ":authority", "test", ":path", "/", NULL),
                          false);
    for (int part = 0; part < 5; part++) {
        test_exchange_data(&exchange, "part ", 5, false);
        test_stack_turns(&stack, 5);
    }
    test_exchange_data(&exchange, "", 0, true);
    test_exchange_expect(&exchange, 200);
    ck_assert_str_eq(test_text_get(&fake_upstream_last(&upstream)->body),
                     "part part part part part ");
    test_exchange_deinit(&exchange);
    finish();
}
END_TEST

static void answer_with_trailers(struct fake_request *request) {
    fake_request_headers(request, 200, NULL, false);
    fake_request_data(request, "streamed", 8, false);
    fake_request_trailers(request, test_headers(&request->arena, "x-sum", "7", NULL));
}

static struct cluster_part *cluster_with_trailers(int i) {
    struct cluster_part *part = test_cluster_new("web", &upstream.address, 1);
    part->http.protocol = upstream_is_http2(i) ? UPSTREAM_HTTP_2 : UPSTREAM_HTTP_1;
    part->http.http1_enable_trailers = true;
    return part;
}

START_TEST(trailers_pass_both_ways) {
    start(_i);
    test_cluster_publish(&stack, cluster_with_trailers(_i));
    upstream.on_complete = answer_with_trailers;
    serve(_i);
    struct test_exchange exchange;
    test_exchange_init(&exchange, &client);
    test_exchange_headers(&exchange,
                          test_headers(&exchange.arena, ":method", "POST", ":scheme", "http",
                                       ":authority", "test", ":path", "/", "te", "trailers", NULL),
                          false);
    test_exchange_data(&exchange, "abc", 3, false);
    test_exchange_trailers(&exchange, test_headers(&exchange.arena, "x-end", "yes", NULL));
    test_exchange_expect(&exchange, 200);
    struct fake_request *request = fake_upstream_last(&upstream);
    ck_assert_str_eq(test_header(request->trailers, "x-end"), "yes");
    ck_assert_str_eq(test_text_get(&request->body), "abc");
    ck_assert_str_eq(test_text_get(&exchange.body), "streamed");
    ck_assert_str_eq(test_header(exchange.trailers, "x-sum"), "7");
    test_exchange_deinit(&exchange);
    finish();
}
END_TEST

static void answer_head(struct fake_request *request) {
    fake_request_headers(request, 200, test_headers(&request->arena, "content-length", "99", NULL),
                         true);
}

START_TEST(head_has_length_and_no_body) {
    start(_i);
    upstream.on_complete = answer_head;
    serve(_i);
    for (int round = 0; round < 2; round++) {
        struct test_exchange exchange;
        test_exchange_init(&exchange, &client);
        test_exchange_headers(&exchange,
                              test_headers(&exchange.arena, ":method", "HEAD", ":scheme", "http",
                                           ":authority", "test", ":path", "/", NULL),
                              true);
        test_exchange_expect(&exchange, 200);
        ck_assert_str_eq(test_header(exchange.headers, "content-length"), "99");
        ck_assert_uint_eq(exchange.body_bytes, 0);
        test_exchange_deinit(&exchange);
        test_stack_turns(&stack, 5);
    }
    ck_assert_uint_eq(upstream.connection_count, 1);
    finish();
}
END_TEST

static void answer_204(struct fake_request *request) {
    fake_request_answer(request, 204, NULL);
}

START_TEST(no_content_has_no_body) {
    start(_i);
    upstream.on_complete = answer_204;
    serve(_i);
    struct test_exchange exchange;
    test_exchange_init(&exchange, &client);
    test_exchange_get(&exchange, "/");
    test_exchange_expect(&exchange, 204);
    ck_assert_ptr_null(test_header(exchange.headers, "transfer-encoding"));
    ck_assert_ptr_null(test_header(exchange.headers, "content-length"));
    test_exchange_deinit(&exchange);
    finish();
}
END_TEST

START_TEST(connections_are_kept_on_both_sides) {
    start(_i);
    serve(_i);
    for (int round = 0; round < 20; round++) {
        struct test_exchange exchange;
        test_exchange_init(&exchange, &client);
        test_exchange_post(&exchange, "/", "x");
        test_exchange_expect(&exchange, 200);
        RUN_UNTIL(&stack, exchange.is_closed);
        test_exchange_deinit(&exchange);
    }
    ck_assert_uint_eq(upstream.connection_count, 1);
    ASSERT_STAT(&stack, "http.test.downstream_cx_total", 1);
    ASSERT_STAT(&stack, "http.test.downstream_rq_total", 20);
    ASSERT_STAT(&stack, "cluster.web.upstream_rq_completed", 20);
    ASSERT_STAT(&stack, "cluster.web.upstream_rq_tx_reset", 0);
    finish();
}
END_TEST

static void answer_with_interim(struct fake_request *request) {
    fake_request_informational(request, 103);
    fake_request_ok(request);
}

START_TEST(early_hints_pass_only_when_proxied) {
    start(_i);
    listener.hcm->proxy_100_continue = true;
    upstream.on_complete = answer_with_interim;
    serve(_i);
    struct test_exchange exchange;
    test_exchange_init(&exchange, &client);
    test_exchange_get(&exchange, "/");
    test_exchange_expect(&exchange, 200);
    ck_assert_uint_le(exchange.informational_count, 1);
    ck_assert_str_eq(test_text_get(&exchange.body), "ok");
    test_exchange_deinit(&exchange);
    finish();
}
END_TEST

START_TEST(expect_continue_is_answered_and_taken_out) {
    start(_i);
    serve(_i);
    struct test_exchange exchange;
    test_exchange_init(&exchange, &client);
    test_exchange_headers(&exchange,
                          test_headers(&exchange.arena, ":method", "POST", ":scheme", "http",
                                       ":authority", "test", ":path", "/", "expect", "100-continue",
                                       "content-length", "4", NULL),
                          false);
    RUN_UNTIL(&stack, exchange.informational_count == 1);
    ck_assert_uint_eq(exchange.last_informational, 100);
    test_exchange_data(&exchange, "body", 4, true);
    test_exchange_expect(&exchange, 200);
    ck_assert_ptr_null(test_header(fake_upstream_last(&upstream)->headers, "expect"));
    ck_assert_uint_eq(exchange.informational_count, 1);
    test_exchange_deinit(&exchange);
    finish();
}
END_TEST

static void answer_grpc(struct fake_request *request) {
    fake_request_headers(request, 200,
                         test_headers(&request->arena, "content-type", "application/grpc", NULL),
                         false);
    fake_request_data(request, "\0\0\0\0\2ok", 7, false);
    fake_request_trailers(request, test_headers(&request->arena, "grpc-status", "0", NULL));
}

START_TEST(grpc_keeps_its_trailers) {
    start(3);
    upstream.on_complete = answer_grpc;
    serve(3);
    struct test_exchange exchange;
    test_exchange_init(&exchange, &client);
    test_exchange_headers(&exchange,
                          test_headers(&exchange.arena, ":method", "POST", ":scheme", "http",
                                       ":authority", "test", ":path", "/svc/Call", "content-type",
                                       "application/grpc", "te", "trailers", NULL),
                          false);
    test_exchange_data(&exchange, "\0\0\0\0\1x", 6, true);
    test_exchange_expect(&exchange, 200);
    ck_assert_uint_eq(exchange.body_bytes, 7);
    ck_assert_str_eq(test_header(exchange.trailers, "grpc-status"), "0");
    ck_assert_str_eq(test_header(fake_upstream_last(&upstream)->headers, "te"), "trailers");
    test_exchange_deinit(&exchange);
    finish();
}
END_TEST

START_TEST(many_streams_of_one_connection) {
    enum { COUNT = 50 };
    static struct test_exchange exchanges[COUNT];
    start(3);
    serve(3);
    for (int i = 0; i < COUNT; i++) {
        test_exchange_init(&exchanges[i], &client);
        test_exchange_post(&exchanges[i], "/", "body");
    }
    for (int i = 0; i < COUNT; i++) {
        test_exchange_expect(&exchanges[i], 200);
        test_exchange_deinit(&exchanges[i]);
    }
    ASSERT_STAT(&stack, "http.test.downstream_rq_active", 0);
    ck_assert_uint_eq(upstream.request_count, COUNT);
    finish();
}
END_TEST

START_TEST(several_workers_share_a_listener) {
    enum { COUNT = 12 };
    test_stack_init(&stack, 3);
    fake_upstream_init(&upstream, &stack, false);
    test_listener_simple(&listener, &stack, &upstream.address, UPSTREAM_HTTP_1);
    for (int i = 0; i < COUNT; i++) {
        test_client_connect(&client, &stack, &listener.address, false);
        struct test_exchange exchange;
        test_exchange_init(&exchange, &client);
        test_exchange_get(&exchange, "/");
        test_exchange_expect(&exchange, 200);
        test_exchange_deinit(&exchange);
        test_client_close(&client);
    }
    ASSERT_STAT(&stack, "http.test.downstream_rq_2xx", COUNT);
    finish();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("exchange");
    TCase *pairs = tcase_create("pairs");
    tcase_add_loop_test(pairs, get_is_answered, 0, PAIRS);
    tcase_add_loop_test(pairs, post_with_length_is_answered, 0, PAIRS);
    tcase_add_loop_test(pairs, body_without_length_arrives_whole, 0, PAIRS);
    tcase_add_loop_test(pairs, trailers_pass_both_ways, 0, PAIRS);
    tcase_add_loop_test(pairs, head_has_length_and_no_body, 0, PAIRS);
    tcase_add_loop_test(pairs, no_content_has_no_body, 0, PAIRS);
    tcase_add_loop_test(pairs, connections_are_kept_on_both_sides, 0, PAIRS);
    tcase_add_loop_test(pairs, early_hints_pass_only_when_proxied, 0, PAIRS);
    tcase_add_loop_test(pairs, expect_continue_is_answered_and_taken_out, 0, PAIRS);
    suite_add_tcase(s, pairs);
    TCase *single = tcase_create("single");
    tcase_add_test(single, grpc_keeps_its_trailers);
    tcase_add_test(single, many_streams_of_one_connection);
    tcase_add_test(single, several_workers_share_a_listener);
    suite_add_tcase(s, single);
    return s;
}

int main(void) {
    return test_run(suite());
}
