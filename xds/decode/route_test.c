// SPDX-License-Identifier: Apache-2.0
#include "src/access_log/log_format.h"
#include "src/config/route_config.h"
#include "xds/decode/decode_test_fixture.h"

static struct decode_fixture fixture;

static void setup(void) {
    decode_fixture_init(&fixture);
}

static void teardown(void) {
    decode_fixture_deinit(&fixture);
}

static const struct route_part *routes(const char *yaml) {
    decode_ok(&fixture, &resource_type_route, yaml);
    return (const struct route_part *)fixture.result.part;
}

#define ONE(route) "name: r\nvirtual_hosts: [{name: v, domains: ['*'], routes: [" route "]}]\n"

static const struct route *one(const char *yaml) {
    return &routes(yaml)->vhosts[0]->routes[0];
}

START_TEST(route_defaults_are_envoys) {
    const struct route *route = one(ONE("{match: {prefix: /}, route: {cluster: c}}"));
    ck_assert_int_eq(route->match.kind, ROUTE_MATCH_PREFIX);
    ck_assert(!route->match.case_insensitive);
    ck_assert_int_eq(route->match.tls_presented, -1);
    ck_assert_int_eq(route->action, ROUTE_ACTION_CLUSTER);
    const struct route_action *action = route->cluster;
    ck_assert_slice_eq(action->cluster_name, "c");
    ck_assert_uint_eq(action->timeout_ms, 15000);
    ck_assert_uint_eq(action->idle_timeout_ms, CONFIG_TIMEOUT_UNSET);
    ck_assert_uint_eq(action->cluster_not_found_code, 503);
    ck_assert_uint_eq(action->request_body_buffer_limit, UINT32_MAX);
    ck_assert_ptr_null(action->retry);
    ck_assert_uint_eq(action->cluster_slot,
                      config_store_slot(fixture.store, CONFIG_CLUSTER, SLICE("c")));
    ck_assert_uint_eq(fixture.result.dependency_count, 1);
    ck_assert_int_eq(fixture.result.dependencies[0].kind, CONFIG_CLUSTER);
    const struct route_part *part = (const struct route_part *)fixture.result.part;
    ck_assert_ptr_nonnull(part->hosts);
}
END_TEST

START_TEST(route_matches_of_all_kinds_are_read) {
    const struct virtual_host *vhost =
        routes(
            ONE("{match: {path: /A, case_sensitive: false}, route: {cluster: c}},"
                "{match: {safe_regex: {regex: '/a.*'}}, route: {cluster: c}},"
                "{match: {path_separated_prefix: /p}, route: {cluster: c}},"
                "{match: {connect_matcher: {}}, route: {cluster: c}},"
                "{match: {prefix: /, headers: [{name: X-A, string_match: {exact: V, ignore_case: "
                "true}}, {name: num, range_match: {start: 1, end: 5}, invert_match: true}], "
                "query_parameters: [{name: q, present_match: true}], cookies: [{name: s, "
                "string_match: {prefix: k}}], grpc: {}, tls_context: {validated: true}, "
                "runtime_fraction: {default_value: {numerator: 5}, runtime_key: k}}, route: "
                "{cluster: c}}"))
            ->vhosts[0];
    ck_assert_int_eq(vhost->routes[0].match.kind, ROUTE_MATCH_PATH);
    ck_assert_slice_eq(vhost->routes[0].match.path, "/a");
    ck_assert_int_eq(vhost->routes[1].match.kind, ROUTE_MATCH_SAFE_REGEX);
    ck_assert_ptr_nonnull(vhost->routes[1].match.regex);
    ck_assert_int_eq(vhost->routes[2].match.kind, ROUTE_MATCH_PATH_SEPARATED_PREFIX);
    ck_assert_int_eq(vhost->routes[3].match.kind, ROUTE_MATCH_CONNECT);
    const struct route_match *match = &vhost->routes[4].match;
    ck_assert_uint_eq(match->header_count, 2);
    ck_assert_slice_eq(match->headers[0].name, "x-a");
    ck_assert_slice_eq(match->headers[0].string.text, "v");
    ck_assert(match->headers[1].invert);
    ck_assert_int_eq(match->headers[1].range_end, 5);
    ck_assert(match->queries[0].is_present_match && match->queries[0].present);
    ck_assert_slice_eq(match->cookies[0].name, "s");
    ck_assert(match->grpc_only);
    ck_assert_int_eq(match->tls_validated, 1);
    ck_assert_uint_eq(match->runtime_fraction.per_million, 50000);
}
END_TEST

