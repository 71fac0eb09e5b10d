// SPDX-License-Identifier: Apache-2.0
#include "src/config/cluster_config.h"
#include "src/config/health_check_config.h"
#include "src/config/secret_config.h"
#include "xds/decode/decode_test_fixture.h"

#define STATIC_ENDPOINT                                                                            \
    "load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: "         \
    "{socket_address: {address: 127.0.0.1, port_value: 80}}}}]}]}\n"

static struct decode_fixture fixture;

static void setup(void) {
    decode_fixture_init(&fixture);
}

static void teardown(void) {
    decode_fixture_deinit(&fixture);
}

static const struct cluster_part *cluster(const char *yaml) {
    decode_ok(&fixture, &resource_type_cluster, yaml);
    return (const struct cluster_part *)fixture.result.part;
}

START_TEST(cluster_defaults_are_envoys) {
    const struct cluster_part *part = cluster("name: c\n" STATIC_ENDPOINT);
    ck_assert_slice_eq(part->part.name, "c");
    ck_assert_slice_eq(part->stat_name, "c");
    ck_assert_int_eq(part->type, CLUSTER_STATIC);
    ck_assert_uint_eq(part->connect_timeout_ms, 5000);
    ck_assert_uint_eq(part->per_connection_buffer_limit_bytes, 1024 * 1024);
    ck_assert_int_eq(part->lb.policy, LB_ROUND_ROBIN);
    ck_assert_uint_eq(part->breakers[0].max_connections, 1024);
    ck_assert_uint_eq(part->breakers[1].max_retries, 3);
    ck_assert_int_eq(part->http.protocol, UPSTREAM_HTTP_1);
    ck_assert_uint_eq(part->http.idle_timeout_ms, 3600000);
    ck_assert_uint_eq(part->socket_count, 1);
    ck_assert_ptr_null(part->sockets[0].tls);
    ck_assert_uint_eq(part->sockets[0].tls_slot, CONFIG_SLOT_NONE);
    ck_assert(part->wait_for_warm_on_init);
    ck_assert_ptr_null(part->outlier);
    ck_assert_ptr_null(part->health_checks);
}
END_TEST

START_TEST(cluster_that_breaks_the_rules_of_the_api_has_an_owner) {
    decode_refused(&fixture, &resource_type_cluster,
                   "name: c\nconnect_timeout: 0s\nmetadata: {filter_metadata: {istio: {config: "
                   "/apis/networking.istio.io/v1/namespaces/shop/destination-rule/web}}}\n",
                   "(of istio destination-rule shop/web)");
}
END_TEST

START_TEST(cluster_edge_defaults_shrink_buffers) {
    fixture.context.edge_defaults = true;
    ck_assert_uint_eq(cluster("name: c\n" STATIC_ENDPOINT)->per_connection_buffer_limit_bytes,
                      32 * 1024);
    ck_assert_uint_eq(cluster("name: c\nper_connection_buffer_limit_bytes: 7\n" STATIC_ENDPOINT)
                          ->per_connection_buffer_limit_bytes,
                      7);
}
END_TEST

START_TEST(cluster_inline_endpoints_are_an_extra_part) {
    const struct cluster_part *part = cluster("name: c\n" STATIC_ENDPOINT);
    ck_assert_uint_eq(fixture.result.extra_count, 1);
    ck_assert_uint_eq(part->endpoint_slot, CONFIG_SLOT_NONE);
    ck_assert_slice_eq(part->eds_name, "inline/c");
    const struct endpoint_part *endpoints =
        (const struct endpoint_part *)fixture.result.extra[0].part;
    ck_assert_int_eq(endpoints->part.kind, CONFIG_ENDPOINT);
    ck_assert_uint_eq(endpoints->locality_count, 1);
    ck_assert_uint_eq(endpoints->overprovisioning_percent, 140);
    ck_assert_uint_eq(endpoints->localities[0].endpoint_count, 1);
    ck_assert_uint_eq(endpoints->localities[0].endpoints[0].weight, 1);
    struct address address = stored_address_get(&endpoints->localities[0].endpoints[0].address);
    ck_assert_uint_eq(address_port(&address), 80);
}
END_TEST

