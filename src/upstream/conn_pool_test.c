// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/upstream_test_fixture.h"

static struct fixture f;
static struct server server;

static void setup_http1(void) {
    fixture_init(&f);
    server_init(&server, &f.control, false);
}

static void setup_http2(void) {
    fixture_init(&f);
    server_init(&server, &f.control, true);
}

static void teardown(void) {
    fixture_deinit(&f);
}

static struct cluster_part *web(void) {
    struct cluster_part *part = make_cluster("web", &server.address, 1);
    part->http.protocol = server.is_http2 ? UPSTREAM_HTTP_2 : UPSTREAM_HTTP_1;
    return part;
}

static void add(struct cluster_part *part) {
    cluster_manager_add(f.clusters, part, NULL, NULL);
    fixture_turns(&f, 3);
}

static void finish(struct attempt *attempt) {
    RUN_UNTIL(&f, attempt->is_closed || attempt->is_reset);
}

static bool was_sent_to(const struct attempt *attempt, const struct address *address) {
    struct address host = stored_address_get(&attempt->info.host);
    return address_equal(&host, address);
}

START_TEST(request_over_http1_is_answered) {
    add(web());
    struct attempt attempt;
    ck_assert(attempt_start(&attempt, &f, "web"));
    finish(&attempt);
    ck_assert(attempt.is_closed && attempt.is_ready);
    ck_assert_uint_eq(attempt.status, 200);
    ck_assert(was_sent_to(&attempt, &server.address));
    ck_assert_uint_gt(attempt.info.received.header, 0);
    ck_assert(slice_equal(attempt.info.cluster_name, SLICE("web")));
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_RQ_TOTAL), 1);
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_RQ_ACTIVE), 0);
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_RQ_PENDING_TOTAL), 1);
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_RQ_PENDING_ACTIVE), 0);
    attempt_deinit(&attempt);
    server_deinit(&server);
}
END_TEST

START_TEST(second_request_reuses_the_connection) {
    add(web());
    for (int i = 0; i < 3; i++) {
        struct attempt attempt;
        ck_assert(attempt_start(&attempt, &f, "web"));
        finish(&attempt);
        ck_assert_uint_eq(attempt.status, 200);
        ck_assert_uint_eq(attempt.info.connection_requests, (unsigned)i + 1);
        attempt_deinit(&attempt);
    }
    ck_assert_uint_eq(server.connection_count, 1);
    ck_assert_uint_eq(server.request_count, 3);
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_CX_TOTAL), 1);
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_CX_ACTIVE), 1);
    server_deinit(&server);
}
END_TEST

START_TEST(connection_close_is_not_reused) {
    server.says_close = true;
    add(web());
    for (int i = 0; i < 2; i++) {
        struct attempt attempt;
        ck_assert(attempt_start(&attempt, &f, "web"));
        finish(&attempt);
        ck_assert_uint_eq(attempt.status, 200);
        attempt_deinit(&attempt);
    }
    ck_assert_uint_eq(server.connection_count, 2);
    RUN_UNTIL(&f, cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_CX_ACTIVE) == 0);
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_CX_CLOSE_NOTIFY), 2);
    server_deinit(&server);
}
END_TEST

START_TEST(unknown_cluster_is_refused_at_once) {
    struct attempt attempt;
    ck_assert(!attempt_start(&attempt, &f, "nowhere"));
    ck_assert_int_eq(attempt.failure, UPSTREAM_FAILURE_NO_CLUSTER);
    attempt_deinit(&attempt);
    server_deinit(&server);
}
END_TEST

START_TEST(empty_cluster_has_no_host) {
    add(make_cluster("web", NULL, 0));
    struct attempt attempt;
    ck_assert(!attempt_start(&attempt, &f, "web"));
    ck_assert_int_eq(attempt.failure, UPSTREAM_FAILURE_NO_HOST);
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_CX_NONE_HEALTHY), 1);
    attempt_deinit(&attempt);
    server_deinit(&server);
}
END_TEST

