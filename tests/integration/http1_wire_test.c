// SPDX-License-Identifier: Apache-2.0
/* HTTP/1.1 clients byte by byte: pipelining, splits, upgrades, refusals, disconnects. */
#include "src/base/memory_poison.h"
#include "tests/support/proxy_case.h"
#include "tests/support/raw_peer.h"

static struct proxy_case c;
static struct raw_peer peer;

static void serve_raw(void) {
    proxy_case_serve(&c);
    test_exchange_deinit(&c.exchange);
    test_client_close(&c.client);
    raw_peer_connect(&peer, &c.stack, &c.listener.address);
}

static void finish(void) {
    raw_peer_close(&peer);
    proxy_case_deinit(&c);
}

static uint32_t count_of(const char *text, const char *part) {
    uint32_t count = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part)) {
        count++;
    }
    return count;
}

static void answer_path(struct fake_request *request) {
    fake_request_answer(request, 200, test_header(request->headers, ":path"));
}

START_TEST(pipelined_requests_are_answered_in_order) {
    proxy_case_init(&c, _i);
    c.upstream.on_complete = answer_path;
    serve_raw();
    raw_peer_send(&peer, "GET /a HTTP/1.1\r\nhost: x\r\n\r\n"
                         "POST /b HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc"
                         "POST /c HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
                         "2\r\nde\r\n0\r\n\r\n"
                         "GET /d HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    RUN_UNTIL(&c.stack, raw_peer_is_over(&peer));
    const char *text = test_text_get(&peer.received);
    ck_assert_uint_eq(count_of(text, "HTTP/1.1 200 OK"), 4);
    const char *a = strstr(text, "\r\n\r\n/a");
    const char *b = strstr(text, "\r\n\r\n/b");
    const char *third = strstr(text, "\r\n\r\n/c");
    const char *d = strstr(text, "\r\n\r\n/d");
    ck_assert(a != NULL && a < b && b < third && third < d);
    ck_assert_uint_eq(count_of(text, "connection: close"), 1);
    finish();
}
END_TEST

/* As in Envoy, a client that ends its direction has gone: an answer in progress is given up. */
START_TEST(half_closed_client_is_gone) {
    proxy_case_init(&c, _i);
    c.upstream.on_complete = fake_request_wait;
    serve_raw();
    raw_peer_send(&peer, "GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    RUN_UNTIL(&c.stack, c.upstream.complete_count == 1);
    raw_peer_shutdown(&peer);
    RUN_UNTIL(&c.stack, raw_peer_is_over(&peer));
    ASSERT_FLAG(&c.stack, DOWNSTREAM_CONNECTION_TERMINATION);
    ASSERT_LOGGED(&c.stack, 0, "downstream_remote_disconnect");
    ASSERT_STAT(&c.stack, "http.test.downstream_cx_destroy_remote_active_rq", 1);
    RUN_UNTIL(&c.stack, fake_upstream_last(&c.upstream)->stream == NULL);
    finish();
}
END_TEST

static const char split_text[] =
    "POST /split HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"
    "GET /next HTTP/1.1\r\nhost: x\r\n\r\n";

START_TEST(requests_cut_anywhere_are_the_same) {
    proxy_case_init(&c, 0);
    c.upstream.on_complete = answer_path;
    serve_raw();
    for (size_t cut = 1; cut < sizeof(split_text) - 1; cut++) {
        raw_peer_send_bytes(&peer, split_text, cut);
        test_stack_turns(&c.stack, 2);
        raw_peer_send(&peer, split_text + cut);
        RUN_UNTIL(&c.stack, raw_peer_got(&peer, "\r\n\r\n/next"));
        ck_assert(raw_peer_got(&peer, "\r\n\r\n/split"));
        test_text_clear(&peer.received);
    }
    ck_assert_uint_eq(c.upstream.connection_count, 1);
    finish();
}
END_TEST

/* Wherever the client goes away, by FIN or by RST, nothing stays. */
START_TEST(disconnect_at_every_byte_leaves_nothing) {
    proxy_case_init(&c, _i & 2);
    c.upstream.on_complete = (_i & 4) != 0 ? fake_request_wait : fake_request_ok;
    serve_raw();
    raw_peer_close(&peer);
    for (size_t cut = 0; cut < sizeof(split_text); cut++) {
        raw_peer_connect(&peer, &c.stack, &c.listener.address);
        raw_peer_send_bytes(&peer, split_text, cut);
        test_stack_turns(&c.stack, (int)(cut % 4));
        if ((_i & 1) != 0) {
            raw_peer_reset(&peer);
        } else {
            raw_peer_close(&peer);
        }
        RUN_UNTIL(&c.stack, test_stack_stat(&c.stack, "listener.in.downstream_cx_active") == 0);
        ASSERT_STAT(&c.stack, "http.test.downstream_rq_active", 0);
        ASSERT_STAT(&c.stack, "http.test.downstream_cx_active", 0);
        RUN_UNTIL(&c.stack, test_stack_stat(&c.stack, "cluster.web.upstream_rq_active") == 0);
    }
    finish();
}
END_TEST

/* ---- upgrades ---- */

static void allow_websocket(void) {
    static const struct upgrade_config upgrades[] = {
        {.type = SLICE_INIT("websocket"), .enabled = true}};
    c.listener.hcm->upgrades = upgrades;
    c.listener.hcm->upgrade_count = 1;
}

static void add_raw_upstream(struct raw_listener *raw) {
    raw_listener_init(raw, &c.stack);
    test_cluster_add(&c.stack, "raw", &raw->address, UPSTREAM_HTTP_1);
    (void)test_routes_cluster(&c.routes, "/ws", "raw");
}

static void accept_one(struct raw_listener *raw, struct raw_peer *server) {
    bool accepted = false;
    RUN_UNTIL(&c.stack, accepted || (accepted = raw_listener_accept(raw, server)));
}

static const char websocket_request[] = "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\n"
                                        "upgrade: websocket\r\nsec-websocket-version: 13\r\n\r\n";

START_TEST(websocket_passes_both_ways) {
    proxy_case_init(&c, 0);
    struct raw_listener raw;
    struct raw_peer server;
    add_raw_upstream(&raw);
    allow_websocket();
    serve_raw();
    raw_peer_send(&peer, websocket_request);
    if (_i == 1) {
        raw_peer_send(&peer, "early"); /* before the upgrade was granted */
    }
    accept_one(&raw, &server);
    RUN_UNTIL(&c.stack, raw_peer_got(&server, "\r\n\r\n"));
    ck_assert(raw_peer_got(&server, "upgrade: websocket\r\n"));
    ck_assert(!raw_peer_got(&server, "early"));
    raw_peer_send(&server, "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n"
                           "upgrade: websocket\r\n\r\nfrom server");
    RUN_UNTIL(&c.stack, raw_peer_got(&peer, "from server"));
    ck_assert(raw_peer_got(&peer, "HTTP/1.1 101 Switching Protocols\r\n"));
    ck_assert(raw_peer_got(&peer, "upgrade: websocket\r\n"));
    if (_i == 1) {
        RUN_UNTIL(&c.stack, raw_peer_got(&server, "early"));
    }
    ASSERT_STAT(&c.stack, "http.test.downstream_cx_upgrades_active", 1);
    for (int round = 0; round < 3; round++) {
        test_text_clear(&server.received);
        test_text_clear(&peer.received);
        raw_peer_send(&peer, "ping");
        RUN_UNTIL(&c.stack, raw_peer_got(&server, "ping"));
        raw_peer_send(&server, "pong");
        RUN_UNTIL(&c.stack, raw_peer_got(&peer, "pong"));
    }
    /* It rests in little memory: two blocks with the stream, its chain and its attempt. */
    const struct block_pool *blocks = &c.stack.workers[0].arena_blocks;
    bool has_gaps = memory_poison_padded(0, 64) > 0; /* of sanitizers, between all allocations */
    ck_assert_uint_le(blocks->live_count * blocks->block_bytes, has_gaps ? 3072 : 2048);
    /* The route's timeout does not run on a tunnel. */
    test_stack_advance(&c.stack, 20000);
    ck_assert(!raw_peer_is_over(&peer));
    if (_i == 2) {
        raw_peer_close(&server);
        RUN_UNTIL(&c.stack, raw_peer_is_over(&peer));
    } else {
        raw_peer_close(&peer);
        RUN_UNTIL(&c.stack, raw_peer_is_over(&server));
        raw_peer_close(&server);
    }
    RUN_UNTIL(&c.stack, test_stack_stat(&c.stack, "http.test.downstream_cx_upgrades_active") == 0);
    raw_listener_deinit(&raw);
    finish();
}
END_TEST

START_TEST(websocket_refused_by_the_upstream_stays_http) {
    proxy_case_init(&c, 0);
    struct raw_listener raw;
    struct raw_peer server;
    add_raw_upstream(&raw);
    allow_websocket();
    serve_raw();
    raw_peer_send(&peer, websocket_request);
    accept_one(&raw, &server);
    RUN_UNTIL(&c.stack, raw_peer_got(&server, "\r\n\r\n"));
    raw_peer_send(&server, "HTTP/1.1 400 Bad Request\r\ncontent-length: 3\r\n\r\nbad");
    RUN_UNTIL(&c.stack, raw_peer_got(&peer, "bad"));
    ck_assert(raw_peer_got(&peer, "HTTP/1.1 400 Bad Request\r\n"));
    ASSERT_STAT(&c.stack, "http.test.downstream_cx_upgrades_active", 0);
    raw_peer_close(&server);
    raw_listener_deinit(&raw);
    finish();
}
END_TEST

START_TEST(websocket_without_leave_is_403) {
    proxy_case_init(&c, 0);
    serve_raw();
    raw_peer_send(&peer, websocket_request);
    RUN_UNTIL(&c.stack, raw_peer_got(&peer, "\r\n\r\n"));
    ck_assert(raw_peer_got(&peer, "HTTP/1.1 403 Forbidden\r\n"));
    ck_assert(raw_peer_got(&peer, "connection: close\r\n"));
    ASSERT_LOGGED(&c.stack, 403, "upgrade_failed");
    ASSERT_STAT(&c.stack, "http.test.downstream_rq_ws_on_non_ws_route", 1);
    test_stack_advance(&c.stack, 1100);
    RUN_UNTIL(&c.stack, raw_peer_is_over(&peer));
    finish();
}
END_TEST

START_TEST(connect_without_leave_is_refused) {
    proxy_case_init(&c, 0);
    serve_raw();
    raw_peer_send(&peer, "CONNECT host.example:443 HTTP/1.1\r\nhost: host.example:443\r\n\r\n");
    RUN_UNTIL(&c.stack, raw_peer_got(&peer, "\r\n\r\n"));
    /* A prefix route takes no CONNECT: there is no route (as where no route matches). */
    ck_assert(raw_peer_got(&peer, "HTTP/1.1 404 Not Found\r\n") ||
              raw_peer_got(&peer, "HTTP/1.1 403 Forbidden\r\n"));
    ck_assert_uint_eq(c.upstream.request_count, 0);
    test_stack_advance(&c.stack, 7000);
    RUN_UNTIL(&c.stack, raw_peer_is_over(&peer));
    finish();
}
END_TEST

/* ---- refusals ---- */

struct refusal {
    const char *request;
    const char *status_line;
    const char *details;
};
static const struct refusal refusals[] = {
    {"GARBAGE\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "http1.codec_error"},
    {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "missing_host_header"},
    {"GET /a#b HTTP/1.1\r\nhost: x\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", NULL},
    {"GET / HTTP/1.1\r\nhost: a b\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n",
     "http.invalid_authority"},
    {"GET / HTTP/1.0\r\nhost: x\r\n\r\n", "HTTP/1.1 426 Upgrade Required\r\n", "low_version"},
    {"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
     "HTTP/1.1 400 Bad Request\r\n", "http1.content_length_and_chunked_not_allowed"},
    {"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n",
     "HTTP/1.1 501 Not Implemented\r\n", "http1.invalid_transfer_encoding"},
    {"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n", "HTTP/1.1 404 Not Found\r\n",
     "absolute_path_rejected"},
};

START_TEST(malformed_request_is_refused) {
    proxy_case_init(&c, 0);
    serve_raw();
    raw_peer_send(&peer, refusals[_i].request);
    RUN_UNTIL(&c.stack, raw_peer_got(&peer, "\r\n\r\n"));
    ck_assert_msg(raw_peer_got(&peer, refusals[_i].status_line), "%s",
                  test_text_get(&peer.received));
    if (refusals[_i].details != NULL) {
        ck_assert_str_eq(test_stack_log(&c.stack)->details, refusals[_i].details);
    }
    ck_assert_uint_eq(c.upstream.request_count, 0);
    raw_peer_shutdown(&peer);
    test_stack_advance(&c.stack, 7000);
    RUN_UNTIL(&c.stack, raw_peer_is_over(&peer));
    finish();
}
END_TEST

START_TEST(too_large_head_is_431) {
    proxy_case_init(&c, 0);
    serve_raw();
    raw_peer_send(&peer, "GET / HTTP/1.1\r\nhost: x\r\nbig: ");
    for (int i = 0; i < 62; i++) {
        char kib[1025];
        memset(kib, 'b', 1024);
        kib[1024] = '\0';
        raw_peer_send(&peer, kib);
    }
    raw_peer_send(&peer, "\r\n\r\n");
    RUN_UNTIL(&c.stack, raw_peer_got(&peer, "\r\n\r\n"));
    ck_assert(raw_peer_got(&peer, "HTTP/1.1 431 Request Header Fields Too Large\r\n"));
    ASSERT_LOGGED(&c.stack, 431, "http1.headers_too_large");
    test_stack_advance(&c.stack, 1100);
    RUN_UNTIL(&c.stack, raw_peer_is_over(&peer));
    finish();
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("http1_wire");
    TCase *t = tcase_create("wire");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, pipelined_requests_are_answered_in_order, 0, PROXY_PAIRS);
    tcase_add_loop_test(t, half_closed_client_is_gone, 0, PROXY_PAIRS);
    tcase_add_test(t, requests_cut_anywhere_are_the_same);
    tcase_add_loop_test(t, disconnect_at_every_byte_leaves_nothing, 0, 8);
    tcase_add_loop_test(t, websocket_passes_both_ways, 0, 3);
    tcase_add_test(t, websocket_refused_by_the_upstream_stays_http);
    tcase_add_test(t, websocket_without_leave_is_403);
    tcase_add_test(t, connect_without_leave_is_refused);
    tcase_add_loop_test(t, malformed_request_is_refused, 0, (int)ARRAY_LEN(refusals));
    tcase_add_test(t, too_large_head_is_431);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    return test_run(suite());
}