START_TEST(route_action_options_are_read) {
    const struct route_action *action =
        one(ONE("{match: {prefix: /}, route: {cluster_header: X-C, timeout: 0s, idle_timeout: 3s, "
                "prefix_rewrite: /b, host_rewrite_literal: h, append_x_forwarded_host: true, "
                "cluster_not_found_response_code: NOT_FOUND, priority: HIGH, max_stream_duration: "
                "{max_stream_duration: 4s, grpc_timeout_header_max: 0s}, retry_policy: {retry_on: "
                "'5xx,connect-failure, unavailable,nonsense', num_retries: 4, per_try_timeout: 2s, "
                "retry_back_off: {base_interval: 0.1s}, retriable_status_codes: [409], "
                "retry_host_predicate: [{name: p, typed_config: {\"@type\": "
                "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3."
                "PreviousHostsPredicate}}]}, hash_policy: [{header: {header_name: X-H}, terminal: "
                "true}, {cookie: {name: s, ttl: 0s, path: /}}, {connection_properties: {source_ip: "
                "true}}], request_mirror_policies: [{cluster: m, runtime_fraction: {default_value: "
                "{numerator: 1, denominator: MILLION}}}], upgrade_configs: [{upgrade_type: "
                "WebSocket, enabled: false}]}}"))
            ->cluster;
    ck_assert_slice_eq(action->cluster_header, "x-c");
    ck_assert_uint_eq(action->cluster_slot, CONFIG_SLOT_NONE);
    ck_assert_uint_eq(action->timeout_ms, 0);
    ck_assert_uint_eq(action->idle_timeout_ms, 3000);
    ck_assert_slice_eq(action->rewrite->prefix, "/b");
    ck_assert_slice_eq(action->rewrite->host_literal, "h");
    ck_assert_uint_eq(action->cluster_not_found_code, 404);
    ck_assert(action->priority_high && action->append_x_forwarded_host);
    ck_assert(action->has_max_stream_duration && action->has_grpc_timeout_header_max);
    ck_assert_uint_eq(action->max_stream_duration_ms, 4000);
    ck_assert_uint_eq(action->retry->retry_on,
                      RETRY_ON_5XX | RETRY_ON_CONNECT_FAILURE | RETRY_ON_GRPC_UNAVAILABLE);
    ck_assert_uint_eq(action->retry->num_retries, 4);
    ck_assert_uint_eq(action->retry->max_interval_ms, 1000);
    ck_assert(action->retry->avoid_previous_hosts);
    ck_assert_uint_eq(action->retry->retriable_status_codes[0], 409);
    ck_assert_uint_eq(action->hash_policy_count, 3);
    ck_assert(action->hash_policies[0].terminal);
    ck_assert(action->hash_policies[1].has_cookie_ttl);
    ck_assert_uint_eq(action->mirrors[0].fraction.per_million, 1);
    ck_assert_slice_eq(action->upgrades[0].type, "websocket");
    ck_assert(!action->upgrades[0].enabled);
}
END_TEST

START_TEST(route_statistics_that_are_not_kept_are_named) {
    (void)routes("name: r\nvirtual_hosts: [{name: v, domains: ['*'], virtual_clusters: [{name: a, "
                 "headers: [{name: x, present_match: true}]}], routes: [{match: {prefix: /}, "
                 "stat_prefix: s, decorator: {operation: o}, route: {cluster: c}}]}]\n");
    ck_assert(has_finding(&fixture, FINDING_IGNORED, "virtual_clusters"));
    ck_assert(has_finding(&fixture, FINDING_IGNORED, "stat_prefix"));
    ck_assert(!has_finding(&fixture, FINDING_IGNORED, "decorator"));
}
END_TEST

