// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/breaker_runtime.h"

#include <check.h>
#include <stdlib.h>

#include "src/base/check.h"
#include "src/runtime/runtime.h"

static struct runtime *runtime;
static struct runtime_layer *layer;

static void on_change(void *arg) {
    (void)arg;
}

static void setup(void) {
    runtime = runtime_new(on_change, NULL);
    layer = runtime_add_layer(runtime, SLICE("l"));
}

static void teardown(void) {
    runtime_free(runtime);
}

static void set(const char *key, const char *text) {
    struct slice value = slice_from_string(text);
    runtime_layer_set(layer, slice_from_string(key), value, runtime_value_of_text(value));
}

static const struct circuit_breaker_thresholds configured = {
    .max_connections = 1,
    .max_pending_requests = 2,
    .max_requests = 3,
    .max_retries = 4,
    .max_connection_pools = 5,
    .has_retry_budget = true,
    .retry_budget_per_million = 200000,
    .retry_budget_min_concurrency = 3,
};

static struct circuit_breaker_thresholds now(bool is_high) {
    return breaker_thresholds_now(runtime, SLICE("web"), is_high, &configured);
}

START_TEST(breaker_runtime_leaves_what_no_key_names) {
    ck_assert(!breaker_runtime_is_used(runtime));
    set("circuit_breakers.other.default.max_requests", "7");
    set("circuit_breakers.web.high.max_requests", "8");
    set("circuit_breakers.web.default.max_connections", "no number");
    ck_assert(breaker_runtime_is_used(runtime));
    ck_assert_uint_eq(now(false).max_requests, configured.max_requests);
    ck_assert_uint_eq(now(false).max_connections, configured.max_connections);
    ck_assert_uint_eq(now(false).retry_budget_per_million, configured.retry_budget_per_million);
    ck_assert_uint_eq(now(true).max_requests, 8);
}
END_TEST

START_TEST(breaker_runtime_sets_each_limit) {
    set("circuit_breakers.web.default.max_connections", "10");
    set("circuit_breakers.web.default.max_pending_requests", "0");
    set("circuit_breakers.web.default.max_requests", "99999999999");
    set("circuit_breakers.web.default.max_retries", "12");
    set("circuit_breakers.web.default.max_connection_pools", "13");
    set("circuit_breakers.web.default.retry_budget.budget_percent", "12.5");
    set("circuit_breakers.web.default.retry_budget.min_retry_concurrency", "14");
    struct circuit_breaker_thresholds thresholds = now(false);
    ck_assert_uint_eq(thresholds.max_connections, 10);
    ck_assert_uint_eq(thresholds.max_pending_requests, 0);
    ck_assert_uint_eq(thresholds.max_requests, UINT32_MAX);
    ck_assert_uint_eq(thresholds.max_retries, 12);
    ck_assert_uint_eq(thresholds.max_connection_pools, 13);
    ck_assert_uint_eq(thresholds.retry_budget_per_million, 125000);
    ck_assert_uint_eq(thresholds.retry_budget_min_concurrency, 14);
    set("circuit_breakers.web.default.retry_budget.budget_percent", "-1");
    ck_assert_uint_eq(now(false).retry_budget_per_million, 200000);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("breaker_runtime");
    TCase *tcase = tcase_create("all");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, breaker_runtime_leaves_what_no_key_names);
    tcase_add_test(tcase, breaker_runtime_sets_each_limit);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
