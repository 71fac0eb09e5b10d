// SPDX-License-Identifier: Apache-2.0
/* Outcomes are those of Envoy 1.40 but for headers of several values (docs/deviations.md). */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filters/http/rbac/rbac.h"
#include "src/base/check.h"
#include "tests/filter_support/filter_fixture.h"

extern const struct http_filter_factory rbac_http_filter_factory;

static struct filter_fixture fx;
static struct address local, remote, direct, forwarded;

static void make_address(struct address *address, const char *text) {
    ck_assert_int_eq(address_from_text(address, slice_from_string(text), NULL), STATUS_OK);
}

static void setup(void) {
    filter_fixture_init(&fx, &rbac_http_filter_factory);
    make_address(&local, "10.0.0.1:8443");
    make_address(&remote, "192.0.2.7:1");
    make_address(&direct, "198.51.100.9:2");
    make_address(&forwarded, "203.0.113.3:0");
    static const struct slice names[] = {SLICE_INIT("spiffe://a/b,c"), SLICE_INIT("client.test")};
    static struct transport_peer peer;
    peer = (struct transport_peer){.is_tls = true,
                                   .peer_names = names,
                                   .peer_name_count = 2,
                                   .peer_subject = SLICE("CN=client")};
    fx.connection = (struct connection_info){
        .local = &local,
        .remote = &remote,
        .direct_remote = &direct,
        .requested_server_name = SLICE("www.test"),
        .peer = &peer,
    };
}
static void teardown(void) {
    filter_fixture_deinit(&fx);
}

static bool request(const char *path, const char *headers) {
    char lines[512];
    (void)snprintf(lines, sizeof(lines), ":method: GET\n:authority: ex\n:path: %s\n%s", path,
                   headers);
    filter_fixture_open(&fx, lines);
    fx.info.downstream_remote = &forwarded;
    return filter_fixture_send(&fx);
}

static bool text_equal(struct slice text, const char *expected) {
    return slice_equal(text, slice_from_string(expected));
}

/* ---- permissions and principals, one at a time ---- */

struct rule_case {
    const char *rule;
    const char *path;
    const char *headers;
    bool allowed;
};

static const struct rule_case permission_cases[] = {
    {"any: true", "/", "", true},
    {"not_rule: {any: true}", "/", "", false},
    {"and_rules: {rules: [{any: true}, {url_path: {path: {exact: /a}}}]}", "/a", "", true},
    {"and_rules: {rules: [{any: true}, {url_path: {path: {exact: /a}}}]}", "/b", "", false},
    {"or_rules: {rules: [{header: {name: x, present_match: true}}, "
     "{url_path: {path: {exact: /a}}}]}",
     "/a", "", true},
    {"or_rules: {rules: [{header: {name: x, present_match: true}}, "
     "{url_path: {path: {exact: /a}}}]}",
     "/b", "", false},
    {"url_path: {path: {prefix: /a}}", "/ab?x", "", true},
    {"url_path: {path: {exact: /a}}", "/a?x=/b", "", true},
    {"url_path: {path: {exact: /a}}", "/A", "", false},
    {"url_path: {path: {exact: /a, ignore_case: true}}", "/A", "", true},
    {"header: {name: ':method', string_match: {exact: GET}}", "/", "", true},
    {"header: {name: X-H, string_match: {exact: a}}", "/", "x-h: a\n", true},
    {"header: {name: x-h, string_match: {exact: a}}", "/", "", false},
    {"header: {name: x-h, string_match: {exact: a}, invert_match: true}", "/", "", false},
    {"header: {name: x-h, range_match: {start: 1, end: 5}}", "/", "x-h: 4\n", true},
    {"destination_ip: {address_prefix: 10.0.0.0, prefix_len: 8}", "/", "", true},
    {"destination_ip: {address_prefix: 11.0.0.0, prefix_len: 8}", "/", "", false},
    {"destination_port: 8443", "/", "", true},
    {"destination_port: 443", "/", "", false},
    {"destination_port_range: {start: 8443, end: 8444}", "/", "", true},
    {"destination_port_range: {start: 8000, end: 8443}", "/", "", false},
    {"requested_server_name: {suffix: .test}", "/", "", true},
    {"requested_server_name: {exact: other}", "/", "", false},
};

