// SPDX-License-Identifier: Apache-2.0
/* What the client sees, and what the log says, when there is no route, no host, or the upstream fails. */
#include "tests/support/proxy_case.h"
#include "tests/support/raw_peer.h"

static struct proxy_case c;

START_TEST(no_route_is_404) {
    proxy_case_init(&c, _i);
    c.action = NULL;
    (void)test_routes_cluster(&c.routes, "/only", "web");
    /* Nothing takes "/": the last route of the case is left out. */
    test_cluster_publish(&c.stack, c.cluster);
    test_routes_publish(&c.routes);
    test_listener_publish(&c.listener);
    test_client_connect(&c.client, &c.stack, &c.listener.address, (_i & 1) != 0);
    test_exchange_init(&c.exchange, &c.client);
    proxy_case_get(&c, 404);
    ck_assert_uint_eq(c.exchange.body_bytes, 0);
    ASSERT_LOGGED(&c.stack, 404, "route_not_found");
    ASSERT_FLAG(&c.stack, NO_ROUTE_FOUND);
    ASSERT_STAT(&c.stack, "http.test.no_route", 1);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(no_route_configuration_is_404) {
    proxy_case_init(&c, _i);
    proxy_case_serve(&c);
    uint32_t slot = config_store_slot(c.stack.store, CONFIG_ROUTE, SLICE("routes"));
    config_store_put(c.stack.store, CONFIG_ROUTE, slot, NULL);
    test_stack_turns(&c.stack, 4);
    proxy_case_get(&c, 404);
    ASSERT_FLAG(&c.stack, NO_ROUTE_FOUND);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(unknown_cluster_is_503) {
    proxy_case_init(&c, _i);
    (void)test_routes_cluster(&c.routes, "/gone", "nowhere");
    proxy_case_serve(&c);
    test_exchange_get(&c.exchange, "/gone");
    test_exchange_expect(&c.exchange, 503);
    ck_assert_uint_eq(c.exchange.body_bytes, 0);
    ASSERT_LOGGED(&c.stack, 503, "cluster_not_found");
    ASSERT_FLAG(&c.stack, NO_CLUSTER_FOUND);
    ASSERT_STAT(&c.stack, "http.test.no_cluster", 1);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(empty_cluster_is_503) {
    proxy_case_init(&c, _i);
    (void)test_routes_cluster(&c.routes, "/empty", "empty");
    test_cluster_publish(&c.stack, test_cluster_new("empty", NULL, 0));
    proxy_case_serve(&c);
    test_exchange_get(&c.exchange, "/empty");
    test_exchange_expect(&c.exchange, 503);
    ck_assert_str_eq(test_text_get(&c.exchange.body), "no healthy upstream");
    ASSERT_LOGGED(&c.stack, 503, "no_healthy_upstream");
    ASSERT_FLAG(&c.stack, NO_HEALTHY_UPSTREAM);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(full_breaker_is_503_and_overloaded) {
    proxy_case_init(&c, _i);
    c.cluster->breakers[0].max_requests = 1;
    c.cluster->breakers[0].max_pending_requests = 1;
    c.cluster->breakers[0].max_connections = 1;
    c.upstream.on_complete = fake_request_wait;
    proxy_case_serve(&c);
    struct test_client others[3];
    struct test_exchange waiting[3];
    for (int i = 0; i < 3; i++) {
        test_client_connect(&others[i], &c.stack, &c.listener.address, (_i & 1) != 0);
        test_exchange_init(&waiting[i], &others[i]);
        test_exchange_get(&waiting[i], "/");
        test_stack_turns(&c.stack, 10);
    }
    proxy_case_get(&c, 503);
    ck_assert_str_eq(test_header(c.exchange.headers, "x-envoy-overloaded"), "true");
    ck_assert_str_eq(test_text_get(&c.exchange.body),
                     "upstream connect error or disconnect/reset before headers. reset reason: "
                     "overflow");
    ASSERT_FLAG(&c.stack, UPSTREAM_OVERFLOW);
    for (int i = 0; i < 3; i++) {
        test_exchange_deinit(&waiting[i]);
        test_client_close(&others[i]);
    }
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(refused_connection_is_503) {
    proxy_case_init(&c, _i);
    struct raw_listener closed;
    raw_listener_init(&closed, &c.stack);
    raw_listener_deinit(&closed);
    struct cluster_part *part = test_cluster_new("closed", &closed.address, 1);
    part->http.protocol = c.cluster->http.protocol;
    test_cluster_publish(&c.stack, part);
    (void)test_routes_cluster(&c.routes, "/closed", "closed");
    proxy_case_serve(&c);
    test_exchange_get(&c.exchange, "/closed");
    test_exchange_expect(&c.exchange, 503);
    ASSERT_FLAG(&c.stack, UPSTREAM_CONNECTION_FAILURE);
    ASSERT_LOGGED(&c.stack, 503,
                  "upstream_reset_before_response_started{remote_connection_failure|"
                  "delayed_connect_error:_Connection_refused}");
    proxy_case_deinit(&c);
}
END_TEST

static void reset_request(struct fake_request *request) {
    fake_request_reset(request, HTTP_RESET_LOCAL);
}

START_TEST(reset_before_the_response_is_503) {
    proxy_case_init(&c, _i);
    c.upstream.on_complete = reset_request;
    proxy_case_serve(&c);
    proxy_case_get(&c, 503);
    if (c.upstream.is_http2) {
        ASSERT_FLAG(&c.stack, UPSTREAM_REMOTE_RESET);
        ASSERT_LOGGED(&c.stack, 503, "upstream_reset_before_response_started{remote_reset}");
    } else {
        ASSERT_FLAG(&c.stack, UPSTREAM_CONNECTION_TERMINATION);
        ASSERT_LOGGED(&c.stack, 503,
                      "upstream_reset_before_response_started{connection_termination}");
    }
    proxy_case_deinit(&c);
}
END_TEST

static void close_request(struct fake_request *request) {
    fake_request_close_connection(request);
}

START_TEST(lost_connection_before_the_response_is_503) {
    proxy_case_init(&c, _i);
    c.upstream.on_complete = close_request;
    proxy_case_serve(&c);
    proxy_case_get(&c, 503);
    ASSERT_FLAG(&c.stack, UPSTREAM_CONNECTION_TERMINATION);
    ck_assert_str_eq(test_text_get(&c.exchange.body),
                     "upstream connect error or disconnect/reset before headers. reset reason: "
                     "connection termination");
    /* The client's connection is none the worse. */
    c.upstream.on_complete = fake_request_ok;
    RUN_UNTIL(&c.stack, c.exchange.is_closed);
    proxy_case_next(&c);
    proxy_case_get(&c, 200);
    proxy_case_deinit(&c);
}
END_TEST

static void answer_half(struct fake_request *request) {
    fake_request_headers(request, 200, test_headers(&request->arena, "content-length", "100", NULL),
                         false);
    fake_request_data(request, "half", 4, false);
}

START_TEST(lost_connection_in_the_response_resets_the_client) {
    proxy_case_init(&c, _i);
    c.upstream.on_complete = answer_half;
    proxy_case_serve(&c);
    test_exchange_get(&c.exchange, "/");
    RUN_UNTIL(&c.stack, c.exchange.body_bytes == 4);
    fake_request_close_connection(fake_upstream_last(&c.upstream));
    RUN_UNTIL(&c.stack, test_exchange_is_over(&c.exchange));
    ck_assert(c.exchange.is_reset && !c.exchange.has_ended);
    ck_assert_uint_eq(c.exchange.status, 200);
    if ((_i & PROXY_UPSTREAM_HTTP2) != 0) {
        ASSERT_FLAG(&c.stack, UPSTREAM_CONNECTION_TERMINATION);
    } else {
        ASSERT_FLAG(&c.stack, UPSTREAM_PROTOCOL_ERROR); /* HTTP/1.1: the message is not whole */
    }
    ASSERT_STAT(&c.stack, "http.test.downstream_rq_rx_reset", 1);
    /* Envoy counts there only what had begun as a good gRPC call. */
    ASSERT_STAT(&c.stack, "http.test.rq_reset_after_downstream_response_started", 0);
    if ((_i & PROXY_CLIENT_HTTP2) != 0) {
        c.upstream.on_complete = fake_request_ok;
        proxy_case_next(&c);
        proxy_case_get(&c, 200); /* the other streams of the connection live on */
    }
    proxy_case_deinit(&c);
}
END_TEST

struct garbage_case {
    const char *bytes;
    uint32_t status;
};
static const struct garbage_case garbage[] = {
    {"lorem ipsum\r\n\r\n", 502},
    {"HTTP/1.1 2x0 OK\r\n\r\n", 502},
    {"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", 502},
    {"HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n", 502},
    {"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n", 502},
    {"\x80\x81\x82\x83\r\n\r\n", 502},
};

START_TEST(garbage_from_the_upstream_is_502) {
    proxy_case_init(&c, 0);
    struct raw_listener raw;
    raw_listener_init(&raw, &c.stack);
    test_cluster_add(&c.stack, "raw", &raw.address, UPSTREAM_HTTP_1);
    (void)test_routes_cluster(&c.routes, "/raw", "raw");
    proxy_case_serve(&c);
    test_exchange_get(&c.exchange, "/raw");
    struct raw_peer peer;
    bool accepted = false;
    RUN_UNTIL(&c.stack, accepted || (accepted = raw_listener_accept(&raw, &peer)));
    RUN_UNTIL(&c.stack, raw_peer_got(&peer, "\r\n\r\n"));
    raw_peer_send(&peer, garbage[_i].bytes);
    test_exchange_expect(&c.exchange, garbage[_i].status);
    ASSERT_FLAG(&c.stack, UPSTREAM_PROTOCOL_ERROR);
    ASSERT_LOGGED(&c.stack, 502, "upstream_reset_before_response_started{protocol_error}");
    RUN_UNTIL(&c.stack, raw_peer_is_over(&peer));
    raw_peer_close(&peer);
    raw_listener_deinit(&raw);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(garbage_after_an_answer_is_not_the_next_answer) {
    proxy_case_init(&c, 0);
    struct raw_listener raw;
    raw_listener_init(&raw, &c.stack);
    test_cluster_add(&c.stack, "raw", &raw.address, UPSTREAM_HTTP_1);
    (void)test_routes_cluster(&c.routes, "/raw", "raw");
    proxy_case_serve(&c);
    test_exchange_get(&c.exchange, "/raw");
    struct raw_peer peer, second;
    bool accepted = false;
    RUN_UNTIL(&c.stack, accepted || (accepted = raw_listener_accept(&raw, &peer)));
    RUN_UNTIL(&c.stack, raw_peer_got(&peer, "\r\n\r\n"));
    raw_peer_send(&peer, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
                         "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged");
    test_exchange_expect(&c.exchange, 200);
    RUN_UNTIL(&c.stack, raw_peer_is_over(&peer));
    proxy_case_next(&c);
    test_exchange_get(&c.exchange, "/raw");
    accepted = false;
    RUN_UNTIL(&c.stack, accepted || (accepted = raw_listener_accept(&raw, &second)));
    RUN_UNTIL(&c.stack, raw_peer_got(&second, "\r\n\r\n"));
    raw_peer_send(&second, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nreal");
    test_exchange_expect(&c.exchange, 200);
    ck_assert_str_eq(test_text_get(&c.exchange.body), "real");
    raw_peer_close(&peer);
    raw_peer_close(&second);
    raw_listener_deinit(&raw);
    proxy_case_deinit(&c);
}
END_TEST

/* ---- answers of the proxy's own ---- */

START_TEST(direct_response_and_redirect) {
    proxy_case_init(&c, _i);
    (void)test_routes_direct(&c.routes, "/direct", 418, "teapot");
    struct redirect_action *redirect = test_routes_redirect(&c.routes, "/moved");
    redirect->https_redirect = true;
    proxy_case_serve(&c);
    test_exchange_get(&c.exchange, "/direct");
    test_exchange_expect(&c.exchange, 418);
    ck_assert_str_eq(test_text_get(&c.exchange.body), "teapot");
    ck_assert_str_eq(test_header(c.exchange.headers, "content-type"), "text/plain");
    ASSERT_LOGGED(&c.stack, 418, "direct_response");
    RUN_UNTIL(&c.stack, c.exchange.is_closed);
    proxy_case_next(&c);
    test_exchange_get(&c.exchange, "/moved?a=b");
    test_exchange_expect(&c.exchange, 301);
    ck_assert_str_eq(test_header(c.exchange.headers, "location"), "https://test/moved?a=b");
    ck_assert_uint_eq(c.exchange.body_bytes, 0);
    ASSERT_STAT(&c.stack, "http.test.rq_redirect", 0);
    ASSERT_STAT(&c.stack, "http.test.rq_direct_response", 2);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(direct_response_to_a_request_with_a_body) {
    proxy_case_init(&c, _i);
    (void)test_routes_direct(&c.routes, "/direct", 200, "done");
    proxy_case_serve(&c);
    for (int round = 0; round < 2; round++) {
        test_exchange_post(&c.exchange, "/direct", "some body");
        test_exchange_expect(&c.exchange, 200);
        ck_assert_str_eq(test_text_get(&c.exchange.body), "done");
        proxy_case_reconnect(&c);
    }
    proxy_case_deinit(&c);
}
END_TEST

/* ---- an answer before the request is whole ---- */

static void answer_early(struct fake_request *request) {
    fake_request_answer(request, 403, "no");
}

START_TEST(early_answer_ends_the_exchange) {
    proxy_case_init(&c, _i);
    c.upstream.on_headers = answer_early;
    c.upstream.on_complete = fake_request_wait;
    proxy_case_serve(&c);
    test_exchange_headers(&c.exchange,
                          test_headers(&c.exchange.arena, ":method", "POST", ":scheme", "http",
                                       ":authority", "test", ":path", "/", "content-length", "1000",
                                       NULL),
                          false);
    test_exchange_data(&c.exchange, "begin", 5, false);
    test_exchange_expect(&c.exchange, 403);
    ck_assert_str_eq(test_text_get(&c.exchange.body), "no");
    ASSERT_STAT(&c.stack, "http.test.downstream_rq_response_before_rq_complete", 1);
    ASSERT_STAT(&c.stack, "http.test.downstream_rq_active", 0);
    if ((_i & PROXY_CLIENT_HTTP2) != 0) {
        proxy_case_next(&c);
        c.upstream.on_headers = NULL;
        c.upstream.on_complete = fake_request_ok;
        proxy_case_get(&c, 200);
    } else {
        test_stack_advance(&c.stack, 1100);
        RUN_UNTIL(&c.stack, c.client.is_closed);
    }
    proxy_case_deinit(&c);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("failure");
    TCase *pairs = tcase_create("pairs");
    tcase_add_loop_test(pairs, no_route_is_404, 0, 2);
    tcase_add_loop_test(pairs, no_route_configuration_is_404, 0, 2);
    tcase_add_loop_test(pairs, unknown_cluster_is_503, 0, PROXY_PAIRS);
    tcase_add_loop_test(pairs, empty_cluster_is_503, 0, PROXY_PAIRS);
    tcase_add_loop_test(pairs, full_breaker_is_503_and_overloaded, 0, PROXY_PAIRS);
    tcase_add_loop_test(pairs, refused_connection_is_503, 0, PROXY_PAIRS);
    tcase_add_loop_test(pairs, reset_before_the_response_is_503, 0, PROXY_PAIRS);
    tcase_add_loop_test(pairs, lost_connection_before_the_response_is_503, 0, PROXY_PAIRS);
    tcase_add_loop_test(pairs, lost_connection_in_the_response_resets_the_client, 0, PROXY_PAIRS);
    tcase_add_loop_test(pairs, garbage_from_the_upstream_is_502, 0, (int)ARRAY_LEN(garbage));
    tcase_add_test(pairs, garbage_after_an_answer_is_not_the_next_answer);
    tcase_add_loop_test(pairs, direct_response_and_redirect, 0, 2);
    tcase_add_loop_test(pairs, direct_response_to_a_request_with_a_body, 0, 2);
    tcase_add_loop_test(pairs, early_answer_ends_the_exchange, 0, PROXY_PAIRS);
    suite_add_tcase(s, pairs);
    return s;
}

int main(void) {
    return test_run(suite());
}