START_TEST(route_rate_limits_are_read) {
    const struct virtual_host *vhost =
        routes("name: r\nvirtual_hosts: [{name: v, domains: ['*'], rate_limits: [{actions: "
               "[{remote_address: {}}]}], routes: [{match: {prefix: /}, route: {cluster: c, "
               "include_vh_rate_limits: true, rate_limits: [{stage: 2, disable_key: k, "
               "x_ratelimit_option: DRAFT_VERSION_03, hits_addend: {number: 7}, actions: "
               "[{generic_key: {descriptor_value: '%'}}, {request_headers: {header_name: X-A, "
               "descriptor_key: a, skip_if_absent: true}}]}, {apply_on_stream_done: true, actions: "
               "[{masked_remote_address: {v4_prefix_mask_len: 8}}]}]}}]}]\n")
            ->vhosts[0];
    ck_assert_uint_eq(vhost->rate_limits->count, 1);
    ck_assert_int_eq(vhost->rate_limits->limits[0].actions[0].kind, RATE_ACTION_REMOTE_ADDRESS);
    ck_assert_uint_eq(vhost->rate_limits->limits[0].hits, 1);
    const struct route_action *action = vhost->routes[0].cluster;
    ck_assert(action->include_vh_rate_limits);
    ck_assert_uint_eq(action->rate_limits->count, 2);
    const struct rate_limit *limit = &action->rate_limits->limits[0];
    ck_assert_uint_eq(limit->stage, 2);
    ck_assert(limit->has_disable_key);
    ck_assert_int_eq(limit->headers, RATE_HEADERS_ON);
    ck_assert_uint_eq(limit->hits, 7);
    ck_assert_uint_eq(limit->action_count, 2);
    ck_assert_slice_eq(limit->actions[0].key, "generic_key");
    ck_assert_slice_eq(limit->actions[0].value, "%");
    ck_assert_slice_eq(limit->actions[1].name, "x-a");
    ck_assert(limit->actions[1].skip_if_absent);
    limit = &action->rate_limits->limits[1];
    ck_assert(limit->applies_on_stream_done);
    ck_assert_uint_eq(limit->actions[0].v4_bits, 8);
    ck_assert_uint_eq(limit->actions[0].v6_bits, 128);
    ck_assert_ptr_null(one(ONE("{match: {prefix: /}, route: {cluster: c}}"))->cluster->rate_limits);
}
END_TEST

START_TEST(route_weighted_clusters_are_summed) {
    const struct route_action *action =
        one(ONE("{match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: a, weight: 90}, "
                "{name: b, weight: 10, request_headers_to_add: [{header: {key: X, value: v}}]}]}}}"))
            ->cluster;
    ck_assert_uint_eq(action->weighted_count, 2);
    ck_assert_uint_eq(action->total_weight, 100);
    ck_assert_slice_eq(action->weighted[1].request_headers.add[0].name, "x");
    ck_assert_uint_eq(fixture.result.dependency_count, 2);
}
END_TEST

START_TEST(route_answers_are_read) {
    const struct virtual_host *vhost =
        routes(
            ONE("{match: {path: /r}, redirect: {https_redirect: true, port_redirect: 8443, "
                "prefix_rewrite: /x, response_code: TEMPORARY_REDIRECT, strip_query: true}},"
                "{match: {path: /d}, direct_response: {status: 418, body: {inline_string: nope}}},"
                "{match: {path: /n}, non_forwarding_action: {}}"))
            ->vhosts[0];
    ck_assert_int_eq(vhost->routes[0].action, ROUTE_ACTION_REDIRECT);
    const struct redirect_action *redirect = vhost->routes[0].redirect;
    ck_assert(redirect->https_redirect && redirect->strip_query && redirect->has_prefix_rewrite);
    ck_assert_uint_eq(redirect->response_code, 307);
    ck_assert_uint_eq(redirect->port, 8443);
    const struct direct_response_action *direct = vhost->routes[1].direct;
    ck_assert_uint_eq(direct->status, 418);
    ck_assert_slice_eq(direct->body, "nope");
    ck_assert_int_eq(vhost->routes[2].action, ROUTE_ACTION_NON_FORWARDING);
}
END_TEST