static const struct rule_case principal_cases[] = {
    {"any: true", "/", "", true},
    {"not_id: {any: true}", "/", "", false},
    {"and_ids: {ids: [{any: true}, {not_id: {any: true}}]}", "/", "", false},
    {"or_ids: {ids: [{not_id: {any: true}}, {any: true}]}", "/", "", true},
    {"source_ip: {address_prefix: 192.0.2.0, prefix_len: 24}", "/", "", true},
    {"source_ip: {address_prefix: 198.51.100.0, prefix_len: 24}", "/", "", false},
    {"direct_remote_ip: {address_prefix: 198.51.100.0, prefix_len: 24}", "/", "", true},
    {"direct_remote_ip: {address_prefix: 192.0.2.0, prefix_len: 24}", "/", "", false},
    {"remote_ip: {address_prefix: 203.0.113.0, prefix_len: 24}", "/", "", true},
    {"remote_ip: {address_prefix: 192.0.2.0, prefix_len: 24}", "/", "", false},
    {"header: {name: x, present_match: true}", "/", "x: 1\n", true},
    {"url_path: {path: {exact: /a}}", "/a", "", true},
    {"authenticated: {}", "/", "", true},
    {"authenticated: {principal_name: {exact: 'spiffe://a/b,c'}}", "/", "", true},
    {"authenticated: {principal_name: {exact: 'spiffe://a/b'}}", "/", "", false},
    {"authenticated: {principal_name: {exact: 'c'}}", "/", "", false},
    {"authenticated: {principal_name: {suffix: .test}}", "/", "", true},
    {"authenticated: {principal_name: {exact: CN=client}}", "/", "", true},
    {"authenticated: {principal_name: {exact: CN=other}}", "/", "", false},
};

static void use_policy(const char *action, const char *permission, const char *principal) {
    char yaml[1024];
    (void)snprintf(yaml, sizeof(yaml),
                   "rules:\n  action: %s\n  policies:\n    p:\n      permissions: [{%s}]\n"
                   "      principals: [{%s}]\n",
                   action, permission, principal);
    filter_fixture_use(&fx, yaml);
}

START_TEST(permission_decides) {
    const struct rule_case *c = &permission_cases[_i];
    use_policy("ALLOW", c->rule, "any: true");
    ck_assert_int_eq(request(c->path, c->headers), c->allowed);
    use_policy("DENY", c->rule, "any: true");
    ck_assert_int_eq(request(c->path, c->headers), !c->allowed);
}
END_TEST

START_TEST(principal_decides) {
    const struct rule_case *c = &principal_cases[_i];
    use_policy("ALLOW", "any: true", c->rule);
    ck_assert_int_eq(request(c->path, c->headers), c->allowed);
    use_policy("DENY", "any: true", c->rule);
    ck_assert_int_eq(request(c->path, c->headers), !c->allowed);
}
END_TEST

START_TEST(plain_text_connection_is_not_authenticated) {
    fx.connection.peer = NULL;
    use_policy("ALLOW", "any: true", "authenticated: {}");
    ck_assert(!request("/", ""));
}
END_TEST

/* ---- headers of several values ---- */

struct values_case {
    const char *action;
    const char *matcher;
    bool allowed[3]; /* for "a" alone, "b" alone, both */
};
#define IS_A "header: {name: x, string_match: {exact: a}}"
#define NOT_A "header: {name: x, string_match: {exact: a}, invert_match: true}"
static const struct values_case values_cases[] = {
    {"ALLOW", IS_A, {true, false, false}},
    {"DENY", IS_A, {false, true, false}},
    {"ALLOW", NOT_A, {false, true, false}},
    {"DENY", NOT_A, {true, false, false}},
    {"ALLOW", "not_rule: {" IS_A "}", {false, true, false}},
    {"DENY", "not_rule: {" IS_A "}", {true, false, false}},
    {"ALLOW", "not_rule: {not_rule: {" IS_A "}}", {true, false, false}},
    {"ALLOW", "header: {name: x, present_match: true}", {true, true, true}},
    {"DENY", "header: {name: x, present_match: true}", {false, false, false}},
};

