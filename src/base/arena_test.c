// SPDX-License-Identifier: Apache-2.0
#include "src/base/arena.h"

#include <check.h>
#include <signal.h>

#include "src/base/check.h"

START_TEST(pool_hands_blocks_out_again_up_to_its_limit) {
    struct block_pool pool;
    block_pool_init(&pool, 128, 2);
    void *blocks[3];
    for (int i = 0; i < 3; i++) {
        blocks[i] = block_pool_get(&pool);
        memset(blocks[i], i, 128);
    }
    ck_assert_uint_eq(pool.live_count, 3);
    for (int i = 0; i < 3; i++) {
        block_pool_put(&pool, blocks[i]);
    }
    ck_assert(pool.live_count == 0 && pool.free_count == 2);
    ck_assert_ptr_eq(block_pool_get(&pool), blocks[1]);
    memset(blocks[1], 9, 128);
    block_pool_put(&pool, blocks[1]);
    block_pool_trim(&pool);
    ck_assert(pool.free_count == 0 && pool.free_list == NULL);
    block_pool_deinit(&pool);
}
END_TEST

START_TEST(pool_gives_back_what_nobody_needed_since_the_last_time) {
    struct block_pool pool;
    block_pool_init(&pool, 128, 8);
    void *blocks[5];
    for (int i = 0; i < 5; i++) {
        blocks[i] = block_pool_get(&pool);
    }
    for (int i = 0; i < 5; i++) {
        block_pool_put(&pool, blocks[i]);
    }
    block_pool_trim_unused(&pool); /* all five were in use a moment ago */
    ck_assert_uint_eq(pool.free_count, 5);
    void *one = block_pool_get(&pool);
    void *other = block_pool_get(&pool);
    block_pool_put(&pool, one);
    block_pool_put(&pool, other);
    block_pool_trim_unused(&pool); /* two were needed */
    ck_assert_uint_eq(pool.free_count, 2);
    block_pool_trim_unused(&pool);
    ck_assert_uint_eq(pool.free_count, 0);
    block_pool_deinit(&pool);
}
END_TEST

static void fill_and_check(struct arena *arena) {
    uint8_t *parts[400];
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        parts[i] = arena_alloc(arena, i);
        ck_assert_uint_eq((uintptr_t)parts[i] % 16, 0);
        memset(parts[i], (int)(i & 0xff), i);
    }
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        for (size_t at = 0; at < i; at++) {
            CHECK(parts[i][at] == (i & 0xff));
        }
    }
}

START_TEST(arena_allocations_do_not_overlap) {
    struct block_pool pool;
    block_pool_init(&pool, 1024, 100);
    struct arena arena;
    arena_init(&arena, &pool);
    ck_assert_uint_eq(pool.live_count, 0);
    for (int round = 0; round < 2; round++) {
        fill_and_check(&arena);
        ck_assert_uint_eq(arena.used_bytes, 400 * 399 / 2);
        arena_reset(&arena);
        ck_assert(pool.live_count == 0 && arena.used_bytes == 0);
    }
    arena_deinit(&arena);
    block_pool_deinit(&pool);
    arena_init_heap(&arena, 0);
    fill_and_check(&arena);
    arena_deinit(&arena);
}
END_TEST

START_TEST(arena_bytes_fill_blocks_to_the_end) {
    // All distances between the last allocation and a block's end occur.
    for (size_t at = 0; at < 32 * 32; at++) {
        size_t size = at / 32 + 1;
        struct arena arena;
        arena_init_heap(&arena, 128 + at % 32);
        for (int i = 0; i < 200; i++) {
            memset(arena_alloc_bytes(&arena, size), i, size);
            CHECK(arena.next <= arena.end);
        }
        ck_assert_uint_eq(arena.used_bytes, 200 * size);
        arena_deinit(&arena);
    }
}
END_TEST

