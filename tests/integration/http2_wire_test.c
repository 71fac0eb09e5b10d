// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/2 clients that leave at any frame: by reset, by closing, in requests and in responses; with sessions
 * that are packed whenever they rest, and with such as always. Connections that have rested.
 */
#include "src/http/h2/h2_shared.h"
#include "tests/support/proxy_case.h"
#include "tests/support/raw_peer.h"

static struct proxy_case c;

enum { STEPS = 7 };

/* One exchange, given up after `steps` of its frames. */
static void go_until(int steps) {
    struct test_exchange *exchange = &c.exchange;
    static char body[30000];
    if (steps > 0) {
        test_exchange_headers(exchange,
                              test_headers(&exchange->arena, ":method", "POST", ":scheme", "http",
                                           ":authority", "test", ":path", "/", NULL),
                              false);
    }
    if (steps > 1) {
        test_exchange_data(exchange, body, sizeof(body), false);
    }
    if (steps > 2) {
        test_stack_turns(&c.stack, 6);
        test_exchange_data(exchange, body, sizeof(body), false);
    }
    if (steps > 3) {
        test_exchange_trailers(exchange, test_headers(&exchange->arena, "x-end", "1", NULL));
    }
    if (steps > 4) {
        RUN_UNTIL(&c.stack, c.upstream.complete_count > 0);
        fake_request_headers(fake_upstream_last(&c.upstream), 200, NULL, false);
    }
    if (steps > 5) {
        test_stack_turns(&c.stack, 6);
        fake_request_data(fake_upstream_last(&c.upstream), body, sizeof(body), false);
    }
}

START_TEST(client_leaves_at_every_frame) {
    int steps = _i % STEPS;
    int turns = (_i / STEPS) % 3;
    bool closes = (_i / (3 * STEPS)) % 2 == 1;
    bool upstream_is_http2 = (_i / (6 * STEPS)) % 2 == 1;
    bool packs_at_once = _i / (12 * STEPS) == 1;
    proxy_case_init(&c, PROXY_CLIENT_HTTP2 | (upstream_is_http2 ? PROXY_UPSTREAM_HTTP2 : 0));
    c.upstream.on_complete = fake_request_wait;
    struct h2_shared *shared = h2_shared_get(&c.stack.workers[0]);
    shared->rest.delay_ms = packs_at_once ? 0 : shared->rest.delay_ms;
    proxy_case_serve(&c);
    go_until(steps);
    test_stack_turns(&c.stack, turns * 2);
    test_exchange_deinit(&c.exchange); /* RST_STREAM where it is open */
    test_exchange_init(&c.exchange, &c.client);
    if (closes) {
        test_exchange_deinit(&c.exchange);
        test_client_close(&c.client);
        RUN_UNTIL(&c.stack, test_stack_stat(&c.stack, "listener.in.downstream_cx_active") == 0);
    } else {
        c.upstream.on_complete = fake_request_ok;
        test_stack_turns(&c.stack, 10);
        proxy_case_get(&c, 200); /* the connection is none the worse */
    }
    RUN_UNTIL(&c.stack, test_stack_stat(&c.stack, "http.test.downstream_rq_active") == 0);
    RUN_UNTIL(&c.stack, test_stack_stat(&c.stack, "cluster.web.upstream_rq_active") == 0);
    h2_shared_unref(&c.stack.workers[0]);
    proxy_case_deinit(&c);
}
END_TEST

static void rest(void) {
    ck_assert_uint_gt(c.stack.workers[0].mapped_bytes, 0);
    test_stack_advance(&c.stack, 2500);
    ck_assert_uint_eq(c.stack.workers[0].mapped_bytes, 0); // both sessions are packed
}

/* Both connections are packed; then the next request comes, the client goes, or both are told to. */
START_TEST(connections_that_have_rested_serve_and_end) {
    proxy_case_init(&c, PROXY_CLIENT_HTTP2 | PROXY_UPSTREAM_HTTP2);
    proxy_case_serve(&c);
    for (int round = 0; round < 3; round++) {
        proxy_case_get(&c, 200);
        proxy_case_next(&c);
        rest();
        test_stack_advance(&c.stack, 31000); // or the next rest comes later
    }
    ck_assert_uint_eq(test_stack_stat(&c.stack, "listener.in.downstream_cx_total"), 1);
    ck_assert_uint_eq(test_stack_stat(&c.stack, "cluster.web.upstream_cx_total"), 1);
    if (_i == 1) {
        worker_listeners_drain(c.stack.worker_listeners[0], true, false, true);
        test_stack_advance(&c.stack, 5001); /* drain_timeout */
        test_stack_advance(&c.stack, 1001);
        RUN_UNTIL(&c.stack, c.client.is_closed);
        RUN_UNTIL(&c.stack, test_stack_stat(&c.stack, "listener.in.downstream_cx_active") == 0);
    }
    proxy_case_deinit(&c);
}
END_TEST

/* The bytes of a connection cut anywhere, then gone. */
START_TEST(connection_lost_at_every_byte) {
    static const char bytes[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                "\0\0\0\4\0\0\0\0\0"                  /* SETTINGS */
                                "\0\0\4\1\4\0\0\0\1\x83\x86\x84\x41"; /* HEADERS, cut short */
    proxy_case_init(&c, 0);
    proxy_case_serve(&c);
    test_exchange_deinit(&c.exchange);
    test_client_close(&c.client);
    for (size_t cut = 0; cut < sizeof(bytes); cut++) {
        struct raw_peer peer;
        raw_peer_connect(&peer, &c.stack, &c.listener.address);
        raw_peer_send_bytes(&peer, bytes, cut);
        test_stack_turns(&c.stack, (int)(cut % 4));
        if (_i == 0) {
            raw_peer_close(&peer);
        } else {
            raw_peer_reset(&peer);
        }
        RUN_UNTIL(&c.stack, test_stack_stat(&c.stack, "listener.in.downstream_cx_active") == 0);
    }
    ck_assert_uint_eq(c.upstream.request_count, 0);
    proxy_case_deinit(&c);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("http2_wire");
    TCase *t = tcase_create("leave");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, client_leaves_at_every_frame, 0, 24 * STEPS);
    tcase_add_loop_test(t, connections_that_have_rested_serve_and_end, 0, 2);
    tcase_add_loop_test(t, connection_lost_at_every_byte, 0, 2);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    return test_run(suite());
}
