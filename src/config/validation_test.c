// SPDX-License-Identifier: Apache-2.0
#include "src/config/validation.h"

#include <check.h>

START_TEST(validation_path_joins_fields_indexes_and_keys) {
    struct arena arena;
    struct validation v;
    arena_init_heap(&arena, 0);
    validation_init(&v, &arena, SLICE("listener a"));
    ck_assert(slice_is_empty(validation_path(&v)));
    validation_push(&v, "filter_chains");
    validation_push_index(&v, 2);
    validation_push(&v, "metadata");
    validation_push_key(&v, SLICE("envoy.lb"));
    ck_assert(slice_equal(validation_path(&v), SLICE("filter_chains[2].metadata[\"envoy.lb\"]")));
    validation_pop(&v);
    validation_pop(&v);
    ck_assert(slice_equal(validation_path(&v), SLICE("filter_chains[2]")));
    arena_deinit(&arena);
}
END_TEST

START_TEST(validation_result_names_resource_and_all_errors) {
    struct arena arena;
    struct validation v;
    struct error err;
    arena_init_heap(&arena, 0);
    validation_init(&v, &arena, SLICE("cluster x"));
    ck_assert_int_eq(validation_result(&v, &err), STATUS_OK);
    validation_note(&v, FINDING_DEPRECATED, "old %s", "thing");
    ck_assert(validation_ok(&v));
    validation_field_error(&v, "name", "is %d short", 1);
    validation_push(&v, "hosts");
    validation_error(&v, "none");
    validation_pop(&v);
    ck_assert(!validation_ok(&v));
    ck_assert_int_eq(validation_result(&v, &err), STATUS_INVALID);
    ck_assert_str_eq(err.message, "cluster x: name: is 1 short; hosts: none");
    ck_assert_uint_eq(v.finding_count, 3);
    arena_deinit(&arena);
}
END_TEST

START_TEST(validation_errors_beyond_the_cap_are_counted) {
    struct arena arena;
    struct validation v;
    struct error err;
    arena_init_heap(&arena, 0);
    validation_init(&v, &arena, SLICE(""));
    for (uint32_t i = 0; i < VALIDATION_MAX_ERRORS + 5; i++) {
        validation_error(&v, "e%u", i);
    }
    ck_assert_uint_eq(v.error_count, VALIDATION_MAX_ERRORS + 5);
    ck_assert_uint_eq(v.finding_count, VALIDATION_MAX_ERRORS);
    ck_assert_int_eq(validation_result(&v, &err), STATUS_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "; and 5 more"));
    arena_deinit(&arena);
}
END_TEST

START_TEST(validation_depth_beyond_the_cap_is_flattened) {
    struct arena arena;
    struct validation v;
    arena_init_heap(&arena, 0);
    validation_init(&v, &arena, SLICE(""));
    for (uint32_t i = 0; i < VALIDATION_MAX_DEPTH + 50; i++) {
        validation_push(&v, "a");
    }
    validation_error(&v, "deep");
    ck_assert(slice_ends_with(v.findings[0].path, SLICE(".a...")));
    for (uint32_t i = 0; i < VALIDATION_MAX_DEPTH + 50; i++) {
        validation_pop(&v);
    }
    ck_assert(slice_is_empty(validation_path(&v)));
    arena_deinit(&arena);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("validation");
    TCase *tests = tcase_create("validation");
    tcase_add_test(tests, validation_path_joins_fields_indexes_and_keys);
    tcase_add_test(tests, validation_result_names_resource_and_all_errors);
    tcase_add_test(tests, validation_errors_beyond_the_cap_are_counted);
    tcase_add_test(tests, validation_depth_beyond_the_cap_is_flattened);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