START_TEST(refused_connection_resets_every_waiter) {
    struct address address = server.address;
    server_deinit(&server);
    add(make_cluster("web", &address, 1));
    struct attempt attempts[2];
    for (int i = 0; i < 2; i++) {
        ck_assert(attempt_start(&attempts[i], &f, "web"));
    }
    for (int i = 0; i < 2; i++) {
        finish(&attempts[i]);
        ck_assert(attempts[i].is_reset && !attempts[i].is_ready);
        ck_assert_int_eq(attempts[i].reason, HTTP_RESET_CONNECTION_FAILURE);
        ck_assert_uint_gt(attempts[i].info.transport_failure_reason.len, 0);
        attempt_deinit(&attempts[i]);
    }
    RUN_UNTIL(&f, cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_CX_ACTIVE) == 0);
    ck_assert_uint_ge(cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_CX_CONNECT_FAIL), 1);
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_RQ_PENDING_FAILURE_EJECT), 2);
}
END_TEST

START_TEST(connect_timeout_is_told_as_such) {
    // A listening socket with a full backlog drops further SYNs.
    struct address address = {0};
    struct error err = {0};
    int full;
    struct address any;
    ck_assert_int_eq(address_from_text(&any, SLICE("127.0.0.1:0"), &err), STATUS_OK);
    ck_assert_int_eq(
        socket_listen(&any, &(struct socket_listen_options){.backlog = 1}, &full, &err), STATUS_OK);
    ck_assert_int_eq(socket_local_address(full, &address, &err), STATUS_OK);
    int fillers[8];
    for (size_t i = 0; i < ARRAY_LEN(fillers); i++) {
        ck_assert_int_eq(
            socket_connect(&address, &(struct socket_connect_options){0}, &fillers[i], &err),
            STATUS_OK);
    }
    struct cluster_part *part = make_cluster("web", &address, 1);
    part->connect_timeout_ms = 250;
    add(part);
    struct attempt attempt;
    ck_assert(attempt_start(&attempt, &f, "web"));
    fixture_turns(&f, 5);
    ck_assert(!attempt.is_reset);
    fixture_advance(&f, 300);
    finish(&attempt);
    ck_assert_int_eq(attempt.reason, HTTP_RESET_CONNECTION_TIMEOUT);
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_CX_CONNECT_TIMEOUT), 1);
    attempt_deinit(&attempt);
    for (size_t i = 0; i < ARRAY_LEN(fillers); i++) {
        close(fillers[i]);
    }
    close(full);
    server_deinit(&server);
}
END_TEST

START_TEST(pending_breaker_refuses_the_next) {
    struct cluster_part *part = web();
    part->breakers[0].max_connections = 1;
    part->breakers[0].max_pending_requests = 1;
    server.answers = false;
    add(part);
    struct attempt first, second, third;
    ck_assert(attempt_start(&first, &f, "web"));
    RUN_UNTIL(&f, server.request_count == 1);
    ck_assert(attempt_start(&second, &f, "web"));
    ck_assert_uint_eq(
        cluster_stat(&f, "web", CLUSTER_STAT_CIRCUIT_BREAKERS_DEFAULT_RQ_PENDING_OPEN), 1);
    ck_assert(!attempt_start(&third, &f, "web"));
    ck_assert_int_eq(third.failure, UPSTREAM_FAILURE_PENDING);
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_RQ_PENDING_OVERFLOW), 1);
    ck_assert_uint_eq(server.connection_count, 1);
    server.answers = true;
    server_answer(server.streams[0], 200);
    finish(&first);
    finish(&second);
    ck_assert_uint_eq(second.status, 200);
    ck_assert_uint_eq(server.connection_count, 1);
    ck_assert_uint_eq(
        cluster_stat(&f, "web", CLUSTER_STAT_CIRCUIT_BREAKERS_DEFAULT_RQ_PENDING_OPEN), 0);
    attempt_deinit(&first);
    attempt_deinit(&second);
    attempt_deinit(&third);
    server_deinit(&server);
}
END_TEST

