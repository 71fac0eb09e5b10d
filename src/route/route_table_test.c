// SPDX-License-Identifier: Apache-2.0
#include "src/route/route_table.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/matcher/regex.h"
#include "src/route/route_test_model.h"

static const char *const domains[] = {
    "a.com,a.com:80", "*.a.com",        "*-bar.a.com", "www.*,ww*", "*",
    "api.www.a.com",  "[::1]:80,[::2]", "*.com",       "x.*",
};

struct host_case {
    const char *host, *vhost;
};
static const struct host_case host_cases[] = {
    {"a.com", "a.com,a.com:80"},
    {"A.Com", "a.com,a.com:80"},
    {"a.com:80", "a.com,a.com:80"},
    {"a.com:81", "*"},
    {"x.a.com", "*.a.com"},
    {"foo-bar.a.com", "*-bar.a.com"}, // the longest suffix
    {"-bar.a.com", "*.a.com"},        // a wildcard is at least one character
    {".a.com", "*.com"},
    {"b.com", "*.com"},
    {"www.a.com", "*.a.com"}, // suffixes come before prefixes
    {"www.org", "www.*,ww*"},
    {"www.", "www.*,ww*"}, // the "ww*" of it
    {"ww", "*"},
    {"api.www.a.com", "api.www.a.com"},
    {"[::1]:80", "[::1]:80,[::2]"},
    {"x.org", "x.*"},
    {"", "*"},
};

START_TEST(hosts_match_exact_then_longest_suffix_then_longest_prefix_then_any) {
    struct route_model model;
    route_model_init(&model);
    route_model_vhosts(&model, domains, ARRAY_LEN(domains));
    for (size_t i = 0; i < ARRAY_LEN(host_cases); i++) {
        route_model_request(&model, slice_from_string(host_cases[i].host), SLICE("/"));
        const struct virtual_host *vhost = route_find_virtual_host(&model.part, &model.request);
        ck_assert_msg(vhost != NULL &&
                          slice_equal(vhost->name, slice_from_string(host_cases[i].vhost)),
                      "%s", host_cases[i].host);
    }
    route_model_deinit(&model);
}
END_TEST

START_TEST(hosts_without_any_may_not_match) {
    static const char *const one[] = {"a.com"};
    struct route_model model;
    route_model_init(&model);
    route_model_vhosts(&model, one, 1);
    route_model_request(&model, SLICE("b.com"), SLICE("/"));
    ck_assert_ptr_null(route_find_virtual_host(&model.part, &model.request));
    header_map_remove(&model.headers, HEADER_AUTHORITY);
    ck_assert_ptr_null(route_find_virtual_host(&model.part, &model.request));
    route_model_deinit(&model);
}
END_TEST

START_TEST(hosts_may_ignore_the_port_or_be_another_header) {
    static const char *const two[] = {"a.com,[::1]", "other"};
    static const char *const same[] = {"a.com:8080", "a.com", "[::1]:99", "[::1]", "a.com:"};
    struct route_model model;
    route_model_init(&model);
    route_model_vhosts(&model, two, 2);
    model.part.ignore_port_in_host_matching = true;
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        route_model_request(&model, slice_from_string(same[i]), SLICE("/"));
        ck_assert_msg(route_find_virtual_host(&model.part, &model.request) == model.part.vhosts[0],
                      "%s", same[i]);
    }
    model.part.vhost_header = SLICE("x-vhost");
    ck_assert_ptr_null(route_find_virtual_host(&model.part, &model.request));
    header_map_append_name(&model.headers, SLICE("x-vhost"), SLICE("other"));
    ck_assert_ptr_eq(route_find_virtual_host(&model.part, &model.request), model.part.vhosts[1]);
    route_model_deinit(&model);
}
END_TEST

