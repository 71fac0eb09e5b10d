// SPDX-License-Identifier: Apache-2.0
#include "src/http/grpc_timeout.h"

#include <check.h>
#include <stdlib.h>

static struct arena arena;
static struct header_map headers;

static void setup(void) {
    arena_init_heap(&arena, 0);
    header_map_init(&headers, &arena);
}

static void teardown(void) {
    arena_deinit(&arena);
}

static const struct {
    const char *text;
    uint32_t ms;
} valid[] = {
    {"1H", 3600000},
    {"2M", 120000},
    {"3S", 3000},
    {"200m", 200},
    {"1u", 1},
    {"1001u", 2},
    {"1n", 1},
    {"1000001n", 2},
    {"0m", 0},
    {"99999999m", 99999999},
    {"99999999H", UINT32_MAX - 1},
};

START_TEST(grpc_timeout_get_valid_is_rounded_up) {
    uint32_t ms = 7;
    header_map_set(&headers, HEADER_GRPC_TIMEOUT, slice_from_string(valid[_i].text));
    ck_assert(grpc_timeout_get(&headers, &ms));
    ck_assert_uint_eq(ms, valid[_i].ms);
}
END_TEST

static const char *const malformed[] = {"",    "m",    "5",          "5s", "-5m",
                                        "5 m", "5.0m", "123456789m", "mm"};

START_TEST(grpc_timeout_get_malformed_is_none) {
    uint32_t ms = 7;
    header_map_set(&headers, HEADER_GRPC_TIMEOUT, slice_from_string(malformed[_i]));
    ck_assert(!grpc_timeout_get(&headers, &ms));
    ck_assert_uint_eq(ms, 7);
}
END_TEST

START_TEST(grpc_timeout_get_absent_is_none) {
    uint32_t ms;
    ck_assert(!grpc_timeout_get(&headers, &ms));
}
END_TEST

START_TEST(grpc_timeout_set_takes_the_finest_unit_of_eight_digits) {
    grpc_timeout_set(&headers, 99999999);
    ck_assert(slice_equal(header_map_get(&headers, HEADER_GRPC_TIMEOUT), SLICE("99999999m")));
    grpc_timeout_set(&headers, 100000000);
    ck_assert(slice_equal(header_map_get(&headers, HEADER_GRPC_TIMEOUT), SLICE("100000S")));
    grpc_timeout_set(&headers, 0);
    ck_assert(slice_equal(header_map_get(&headers, HEADER_GRPC_TIMEOUT), SLICE("0m")));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("grpc_timeout");
    TCase *tcase = tcase_create("grpc_timeout");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, grpc_timeout_get_valid_is_rounded_up, 0,
                        (int)(sizeof(valid) / sizeof(valid[0])));
    tcase_add_loop_test(tcase, grpc_timeout_get_malformed_is_none, 0,
                        (int)(sizeof(malformed) / sizeof(malformed[0])));
    tcase_add_test(tcase, grpc_timeout_get_absent_is_none);
    tcase_add_test(tcase, grpc_timeout_set_takes_the_finest_unit_of_eight_digits);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
