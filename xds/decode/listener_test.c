// SPDX-License-Identifier: Apache-2.0
#include "src/config/listener_config.h"
#include "src/config/local_reply_config.h"
#include "xds/decode/decode_test_fixture.h"

#define ADDRESS "address: {socket_address: {address: 127.0.0.1, port_value: 8080}}\n"
#define TYPE_URL(name) "\"@type\": type.googleapis.com/" name
#define HCM_TYPE                                                                                   \
    TYPE_URL("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager")
#define ROUTER                                                                                     \
    "{name: envoy.filters.http.router, typed_config: {" TYPE_URL(                                  \
        "envoy.extensions.filters.http.router.v3.Router") "}}"
#define INLINE_ROUTES                                                                              \
    "route_config: {name: local, virtual_hosts: [{name: v, domains: ['*'], routes: [{match: "      \
    "{prefix: /}, route: {cluster: c}}]}]}"
#define HCM_WITH(rest) "{name: hcm, typed_config: {" HCM_TYPE ", stat_prefix: in, " rest "}}"
#undef HCM
#define HCM HCM_WITH("http_filters: [" ROUTER "], " INLINE_ROUTES)
#define TCP_PROXY                                                                                  \
    "{name: tcp, typed_config: {" TYPE_URL(                                                        \
        "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy") ", stat_prefix: t, cluster: c}}"
#define LISTENER_WITH(chain) "name: l\n" ADDRESS "filter_chains: [" chain "]\n"

static struct decode_fixture fixture;

static void setup(void) {
    decode_fixture_init(&fixture);
}

static void teardown(void) {
    decode_fixture_deinit(&fixture);
}

static const struct listener_part *listener(const char *yaml) {
    decode_ok(&fixture, &resource_type_listener, yaml);
    return (const struct listener_part *)fixture.result.part;
}

static const struct http_connection_manager_config *hcm(const char *yaml) {
    return listener(yaml)->chains[0]->filters[0].config;
}

START_TEST(listener_defaults_are_envoys) {
    const struct listener_part *part = listener(LISTENER_WITH("{filters: [" HCM "]}"));
    ck_assert_slice_eq(part->part.name, "l");
    ck_assert_slice_eq(part->stat_prefix, "127.0.0.1_8080");
    ck_assert_uint_eq(part->address_count, 1);
    ck_assert(part->bind_to_port && part->reuse_port && part->socket.reuse_port);
    ck_assert_uint_eq(part->per_connection_buffer_limit_bytes, 1024 * 1024);
    ck_assert_uint_eq(part->listener_filters_timeout_ms, 15000);
    ck_assert_uint_eq(part->chain_count, 1);
    ck_assert_ptr_null(part->default_chain);
    ck_assert_uint_eq(part->chains[0]->tls_slot, CONFIG_SLOT_NONE);
    ck_assert_uint_eq(part->chains[0]->transport_connect_timeout_ms, 0);
    ck_assert_ptr_eq(part->chains[0]->filters[0].factory, &test_hcm_factory);
}
END_TEST

START_TEST(listener_matches_are_read) {
    const struct listener_part *part =
        listener("name: l\n" ADDRESS "listener_filters: [{name: i, typed_config: {" TYPE_URL(
            "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector") "}, filter_disabled: "
                                                                               "{not_match: {destination_port_range: {start: 1, end: 9}}}}]\n"
                                                                               "filter_chains: [{name: a, filter_chain_match: {server_names: [A.test, '*.B.test'], "
                                                                               "transport_protocol: tls, application_protocols: [h2], destination_port: 443, prefix_ranges: "
                                                                               "[{address_prefix: 10.0.0.0, prefix_len: 8}], source_type: EXTERNAL, source_ports: [5]}, "
                                                                               "filters: [" TCP_PROXY
                                                                               "]}]\ndefault_filter_chain: {filters: [" TCP_PROXY
                                                                               "]}\n");
    const struct filter_chain_match *match = &part->chains[0]->match;
    ck_assert_slice_eq(match->server_names[0], "a.test");
    ck_assert_slice_eq(match->server_names[1], ".b.test");
    ck_assert_slice_eq(match->transport_protocol, "tls");
    ck_assert_slice_eq(match->application_protocols[0], "h2");
    ck_assert_uint_eq(match->destination_port, 443);
    ck_assert_uint_eq(match->destination_ranges[0].prefix_bits, 8);
    ck_assert_int_eq(match->source_type, SOURCE_EXTERNAL);
    ck_assert_uint_eq(match->source_ports[0], 5);
    ck_assert_ptr_nonnull(part->default_chain);
    ck_assert_int_eq(part->listener_filters[0].disabled_predicate->kind, LISTENER_FILTER_NOT);
}
END_TEST