START_TEST(cluster_eds_depends_on_its_service) {
    const struct cluster_part *part = cluster(
        "name: c\ntype: EDS\neds_cluster_config: {service_name: s, eds_config: {ads: {}}}\n");
    ck_assert_slice_eq(part->eds_name, "s");
    ck_assert_uint_eq(fixture.result.dependency_count, 1);
    ck_assert_int_eq(fixture.result.dependencies[0].kind, CONFIG_ENDPOINT);
    ck_assert_slice_eq(fixture.result.dependencies[0].name, "s");
    ck_assert_uint_eq(fixture.result.dependencies[0].slot, part->endpoint_slot);
    ck_assert_uint_gt(fixture.result.dependencies[0].config_source.len, 0);
}
END_TEST

START_TEST(cluster_dns_takes_names) {
    const struct cluster_part *part =
        cluster("name: c\ntype: STRICT_DNS\ndns_lookup_family: V4_ONLY\ndns_refresh_rate: 7s\n"
                "load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: "
                "{address: {socket_address: {address: a.test, port_value: 81}}}}]}]}\n");
    ck_assert_int_eq(part->type, CLUSTER_STRICT_DNS);
    ck_assert_int_eq(part->dns->family, DNS_V4_ONLY);
    ck_assert_uint_eq(part->dns->refresh_ms, 7000);
    ck_assert_uint_eq(part->dns->failure_base_ms, 7000);
    const struct endpoint_config *endpoint =
        ((const struct endpoint_part *)fixture.result.extra[0].part)->localities[0].endpoints;
    ck_assert_slice_eq(endpoint->dns_name, "a.test");
    ck_assert_uint_eq(endpoint->dns_port, 81);
}
END_TEST

START_TEST(cluster_dns_extension_is_the_same) {
    const struct cluster_part *part = cluster(
        "name: c\ncluster_type: {name: envoy.clusters.dns, typed_config: {\"@type\": "
        "type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster, dns_lookup_family: "
        "V4_ONLY, all_addresses_in_single_endpoint: true}}\n"
        "load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: "
        "{address: {socket_address: {address: a.test, port_value: 81}}}}]}]}\n");
    ck_assert_int_eq(part->type, CLUSTER_LOGICAL_DNS);
    ck_assert_int_eq(part->dns->family, DNS_V4_ONLY);
}
END_TEST

START_TEST(cluster_http2_options_are_read) {
    const struct cluster_part *part = cluster(
        "name: c\ntyped_extension_protocol_options:\n"
        "  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n"
        "    \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n"
        "    common_http_protocol_options: {idle_timeout: 30s, max_requests_per_connection: 9}\n"
        "    upstream_http_protocol_options: {auto_sni: true, override_auto_sni_header: X-Sni}\n"
        "    explicit_http_config: {http2_protocol_options: {max_concurrent_streams: 5, "
        "connection_keepalive: {interval: 10s, timeout: 2s}}}\n" STATIC_ENDPOINT);
    ck_assert_int_eq(part->http.protocol, UPSTREAM_HTTP_2);
    ck_assert_uint_eq(part->http.h2_max_concurrent_streams, 5);
    ck_assert_uint_eq(part->http.h2_keepalive_interval_ms, 10000);
    ck_assert_uint_eq(part->http.h2_keepalive_timeout_ms, 2000);
    ck_assert_uint_eq(part->http.idle_timeout_ms, 30000);
    ck_assert_uint_eq(part->http.max_requests_per_connection, 9);
    ck_assert(part->http.auto_sni);
    ck_assert_slice_eq(part->http.override_auto_sni_header, "x-sni");
    ck_assert_int_eq(
        cluster("name: c\nhttp2_protocol_options: {}\n" STATIC_ENDPOINT)->http.protocol,
        UPSTREAM_HTTP_2);
}
END_TEST