START_TEST(header_of_several_values_never_grants_by_one_of_them) {
    const struct values_case *c = &values_cases[_i];
    use_policy(c->action, c->matcher, "any: true");
    ck_assert_int_eq(request("/", "x: a\n"), c->allowed[0]);
    ck_assert_int_eq(request("/", "x: b\n"), c->allowed[1]);
    ck_assert_int_eq(request("/", "x: a\nx: b\n"), c->allowed[2]);
    ck_assert_int_eq(request("/", "x: b\nx: a\n"), c->allowed[2]);
}
END_TEST

/* ---- metadata, filter state ---- */

struct value_case {
    const char *value; /* matcher */
    const char *text;  /* NULL: not there */
    bool is_string;
    bool matches;
};
static const struct value_case value_cases[] = {
    {"string_match: {exact: q}", "q", true, true},
    {"string_match: {exact: q}", "r", true, false},
    {"string_match: {exact: '5'}", "5", false, false},
    {"string_match: {safe_regex: {regex: '.*'}}", NULL, true, false},
    {"null_match: {}", "null", false, true},
    {"null_match: {}", "null", true, false},
    {"null_match: {}", NULL, false, false},
    {"double_match: {exact: 1.5}", "1.5", false, true},
    {"double_match: {exact: 1.5}", "1.5", true, false},
    {"double_match: {range: {start: 1, end: 2}}", "1", false, true},
    {"double_match: {range: {start: 1, end: 2}}", "2", false, false},
    {"double_match: {exact: 1}", "1x", false, false},
    {"bool_match: true", "true", false, true},
    {"bool_match: true", "false", false, false},
    {"bool_match: false", "false", false, true},
    {"present_match: true", "x", true, true},
    {"present_match: true", NULL, true, false},
    {"present_match: false", NULL, true, false},
    {"list_match: {one_of: {string_match: {exact: b}}}", "[\"a\",\"b\"]", false, true},
    {"list_match: {one_of: {string_match: {exact: b}}}", "[ \"a\" , \"b\" ]", false, true},
    {"list_match: {one_of: {string_match: {exact: 'a,b'}}}", "[\"a,b\"]", false, true},
    {"list_match: {one_of: {string_match: {exact: b}}}", "[\"a,b\"]", false, false},
    {"list_match: {one_of: {string_match: {exact: 'a\"]'}}}", "[\"a\\\"]\"]", false, true},
    {"list_match: {one_of: {string_match: {exact: é}}}", "[\"\\u00e9\"]", false, true},
    {"list_match: {one_of: {double_match: {exact: 2}}}", "[1, 2 ]", false, true},
    {"list_match: {one_of: {string_match: {exact: b}}}", "[\"a\"", false, false},
    {"list_match: {one_of: {string_match: {exact: b}}}", "[\"b", false, false},
    {"list_match: {one_of: {string_match: {exact: b}}}", "b", true, false},
    {"list_match: {one_of: {string_match: {exact: b}}}", "[]", false, false},
    {"or_match: {value_matchers: [{bool_match: true}, {string_match: {exact: q}}]}", "q", true,
     true},
    {"or_match: {value_matchers: [{bool_match: true}, {string_match: {exact: q}}]}", "r", true,
     false},
};

static bool send_with_metadata(const char *key, const char *text, bool is_string) {
    filter_fixture_open(&fx, ":method: GET\n:path: /\n");
    if (text != NULL) {
        stream_info_set_metadata(&fx.info, SLICE("ns"), slice_from_string(key),
                                 slice_from_string(text), is_string);
    }
    return filter_fixture_send(&fx);
}

START_TEST(metadata_value_decides) {
    const struct value_case *c = &value_cases[_i];
    char rule[512];
    (void)snprintf(rule, sizeof(rule),
                   "metadata: {filter: ns, path: [{key: a}, {key: b}], value: {%s}}", c->value);
    use_policy("ALLOW", "any: true", rule);
    ck_assert_int_eq(send_with_metadata("a.b", c->text, c->is_string), c->matches);
    (void)snprintf(rule, sizeof(rule),
                   "sourced_metadata: {metadata_matcher: {filter: ns, path: [{key: a}, {key: b}], "
                   "invert: true, value: {%s}}}",
                   c->value);
    use_policy("ALLOW", rule, "any: true");
    ck_assert_int_eq(send_with_metadata("a.b", c->text, c->is_string), !c->matches);
}
END_TEST

