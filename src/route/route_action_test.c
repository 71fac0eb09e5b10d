// SPDX-License-Identifier: Apache-2.0
/* Expected paths, hosts and locations are what Envoy 1.40 made of the same routes. */
#include "src/route/route_action.h"

#include <check.h>
#include <stdlib.h>

#include "src/matcher/regex.h"
#include "src/route/header_mutation.h"
#include "src/route/route_test_model.h"

static struct regex *regex_of(const char *text) {
    struct regex *regex = NULL;
    ck_assert_int_eq(regex_new(slice_from_string(text), &regex, NULL), STATUS_OK);
    return regex;
}

static const struct log_format *format_of(struct arena *arena, const char *text) {
    const struct log_format *format;
    ck_assert_int_eq(log_format_compile(slice_from_string(text), true, arena, &format, NULL),
                     STATUS_OK);
    return format;
}

static void expect_header(const struct route_model *model, const char *name, const char *value) {
    struct slice found = header_map_get_name(&model->headers, slice_from_string(name));
    if (value == NULL) {
        ck_assert_msg(found.ptr == NULL, "%s is \"%.*s\"", name, SLICE_ARG(found));
        return;
    }
    ck_assert_msg(found.ptr != NULL && slice_equal(found, slice_from_string(value)),
                  "%s is \"%.*s\", not \"%s\"", name, SLICE_ARG(found), value);
}

static void apply(struct route_model *model, struct route *route,
                  const struct weighted_cluster *weighted) {
    struct log_format_input input = {.request_headers = &model->headers};
    route_apply_rewrites(route, weighted, &model->headers, &input, true);
}

struct rewrite_case {
    enum route_match_kind kind;
    const char *rule, *prefix, *regex, *substitution, *format;
    const char *path, *expected;
};
static const struct rewrite_case rewrite_cases[] = {
    {ROUTE_MATCH_PREFIX, "/pi", "/q", NULL, NULL, NULL, "/pi/x?q=1", "/q/x?q=1"},
    {ROUTE_MATCH_PATH, "/p", "/q", NULL, NULL, NULL, "/p?q=1", "/q?q=1"},
    {ROUTE_MATCH_SAFE_REGEX, "", "/whole", NULL, NULL, NULL, "/rexyz?q", "/whole?q"},
    {ROUTE_MATCH_PREFIX, "/rx", NULL, "nomatch", "x", NULL, "/rx/x?q=1", "/rx/x?q=1"},
    {ROUTE_MATCH_PREFIX, "/", NULL, "^/a/(.*)$", "/b/\\1", NULL, "/a/c?a=/a/c", "/b/c?a=/a/c"},
    {ROUTE_MATCH_PREFIX, "/pr/", NULL, NULL, NULL, "/new/%REQ(x-a)%", "/pr/x?q=1", "/new/A?q=1"},
};

START_TEST(rewrites_of_paths_keep_the_query_and_the_original) {
    for (size_t i = 0; i < ARRAY_LEN(rewrite_cases); i++) {
        const struct rewrite_case *it = &rewrite_cases[i];
        struct route_model model;
        route_model_init(&model);
        route_model_request(&model, SLICE("h"), slice_from_string(it->path));
        header_map_append_name(&model.headers, SLICE("x-a"), SLICE("A"));
        struct regex *regex = it->regex == NULL ? NULL : regex_of(it->regex);
        struct route_rewrite rewrite = {
            .prefix = slice_from_string(it->prefix),
            .regex = regex,
            .regex_substitution = slice_from_string(it->substitution),
            .path = it->format == NULL ? NULL : format_of(&model.arena, it->format),
        };
        struct route_action action = {.rewrite = &rewrite};
        struct route route = route_model_route(it->kind, slice_from_string(it->rule));
        route.cluster = &action;
        struct log_format_input input = {.request_headers = &model.headers};
        struct slice path =
            route_rewrite_path(&route, slice_from_string(it->path), &input, &model.arena);
        ck_assert_msg(slice_equal(path, slice_from_string(it->expected)), "%s gave %.*s", it->path,
                      SLICE_ARG(path));
        apply(&model, &route, NULL);
        expect_header(&model, ":path", it->expected);
        expect_header(&model, "x-envoy-original-path", it->path);
        regex_free(regex);
        route_model_deinit(&model);
    }
}
END_TEST

