// SPDX-License-Identifier: Apache-2.0
/* Remote key sets: a filter in its chain, and an identity provider behind our own pools. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "filters/http/jwt_authn/jwt_authn.h"
#include "src/config/config_task.h"
#include "src/tls/testing/test_signer.h"
#include "src/upstream/upstream_test_fixture.h"
#include "tests/filter_support/filter_fixture.h"

extern const struct http_filter_factory jwt_authn_http_filter_factory;

static struct filter_fixture fx;
static struct cluster_manager *clusters;
static struct upstream_manager *upstream, *control_upstream;
static struct server server;
static struct test_signer *signer;
static const char *text;

static void turn(void) {
    event_loop_run_once(fx.control.loop, 0);
    event_loop_run_once(fx.io.loop, 0);
}

#define TURN_UNTIL(condition)                                                                      \
    do {                                                                                           \
        int left_ = MAX_TURNS;                                                                     \
        while (!(condition) && left_-- > 0) {                                                      \
            turn();                                                                                \
        }                                                                                          \
        ck_assert_msg(condition, "never: %s", #condition);                                         \
    } while (0)

static void advance_ms(uint64_t ms) {
    virtual_clock_advance(&fx.clock, ms * 1000);
    for (int i = 0; i < 20; i++) {
        turn();
    }
}

static void setup(void) {
    filter_fixture_init(&fx, &jwt_authn_http_filter_factory);
    clusters = cluster_manager_new(&fx.control, fx.store, fx.stats);
    upstream = upstream_manager_new(&fx.io, clusters);
    control_upstream = upstream_manager_new(&fx.control, clusters);
    server_init(&server, &fx.control, true);
    server.answers = false;
    struct cluster_part *part = make_cluster("idp", &server.address, 1);
    part->http.protocol = UPSTREAM_HTTP_2;
    cluster_manager_add(clusters, part, NULL, NULL);
    signer = test_signer_new(TEST_SIGNER_P256);
    struct slice token = test_signer_token(signer, SIGNATURE_ES256, "{\"alg\":\"ES256\"}",
                                           "{\"iss\":\"iss\"}", &fx.scratch);
    text = arena_dup_string(&fx.scratch, token);
    for (int i = 0; i < 5; i++) {
        turn();
    }
}

static void teardown(void) {
    filter_fixture_close(&fx);
    server_deinit(&server);
    upstream_manager_free(upstream);
    upstream_manager_free(control_upstream);
    config_store_unsubscribe(fx.store, &fx.io);
    cluster_manager_free(clusters);
    for (int i = 0; i < 5; i++) {
        turn();
    }
    filter_fixture_deinit(&fx);
    test_signer_free(signer);
}

static void use(const char *cluster, const char *more) {
    struct slice yaml = arena_printf(
        &fx.scratch,
        "providers:\n  p:\n    issuer: iss\n    remote_jwks:\n"
        "      http_uri: {uri: 'http://idp.example/keys', cluster: %s, timeout: 5s}\n%s"
        "rules: [{match: {prefix: /}, requires: {provider_name: p}}]\n",
        cluster, more);
    filter_fixture_use(&fx, arena_dup_string(&fx.scratch, yaml));
}

static bool request(void) {
    struct slice lines = arena_printf(
        &fx.scratch, ":method: GET\n:path: /\n:authority: a\nauthorization: Bearer %s\n", text);
    return filter_fixture_request(&fx, arena_dup_string(&fx.scratch, lines));
}

static void answer(struct server_stream *stream, uint32_t status, struct slice body) {
    struct header_map headers;
    struct buffer data;
    header_map_init(&headers, &stream->arena);
    header_map_set_uint(&headers, HEADER_STATUS, status);
    ck_assert_int_eq(http_stream_encode_headers(stream->stream, &headers, false), STATUS_OK);
    buffer_init(&data, &fx.control.buffers);
    buffer_append(&data, body);
    http_stream_encode_data(stream->stream, &data, true);
    buffer_deinit(&data);
}

static struct slice key_set(void) {
    struct slice jwk = test_signer_jwk(signer, "", &fx.scratch);
    return arena_printf(&fx.scratch, "{\"keys\":[%.*s]}", SLICE_ARG(jwk));
}

static uint64_t stat(const char *name) {
    return filter_fixture_stat(
        &fx, arena_dup_string(&fx.scratch, arena_printf(&fx.scratch, "http.P.jwt_authn.%s", name)));
}

#define ASKED(n) (server.request_count == (n) && server.streams[(n)-1]->is_complete)

START_TEST(jwt_remote_request_waits_for_the_keys_and_goes_on) {
    use("idp", "");
    ck_assert(!request());
    ck_assert_uint_eq(fx.replies, 0);
    TURN_UNTIL(ASKED(1));
    ck_assert(!fx.reached_end);
    answer(server.streams[0], 200, key_set());
    TURN_UNTIL(fx.reached_end);
    ck_assert_uint_eq(stat("jwks_fetch_success"), 1);
    ck_assert_uint_eq(stat("allowed"), 1);
    filter_fixture_close(&fx);
    ck_assert(request());
    ck_assert_uint_eq(server.request_count, 1);
}
END_TEST

START_TEST(jwt_remote_expired_keys_are_fetched_again) {
    use("idp", "      cache_duration: 10s\n");
    ck_assert(!request());
    TURN_UNTIL(ASKED(1));
    answer(server.streams[0], 200, key_set());
    TURN_UNTIL(fx.reached_end);
    filter_fixture_close(&fx);
    advance_ms(9000);
    ck_assert(request());
    filter_fixture_close(&fx);
    advance_ms(2000);
    ck_assert(!request());
    TURN_UNTIL(ASKED(2));
    answer(server.streams[1], 200, SLICE("{\"keys\":[]}"));
    TURN_UNTIL(fx.replies == 1);
    ck_assert(slice_equal(fx.reply_body, SLICE("Jwks remote fetch is failed")));
    ck_assert_uint_eq(stat("jwks_fetch_failed"), 1);
}
END_TEST

static const struct {
    uint32_t status;
    struct slice body;
} failures[] = {
    {404, SLICE_INIT("{}")},
    {500, SLICE_INIT("")},
    {200, SLICE_INIT("no JSON")},
    {200, SLICE_INIT("{\"keys\":[{\"kty\":\"EC\"}]}")},
};

START_TEST(jwt_remote_bad_answers_deny) {
    use("idp", "");
    ck_assert(!request());
    TURN_UNTIL(ASKED(1));
    answer(server.streams[0], failures[_i].status, failures[_i].body);
    TURN_UNTIL(fx.replies == 1);
    ck_assert_uint_eq(fx.reply_status, 401);
    ck_assert(slice_equal(fx.reply_body, SLICE("Jwks remote fetch is failed")));
    ck_assert_uint_eq(stat("jwks_fetch_failed"), 1);
}
END_TEST

START_TEST(jwt_remote_timeout_denies) {
    use("idp", "");
    ck_assert(!request());
    TURN_UNTIL(ASKED(1));
    advance_ms(5001);
    TURN_UNTIL(fx.replies == 1);
    ck_assert(slice_equal(fx.reply_body, SLICE("Jwks remote fetch is failed")));
}
END_TEST

START_TEST(jwt_remote_unknown_cluster_denies_later_not_within_the_call) {
    use("nowhere", "");
    ck_assert(!request());
    ck_assert_uint_eq(fx.replies, 0);
    TURN_UNTIL(fx.replies == 1);
    ck_assert(slice_equal(fx.reply_body, SLICE("Jwks remote fetch is failed")));
}
END_TEST

START_TEST(jwt_remote_retries_as_configured) {
    use("idp", "      retry_policy: {num_retries: 1, retry_back_off: {base_interval: 0.1s}}\n");
    ck_assert(!request());
    TURN_UNTIL(ASKED(1));
    answer(server.streams[0], 503, SLICE("x"));
    for (int i = 0; i < 50; i++) {
        turn();
    }
    advance_ms(101);
    TURN_UNTIL(ASKED(2));
    answer(server.streams[1], 200, key_set());
    TURN_UNTIL(fx.reached_end);
    ck_assert_uint_eq(stat("jwks_fetch_success"), 1);
    ck_assert_uint_eq(stat("jwks_fetch_failed"), 0);
}
END_TEST

START_TEST(jwt_remote_client_that_leaves_cancels_the_fetch) {
    use("idp", "");
    ck_assert(!request());
    TURN_UNTIL(ASKED(1));
    filter_fixture_close(&fx);
    TURN_UNTIL(server.streams[0]->is_gone);
    ck_assert_uint_eq(stat("jwks_fetch_failed"), 0);
    ck_assert(!request());
    TURN_UNTIL(ASKED(2));
    answer(server.streams[1], 200, key_set());
    TURN_UNTIL(fx.reached_end);
}
END_TEST

/* ---- async_fetch: on the control thread, before any request ---- */

