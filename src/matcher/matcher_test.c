// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>

#include "src/base/check.h"
#include "src/matcher/header_matcher.h"
#include "src/matcher/regex.h"

static struct regex *regex_of(const char *text) {
    struct regex *regex = NULL;
    ck_assert_int_eq(regex_new(slice_from_string(text), &regex, NULL), STATUS_OK);
    return regex;
}

START_TEST(regex_full_match_needs_all_of_the_text) {
    struct regex *regex = regex_of("a.c");
    ck_assert(regex_full_match(regex, SLICE("abc")));
    ck_assert(!regex_full_match(regex, SLICE("abcd")));
    ck_assert(!regex_full_match(regex, SLICE("")));
    ck_assert(regex_partial_match(regex, SLICE("xxabcd")));
    regex_free(regex);
}
END_TEST

START_TEST(regex_reads_bytes_not_utf8) {
    struct regex *regex = regex_of("a.");
    ck_assert(regex_full_match(regex, SLICE("a\xff")));
    regex_free(regex);
}
END_TEST

START_TEST(regex_refuses_bad_patterns_with_a_reason) {
    static const char *const bad[] = {"(", "[a", "*a", "a{2,1}", "(?=a)", "\\1"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct regex *regex = NULL;
        struct error err = {0};
        ck_assert_int_eq(regex_new(slice_from_string(bad[i]), &regex, &err), STATUS_INVALID);
        ck_assert_ptr_nonnull(strstr(err.message, bad[i]));
    }
}
END_TEST

START_TEST(regex_refuses_a_program_over_the_cap) {
    struct regex *regex = NULL;
    struct error err = {0};
    enum status status = regex_new(SLICE("((a{100}){100}){10}"), &regex, &err);
    ck_assert_int_eq(status, STATUS_INVALID);
}
END_TEST

START_TEST(regex_replace_all_substitutes_groups) {
    struct arena arena;
    arena_init_heap(&arena, 0);
    struct regex *regex = regex_of("^/service/([^/]+)(/.*)$");
    struct slice out =
        regex_replace_all(regex, SLICE("/service/foo/v1/api"), SLICE("\\2/instance/\\1"), &arena);
    ck_assert(slice_equal(out, SLICE("/v1/api/instance/foo")));
    out = regex_replace_all(regex, SLICE("/other"), SLICE("\\1"), &arena);
    ck_assert(slice_equal(out, SLICE("/other")));
    ck_assert_int_eq(regex_check_substitution(regex, SLICE("\\2"), NULL), STATUS_OK);
    struct error err = {0};
    ck_assert_int_eq(regex_check_substitution(regex, SLICE("\\3"), &err), STATUS_INVALID);
    ck_assert_str_ne(err.message, "");
    regex_free(regex);
    arena_deinit(&arena);
}
END_TEST

struct string_case {
    enum string_match_kind kind;
    bool ignore_case;
    const char *text, *value;
    bool want;
};

static const struct string_case string_cases[] = {
    {STRING_MATCH_EXACT, false, "abc", "abc", true},
    {STRING_MATCH_EXACT, false, "abc", "ABC", false},
    {STRING_MATCH_EXACT, true, "abc", "ABC", true},
    {STRING_MATCH_EXACT, false, "abc", "", false},
    {STRING_MATCH_PREFIX, false, "ab", "abc", true},
    {STRING_MATCH_PREFIX, false, "ab", "a", false},
    {STRING_MATCH_PREFIX, true, "ab", "ABc", true},
    {STRING_MATCH_SUFFIX, false, "bc", "abc", true},
    {STRING_MATCH_SUFFIX, true, "bc", "aBC", true},
    {STRING_MATCH_SUFFIX, false, "bc", "aBC", false},
    {STRING_MATCH_CONTAINS, false, "b", "abc", true},
    {STRING_MATCH_CONTAINS, false, "x", "abc", false},
    {STRING_MATCH_CONTAINS, true, "bc", "aBCd", true},
    {STRING_MATCH_CONTAINS, true, "bcde", "aBC", false},
};

START_TEST(string_matcher_kinds_match) {
    const struct string_case *c = &string_cases[_i];
    struct string_matcher matcher = {
        .kind = c->kind, .ignore_case = c->ignore_case, .text = slice_from_string(c->text)};
    ck_assert(string_matcher_matches(&matcher, slice_from_string(c->value)) == c->want);
    ck_assert(string_matcher_matches_untyped(&matcher, slice_from_string(c->value)) == c->want);
}
END_TEST