START_TEST(listener_chains_are_known_by_their_hash) {
    const struct listener_part *part =
        listener(LISTENER_WITH("{name: a, filters: [" TCP_PROXY "]}, {name: b, filter_chain_match: "
                               "{destination_port: 1}, filters: [" TCP_PROXY "]}"));
    uint64_t first = part->chains[0]->hash, second = part->chains[1]->hash;
    uint64_t shell = part->shell_hash;
    ck_assert_uint_ne(first, second);
    part =
        listener(LISTENER_WITH("{name: a, filters: [" TCP_PROXY "]}, {name: b, filter_chain_match: "
                               "{destination_port: 2}, filters: [" TCP_PROXY "]}"));
    ck_assert_uint_eq(part->chains[0]->hash, first);
    ck_assert_uint_ne(part->chains[1]->hash, second);
    ck_assert_uint_eq(part->shell_hash, shell);
    part = listener("per_connection_buffer_limit_bytes: 5\n" LISTENER_WITH(
        "{name: a, filters: [" TCP_PROXY "]}"));
    ck_assert_uint_ne(part->shell_hash, shell);
}
END_TEST

START_TEST(hcm_inline_routes_are_an_extra_part) {
    const struct http_connection_manager_config *config =
        hcm(LISTENER_WITH("{filters: [" HCM "]}"));
    ck_assert_uint_eq(fixture.result.extra_count, 1);
    ck_assert_uint_eq(fixture.result.extra[0].slot, config->route_slot);
    ck_assert_int_eq(fixture.result.extra[0].part->kind, CONFIG_ROUTE);
    ck_assert_slice_eq(fixture.result.extra[0].part->name, "local");
    ck_assert_slice_eq(config_store_slot_name(fixture.store, CONFIG_ROUTE, config->route_slot),
                       "inline/listener/l/0/in");
}
END_TEST

START_TEST(hcm_rds_is_a_dependency) {
    const struct http_connection_manager_config *config = hcm(LISTENER_WITH(
        "{filters: [" HCM_WITH("http_filters: [" ROUTER
                               "], rds: {route_config_name: web, config_source: {ads: {}}}") "]}"));
    ck_assert_slice_eq(config->route_name, "web");
    ck_assert_uint_eq(fixture.result.dependency_count, 1);
    ck_assert_int_eq(fixture.result.dependencies[0].kind, CONFIG_ROUTE);
    ck_assert_uint_eq(fixture.result.dependencies[0].slot, config->route_slot);
}
END_TEST

START_TEST(hcm_defaults_are_envoys) {
    const struct http_connection_manager_config *config =
        hcm(LISTENER_WITH("{filters: [" HCM "]}"));
    ck_assert_int_eq(config->codec, HCM_CODEC_AUTO);
    ck_assert_uint_eq(config->max_request_headers_kb, 60);
    ck_assert_uint_eq(config->max_headers_count, 100);
    ck_assert_uint_eq(config->idle_timeout_ms, 3600000);
    ck_assert_uint_eq(config->stream_idle_timeout_ms, 300000);
    ck_assert_uint_eq(config->request_headers_timeout_ms, 0);
    ck_assert_uint_eq(config->drain_timeout_ms, 5000);
    ck_assert_uint_eq(config->delayed_close_timeout_ms, 1000);
    ck_assert_slice_eq(config->server_name, "envoy");
    ck_assert(config->generate_request_id && !config->use_remote_address);
    ck_assert(!config->path.normalize && !config->path.strict);
    ck_assert_uint_eq(config->underscores, HTTP_UNDERSCORES_ALLOW);
    ck_assert_uint_eq(config->http2.max_concurrent_streams, 0);
    ck_assert(config->http1.allow_absolute_url && !config->is_edge);
    ck_assert_ptr_null(config->local_reply);
}
END_TEST