START_TEST(request_breaker_refuses_on_a_shared_connection) {
    struct cluster_part *part = web();
    part->breakers[0].max_requests = 1;
    server.answers = false;
    add(part);
    struct attempt first, second;
    ck_assert(attempt_start(&first, &f, "web"));
    RUN_UNTIL(&f, server.request_count == 1);
    ck_assert(!attempt_start(&second, &f, "web"));
    ck_assert_int_eq(second.failure, UPSTREAM_FAILURE_OVERFLOW);
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_RQ_ACTIVE_OVERFLOW), 1);
    attempt_deinit(&first);
    attempt_deinit(&second);
    fixture_turns(&f, 5);
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_RQ_ACTIVE), 0);
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_RQ_TX_RESET), 1);
    server_deinit(&server);
}
END_TEST

START_TEST(http2_shares_one_connection) {
    server.answers = false;
    add(web());
    struct attempt attempts[10];
    for (int i = 0; i < 10; i++) {
        ck_assert(attempt_start(&attempts[i], &f, "web"));
    }
    RUN_UNTIL(&f, server.request_count == 10);
    ck_assert_uint_eq(server.connection_count, 1);
    for (uint32_t i = 0; i < 10; i++) {
        server_answer(server.streams[i], 204);
    }
    for (int i = 0; i < 10; i++) {
        finish(&attempts[i]);
        ck_assert_uint_eq(attempts[i].status, 204);
        ck_assert_int_eq(attempts[i].info.protocol, HTTP_2);
        attempt_deinit(&attempts[i]);
    }
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_CX_HTTP2_TOTAL), 1);
    server_deinit(&server);
}
END_TEST

START_TEST(http2_over_the_stream_limit_opens_another_connection) {
    struct cluster_part *part = web();
    part->http.h2_max_concurrent_streams = 2;
    server.answers = false;
    add(part);
    struct attempt attempts[5];
    for (int i = 0; i < 5; i++) {
        ck_assert(attempt_start(&attempts[i], &f, "web"));
    }
    RUN_UNTIL(&f, server.request_count == 5);
    ck_assert_uint_eq(server.connection_count, 3);
    for (int i = 0; i < 5; i++) {
        attempt_deinit(&attempts[i]);
    }
    server_deinit(&server);
}
END_TEST

START_TEST(http2_goaway_drains_the_connection) {
    server.answers = false;
    add(web());
    struct attempt first, second;
    ck_assert(attempt_start(&first, &f, "web"));
    RUN_UNTIL(&f, server.request_count == 1);
    http_codec_goaway(server.connections[0]->codec);
    RUN_UNTIL(&f, cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_CX_CLOSE_NOTIFY) == 1);
    ck_assert(attempt_start(&second, &f, "web"));
    RUN_UNTIL(&f, server.request_count == 2);
    ck_assert_uint_eq(server.connection_count, 2);
    server_answer(server.streams[0], 200);
    finish(&first);
    ck_assert_uint_eq(first.status, 200);
    RUN_UNTIL(&f, server.connections[0]->is_closed);
    attempt_deinit(&first);
    attempt_deinit(&second);
    server_deinit(&server);
}
END_TEST

START_TEST(lost_connection_resets_its_requests) {
    server.answers = false;
    add(web());
    struct attempt attempt;
    ck_assert(attempt_start(&attempt, &f, "web"));
    RUN_UNTIL(&f, server.request_count == 1);
    server_close_connection(server.connections[0]);
    finish(&attempt);
    ck_assert_int_eq(attempt.reason, HTTP_RESET_CONNECTION_TERMINATION);
    attempt_deinit(&attempt);
    server_deinit(&server);
}
END_TEST

START_TEST(idle_connection_is_closed_in_time) {
    struct cluster_part *part = web();
    part->http.idle_timeout_ms = 1000;
    add(part);
    struct attempt attempt;
    ck_assert(attempt_start(&attempt, &f, "web"));
    finish(&attempt);
    attempt_deinit(&attempt);
    fixture_advance(&f, 900);
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_CX_ACTIVE), 1);
    fixture_advance(&f, 200);
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_CX_ACTIVE), 0);
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_CX_IDLE_TIMEOUT), 1);
    // The pool goes with the reaper; the next request makes a new one.
    fixture_advance(&f, 11000);
    ck_assert(attempt_start(&attempt, &f, "web"));
    finish(&attempt);
    ck_assert_uint_eq(attempt.status, 200);
    attempt_deinit(&attempt);
    server_deinit(&server);
}
END_TEST