struct path_case {
    enum route_match_kind kind;
    bool case_insensitive;
    const char *rule, *path;
    bool matches;
};
static const struct path_case path_cases[] = {
    {ROUTE_MATCH_PREFIX, false, "/pr", "/pra", true},
    {ROUTE_MATCH_PREFIX, false, "/pr", "/Pra", false},
    {ROUTE_MATCH_PREFIX, true, "/pr", "/PRa", true},
    {ROUTE_MATCH_PREFIX, false, "/a?b", "/a?b", false}, // the query is no part of the path
    {ROUTE_MATCH_PREFIX, false, "", "/", true},
    {ROUTE_MATCH_PATH, false, "/p", "/p?q", true},
    {ROUTE_MATCH_PATH, false, "/p", "/p#q", true},
    {ROUTE_MATCH_PATH, false, "/p", "/p/", false},
    {ROUTE_MATCH_PATH, false, "/p", "/P", false},
    {ROUTE_MATCH_PATH, true, "/p", "/P", true},
    {ROUTE_MATCH_PATH_SEPARATED_PREFIX, false, "/sep", "/sep", true},
    {ROUTE_MATCH_PATH_SEPARATED_PREFIX, false, "/sep", "/sep/x", true},
    {ROUTE_MATCH_PATH_SEPARATED_PREFIX, false, "/sep", "/sep?x", true},
    {ROUTE_MATCH_PATH_SEPARATED_PREFIX, false, "/sep", "/sepa", false},
    {ROUTE_MATCH_PATH_SEPARATED_PREFIX, true, "/sep", "/SEP/", true},
    {ROUTE_MATCH_SAFE_REGEX, false, "/a.*b", "/axxb?c", true},
    {ROUTE_MATCH_SAFE_REGEX, false, "/a", "/ab", false}, // all of it
};

static const struct route *find_one(struct route_model *model, struct route *route) {
    struct virtual_host vhost = {.routes = route, .route_count = 1};
    return route_find_in(&model->part, &vhost, &model->request);
}

START_TEST(routes_match_paths_as_envoy) {
    struct route_model model;
    route_model_init(&model);
    for (size_t i = 0; i < ARRAY_LEN(path_cases); i++) {
        const struct path_case *it = &path_cases[i];
        struct regex *regex = NULL;
        struct route route = route_model_route(it->kind, slice_from_string(it->rule));
        route.match.case_insensitive = it->case_insensitive;
        if (it->kind == ROUTE_MATCH_SAFE_REGEX) {
            ck_assert_int_eq(regex_new(route.match.path, &regex, NULL), STATUS_OK);
            route.match.regex = regex;
        }
        route_model_request(&model, SLICE("h"), slice_from_string(it->path));
        ck_assert_msg((find_one(&model, &route) != NULL) == it->matches, "%s %s", it->rule,
                      it->path);
        regex_free(regex);
    }
    route_model_deinit(&model);
}
END_TEST

START_TEST(routes_match_connect_by_method_alone) {
    struct route_model model;
    route_model_init(&model);
    struct route connect = route_model_route(ROUTE_MATCH_CONNECT, SLICE(""));
    struct route prefix = route_model_route(ROUTE_MATCH_PREFIX, SLICE(""));
    route_model_request(&model, SLICE("h:443"), SLICE("/"));
    ck_assert_ptr_null(find_one(&model, &connect));
    header_map_set(&model.headers, HEADER_METHOD, SLICE("CONNECT"));
    header_map_remove(&model.headers, HEADER_PATH);
    ck_assert_ptr_nonnull(find_one(&model, &connect));
    ck_assert_ptr_null(find_one(&model, &prefix)); // no path, no prefix
    header_map_set(&model.headers, HEADER_PATH, SLICE("/chat"));
    header_map_set(&model.headers, HEADER_PROTOCOL, SLICE("websocket"));
    ck_assert_ptr_null(find_one(&model, &connect));
    ck_assert_ptr_nonnull(find_one(&model, &prefix));
    route_model_deinit(&model);
}
END_TEST

START_TEST(routes_ignore_path_parameters_segment_by_segment) {
    struct route_model model;
    route_model_init(&model);
    struct route route = route_model_route(ROUTE_MATCH_PATH, SLICE("/se/b"));
    route_model_request(&model, SLICE("h"), SLICE("/se;a=1/b;c?d"));
    ck_assert_ptr_null(find_one(&model, &route));
    model.part.ignore_path_parameters_in_path_matching = true;
    ck_assert_ptr_nonnull(find_one(&model, &route));
    route_model_deinit(&model);
}
END_TEST

static struct header_matcher cookie_is(const char *name, const char *value, bool invert) {
    return (struct header_matcher){
        .name = slice_from_string(name),
        .kind = HEADER_MATCH_STRING,
        .invert = invert,
        .string = {.kind = STRING_MATCH_EXACT, .text = slice_from_string(value)}};
}

