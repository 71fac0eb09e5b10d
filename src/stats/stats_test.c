// SPDX-License-Identifier: Apache-2.0
#include "src/stats/stats.h"

#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/check.h"
#include "src/stats/histogram.h"

#define TEST_STATS(X)                                                                              \
    X(RQ_TOTAL, "rq_total", COUNTER, "requests")                                                   \
    X(RQ_ACTIVE, "rq_active", GAUGE, "requests in flight")                                         \
    X(RQ_TIME, "rq_time", HISTOGRAM, "time of requests")
#define TEST_STAT_ENUM(id, name, kind, doc) STAT_ENUM(TEST, id),
enum { TEST_STATS(TEST_STAT_ENUM) TEST_STAT_COUNT };
static const struct stat_def test_defs[] = {TEST_STATS(STAT_DEF)};
static const struct stat_table test_table = {"test", test_defs, TEST_STAT_COUNT};
static const struct stat_table other_table = {"other", test_defs, 1};

static struct stats_registry *registry;

static void setup(void) {
    registry = stats_registry_new(2);
}
static void teardown(void) {
    stats_registry_free(registry);
}

START_TEST(scope_is_found_again_by_prefix_and_table) {
    struct stats_scope *scope = stats_scope_get(registry, SLICE("cluster.a:80"), &test_table);
    ck_assert_ptr_eq(scope, stats_scope_get(registry, SLICE("cluster.a:80"), &test_table));
    ck_assert_ptr_eq(scope, stats_scope_get(registry, SLICE("cluster.a_80"), &test_table));
    ck_assert_ptr_ne(scope, stats_scope_get(registry, SLICE("cluster.a:80"), &other_table));
    ck_assert(slice_equal(stats_scope_prefix(scope), SLICE("cluster.a_80")));
    struct stats_scope *url = stats_scope_get(registry, SLICE("x.http://y"), &test_table);
    ck_assert(slice_equal(stats_scope_prefix(url), SLICE("x.http_y")));
}
END_TEST

START_TEST(scope_keeps_its_values_until_the_last_reference_goes) {
    struct stats_scope *scope = stats_scope_get(registry, SLICE("a"), &test_table);
    stats_inc(scope, 0, TEST_RQ_TOTAL);
    struct stats_scope *again = stats_scope_get(registry, SLICE("a"), &test_table);
    stats_scope_unref(scope);
    ck_assert_uint_eq(stats_value(again, TEST_RQ_TOTAL), 1);
    stats_scope_unref(again);
    again = stats_scope_get(registry, SLICE("a"), &test_table);
    ck_assert_uint_eq(stats_value(again, TEST_RQ_TOTAL), 0);
}
END_TEST

START_TEST(values_are_merged_over_threads) {
    struct stats_scope *scope = stats_scope_get(registry, SLICE("a"), &test_table);
    ck_assert_uint_eq(stats_value(scope, TEST_RQ_TOTAL), 0);
    stats_add(scope, 0, TEST_RQ_TOTAL, 5);
    stats_add(scope, 1, TEST_RQ_TOTAL, 7);
    stats_inc(scope, 2, TEST_RQ_TOTAL);
    ck_assert_uint_eq(stats_value(scope, TEST_RQ_TOTAL), 13);
    stats_add(scope, 0, TEST_RQ_ACTIVE, 3);
    stats_sub(scope, 1, TEST_RQ_ACTIVE, 2);
    ck_assert_uint_eq(stats_value(scope, TEST_RQ_ACTIVE), 1);
    stats_sub(scope, 1, TEST_RQ_ACTIVE, 2);
    ck_assert_msg(stats_value(scope, TEST_RQ_ACTIVE) == 0, "a negative sum reads as zero");
    stats_set(scope, 1, TEST_RQ_ACTIVE, 40);
    ck_assert_uint_eq(stats_value(scope, TEST_RQ_ACTIVE), 43);
}
END_TEST

START_TEST(null_scope_does_nothing) {
    stats_inc(NULL, 0, 0);
    stats_set(NULL, 0, 0, 1);
    stats_record(NULL, 0, 0, 1);
    stats_dynamic_add(NULL, 0, stats_dynamic(NULL, SLICE("x"), STAT_COUNTER), 1);
    ck_assert_uint_eq(stats_value(NULL, 0), 0);
    stats_scope_unref(stats_scope_ref(NULL));
}
END_TEST

struct seen {
    const char *name;
    unsigned count;
    bool used;
    uint64_t value;
    uint64_t samples;
};

static void look_for(void *arg, const struct stats_visit *visit) {
    struct seen *seen = arg;
    if (slice_equal(visit->full_name, slice_from_string(seen->name))) {
        seen->count++;
        seen->used = visit->used;
        seen->value = visit->value;
        seen->samples = visit->histogram == NULL ? 0 : visit->histogram->count;
    }
}

