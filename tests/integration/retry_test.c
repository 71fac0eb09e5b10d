// SPDX-License-Identifier: Apache-2.0
/* Retries: which outcomes, how often, with which body. */
#include "tests/support/proxy_case.h"
#include "tests/support/raw_peer.h"

static struct proxy_case c;

/* The first attempt fails, the following ones are answered. */
static void fail_503_once(struct fake_request *request) {
    fake_request_answer(request, request->server->request_count == 1 ? 503 : 200, "body");
}

static void close_once(struct fake_request *request) {
    if (request->server->request_count == 1) {
        fake_request_close_connection(request);
    } else {
        fake_request_ok(request);
    }
}

static void refuse_once(struct fake_request *request) {
    if (request->server->request_count == 1) {
        fake_request_reset(request, HTTP_RESET_LOCAL_REFUSED);
    } else {
        fake_request_ok(request);
    }
}

static void always_503(struct fake_request *request) {
    fake_request_answer(request, 503, "sorry");
}

static void back_off(void) {
    for (int i = 0; i < 10; i++) {
        test_stack_turns(&c.stack, 10);
        test_stack_advance(&c.stack, 50);
    }
}

static void expect(uint32_t status) {
    back_off();
    test_exchange_expect(&c.exchange, status);
}

START_TEST(status_5xx_is_retried) {
    proxy_case_init(&c, _i);
    (void)test_retry(&c.routes, c.action, RETRY_ON_5XX, 1);
    c.routes.vhost->include_request_attempt_count = true;
    c.routes.vhost->include_attempt_count_in_response = true;
    c.upstream.on_complete = fail_503_once;
    proxy_case_serve(&c);
    test_exchange_post(&c.exchange, "/", "payload");
    expect(200);
    ck_assert_uint_eq(c.upstream.request_count, 2);
    ck_assert_str_eq(test_text_get(&c.upstream.requests[0]->body), "payload");
    ck_assert_str_eq(test_text_get(&c.upstream.requests[1]->body), "payload");
    ck_assert_str_eq(test_header(c.upstream.requests[1]->headers, "x-envoy-attempt-count"), "2");
    ck_assert_str_eq(test_header(c.exchange.headers, "x-envoy-attempt-count"), "2");
    ck_assert_uint_eq(test_stack_log(&c.stack)->attempts, 2);
    ASSERT_STAT(&c.stack, "cluster.web.upstream_rq_retry", 1);
    ASSERT_STAT(&c.stack, "cluster.web.upstream_rq_retry_success", 1);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(last_failure_is_passed_on) {
    proxy_case_init(&c, _i);
    (void)test_retry(&c.routes, c.action, RETRY_ON_5XX, 2);
    c.upstream.on_complete = always_503;
    proxy_case_serve(&c);
    test_exchange_get(&c.exchange, "/");
    expect(503);
    ck_assert_str_eq(test_text_get(&c.exchange.body), "sorry");
    ck_assert_uint_eq(c.upstream.request_count, 3);
    ASSERT_FLAG(&c.stack, UPSTREAM_RETRY_LIMIT_EXCEEDED);
    ASSERT_STAT(&c.stack, "cluster.web.upstream_rq_retry", 2);
    ASSERT_STAT(&c.stack, "cluster.web.upstream_rq_retry_limit_exceeded", 1);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(other_status_is_not_retried) {
    proxy_case_init(&c, _i);
    (void)test_retry(&c.routes, c.action, RETRY_ON_CONNECT_FAILURE | RETRY_ON_REFUSED_STREAM, 2);
    c.upstream.on_complete = always_503;
    proxy_case_serve(&c);
    test_exchange_get(&c.exchange, "/");
    expect(503);
    ck_assert_uint_eq(c.upstream.request_count, 1);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(lost_connection_is_retried_on_reset) {
    proxy_case_init(&c, _i);
    (void)test_retry(&c.routes, c.action, RETRY_ON_RESET, 1);
    c.upstream.on_complete = close_once;
    proxy_case_serve(&c);
    test_exchange_post(&c.exchange, "/", "payload");
    expect(200);
    ck_assert_uint_eq(c.upstream.request_count, 2);
    ck_assert_str_eq(test_text_get(&c.upstream.requests[1]->body), "payload");
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(refused_stream_is_retried) {
    proxy_case_init(&c, PROXY_UPSTREAM_HTTP2 | _i);
    (void)test_retry(&c.routes, c.action, RETRY_ON_REFUSED_STREAM, 1);
    c.upstream.on_complete = refuse_once;
    proxy_case_serve(&c);
    test_exchange_get(&c.exchange, "/");
    expect(200);
    ck_assert_uint_eq(c.upstream.request_count, 2);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(refused_connection_is_retried_on_another_host) {
    proxy_case_init(&c, _i);
    struct raw_listener closed;
    raw_listener_init(&closed, &c.stack);
    raw_listener_deinit(&closed);
    struct address both[2] = {closed.address, c.upstream.address};
    struct cluster_part *part = test_cluster_new("both", both, 2);
    part->http.protocol = c.cluster->http.protocol;
    test_cluster_publish(&c.stack, part);
    struct route_action *action = test_routes_cluster(&c.routes, "/both", "both");
    struct retry_policy *policy = test_retry(&c.routes, action, RETRY_ON_CONNECT_FAILURE, 3);
    policy->avoid_previous_hosts = true;
    policy->host_selection_max_attempts = 10;
    proxy_case_serve(&c);
    for (int i = 0; i < 4; i++) {
        test_exchange_get(&c.exchange, "/both");
        expect(200);
        proxy_case_reconnect(&c);
    }
    ck_assert_uint_eq(c.upstream.request_count, 4);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(timed_out_try_is_retried) {
    proxy_case_init(&c, _i);
    struct retry_policy *policy = test_retry(&c.routes, c.action, RETRY_ON_5XX, 1);
    policy->per_try_timeout_ms = 100;
    c.upstream.on_complete = fake_request_wait;
    proxy_case_serve(&c);
    test_exchange_post(&c.exchange, "/", "payload");
    RUN_UNTIL(&c.stack, c.upstream.complete_count == 1);
    test_stack_advance(&c.stack, 101);
    c.upstream.on_complete = fake_request_ok;
    expect(200);
    ck_assert_uint_eq(c.upstream.request_count, 2);
    ck_assert_str_eq(test_text_get(&c.upstream.requests[1]->body), "payload");
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(body_over_the_limit_is_not_retried) {
    proxy_case_init(&c, _i);
    (void)test_retry(&c.routes, c.action, RETRY_ON_5XX, 3);
    c.action->request_body_buffer_limit = 4;
    c.upstream.on_complete = always_503;
    proxy_case_serve(&c);
    test_exchange_headers(&c.exchange,
                          test_headers(&c.exchange.arena, ":method", "POST", ":scheme", "http",
                                       ":authority", "test", ":path", "/", NULL),
                          false);
    RUN_UNTIL(&c.stack, c.upstream.request_count == 1);
    test_exchange_data(&c.exchange, "0123456789", 10, true);
    expect(503);
    ck_assert_uint_eq(c.upstream.request_count, 1);
    ck_assert_str_eq(test_text_get(&c.upstream.requests[0]->body), "0123456789");
    ASSERT_STAT(&c.stack, "cluster.web.retry_or_shadow_abandoned", 1);
    proxy_case_deinit(&c);
}
END_TEST

/* The client goes while a retry is waited for. */
START_TEST(client_gone_in_the_back_off_leaves_nothing) {
    proxy_case_init(&c, _i);
    struct retry_policy *policy = test_retry(&c.routes, c.action, RETRY_ON_5XX, 5);
    policy->base_interval_ms = 10000;
    policy->max_interval_ms = 100000;
    c.upstream.on_complete = always_503;
    proxy_case_serve(&c);
    test_exchange_post(&c.exchange, "/", "payload");
    RUN_UNTIL(&c.stack, c.upstream.complete_count == 1);
    test_stack_turns(&c.stack, 10);
    test_exchange_deinit(&c.exchange);
    test_client_close(&c.client);
    RUN_UNTIL(&c.stack, test_stack_stat(&c.stack, "http.test.downstream_rq_active") == 0);
    test_stack_advance(&c.stack, 200000);
    ck_assert_uint_eq(c.upstream.request_count, 1);
    proxy_case_deinit(&c);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("retry");
    TCase *t = tcase_create("retry");
    tcase_add_loop_test(t, status_5xx_is_retried, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, last_failure_is_passed_on, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, other_status_is_not_retried, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, lost_connection_is_retried_on_reset, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, refused_stream_is_retried, 0, 2);
    tcase_add_loop_test(t, refused_connection_is_retried_on_another_host, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, timed_out_try_is_retried, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, body_over_the_limit_is_not_retried, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, client_gone_in_the_back_off_leaves_nothing, 0, PROXY_PAIRS);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    return test_run(suite());
}
