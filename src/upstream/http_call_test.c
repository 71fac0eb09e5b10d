// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/http_call.h"

#include "src/upstream/grpc_call.h"
#include "src/upstream/upstream_test_fixture.h"

static struct fixture f;
static struct server server;

static void setup(void) {
    fixture_init(&f);
    server_init(&server, &f.control, true);
    server.answers = false;
}
static void teardown(void) {
    fixture_deinit(&f);
}

static void add_cluster(void) {
    struct cluster_part *part = make_cluster("api", &server.address, 1);
    part->http.protocol = UPSTREAM_HTTP_2;
    cluster_manager_add(f.clusters, part, NULL, NULL);
    fixture_turns(&f, 3);
}

static uint32_t slot(void) {
    return config_store_slot(f.store, CONFIG_CLUSTER, SLICE("api"));
}

struct outcome {
    int calls;
    uint32_t status;
    uint8_t message[32];
    size_t message_len;
    enum http_call_outcome http;
};

static void on_grpc(void *arg, uint32_t status, struct slice message, struct slice text) {
    struct outcome *outcome = arg;
    (void)text;
    outcome->calls++;
    outcome->status = status;
    ck_assert_uint_le(message.len, sizeof(outcome->message));
    outcome->message_len = message.len;
    if (message.len != 0) {
        memcpy(outcome->message, message.ptr, message.len);
    }
}

static void on_http(void *arg, const struct http_call_result *result) {
    struct outcome *outcome = arg;
    outcome->calls++;
    outcome->http = result->outcome;
    outcome->status = result->headers == NULL ? 0 : http_status_of(result->headers);
}

static struct grpc_call *call(struct outcome *outcome) {
    *outcome = (struct outcome){0};
    struct grpc_call *started = grpc_call_start(&(struct grpc_call_options){
        .io = &f.worker,
        .cluster_slot = slot(),
        .path = SLICE("/pkg.Service/Method"),
        .message = SLICE("question"),
        .timeout_ms = 500,
        .done = on_grpc,
        .arg = outcome,
    });
    ck_assert_int_eq(outcome->calls, 0);
    return started;
}

/* 200, the bytes, and grpc-status in the trailers. */
static void answer(struct server_stream *stream, struct slice body, const char *grpc_status) {
    struct header_map headers, trailers;
    header_map_init(&headers, &stream->arena);
    header_map_set_uint(&headers, HEADER_STATUS, 200);
    header_map_append(&headers, HEADER_CONTENT_TYPE, SLICE("application/grpc"));
    ck_assert_int_eq(http_stream_encode_headers(stream->stream, &headers, false), STATUS_OK);
    struct buffer data;
    buffer_init(&data, &f.control.buffers);
    buffer_append(&data, body);
    http_stream_encode_data(stream->stream, &data, false);
    buffer_deinit(&data);
    header_map_init(&trailers, &stream->arena);
    header_map_append(&trailers, HEADER_GRPC_STATUS, slice_from_string(grpc_status));
    http_stream_encode_trailers(stream->stream, &trailers);
}

START_TEST(grpc_call_returns_the_message) {
    add_cluster();
    struct outcome outcome;
    (void)call(&outcome);
    RUN_UNTIL(&f, server.request_count == 1 && server.streams[0]->is_complete);
    ck_assert_uint_eq(server.streams[0]->body_bytes, 5 + 8);
    answer(server.streams[0], SLICE("\0\0\0\0\3yes"), "0");
    RUN_UNTIL(&f, outcome.calls == 1);
    ck_assert_uint_eq(outcome.status, GRPC_OK);
    ck_assert_uint_eq(outcome.message_len, 3);
    ck_assert_int_eq(memcmp(outcome.message, "yes", 3), 0);
    server_deinit(&server);
}
END_TEST

START_TEST(grpc_call_refuses_malformed_answers) {
    static const struct {
        struct slice body;
        const char *status;
        uint32_t expected;
    } cases[] = {
        {SLICE_INIT(""), "0", GRPC_INTERNAL},
        {SLICE_INIT("\0\0\0\0\4yes"), "0", GRPC_INTERNAL},
        {SLICE_INIT("\0\0\0\0\2yes"), "0", GRPC_INTERNAL},
        {SLICE_INIT("\1\0\0\0\3yes"), "0", GRPC_UNIMPLEMENTED},
        {SLICE_INIT("\0\0\0\0\3yes"), "x", GRPC_UNKNOWN},
        {SLICE_INIT(""), "7", GRPC_PERMISSION_DENIED},
    };
    add_cluster();
    for (uint32_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome outcome;
        (void)call(&outcome);
        RUN_UNTIL(&f, server.request_count == i + 1 && server.streams[i]->is_complete);
        answer(server.streams[i], cases[i].body, cases[i].status);
        RUN_UNTIL(&f, outcome.calls == 1);
        ck_assert_uint_eq(outcome.status, cases[i].expected);
    }
    server_deinit(&server);
}
END_TEST