static struct seen visit_one(const char *name) {
    struct seen seen = {.name = name};
    stats_visit_all(registry, look_for, &seen);
    return seen;
}

START_TEST(visit_tells_full_names_and_use) {
    struct stats_scope *scope = stats_scope_get(registry, SLICE("a.b"), &test_table);
    stats_scope_get(registry, SLICE(""), &test_table);
    stats_add(scope, 0, TEST_RQ_ACTIVE, 1);
    stats_sub(scope, 0, TEST_RQ_ACTIVE, 1);
    struct seen seen = visit_one("a.b.rq_active");
    ck_assert(seen.count == 1 && seen.used && seen.value == 0);
    seen = visit_one("a.b.rq_total");
    ck_assert(seen.count == 1 && !seen.used);
    seen = visit_one("rq_total");
    ck_assert(seen.count == 1 && !seen.used);
    seen = visit_one("a.b.rq_time");
    ck_assert(seen.count == 1 && !seen.used && seen.samples == 0);
    stats_record(scope, 1, TEST_RQ_TIME, 0);
    seen = visit_one("a.b.rq_time");
    ck_assert(seen.used && seen.samples == 1);
}
END_TEST

START_TEST(reset_takes_counters_and_histograms_to_zero_but_not_gauges) {
    struct stats_scope *scope = stats_scope_get(registry, SLICE("a"), &test_table);
    uint32_t code = stats_dynamic(scope, SLICE("rq_200"), STAT_COUNTER);
    uint32_t time = stats_dynamic(scope, SLICE("t"), STAT_HISTOGRAM);
    for (int round = 0; round < 3; round++) {
        stats_add(scope, 1, TEST_RQ_TOTAL, 5);
        stats_add(scope, 0, TEST_RQ_ACTIVE, 1);
        stats_record(scope, 0, TEST_RQ_TIME, 17);
        stats_record(scope, 1, TEST_RQ_TIME, 1000);
        stats_dynamic_add(scope, 0, code, 2);
        stats_dynamic_add(scope, 0, time, 9);
        ck_assert_uint_eq(stats_value(scope, TEST_RQ_TOTAL), 5);
        struct stats_histogram_view view;
        stats_histogram_read(scope, TEST_RQ_TIME, &view);
        ck_assert(view.count == 2 && view.sum == 1017);
        ck_assert_uint_eq(visit_one("a.rq_200").value, 2);
        ck_assert_uint_eq(visit_one("a.t").samples, 1);
        stats_reset(registry);
        ck_assert_uint_eq(stats_value(scope, TEST_RQ_TOTAL), 0);
        ck_assert_uint_eq(stats_value(scope, TEST_RQ_ACTIVE), (uint64_t)round + 1);
        stats_histogram_read(scope, TEST_RQ_TIME, &view);
        ck_assert(view.count == 0 && isnan(view.quantile[0]));
        ck_assert_uint_eq(visit_one("a.rq_200").value, 0);
        ck_assert(visit_one("a.rq_200").used);
        ck_assert_uint_eq(visit_one("a.t").samples, 0);
    }
}
END_TEST

START_TEST(dynamic_names_are_found_again_and_bounded) {
    struct stats_scope *scope = stats_scope_get(registry, SLICE("g"), &test_table);
    uint32_t first = stats_dynamic(scope, SLICE("m0"), STAT_COUNTER);
    for (int i = 0; i < 1200; i++) {
        char name[16];
        int len = snprintf(name, sizeof(name), "m%d", i);
        uint32_t index = stats_dynamic(scope, slice_make(name, (size_t)len), STAT_COUNTER);
        stats_dynamic_add(scope, (uint32_t)i % 3, index, (uint64_t)i);
    }
    ck_assert_uint_eq(first, stats_dynamic(scope, SLICE("m0"), STAT_COUNTER));
    ck_assert_uint_eq(visit_one("g.m1").value, 1);
    ck_assert_uint_eq(visit_one("g.m1023").value, 1023);
    ck_assert_uint_eq(visit_one("g.m1024").count, 0);
    uint64_t overflow = 0;
    for (uint64_t i = 1024; i < 1200; i++) {
        overflow += i;
    }
    ck_assert_uint_eq(visit_one("g.__overflow").value, overflow);
    uint32_t gauge = stats_dynamic(scope, SLICE("m0"), STAT_GAUGE);
    ck_assert_msg(gauge != first, "another kind is another stat");
}
END_TEST