#define POLICY(text)                                                                               \
    "name: c\nload_balancing_policy: {policies: [{typed_extension_config: {name: p, "              \
    "typed_config: {\"@type\": type.googleapis.com/envoy.extensions.load_balancing_policies." text \
    "}}}]}\n" STATIC_ENDPOINT

START_TEST(cluster_load_balancing_policies_are_read) {
    const struct cluster_part *part =
        cluster(POLICY("least_request.v3.LeastRequest, choice_count: 3"));
    ck_assert_int_eq(part->lb.policy, LB_LEAST_REQUEST);
    ck_assert_uint_eq(part->lb.choice_count, 3);
    part = cluster(POLICY("maglev.v3.Maglev, table_size: 101"));
    ck_assert_int_eq(part->lb.policy, LB_MAGLEV);
    ck_assert_uint_eq(part->lb.table_size, 101);
    part = cluster(POLICY("ring_hash.v3.RingHash, minimum_ring_size: 8"));
    ck_assert_int_eq(part->lb.policy, LB_RING_HASH);
    ck_assert_uint_eq(part->lb.min_ring_size, 8);
    part = cluster(POLICY("wrr_locality.v3.WrrLocality, endpoint_picking_policy: {policies: "
                          "[{typed_extension_config: {name: r, typed_config: {\"@type\": "
                          "type.googleapis.com/envoy.extensions.load_balancing_policies.random.v3."
                          "Random}}}]}"));
    ck_assert_int_eq(part->lb.policy, LB_RANDOM);
    ck_assert(part->lb.locality_weighted);
    decode_refused(&fixture, &resource_type_cluster, POLICY("pick_first.v3.PickFirst"),
                   "didn't find a registered load balancer factory with names from [p]");
}
END_TEST

START_TEST(cluster_breakers_and_outliers_are_read) {
    const struct cluster_part *part = cluster(
        "name: c\ncircuit_breakers: {thresholds: [{max_connections: 1, retry_budget: "
        "{budget_percent: {value: 25}}}, {priority: HIGH, max_requests: 2}]}\n"
        "outlier_detection: {consecutive_5xx: 2, interval: 1s, base_ejection_time: 400s}\n" STATIC_ENDPOINT);
    ck_assert_uint_eq(part->breakers[0].max_connections, 1);
    ck_assert(part->breakers[0].has_retry_budget);
    ck_assert_uint_eq(part->breakers[0].retry_budget_per_million, 250000);
    ck_assert_uint_eq(part->breakers[0].retry_budget_min_concurrency, 3);
    ck_assert_uint_eq(part->breakers[1].max_requests, 2);
    ck_assert_uint_eq(part->outlier->consecutive_5xx, 2);
    ck_assert_uint_eq(part->outlier->interval_ms, 1000);
    ck_assert_uint_eq(part->outlier->max_ejection_percent, 10);
    ck_assert_uint_eq(part->outlier->max_ejection_time_ms, 400000);
}
END_TEST

START_TEST(cluster_health_checks_are_read) {
    const struct cluster_part *part = cluster(
        "name: c\nhealth_checks: [{timeout: 1s, interval: 5s, unhealthy_threshold: 2, "
        "healthy_threshold: 1, http_health_check: {path: /ready, expected_statuses: [{start: 200, "
        "end: 300}]}}]\n" STATIC_ENDPOINT);
    const struct health_check_list *list = part->health_checks;
    ck_assert_uint_eq(list->count, 1);
    ck_assert_int_eq(list->items[0].kind, HEALTH_CHECK_HTTP);
    ck_assert_slice_eq(list->items[0].http.path, "/ready");
    ck_assert_slice_eq(list->items[0].http.method, "GET");
    ck_assert_uint_eq(list->items[0].http.expected_count, 1);
    ck_assert_uint_eq(list->items[0].unhealthy_interval_ms, 5000);
}
END_TEST