START_TEST(grpc_call_has_a_deadline) {
    add_cluster();
    struct outcome outcome;
    (void)call(&outcome);
    RUN_UNTIL(&f, server.request_count == 1);
    fixture_advance(&f, 501);
    ck_assert_int_eq(outcome.calls, 1);
    ck_assert_uint_eq(outcome.status, GRPC_DEADLINE_EXCEEDED);
    RUN_UNTIL(&f, server.streams[0]->is_gone);
    server_deinit(&server);
}
END_TEST

START_TEST(cancelled_call_is_never_told) {
    add_cluster();
    struct outcome outcome;
    struct grpc_call *started = call(&outcome);
    RUN_UNTIL(&f, server.request_count == 1);
    grpc_call_abandon(started);
    RUN_UNTIL(&f, server.streams[0]->is_gone);
    fixture_advance(&f, 1000);
    ck_assert_int_eq(outcome.calls, 0);
    server_deinit(&server);
}
END_TEST

START_TEST(call_without_a_cluster_is_told_later) {
    struct outcome outcome;
    (void)call(&outcome);
    fixture_turns(&f, 2);
    ck_assert_int_eq(outcome.calls, 1);
    ck_assert_uint_eq(outcome.status, GRPC_UNAVAILABLE);
    server_deinit(&server);
}
END_TEST

static struct http_call *http_call(struct outcome *outcome, struct http_call_options options) {
    struct arena arena;
    struct header_map headers;
    arena_init_heap(&arena, 0);
    header_map_init(&headers, &arena);
    header_map_append(&headers, HEADER_METHOD, SLICE("GET"));
    header_map_append(&headers, HEADER_SCHEME, SLICE("http"));
    header_map_append(&headers, HEADER_AUTHORITY, SLICE("api"));
    header_map_append(&headers, HEADER_PATH, SLICE("/"));
    *outcome = (struct outcome){0};
    options.io = &f.worker;
    options.cluster_slot = slot();
    options.headers = &headers;
    options.done = on_http;
    options.arg = outcome;
    struct http_call *started = http_call_start(&options);
    ck_assert_int_eq(outcome->calls, 0);
    arena_deinit(&arena);
    return started;
}

START_TEST(large_body_ends_the_http_call) {
    add_cluster();
    struct outcome outcome;
    (void)http_call(&outcome, (struct http_call_options){.max_body_bytes = 4});
    RUN_UNTIL(&f, server.request_count == 1);
    answer(server.streams[0], SLICE("12345"), "0");
    RUN_UNTIL(&f, outcome.calls == 1);
    ck_assert_int_eq(outcome.http, HTTP_CALL_TOO_LARGE);
    server_deinit(&server);
}
END_TEST

/* ---- attempts after the first ---- */

#define ASKED(n) (server.request_count == (n) && server.streams[(n)-1]->is_complete)

static const struct http_call_options one_retry = {
    .timeout_ms = 5000,
    .retry = {.is_set = true, .max = 1, .base_ms = 100, .max_ms = 300},
};

/* With a body and without: then the headers end the answer. */
static void answer_status(struct server_stream *stream, uint32_t status, bool has_body) {
    struct header_map headers;
    header_map_init(&headers, &stream->arena);
    header_map_set_uint(&headers, HEADER_STATUS, status);
    ck_assert_int_eq(http_stream_encode_headers(stream->stream, &headers, !has_body), STATUS_OK);
    if (has_body) {
        struct buffer data;
        buffer_init(&data, &f.control.buffers);
        buffer_append(&data, SLICE("x"));
        http_stream_encode_data(stream->stream, &data, true);
        buffer_deinit(&data);
    }
}

static void wait_for_retry(void) {
    RUN_UNTIL(&f, cluster_stat(&f, "api", CLUSTER_STAT_UPSTREAM_RQ_RETRY) == 1);
    ck_assert_uint_eq(server.request_count, 1);
    fixture_advance(&f, 101);
    RUN_UNTIL(&f, ASKED(2));
}