struct header_case {
    const char *first, *second; /* values of "x"; NULL: absent */
    enum header_match_kind kind;
    bool invert, empty, present;
    const char *exact;
    bool want;
};

static const struct header_case header_cases[] = {
    {"a", NULL, HEADER_MATCH_STRING, false, false, false, "a", true},
    {"b", NULL, HEADER_MATCH_STRING, false, false, false, "a", false},
    {"b", NULL, HEADER_MATCH_STRING, true, false, false, "a", true},
    {NULL, NULL, HEADER_MATCH_STRING, false, false, false, "a", false},
    {NULL, NULL, HEADER_MATCH_STRING, true, false, false, "a", false},
    {NULL, NULL, HEADER_MATCH_STRING, true, true, false, "a", true},
    {NULL, NULL, HEADER_MATCH_STRING, false, true, false, "", true},
    {"b", "a", HEADER_MATCH_STRING, false, false, false, "a", true},
    {"b", "a", HEADER_MATCH_STRING, true, false, false, "a", false},
    {"b", "a", HEADER_MATCH_STRING, false, false, false, "b,a", false},
    {"b", NULL, HEADER_MATCH_PRESENT, false, false, true, "", true},
    {"b", NULL, HEADER_MATCH_PRESENT, false, false, false, "", false},
    {NULL, NULL, HEADER_MATCH_PRESENT, false, false, true, "", false},
    {NULL, NULL, HEADER_MATCH_PRESENT, false, false, false, "", true},
    {NULL, NULL, HEADER_MATCH_PRESENT, true, false, true, "", true},
    {"b", NULL, HEADER_MATCH_PRESENT, true, false, true, "", false},
    {"10", NULL, HEADER_MATCH_RANGE, false, false, false, "", true},
    {"-5", NULL, HEADER_MATCH_RANGE, false, false, false, "", true},
    {"20", NULL, HEADER_MATCH_RANGE, false, false, false, "", false},
    {"10x", NULL, HEADER_MATCH_RANGE, false, false, false, "", false},
    {"", NULL, HEADER_MATCH_RANGE, false, false, false, "", false},
};

START_TEST(header_matcher_truth_table) {
    const struct header_case *c = &header_cases[_i];
    struct arena arena;
    arena_init_heap(&arena, 0);
    struct header_map map;
    header_map_init(&map, &arena);
    header_map_append_name(&map, SLICE("other"), SLICE("a"));
    if (c->first != NULL) {
        header_map_append_name(&map, SLICE("x"), slice_from_string(c->first));
    }
    if (c->second != NULL) {
        header_map_append_name(&map, SLICE("x"), slice_from_string(c->second));
    }
    struct header_matcher matcher = {.name = SLICE("x"),
                                     .kind = c->kind,
                                     .invert = c->invert,
                                     .treat_missing_as_empty = c->empty,
                                     .present = c->present,
                                     .string = {.text = slice_from_string(c->exact)},
                                     .range_start = -5,
                                     .range_end = 20};
    ck_assert(header_matcher_matches(&matcher, &map) == c->want);
    ck_assert(header_matchers_match(&matcher, 0, &map));
    arena_deinit(&arena);
}
END_TEST

START_TEST(query_matchers_match_all) {
    struct query_matcher present = {.name = SLICE("a"), .is_present_match = true, .present = true};
    struct query_matcher exact = {.name = SLICE("b"), .string = {.text = SLICE("1")}};
    struct query_matcher both[] = {present, exact};
    ck_assert(query_matchers_match(both, 2, SLICE("a&b=1")));
    ck_assert(query_matchers_match(both, 2, SLICE("b=1&a=")));
    ck_assert(!query_matchers_match(both, 2, SLICE("b=2&a=")));
    ck_assert(!query_matchers_match(both, 2, SLICE("b=1")));
    ck_assert(query_matchers_match(both, 0, SLICE("")));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("matcher");
    TCase *tcase = tcase_create("all");
    tcase_add_test(tcase, regex_full_match_needs_all_of_the_text);
    tcase_add_test(tcase, regex_reads_bytes_not_utf8);
    tcase_add_test(tcase, regex_refuses_bad_patterns_with_a_reason);
    tcase_add_test(tcase, regex_refuses_a_program_over_the_cap);
    tcase_add_test(tcase, regex_replace_all_substitutes_groups);
    tcase_add_loop_test(tcase, string_matcher_kinds_match, 0, ARRAY_LEN(string_cases));
    tcase_add_loop_test(tcase, header_matcher_truth_table, 0, ARRAY_LEN(header_cases));
    tcase_add_test(tcase, query_matchers_match_all);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