START_TEST(rewrites_leave_alone_what_has_no_rule) {
    struct route_model model;
    route_model_init(&model);
    route_model_request(&model, SLICE("h"), SLICE("/a?b"));
    struct route_rewrite rewrite = {.host_header = SLICE("x-none")};
    struct route_action action = {.rewrite = &rewrite};
    struct route route = route_model_route(ROUTE_MATCH_PREFIX, SLICE("/"));
    route.cluster = &action;
    apply(&model, &route, NULL);
    expect_header(&model, ":path", "/a?b");
    expect_header(&model, ":authority", "h");
    expect_header(&model, "x-envoy-original-path", NULL);
    expect_header(&model, "x-envoy-original-host", NULL);
    route_model_deinit(&model);
}
END_TEST

START_TEST(rewrites_of_hosts_note_the_original_and_forward_it_once) {
    struct route_model model;
    route_model_init(&model);
    struct route_rewrite rewrite = {.host_literal = SLICE("lit.com")};
    struct route_action action = {.rewrite = &rewrite, .append_x_forwarded_host = true};
    struct route route = route_model_route(ROUTE_MATCH_PREFIX, SLICE("/"));
    route.cluster = &action;
    route_model_request(&model, SLICE("h:1"), SLICE("/"));
    header_map_append(&model.headers, HEADER_X_FORWARDED_HOST, SLICE("o"));
    apply(&model, &route, NULL);
    expect_header(&model, ":authority", "lit.com");
    expect_header(&model, "x-envoy-original-host", "h:1");
    expect_header(&model, "x-forwarded-host", "o,h:1");
    route_model_request(&model, SLICE("h:1"), SLICE("/"));
    apply(&model, &route, NULL);
    expect_header(&model, "x-forwarded-host", "o,h:1");
    route_model_deinit(&model);
}
END_TEST

START_TEST(rewrites_of_hosts_by_header_regex_and_weighted_cluster) {
    struct route_model model;
    route_model_init(&model);
    struct route route = route_model_route(ROUTE_MATCH_PREFIX, SLICE("/"));
    struct route_rewrite header_rule = {.host_header = SLICE("x-h")};
    struct route_action by_header = {.rewrite = &header_rule};
    route.cluster = &by_header;
    route_model_request(&model, SLICE("h"), SLICE("/hr/a?b"));
    header_map_append_name(&model.headers, SLICE("x-h"), SLICE("H"));
    apply(&model, &route, NULL);
    expect_header(&model, ":authority", "H");

    struct regex *regex = regex_of("^/hr/(.+)$");
    struct route_rewrite path_rule = {.host_regex = regex, .host_substitution = SLICE("\\1")};
    struct route_action by_path = {.rewrite = &path_rule};
    route.cluster = &by_path;
    route_model_request(&model, SLICE("h"), SLICE("/hr/a?b"));
    apply(&model, &route, NULL);
    expect_header(&model, ":authority", "a");

    // The route's own rule has the last word, and what it replaces is the weighted cluster's.
    struct weighted_cluster weighted = {.host_rewrite_literal = SLICE("weighted.com")};
    struct route_rewrite literal_rule = {.host_literal = SLICE("route.com")};
    struct route_action literal = {.rewrite = &literal_rule};
    route.cluster = &literal;
    route_model_request(&model, SLICE("h"), SLICE("/"));
    apply(&model, &route, &weighted);
    expect_header(&model, ":authority", "route.com");
    expect_header(&model, "x-envoy-original-host", "weighted.com");
    struct route_action none = {.append_x_forwarded_host = true};
    route.cluster = &none;
    header_map_remove(&model.headers, HEADER_X_ENVOY_ORIGINAL_HOST);
    apply(&model, &route, &weighted);
    expect_header(&model, ":authority", "weighted.com");
    expect_header(&model, "x-envoy-original-host", NULL);
    expect_header(&model, "x-forwarded-host", NULL);
    regex_free(regex);
    route_model_deinit(&model);
}
END_TEST

