// SPDX-License-Identifier: Apache-2.0
#include "src/listener/listener_filter_match.h"

#include <check.h>
#include <stdlib.h>

#include "src/base/check.h"

#define PORTS(start, end)                                                                          \
    { .kind = LISTENER_FILTER_PORTS, .port_start = (start), .port_end = (end) }

static const struct listener_filter_predicate low = PORTS(1, 443), https = PORTS(443, 444);
static const struct listener_filter_predicate *const both[] = {&low, &https};
static const struct listener_filter_predicate *const one[] = {&https};
static const struct listener_filter_predicate any = {.kind = LISTENER_FILTER_ANY, .any = true};
static const struct listener_filter_predicate either = {
    .kind = LISTENER_FILTER_OR, .children = both, .child_count = 2};
static const struct listener_filter_predicate neither = {
    .kind = LISTENER_FILTER_AND, .children = both, .child_count = 2};
static const struct listener_filter_predicate others = {
    .kind = LISTENER_FILTER_NOT, .children = one, .child_count = 1};
static const struct listener_filter_predicate *const nested_rules[] = {&either, &others};
static const struct listener_filter_predicate nested = {
    .kind = LISTENER_FILTER_AND, .children = nested_rules, .child_count = 2};

static const struct {
    const struct listener_filter_predicate *predicate;
    const char *local;
    bool holds;
} cases[] = {
    {&https, "127.0.0.1:443", true},    {&https, "127.0.0.1:444", false},
    {&https, "127.0.0.1:442", false},   {&https, "[::1]:443", true},
    {&any, "127.0.0.1:1", true},        {&either, "127.0.0.1:80", true},
    {&either, "127.0.0.1:443", true},   {&either, "127.0.0.1:8443", false},
    {&neither, "127.0.0.1:443", false}, {&others, "127.0.0.1:443", false},
    {&others, "127.0.0.1:80", true},    {&nested, "127.0.0.1:80", true},
    {&nested, "127.0.0.1:443", false},
};

START_TEST(predicate_holds_for_its_ports) {
    struct address local;
    ck_assert_int_eq(address_from_text(&local, slice_from_string(cases[_i].local), NULL),
                     STATUS_OK);
    ck_assert_msg(listener_filter_match(cases[_i].predicate, &local) == cases[_i].holds, "%s: %d",
                  cases[_i].local, _i);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("listener_filter_match");
    TCase *tests = tcase_create("all");
    tcase_add_loop_test(tests, predicate_holds_for_its_ports, 0, (int)ARRAY_LEN(cases));
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
