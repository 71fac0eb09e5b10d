// SPDX-License-Identifier: Apache-2.0
#include "src/base/block_pool.h"

#include <check.h>
#include <stdlib.h>

enum { BLOCK_BYTES = 1024, MAX_FREE = 2, BLOCKS = 8 };

static struct block_pool pool;
static struct block_growth growth;
static _Atomic uint64_t budget;
static uint32_t used_up;
static void *blocks[BLOCKS];

static void on_used_up(void *arg) {
    ck_assert_ptr_eq(arg, &pool);
    used_up++;
}

static void setup(void) {
    block_pool_init(&pool, BLOCK_BYTES, MAX_FREE);
    budget = 3 * BLOCK_BYTES;
    used_up = 0;
    growth = (struct block_growth){.budget_bytes = &budget, .on_used_up = on_used_up, .arg = &pool};
    pool.growth = &growth;
}

static void get(int from, int to) {
    for (int i = from; i < to; i++) {
        blocks[i] = block_pool_get(&pool);
    }
}

static void put(int from, int to) {
    for (int i = from; i < to; i++) {
        block_pool_put(&pool, blocks[i]);
    }
}

static void teardown(void) {
    block_pool_deinit(&pool);
}

START_TEST(growth_calls_each_time_the_budget_is_used_up) {
    get(0, 2);
    ck_assert_uint_eq(used_up, 0);
    get(2, 3);
    ck_assert_uint_eq(used_up, 1);
    get(3, 6);
    ck_assert_uint_eq(used_up, 2);
    put(0, 6);
}
END_TEST

START_TEST(growth_counts_no_block_that_lay_free) {
    get(0, 2);
    for (int round = 0; round < 10; round++) {
        put(0, 2);
        get(0, 2);
    }
    ck_assert_uint_eq(used_up, 0);
    put(0, 2);
}
END_TEST

START_TEST(growth_is_less_what_went_back_to_the_allocator) {
    budget = 9 * BLOCK_BYTES;
    get(0, 8);
    put(0, 8); // two stay, six go
    ck_assert_uint_eq(growth.bytes, 2 * BLOCK_BYTES);
    get(0, 8);
    ck_assert_uint_eq(used_up, 0);
    ck_assert_uint_eq(growth.bytes, 8 * BLOCK_BYTES);
    put(0, 8);
    block_pool_trim(&pool);
    ck_assert_uint_eq(growth.bytes, 0);
}
END_TEST

START_TEST(growth_without_a_budget_is_not_counted) {
    growth.budget_bytes = NULL;
    get(0, 8);
    ck_assert_uint_eq(growth.bytes, 0);
    put(0, 8);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("block_pool");
    TCase *tests = tcase_create("block_pool");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, growth_calls_each_time_the_budget_is_used_up);
    tcase_add_test(tests, growth_counts_no_block_that_lay_free);
    tcase_add_test(tests, growth_is_less_what_went_back_to_the_allocator);
    tcase_add_test(tests, growth_without_a_budget_is_not_counted);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