START_TEST(hcm_edge_defaults_are_safe) {
    fixture.context.edge_defaults = true;
    const struct listener_part *part = listener(LISTENER_WITH("{filters: [" HCM "]}"));
    const struct http_connection_manager_config *config = part->chains[0]->filters[0].config;
    ck_assert_uint_eq(part->per_connection_buffer_limit_bytes, 32 * 1024);
    ck_assert_uint_eq(part->chains[0]->transport_connect_timeout_ms, 10000);
    ck_assert_uint_eq(config->idle_timeout_ms, 60000);
    ck_assert_uint_eq(config->request_headers_timeout_ms, 10000);
    ck_assert(config->use_remote_address && config->is_edge);
    ck_assert(config->path.normalize && config->path.merge_slashes && config->path.strict);
    ck_assert_int_eq(config->path.escaped_slashes, PATH_SLASHES_REJECT);
    ck_assert_uint_eq(config->underscores, HTTP_UNDERSCORES_REJECT);
    ck_assert_uint_eq(config->http2.max_concurrent_streams, 100);
    ck_assert_uint_eq(config->http2.stream_window_bytes, 65536);
    config = hcm(
        LISTENER_WITH("{filters: [" HCM_WITH("http_filters: [" ROUTER "], " INLINE_ROUTES
                                             ", use_remote_address: false, normalize_path: false, "
                                             "path_with_escaped_slashes_action: KEEP_UNCHANGED, "
                                             "request_headers_timeout: 0s, http2_protocol_options: "
                                             "{max_concurrent_streams: 7}") "]}"));
    ck_assert(!config->use_remote_address && !config->path.normalize);
    ck_assert_int_eq(config->path.escaped_slashes, PATH_SLASHES_KEEP_UNCHANGED);
    ck_assert_uint_eq(config->request_headers_timeout_ms, 0);
    ck_assert_uint_eq(config->http2.max_concurrent_streams, 7);
    ck_assert_uint_eq(config->http2.connection_window_bytes, 1024 * 1024);
}
END_TEST

START_TEST(hcm_options_are_read) {
    const struct http_connection_manager_config *config = hcm(LISTENER_WITH(
        "{filters: [" HCM_WITH("http_filters: [{name: c, disabled: true, typed_config: {" TYPE_URL(
            "envoy.extensions.filters.http.cors.v3.Cors") "}}, {name: gone, is_optional: true, "
                                                          "typed_config: {" TYPE_URL(
                                                              "envoy.extensions.filters.http.lua.v3.Lua") "}}, " ROUTER
                                                                                                          "], " INLINE_ROUTES
                                                                                                          ", codec_type: HTTP1, server_name: me, server_header_transformation: PASS_THROUGH, "
                                                                                                          "stream_idle_timeout: 0s, common_http_protocol_options: {idle_timeout: 2s, "
                                                                                                          "headers_with_underscores_action: DROP_HEADER}, http_protocol_options: {accept_http_10: "
                                                                                                          "true, default_host_for_http_10: d}, internal_address_config: {cidr_ranges: "
                                                                                                          "[{address_prefix: 10.0.0.0, prefix_len: 8}]}, forward_client_cert_details: SANITIZE_SET, "
                                                                                                          "set_current_client_cert_details: {uri: true}, upgrade_configs: [{upgrade_type: "
                                                                                                          "websocket}], via: v, scheme_header_transformation: {scheme_to_overwrite: https}, "
                                                                                                          "strip_any_host_port: true, access_log: [{name: f, filter: {status_code_filter: "
                                                                                                          "{comparison: {op: GE, value: {default_value: 400, runtime_key: k}}}}, typed_config: "
                                                                                                          "{" TYPE_URL(
                                                                                                              "envoy.extensions.access_loggers.file.v3.FileAccessLog") ", path: "
                                                                                                                                                                       "/dev/null, log_format: {json_format: {code: '%RESPONSE_CODE%'}}}}], "
                                                                                                                                                                       "local_reply_config: {mappers: [{filter: {response_flag_filter: {flags: [NR]}}, "
                                                                                                                                                                       "status_code: 410, body: {inline_string: gone}}]}") "]}"));
    ck_assert_int_eq(config->codec, HCM_CODEC_HTTP1);
    ck_assert_slice_eq(config->server_name, "me");
    ck_assert_int_eq(config->server_transformation, SERVER_PASS_THROUGH);
    ck_assert_uint_eq(config->stream_idle_timeout_ms, 0);
    ck_assert_uint_eq(config->idle_timeout_ms, 2000);
    ck_assert_uint_eq(config->underscores, HTTP_UNDERSCORES_DROP);
    ck_assert(config->accept_http_10);
    ck_assert_slice_eq(config->http1.default_host, "d");
    ck_assert_uint_eq(config->internal_cidr_count, 1);
    ck_assert_int_eq(config->forward_client_cert, FORWARD_CLIENT_CERT_SANITIZE_SET);
    ck_assert(config->xfcc_uri && !config->xfcc_cert && config->strip_any_host_port);
    ck_assert_slice_eq(config->upgrades[0].type, "websocket");
    ck_assert_slice_eq(config->scheme_to_overwrite, "https");
    ck_assert_uint_eq(config->filter_count, 2);
    ck_assert(config->filters[0].is_disabled);
    ck_assert_ptr_nonnull(config->filters[0].config);
    ck_assert_uint_eq(config->access_log_count, 1);
    ck_assert_int_eq(config->access_logs[0]->filter->compare, COMPARE_GE);
    ck_assert_uint_eq(config->local_reply->mappers[0].status, 410);
    ck_assert_slice_eq(config->local_reply->mappers[0].body, "gone");
}
END_TEST