START_TEST(arena_large_request_leaves_the_current_block_in_use) {
    struct block_pool pool;
    block_pool_init(&pool, 1024, 100);
    struct arena arena;
    arena_init(&arena, &pool);
    uint8_t *first = arena_alloc(&arena, 16);
    uint8_t *large = arena_alloc(&arena, 100000);
    memset(large, 1, 100000);
    uint8_t *second = arena_alloc(&arena, 16);
    ck_assert(second > first && second - first <= 64);
    ck_assert_uint_eq(pool.live_count, 1);
    arena_deinit(&arena);
    uint8_t *only_large = arena_alloc(&arena, 5000);
    memset(only_large, 1, 5000);
    arena_deinit(&arena);
    block_pool_deinit(&pool);
}
END_TEST

START_TEST(growing_arena_doubles_its_blocks_up_to_the_maximum) {
    struct arena arena;
    arena_init_growing(&arena, arena_block_overhead() + 64, 512);
    arena_alloc(&arena, 48);
    ck_assert_uint_eq(arena.block_bytes, 2 * (arena_block_overhead() + 64));
    for (int i = 0; i < 100; i++) {
        memset(arena_alloc(&arena, 32), i, 32);
    }
    ck_assert_uint_eq(arena.block_bytes, 512);
    arena_deinit(&arena);
}
END_TEST

START_TEST(arena_text_helpers) {
    struct arena arena;
    arena_init_heap(&arena, 256);
    struct slice copy = arena_dup_slice(&arena, SLICE("abc"));
    ck_assert(slice_equal(copy, SLICE("abc")));
    ck_assert(slice_is_empty(arena_dup_slice(&arena, slice_make(NULL, 0))));
    ck_assert_str_eq(arena_dup_string(&arena, SLICE("xyz")), "xyz");
    ck_assert_str_eq(arena_dup_string(&arena, slice_make(NULL, 0)), "");
    ck_assert(slice_equal(arena_printf(&arena, "%d-%s", 5, "x"), SLICE("5-x")));
    ck_assert_uint_eq(arena_printf(&arena, "%5000d", 1).len, 5000);
    uint64_t *zeros = ARENA_NEW_ARRAY(&arena, 20, uint64_t);
    for (int i = 0; i < 20; i++) {
        ck_assert_uint_eq(zeros[i], 0);
    }
    ck_assert_uint_eq(*ARENA_NEW(&arena, uint64_t), 0);
    arena_deinit(&arena);
}
END_TEST

static void count_call(void *arg) {
    uint32_t *calls = arg;
    (*calls)++;
}

START_TEST(arena_reset_lets_go_of_what_was_held_once) {
    struct arena arena;
    uint32_t calls[2] = {0, 0};
    arena_init_heap(&arena, 0);
    arena_at_reset(&arena, count_call, &calls[0]);
    arena_at_reset(&arena, count_call, &calls[1]);
    ck_assert_uint_eq(calls[0] + calls[1], 0);
    arena_reset(&arena);
    ck_assert(calls[0] == 1 && calls[1] == 1);
    arena_at_reset(&arena, count_call, &calls[1]);
    arena_deinit(&arena);
    ck_assert(calls[0] == 1 && calls[1] == 2);
}
END_TEST

START_TEST(failed_check_aborts) {
    CHECK(_i == 1);
}
END_TEST

START_TEST(calloc_overflow_aborts) {
    struct arena arena;
    arena_init_heap(&arena, 0);
    arena_calloc(&arena, SIZE_MAX / 2, 3);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("arena");
    TCase *tests = tcase_create("arena");
    tcase_add_test(tests, pool_hands_blocks_out_again_up_to_its_limit);
    tcase_add_test(tests, pool_gives_back_what_nobody_needed_since_the_last_time);
    tcase_add_test(tests, arena_allocations_do_not_overlap);
    tcase_add_test(tests, arena_bytes_fill_blocks_to_the_end);
    tcase_add_test(tests, arena_large_request_leaves_the_current_block_in_use);
    tcase_add_test(tests, growing_arena_doubles_its_blocks_up_to_the_maximum);
    tcase_add_test(tests, arena_text_helpers);
    tcase_add_test(tests, arena_reset_lets_go_of_what_was_held_once);
    tcase_add_test_raise_signal(tests, failed_check_aborts, SIGABRT);
    tcase_add_test_raise_signal(tests, calloc_overflow_aborts, SIGABRT);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