START_TEST(structure_in_metadata_is_present_but_no_scalar) {
    use_policy("ALLOW", "any: true",
               "metadata: {filter: ns, path: [{key: a}], value: {present_match: true}}");
    ck_assert(send_with_metadata("a.b", "x", true));
    ck_assert(!send_with_metadata("ab", "x", true));
    use_policy("ALLOW", "any: true",
               "metadata: {filter: ns, path: [{key: a}], value: {string_match: {exact: x}}}");
    ck_assert(!send_with_metadata("a.b", "x", true));
}
END_TEST

START_TEST(metadata_of_the_route_is_its_own_source) {
    static const struct metadata_entry entry = {.filter = SLICE_INIT("ns"),
                                                .path = SLICE_INIT("a"),
                                                .value = SLICE_INIT("q"),
                                                .is_string = true};
    fx.route.metadata = (struct metadata){.entries = &entry, .count = 1};
    use_policy("ALLOW",
               "sourced_metadata: {metadata_source: ROUTE, metadata_matcher: "
               "{filter: ns, path: [{key: a}], value: {string_match: {exact: q}}}}",
               "any: true");
    ck_assert(request("/", ""));
    fx.has_no_route = true;
    ck_assert(!request("/", ""));
    fx.has_no_route = false;
    use_policy("ALLOW",
               "metadata: {filter: ns, path: [{key: a}], value: {string_match: {exact: q}}}",
               "any: true");
    ck_assert(!request("/", ""));
}
END_TEST

START_TEST(filter_state_decides) {
    use_policy("ALLOW", "any: true", "filter_state: {key: k, string_match: {exact: v}}");
    filter_fixture_open(&fx, ":method: GET\n:path: /\n");
    stream_info_set_state(&fx.info, SLICE("k"), SLICE("v"));
    ck_assert(filter_fixture_send(&fx));
    ck_assert(!request("/", ""));
    use_policy("ALLOW", "any: true",
               "filter_state: {key: k, address_match: {ranges: "
               "[{address_prefix: 10.0.0.0, prefix_len: 8}]}}");
    filter_fixture_open(&fx, ":method: GET\n:path: /\n");
    stream_info_set_state(&fx.info, SLICE("k"), SLICE("10.1.2.3:80"));
    ck_assert(filter_fixture_send(&fx));
    filter_fixture_open(&fx, ":method: GET\n:path: /\n");
    stream_info_set_state(&fx.info, SLICE("k"), SLICE("11.1.2.3"));
    ck_assert(!filter_fixture_send(&fx));
}
END_TEST

/* ---- the filter ---- */

static void use_two(const char *action, const char *more) {
    char yaml[1024];
    (void)snprintf(yaml, sizeof(yaml),
                   "rules:\n"
                   "  action: %s\n"
                   "  policies:\n"
                   "    'z z': {permissions: [{url_path: {path: {prefix: /a}}}], "
                   "principals: [{any: true}]}\n"
                   "    \"b\\tb\": {permissions: [{url_path: {path: {exact: /ab}}}], "
                   "principals: [{any: true}]}\n%s",
                   action, more);
    filter_fixture_use(&fx, yaml);
}

static const char *metadata(const char *key) {
    const struct info_entry *entry =
        stream_info_metadata(&fx.info, SLICE("envoy.filters.http.rbac"), slice_from_string(key));
    return entry == NULL ? NULL : arena_dup_string(&fx.arena, entry->value);
}

START_TEST(denied_request_gets_envoys_answer) {
    use_two("DENY", "");
    ck_assert(!request("/ab", ""));
    ck_assert_uint_eq(fx.replies, 1);
    ck_assert_uint_eq(fx.reply_status, 403);
    ck_assert_int_eq(fx.reply_flag, RESPONSE_FLAG_COUNT);
    ck_assert(text_equal(fx.reply_body, "RBAC: access denied"));
    ck_assert(text_equal(fx.reply_details, "rbac_access_denied_matched_policy[b_b]"));
    ck_assert_str_eq(metadata("enforced_effective_policy_id"), "b\tb");
    ck_assert_str_eq(metadata("enforced_engine_result"), "denied");
    use_two("ALLOW", "");
    ck_assert(!request("/x", ""));
    ck_assert(text_equal(fx.reply_details, "rbac_access_denied_matched_policy[none]"));
    ck_assert_ptr_null(metadata("enforced_effective_policy_id"));
    ck_assert_str_eq(metadata("enforced_engine_result"), "denied");
}
END_TEST