START_TEST(cluster_transport_socket_matches_keep_their_order) {
    const struct cluster_part *part = cluster(
        "name: c\ntransport_socket_matches: [{name: raw, match: {}, transport_socket: {name: "
        "envoy.transport_sockets.raw_buffer, typed_config: {\"@type\": "
        "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}}, {name: "
        "tls, match: {tlsMode: istio}, transport_socket: {name: envoy.transport_sockets.tls, "
        "typed_config: {\"@type\": "
        "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, sni: "
        "a.test}}}]\n" STATIC_ENDPOINT);
    ck_assert_uint_eq(part->socket_count, 3);
    ck_assert_slice_eq(part->sockets[1].name, "raw");
    ck_assert_ptr_null(part->sockets[1].tls);
    ck_assert_slice_eq(part->sockets[2].name, "tls");
    ck_assert_ptr_nonnull(part->sockets[2].tls);
    ck_assert_slice_eq(part->sockets[2].tls->options.sni, "a.test");
    ck_assert_int_eq(part->sockets[2].tls->options.max_version, TLS_VERSION_1_2);
    ck_assert_slice_eq(part->sockets[2].match->entries[0].path, "tlsMode");
    ck_assert_uint_eq(fixture.result.tls_count, 1);
    ck_assert_uint_eq(fixture.result.tls[0].slot, part->sockets[2].tls_slot);
}
END_TEST

struct refusal {
    const char *yaml, *text;
};

static const struct refusal refusals[] = {
    {"name: ''\n" STATIC_ENDPOINT, "Name"},
    {"name: c\ntype: EDS\n", "an EDS cluster needs a config source"},
    {"name: c\ntype: LOGICAL_DNS\n", "LOGICAL_DNS clusters must have a single"},
    {"name: c\ntype: ORIGINAL_DST\n", "Only 'CLUSTER_PROVIDED'"},
    {"name: c\nlb_policy: CLUSTER_PROVIDED\n" STATIC_ENDPOINT,
     "CLUSTER_PROVIDED cannot be combined"},
    {"name: c\nload_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: "
     "{socket_address: {address: a.test, port_value: 80}}}}]}]}\n",
     "malformed IP address: a.test"},
    {"name: c\nload_assignment: {cluster_name: c, endpoints: [{priority: 1, lb_endpoints: []}]}\n",
     "priorities are not contiguous: 0 is missing"},
    {"name: c\nmaglev_lb_config: {table_size: 100}\n" STATIC_ENDPOINT, "prime"},
    {"name: c\ncluster_type: {name: envoy.clusters.aggregate, typed_config: {\"@type\": "
     "type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig, clusters: [a]}}\n",
     "Didn't find a registered implementation for 'envoy.clusters.aggregate' with type URL: "
     "'envoy.extensions.clusters.aggregate.v3.ClusterConfig'"},
    {"name: c\nfilters: [{name: f, typed_config: {\"@type\": "
     "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: p, "
     "cluster: c}}]\n" STATIC_ENDPOINT,
     "Didn't find a registered implementation for 'f'"},
    {"name: c\ntransport_socket: {name: t, typed_config: {\"@type\": "
     "type.googleapis.com/envoy.extensions.transport_sockets.alts.v3.Alts, "
     "handshaker_service: a}}\n" STATIC_ENDPOINT,
     "Didn't find a registered implementation for 't'"},
    {"name: c\ntyped_extension_protocol_options: {x: {\"@type\": "
     "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, "
     "explicit_http_config: {http3_protocol_options: {}}}}\n" STATIC_ENDPOINT,
     "HTTP/3 is not"},
    {"name: c\ntyped_extension_protocol_options: {x: {\"@type\": "
     "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, auto_config: "
     "{}}}\n" STATIC_ENDPOINT,
     "non-ALPN transport socket"},
    {"name: c\nhealth_checks: [{timeout: 1s, interval: 1s, unhealthy_threshold: 1, "
     "healthy_threshold: 1, tcp_health_check: {}}, {timeout: 1s, interval: 1s, "
     "unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {}}]\n" STATIC_ENDPOINT,
     "must have a name"},
    {"name: c\nconnect_timeout: -1s\n" STATIC_ENDPOINT, "ConnectTimeout"},
};