// What Envoy 1.40 shows for these samples of cluster.upstream_rq_body_size.
START_TEST(histogram_shows_what_envoy_shows) {
    static const uint64_t samples[] = {1, 5, 10, 25, 50, 100, 100, 250, 251, 9, 99, 1000};
    static const double quantiles[] = {1.05, 9.05, 50.5, 320.0 / 3, 770.0 / 3,
                                       1050, 1050, 1050, 1050,      1050};
    static const uint64_t buckets[] = {0,  1,  2,  4,  5,  6,  9,  11, 11, 12,
                                       12, 12, 12, 12, 12, 12, 12, 12, 12};
    struct stats_scope *scope = stats_scope_get(registry, SLICE("c"), &test_table);
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        stats_record(scope, (uint32_t)i % 3, TEST_RQ_TIME, samples[i]);
    }
    struct stats_histogram_view view;
    stats_histogram_read(scope, TEST_RQ_TIME, &view);
    ck_assert_uint_eq(view.count, 12);
    for (size_t i = 0; i < STATS_QUANTILES; i++) {
        ck_assert_double_eq_tol(view.quantile[i], quantiles[i], 1e-9);
    }
    for (size_t i = 0; i < STATS_BUCKETS; i++) {
        ck_assert_uint_eq(view.bucket_cumulative[i], buckets[i]);
    }
}
END_TEST

START_TEST(histogram_holds_each_value_within_its_bin) {
    static const uint64_t edges[] = {1,
                                     9,
                                     10,
                                     99,
                                     100,
                                     999,
                                     1000,
                                     UINT64_C(9999999999999999999),
                                     UINT64_C(10000000000000000000),
                                     UINT64_MAX};
    uint64_t power = 1;
    for (int i = 0; i < 64 + (int)ARRAY_LEN(edges); i++) {
        uint64_t value = i < 64 ? power + (power >> 3) : edges[i - 64];
        power <<= 1;
        struct histogram *histogram = histogram_new();
        histogram_record(histogram, value);
        struct histogram_sum *sum = malloc(sizeof(*sum));
        histogram_sum_clear(sum);
        histogram_sum_add(sum, histogram);
        struct stats_histogram_view view;
        histogram_sum_view(sum, &view);
        ck_assert_uint_eq(view.count, 1);
        ck_assert_double_le(fabs(view.quantile[2] - (double)value), (double)value * 0.05001);
        free(sum);
        histogram_free(histogram);
    }
}
END_TEST

enum { ROUNDS = 20000 };

struct counting_thread {
    struct stats_scope *scope;
    uint32_t index;
};

static void *count_all(void *arg) {
    struct counting_thread *self = arg;
    for (int i = 0; i < ROUNDS; i++) {
        stats_inc(self->scope, self->index, TEST_RQ_TOTAL);
        stats_record(self->scope, self->index, TEST_RQ_TIME, (uint64_t)i);
        char name[16];
        int len = snprintf(name, sizeof(name), "n%d", i % 100);
        uint32_t index = stats_dynamic(self->scope, slice_make(name, (size_t)len), STAT_COUNTER);
        stats_dynamic_add(self->scope, self->index, index, 1);
    }
    return NULL;
}

START_TEST(threads_count_while_another_reads) {
    struct stats_scope *scope = stats_scope_get(registry, SLICE("t"), &test_table);
    struct counting_thread args[2] = {{scope, 0}, {scope, 1}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_all, &args[i]), 0);
    }
    uint64_t last = 0;
    for (int i = 0; i < 50; i++) {
        struct seen seen = visit_one("t.rq_total");
        ck_assert_uint_ge(seen.value, last);
        last = seen.value;
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_uint_eq(stats_value(scope, TEST_RQ_TOTAL), 2 * ROUNDS);
    ck_assert_uint_eq(visit_one("t.rq_time").samples, 2 * ROUNDS);
    ck_assert_uint_eq(visit_one("t.n42").value, 2 * ROUNDS / 100);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("stats");
    TCase *tests = tcase_create("stats");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, scope_is_found_again_by_prefix_and_table);
    tcase_add_test(tests, scope_keeps_its_values_until_the_last_reference_goes);
    tcase_add_test(tests, values_are_merged_over_threads);
    tcase_add_test(tests, null_scope_does_nothing);
    tcase_add_test(tests, visit_tells_full_names_and_use);
    tcase_add_test(tests, reset_takes_counters_and_histograms_to_zero_but_not_gauges);
    tcase_add_test(tests, dynamic_names_are_found_again_and_bounded);
    tcase_add_test(tests, histogram_shows_what_envoy_shows);
    tcase_add_test(tests, histogram_holds_each_value_within_its_bin);
    tcase_add_test(tests, threads_count_while_another_reads);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