/* The cluster's breaker lets three retries go on at once. */
static void check_no_retry_is_held(void) {
    for (int i = 0; i < 3; i++) {
        ck_assert(upstream_retry_acquire(&f.worker, slot(), false));
    }
    ck_assert(!upstream_retry_acquire(&f.worker, slot(), false));
}

START_TEST(error_is_tried_again) {
    add_cluster();
    struct outcome outcome;
    (void)http_call(&outcome, one_retry);
    RUN_UNTIL(&f, ASKED(1));
    answer_status(server.streams[0], 503, _i == 1);
    wait_for_retry();
    ck_assert_int_eq(outcome.calls, 0);
    answer_status(server.streams[1], 200, true);
    RUN_UNTIL(&f, outcome.calls == 1);
    ck_assert_uint_eq(outcome.status, 200);
    ck_assert_uint_eq(server.connection_count, 1);
    ck_assert_uint_eq(cluster_stat(&f, "api", CLUSTER_STAT_UPSTREAM_RQ_RETRY_SUCCESS), 1);
    ck_assert_uint_eq(cluster_stat(&f, "api", CLUSTER_STAT_RETRY_UPSTREAM_RQ_5XX), 1);
    ck_assert_uint_eq(cluster_stat(&f, "api", CLUSTER_STAT_UPSTREAM_RQ_5XX), 0);
    ck_assert_uint_eq(cluster_stat(&f, "api", CLUSTER_STAT_UPSTREAM_RQ_COMPLETED), 1);
    check_no_retry_is_held();
    server_deinit(&server);
}
END_TEST

START_TEST(last_attempt_stands) {
    add_cluster();
    struct outcome outcome;
    (void)http_call(&outcome, one_retry);
    RUN_UNTIL(&f, ASKED(1));
    answer_status(server.streams[0], 503, false);
    wait_for_retry();
    answer_status(server.streams[1], 500, false);
    RUN_UNTIL(&f, outcome.calls == 1);
    ck_assert_uint_eq(outcome.status, 500);
    ck_assert_uint_eq(cluster_stat(&f, "api", CLUSTER_STAT_UPSTREAM_RQ_RETRY_LIMIT_EXCEEDED), 1);
    ck_assert_uint_eq(cluster_stat(&f, "api", CLUSTER_STAT_UPSTREAM_RQ_RETRY_SUCCESS), 0);
    check_no_retry_is_held();
    server_deinit(&server);
}
END_TEST

START_TEST(slow_attempt_is_tried_again) {
    add_cluster();
    struct outcome outcome;
    (void)http_call(&outcome, one_retry);
    RUN_UNTIL(&f, ASKED(1));
    fixture_advance(&f, 301);
    RUN_UNTIL(&f, server.streams[0]->is_gone);
    wait_for_retry();
    ck_assert_uint_eq(cluster_stat(&f, "api", CLUSTER_STAT_UPSTREAM_RQ_PER_TRY_TIMEOUT), 1);
    fixture_advance(&f, 301);
    RUN_UNTIL(&f, outcome.calls == 1);
    ck_assert_int_eq(outcome.http, HTTP_CALL_TIMEOUT);
    ck_assert_uint_eq(cluster_stat(&f, "api", CLUSTER_STAT_UPSTREAM_RQ_TIMEOUT), 0);
    server_deinit(&server);
}
END_TEST

START_TEST(reset_is_tried_again) {
    add_cluster();
    struct outcome outcome;
    (void)http_call(&outcome, one_retry);
    RUN_UNTIL(&f, ASKED(1));
    http_stream_reset(server.streams[0]->stream, HTTP_RESET_LOCAL);
    wait_for_retry();
    answer_status(server.streams[1], 200, false);
    RUN_UNTIL(&f, outcome.calls == 1);
    ck_assert_uint_eq(outcome.status, 200);
    server_deinit(&server);
}
END_TEST

START_TEST(call_that_ends_between_attempts_makes_no_other) {
    add_cluster();
    struct outcome outcome;
    struct http_call_options options = one_retry;
    options.retry.base_ms = options.retry.max_ms = 100000;
    struct http_call *started = http_call(&outcome, options);
    RUN_UNTIL(&f, ASKED(1));
    answer_status(server.streams[0], 503, false);
    RUN_UNTIL(&f, cluster_stat(&f, "api", CLUSTER_STAT_UPSTREAM_RQ_RETRY) == 1);
    bool is_cancelled = _i == 1;
    if (is_cancelled) {
        http_call_cancel(started);
    }
    fixture_advance(&f, 5001);
    ck_assert_int_eq(outcome.calls, is_cancelled ? 0 : 1);
    ck_assert(is_cancelled || outcome.http == HTTP_CALL_TIMEOUT);
    fixture_advance(&f, 100000);
    ck_assert_uint_eq(server.request_count, 1);
    check_no_retry_is_held();
    server_deinit(&server);
}
END_TEST