START_TEST(cluster_faults_are_named) {
    decode_refused(&fixture, &resource_type_cluster, refusals[_i].yaml, refusals[_i].text);
}
END_TEST

START_TEST(cluster_telemetry_filters_are_passed_over) {
    cluster(
        "name: c\nfilters: [{name: istio.metadata_exchange, typed_config: {\"@type\": type.googleapis.com/udpa.type.v1.TypedStruct, type_url: type.googleapis.com/envoy.tcp.metadataexchange.config.MetadataExchange, value: {protocol: istio-peer-exchange}}}]\n" STATIC_ENDPOINT);
}
END_TEST

START_TEST(cluster_hash_ignores_the_order_of_maps) {
    uint64_t first;
    cluster("name: c\nmetadata: {filter_metadata: {a: {k: 1}, b: {k: 2}}}\n" STATIC_ENDPOINT);
    first = fixture.result.hash;
    cluster("name: c\nmetadata: {filter_metadata: {b: {k: 2}, a: {k: 1}}}\n" STATIC_ENDPOINT);
    ck_assert_uint_eq(fixture.result.hash, first);
    cluster("name: c\nmetadata: {filter_metadata: {b: {k: 1}, a: {k: 2}}}\n" STATIC_ENDPOINT);
    ck_assert_uint_ne(fixture.result.hash, first);
}
END_TEST

START_TEST(cluster_owner_is_read_from_metadata) {
    const struct cluster_part *part = cluster(
        "name: c\nmetadata: {filter_metadata: {istio: {config: "
        "/apis/networking.istio.io/v1/namespaces/shop/destination-rule/web}}}\n" STATIC_ENDPOINT);
    ck_assert_int_eq(part->part.owner.kind, OWNER_METADATA);
    ck_assert_slice_eq(part->part.owner.text, "istio destination-rule shop/web");
    part = cluster("name: c\nmetadata: {filter_metadata: {envoy-gateway: {resources: [{kind: "
                   "HTTPRoute, namespace: ns, name: r, sectionName: s}]}}}\n" STATIC_ENDPOINT);
    ck_assert_slice_eq(part->part.owner.text, "envoy-gateway HTTPRoute ns/r/s");
    part = cluster("name: kri_msvc_mesh1__ns_web_http\n" STATIC_ENDPOINT);
    ck_assert_slice_eq(part->part.owner.text, "kuma msvc mesh1/ns/web");
    part = cluster("name: c\n" STATIC_ENDPOINT);
    ck_assert_int_eq(part->part.owner.kind, OWNER_UNKNOWN);
    fixture.options.is_static = true;
    part = cluster("name: c\n" STATIC_ENDPOINT);
    ck_assert_int_eq(part->part.owner.kind, OWNER_STATIC);
}
END_TEST

START_TEST(cluster_unhonoured_fields_are_findings) {
    cluster("name: c\nlb_subset_config: {fallback_policy: ANY_ENDPOINT}\n" STATIC_ENDPOINT);
    ck_assert(has_finding(&fixture, FINDING_IGNORED, "lb_subset_config"));
    cluster("name: c\ntrack_cluster_stats: {timeout_budgets: true}\n" STATIC_ENDPOINT);
    ck_assert(!has_finding(&fixture, FINDING_IGNORED, "track_cluster_stats"));
}
END_TEST

START_TEST(cluster_raw_bytes_are_kept_on_demand) {
    fixture.options =
        (struct decode_options){.keep_raw = true, .version = SLICE_INIT("v7"), .wall_us = 42};
    const struct cluster_part *part = cluster("name: c\n" STATIC_ENDPOINT);
    ck_assert_slice_eq(part->part.version, "v7");
    ck_assert_uint_eq(part->part.last_updated_us, 42);
    ck_assert_slice_eq(part->part.raw_type_url,
                       "type.googleapis.com/envoy.config.cluster.v3.Cluster");
    ck_assert_slice_eq(resource_name(&resource_type_cluster, part->part.raw), "c");
}
END_TEST

