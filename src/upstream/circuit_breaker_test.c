// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/circuit_breaker.h"

#include <pthread.h>

#include "src/upstream/upstream_test_fixture.h"

enum { THREADS = 4, ROUNDS = 20000, LIMIT = 3 };

struct runner {
    struct circuit_breaker *breaker;
    _Atomic uint32_t *inside;
    uint32_t thread;
    uint32_t most;
};

static void *run(void *arg) {
    struct runner *runner = arg;
    for (int i = 0; i < ROUNDS; i++) {
        if (!circuit_breaker_try(runner->breaker, runner->thread, BREAKER_REQUESTS)) {
            continue;
        }
        uint32_t inside = atomic_fetch_add(runner->inside, 1) + 1;
        runner->most = inside > runner->most ? inside : runner->most;
        atomic_fetch_sub(runner->inside, 1);
        circuit_breaker_release(runner->breaker, runner->thread, BREAKER_REQUESTS);
    }
    return NULL;
}

START_TEST(breaker_holds_over_all_threads) {
    struct stats_registry *registry = stats_registry_new(THREADS);
    struct stats_scope *stats = stats_scope_get(registry, SLICE("cluster.c"), &cluster_stat_table);
    struct circuit_breaker breaker;
    circuit_breaker_init(&breaker, false, stats);
    struct circuit_breaker_thresholds limits = {
        .max_requests = LIMIT, .max_retries = 3, .track_remaining = true};
    circuit_breaker_configure(&breaker, 0, &limits);
    _Atomic uint32_t inside = 0;
    struct runner runners[THREADS];
    pthread_t threads[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        runners[i] = (struct runner){&breaker, &inside, i, 0};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run, &runners[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_uint_le(runners[i].most, LIMIT);
    }
    ck_assert_uint_eq(circuit_breaker_used(&breaker, BREAKER_REQUESTS), 0);
    ck_assert_uint_eq(stats_value(stats, CLUSTER_STAT_CIRCUIT_BREAKERS_DEFAULT_RQ_OPEN), 0);
    ck_assert_uint_eq(stats_value(stats, CLUSTER_STAT_CIRCUIT_BREAKERS_DEFAULT_REMAINING_RQ),
                      LIMIT);
    stats_scope_unref(stats);
    stats_registry_free(registry);
}
END_TEST

START_TEST(retry_budget_follows_the_load) {
    struct circuit_breaker breaker;
    circuit_breaker_init(&breaker, false, NULL);
    struct circuit_breaker_thresholds limits = {.max_requests = 1000,
                                                .max_retries = 1,
                                                .has_retry_budget = true,
                                                .retry_budget_per_million = 200000,
                                                .retry_budget_min_concurrency = 2};
    circuit_breaker_configure(&breaker, 0, &limits);
    ck_assert(circuit_breaker_try(&breaker, 0, BREAKER_RETRIES));
    ck_assert(circuit_breaker_try(&breaker, 0, BREAKER_RETRIES));
    ck_assert(!circuit_breaker_try(&breaker, 0, BREAKER_RETRIES));
    for (int i = 0; i < 20; i++) {
        ck_assert(circuit_breaker_try(&breaker, 0, BREAKER_REQUESTS));
    }
    ck_assert(circuit_breaker_try(&breaker, 0, BREAKER_RETRIES));
    ck_assert(circuit_breaker_try(&breaker, 0, BREAKER_RETRIES));
    ck_assert(!circuit_breaker_try(&breaker, 0, BREAKER_RETRIES));
}
END_TEST

START_TEST(gauge_follows_a_changed_limit) {
    struct stats_registry *registry = stats_registry_new(1);
    struct stats_scope *stats = stats_scope_get(registry, SLICE("cluster.c"), &cluster_stat_table);
    struct circuit_breaker breaker;
    circuit_breaker_init(&breaker, true, stats);
    struct circuit_breaker_thresholds limits = {.max_requests = 1};
    circuit_breaker_configure(&breaker, 0, &limits);
    ck_assert(circuit_breaker_try(&breaker, 0, BREAKER_REQUESTS));
    ck_assert_uint_eq(stats_value(stats, CLUSTER_STAT_CIRCUIT_BREAKERS_HIGH_RQ_OPEN), 1);
    limits.max_requests = 2;
    circuit_breaker_configure(&breaker, 0, &limits);
    ck_assert_uint_eq(stats_value(stats, CLUSTER_STAT_CIRCUIT_BREAKERS_HIGH_RQ_OPEN), 0);
    circuit_breaker_release(&breaker, 0, BREAKER_REQUESTS);
    ck_assert_uint_eq(stats_value(stats, CLUSTER_STAT_CIRCUIT_BREAKERS_HIGH_RQ_OPEN), 0);
    stats_scope_unref(stats);
    stats_registry_free(registry);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("circuit_breaker");
    TCase *tests = tcase_create("all");
    tcase_add_test(tests, breaker_holds_over_all_threads);
    tcase_add_test(tests, retry_budget_follows_the_load);
    tcase_add_test(tests, gauge_follows_a_changed_limit);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