static int tasks_done;

static void on_task_done(void *arg) {
    (void)arg;
    tasks_done++;
}

#define ASYNC(more) "      cache_duration: 10s\n      async_fetch: {" more "}\n"

/* As the warming of a listener does it. */
static struct config_task *start_task(void) {
    struct config_task *task = fx.part->tasks;
    ck_assert_ptr_nonnull(task);
    ck_assert_ptr_null(task->next);
    tasks_done = 0;
    task->on_done = on_task_done;
    task->ops->start(task, &fx.control);
    TURN_UNTIL(ASKED(1));
    ck_assert_int_eq(tasks_done, 0);
    return task;
}

START_TEST(jwt_async_fetches_without_a_request) {
    use("idp", ASYNC(""));
    struct config_task *task = start_task();
    ck_assert(task->is_awaited);
    answer(server.streams[0], 200, key_set());
    TURN_UNTIL(tasks_done == 1);
    turn();
    ck_assert_uint_eq(stat("jwks_fetch_success"), 1);
    ck_assert(request());
    ck_assert_uint_eq(server.request_count, 1);
    task->ops->stop(task);
}
END_TEST

START_TEST(jwt_async_failure_lets_the_listener_go_on) {
    use("idp", ASYNC("failed_refetch_duration: 2s"));
    struct config_task *task = start_task();
    answer(server.streams[0], 503, SLICE(""));
    TURN_UNTIL(tasks_done == 1);
    ck_assert_uint_eq(stat("jwks_fetch_failed"), 1);
    advance_ms(1990);
    ck_assert_uint_eq(server.request_count, 1);
    advance_ms(11);
    TURN_UNTIL(ASKED(2));
    answer(server.streams[1], 200, key_set());
    TURN_UNTIL(stat("jwks_fetch_success") == 1);
    ck_assert_int_eq(tasks_done, 1);
    turn();
    ck_assert(request());
    ck_assert_uint_eq(server.request_count, 2);
    task->ops->stop(task);
}
END_TEST