START_TEST(route_header_operations_are_compiled) {
    const struct route *route =
        one(ONE("{match: {prefix: /}, route: {cluster: c}, request_headers_to_add: [{header: {key: "
                "X-A, value: '%PROTOCOL%'}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}, {header: "
                "{key: b, value: w}, append: false, keep_empty_value: true}], "
                "response_headers_to_remove: [X-Gone]}"));
    ck_assert_uint_eq(route->request_headers.add_count, 2);
    ck_assert_int_eq(route->request_headers.add[0].action, HEADER_OP_OVERWRITE_IF_EXISTS_OR_ADD);
    ck_assert(!log_format_is_constant(route->request_headers.add[0].value, &(struct slice){0}));
    ck_assert_int_eq(route->request_headers.add[1].action, HEADER_OP_OVERWRITE_IF_EXISTS_OR_ADD);
    ck_assert(route->request_headers.add[1].keep_empty_value);
    ck_assert_slice_eq(route->response_headers.remove[0], "x-gone");
}
END_TEST

START_TEST(route_overrides_reach_their_filters) {
    const struct route *route =
        one(ONE("{match: {prefix: /}, route: {cluster: c}, typed_per_filter_config: {"
                "cors: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.cors.v3."
                "CorsPolicy}, off: {\"@type\": "
                "type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}, on: "
                "{\"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, config: {}}, "
                "maybe: {\"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, "
                "is_optional: true, config: {\"@type\": "
                "type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute, disabled: "
                "true}}}}"));
    ck_assert_uint_eq(route->filters.count, 4);
    uint32_t cors = config_store_intern(fixture.store, SLICE("cors"));
    uint32_t off = config_store_intern(fixture.store, SLICE("off"));
    for (uint32_t i = 0; i < route->filters.count; i++) {
        const struct filter_override *item = &route->filters.items[i];
        ck_assert_int_eq(item->factory == &test_cors_factory, item->name_id == cors);
        ck_assert_int_eq(item->config != NULL, item->name_id == cors);
        ck_assert_int_eq(item->is_disabled, item->name_id == off);
    }
}
END_TEST

START_TEST(route_inherits_mirrors_and_limits) {
    const struct route_part *part = routes(
        "name: r\nrequest_mirror_policies: [{cluster: m}]\nvirtual_hosts: [{name: v, domains: "
        "[A.test], request_body_buffer_limit: 9, routes: [{match: {prefix: /}, route: {cluster: "
        "c}}], include_request_attempt_count: true, require_tls: ALL}, {name: w, domains: ['*'], "
        "routes: [{match: {prefix: /}, request_body_buffer_limit: 3, route: {cluster: c, "
        "request_mirror_policies: [{cluster: m2}, {cluster: m3}]}}]}]\n");
    ck_assert_slice_eq(part->vhosts[0]->domains[0], "a.test");
    ck_assert_int_eq(part->vhosts[0]->require_tls, VHOST_TLS_ALL);
    ck_assert(part->vhosts[0]->include_request_attempt_count);
    const struct route_action *first = part->vhosts[0]->routes[0].cluster;
    const struct route_action *second = part->vhosts[1]->routes[0].cluster;
    ck_assert_uint_eq(first->mirror_count, 1);
    ck_assert_uint_eq(first->request_body_buffer_limit, 9);
    ck_assert_uint_eq(second->mirror_count, 2);
    ck_assert_uint_eq(second->request_body_buffer_limit, 3);
}
END_TEST

static bool only_a(void *arg, struct slice name) {
    (void)arg;
    return slice_equal(name, SLICE("a"));
}

START_TEST(route_clusters_are_looked_for_on_demand) {
    fixture.context.cluster_exists = only_a;
    routes(ONE("{match: {prefix: /}, route: {cluster: b}}"));
    decode_refused(&fixture, &resource_type_route,
                   "validate_clusters: true\n" ONE("{match: {prefix: /}, route: {cluster: b}}"),
                   "route: unknown cluster 'b'");
    routes("validate_clusters: true\n" ONE("{match: {prefix: /}, route: {cluster: a}}"));
}
END_TEST