struct redirect_case {
    const char *rule, *host, *path, *proto;
    struct redirect_action redirect;
    const char *location;
};
static const struct redirect_case redirect_cases[] = {
    {"/", "a.com:8080", "/x?y", "http", {.https_redirect = true}, "https://a.com:8080/x?y"},
    {"/", "a.com:80", "/x", "http", {.https_redirect = true}, "https://a.com/x"},
    {"/", "a.com:443", "/x", "http", {.https_redirect = true}, "https://a.com:443/x"},
    {"/", "a.com:80", "/x?y", "http", {.is_require_tls = true}, "https://a.com:80/x?y"},
    {"/", "a.com:80", "/x", "http", {.response_code = 302}, "http://a.com:80/x"},
    {"/", "[::1]:80", "/", "http", {.https_redirect = true}, "https://[::1]/"},
    {"/", "[::1]", "/", "http", {.https_redirect = true}, "https://[::1]/"},
    {"/", "a:80", "/rdh", "http", {.https_redirect = true, .port = 443}, "https://a:443/rdh"},
    {"/", "a:1", "/p?x", "http", {.port = 99}, "http://a:99/p?x"},
    {"/rdf",
     "a:80",
     "/RDF/x?y",
     "http",
     {.https_redirect = true, .path = SLICE_INIT("/p?x=1"), .strip_query = true},
     "https://a/p?x=1"},
    {"/",
     "a",
     "/rdg?z",
     "http",
     {.scheme = SLICE_INIT("foo"), .host = SLICE_INIT("h.com"), .path = SLICE_INIT("/p")},
     "foo://h.com/p?z"},
    {"/", "a", "/q?z", "http", {.path = SLICE_INIT("/p"), .strip_query = true}, "http://a/p"},
    {"/rde",
     "a",
     "/rde/x?y",
     "http",
     {.has_prefix_rewrite = true, .prefix_rewrite = SLICE_INIT("/p")},
     "http://a/p/x?y"},
    {"/rdp", "a", "/rdp/x?y", "http", {.has_prefix_rewrite = true}, "http://a/rdp/x?y"},
    {"/", "a", "/x?y", "http", {.strip_query = true}, "http://a/x"},
};

START_TEST(redirects_have_envoys_location) {
    for (size_t i = 0; i < ARRAY_LEN(redirect_cases); i++) {
        const struct redirect_case *it = &redirect_cases[i];
        struct route_model model;
        route_model_init(&model);
        route_model_request(&model, slice_from_string(it->host), slice_from_string(it->path));
        header_map_set(&model.headers, HEADER_X_FORWARDED_PROTO, slice_from_string(it->proto));
        struct route route = route_model_route(ROUTE_MATCH_PREFIX, slice_from_string(it->rule));
        route.action = ROUTE_ACTION_REDIRECT;
        route.redirect = &it->redirect;
        struct slice location = route_redirect_location(&route, &model.headers, &model.arena);
        ck_assert_msg(slice_equal(location, slice_from_string(it->location)), "%.*s is not %s",
                      SLICE_ARG(location), it->location);
        route_model_deinit(&model);
    }
}
END_TEST

START_TEST(redirects_by_regex_rewrite_the_path_alone) {
    struct route_model model;
    route_model_init(&model);
    route_model_request(&model, SLICE("h:1"), SLICE("/rdx/a?b=1"));
    struct regex *regex = regex_of("^/rdx/(.*)$");
    struct redirect_action redirect = {
        .regex_rewrite = regex, .regex_rewrite_substitution = SLICE("/y/\\1"), .port = 99};
    struct route route = route_model_route(ROUTE_MATCH_PREFIX, SLICE("/rdx"));
    route.action = ROUTE_ACTION_REDIRECT;
    route.redirect = &redirect;
    ck_assert(slice_equal(route_redirect_location(&route, &model.headers, &model.arena),
                          SLICE("http://h:99/y/a?b=1")));
    regex_free(regex);
    route_model_deinit(&model);
}
END_TEST