struct cookie_case {
    const char *header; /* NULL: none */
    bool invert, matches;
};
static const struct cookie_case cookie_cases[] = {
    {"a=1", false, true},  {"b=2; a=1", false, true},  {"b; a=\"1\"", false, true},
    {"a=2", false, false}, {"a=2; a=1", false, false}, // the first one counts
    {NULL, false, false},  {NULL, true, true},         {"a=1", true, false},
    {"a=2", true, true},   {"A=1", false, false},
};

START_TEST(routes_match_cookies_as_envoy) {
    struct route_model model;
    for (size_t i = 0; i < ARRAY_LEN(cookie_cases); i++) {
        const struct cookie_case *it = &cookie_cases[i];
        route_model_init(&model);
        route_model_request(&model, SLICE("h"), SLICE("/"));
        if (it->header != NULL) {
            header_map_append(&model.headers, HEADER_COOKIE, slice_from_string(it->header));
        }
        struct header_matcher matcher = cookie_is("a", "1", it->invert);
        struct route route = route_model_route(ROUTE_MATCH_PREFIX, SLICE("/"));
        route.match.cookies = &matcher;
        route.match.cookie_count = 1;
        ck_assert_msg((find_one(&model, &route) != NULL) == it->matches, "case %zu", i);
        route_model_deinit(&model);
    }
}
END_TEST

START_TEST(routes_ask_for_headers_queries_grpc_tls_and_chance) {
    struct route_model model;
    route_model_init(&model);
    route_model_request(&model, SLICE("h"), SLICE("/?k=v"));
    struct route route = route_model_route(ROUTE_MATCH_PREFIX, SLICE("/"));
    struct query_matcher query = {.name = SLICE("k"),
                                  .string = {.kind = STRING_MATCH_EXACT, .text = SLICE("v")}};
    struct header_matcher header = {.name = SLICE("x-a"),
                                    .kind = HEADER_MATCH_STRING,
                                    .string = {.kind = STRING_MATCH_PREFIX, .text = SLICE("1")}};
    route.match.queries = &query;
    route.match.query_count = 1;
    ck_assert_ptr_nonnull(find_one(&model, &route));
    route.match.headers = &header;
    route.match.header_count = 1;
    ck_assert_ptr_null(find_one(&model, &route));
    header_map_append_name(&model.headers, SLICE("x-a"), SLICE("12"));
    ck_assert_ptr_nonnull(find_one(&model, &route));

    route.match.grpc_only = true;
    header_map_set(&model.headers, HEADER_CONTENT_TYPE, SLICE("application/grpc;x"));
    ck_assert_ptr_null(find_one(&model, &route));
    header_map_set(&model.headers, HEADER_CONTENT_TYPE, SLICE("application/grpc-web"));
    ck_assert_ptr_null(find_one(&model, &route));
    header_map_set(&model.headers, HEADER_CONTENT_TYPE, SLICE("application/grpc+proto"));
    ck_assert_ptr_nonnull(find_one(&model, &route));

    route.match.has_runtime_fraction = true;
    route.match.runtime_fraction.per_million = 500000;
    model.request.random = 499999;
    ck_assert_ptr_nonnull(find_one(&model, &route));
    model.request.random = 1500000;
    ck_assert_ptr_null(find_one(&model, &route));
    model.request.random = 0;

    struct transport_peer peer = {0};
    struct connection_info connection = {.peer = &peer};
    route.match.tls_presented = 1;
    ck_assert_ptr_null(find_one(&model, &route));
    model.request.connection = &connection;
    ck_assert_ptr_null(find_one(&model, &route));
    peer.peer_certificate_presented = true;
    ck_assert_ptr_nonnull(find_one(&model, &route));
    route.match.tls_validated = 0;
    ck_assert_ptr_nonnull(find_one(&model, &route));
    peer.peer_certificate_validated = true;
    ck_assert_ptr_null(find_one(&model, &route));
    route_model_deinit(&model);
}
END_TEST