START_TEST(route_owners_are_of_each_level) {
    const struct route_part *part = routes(
        "name: r\nvirtual_hosts: [{name: v, domains: ['*'], metadata: {filter_metadata: "
        "{envoy-gateway: {resources: [{kind: Gateway, namespace: g, name: edge}]}}}, routes: "
        "[{match: {prefix: /}, route: {cluster: c}, metadata: {filter_metadata: {istio: {config: "
        "/apis/networking.istio.io/v1/namespaces/shop/virtual-service/web}}}}, {match: {path: /b}, "
        "route: {cluster: c}}]}]\n");
    ck_assert_slice_eq(part->vhosts[0]->owner.text, "envoy-gateway Gateway g/edge");
    ck_assert_slice_eq(part->vhosts[0]->routes[0].owner.text, "istio virtual-service shop/web");
    ck_assert_slice_eq(part->vhosts[0]->routes[1].owner.text, "envoy-gateway Gateway g/edge");
}
END_TEST

START_TEST(route_refusals_name_the_owner_of_what_is_wrong) {
    fixture.context.cluster_exists = only_a;
    decode_refused(
        &fixture, &resource_type_route,
        "name: r\nvalidate_clusters: true\nvirtual_hosts: [{name: v, domains: ['*'], metadata: "
        "{filter_metadata: {envoy-gateway: {resources: [{kind: Gateway, namespace: g, name: "
        "edge}]}}}, routes: [{match: {prefix: /a}, route: {cluster: b}, metadata: "
        "{filter_metadata: {istio: {config: "
        "/apis/networking.istio.io/v1/namespaces/shop/virtual-service/web}}}}, {match: {prefix: "
        "/b}, route: {cluster: b}}]}]\n",
        "virtual_hosts[0].routes[0].route: route: unknown cluster 'b' (of istio virtual-service "
        "shop/web); virtual_hosts[0].routes[1].route: route: unknown cluster 'b' (of envoy-gateway "
        "Gateway g/edge)");
}
END_TEST

struct refusal {
    const char *yaml, *text;
};
static const struct refusal refusals[] = {
    {"name: r\nvirtual_hosts: [{name: v, domains: [a]}, {name: v, domains: [b]}]\n",
     "virtual_hosts[1]: Only a single virtual host with name v is permitted"},
    {"name: r\nvirtual_hosts: [{name: v, domains: [a]}, {name: w, domains: [A]}]\n",
     "Only unique values for domains are permitted. Duplicate entry of domain a in route r"},
    {"name: r\nvirtual_hosts: [{name: v, domains: ['*']}, {name: w, domains: ['*']}]\n",
     "Only a single wildcard domain is permitted in route r"},
    {ONE("{match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: a, weight: 0}]}}}"),
     "Sum of weights in the weighted_cluster must be greater than 0."},
    {ONE("{match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: a, weight: "
         "4294967295}, {name: b, weight: 1}]}}}"),
     "The sum of weights of all weighted clusters of route r exceeds 4294967295"},
    {ONE("{match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: a, cluster_header: b, "
         "weight: 1}]}}}"),
     "Only one of name or cluster_header can be specified"},
    {ONE("{match: {safe_regex: {regex: '('}}, route: {cluster: c}}"),
     "virtual_hosts[0].routes[0].match.safe_regex.regex: invalid regex '('"},
    {ONE("{match: {prefix: /}, route: {cluster: c, prefix_rewrite: /a, regex_rewrite: {pattern: "
         "{regex: a}, substitution: b}}}"),
     "Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy"},
    {ONE("{match: {prefix: /}, route: {cluster: c, regex_rewrite: {pattern: {regex: a}, "
         "substitution: '\\1'}}}"),
     "substitution"},
    {ONE("{match: {prefix: /}, route: {cluster: c}, request_headers_to_add: [{header: {key: "
         "':path', value: x}}]}"),
     ":-prefixed or host headers may not be modified"},
    {ONE("{match: {prefix: /}, route: {cluster: c}, request_headers_to_remove: [Host]}"),
     ":-prefixed or host headers may not be removed"},
    {ONE("{match: {prefix: /}, route: {cluster: c}, request_headers_to_add: [{header: {key: a, "
         "value: '%NONSENSE%'}}]}"),
     "NONSENSE"},
    {"max_direct_response_body_size_bytes: 2\n" ONE(
         "{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: abc}}}"),
     "response body size is 3 bytes; maximum is 2"},
    {ONE("{match: {prefix: /}, direct_response: {status: 200, body: {filename: /nonexistent/x}}}"),
     "unable to read file: /nonexistent/x"},
    {ONE("{match: {prefix: /}, route: {cluster: c}, typed_per_filter_config: {lua: {\"@type\": "
         "type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute, disabled: true}}}"),
     "Didn't find a registered implementation for 'lua' with type URL: "
     "'envoy.extensions.filters.http.lua.v3.LuaPerRoute'"},
    {ONE("{match: {prefix: /, dynamic_metadata: [{filter: f, path: [{key: k}], value: "
         "{present_match: true}}]}, route: {cluster: c}}"),
     "the route would match more than it says"},
    {ONE("{match: {prefix: /}}"), "field: \"action\", reason: is required"},
    {ONE("{match: {prefix: /}, route: {cluster: c, upgrade_configs: [{upgrade_type: a}, "
         "{upgrade_type: A}]}}"),
     "Duplicate upgrade A"},
    {ONE("{match: {prefix: /}, route: {cluster: c, retry_policy: {retry_back_off: {base_interval: "
         "2s, max_interval: 1s}}}}"),
     "max_interval must greater than or equal to the base_interval"},
    {ONE("{match: {prefix: /}, route: {cluster: c, rate_limits: [{actions: [{extension: {name: x, "
         "typed_config: {\"@type\": type.googleapis.com/google.protobuf.Empty}}}]}]}}"),
     "route.rate_limits[0].actions[0].extension: "},
    {ONE("{match: {prefix: /}, route: {cluster: c, rate_limits: [{actions: "
         "[{masked_remote_address: {v4_prefix_mask_len: 33}}]}]}}"),
     "v4_prefix_mask_len"},
    {ONE("{match: {prefix: /}, route: {cluster: c, rate_limits: [{hits_addend: {format: "
         "'%NONSENSE%'}, actions: [{remote_address: {}}]}]}}"),
     "NONSENSE"},
    {ONE("{match: {prefix: /}, route: {cluster: c, rate_limits: [{actions: [{metadata: "
         "{descriptor_key: k, source: CLUSTER_ENTRY, metadata_key: {key: a, path: [{key: "
         "b}]}}}]}]}}"),
     "only DYNAMIC and ROUTE_ENTRY are built in"},
};

