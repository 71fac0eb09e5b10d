// SPDX-License-Identifier: Apache-2.0
/* Mirrors: they get the whole request, and whatever becomes of them the request does not notice. */
#include "tests/support/proxy_case.h"

static struct proxy_case c;
static struct fake_upstream shadow; /* cluster "shadow" */
static struct cluster_part *shadow_cluster;
static struct request_mirror mirror;

enum { PIECE_BYTES = 64 << 10, PIECES = 256 };
static char piece[PIECE_BYTES];

static void begin(int pair) {
    proxy_case_init(&c, pair);
    fake_upstream_init(&shadow, &c.stack, (pair & PROXY_UPSTREAM_HTTP2) != 0);
    shadow_cluster = test_cluster_new("shadow", &shadow.address, 1);
    shadow_cluster->http.protocol = c.cluster->http.protocol;
    mirror = (struct request_mirror){
        .cluster_slot = config_store_slot(c.stack.store, CONFIG_CLUSTER, SLICE("shadow"))};
    c.action->mirrors = &mirror;
    c.action->mirror_count = 1;
    c.action->timeout_ms = 15000;
}

static void serve(void) {
    test_cluster_publish(&c.stack, shadow_cluster);
    proxy_case_serve(&c);
}

static void finish(void) {
    fake_upstream_deinit(&shadow);
    proxy_case_deinit(&c);
}

static void post_head(void) {
    test_exchange_headers(&c.exchange,
                          test_headers(&c.exchange.arena, ":method", "POST", ":scheme", "http",
                                       ":authority", "test:80", ":path", "/", NULL),
                          false);
}

START_TEST(whole_request_is_mirrored) {
    begin(_i);
    c.listener.hcm->http1.enable_trailers = true;
    c.cluster->http.http1_enable_trailers = true;
    c.upstream.http1.enable_trailers = true;
    shadow_cluster->http.http1_enable_trailers = true;
    shadow.http1.enable_trailers = true;
    serve();
    post_head();
    RUN_UNTIL(&c.stack, shadow.request_count == 1);
    test_exchange_data(&c.exchange, "pay", 3, false);
    test_exchange_data(&c.exchange, "load", 4, false);
    test_exchange_trailers(&c.exchange, test_headers(&c.exchange.arena, "x-t", "1", NULL));
    test_exchange_expect(&c.exchange, 200);
    RUN_UNTIL(&c.stack, shadow.complete_count == 1);
    const struct fake_request *got = fake_upstream_last(&shadow);
    ck_assert_str_eq(test_text_get(&got->body), "payload");
    ck_assert_str_eq(test_header(got->headers, ":authority"), "test-shadow:80");
    ck_assert_str_eq(test_header(got->headers, "x-envoy-internal"), "true");
    ck_assert_str_eq(test_header(got->headers, "x-envoy-expected-rq-timeout-ms"), "15000");
    ck_assert_str_eq(test_header(got->trailers, "x-t"), "1");
    ck_assert_str_eq(test_header(fake_upstream_last(&c.upstream)->headers, ":authority"),
                     "test:80");
    RUN_UNTIL(&c.stack, test_stack_stat(&c.stack, "cluster.shadow.upstream_rq_active") == 0);
    ASSERT_STAT(&c.stack, "cluster.shadow.upstream_rq_200", 1);
    ASSERT_STAT(&c.stack, "cluster.shadow.upstream_cx_active", 1); /* kept for the next */
    finish();
}
END_TEST

START_TEST(share_of_nothing_mirrors_nothing) {
    begin(_i);
    mirror.has_fraction = true;
    mirror.fraction = (struct config_fraction){.key = RUNTIME_NO_KEY};
    serve();
    proxy_case_get(&c, 200);
    test_stack_turns(&c.stack, 20);
    ck_assert_uint_eq(shadow.request_count, 0);
    finish();
}
END_TEST

