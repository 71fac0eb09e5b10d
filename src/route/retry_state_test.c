// SPDX-License-Identifier: Apache-2.0
#include "src/route/retry_state.h"

#include <check.h>
#include <stdlib.h>

#include "src/base/check.h"

struct fixture {
    struct arena arena;
    struct header_map request, response;
    struct retry_state state;
};

static void set_up(struct fixture *f) {
    *f = (struct fixture){0};
    arena_init_heap(&f->arena, 0);
    header_map_init(&f->request, &f->arena);
    header_map_init(&f->response, &f->arena);
}

static bool init(struct fixture *f, const struct retry_policy *policy, bool trust) {
    return retry_state_init(&f->state, policy, &f->request, trust, &f->arena);
}

struct status_case {
    uint32_t on;
    const char *status, *header, *value;
    bool retries;
};
static const struct status_case status_cases[] = {
    {RETRY_ON_5XX, "500", NULL, NULL, true},
    {RETRY_ON_5XX, "599", NULL, NULL, true},
    {RETRY_ON_5XX, "404", NULL, NULL, false},
    {RETRY_ON_5XX, "200", NULL, NULL, false},
    {RETRY_ON_GATEWAY_ERROR, "502", NULL, NULL, true},
    {RETRY_ON_GATEWAY_ERROR, "504", NULL, NULL, true},
    {RETRY_ON_GATEWAY_ERROR, "500", NULL, NULL, false},
    {RETRY_ON_GATEWAY_ERROR, "505", NULL, NULL, false},
    {RETRY_ON_RETRIABLE_4XX, "409", NULL, NULL, true},
    {RETRY_ON_RETRIABLE_4XX, "404", NULL, NULL, false},
    {RETRY_ON_RETRIABLE_STATUS_CODES, "418", NULL, NULL, true},
    {RETRY_ON_RETRIABLE_STATUS_CODES, "419", NULL, NULL, false},
    {RETRY_ON_5XX, "418", NULL, NULL, false},
    {RETRY_ON_RETRIABLE_HEADERS, "200", "x-retry", "yes", true},
    {RETRY_ON_RETRIABLE_HEADERS, "200", "x-retry", "no", false},
    {RETRY_ON_5XX, "200", "x-retry", "yes", false},
    // a limit applied further in is retried only where asked for, whatever the code
    {RETRY_ON_5XX, "503", "x-envoy-ratelimited", "true", false},
    {RETRY_ON_ENVOY_RATELIMITED, "429", "x-envoy-ratelimited", "true", true},
    {RETRY_ON_ENVOY_RATELIMITED, "429", NULL, NULL, false},
    {RETRY_ON_GRPC_CANCELLED, "200", "grpc-status", "1", true},
    {RETRY_ON_GRPC_DEADLINE_EXCEEDED, "200", "grpc-status", "4", true},
    {RETRY_ON_GRPC_RESOURCE_EXHAUSTED, "200", "grpc-status", "8", true},
    {RETRY_ON_GRPC_INTERNAL, "200", "grpc-status", "13", true},
    {RETRY_ON_GRPC_UNAVAILABLE, "200", "grpc-status", "14", true},
    {RETRY_ON_GRPC_UNAVAILABLE, "200", "grpc-status", "13", false},
    {RETRY_ON_GRPC_UNAVAILABLE, "200", "grpc-status", "x", false},
    {RETRY_ON_5XX, "200", "grpc-status", "14", false},
};

