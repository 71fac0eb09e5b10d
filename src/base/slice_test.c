// SPDX-License-Identifier: Apache-2.0
#include "src/base/slice.h"

#include <check.h>

#include "src/base/check.h"
#include "src/base/error.h"

START_TEST(comparison_and_search) {
    struct slice text = SLICE("Hello, World");
    ck_assert(slice_starts_with(text, SLICE("Hello")) && !slice_starts_with(text, SLICE("hello")));
    ck_assert(slice_starts_with_nocase(text, SLICE("hELLO")));
    ck_assert(slice_ends_with(text, SLICE("World")) && !slice_ends_with(text, SLICE("world")));
    ck_assert(slice_ends_with_nocase(text, SLICE("wORLD")));
    ck_assert(!slice_starts_with(SLICE("ab"), SLICE("abc")));
    ck_assert(slice_ends_with(SLICE(""), SLICE("")));
    ck_assert(slice_equal_nocase(text, SLICE("hELLO, wORLD")));
    ck_assert_msg(!slice_equal_nocase(SLICE("@["), SLICE("`{")), "only letters have case");
    ck_assert_int_lt(slice_compare(SLICE("ab"), SLICE("abc")), 0);
    ck_assert_int_gt(slice_compare(SLICE("b"), SLICE("abc")), 0);
    ck_assert_int_eq(slice_compare(slice_make(NULL, 0), SLICE("")), 0);
    ck_assert_uint_eq(slice_find_byte(text, 'o'), 4);
    ck_assert_uint_eq(slice_rfind_byte(text, 'o'), 8);
    ck_assert_uint_eq(slice_find_byte(slice_make(NULL, 0), 'o'), SIZE_MAX);
    ck_assert_uint_eq(slice_find(text, SLICE("World")), 7);
    ck_assert_uint_eq(slice_find(text, SLICE("")), 0);
    ck_assert_uint_eq(slice_find(text, SLICE("Worlds")), SIZE_MAX);
}
END_TEST

START_TEST(sub_is_cut_to_what_is_there) {
    struct slice text = SLICE("abcdef");
    ck_assert(slice_equal(slice_sub(text, 2, 3), SLICE("cde")));
    ck_assert(slice_equal(slice_sub(text, 4, SIZE_MAX), SLICE("ef")));
    ck_assert(slice_is_empty(slice_sub(text, 6, 1)) && slice_is_empty(slice_sub(text, 99, 1)));
    ck_assert(slice_equal(slice_trim(SLICE(" \t a b\t ")), SLICE("a b")));
    ck_assert(slice_is_empty(slice_trim(SLICE(" \t"))));
}
END_TEST