START_TEST(hanging_mirror_ends_with_the_timeout) {
    begin(_i);
    shadow.on_complete = fake_request_wait;
    serve();
    test_exchange_post(&c.exchange, "/", "payload");
    test_exchange_expect(&c.exchange, 200);
    RUN_UNTIL(&c.stack, shadow.complete_count == 1);
    test_stack_advance(&c.stack, 14000);
    ASSERT_STAT(&c.stack, "cluster.shadow.upstream_rq_active", 1);
    test_stack_advance(&c.stack, 1100);
    ASSERT_STAT(&c.stack, "cluster.shadow.upstream_rq_active", 0);
    ASSERT_STAT(&c.stack, "cluster.shadow.upstream_rq_timeout", 1);
    ASSERT_STAT(&c.stack, "cluster.shadow.upstream_rq_504", 1);
    finish();
}
END_TEST

/* With its client goes a mirror that lacks the rest; a whole one does not. */
START_TEST(client_that_resets_takes_an_unfinished_mirror_along) {
    begin(_i);
    serve();
    post_head();
    test_exchange_data(&c.exchange, "half", 4, false);
    RUN_UNTIL(&c.stack, shadow.request_count == 1 && fake_upstream_last(&shadow)->body_bytes == 4);
    test_exchange_deinit(&c.exchange);
    test_client_close(&c.client);
    RUN_UNTIL(&c.stack, fake_upstream_last(&shadow)->is_reset);
    ASSERT_STAT(&c.stack, "cluster.shadow.upstream_rq_active", 0);
    finish();
}
END_TEST

START_TEST(client_that_resets_leaves_a_whole_mirror) {
    begin(_i);
    c.upstream.on_complete = fake_request_wait;
    shadow.on_complete = fake_request_wait;
    serve();
    test_exchange_post(&c.exchange, "/", "payload");
    RUN_UNTIL(&c.stack, shadow.complete_count == 1 && c.upstream.complete_count == 1);
    test_exchange_deinit(&c.exchange);
    test_client_close(&c.client);
    RUN_UNTIL(&c.stack, fake_upstream_last(&c.upstream)->is_reset);
    fake_request_ok(fake_upstream_last(&shadow));
    RUN_UNTIL(&c.stack, test_stack_stat(&c.stack, "cluster.shadow.upstream_rq_active") == 0);
    ASSERT_STAT(&c.stack, "cluster.shadow.upstream_rq_200", 1);
    finish();
}
END_TEST

/* The answer ends a mirror, though the request goes on. */
START_TEST(early_answer_ends_the_mirror_alone) {
    begin(_i);
    shadow.on_headers = fake_request_ok;
    shadow.on_complete = fake_request_wait;
    serve();
    post_head();
    RUN_UNTIL(&c.stack, shadow.request_count == 1);
    RUN_UNTIL(&c.stack, test_stack_stat(&c.stack, "cluster.shadow.upstream_rq_active") == 0);
    test_exchange_data(&c.exchange, "payload", 7, true);
    test_exchange_expect(&c.exchange, 200);
    ck_assert_str_eq(test_text_get(&fake_upstream_last(&c.upstream)->body), "payload");
    ASSERT_STAT(&c.stack, "cluster.shadow.upstream_rq_200", 1);
    finish();
}
END_TEST

static void small_buffers(void) {
    c.listener.part->per_connection_buffer_limit_bytes = PIECE_BYTES;
    c.listener.hcm->http2.stream_window_bytes = 65535;
    c.upstream.drops_body = true;
    shadow.drops_body = true;
}

static void stop_reading(struct fake_request *request) {
    connection_read_disable(request->connection->connection, true);
}

/* What a mirror has not read is not kept without end, and stops nobody. */
START_TEST(slow_mirror_is_given_up) {
    begin(_i);
    small_buffers();
    shadow.on_headers = stop_reading;
    serve();
    post_head();
    for (int i = 0; i < PIECES; i++) {
        RUN_UNTIL(&c.stack,
                  connection_unsent_bytes(c.client.connection) == 0 && !c.exchange.is_backed_up);
        test_exchange_data(&c.exchange, piece, sizeof(piece), i == PIECES - 1);
    }
    test_exchange_expect(&c.exchange, 200);
    ck_assert_uint_eq(fake_upstream_last(&c.upstream)->body_bytes, (uint64_t)PIECES * PIECE_BYTES);
    ASSERT_STAT(&c.stack, "cluster.web.retry_or_shadow_abandoned", 1);
    ASSERT_STAT(&c.stack, "cluster.shadow.upstream_rq_active", 0);
    connection_read_disable(fake_upstream_last(&shadow)->connection->connection, false);
    finish();
}
END_TEST