START_TEST(statuses_are_retried_by_condition) {
    static const uint32_t codes[] = {418};
    static const struct header_matcher headers[] = {
        {.name = SLICE_INIT("x-retry"),
         .kind = HEADER_MATCH_STRING,
         .string = {.kind = STRING_MATCH_EXACT, .text = SLICE_INIT("yes")}}};
    for (size_t i = 0; i < ARRAY_LEN(status_cases); i++) {
        const struct status_case *it = &status_cases[i];
        struct retry_policy policy = {.retry_on = it->on,
                                      .num_retries = 1,
                                      .retriable_status_codes = codes,
                                      .retriable_status_code_count = 1,
                                      .retriable_headers = headers,
                                      .retriable_header_count = 1};
        struct fixture f;
        set_up(&f);
        ck_assert(init(&f, &policy, false));
        header_map_append(&f.response, HEADER_STATUS, slice_from_string(it->status));
        if (it->header != NULL) {
            ck_assert_int_eq(header_map_add(&f.response, slice_from_string(it->header),
                                            slice_from_string(it->value)),
                             STATUS_OK);
        }
        ck_assert_msg(retry_state_wants_status(&f.state, &f.response) == it->retries, "case %zu",
                      i);
        arena_deinit(&f.arena);
    }
}
END_TEST

struct reset_case {
    uint32_t on;
    enum http_reset_reason reason;
    bool request_sent, retries;
};
static const struct reset_case reset_cases[] = {
    {RETRY_ON_5XX, HTTP_RESET_REMOTE, true, true},
    {RETRY_ON_GATEWAY_ERROR, HTTP_RESET_CONNECTION_FAILURE, false, true},
    {RETRY_ON_RESET, HTTP_RESET_CONNECTION_TERMINATION, true, true},
    {RETRY_ON_RESET, HTTP_RESET_OVERFLOW, false, false},
    {RETRY_ON_5XX, HTTP_RESET_OVERFLOW, false, false},
    {RETRY_ON_RESET_BEFORE_REQUEST, HTTP_RESET_REMOTE, false, true},
    {RETRY_ON_RESET_BEFORE_REQUEST, HTTP_RESET_REMOTE, true, false},
    {RETRY_ON_CONNECT_FAILURE, HTTP_RESET_CONNECTION_FAILURE, false, true},
    {RETRY_ON_CONNECT_FAILURE, HTTP_RESET_CONNECTION_TIMEOUT, false, true},
    {RETRY_ON_CONNECT_FAILURE, HTTP_RESET_REMOTE, true, false},
    {RETRY_ON_REFUSED_STREAM, HTTP_RESET_REMOTE_REFUSED, true, true},
    {RETRY_ON_REFUSED_STREAM, HTTP_RESET_REMOTE, true, false},
    {RETRY_ON_RETRIABLE_4XX, HTTP_RESET_REMOTE, true, false},
};

START_TEST(resets_are_retried_by_condition) {
    for (size_t i = 0; i < ARRAY_LEN(reset_cases); i++) {
        struct retry_state state = {.retry_on = reset_cases[i].on};
        ck_assert_msg(
            retry_state_wants_reset(&state, reset_cases[i].reason, reset_cases[i].request_sent) ==
                reset_cases[i].retries,
            "case %zu", i);
    }
    struct retry_state state = {.retry_on = RETRY_ON_GATEWAY_ERROR};
    ck_assert(retry_state_wants_timeout(&state));
    state.retry_on = RETRY_ON_CONNECT_FAILURE;
    ck_assert(!retry_state_wants_timeout(&state));
}
END_TEST

START_TEST(headers_of_a_trusted_client_add_to_the_policy) {
    struct fixture f;
    set_up(&f);
    header_map_append(&f.request, HEADER_X_ENVOY_RETRY_ON, SLICE("nonsense, 5xx ,reset"));
    header_map_append(&f.request, HEADER_X_ENVOY_RETRY_GRPC_ON, SLICE("unavailable"));
    header_map_append(&f.request, HEADER_X_ENVOY_MAX_RETRIES, SLICE("7"));
    header_map_append(&f.request, HEADER_X_ENVOY_RETRIABLE_STATUS_CODES, SLICE("418, x,429"));
    header_map_append(&f.request, HEADER_X_ENVOY_RETRIABLE_HEADER_NAMES, SLICE("X-Again, ,y"));
    ck_assert(init(&f, NULL, true));
    ck_assert_uint_eq(f.state.retry_on, RETRY_ON_5XX | RETRY_ON_RESET | RETRY_ON_GRPC_UNAVAILABLE);
    ck_assert_uint_eq(f.state.remaining, 7);
    ck_assert_uint_eq(f.state.extra_code_count, 2);
    ck_assert_uint_eq(f.state.extra_codes[1], 429);
    ck_assert_uint_eq(f.state.extra_header_count, 2);
    ck_assert_uint_eq(f.request.live, 0); // none of them goes upstream
    f.state.retry_on = RETRY_ON_RETRIABLE_HEADERS;
    header_map_append_name(&f.response, SLICE("x-again"), SLICE(""));
    ck_assert(retry_state_wants_status(&f.state, &f.response));
    arena_deinit(&f.arena);
}
END_TEST

