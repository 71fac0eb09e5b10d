// SPDX-License-Identifier: Apache-2.0
/* tcp_proxy: bytes both ways, both half-closes, slow sides, timeouts, failures. */
#include "filters/network/tcp_proxy/tcp_proxy.h"
#include "tests/support/held_bytes.h"
#include "tests/support/raw_peer.h"
#include "tests/support/test_config.h"

static struct test_stack stack;
static struct test_listener listener;
static struct raw_listener upstream;
static struct raw_peer client, server;
static struct tcp_proxy_config *config;

static void start(void) {
    test_stack_init(&stack, 1);
    raw_listener_init(&upstream, &stack);
    config = test_listener_init_tcp(&listener, &stack, "tcp", "raw");
    struct cluster_part *part = test_cluster_new("raw", &upstream.address, 1);
    part->per_connection_buffer_limit_bytes = 64 << 10;
    test_cluster_publish(&stack, part);
    listener.part->per_connection_buffer_limit_bytes = 64 << 10;
}

static void serve(void) {
    test_listener_publish(&listener);
    raw_peer_connect(&client, &stack, &listener.address);
    bool accepted = false;
    RUN_UNTIL(&stack, accepted || (accepted = raw_listener_accept(&upstream, &server)));
}

static void finish(void) {
    raw_peer_close(&client);
    raw_peer_close(&server);
    raw_listener_deinit(&upstream);
    test_stack_turns(&stack, 10);
    RUN_UNTIL(&stack, test_stack_stat(&stack, "tcp.test.downstream_cx_active") == 0);
    test_stack_deinit(&stack);
}

START_TEST(bytes_pass_both_ways) {
    start();
    serve();
    for (int i = 0; i < 3; i++) {
        raw_peer_send(&client, "question");
        RUN_UNTIL(&stack, raw_peer_got(&server, "question"));
        raw_peer_send(&server, "answer");
        RUN_UNTIL(&stack, raw_peer_got(&client, "answer"));
        test_text_clear(&server.received);
        test_text_clear(&client.received);
    }
    ASSERT_STAT(&stack, "tcp.test.downstream_cx_rx_bytes_total", 24);
    ASSERT_STAT(&stack, "tcp.test.downstream_cx_tx_bytes_total", 18);
    finish();
    ck_assert_uint_eq(test_stack_log(&stack)->flags, 0);
}
END_TEST

START_TEST(half_close_passes) {
    start();
    serve();
    struct raw_peer *first = _i == 0 ? &client : &server;
    struct raw_peer *second = _i == 0 ? &server : &client;
    raw_peer_send(first, "last words");
    raw_peer_shutdown(first);
    RUN_UNTIL(&stack, second->has_ended);
    ck_assert(raw_peer_got(second, "last words"));
    ck_assert(!raw_peer_is_over(first));
    raw_peer_send(second, "reply after the end");
    raw_peer_shutdown(second);
    RUN_UNTIL(&stack, first->has_ended);
    ck_assert(raw_peer_got(first, "reply after the end"));
    RUN_UNTIL(&stack, test_stack_stat(&stack, "tcp.test.downstream_cx_active") == 0);
    ck_assert(!first->is_reset && !second->is_reset);
    finish();
}
END_TEST

START_TEST(request_and_end_before_the_upstream_is_there) {
    start();
    test_listener_publish(&listener);
    raw_peer_connect(&client, &stack, &listener.address);
    raw_peer_send(&client, "early");
    raw_peer_shutdown(&client);
    bool accepted = false;
    RUN_UNTIL(&stack, accepted || (accepted = raw_listener_accept(&upstream, &server)));
    RUN_UNTIL(&stack, server.has_ended);
    ck_assert(raw_peer_got(&server, "early"));
    raw_peer_send(&server, "late");
    raw_peer_shutdown(&server);
    RUN_UNTIL(&stack, client.has_ended);
    ck_assert(raw_peer_got(&client, "late"));
    finish();
}
END_TEST

START_TEST(reset_passes) {
    start();
    serve();
    raw_peer_send(&client, "x");
    RUN_UNTIL(&stack, raw_peer_got(&server, "x"));
    raw_peer_reset(_i == 0 ? &client : &server);
    RUN_UNTIL(&stack, raw_peer_is_over(_i == 0 ? &server : &client));
    finish();
}
END_TEST