START_TEST(max_requests_per_connection_is_obeyed) {
    struct cluster_part *part = web();
    part->http.max_requests_per_connection = 2;
    add(part);
    for (int i = 0; i < 4; i++) {
        struct attempt attempt;
        ck_assert(attempt_start(&attempt, &f, "web"));
        finish(&attempt);
        ck_assert_uint_eq(attempt.status, 200);
        attempt_deinit(&attempt);
    }
    ck_assert_uint_eq(server.connection_count, 2);
    server_deinit(&server);
}
END_TEST

START_TEST(removed_cluster_finishes_what_runs) {
    server.answers = false;
    add(web());
    struct attempt attempt, late;
    ck_assert(attempt_start(&attempt, &f, "web"));
    RUN_UNTIL(&f, server.request_count == 1);
    cluster_manager_remove(f.clusters, SLICE("web"));
    fixture_turns(&f, 5);
    ck_assert(!attempt_start(&late, &f, "web"));
    ck_assert_int_eq(late.failure, UPSTREAM_FAILURE_NO_CLUSTER);
    server_answer(server.streams[0], 200);
    finish(&attempt);
    ck_assert_uint_eq(attempt.status, 200);
    RUN_UNTIL(&f, server_open_connections(&server) == 0);
    attempt_deinit(&attempt);
    attempt_deinit(&late);
    server_deinit(&server);
}
END_TEST

START_TEST(removed_host_is_drained) {
    struct server other;
    server_init(&other, &f.control, false);
    add(web());
    struct attempt attempt;
    ck_assert(attempt_start(&attempt, &f, "web"));
    finish(&attempt);
    attempt_deinit(&attempt);
    ck_assert_uint_eq(server_open_connections(&server), 1);
    struct cluster_part *part = make_cluster("web", &other.address, 1);
    add(part);
    RUN_UNTIL(&f, server_open_connections(&server) == 0);
    ck_assert(attempt_start(&attempt, &f, "web"));
    finish(&attempt);
    ck_assert(was_sent_to(&attempt, &other.address));
    attempt_deinit(&attempt);
    server_deinit(&other);
    server_deinit(&server);
}
END_TEST

START_TEST(waiting_request_can_be_given_up) {
    add(web());
    struct attempt attempt;
    ck_assert(attempt_start(&attempt, &f, "web"));
    attempt_deinit(&attempt);
    fixture_turns(&f, 50);
    ck_assert(!attempt.is_ready && !attempt.is_reset);
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_RQ_CANCELLED), 1);
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_RQ_PENDING_ACTIVE), 0);
    server_deinit(&server);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("conn_pool");
    TCase *http1 = tcase_create("http1");
    tcase_add_checked_fixture(http1, setup_http1, teardown);
    tcase_add_test(http1, request_over_http1_is_answered);
    tcase_add_test(http1, second_request_reuses_the_connection);
    tcase_add_test(http1, connection_close_is_not_reused);
    tcase_add_test(http1, unknown_cluster_is_refused_at_once);
    tcase_add_test(http1, empty_cluster_has_no_host);
    tcase_add_test(http1, refused_connection_resets_every_waiter);
    tcase_add_test(http1, connect_timeout_is_told_as_such);
    tcase_add_test(http1, pending_breaker_refuses_the_next);
    tcase_add_test(http1, lost_connection_resets_its_requests);
    tcase_add_test(http1, idle_connection_is_closed_in_time);
    tcase_add_test(http1, max_requests_per_connection_is_obeyed);
    tcase_add_test(http1, removed_cluster_finishes_what_runs);
    tcase_add_test(http1, removed_host_is_drained);
    tcase_add_test(http1, waiting_request_can_be_given_up);
    suite_add_tcase(suite, http1);
    TCase *http2 = tcase_create("http2");
    tcase_add_checked_fixture(http2, setup_http2, teardown);
    tcase_add_test(http2, request_breaker_refuses_on_a_shared_connection);
    tcase_add_test(http2, http2_shares_one_connection);
    tcase_add_test(http2, http2_over_the_stream_limit_opens_another_connection);
    tcase_add_test(http2, http2_goaway_drains_the_connection);
    suite_add_tcase(suite, http2);
    return run_suite(suite);
}