START_TEST(outcomes_are_counted_under_their_prefixes) {
    use_two("ALLOW",
            "rules_stat_prefix: rp_\nshadow_rules_stat_prefix: sp.\ntrack_per_rule_stats: true\n"
            "shadow_rules:\n"
            "  action: DENY\n"
            "  policies:\n"
            "    s: {permissions: [{any: true}], principals: [{any: true}]}\n");
    ck_assert(request("/ab", ""));
    ck_assert_str_eq(metadata("rp_enforced_effective_policy_id"), "b\tb");
    ck_assert_str_eq(metadata("rp_enforced_engine_result"), "allowed");
    ck_assert_str_eq(metadata("sp.shadow_effective_policy_id"), "s");
    ck_assert_str_eq(metadata("sp.shadow_engine_result"), "denied");
    ck_assert(!request("/x", ""));
    ck_assert_uint_eq(filter_fixture_stat(&fx, "http.P.rbac.rp_.allowed"), 1);
    ck_assert_uint_eq(filter_fixture_stat(&fx, "http.P.rbac.rp_.denied"), 1);
    ck_assert_uint_eq(filter_fixture_stat(&fx, "http.P.rbac.rp_.policy.b\tb.allowed"), 1);
    ck_assert_uint_eq(filter_fixture_stat(&fx, "http.P.rbac.sp.shadow_denied"), 2);
    ck_assert_uint_eq(filter_fixture_stat(&fx, "http.P.rbac.sp.policy.s.shadow_denied"), 2);
}
END_TEST

START_TEST(log_lets_all_through_and_leaves_a_hint) {
    use_two("LOG", "");
    ck_assert(request("/a", ""));
    const struct info_entry *hint =
        stream_info_metadata(&fx.info, SLICE("envoy.common"), SLICE("access_log_hint"));
    ck_assert(hint != NULL && text_equal(hint->value, "true") && !hint->is_string);
    ck_assert(request("/x", ""));
    hint = stream_info_metadata(&fx.info, SLICE("envoy.common"), SLICE("access_log_hint"));
    ck_assert(hint != NULL && text_equal(hint->value, "false"));
    ck_assert_uint_eq(filter_fixture_stat(&fx, "http.P.rbac.allowed"), 2);
}
END_TEST

START_TEST(empty_rules_deny_and_no_rules_allow) {
    filter_fixture_use(&fx, "rules: {}");
    ck_assert(!request("/", ""));
    filter_fixture_use(&fx, "rules: {action: DENY}\nshadow_rules: {}");
    ck_assert(request("/", ""));
    ck_assert_uint_eq(filter_fixture_stat(&fx, "http.P.rbac.shadow_denied"), 1);
    filter_fixture_use(&fx, "{}");
    ck_assert(request("/", ""));
    ck_assert_ptr_null(fx.info.dynamic_metadata);
}
END_TEST

START_TEST(route_replaces_rules_but_counts_under_the_filter) {
    filter_fixture_use(&fx, "rules: {}\nrules_stat_prefix: flt.");
    filter_fixture_use_route(&fx, LEVEL_VHOST, "{}");
    ck_assert(request("/", ""));
    filter_fixture_use_route(&fx, LEVEL_ROUTE,
                             "rbac: {rules_stat_prefix: rt., rules: {action: DENY, policies: "
                             "{any: {permissions: [{any: true}], principals: [{any: true}]}}}}");
    ck_assert(!request("/", ""));
    ck_assert(text_equal(fx.reply_details, "rbac_access_denied_matched_policy[any]"));
    ck_assert_str_eq(metadata("rt.enforced_effective_policy_id"), "any");
    ck_assert_uint_eq(filter_fixture_stat(&fx, "http.P.rbac.flt.denied"), 1);
    filter_fixture_use_route(&fx, LEVEL_ROUTE, "rbac: {}");
    ck_assert(request("/", ""));
}
END_TEST