START_TEST(vhosts_that_require_tls_redirect_plain_requests) {
    struct route_model model;
    route_model_init(&model);
    route_model_request(&model, SLICE("h"), SLICE("/"));
    struct route route = route_model_route(ROUTE_MATCH_PREFIX, SLICE("/"));
    struct virtual_host vhost = {
        .routes = &route, .route_count = 1, .require_tls = VHOST_TLS_EXTERNAL_ONLY};
    ck_assert_ptr_null(route_find_in(&model.part, &vhost, &model.request));
    header_map_set(&model.headers, HEADER_X_FORWARDED_PROTO, SLICE("http"));
    const struct route *found = route_find_in(&model.part, &vhost, &model.request);
    ck_assert(found->action == ROUTE_ACTION_REDIRECT && found->redirect->https_redirect);
    header_map_set(&model.headers, HEADER_X_ENVOY_INTERNAL, SLICE("true"));
    ck_assert_ptr_eq(route_find_in(&model.part, &vhost, &model.request), &route);
    vhost.require_tls = VHOST_TLS_ALL;
    ck_assert_ptr_ne(route_find_in(&model.part, &vhost, &model.request), &route);
    header_map_set(&model.headers, HEADER_X_FORWARDED_PROTO, SLICE("https"));
    ck_assert_ptr_eq(route_find_in(&model.part, &vhost, &model.request), &route);
    route_model_deinit(&model);
}
END_TEST

// The index and the walk agree on each of many paths, for routes of all kinds in all orders.
START_TEST(route_index_keeps_the_order_of_routes) {
    enum { ROUTES = 120, ROUNDS = 50, PATHS = 300 };
    struct random random;
    random_init_seed(&random, 7);
    for (int round = 0; round < ROUNDS; round++) {
        struct route_model model;
        route_model_init(&model);
        struct route *routes = ARENA_NEW_ARRAY(&model.arena, ROUTES, struct route);
        for (uint32_t i = 0; i < ROUTES; i++) {
            static const enum route_match_kind kinds[] = {ROUTE_MATCH_PATH, ROUTE_MATCH_PREFIX,
                                                          ROUTE_MATCH_PATH_SEPARATED_PREFIX};
            struct slice path =
                arena_printf(&model.arena, "/%c%.*s", 'a' + (int)random_below(&random, 3),
                             (int)random_below(&random, 6), "/b/cd");
            routes[i] = route_model_route(kinds[random_below(&random, 3)], path);
            routes[i].match.case_insensitive = random_below(&random, 10) == 0;
            routes[i].match.grpc_only = random_below(&random, 3) == 0;
        }
        struct virtual_host indexed = {.routes = routes, .route_count = ROUTES};
        struct virtual_host linear = indexed;
        indexed.route_index = route_index_new(&indexed, &model.arena);
        ck_assert_ptr_nonnull(indexed.route_index);
        for (int i = 0; i < PATHS; i++) {
            struct slice path = arena_printf(
                &model.arena, "/%c%.*s%s", (i % 7 == 0 ? 'A' : 'a') + (int)random_below(&random, 4),
                (int)random_below(&random, 6), "/b/cd",
                i % 3 == 0 ? "?q" : (i % 3 == 1 ? "/z" : ""));
            route_model_request(&model, SLICE("h"), path);
            ck_assert_ptr_eq(route_find_in(&model.part, &indexed, &model.request),
                             route_find_in(&model.part, &linear, &model.request));
        }
        route_model_deinit(&model);
    }
}
END_TEST

START_TEST(route_index_is_not_made_where_it_does_not_pay) {
    struct route_model model;
    route_model_init(&model);
    struct route routes[64];
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        routes[i] = route_model_route(ROUTE_MATCH_SAFE_REGEX, SLICE(""));
    }
    struct virtual_host vhost = {.routes = routes, .route_count = 4};
    ck_assert_ptr_null(route_index_new(&vhost, &model.arena));
    vhost.route_count = ARRAY_LEN(routes);
    ck_assert_ptr_null(route_index_new(&vhost, &model.arena));
    route_model_deinit(&model);
}
END_TEST

struct recorded {
    uint32_t count;
    const char *why[8];
    struct slice domain;
};
static void record_vhost(void *arg, const struct virtual_host *vhost, struct slice domain) {
    (void)vhost;
    ((struct recorded *)arg)->domain = domain;
}
static void record_route(void *arg, const struct route *route, const char *why_not,
                         struct slice detail) {
    (void)route;
    (void)detail;
    struct recorded *recorded = arg;
    recorded->why[recorded->count++] = why_not;
}