/* ---- raw connections ---- */

struct tunnel {
    struct upstream_tcp *tcp;
    struct connection *connection;
    int ready, failed;
    bool timed_out;
};

static void tunnel_event(void *arg, enum connection_event event) {
    (void)arg;
    (void)event;
}
static void tunnel_data(void *arg, struct buffer *input, bool end_stream) {
    (void)arg;
    (void)end_stream;
    buffer_clear(input);
}
static const struct connection_callbacks tunnel_callbacks = {.on_data = tunnel_data,
                                                             .on_event = tunnel_event};

static void tunnel_ready(void *arg, struct connection *connection) {
    struct tunnel *tunnel = arg;
    tunnel->ready++;
    tunnel->connection = connection;
    connection_set_callbacks(connection, &tunnel_callbacks, tunnel);
}
static void tunnel_failed(void *arg, struct slice reason, bool timed_out) {
    struct tunnel *tunnel = arg;
    ck_assert_uint_gt(reason.len, 0);
    tunnel->failed++;
    tunnel->timed_out = timed_out;
    upstream_tcp_end(tunnel->tcp, false);
}
static const struct upstream_tcp_callbacks tcp_callbacks = {tunnel_ready, tunnel_failed};

static bool tunnel_start(struct tunnel *tunnel) {
    *tunnel = (struct tunnel){0};
    enum upstream_failure failure;
    tunnel->tcp = upstream_tcp_start(
        &(struct upstream_tcp_options){
            .io = &f.worker, .cluster_slot = slot(), .callbacks = &tcp_callbacks, .arg = tunnel},
        &failure);
    return tunnel->tcp != NULL;
}

START_TEST(tcp_connection_is_counted_and_flushed_at_the_end) {
    add_cluster();
    struct tunnel tunnel;
    ck_assert(tunnel_start(&tunnel));
    ck_assert_int_eq(tunnel.ready, 0);
    RUN_UNTIL(&f, tunnel.ready == 1);
    ck_assert_uint_eq(cluster_stat(&f, "api", CLUSTER_STAT_UPSTREAM_CX_ACTIVE), 1);
    struct buffer bytes;
    buffer_init(&bytes, &f.worker.buffers);
    buffer_append(&bytes, SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    connection_write(tunnel.connection, &bytes, false);
    upstream_tcp_end(tunnel.tcp, true);
    RUN_UNTIL(&f, server.connection_count == 1 && server.connections[0]->is_closed);
    ck_assert_uint_eq(cluster_stat(&f, "api", CLUSTER_STAT_UPSTREAM_CX_ACTIVE), 0);
    ck_assert_uint_eq(cluster_stat(&f, "api", CLUSTER_STAT_UPSTREAM_CX_TX_BYTES_TOTAL), 24);
    server_deinit(&server);
}
END_TEST

START_TEST(refused_tcp_connection_is_told) {
    add_cluster();
    server_deinit(&server);
    struct tunnel tunnel;
    ck_assert(tunnel_start(&tunnel));
    RUN_UNTIL(&f, tunnel.failed == 1);
    ck_assert(!tunnel.timed_out);
    ck_assert_uint_eq(cluster_stat(&f, "api", CLUSTER_STAT_UPSTREAM_CX_ACTIVE), 0);
    ck_assert_uint_eq(cluster_stat(&f, "api", CLUSTER_STAT_UPSTREAM_CX_CONNECT_FAIL), 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("http_call");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, grpc_call_returns_the_message);
    tcase_add_test(tests, grpc_call_refuses_malformed_answers);
    tcase_add_test(tests, grpc_call_has_a_deadline);
    tcase_add_test(tests, cancelled_call_is_never_told);
    tcase_add_test(tests, call_without_a_cluster_is_told_later);
    tcase_add_test(tests, large_body_ends_the_http_call);
    tcase_add_loop_test(tests, error_is_tried_again, 0, 2);
    tcase_add_test(tests, last_attempt_stands);
    tcase_add_test(tests, slow_attempt_is_tried_again);
    tcase_add_test(tests, reset_is_tried_again);
    tcase_add_loop_test(tests, call_that_ends_between_attempts_makes_no_other, 0, 2);
    tcase_add_test(tests, tcp_connection_is_counted_and_flushed_at_the_end);
    tcase_add_test(tests, refused_tcp_connection_is_told);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
