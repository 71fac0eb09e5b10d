// SPDX-License-Identifier: Apache-2.0
#include "src/admin/json_writer.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "src/base/check.h"

static struct buffer_pool pool;
static struct buffer out;

static void setup(void) {
    buffer_pool_init(&pool);
    buffer_init(&out, &pool);
}
static void teardown(void) {
    buffer_deinit(&out);
    buffer_pool_deinit(&pool);
}

static void expect(const char *text) {
    struct slice got = buffer_linearize(&out, out.len);
    ck_assert_msg(slice_equal(got, slice_from_string(text)), "%.*s", SLICE_ARG(got));
}

static void write_sample(bool is_indented) {
    struct json_writer json;
    json_init(&json, &out, is_indented);
    json_begin_object(&json, NULL);
    json_uint_text(&json, "a", UINT64_MAX);
    json_begin_array(&json, "empty");
    json_end_array(&json);
    json_begin_array(&json, "b");
    json_bool(&json, NULL, true);
    json_begin_object(&json, NULL);
    json_end_object(&json);
    json_end_array(&json);
    json_document(&json, "doc", "{\n \"x\": 1\n}\n");
    json_double(&json, "n", NAN);
    json_end_object(&json);
}

START_TEST(indented_document_is_as_protobuf_writes_it) {
    write_sample(true);
    expect("{\n \"a\": \"18446744073709551615\",\n \"empty\": [],\n \"b\": [\n  true,\n  {}\n ],\n"
           " \"doc\": {\n  \"x\": 1\n },\n \"n\": null\n}");
}
END_TEST

START_TEST(compact_document_has_no_white_space) {
    struct json_writer json;
    json_init(&json, &out, false);
    json_begin_object(&json, NULL);
    json_uint(&json, "a", 1);
    json_begin_array(&json, "b");
    json_uint(&json, NULL, 2);
    json_uint(&json, NULL, 3);
    json_end_array(&json);
    json_end_object(&json);
    expect("{\"a\":1,\"b\":[2,3]}");
}
END_TEST

static const struct {
    struct slice text;
    const char *json;
} string_cases[] = {
    {SLICE_INIT(""), "\"\""},
    {SLICE_INIT("a/b"), "\"a/b\""},
    {SLICE_INIT("\"\\\b\f\n\r\t\x01\0"), "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u0000\""},
    {SLICE_INIT("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"),
     "\"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\""},
    {SLICE_INIT("\xff\xc3\xa4\xc3"), "\"\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\""},
    {SLICE_INIT("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
};

START_TEST(string_is_escaped) {
    json_append_string(&out, string_cases[_i].text);
    expect(string_cases[_i].json);
}
END_TEST

/* As the real Envoy writes these numbers. */
static const struct {
    double value;
    const char *plain, *shorter;
} number_cases[] = {
    {0, "0", "0"},
    {0.5, "0.5", "0.5"},
    {26.5, "26.5", "26.5"},
    {2.0833333333333335, "2.0833333333333335", "2.0833333333333335"},
    {99.9, "99.9", "99.9"},
    {10000, "10000", "10000"},
    {300000, "300000", "3e+05"},
    {1800000, "1800000", "1800000"},
};

START_TEST(number_is_shortest_that_reads_back) {
    char text[DOUBLE_TEXT_BYTES];
    struct slice plain = double_to_text(number_cases[_i].value, false, text);
    ck_assert(slice_equal(plain, slice_from_string(number_cases[_i].plain)));
    struct slice shorter = double_to_text(number_cases[_i].value, true, text);
    ck_assert(slice_equal(shorter, slice_from_string(number_cases[_i].shorter)));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("json_writer");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, indented_document_is_as_protobuf_writes_it);
    tcase_add_test(tests, compact_document_has_no_white_space);
    tcase_add_loop_test(tests, string_is_escaped, 0, (int)ARRAY_LEN(string_cases));
    tcase_add_loop_test(tests, number_is_shortest_that_reads_back, 0, (int)ARRAY_LEN(number_cases));
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