START_TEST(jwt_async_refreshes_and_keeps_keys_through_an_outage) {
    use("idp", ASYNC("fast_listener: true"));
    struct config_task *task = start_task();
    ck_assert(!task->is_awaited);
    answer(server.streams[0], 200, key_set());
    TURN_UNTIL(stat("jwks_fetch_success") == 1);
    advance_ms(4990); // 5 s before the keys expire
    ck_assert_uint_eq(server.request_count, 1);
    advance_ms(11);
    TURN_UNTIL(ASKED(2));
    answer(server.streams[1], 500, SLICE(""));
    TURN_UNTIL(stat("jwks_fetch_failed") == 1);
    advance_ms(1001);
    TURN_UNTIL(ASKED(3));
    advance_ms(30000); // long after what was said of their life
    ck_assert(request());
    ck_assert_uint_eq(stat("jwks_fetch_success"), 1);
    task->ops->stop(task);
}
END_TEST

START_TEST(jwt_async_refresh_replaces_the_keys) {
    use("idp", ASYNC(""));
    struct config_task *task = start_task();
    answer(server.streams[0], 200, key_set());
    TURN_UNTIL(tasks_done == 1);
    advance_ms(5001);
    TURN_UNTIL(ASKED(2));
    struct test_signer *other = test_signer_new(TEST_SIGNER_P256);
    struct slice jwk = test_signer_jwk(other, "", &fx.scratch);
    answer(server.streams[1], 200, arena_printf(&fx.scratch, "{\"keys\":[%.*s]}", SLICE_ARG(jwk)));
    TURN_UNTIL(stat("jwks_fetch_success") == 2);
    turn();
    ck_assert(!request());
    ck_assert_uint_eq(fx.reply_status, 401);
    test_signer_free(other);
    task->ops->stop(task);
}
END_TEST

START_TEST(jwt_async_stop_ends_what_is_under_way) {
    use("idp", ASYNC(""));
    struct config_task *task = start_task();
    if (_i == 1) { /* between two fetches */
        answer(server.streams[0], 200, key_set());
        TURN_UNTIL(tasks_done == 1);
    }
    task->ops->stop(task);
    TURN_UNTIL(server.streams[0]->is_gone);
    advance_ms(100000);
    ck_assert_uint_eq(server.request_count, 1);
    ck_assert_int_eq(tasks_done, _i);
    ck_assert_uint_eq(stat("jwks_fetch_failed"), 0);
}
END_TEST

