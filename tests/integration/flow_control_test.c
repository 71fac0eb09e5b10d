// SPDX-License-Identifier: Apache-2.0
/* Bodies of any size pass in bounded memory when one side is slow, and go on when it is not. */
#include "tests/support/held_bytes.h"
#include "tests/support/proxy_case.h"
#include "tests/support/raw_peer.h"

static struct proxy_case c;

enum {
    PIECE_BYTES = 64 << 10,
    LIMIT_BYTES = 64 << 10, /* of each of the proxy's buffers */
};
static char piece[PIECE_BYTES];

static void small_buffers(int pair) {
    proxy_case_init(&c, pair);
    c.listener.part->per_connection_buffer_limit_bytes = LIMIT_BYTES;
    c.listener.hcm->http2.stream_window_bytes = 65535;
    c.listener.hcm->http2.connection_window_bytes = 1 << 20;
    c.cluster->per_connection_buffer_limit_bytes = LIMIT_BYTES;
    c.cluster->http.h2_stream_window_bytes = 65535;
    c.cluster->http.h2_connection_window_bytes = 1 << 20;
    c.upstream.drops_body = true;
    c.upstream.on_complete = fake_request_wait;
}

/* The upstream sends as much as is taken while the client does not read. */
START_TEST(slow_client_stops_the_upstream) {
    const size_t body_bytes = test_long_body_bytes(PIECE_BYTES);
    small_buffers(_i);
    proxy_case_serve(&c);
    c.exchange.drops_body = true;
    test_exchange_get(&c.exchange, "/");
    RUN_UNTIL(&c.stack, c.upstream.complete_count == 1);
    struct fake_request *request = fake_upstream_last(&c.upstream);
    struct connection *server = request->connection->connection;
    fake_request_headers(request, 200, NULL, false);
    connection_read_disable(c.client.connection, true);
    size_t sent = 0;
    for (int idle = 0; idle < 50 && sent < body_bytes;) {
        test_stack_turn(&c.stack);
        bool is_free = connection_unsent_bytes(server) == 0 && !request->is_backed_up;
        idle = is_free ? 0 : idle + 1;
        if (is_free) {
            fake_request_data(request, piece, sizeof(piece), false);
            sent += sizeof(piece);
        }
    }
    ck_assert_uint_le(sent, test_held_bytes());
    connection_read_disable(c.client.connection, false);
    while (sent < body_bytes) {
        RUN_UNTIL(&c.stack, connection_unsent_bytes(server) == 0 && !request->is_backed_up);
        fake_request_data(request, piece, sizeof(piece), sent + sizeof(piece) >= body_bytes);
        sent += sizeof(piece);
    }
    test_exchange_expect(&c.exchange, 200);
    ck_assert_uint_eq(c.exchange.body_bytes, body_bytes);
    proxy_case_deinit(&c);
}
END_TEST

/* The client sends as much as is taken while the upstream does not read. */
START_TEST(slow_upstream_stops_the_client) {
    const size_t body_bytes = test_long_body_bytes(PIECE_BYTES);
    small_buffers(_i);
    proxy_case_serve(&c);
    test_exchange_headers(&c.exchange,
                          test_headers(&c.exchange.arena, ":method", "POST", ":scheme", "http",
                                       ":authority", "test", ":path", "/", NULL),
                          false);
    RUN_UNTIL(&c.stack, c.upstream.request_count == 1);
    struct fake_request *request = fake_upstream_last(&c.upstream);
    connection_read_disable(request->connection->connection, true);
    size_t sent = 0;
    for (int idle = 0; idle < 50 && sent < body_bytes;) {
        test_stack_turn(&c.stack);
        bool is_free =
            connection_unsent_bytes(c.client.connection) == 0 && !c.exchange.is_backed_up;
        idle = is_free ? 0 : idle + 1;
        if (is_free) {
            test_exchange_data(&c.exchange, piece, sizeof(piece), false);
            sent += sizeof(piece);
        }
    }
    ck_assert_uint_le(sent, test_held_bytes());
    connection_read_disable(request->connection->connection, false);
    while (sent < body_bytes) {
        RUN_UNTIL(&c.stack,
                  connection_unsent_bytes(c.client.connection) == 0 && !c.exchange.is_backed_up);
        test_exchange_data(&c.exchange, piece, sizeof(piece), sent + sizeof(piece) >= body_bytes);
        sent += sizeof(piece);
    }
    RUN_UNTIL(&c.stack, request->is_complete);
    ck_assert_uint_eq(request->body_bytes, body_bytes);
    fake_request_ok(request);
    test_exchange_expect(&c.exchange, 200);
    proxy_case_deinit(&c);
}
END_TEST

