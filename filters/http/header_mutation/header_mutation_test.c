// SPDX-License-Identifier: Apache-2.0
/* Expected results are those of Envoy 1.40 on the same configuration and request. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filters/http/header_mutation/header_mutation.h"
#include "src/base/check.h"
#include "tests/filter_support/filter_fixture.h"

extern const struct http_filter_factory header_mutation_http_filter_factory;

#define PSEUDO ":method: GET\n:authority: ex\n:path: /p\n"

static struct filter_fixture fx;

static void setup(void) {
    filter_fixture_init(&fx, &header_mutation_http_filter_factory);
}
static void teardown(void) {
    filter_fixture_deinit(&fx);
}

struct request_case {
    const char *steps; /* of request_mutations, one flow mapping each */
    const char *headers;
    const char *expected; /* after the pseudo headers */
};

static const struct request_case request_cases[] = {
    {"append: {header: {key: x-a, value: '3'}}", "x-a: 1\nx-a: 2\n", "x-a: 1\nx-a: 2\nx-a: 3\n"},
    {"append: {header: {key: accept, value: 'y'}}", "accept: x\n", "accept: x,y\n"},
    {"append: {header: {key: X-New, value: '%REQ(x-a)%'}}", "x-a: 1\nx-a: 2\n",
     "x-a: 1\nx-a: 2\nx-new: 1\n"},
    {"append: {header: {key: x-e, value: '%REQ(nope)%'}}", "", ""},
    {"append: {header: {key: x-e, value: '%REQ(nope)%'}, keep_empty_value: true}", "", "x-e: \n"},
    {"append: {header: {key: x-b, value: '1'}, append_action: ADD_IF_ABSENT}", "", "x-b: 1\n"},
    {"append: {header: {key: x-b, value: '2'}, append_action: ADD_IF_ABSENT}", "x-b: 1\n",
     "x-b: 1\n"},
    {"append: {header: {key: x-c, value: '1'}, append_action: OVERWRITE_IF_EXISTS}", "", ""},
    {"append: {header: {key: x-c, value: '9'}, append_action: OVERWRITE_IF_EXISTS}",
     "x-c: 1\nx-c: 2\n", "x-c: 9\n"},
    {"append: {header: {key: x-c, value: '9'}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}", "",
     "x-c: 9\n"},
    {"append: {header: {key: x-a, value: b}, append: false}", "x-a: 1\nx-a: 2\n", "x-a: b\n"},
    {"remove: X-A", "x-a: 1\nx-b: 2\nx-a: 3\n", "x-b: 2\n"},
    {"remove_on_match: {key_matcher: {prefix: x-}}", "x-a: 1\ny: 2\nx-b: 3\n", "y: 2\n"},
    {"remove_on_match: {key_matcher: {safe_regex: {regex: '.*up'}}}", "x-up: 1\nup-x: 2\n",
     "up-x: 2\n"},
};

START_TEST(request_step_gives_what_envoy_gives) {
    const struct request_case *c = &request_cases[_i];
    char yaml[512];
    (void)snprintf(yaml, sizeof(yaml), "mutations: {request_mutations: [{%s}]}", c->steps);
    filter_fixture_use(&fx, yaml);
    char request[256], expected[256];
    (void)snprintf(request, sizeof(request), PSEUDO "%s", c->headers);
    (void)snprintf(expected, sizeof(expected), PSEUDO "%s", c->expected);
    ck_assert(filter_fixture_request(&fx, request));
    ck_assert_str_eq(filter_fixture_text(&fx, &fx.request), expected);
}
END_TEST

START_TEST(steps_see_what_earlier_ones_did) {
    filter_fixture_use(&fx, "mutations:\n"
                            "  request_mutations:\n"
                            "  - append: {header: {key: x-new, value: '%REQ(x-a)%'}}\n"
                            "  - remove: x-a\n"
                            "  - append: {header: {key: x-a, value: '%REQ(x-new)%|'}}\n"
                            "  - append: {header: {key: x-z, value: '%REQ(x-a)%'}}\n");
    ck_assert(filter_fixture_request(&fx, PSEUDO "x-a: 1\n"));
    ck_assert_str_eq(filter_fixture_text(&fx, &fx.request), PSEUDO "x-new: 1\nx-a: 1|\nx-z: 1|\n");
}
END_TEST