/* The keys are on their way to the worker when the configuration goes: they must not arrive too late. */
START_TEST(jwt_async_keys_on_their_way_hold_the_configuration) {
    use("idp", ASYNC(""));
    struct config_task *task = start_task();
    answer(server.streams[0], 200, key_set());
    for (int i = 0; i < MAX_TURNS && tasks_done == 0; i++) {
        event_loop_run_once(fx.control.loop, 0);
    }
    ck_assert_int_eq(tasks_done, 1);
    task->ops->stop(task);
    ck_assert_uint_gt(fx.part->refs, 1);
    turn();
    turn();
    ck_assert_uint_eq(fx.part->refs, 1);
}
END_TEST

START_TEST(jwt_async_request_before_the_keys_fetches_by_itself) {
    use("idp", ASYNC("fast_listener: true"));
    struct config_task *task = start_task();
    ck_assert(!request());
    TURN_UNTIL(ASKED(2));
    answer(server.streams[1], 200, key_set());
    TURN_UNTIL(fx.reached_end);
    ck_assert_uint_eq(stat("jwks_fetch_success"), 1);
    task->ops->stop(task);
}
END_TEST

/* ---- the source by itself: several who wait ---- */

static struct jwks_wait waits[3];
static int told[3];

static void on_told(void *arg) {
    int *mine = arg;
    (*mine)++;
    /* The first that hears ends the last. */
    if (mine == &told[0]) {
        jwks_wait_leave(&waits[2]);
    }
}

START_TEST(jwks_source_waiters_share_a_fetch_and_may_end_each_other) {
    struct jwks_remote remote = {.cluster_slot =
                                     config_store_slot(fx.store, CONFIG_CLUSTER, SLICE("idp")),
                                 .scheme = SLICE("http"),
                                 .authority = SLICE("idp"),
                                 .path = SLICE("/keys"),
                                 .timeout_ms = 1000,
                                 .cache_ms = 1000};
    struct jwks_source *source = jwks_source_new_remote(&remote, 1);
    for (int i = 0; i < 3; i++) {
        told[i] = 0;
        waits[i] = (struct jwks_wait){.done = on_told, .arg = &told[i]};
        jwks_source_wait(source, &fx.io, &waits[i]);
    }
    jwks_wait_leave(&waits[1]);
    TURN_UNTIL(ASKED(1));
    answer(server.streams[0], 200, key_set());
    TURN_UNTIL(told[0] == 1);
    ck_assert_int_eq(told[1], 0);
    ck_assert_int_eq(told[2], 0);
    ck_assert_uint_eq(server.request_count, 1);
    ck_assert_int_eq(waits[0].status, JWT_OK);
    jwks_wait_leave(&waits[0]);
    jwks_source_free(source);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("jwt_remote");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, jwt_remote_request_waits_for_the_keys_and_goes_on);
    tcase_add_test(tests, jwt_remote_expired_keys_are_fetched_again);
    tcase_add_loop_test(tests, jwt_remote_bad_answers_deny, 0, (int)ARRAY_LEN(failures));
    tcase_add_test(tests, jwt_remote_timeout_denies);
    tcase_add_test(tests, jwt_remote_unknown_cluster_denies_later_not_within_the_call);
    tcase_add_test(tests, jwt_remote_retries_as_configured);
    tcase_add_test(tests, jwt_remote_client_that_leaves_cancels_the_fetch);
    tcase_add_test(tests, jwt_async_fetches_without_a_request);
    tcase_add_test(tests, jwt_async_failure_lets_the_listener_go_on);
    tcase_add_test(tests, jwt_async_refreshes_and_keeps_keys_through_an_outage);
    tcase_add_test(tests, jwt_async_refresh_replaces_the_keys);
    tcase_add_loop_test(tests, jwt_async_stop_ends_what_is_under_way, 0, 2);
    tcase_add_test(tests, jwt_async_keys_on_their_way_hold_the_configuration);
    tcase_add_test(tests, jwt_async_request_before_the_keys_fetches_by_itself);
    tcase_add_test(tests, jwks_source_waiters_share_a_fetch_and_may_end_each_other);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