/* A stream that begins while the connection's output is full is paused with the others. */
START_TEST(stream_begun_on_a_full_connection_is_paused_too) {
    small_buffers(PROXY_CLIENT_HTTP2 | (_i << 1));
    c.upstream.on_complete = fake_request_wait;
    proxy_case_serve(&c);
    struct test_exchange second;
    c.exchange.drops_body = true;
    test_exchange_get(&c.exchange, "/");
    RUN_UNTIL(&c.stack, c.upstream.complete_count == 1);
    struct fake_request *first_request = fake_upstream_last(&c.upstream);
    fake_request_headers(first_request, 200, NULL, false);
    connection_read_disable(c.client.connection, true);
    for (int i = 0; i < 100; i++) {
        fake_request_data(first_request, piece, sizeof(piece), i == 99);
        test_stack_turns(&c.stack, 3);
    }
    test_exchange_init(&second, &c.client);
    second.drops_body = true;
    test_exchange_get(&second, "/second");
    RUN_UNTIL(&c.stack, c.upstream.complete_count == 2);
    struct fake_request *request = fake_upstream_last(&c.upstream);
    fake_request_headers(request, 200, NULL, false);
    fake_request_data(request, piece, sizeof(piece), true);
    test_stack_turns(&c.stack, 20);
    connection_read_disable(c.client.connection, false);
    test_exchange_expect(&c.exchange, 200);
    test_exchange_expect(&second, 200);
    ck_assert_uint_eq(second.body_bytes, sizeof(piece));
    ck_assert_uint_eq(c.exchange.body_bytes, 100 * sizeof(piece));
    test_exchange_deinit(&second);
    proxy_case_deinit(&c);
}
END_TEST

/* What a client sends ahead of its turn waits in the kernel, not in the proxy. */
START_TEST(pipelining_without_end_is_bounded) {
    const size_t body_bytes = test_long_body_bytes(PIECE_BYTES);
    small_buffers(0);
    proxy_case_serve(&c);
    struct raw_peer peer;
    raw_peer_connect(&peer, &c.stack, &c.listener.address);
    raw_peer_send(&peer, "GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    size_t sent = 0;
    static const char request[] = "GET /more HTTP/1.1\r\nhost: x\r\n\r\n";
    for (int idle = 0; idle < 50 && sent < body_bytes;) {
        test_stack_turn(&c.stack);
        idle = peer.unsent.len == 0 ? 0 : idle + 1;
        for (int i = 0; i < 1000 && peer.unsent.len == 0; i++) {
            raw_peer_send(&peer, request);
            sent += sizeof(request) - 1;
        }
    }
    ck_assert_uint_le(sent, test_held_bytes());
    raw_peer_close(&peer);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(disconnect_of_a_slow_client_frees_what_waits) {
    small_buffers(_i & ~PROXY_CLIENT_HTTP2);
    proxy_case_serve(&c);
    struct raw_peer peer;
    raw_peer_connect_slow(&peer, &c.stack, &c.listener.address);
    peer.is_reading = false;
    raw_peer_send(&peer, "GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    RUN_UNTIL(&c.stack, c.upstream.complete_count == 1);
    struct fake_request *request = fake_upstream_last(&c.upstream);
    fake_request_headers(request, 200, NULL, false);
    for (int i = 0; i < 60; i++) {
        fake_request_data(request, piece, sizeof(piece), false);
        test_stack_turns(&c.stack, 2);
    }
    if ((_i & PROXY_CLIENT_HTTP2) != 0) {
        raw_peer_reset(&peer);
    } else {
        raw_peer_close(&peer);
    }
    RUN_UNTIL(&c.stack, test_stack_stat(&c.stack, "http.test.downstream_rq_active") == 0);
    RUN_UNTIL(&c.stack, test_stack_stat(&c.stack, "cluster.web.upstream_rq_active") == 0);
    proxy_case_deinit(&c);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("flow_control");
    TCase *t = tcase_create("slow");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, slow_client_stops_the_upstream, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, slow_upstream_stops_the_client, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, stream_begun_on_a_full_connection_is_paused_too, 0, 2);
    tcase_add_test(t, pipelining_without_end_is_bounded);
    tcase_add_loop_test(t, disconnect_of_a_slow_client_frees_what_waits, 0, PROXY_PAIRS);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    return test_run(suite());
}