START_TEST(headers_of_an_untrusted_client_are_removed_and_not_heard) {
    struct fixture f;
    set_up(&f);
    header_map_append(&f.request, HEADER_X_ENVOY_RETRY_ON, SLICE("5xx"));
    header_map_append(&f.request, HEADER_X_ENVOY_MAX_RETRIES, SLICE("1000"));
    ck_assert(!init(&f, NULL, false));
    ck_assert_uint_eq(f.request.live, 0);
    arena_deinit(&f.arena);
}
END_TEST

START_TEST(requests_that_do_not_match_are_not_retried) {
    struct fixture f;
    set_up(&f);
    struct header_matcher matcher = {
        .name = SLICE("x-idempotent"), .kind = HEADER_MATCH_PRESENT, .present = true};
    struct retry_policy policy = {.retry_on = RETRY_ON_5XX,
                                  .num_retries = 1,
                                  .retriable_request_headers = &matcher,
                                  .retriable_request_header_count = 1};
    ck_assert(!init(&f, &policy, true));
    header_map_append_name(&f.request, SLICE("x-idempotent"), SLICE("1"));
    ck_assert(init(&f, &policy, true));
    arena_deinit(&f.arena);
}
END_TEST

START_TEST(retries_run_out) {
    struct fixture f;
    set_up(&f);
    struct retry_policy policy = {.retry_on = RETRY_ON_5XX, .num_retries = 2};
    ck_assert(init(&f, &policy, false));
    ck_assert(retry_state_take(&f.state));
    ck_assert(retry_state_take(&f.state));
    ck_assert(!retry_state_take(&f.state));
    arena_deinit(&f.arena);
}
END_TEST

START_TEST(backoff_doubles_to_its_maximum) {
    struct fixture f;
    set_up(&f);
    struct retry_policy policy = {.retry_on = RETRY_ON_5XX,
                                  .num_retries = 100,
                                  .base_interval_ms = 10,
                                  .max_interval_ms = 35};
    static const uint32_t limits[] = {10, 20, 35, 35};
    struct random random;
    random_init_seed(&random, 3);
    ck_assert(init(&f, &policy, false));
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        ck_assert(retry_state_take(&f.state));
        uint32_t most = 0;
        for (int j = 0; j < 2000; j++) {
            uint32_t ms = retry_state_backoff_ms(&f.state, &random);
            most = ms > most ? ms : most;
        }
        ck_assert_uint_eq(most, limits[i] - 1);
    }
    ck_assert(init(&f, NULL, false) == false);
    ck_assert_uint_eq(f.state.base_interval_ms, 25);
    ck_assert_uint_eq(f.state.max_interval_ms, 250);
    arena_deinit(&f.arena);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("retry_state");
    TCase *tcase = tcase_create("retry_state");
    tcase_add_test(tcase, statuses_are_retried_by_condition);
    tcase_add_test(tcase, resets_are_retried_by_condition);
    tcase_add_test(tcase, headers_of_a_trusted_client_add_to_the_policy);
    tcase_add_test(tcase, headers_of_an_untrusted_client_are_removed_and_not_heard);
    tcase_add_test(tcase, requests_that_do_not_match_are_not_retried);
    tcase_add_test(tcase, retries_run_out);
    tcase_add_test(tcase, backoff_doubles_to_its_maximum);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