static uint64_t rotl1(uint64_t x) {
    return x << 1 | x >> 63;
}

START_TEST(hashes_combine_and_end_at_a_terminal_one) {
    struct route_model model;
    route_model_init(&model);
    route_model_request(&model, SLICE("h"), SLICE("/?k=v&k=w"));
    header_map_append_name(&model.headers, SLICE("x-a"), SLICE("b"));
    header_map_append_name(&model.headers, SLICE("x-a"), SLICE("a"));
    struct address remote;
    ck_assert_int_eq(address_from_text(&remote, SLICE("1.2.3.4:5"), NULL), STATUS_OK);
    struct stream_info info = {.arena = &model.arena, .downstream_remote = &remote};
    struct hash_policy policies[] = {
        {.kind = HASH_POLICY_HEADER, .name = SLICE("x-none")},
        {.kind = HASH_POLICY_QUERY, .name = SLICE("k")},
        {.kind = HASH_POLICY_SOURCE_IP},
        {.kind = HASH_POLICY_HEADER, .name = SLICE("x-a"), .terminal = true},
        {.kind = HASH_POLICY_QUERY, .name = SLICE("k")},
    };
    struct route_action action = {.hash_policies = policies, .hash_policy_count = 5};
    uint64_t hash = 0;
    struct slice cookie;
    ck_assert(route_hash(&action, &model.headers, &info, &hash, &cookie, &model.arena));
    uint64_t expected = slice_xxhash64(SLICE("v"), 0);
    expected = rotl1(expected) ^ slice_xxhash64(SLICE("1.2.3.4"), 0);
    // several values: sorted, each the seed of the next
    expected = rotl1(expected) ^ slice_xxhash64(SLICE("b"), slice_xxhash64(SLICE("a"), 0));
    ck_assert_uint_eq(hash, expected);
    ck_assert_uint_eq(cookie.len, 0);
    action.hash_policy_count = 1;
    ck_assert(!route_hash(&action, &model.headers, &info, &hash, &cookie, &model.arena));
    route_model_deinit(&model);
}
END_TEST

START_TEST(hashes_of_cookies_make_one_where_a_ttl_says_so) {
    struct route_model model;
    route_model_init(&model);
    route_model_request(&model, SLICE("h"), SLICE("/"));
    struct address remote;
    struct address local;
    ck_assert_int_eq(address_from_text(&remote, SLICE("127.0.0.1:5"), NULL), STATUS_OK);
    ck_assert_int_eq(address_from_text(&local, SLICE("127.0.0.1:80"), NULL), STATUS_OK);
    struct connection_info connection = {.remote = &remote, .local = &local};
    struct stream_info info = {.arena = &model.arena, .connection = &connection};
    struct hash_policy policy = {.kind = HASH_POLICY_COOKIE, .name = SLICE("c")};
    struct route_action action = {.hash_policies = &policy, .hash_policy_count = 1};
    uint64_t hash = 0;
    struct slice cookie;
    ck_assert(!route_hash(&action, &model.headers, &info, &hash, &cookie, &model.arena));
    policy.has_cookie_ttl = true;
    policy.cookie_ttl_s = 60;
    policy.cookie_path = SLICE("/p");
    ck_assert(route_hash(&action, &model.headers, &info, &hash, &cookie, &model.arena));
    struct slice value =
        arena_printf(&model.arena, "%016llx",
                     (unsigned long long)slice_xxhash64(SLICE("127.0.0.1:5127.0.0.1:80"), 0));
    struct slice expected =
        arena_printf(&model.arena, "c=\"%.*s\"; Max-Age=60; Path=/p; HttpOnly", SLICE_ARG(value));
    ck_assert(slice_equal(cookie, expected));
    ck_assert_uint_eq(hash, slice_xxhash64(value, 0));
    policy.cookie_ttl_s = 0;
    policy.cookie_path = SLICE("");
    ck_assert(route_hash(&action, &model.headers, &info, &hash, &cookie, &model.arena));
    ck_assert(!slice_starts_with(cookie, SLICE("Max")) &&
              slice_ends_with(cookie, SLICE("\"; HttpOnly")));
    header_map_append(&model.headers, HEADER_COOKIE, SLICE("c=\"mine\""));
    ck_assert(route_hash(&action, &model.headers, &info, &hash, &cookie, &model.arena));
    ck_assert_uint_eq(hash, slice_xxhash64(SLICE("mine"), 0));
    ck_assert_uint_eq(cookie.len, 0);
    route_model_deinit(&model);
}
END_TEST