START_TEST(response_is_edited_on_the_way_out) {
    filter_fixture_use(&fx, "mutations:\n"
                            "  response_mutations:\n"
                            "  - append: {header: {key: x-resp, value: '%RESP(x-up)%'}}\n"
                            "  - append: {header: {key: x-req, value: '%REQ(x-a)%'}}\n"
                            "  - append: {header: {key: vary, value: q}}\n"
                            "  - append: {header: {key: set-cookie, value: b}}\n"
                            "  - remove: x-gone\n");
    ck_assert(filter_fixture_request(&fx, PSEUDO "x-a: 1\n"));
    filter_fixture_answer(&fx, ":status: 200\nx-up: u\nvary: o\nset-cookie: a\nx-gone: 1\n");
    ck_assert_str_eq(
        filter_fixture_text(&fx, fx.out_headers),
        ":status: 200\nx-up: u\nvary: o,q\nset-cookie: a\nx-resp: u\nx-req: 1\nset-cookie: b\n");
}
END_TEST

START_TEST(trailers_of_both_directions_are_edited) {
    filter_fixture_use(&fx, "mutations:\n"
                            "  request_trailers_mutations:\n"
                            "  - append: {header: {key: x-t, value: '%REQ(x-a)%'}}\n"
                            "  response_trailers_mutations:\n"
                            "  - remove: x-s\n");
    filter_fixture_open(&fx, PSEUDO "x-a: 1\n");
    http_filter_chain_decode_headers(&fx.chain, &fx.request, false);
    filter_fixture_read_headers(&fx.request_trailers, "x-s: 0\n");
    http_filter_chain_decode_trailers(&fx.chain, &fx.request_trailers);
    ck_assert_str_eq(filter_fixture_text(&fx, &fx.request_trailers), "x-s: 0\nx-t: 1\n");
    struct http_filter *terminal = fx.chain.slots[1].filter;
    filter_fixture_read_headers(&fx.response, ":status: 200\n");
    http_filter_encode_headers(terminal, &fx.response, false);
    filter_fixture_read_headers(&fx.response_trailers, "x-s: 0\nx-r: 1\n");
    http_filter_encode_trailers(terminal, &fx.response_trailers);
    ck_assert_str_eq(filter_fixture_text(&fx, &fx.response_trailers), "x-r: 1\n");
}
END_TEST

struct query_case {
    const char *mutation;
    const char *path;
    const char *expected;
};

#define RECORD(key, value) "append: {record: {key: '" key "', value: '" value "'}}"
#define RECORD_ACTION(key, value, action)                                                          \
    "append: {record: {key: '" key "', value: '" value "'}, action: " action "}"
#define QUERY "/p?z=1&q=0&q=7&e=%41+b"

static const struct query_case query_cases[] = {
    {RECORD("q", "x y/&=%%"), QUERY, "/p?e=A+b&q=0&q=7&q=x%20y%2F%26%3D%25&z=1"},
    {RECORD("q", "x"), "/p", "/p?q=x"},
    {RECORD("q", "x"), "/p?", "/p?q=x"},
    {RECORD("m", "%REQ(:method)%"), QUERY, "/p?e=A+b&m=GET&q=0&q=7&z=1"},
    {RECORD("n", "%REQ(nope)%"), QUERY, "/p?e=A+b&n=&q=0&q=7&z=1"},
    {RECORD("k", "é~-_.!*()"), "/p", "/p?k=%C3%A9%7E-_.%21*%28%29"},
    {RECORD_ACTION("q", "X", "OVERWRITE_IF_EXISTS_OR_ADD"), QUERY, "/p?e=A+b&q=X&z=1"},
    {RECORD_ACTION("w", "X", "OVERWRITE_IF_EXISTS_OR_ADD"), QUERY, "/p?e=A+b&q=0&q=7&w=X&z=1"},
    {RECORD_ACTION("q", "X", "OVERWRITE_IF_EXISTS"), QUERY, "/p?e=A+b&q=X&z=1"},
    {RECORD_ACTION("w", "X", "OVERWRITE_IF_EXISTS"), QUERY, "/p?e=A+b&q=0&q=7&z=1"},
    {RECORD_ACTION("q", "X", "ADD_IF_ABSENT"), QUERY, "/p?e=A+b&q=0&q=7&z=1"},
    {RECORD_ACTION("w", "X", "ADD_IF_ABSENT"), QUERY, "/p?e=A+b&q=0&q=7&w=X&z=1"},
    {"remove: q", QUERY, "/p?e=A+b&z=1"},
    {"remove: q", "/p?q=1", "/p"},
    {"remove: q", "/p?%71=1&x", "/p?x="},
    {RECORD("n", "1"), "/p?=3&&b", "/p?=3&=&b=&n=1"},
    {RECORD("n", "1"), "/p?b=1&a=2&b=0&%61=3", "/p?a=2&a=3&b=1&b=0&n=1"},
    {RECORD("n", "1"), "/p?c=%&d=%zz", "/p?c=%&d=%zz&n=1"},
    /* Here Envoy decodes all, and then fails the request or splits the parameter. */
    {RECORD("n", "1"), "/p?e=%20x%0d%0aY&f=%26%3d", "/p?e=%20x%0d%0aY&f=%26%3d&n=1"},
    {RECORD("a b&", "1"), "/p", "/p?a%20b%26=1"},
};

