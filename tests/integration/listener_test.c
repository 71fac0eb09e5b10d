// SPDX-License-Identifier: Apache-2.0
/* Listeners: inspection, chains, TLS, updates in place, drains, limits. */
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "src/tls/testing/test_certs.h"
#include "tests/support/proxy_case.h"
#include "tests/support/raw_peer.h"

static struct proxy_case c;

/* ---- draining and updates ---- */

static void settle_idle(void) {
    RUN_UNTIL(&c.stack, c.exchange.is_closed);
    test_stack_turns(&c.stack, 5);
    proxy_case_next(&c);
}

START_TEST(equal_chain_survives_an_update) {
    proxy_case_init(&c, _i & 1);
    proxy_case_serve(&c);
    proxy_case_get(&c, 200);
    settle_idle();
    struct test_listener update;
    test_listener_init_again(&update, &c.listener, 1);
    test_listener_publish(&update);
    ck_assert_uint_eq(address_port(&update.address), address_port(&c.listener.address));
    test_stack_advance(&c.stack, 700000);
    ck_assert(!c.client.is_closed && !c.client.has_goaway);
    proxy_case_get(&c, 200);
    ck_assert_ptr_null(test_header(c.exchange.headers, "connection"));
    proxy_case_reconnect(&c);
    proxy_case_get(&c, 200);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(changed_chain_drains_its_connections) {
    proxy_case_init(&c, _i & 1);
    proxy_case_serve(&c);
    proxy_case_get(&c, 200);
    settle_idle();
    struct test_listener update;
    test_listener_init_again(&update, &c.listener, 2);
    test_listener_publish(&update);
    struct test_client fresh;
    struct test_exchange exchange;
    test_client_connect(&fresh, &c.stack, &update.address, (_i & 1) != 0);
    test_exchange_init(&exchange, &fresh);
    test_exchange_get(&exchange, "/");
    test_exchange_expect(&exchange, 200);
    test_stack_advance(&c.stack, 600001);
    RUN_UNTIL(&c.stack, c.client.is_closed);
    ck_assert(!fresh.is_closed);
    test_exchange_deinit(&exchange);
    test_client_close(&fresh);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(removed_listener_refuses_and_drains) {
    proxy_case_init(&c, _i & 1);
    c.upstream.on_complete = fake_request_wait;
    proxy_case_serve(&c);
    test_exchange_get(&c.exchange, "/");
    RUN_UNTIL(&c.stack, c.upstream.complete_count == 1);
    listener_manager_remove(c.stack.listeners, SLICE("in"));
    test_stack_turns(&c.stack, 5);
    fake_request_ok(fake_upstream_last(&c.upstream));
    test_exchange_expect(&c.exchange, 200); /* what was in progress is answered */
    test_stack_advance(&c.stack, 600001);
    RUN_UNTIL(&c.stack, c.client.is_closed);
    struct raw_peer peer;
    raw_peer_connect(&peer, &c.stack, &c.listener.address);
    RUN_UNTIL(&c.stack, raw_peer_is_over(&peer)); /* nobody listens */
    raw_peer_close(&peer);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(immediate_drain_ends_all) {
    proxy_case_init(&c, _i & 1);
    c.upstream.on_complete = fake_request_wait;
    proxy_case_serve(&c);
    test_exchange_get(&c.exchange, "/");
    RUN_UNTIL(&c.stack, c.upstream.complete_count == 1);
    struct test_client idle;
    test_client_connect(&idle, &c.stack, &c.listener.address, (_i & 1) != 0);
    test_stack_turns(&c.stack, 5);
    worker_listeners_drain(c.stack.worker_listeners[0], true, false, true);
    test_stack_advance(&c.stack, 5001);
    test_stack_advance(&c.stack, 1001);
    RUN_UNTIL(&c.stack, idle.is_closed);
    ck_assert_uint_eq(c.stack.drained_workers, 0);
    ck_assert(!test_exchange_is_over(&c.exchange));
    fake_request_ok(fake_upstream_last(&c.upstream));
    test_exchange_expect(&c.exchange, 200);
    test_stack_turns(&c.stack, 5);
    test_stack_advance(&c.stack, 5001);
    test_stack_advance(&c.stack, 1001);
    RUN_UNTIL(&c.stack, c.client.is_closed);
    RUN_UNTIL(&c.stack, c.stack.drained_workers == 1);
    test_client_close(&idle);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(failed_health_check_closes_at_the_next_response) {
    proxy_case_init(&c, _i & 1);
    proxy_case_serve(&c);
    worker_listeners_set_health_failed(c.stack.worker_listeners[0], true);
    proxy_case_get(&c, 200);
    if ((_i & 1) == 0) {
        ck_assert_str_eq(test_header(c.exchange.headers, "connection"), "close");
    }
    test_stack_turns(&c.stack, 5);
    test_stack_advance(&c.stack, 5001);
    test_stack_advance(&c.stack, 1001);
    RUN_UNTIL(&c.stack, c.client.is_closed);
    ASSERT_STAT(&c.stack, "http.test.downstream_cx_drain_close", 1);
    proxy_case_deinit(&c);
}
END_TEST

/* ---- limits ---- */

START_TEST(connections_over_the_global_limit_are_closed) {
    proxy_case_init(&c, 0);
    c.stack.limits.max_connections = 1;
    proxy_case_serve(&c);
    proxy_case_get(&c, 200);
    struct raw_peer peer;
    raw_peer_connect(&peer, &c.stack, &c.listener.address);
    RUN_UNTIL(&c.stack, raw_peer_is_over(&peer));
    raw_peer_close(&peer);
    ASSERT_STAT(&c.stack, "listener.in.downstream_global_cx_overflow", 1);
    test_exchange_deinit(&c.exchange);
    test_client_close(&c.client);
    RUN_UNTIL(&c.stack, test_stack_stat(&c.stack, "listener.in.downstream_cx_active") == 0);
    test_client_connect(&c.client, &c.stack, &c.listener.address, false);
    test_exchange_init(&c.exchange, &c.client);
    proxy_case_get(&c, 200);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(accepting_goes_on_after_descriptors_ran_out) {
    proxy_case_init(&c, 0);
    proxy_case_serve(&c);
    proxy_case_get(&c, 200);
    struct raw_peer peer;
    raw_peer_connect(&peer, &c.stack, &c.listener.address);
    raw_peer_send(&peer, "GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    struct rlimit limit, none;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    int next = dup(0);
    none.rlim_cur = (rlim_t)next;
    (void)close(next);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    test_stack_turns(&c.stack, 20);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert(!raw_peer_got(&peer, "HTTP/1.1"));
    ASSERT_STAT(&c.stack, "listener.in.downstream_cx_overflow", 1); /* it does not spin */
    test_stack_advance(&c.stack, 51);
    RUN_UNTIL(&c.stack, raw_peer_got(&peer, "HTTP/1.1 200 OK"));
    raw_peer_close(&peer);
    proxy_case_deinit(&c);
}
END_TEST

/* ---- TLS ---- */

struct tls_cast {
    struct test_cert *ca, *leaf;
    struct tls_context *server, *client;
};

static void tls_cast_init(struct tls_cast *cast) {
    static const struct slice alpn[] = {SLICE_INIT("h2"), SLICE_INIT("http/1.1")};
    struct error err = {0};
    cast->ca = test_cert_ca("test ca");
    cast->leaf = test_cert_leaf(cast->ca, "a.example");
    struct tls_certificate_source source = test_cert_source(cast->leaf, "leaf");
    struct tls_context_options server = {.is_server = true,
                                         .alpn = alpn,
                                         .alpn_count = 2,
                                         .certificates = &source,
                                         .certificate_count = 1};
    cast->server = tls_context_new(&server, &err);
    ck_assert_msg(cast->server != NULL, "%s", err.message);
    struct tls_context_options client = {.is_server = false};
    cast->client = tls_context_new(&client, &err);
    ck_assert_msg(cast->client != NULL, "%s", err.message);
}

static void tls_cast_deinit(struct tls_cast *cast) {
    tls_context_unref(cast->server);
    tls_context_unref(cast->client);
    test_cert_free(cast->leaf);
    test_cert_free(cast->ca);
}

static void serve_tls(struct tls_cast *cast, bool inspects) {
    tls_cast_init(cast);
    test_listener_set_tls(&c.listener, cast->server);
    if (inspects) {
        test_listener_add_inspector(&c.listener, false);
        c.listener.chain->match.transport_protocol = SLICE("tls");
    }
    proxy_case_serve(&c);
    test_exchange_deinit(&c.exchange);
    test_client_close(&c.client);
}

START_TEST(tls_is_terminated) {
    struct tls_cast cast;
    bool is_http2 = (_i & 1) != 0;
    proxy_case_init(&c, _i);
    serve_tls(&cast, (_i & 2) != 0);
    test_client_connect_tls(&c.client, &c.stack, &c.listener.address, is_http2, cast.client,
                            SLICE("a.example"));
    test_exchange_init(&c.exchange, &c.client);
    RUN_UNTIL(&c.stack, c.client.is_connected);
    for (int i = 0; i < 3; i++) {
        proxy_case_get(&c, 200);
        ck_assert_str_eq(test_header(fake_upstream_last(&c.upstream)->headers, "x-forwarded-proto"),
                         "https");
        RUN_UNTIL(&c.stack, c.exchange.is_closed);
        proxy_case_next(&c);
    }
    ASSERT_STAT(&c.stack, "listener.in.ssl.handshake", 1);
    ASSERT_STAT(&c.stack, "http.test.downstream_cx_ssl_active", 1);
    ASSERT_STAT(&c.stack,
                is_http2 ? "http.test.downstream_cx_http2_total"
                         : "http.test.downstream_cx_http1_total",
                1);
    if ((_i & 2) != 0) {
        ASSERT_STAT(&c.stack, "tls_inspector.sni_found", 1);
        ASSERT_STAT(&c.stack, "tls_inspector.alpn_found", 1);
    }
    proxy_case_deinit(&c);
    tls_cast_deinit(&cast);
}
END_TEST

START_TEST(garbage_to_tls_closes) {
    struct tls_cast cast;
    struct raw_peer peer;
    proxy_case_init(&c, 0);
    serve_tls(&cast, false);
    test_stack_turns(&c.stack, 5);
    uint64_t before = test_stack_stat(&c.stack, "listener.in.ssl.connection_error");
    raw_peer_connect(&peer, &c.stack, &c.listener.address);
    raw_peer_send(&peer, "GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    RUN_UNTIL(&c.stack, raw_peer_is_over(&peer));
    raw_peer_close(&peer);
    ASSERT_STAT(&c.stack, "listener.in.ssl.connection_error", before + 1);
    proxy_case_deinit(&c);
    tls_cast_deinit(&cast);
}
END_TEST

START_TEST(stalled_handshake_is_closed) {
    struct tls_cast cast;
    struct raw_peer peer;
    proxy_case_init(&c, 0);
    c.listener.chain->transport_connect_timeout_ms = 2000;
    serve_tls(&cast, false);
    raw_peer_connect(&peer, &c.stack, &c.listener.address);
    test_stack_turns(&c.stack, 5);
    test_stack_advance(&c.stack, 2001);
    RUN_UNTIL(&c.stack, raw_peer_is_over(&peer));
    raw_peer_close(&peer);
    ASSERT_STAT(&c.stack, "listener.in.downstream_cx_transport_socket_connect_timeout", 1);
    proxy_case_deinit(&c);
    tls_cast_deinit(&cast);
}
END_TEST

/* ---- inspection ---- */

START_TEST(plain_bytes_pass_the_inspector) {
    struct raw_peer peer;
    proxy_case_init(&c, 0);
    test_listener_add_inspector(&c.listener, false);
    proxy_case_serve(&c);
    raw_peer_connect(&peer, &c.stack, &c.listener.address);
    static const char request[] = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    for (size_t i = 0; i < sizeof(request) - 1; i++) {
        raw_peer_send_bytes(&peer, request + i, 1);
        test_stack_turns(&c.stack, 2);
    }
    RUN_UNTIL(&c.stack, raw_peer_got(&peer, "HTTP/1.1 200 OK"));
    ASSERT_STAT(&c.stack, "tls_inspector.tls_not_found", 1);
    raw_peer_close(&peer);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(silent_client_times_out) {
    struct raw_peer peer;
    proxy_case_init(&c, 0);
    test_listener_add_inspector(&c.listener, false);
    c.listener.part->continue_on_listener_filters_timeout = _i == 1;
    proxy_case_serve(&c);
    test_exchange_deinit(&c.exchange);
    test_client_close(&c.client);
    test_stack_turns(&c.stack, 5);
    raw_peer_connect(&peer, &c.stack, &c.listener.address);
    test_stack_turns(&c.stack, 5);
    ASSERT_STAT(&c.stack, "listener.in.downstream_pre_cx_active", 1);
    test_stack_advance(&c.stack, 15001);
    ASSERT_STAT(&c.stack, "listener.in.downstream_pre_cx_timeout", 1);
    if (_i == 1) {
        raw_peer_send(&peer, "GET / HTTP/1.1\r\nhost: x\r\n\r\n");
        RUN_UNTIL(&c.stack, raw_peer_got(&peer, "HTTP/1.1 200 OK"));
    } else {
        RUN_UNTIL(&c.stack, raw_peer_is_over(&peer));
    }
    ASSERT_STAT(&c.stack, "listener.in.downstream_pre_cx_active", 0);
    raw_peer_close(&peer);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(client_gone_in_the_inspection) {
    struct raw_peer peer;
    proxy_case_init(&c, 0);
    test_listener_add_inspector(&c.listener, false);
    proxy_case_serve(&c);
    for (int i = 0; i < 4; i++) {
        raw_peer_connect(&peer, &c.stack, &c.listener.address);
        raw_peer_send_bytes(&peer, "\x16\x03\x01\x02", (size_t)i);
        test_stack_turns(&c.stack, i);
        if (_i == 1) {
            raw_peer_reset(&peer);
        } else {
            raw_peer_close(&peer);
        }
        test_stack_turns(&c.stack, 10);
        ASSERT_STAT(&c.stack, "listener.in.downstream_pre_cx_active", 1); /* the idle client's */
    }
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(invalid_hello_closes_where_asked) {
    struct raw_peer peer;
    proxy_case_init(&c, 0);
    test_listener_add_inspector(&c.listener, true);
    proxy_case_serve(&c);
    raw_peer_connect(&peer, &c.stack, &c.listener.address);
    raw_peer_send_bytes(&peer, "\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00", 10);
    RUN_UNTIL(&c.stack, raw_peer_is_over(&peer));
    ASSERT_STAT(&c.stack, "listener.in.downstream_listener_filter_error", 1);
    raw_peer_close(&peer);
    proxy_case_deinit(&c);
}
END_TEST

START_TEST(no_matching_chain_resets) {
    struct raw_peer peer;
    proxy_case_init(&c, 0);
    c.listener.chain->match.transport_protocol = SLICE("tls");
    c.listener.part->access_logs = c.stack.log.list;
    c.listener.part->access_log_count = 1;
    proxy_case_serve(&c);
    raw_peer_connect(&peer, &c.stack, &c.listener.address);
    RUN_UNTIL(&c.stack, raw_peer_is_over(&peer));
    ck_assert(peer.is_reset);
    ASSERT_FLAG(&c.stack, NO_ROUTE_FOUND);
    ASSERT_LOGGED(&c.stack, 0, "filter_chain_not_found");
    ck_assert_uint_ge(test_stack_stat(&c.stack, "listener.in.no_filter_chain_match"), 1);
    raw_peer_close(&peer);
    proxy_case_deinit(&c);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("listener");
    TCase *t = tcase_create("drain");
    tcase_add_loop_test(t, equal_chain_survives_an_update, 0, 2);
    tcase_add_loop_test(t, changed_chain_drains_its_connections, 0, 2);
    tcase_add_loop_test(t, removed_listener_refuses_and_drains, 0, 2);
    tcase_add_loop_test(t, immediate_drain_ends_all, 0, 2);
    tcase_add_loop_test(t, failed_health_check_closes_at_the_next_response, 0, 2);
    tcase_add_test(t, connections_over_the_global_limit_are_closed);
    tcase_add_test(t, accepting_goes_on_after_descriptors_ran_out);
    suite_add_tcase(s, t);
    TCase *tls = tcase_create("tls");
    tcase_add_loop_test(tls, tls_is_terminated, 0, PROXY_PAIRS);
    tcase_add_test(tls, garbage_to_tls_closes);
    tcase_add_test(tls, stalled_handshake_is_closed);
    suite_add_tcase(s, tls);
    TCase *inspection = tcase_create("inspection");
    tcase_add_test(inspection, plain_bytes_pass_the_inspector);
    tcase_add_loop_test(inspection, silent_client_times_out, 0, 2);
    tcase_add_loop_test(inspection, client_gone_in_the_inspection, 0, 2);
    tcase_add_test(inspection, invalid_hello_closes_where_asked);
    tcase_add_test(inspection, no_matching_chain_resets);
    suite_add_tcase(s, inspection);
    return s;
}

int main(void) {
    return test_run(suite());
}