/* ---- header operations ---- */

static struct header_op op_of(struct arena *arena, const char *name, enum header_op_action action,
                              const char *value) {
    struct slice text = slice_from_string(name);
    return (struct header_op){
        .name = text, .id = header_id_of(text), .action = action, .value = format_of(arena, value)};
}

static void expect_all(struct route_model *model, const char *name, const char *joined) {
    struct slice all =
        header_map_get_joined(&model->headers, slice_from_string(name), SLICE("|"), &model->arena);
    ck_assert_msg(slice_equal(all, slice_from_string(joined)), "%s is \"%.*s\", not \"%s\"", name,
                  SLICE_ARG(all), joined);
}

START_TEST(header_ops_do_what_their_action_says) {
    struct route_model model;
    route_model_init(&model);
    struct header_map *headers = &model.headers;
    static const char *const names[] = {"x-app", "x-absent", "x-over", "x-exists", "x-gone"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        header_map_append_name(headers, slice_from_string(names[i]), SLICE("o"));
    }
    struct arena *a = &model.arena;
    struct header_op ops[] = {
        op_of(a, "x-app", HEADER_OP_APPEND_IF_EXISTS_OR_ADD, "n"),
        op_of(a, "x-new", HEADER_OP_APPEND_IF_EXISTS_OR_ADD, "n"),
        op_of(a, "x-absent", HEADER_OP_ADD_IF_ABSENT, "n"),
        op_of(a, "x-absent2", HEADER_OP_ADD_IF_ABSENT, "n"),
        op_of(a, "x-over", HEADER_OP_OVERWRITE_IF_EXISTS_OR_ADD, "n%REQ(x-over)%"),
        op_of(a, "x-over2", HEADER_OP_OVERWRITE_IF_EXISTS_OR_ADD, "n"),
        op_of(a, "x-exists", HEADER_OP_OVERWRITE_IF_EXISTS, "n"),
        op_of(a, "x-exists2", HEADER_OP_OVERWRITE_IF_EXISTS, "n"),
        op_of(a, "x-empty", HEADER_OP_APPEND_IF_EXISTS_OR_ADD, "%REQ(x-none)%"),
        op_of(a, "x-kept", HEADER_OP_APPEND_IF_EXISTS_OR_ADD, "%REQ(x-none)%"),
        op_of(a, "x-seen", HEADER_OP_APPEND_IF_EXISTS_OR_ADD, "%REQ(x-over)%"),
    };
    ops[9].keep_empty_value = true;
    struct slice remove = SLICE("x-gone");
    struct header_ops all = {ops, ARRAY_LEN(ops), &remove, 1};
    struct log_format_input input = {.request_headers = headers};
    header_ops_apply(&all, headers, &input);
    expect_all(&model, "x-app", "o|n");
    expect_all(&model, "x-new", "n");
    expect_all(&model, "x-absent", "o");
    expect_all(&model, "x-absent2", "n");
    expect_all(&model, "x-over", "no");
    expect_all(&model, "x-over2", "n");
    expect_all(&model, "x-exists", "n");
    ck_assert_uint_eq(header_map_count_name(headers, SLICE("x-exists2")), 0);
    ck_assert_uint_eq(header_map_count_name(headers, SLICE("x-empty")), 0);
    ck_assert_uint_eq(header_map_count_name(headers, SLICE("x-kept")), 1);
    ck_assert_uint_eq(header_map_count_name(headers, SLICE("x-gone")), 0);
    expect_all(&model, "x-seen", "o"); // formatted before anything was written
    route_model_deinit(&model);
}
END_TEST