START_TEST(recorder_hears_why_each_route_was_passed_over) {
    struct route_model model;
    route_model_init(&model);
    route_model_vhosts(&model, domains, ARRAY_LEN(domains));
    route_model_request(&model, SLICE("foo.a.com"), SLICE("/x"));
    struct header_matcher header = {
        .name = SLICE("x-a"), .kind = HEADER_MATCH_PRESENT, .present = true};
    struct route routes[] = {
        route_model_route(ROUTE_MATCH_PREFIX, SLICE("/y")),
        route_model_route(ROUTE_MATCH_PREFIX, SLICE("/x")),
        route_model_route(ROUTE_MATCH_PREFIX, SLICE("/x")),
        route_model_route(ROUTE_MATCH_PREFIX, SLICE("/")),
    };
    routes[1].match.headers = &header;
    routes[1].match.header_count = 1;
    struct virtual_host vhost = {.routes = routes, .route_count = ARRAY_LEN(routes)};
    struct recorded recorded = {0};
    struct route_recorder recorder = {record_vhost, record_route, &recorded};
    model.request.recorder = &recorder;
    ck_assert_ptr_nonnull(route_find_virtual_host(&model.part, &model.request));
    ck_assert(slice_equal(recorded.domain, SLICE("*.a.com")));
    ck_assert_ptr_eq(route_find_in(&model.part, &vhost, &model.request), &routes[2]);
    ck_assert_uint_eq(recorded.count, 3);
    ck_assert_str_eq(recorded.why[0], "path");
    ck_assert_str_eq(recorded.why[1], "header");
    ck_assert_ptr_null(recorded.why[2]);
    route_model_deinit(&model);
}
END_TEST

START_TEST(weighted_clusters_follow_weights_and_the_header) {
    struct route_model model;
    route_model_init(&model);
    struct weighted_cluster clusters[] = {
        {.weight.value = 1}, {.weight.value = 0}, {.weight.value = 3}};
    struct route_action action = {.weighted = clusters,
                                  .weighted_count = 3,
                                  .total_weight = 4,
                                  .random_value_header = SLICE("x-random")};
    uint32_t seen[3] = {0};
    for (uint64_t i = 0; i < 400; i++) {
        model.request.random = i;
        seen[route_pick_weighted(&action, &model.request) - clusters]++;
    }
    ck_assert_uint_eq(seen[0], 100);
    ck_assert_uint_eq(seen[1], 0);
    ck_assert_uint_eq(seen[2], 300);
    model.request.random = 0;
    header_map_append_name(&model.headers, SLICE("x-random"), SLICE("7"));
    ck_assert_ptr_eq(route_pick_weighted(&action, &model.request), &clusters[2]);
    header_map_set_name(&model.headers, SLICE("x-random"), SLICE("seven"));
    ck_assert_ptr_eq(route_pick_weighted(&action, &model.request), &clusters[0]);
    action.weighted_count = 0;
    ck_assert_ptr_null(route_pick_weighted(&action, &model.request));
    route_model_deinit(&model);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("route_table");
    TCase *tcase = tcase_create("route_table");
    tcase_add_test(tcase, hosts_match_exact_then_longest_suffix_then_longest_prefix_then_any);
    tcase_add_test(tcase, hosts_without_any_may_not_match);
    tcase_add_test(tcase, hosts_may_ignore_the_port_or_be_another_header);
    tcase_add_test(tcase, routes_match_paths_as_envoy);
    tcase_add_test(tcase, routes_match_connect_by_method_alone);
    tcase_add_test(tcase, routes_ignore_path_parameters_segment_by_segment);
    tcase_add_test(tcase, routes_match_cookies_as_envoy);
    tcase_add_test(tcase, routes_ask_for_headers_queries_grpc_tls_and_chance);
    tcase_add_test(tcase, vhosts_that_require_tls_redirect_plain_requests);
    tcase_add_test(tcase, route_index_keeps_the_order_of_routes);
    tcase_add_test(tcase, route_index_is_not_made_where_it_does_not_pay);
    tcase_add_test(tcase, recorder_hears_why_each_route_was_passed_over);
    tcase_add_test(tcase, weighted_clusters_follow_weights_and_the_header);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