START_TEST(path_parameters_are_ignored_where_routes_ignore_them) {
    use_policy("DENY", "url_path: {path: {exact: /a/b}}", "any: true");
    ck_assert(request("/a;x=1/b;y", ""));
    fx.route_part.ignore_path_parameters_in_path_matching = true;
    ck_assert(!request("/a;x=1/b;y?q", ""));
}
END_TEST

START_TEST(request_without_a_path_matches_no_path) {
    use_policy("ALLOW", "url_path: {path: {safe_regex: {regex: '.*'}}}", "any: true");
    ck_assert(!filter_fixture_request(&fx, ":method: CONNECT\n:authority: ex:443\n"));
}
END_TEST

struct bad_case {
    const char *permission;
    const char *more; /* of the policy */
    const char *error;
};
static const struct bad_case bad_cases[] = {
    {"any: false", "", "any"},
    {"", "", "permissions[0]"},
    {"url_path: {}", "", "url_path"},
    {"and_rules: {}", "", "and_rules"},
    {"destination_port: 65536", "", "destination_port"},
    {"destination_port_range: {start: 5, end: 5}", "",
     "range start 5 cannot be greater or equal than range end 5"},
    {"destination_port_range: {start: -5, end: 5}", "", "range start -5 is out of bounds"},
    {"destination_port_range: {start: 5, end: 70000}", "", "range end 70000 is out of bounds"},
    {"header: {name: x, string_match: {safe_regex: {regex: '('}}}", "", "header"},
    {"matcher: {name: m, typed_config: {'@type': "
     "type.googleapis.com/envoy.extensions.rbac.matchers.upstream_ip_port.v3."
     "UpstreamIpPortMatcher}}",
     "", "matcher"},
    {"any: true", ", condition: {const_expr: {bool_value: true}}", "condition"},
};

START_TEST(bad_configuration_is_refused) {
    char yaml[1024];
    (void)snprintf(yaml, sizeof(yaml),
                   "rules: {policies: {p: {permissions: [{%s}], principals: [{any: true}]%s}}}",
                   bad_cases[_i].permission, bad_cases[_i].more);
    ck_assert_ptr_null(filter_fixture_parse(&fx, yaml));
    ck_assert_msg(strstr(fx.error.message, bad_cases[_i].error) != NULL, "%s", fx.error.message);
}
END_TEST

START_TEST(matcher_tree_is_refused) {
    ck_assert_ptr_null(filter_fixture_parse(
        &fx, "matcher: {on_no_match: {action: {name: a, typed_config: {'@type': "
             "type.googleapis.com/envoy.config.rbac.v3.Action, name: n}}}}"));
    ck_assert_msg(strstr(fx.error.message, "matcher") != NULL, "%s", fx.error.message);
}
END_TEST

int main(void) {
    TCase *tcase = tcase_create("rbac");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, permission_decides, 0, ARRAY_LEN(permission_cases));
    tcase_add_loop_test(tcase, principal_decides, 0, ARRAY_LEN(principal_cases));
    tcase_add_test(tcase, plain_text_connection_is_not_authenticated);
    tcase_add_loop_test(tcase, header_of_several_values_never_grants_by_one_of_them, 0,
                        ARRAY_LEN(values_cases));
    tcase_add_loop_test(tcase, metadata_value_decides, 0, ARRAY_LEN(value_cases));
    tcase_add_test(tcase, structure_in_metadata_is_present_but_no_scalar);
    tcase_add_test(tcase, metadata_of_the_route_is_its_own_source);
    tcase_add_test(tcase, filter_state_decides);
    tcase_add_test(tcase, denied_request_gets_envoys_answer);
    tcase_add_test(tcase, outcomes_are_counted_under_their_prefixes);
    tcase_add_test(tcase, log_lets_all_through_and_leaves_a_hint);
    tcase_add_test(tcase, empty_rules_deny_and_no_rules_allow);
    tcase_add_test(tcase, route_replaces_rules_but_counts_under_the_filter);
    tcase_add_test(tcase, path_parameters_are_ignored_where_routes_ignore_them);
    tcase_add_test(tcase, request_without_a_path_matches_no_path);
    tcase_add_loop_test(tcase, bad_configuration_is_refused, 0, ARRAY_LEN(bad_cases));
    tcase_add_test(tcase, matcher_tree_is_refused);
    Suite *suite = suite_create("rbac");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