START_TEST(hcm_xff_extension_is_the_same_as_the_fields) {
    const struct http_connection_manager_config *config = hcm(LISTENER_WITH("{filters: [" HCM_WITH(
        "http_filters: [" ROUTER "], " INLINE_ROUTES
        ", original_ip_detection_extensions: [{name: x, typed_config: {" TYPE_URL(
            "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig") ", "
                                                                            "xff_num_trusted_hops: 2}}]") "]}"));
    ck_assert_uint_eq(config->xff_num_trusted_hops, 2);
    ck_assert(!config->use_remote_address);
}
END_TEST

START_TEST(listener_typed_struct_is_unwrapped) {
    const struct http_connection_manager_config *config =
        hcm(LISTENER_WITH("{filters: [{name: hcm, typed_config: {" TYPE_URL(
            "udpa.type.v1.TypedStruct") ", type_url: "
                                        "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3."
                                        "HttpConnectionManager, value: {stat_prefix: in, http_filters: [" ROUTER
                                        "], rds: "
                                        "{route_config_name: web, config_source: {ads: {}}}}}}]}"));
    ck_assert_slice_eq(config->stat_prefix, "in");
    ck_assert_slice_eq(config->route_name, "web");
}
END_TEST

struct refusal {
    const char *yaml, *text;
};
static const struct refusal refusals[] = {
    {"name: l\n" ADDRESS, "filter_chains: no filter chains specified"},
    {"name: l\naddress: {socket_address: {address: a.test, port_value: 1}}\nfilter_chains: "
     "[{filters: [" TCP_PROXY "]}]\n",
     "address.socket_address.address: malformed IP address: a.test"},
    {LISTENER_WITH("{name: a, filters: [" TCP_PROXY "]}, {name: b, filters: [" TCP_PROXY "]}"),
     "filter chain 'b' has the same matching rules defined as 'a'"},
    {LISTENER_WITH("{filter_chain_match: {server_names: ['a*.test']}, filters: [" TCP_PROXY "]}"),
     "partial wildcards are not supported"},
    {LISTENER_WITH("{filters: [" TCP_PROXY ", " TCP_PROXY "]}"),
     "Error: terminal filter named tcp of type envoy.filters.network.tcp_proxy must be the last "
     "filter in a network filter chain."},
    {LISTENER_WITH("{filters: [{name: s, typed_config: {" TYPE_URL(
         "envoy.extensions.filters.network.sni_cluster.v3.SniCluster") "}}]}"),
     "Error: non-terminal filter named s of type envoy.filters.network.sni_cluster is the last"},
    {LISTENER_WITH("{filters: [{name: x, typed_config: {" TYPE_URL(
         "envoy.extensions.filters.network.echo.v3.Echo") "}}]}"),
     "filter_chains[0].filters[0].typed_config: Didn't find a registered implementation for 'x' with type URL: "
     "'envoy.extensions.filters.network.echo.v3.Echo'"},
    {LISTENER_WITH("{filters: [" HCM_WITH("http_filters: [], " INLINE_ROUTES) "]}"),
     "there is no terminal filter"},
    {LISTENER_WITH(
         "{filters: [" HCM_WITH("http_filters: [" ROUTER ", {name: c, typed_config: {" TYPE_URL(
             "envoy.extensions.filters.http.cors.v3.Cors") "}}], " INLINE_ROUTES) "]}"),
     "Error: terminal filter named envoy.filters.http.router of type envoy.filters.http.router must "
     "be the last filter in a http filter chain."},
    {LISTENER_WITH("{filters: [" HCM_WITH("http_filters: [{name: c, typed_config: {" TYPE_URL(
         "envoy.extensions.filters.http.cors.v3.Cors") "}}], " INLINE_ROUTES) "]}"),
     "Error: non-terminal filter named c of type envoy.filters.http.cors is the last filter in a "
     "http filter chain."},
    {LISTENER_WITH("{filters: [" HCM_WITH("http_filters: [{name: u, typed_config: {" TYPE_URL(
         "envoy.extensions.filters.http.lua.v3.Lua") "}}, " ROUTER "], " INLINE_ROUTES) "]}"),
     "http_filters[0].typed_config: Didn't find a registered implementation for 'u' with type URL: "
     "'envoy.extensions.filters.http.lua.v3.Lua'"},
    {LISTENER_WITH(
         "{filters: [" HCM_WITH("http_filters: [" ROUTER "], route_config: {virtual_hosts: "
                                "[{name: a, domains: ['*']}, {name: a, domains: [b]}]}") "]}"),
     "filters[0].typed_config.route_config.virtual_hosts[1]: Only a single virtual host"},
    {LISTENER_WITH("{filters: [" HCM_WITH(
         "http_filters: [" ROUTER "], " INLINE_ROUTES
         ", early_header_mutation_extensions: [{name: m, typed_config: {" TYPE_URL(
             "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation") ", "
                                                                                              "mutations: [{remove: x}]}}]") "]}"),
     "early_header_mutation_extensions: not supported"},
    {"name: l\n" ADDRESS "udp_listener_config: {}\nfilter_chains: [{filters: [" TCP_PROXY "]}]\n",
     "UDP listeners are not supported"},
    {"name: l\n" ADDRESS "filter_chains: [{use_proxy_proto: true, filters: [" TCP_PROXY "]}]\n",
     "client addresses would be wrong"},
    {"name: l\n" ADDRESS "access_log: [{name: g, typed_config: {" TYPE_URL(
         "envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig") ", common_config: "
                                                                           "{log_name: log, grpc_service: {envoy_grpc: {cluster_name: c}}}}}]\nfilter_chains: [{filters: [" TCP_PROXY
                                                                           "]}]\n",
     "Didn't find a registered implementation for 'g'"},
};

START_TEST(listener_faults_are_named) {
    decode_refused(&fixture, &resource_type_listener, refusals[_i].yaml, refusals[_i].text);
}
END_TEST

int main(void) {
    TCase *tcase = tcase_create("all");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, listener_defaults_are_envoys);
    tcase_add_test(tcase, listener_matches_are_read);
    tcase_add_test(tcase, listener_chains_are_known_by_their_hash);
    tcase_add_test(tcase, hcm_inline_routes_are_an_extra_part);
    tcase_add_test(tcase, hcm_rds_is_a_dependency);
    tcase_add_test(tcase, hcm_defaults_are_envoys);
    tcase_add_test(tcase, hcm_edge_defaults_are_safe);
    tcase_add_test(tcase, hcm_options_are_read);
    tcase_add_test(tcase, hcm_xff_extension_is_the_same_as_the_fields);
    tcase_add_test(tcase, listener_typed_struct_is_unwrapped);
    tcase_add_loop_test(tcase, listener_faults_are_named, 0, ARRAY_LEN(refusals));
    return run_suite("decode_listener", tcase);
}