START_TEST(query_mutation_gives_what_envoy_gives) {
    const struct query_case *c = &query_cases[_i];
    char yaml[512], request[256];
    (void)snprintf(yaml, sizeof(yaml), "mutations: {query_parameter_mutations: [{%s}]}",
                   c->mutation);
    (void)snprintf(request, sizeof(request), ":method: GET\n:authority: ex\n:path: %s\n", c->path);
    filter_fixture_use(&fx, yaml);
    ck_assert(filter_fixture_request(&fx, request));
    ck_assert_str_eq(arena_dup_string(&fx.arena, header_map_get(&fx.request, HEADER_PATH)),
                     c->expected);
}
END_TEST

static void level_yaml(char yaml[512], const char *name, const char *more) {
    (void)snprintf(yaml, 512,
                   "mutations:\n"
                   "  request_mutations: [{append: {header: {key: x-l, value: %s}}}]\n"
                   "  query_parameter_mutations: [{append: {record: {key: l, value: %s}}}]\n%s",
                   name, name, more);
}

static void use_levels(const char *more) {
    static const char *const names[LEVEL_COUNT] = {"rc", "vhost", "route", "wc"};
    char yaml[512];
    level_yaml(yaml, "filter", more);
    filter_fixture_use(&fx, yaml);
    for (int level = 0; level < LEVEL_COUNT; level++) {
        level_yaml(yaml, names[level], "");
        filter_fixture_use_route(&fx, (enum filter_level)level, yaml);
    }
}

START_TEST(levels_apply_from_the_most_specific_outwards) {
    use_levels("");
    ck_assert(filter_fixture_request(&fx, PSEUDO));
    ck_assert_str_eq(filter_fixture_text(&fx, &fx.request),
                     ":method: GET\n:authority: ex\n"
                     ":path: /p?l=filter&l=wc&l=route&l=vhost&l=rc\n"
                     "x-l: filter\nx-l: wc\nx-l: route\nx-l: vhost\nx-l: rc\n");
}
END_TEST

START_TEST(levels_apply_inwards_where_the_most_specific_wins) {
    use_levels("most_specific_header_mutations_wins: true\n");
    ck_assert(filter_fixture_request(&fx, PSEUDO));
    ck_assert_str_eq(filter_fixture_text(&fx, &fx.request),
                     ":method: GET\n:authority: ex\n"
                     ":path: /p?l=filter&l=rc&l=vhost&l=route&l=wc\n"
                     "x-l: filter\nx-l: rc\nx-l: vhost\nx-l: route\nx-l: wc\n");
}
END_TEST

struct missing_case {
    const char *remove;
    const char *details;
    const char *body;
};
static const struct missing_case missing_cases[] = {
    {"remove: ':path'", "filter_removed_required_request_headers{missing_required_header:_:path}",
     "missing required header: :path"},
    {"remove: ':method'",
     "filter_removed_required_request_headers{missing_required_header:_:method}",
     "missing required header: :method"},
    {"remove_on_match: {key_matcher: {safe_regex: {regex: '.*'}}}",
     "filter_removed_required_request_headers{missing_required_header:_:method}",
     "missing required header: :method"},
};

START_TEST(request_without_a_required_header_is_answered) {
    const struct missing_case *c = &missing_cases[_i];
    char yaml[256];
    (void)snprintf(yaml, sizeof(yaml), "mutations: {request_mutations: [{%s}]}", c->remove);
    filter_fixture_use(&fx, yaml);
    ck_assert(!filter_fixture_request(&fx, PSEUDO));
    ck_assert_uint_eq(fx.replies, 1);
    ck_assert_uint_eq(fx.reply_status, 503);
    ck_assert_int_eq(fx.reply_flag, RESPONSE_FLAG_DOWNSTREAM_PROTOCOL_ERROR);
    ck_assert(slice_equal(fx.reply_details, slice_from_string(c->details)));
    ck_assert(slice_equal(fx.reply_body, slice_from_string(c->body)));
}
END_TEST