/* A mirror that is as fast as the request gets bodies of any size. */
START_TEST(long_body_is_mirrored) {
    begin(_i);
    small_buffers();
    serve();
    post_head();
    for (int i = 0; i < PIECES; i++) {
        RUN_UNTIL(&c.stack,
                  connection_unsent_bytes(c.client.connection) == 0 && !c.exchange.is_backed_up);
        test_exchange_data(&c.exchange, piece, sizeof(piece), i == PIECES - 1);
    }
    test_exchange_expect(&c.exchange, 200);
    RUN_UNTIL(&c.stack, shadow.complete_count == 1);
    ck_assert_uint_eq(fake_upstream_last(&shadow)->body_bytes, (uint64_t)PIECES * PIECE_BYTES);
    ASSERT_STAT(&c.stack, "cluster.web.retry_or_shadow_abandoned", 0);
    finish();
}
END_TEST

/* Nobody answers a mirror: the breaker bounds how many wait, and all requests are answered. */
START_TEST(breaker_bounds_hanging_mirrors) {
    enum { REQUESTS = 300, WAITING = 20 };
    begin(_i);
    shadow_cluster->breakers[0].max_requests = WAITING;
    shadow_cluster->breakers[0].max_connections = WAITING;
    shadow_cluster->breakers[0].max_pending_requests = WAITING;
    shadow.on_complete = fake_request_wait;
    serve();
    for (int i = 0; i < REQUESTS; i++) {
        proxy_case_get(&c, 200);
        proxy_case_next(&c);
    }
    ck_assert_uint_le(shadow.request_count, 2 * WAITING);
    ck_assert_uint_le(test_stack_stat(&c.stack, "cluster.shadow.upstream_rq_active"), WAITING);
    ck_assert_uint_ge(test_stack_stat(&c.stack, "cluster.shadow.upstream_rq_503"),
                      REQUESTS - 2 * WAITING);
    finish();
}
END_TEST

/* The worker ends with mirrors that wait for an answer, for a connection, and for the request's rest. */
START_TEST(mirrors_in_flight_end_with_their_worker) {
    begin(_i);
    c.action->timeout_ms = 0;
    shadow_cluster->breakers[0].max_connections = 1;
    shadow.on_complete = fake_request_wait;
    serve();
    for (int i = 0; i < 3; i++) {
        proxy_case_get(&c, 200);
        proxy_case_next(&c);
    }
    RUN_UNTIL(&c.stack, shadow.complete_count >= 1);
    test_exchange_deinit(&c.exchange);
    test_client_close(&c.client);
    RUN_UNTIL(&c.stack, test_stack_stat(&c.stack, "http.test.downstream_cx_active") == 0);
    upstream_manager_free(c.stack.upstreams[0]);
    c.stack.upstreams[0] = NULL;
    c.client.connection = NULL;
    finish();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("mirror");
    TCase *t = tcase_create("mirror");
    tcase_add_loop_test(t, whole_request_is_mirrored, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, share_of_nothing_mirrors_nothing, 0, 1);
    tcase_add_loop_test(t, hanging_mirror_ends_with_the_timeout, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, client_that_resets_takes_an_unfinished_mirror_along, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, client_that_resets_leaves_a_whole_mirror, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, early_answer_ends_the_mirror_alone, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, slow_mirror_is_given_up, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, long_body_is_mirrored, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, breaker_bounds_hanging_mirrors, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, mirrors_in_flight_end_with_their_worker, 0, PROXY_PAIRS);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    return test_run(suite());
}