START_TEST(resource_name_survives_any_bytes) {
    static const char *const bytes[] = {
        "", "\x0a", "\x0a\xff", "\x0a\x05\x61\x62", "\xff\xff\xff", "\x08\x01"};
    for (size_t i = 0; i < ARRAY_LEN(bytes); i++) {
        ck_assert_uint_eq(resource_name(&resource_type_cluster, slice_from_string(bytes[i])).len,
                          0);
    }
    ck_assert_slice_eq(resource_name(&resource_type_cluster, SLICE("\x0a\x01"
                                                                   "a\x0a\x01"
                                                                   "b")),
                       "b");
}
END_TEST

START_TEST(endpoints_policy_and_health_are_read) {
    decode_ok(
        &fixture, &resource_type_endpoint,
        "cluster_name: s\npolicy: {overprovisioning_factor: 100, drop_overloads: [{category: "
        "x, drop_percentage: {numerator: 100}}]}\nendpoints: [{locality: {zone: z}, load_balancing_weight: 3, priority: 0, "
        "lb_endpoints: [{health_status: DRAINING, load_balancing_weight: 5, endpoint: "
        "{hostname: h, address: {pipe: {path: /run/a.sock}}}, metadata: {filter_metadata: "
        "{envoy.lb: {canary: true}}}}]}]\n");
    const struct endpoint_part *part = (const struct endpoint_part *)fixture.result.part;
    ck_assert_slice_eq(part->part.name, "s");
    ck_assert_uint_eq(part->overprovisioning_percent, 100);
    ck_assert_uint_eq(part->drop_overload_per_million, 1000000);
    const struct locality_config *locality = &part->localities[0];
    ck_assert_slice_eq(locality->locality.zone, "z");
    ck_assert_uint_eq(locality->weight, 3);
    ck_assert_int_eq(locality->endpoints[0].health, HEALTH_DRAINING);
    ck_assert_uint_eq(locality->endpoints[0].weight, 5);
    ck_assert_slice_eq(locality->endpoints[0].hostname, "h");
    struct address address = stored_address_get(&locality->endpoints[0].address);
    ck_assert(address_is_unix(&address));
    ck_assert_slice_eq(locality->endpoints[0].metadata.entries[0].filter, "envoy.lb");
    ck_assert_slice_eq(locality->endpoints[0].metadata.entries[0].value, "true");
}
END_TEST

int main(void) {
    TCase *tcase = tcase_create("all");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, cluster_defaults_are_envoys);
    tcase_add_test(tcase, cluster_that_breaks_the_rules_of_the_api_has_an_owner);
    tcase_add_test(tcase, cluster_edge_defaults_shrink_buffers);
    tcase_add_test(tcase, cluster_inline_endpoints_are_an_extra_part);
    tcase_add_test(tcase, cluster_eds_depends_on_its_service);
    tcase_add_test(tcase, cluster_dns_takes_names);
    tcase_add_test(tcase, cluster_dns_extension_is_the_same);
    tcase_add_test(tcase, cluster_http2_options_are_read);
    tcase_add_test(tcase, cluster_load_balancing_policies_are_read);
    tcase_add_test(tcase, cluster_breakers_and_outliers_are_read);
    tcase_add_test(tcase, cluster_health_checks_are_read);
    tcase_add_test(tcase, cluster_transport_socket_matches_keep_their_order);
    tcase_add_loop_test(tcase, cluster_faults_are_named, 0, ARRAY_LEN(refusals));
    tcase_add_test(tcase, cluster_telemetry_filters_are_passed_over);
    tcase_add_test(tcase, cluster_hash_ignores_the_order_of_maps);
    tcase_add_test(tcase, cluster_owner_is_read_from_metadata);
    tcase_add_test(tcase, cluster_unhonoured_fields_are_findings);
    tcase_add_test(tcase, cluster_raw_bytes_are_kept_on_demand);
    tcase_add_test(tcase, resource_name_survives_any_bytes);
    tcase_add_test(tcase, endpoints_policy_and_health_are_read);
    return run_suite("decode_cluster", tcase);
}
