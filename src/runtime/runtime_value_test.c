// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/runtime_value.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "src/base/check.h"

enum { F = RUNTIME_HAS_FRACTION, I = RUNTIME_HAS_INTEGER, N = RUNTIME_HAS_NUMBER };
enum { B = RUNTIME_HAS_FLAG };

static const struct {
    const char *text;
    unsigned readings;
    uint32_t per_million;
    uint64_t integer;
    bool flag;
} texts[] = {
    {"", 0, 0, 0, false},
    {"hello", 0, 0, 0, false},
    {"true", 0, 0, 0, false},
    {"{\"numerator\": 5}", 0, 0, 0, false},
    {"0", F | I | N | B, 0, 0, false},
    {"1", F | I | N | B, 10000, 1, true},
    {" 42 ", F | I | N | B, 420000, 42, true},
    {"100", F | I | N | B, 1000000, 100, true},
    {"101", F | I | N | B, 1000000, 101, true},
    {"2.9", F | I | N, 20000, 2, false},
    {"-3", N | B, 0, 0, true},
    {"-0.5", N, 0, 0, false},
    {"1e3", F | I | N | B, 1000000, 1000, true},
    {"18446744073709551616", N, 0, 0, false},
    {"4294967296", F | I | N, 1000000, 4294967296, false},
    {"0x10", 0, 0, 0, false},
    {"12 13", 0, 0, 0, false},
    {"1\0", F | I | N | B, 10000, 1, true},
    {"99999999999999999999999999999999999999999999999999999999999999999999", 0, 0, 0, false},
};

START_TEST(runtime_value_of_text_reads_numbers_only) {
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct runtime_value value = runtime_value_of_text(slice_from_string(texts[i].text));
        ck_assert_msg(value.readings == texts[i].readings, "'%s': %u", texts[i].text,
                      value.readings);
        ck_assert_msg(value.per_million == texts[i].per_million, "'%s'", texts[i].text);
        ck_assert_msg(value.integer == texts[i].integer, "'%s'", texts[i].text);
        ck_assert_msg(value.flag == texts[i].flag, "'%s'", texts[i].text);
    }
    struct runtime_value cut = runtime_value_of_text(slice_make("1\0002", 3));
    ck_assert_uint_eq(cut.readings, 0);
}
END_TEST

START_TEST(runtime_value_of_number_takes_any_double) {
    ck_assert_uint_eq(runtime_value_of_number(NAN).readings, N);
    ck_assert_uint_eq(runtime_value_of_number(INFINITY).readings, N);
    ck_assert_uint_eq(runtime_value_of_number(-INFINITY).readings, N);
    ck_assert_uint_eq(runtime_value_of_number(2147483646).readings, F | I | N | B);
    ck_assert_uint_eq(runtime_value_of_number(2147483647).readings, F | I | N);
}
END_TEST

START_TEST(runtime_value_of_fraction_is_capped) {
    ck_assert_uint_eq(runtime_value_of_fraction(5, 10000).per_million, 50000);
    ck_assert_uint_eq(runtime_value_of_fraction(5, 1).per_million, 5);
    ck_assert_uint_eq(runtime_value_of_fraction(500, 10000).per_million, 1000000);
    ck_assert_uint_eq(runtime_value_of_fraction(1e300, 1).per_million, 1000000);
    ck_assert_uint_eq(runtime_value_of_fraction(-1, 1).per_million, 0);
    ck_assert_uint_eq(runtime_value_of_fraction(NAN, 1).per_million, 0);
    ck_assert_uint_eq(runtime_value_of_fraction(5, 1).readings, F);
}
END_TEST

START_TEST(runtime_value_of_flag_is_no_number) {
    ck_assert_uint_eq(runtime_value_of_flag(true).readings, B);
    ck_assert(runtime_value_of_flag(true).flag);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("runtime_value");
    TCase *tcase = tcase_create("all");
    tcase_add_test(tcase, runtime_value_of_text_reads_numbers_only);
    tcase_add_test(tcase, runtime_value_of_number_takes_any_double);
    tcase_add_test(tcase, runtime_value_of_fraction_is_capped);
    tcase_add_test(tcase, runtime_value_of_flag_is_no_number);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
