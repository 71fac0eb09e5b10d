// SPDX-License-Identifier: Apache-2.0
#include "src/base/hash_map.h"

#include <check.h>
#include <stdio.h>

#include "src/base/check.h"
#include "src/base/clock.h"
#include "src/base/random.h"

START_TEST(put_get_remove) {
    struct hash_map map;
    hash_map_init(&map);
    int a = 1;
    int b = 2;
    ck_assert_ptr_null(hash_map_get(&map, SLICE("a")));
    ck_assert_ptr_null(hash_map_remove(&map, SLICE("a")));
    ck_assert_ptr_null(hash_map_put(&map, SLICE("a"), &a));
    ck_assert_ptr_null(hash_map_put(&map, SLICE(""), &b));
    ck_assert_ptr_eq(hash_map_get(&map, SLICE("a")), &a);
    ck_assert_ptr_eq(hash_map_get(&map, slice_make(NULL, 0)), &b);
    ck_assert_ptr_eq(hash_map_put(&map, SLICE("a"), &b), &a);
    ck_assert_uint_eq(map.count, 2);
    ck_assert_ptr_eq(hash_map_remove(&map, SLICE("a")), &b);
    ck_assert_ptr_null(hash_map_get(&map, SLICE("a")));
    hash_map_deinit(&map);
    ck_assert_ptr_null(hash_map_get(&map, SLICE("")));
}
END_TEST

START_TEST(replaced_value_takes_its_key_along) {
    struct hash_map map;
    hash_map_init(&map);
    char old_key[] = "key";
    char new_key[] = "key";
    int value = 0;
    hash_map_put(&map, slice_from_string(old_key), &value);
    hash_map_put(&map, slice_from_string(new_key), &value);
    memset(old_key, 'x', 3);
    ck_assert_ptr_eq(hash_map_get(&map, SLICE("key")), &value);
    hash_map_deinit(&map);
}
END_TEST

enum { KEYS = 500, STEPS = 50000 };

START_TEST(map_agrees_with_an_array) {
    struct random random;
    random_init_seed(&random, (uint64_t)_i);
    static char names[KEYS][16];
    static int *expected[KEYS];
    static int values[STEPS];
    struct hash_map map;
    hash_map_init(&map);
    size_t count = 0;
    for (int i = 0; i < KEYS; i++) {
        snprintf(names[i], sizeof(names[i]), "k%d", i);
        expected[i] = NULL;
    }
    for (int step = 0; step < STEPS; step++) {
        size_t i = (size_t)random_below(&random, KEYS);
        struct slice key = slice_from_string(names[i]);
        CHECK(hash_map_get(&map, key) == expected[i]);
        if (random_below(&random, 2) == 0) {
            CHECK(hash_map_remove(&map, key) == expected[i]);
            count -= expected[i] != NULL;
            expected[i] = NULL;
        } else {
            CHECK(hash_map_put(&map, key, &values[step]) == expected[i]);
            count += expected[i] == NULL;
            expected[i] = &values[step];
        }
        CHECK(map.count == count);
    }
    // Churn leaves no ever-growing table behind.
    ck_assert_uint_le(map.capacity, 4 * KEYS);
    size_t at = 0;
    size_t seen = 0;
    struct slice key;
    void *value;
    while (hash_map_next(&map, &at, &key, &value)) {
        CHECK(hash_map_remove(&map, key) == value);
        seen++;
    }
    ck_assert(seen == count && map.count == 0);
    hash_map_deinit(&map);
}
END_TEST

START_TEST(random_is_repeatable_and_bounded) {
    struct random a;
    struct random b;
    random_init_seed(&a, 7);
    random_init_seed(&b, 7);
    unsigned counts[10] = {0};
    for (int i = 0; i < 10000; i++) {
        ck_assert_uint_eq(random_next(&a), random_next(&b));
        counts[random_below(&a, 10)]++;
        random_below(&b, 10);
    }
    for (int i = 0; i < 10; i++) {
        ck_assert(counts[i] > 800 && counts[i] < 1200);
    }
    ck_assert_uint_eq(random_below(&a, 0), 0);
    ck_assert_uint_eq(random_below(&a, 1), 0);
    random_init(&a);
    random_init(&b);
    ck_assert_uint_ne(random_next(&a), random_next(&b));
}
END_TEST

START_TEST(uuid_has_version_and_variant) {
    struct random random;
    random_init_seed(&random, 1);
    char text[UUID_TEXT_LEN];
    for (int round = 0; round < 100; round++) {
        random_uuid(&random, text);
        for (size_t i = 0; i < sizeof(text); i++) {
            if (i == 8 || i == 13 || i == 18 || i == 23) {
                CHECK(text[i] == '-');
            } else {
                CHECK(memchr("0123456789abcdef", text[i], 16) != NULL);
            }
        }
        ck_assert_int_eq(text[14], '4');
        ck_assert_ptr_nonnull(memchr("89ab", text[19], 4));
    }
}
END_TEST

START_TEST(virtual_clock_moves_only_when_told) {
    struct virtual_clock clock;
    virtual_clock_init(&clock, 5000);
    ck_assert_uint_eq(clock.base.monotonic_us(&clock.base), 1000000);
    virtual_clock_advance(&clock, 250);
    ck_assert_uint_eq(clock.base.monotonic_us(&clock.base), 1000250);
    ck_assert_uint_eq(clock.base.wall_us(&clock.base), 5250);
    struct clock *system = clock_system();
    uint64_t first = system->monotonic_us(system);
    ck_assert_uint_ge(system->monotonic_us(system), first);
    ck_assert_uint_gt(system->wall_us(system), UINT64_C(1600000000000000));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("hash_map");
    TCase *tests = tcase_create("hash_map");
    tcase_add_test(tests, put_get_remove);
    tcase_add_test(tests, replaced_value_takes_its_key_along);
    tcase_add_loop_test(tests, map_agrees_with_an_array, 0, 3);
    tcase_add_test(tests, random_is_repeatable_and_bounded);
    tcase_add_test(tests, uuid_has_version_and_variant);
    tcase_add_test(tests, virtual_clock_moves_only_when_told);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