START_TEST(header_ops_join_what_envoy_keeps_on_one_line) {
    struct route_model model;
    route_model_init(&model);
    header_map_append(&model.headers, HEADER_USER_AGENT, SLICE("o"));
    header_map_append(&model.headers, HEADER_COOKIE, SLICE("o"));
    header_map_append_name(&model.headers, SLICE("if-match"), SLICE("o"));
    struct header_op ops[] = {
        op_of(&model.arena, "user-agent", HEADER_OP_APPEND_IF_EXISTS_OR_ADD, "n"),
        op_of(&model.arena, "cookie", HEADER_OP_APPEND_IF_EXISTS_OR_ADD, "n"),
        op_of(&model.arena, "if-match", HEADER_OP_APPEND_IF_EXISTS_OR_ADD, "n"),
    };
    struct header_ops all = {.add = ops, .add_count = ARRAY_LEN(ops)};
    struct log_format_input input = {0};
    header_ops_apply(&all, &model.headers, &input);
    expect_all(&model, "user-agent", "o,n");
    expect_all(&model, "cookie", "o|n");
    expect_all(&model, "if-match", "o,n");
    route_model_deinit(&model);
}
END_TEST

START_TEST(header_ops_apply_from_the_most_specific_or_to_it) {
    struct route_model model;
    route_model_init(&model);
    static const char *const levels[] = {"weighted", "route", "vhost", "rc"};
    struct header_op ops[4];
    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        ops[i] = op_of(&model.arena, "x-a", HEADER_OP_APPEND_IF_EXISTS_OR_ADD, levels[i]);
    }
    struct weighted_cluster weighted = {.request_headers = {&ops[0], 1, NULL, 0}};
    struct route route = {.request_headers = {&ops[1], 1, NULL, 0}};
    struct virtual_host vhost = {.request_headers = {&ops[2], 1, NULL, 0}};
    model.part.request_headers = (struct header_ops){&ops[3], 1, NULL, 0};
    struct log_format_input input = {0};
    route_apply_request_headers(&model.part, &vhost, &route, &weighted, &model.headers, &input);
    expect_all(&model, "x-a", "weighted|route|vhost|rc");
    header_map_remove_name(&model.headers, SLICE("x-a"));
    model.part.most_specific_header_mutations_wins = true;
    route_apply_request_headers(&model.part, &vhost, &route, NULL, &model.headers, &input);
    expect_all(&model, "x-a", "rc|vhost|route");
    header_map_remove_name(&model.headers, SLICE("x-a"));
    route_apply_response_headers(&model.part, &vhost, &route, &weighted, &model.headers, &input);
    ck_assert_uint_eq(header_map_count_name(&model.headers, SLICE("x-a")), 0);
    route_model_deinit(&model);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("route_action");
    TCase *tcase = tcase_create("route_action");
    tcase_add_test(tcase, rewrites_of_paths_keep_the_query_and_the_original);
    tcase_add_test(tcase, rewrites_leave_alone_what_has_no_rule);
    tcase_add_test(tcase, rewrites_of_hosts_note_the_original_and_forward_it_once);
    tcase_add_test(tcase, rewrites_of_hosts_by_header_regex_and_weighted_cluster);
    tcase_add_test(tcase, redirects_have_envoys_location);
    tcase_add_test(tcase, redirects_by_regex_rewrite_the_path_alone);
    tcase_add_test(tcase, hashes_combine_and_end_at_a_terminal_one);
    tcase_add_test(tcase, hashes_of_cookies_make_one_where_a_ttl_says_so);
    tcase_add_test(tcase, header_ops_do_what_their_action_says);
    tcase_add_test(tcase, header_ops_join_what_envoy_keeps_on_one_line);
    tcase_add_test(tcase, header_ops_apply_from_the_most_specific_or_to_it);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