START_TEST(response_without_a_status_becomes_502) {
    filter_fixture_use(&fx, "mutations: {response_mutations: [{remove: ':status'}]}");
    ck_assert(filter_fixture_request(&fx, PSEUDO));
    filter_fixture_answer(&fx, ":status: 200\nx: y\n");
    ck_assert_uint_eq(fx.replies, 1);
    ck_assert_uint_eq(fx.reply_status, 502);
    ck_assert_str_eq(filter_fixture_text(&fx, fx.out_headers), ":status: 502\n");
}
END_TEST

START_TEST(host_is_removed_under_its_pseudo_name) {
    filter_fixture_use(&fx, "mutations: {request_mutations: [{remove: Host}]}");
    ck_assert(filter_fixture_request(&fx, PSEUDO));
    ck_assert(!header_map_has(&fx.request, HEADER_AUTHORITY));
}
END_TEST

struct bad_case {
    const char *yaml;
    const char *error; /* part of it */
};
static const struct bad_case bad_cases[] = {
    {"mutations: {request_mutations: [{append: {header: {key: ':path', value: x}}}]}",
     "mutations.request_mutations[0].append: :-prefixed or host headers may not be modified"},
    {"mutations: {request_mutations: [{append: {header: {key: host, value: x}}}]}",
     ":-prefixed or host headers may not be modified"},
    {"mutations: {response_mutations: [{append: {header: {key: a, value: '%NOPE%'}}}]}", "NOPE"},
    {"mutations: {request_mutations: [{}]}", "request_mutations[0]"},
    {"mutations: {request_mutations: [{remove_on_match: {}}]}", "key_matcher"},
    {"mutations: {query_parameter_mutations: [{}]}", "One of 'append'/'remove' must be specified."},
    {"mutations: {query_parameter_mutations: [{remove: a, append: {record: {key: a, value: b}}}]}",
     "Only one of 'append'/'remove can be specified."},
    {"mutations: {query_parameter_mutations: [{append: {record: {key: a, value: 5}}}]}",
     "Only string value is allowed for record value."},
    {"mutations: {query_parameter_mutations: [{append: {record: {key: a, value: '%NOPE%'}}}]}",
     "NOPE"},
};

START_TEST(bad_configuration_is_refused) {
    ck_assert_ptr_null(filter_fixture_parse(&fx, bad_cases[_i].yaml));
    ck_assert_msg(strstr(fx.error.message, bad_cases[_i].error) != NULL, "%s", fx.error.message);
}
END_TEST

START_TEST(ledger_knows_every_field) {
    ck_assert_ptr_nonnull(filter_fixture_parse(
        &fx, "most_specific_header_mutations_wins: true\n"
             "mutations:\n"
             "  request_mutations: [{remove: a}, {append: {header: {key: a, value: b}}},"
             " {remove_on_match: {key_matcher: {exact: a}}}]\n"
             "  query_parameter_mutations: [{append: {record: {key: a, value: b}}}]\n"));
    ck_assert_uint_eq(fx.ignored, 0);
}
END_TEST

int main(void) {
    TCase *tcase = tcase_create("header_mutation");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, request_step_gives_what_envoy_gives, 0, ARRAY_LEN(request_cases));
    tcase_add_test(tcase, steps_see_what_earlier_ones_did);
    tcase_add_test(tcase, response_is_edited_on_the_way_out);
    tcase_add_test(tcase, trailers_of_both_directions_are_edited);
    tcase_add_loop_test(tcase, query_mutation_gives_what_envoy_gives, 0, ARRAY_LEN(query_cases));
    tcase_add_test(tcase, levels_apply_from_the_most_specific_outwards);
    tcase_add_test(tcase, levels_apply_inwards_where_the_most_specific_wins);
    tcase_add_loop_test(tcase, request_without_a_required_header_is_answered, 0,
                        ARRAY_LEN(missing_cases));
    tcase_add_test(tcase, response_without_a_status_becomes_502);
    tcase_add_test(tcase, host_is_removed_under_its_pseudo_name);
    tcase_add_loop_test(tcase, bad_configuration_is_refused, 0, ARRAY_LEN(bad_cases));
    tcase_add_test(tcase, ledger_knows_every_field);
    Suite *suite = suite_create("header_mutation");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