START_TEST(split_gives_each_part) {
    static const struct {
        const char *text;
        const char *parts[4];
        size_t count;
    } cases[] = {
        {"a,b", {"a", "b"}, 2}, {"a,,b,", {"a", "", "b"}, 3}, {"", {NULL}, 0},
        {",", {""}, 1},         {"one", {"one"}, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct slice rest = slice_from_string(cases[i].text);
        struct slice part;
        size_t count = 0;
        while (slice_split(&rest, ',', &part)) {
            ck_assert_uint_lt(count, cases[i].count);
            ck_assert(slice_equal(part, slice_from_string(cases[i].parts[count])));
            count++;
        }
        ck_assert_uint_eq(count, cases[i].count);
    }
}
END_TEST

START_TEST(numbers_are_parsed_whole) {
    static const struct {
        const char *text;
        enum status decimal;
        uint64_t decimal_value;
        enum status hex;
        uint64_t hex_value;
    } cases[] = {
        {"0", STATUS_OK, 0, STATUS_OK, 0},
        {"42", STATUS_OK, 42, STATUS_OK, 0x42},
        {"007", STATUS_OK, 7, STATUS_OK, 7},
        {"18446744073709551615", STATUS_OK, UINT64_MAX, STATUS_LIMIT, 0},
        {"18446744073709551616", STATUS_LIMIT, 0, STATUS_LIMIT, 0},
        {"99999999999999999999999", STATUS_LIMIT, 0, STATUS_LIMIT, 0},
        {"99999999999999999999999x", STATUS_INVALID, 0, STATUS_INVALID, 0},
        {"fFfFfFfFfFfFfFfF", STATUS_INVALID, 0, STATUS_OK, UINT64_MAX},
        {"", STATUS_INVALID, 0, STATUS_INVALID, 0},
        {"+1", STATUS_INVALID, 0, STATUS_INVALID, 0},
        {"-1", STATUS_INVALID, 0, STATUS_INVALID, 0},
        {" 1", STATUS_INVALID, 0, STATUS_INVALID, 0},
        {"0x1", STATUS_INVALID, 0, STATUS_INVALID, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t value = 77;
        enum status status = slice_parse_uint64(slice_from_string(cases[i].text), &value);
        ck_assert_msg(status == cases[i].decimal, "%s", cases[i].text);
        ck_assert_uint_eq(value, status == STATUS_OK ? cases[i].decimal_value : 77);
        value = 77;
        status = slice_parse_hex64(slice_from_string(cases[i].text), &value);
        ck_assert_msg(status == cases[i].hex, "hex %s", cases[i].text);
        ck_assert_uint_eq(value, status == STATUS_OK ? cases[i].hex_value : 77);
    }
}
END_TEST

START_TEST(utf8_is_judged_by_rfc_3629) {
    static const struct {
        const char *text;
        bool is_valid;
    } cases[] = {
        {"", true},
        {"plain ascii, more than eight", true},
        {"gr\xc3\xbc\xc3\x9f", true},
        {"\xe2\x82\xac and \xf0\x9f\x98\x80", true},
        {"\xed\x9f\xbf\xee\x80\x80", true},
        {"\xf4\x8f\xbf\xbf", true},
        {"\x80", false},
        {"\xc0\xaf", false},
        {"\xc1\x81", false},
        {"\xe0\x9f\xbf", false},
        {"\xed\xa0\x80", false},
        {"\xf0\x8f\xbf\xbf", false},
        {"\xf4\x90\x80\x80", false},
        {"\xf5\x80\x80\x80", false},
        {"abcdefgh\xc3", false},
        {"\xe2\x82", false},
        {"\xe2\x28\xa1", false},
        {"\xf0\x9f\x98", false},
        {"\xff", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ck_assert_msg(slice_is_utf8(slice_from_string(cases[i].text)) == cases[i].is_valid,
                      "case %zu", i);
    }
}
END_TEST

// Text of `len` bytes 0, 1, 2, ...; the values come from the reference implementation.
START_TEST(xxhash64_agrees_with_the_reference) {
    static const struct {
        const char *text; /* NULL: the counting bytes */
        size_t len;
        uint64_t seed;
        uint64_t hash;
    } cases[] = {
        {"", 0, 0, UINT64_C(0xef46db3751d8e999)},
        {"", 0, 1, UINT64_C(0xd5afba1336a3be4b)},
        {"a", 1, 0, UINT64_C(0xd24ec4f1a98c6e5b)},
        {"abc", 3, 0, UINT64_C(0x44bc2cf5ad770999)},
        {"abc", 3, UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0x2ed0f59d6b43ac8b)},
        {"message digest", 14, 0, UINT64_C(0x066ed728fceeb3be)},
        {NULL, 4, 0, UINT64_C(0xffced8604453cc1e)},
        {NULL, 8, 0, UINT64_C(0x884a173614b81b8d)},
        {NULL, 31, 7, UINT64_C(0x0bdbbcaead6c6e56)},
        {NULL, 32, 7, UINT64_C(0xa5972d57c4aea230)},
        {NULL, 33, 7, UINT64_C(0x0c43e57754c778d9)},
        {NULL, 63, 0, UINT64_C(0xe26aa9e2a95f8e4f)},
        {NULL, 100, 0, UINT64_C(0x6ac1e58032166597)},
        {NULL, 257, UINT64_C(2654435761), UINT64_C(0x9b7b88dc122776f0)},
    };
    uint8_t counting[257];
    for (size_t i = 0; i < sizeof(counting); i++) {
        counting[i] = (uint8_t)i;
    }
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const void *bytes = cases[i].text != NULL ? (const void *)cases[i].text : counting;
        uint64_t hash = slice_xxhash64(slice_make(bytes, cases[i].len), cases[i].seed);
        ck_assert_msg(hash == cases[i].hash, "case %zu", i);
    }
}
END_TEST

START_TEST(hash_spreads_and_depends_on_seed_and_length) {
    uint8_t zeros[64] = {0};
    for (size_t a = 0; a <= sizeof(zeros); a++) {
        uint64_t hash = slice_hash(slice_make(zeros, a), 1);
        ck_assert_uint_eq(hash, slice_hash(slice_make(zeros, a), 1));
        ck_assert_uint_ne(hash, slice_hash(slice_make(zeros, a), 2));
        for (size_t b = 0; b < a; b++) {
            ck_assert_uint_ne(hash, slice_hash(slice_make(zeros, b), 1));
        }
    }
    unsigned buckets[64] = {0};
    for (uint32_t i = 0; i < 6400; i++) {
        buckets[slice_hash(slice_make(&i, sizeof(i)), 5) % 64]++;
    }
    for (int i = 0; i < 64; i++) {
        ck_assert(buckets[i] > 50 && buckets[i] < 150);
    }
}
END_TEST

START_TEST(error_keeps_category_and_cut_message) {
    struct error err;
    ck_assert_int_eq(error_set(&err, STATUS_LIMIT, "%s %d", "too many:", 7), STATUS_LIMIT);
    ck_assert_str_eq(err.message, "too many: 7");
    ck_assert_int_eq(error_prefix(&err, "cluster %s", "web"), STATUS_LIMIT);
    ck_assert_str_eq(err.message, "cluster web: too many: 7");
    ck_assert_int_eq(error_set(&err, STATUS_IO, "again: %s", err.message), STATUS_IO);
    ck_assert_str_eq(err.message, "again: cluster web: too many: 7");
    ck_assert_int_eq(error_set(NULL, STATUS_IO, "x"), STATUS_IO);
    ck_assert_int_eq(error_prefix(NULL, "x"), STATUS_INTERNAL);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(error_prefix(&err, "level %d of many more words", i), STATUS_IO);
    }
    ck_assert_uint_eq(strlen(err.message), ERROR_MESSAGE_BYTES - 1);
    ck_assert_int_eq(error_prefix(&err, "%02000d", 7), STATUS_IO);
    ck_assert_uint_eq(strlen(err.message), ERROR_MESSAGE_BYTES - 1);
    ck_assert_str_eq(status_name(STATUS_NOT_FOUND), "not_found");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("slice");
    TCase *tests = tcase_create("slice");
    tcase_add_test(tests, comparison_and_search);
    tcase_add_test(tests, sub_is_cut_to_what_is_there);
    tcase_add_test(tests, split_gives_each_part);
    tcase_add_test(tests, numbers_are_parsed_whole);
    tcase_add_test(tests, utf8_is_judged_by_rfc_3629);
    tcase_add_test(tests, xxhash64_agrees_with_the_reference);
    tcase_add_test(tests, hash_spreads_and_depends_on_seed_and_length);
    tcase_add_test(tests, error_keeps_category_and_cut_message);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