START_TEST(slow_side_stops_the_other) {
    static char piece[64 << 10];
    const size_t total = test_long_body_bytes(sizeof(piece));
    start();
    serve();
    struct raw_peer *source = _i == 0 ? &client : &server;
    struct raw_peer *sink = _i == 0 ? &server : &client;
    sink->is_reading = false;
    size_t sent = 0;
    for (int idle = 0; idle < 100 && sent < total;) {
        test_stack_turn(&stack);
        idle = source->unsent.len == 0 ? 0 : idle + 1;
        if (source->unsent.len == 0) {
            raw_peer_send_bytes(source, piece, sizeof(piece));
            sent += sizeof(piece);
        }
    }
    ck_assert_uint_le(sent, test_held_bytes());
    sink->is_reading = true;
    RUN_UNTIL(&stack, sink->received.len == sent);
    finish();
}
END_TEST

START_TEST(idle_session_is_closed) {
    start();
    config->idle_timeout_ms = 1000;
    serve();
    for (int i = 0; i < 3; i++) {
        test_stack_advance(&stack, 900);
        raw_peer_send(&client, "x");
        test_stack_turns(&stack, 5);
    }
    ck_assert(!raw_peer_is_over(&client));
    test_stack_advance(&stack, 1001);
    RUN_UNTIL(&stack, raw_peer_is_over(&client) && raw_peer_is_over(&server));
    ASSERT_STAT(&stack, "tcp.test.idle_timeout", 1);
    finish();
}
END_TEST

START_TEST(longest_session_is_closed) {
    start();
    config->max_connection_duration_ms = 1000;
    serve();
    test_stack_advance(&stack, 1001);
    RUN_UNTIL(&stack, raw_peer_is_over(&client) && raw_peer_is_over(&server));
    ASSERT_STAT(&stack, "tcp.test.max_downstream_connection_duration", 1);
    finish();
}
END_TEST

START_TEST(refused_upstream_closes_the_client) {
    start();
    config->max_connect_attempts = (uint32_t)_i + 1;
    raw_listener_deinit(&upstream);
    test_listener_publish(&listener);
    raw_peer_connect(&client, &stack, &listener.address);
    server.fd = -1;
    RUN_UNTIL(&stack, raw_peer_is_over(&client));
    RUN_UNTIL(&stack, stack.log.count > 0);
    ASSERT_FLAG(&stack, UPSTREAM_CONNECTION_FAILURE);
    ASSERT_STAT(&stack, "cluster.raw.upstream_cx_connect_fail", (uint64_t)_i + 1);
    finish();
}
END_TEST

START_TEST(unknown_cluster_closes_the_client) {
    test_stack_init(&stack, 1);
    raw_listener_init(&upstream, &stack);
    config = test_listener_init_tcp(&listener, &stack, "tcp", "nowhere");
    test_listener_publish(&listener);
    raw_peer_connect(&client, &stack, &listener.address);
    server.fd = -1;
    RUN_UNTIL(&stack, raw_peer_is_over(&client));
    RUN_UNTIL(&stack, stack.log.count > 0);
    ASSERT_FLAG(&stack, NO_CLUSTER_FOUND);
    finish();
}
END_TEST

START_TEST(client_gone_while_connecting) {
    start();
    test_listener_publish(&listener);
    for (int turns = 0; turns < 6; turns++) {
        raw_peer_connect(&client, &stack, &listener.address);
        raw_peer_send(&client, "x");
        test_stack_turns(&stack, turns);
        if (_i == 0) {
            raw_peer_close(&client);
        } else {
            raw_peer_reset(&client);
        }
        test_stack_turns(&stack, 10);
        while (raw_listener_accept(&upstream, &server)) {
            if (_i == 0) {
                raw_peer_shutdown(&server);
                RUN_UNTIL(&stack, raw_peer_is_over(&server));
            }
            raw_peer_close(&server);
        }
        RUN_UNTIL(&stack, test_stack_stat(&stack, "tcp.test.downstream_cx_active") == 0);
    }
    server.fd = -1;
    finish();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("tcp_proxy");
    TCase *t = tcase_create("tcp");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, bytes_pass_both_ways);
    tcase_add_loop_test(t, half_close_passes, 0, 2);
    tcase_add_test(t, request_and_end_before_the_upstream_is_there);
    tcase_add_loop_test(t, reset_passes, 0, 2);
    tcase_add_loop_test(t, slow_side_stops_the_other, 0, 2);
    tcase_add_test(t, idle_session_is_closed);
    tcase_add_test(t, longest_session_is_closed);
    tcase_add_loop_test(t, refused_upstream_closes_the_client, 0, 2);
    tcase_add_test(t, unknown_cluster_closes_the_client);
    tcase_add_loop_test(t, client_gone_while_connecting, 0, 2);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    return test_run(suite());
}