START_TEST(route_faults_are_named) {
    decode_refused(&fixture, &resource_type_route, refusals[_i].yaml, refusals[_i].text);
}
END_TEST

START_TEST(route_all_faults_are_reported_at_once) {
    decode_refused(&fixture, &resource_type_route,
                   ONE("{match: {safe_regex: {regex: '('}}, route: {cluster: c}},"
                       "{match: {prefix: /}, route: {cluster: c}, request_headers_to_remove: "
                       "[host]}"),
                   "routes[0]");
    ck_assert_ptr_nonnull(strstr(fixture.err.message, "routes[1]"));
    ck_assert_uint_eq(fixture.v.error_count, 2);
}
END_TEST

int main(void) {
    TCase *tcase = tcase_create("all");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, route_defaults_are_envoys);
    tcase_add_test(tcase, route_matches_of_all_kinds_are_read);
    tcase_add_test(tcase, route_action_options_are_read);
    tcase_add_test(tcase, route_statistics_that_are_not_kept_are_named);
    tcase_add_test(tcase, route_rate_limits_are_read);
    tcase_add_test(tcase, route_weighted_clusters_are_summed);
    tcase_add_test(tcase, route_answers_are_read);
    tcase_add_test(tcase, route_header_operations_are_compiled);
    tcase_add_test(tcase, route_overrides_reach_their_filters);
    tcase_add_test(tcase, route_inherits_mirrors_and_limits);
    tcase_add_test(tcase, route_clusters_are_looked_for_on_demand);
    tcase_add_test(tcase, route_owners_are_of_each_level);
    tcase_add_test(tcase, route_refusals_name_the_owner_of_what_is_wrong);
    tcase_add_loop_test(tcase, route_faults_are_named, 0, ARRAY_LEN(refusals));
    tcase_add_test(tcase, route_all_faults_are_reported_at_once);
    return run_suite("decode_route", tcase);
}
