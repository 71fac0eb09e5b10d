// SPDX-License-Identifier: Apache-2.0
/* The whole client against a server in the test: what it asks, in which order what it learns becomes
 * effective, what it refuses. "> " are requests: type, version, nonce, names, "!" the refusal. */
#include "xds/xds_test_server.h"

#define ADS_CLUSTER                                                                                \
    "{name: ads, type: STATIC, load_assignment: {cluster_name: ads, endpoints: [{lb_endpoints: "   \
    "[{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 18000}}}}]}]}}"
#define BOOTSTRAP_WITH(api, more)                                                                  \
    "node: {id: edge, cluster: edges}\n"                                                           \
    "static_resources: {clusters: [" ADS_CLUSTER "]" more "}\n"                                    \
    "dynamic_resources: {ads_config: {api_type: " api                                              \
    ", grpc_services: [{envoy_grpc: {cluster_name: ads}}]}, cds_config: {ads: {}}, lds_config: "   \
    "{ads: {}}}\n"
#define SOTW BOOTSTRAP_WITH("GRPC", "")
#define DELTA BOOTSTRAP_WITH("DELTA_GRPC", "")

#define URL(name) "type.googleapis.com/" name
#define CDS_URL URL("envoy.config.cluster.v3.Cluster")
#define EDS_URL URL("envoy.config.endpoint.v3.ClusterLoadAssignment")
#define LDS_URL URL("envoy.config.listener.v3.Listener")
#define RDS_URL URL("envoy.config.route.v3.RouteConfiguration")
#define RESPONSE(url, version, nonce, resources)                                                   \
    "{type_url: " url ", version_info: '" version "', nonce: " nonce ", resources: [" resources "]}"
#define TYPED(url, body) "{'@type': " url ", " body "}"
#define EDS_CLUSTER(name, timeout)                                                                 \
    TYPED(CDS_URL, "name: " name ", type: EDS, connect_timeout: " timeout                          \
                   ", eds_cluster_config: {eds_config: {ads: {}}}")
#define STATIC_CLUSTER(name)                                                                       \
    TYPED(CDS_URL, "name: " name ", type: STATIC, connect_timeout: 1s, load_assignment: "          \
                   "{cluster_name: " name "}")
#define BAD_CLUSTER(name) TYPED(CDS_URL, "name: " name ", connect_timeout: -1s")
#define ENDPOINTS(name)                                                                            \
    TYPED(EDS_URL, "cluster_name: " name ", endpoints: [{lb_endpoints: [{endpoint: {address: "     \
                   "{socket_address: {address: 127.0.0.1, port_value: 1}}}}]}]")
#define ROUTER                                                                                     \
    "{name: envoy.filters.http.router, typed_config: {'@type': " URL(                              \
        "envoy.extensions.filters.http.router.v3.Router") "}}"
#define RDS_LISTENER(name, route)                                                                  \
    TYPED(LDS_URL,                                                                                 \
          "name: " name ", address: {socket_address: {address: 127.0.0.1, port_value: 80}}, "      \
          "filter_chains: [{filters: [{name: hcm, typed_config: {'@type': " URL(                   \
              "envoy.extensions.filters.network.http_connection_manager.v3."                       \
              "HttpConnectionManager") ", stat_prefix: in, http_filters: [" ROUTER                 \
                                       "], rds: {route_config_name: " route                        \
                                       ", config_source: {ads: {}}}}}]}]")
#define TCP_LISTENER(name)                                                                         \
    TYPED(LDS_URL,                                                                                 \
          "name: " name ", address: {socket_address: {address: 127.0.0.1, port_value: 81}}, "      \
          "filter_chains: [{filters: [{name: tcp, typed_config: {'@type': " URL(                   \
              "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy") ", stat_prefix: "          \
                                                                        "t, cluster: "             \
                                                                        "c}}]}]")
#define BAD_LISTENER(name) TYPED(LDS_URL, "name: " name)
#define ROUTES(name)                                                                               \
    TYPED(RDS_URL, "name: " name ", virtual_hosts: [{name: v, domains: ['*'], routes: [{match: "   \
                   "{prefix: /}, route: {cluster: c1}}]}]")

/* Until it is live, with one cluster, one listener and its routes. */
static void bring_up(struct world *w) {
    world_start(w, SOTW);
    world_receive(w, RESPONSE(CDS_URL, "1", "c1", EDS_CLUSTER("c1", "1s")));
    world_receive(w, RESPONSE(EDS_URL, "1", "e1", ENDPOINTS("c1")));
    world_receive(w, RESPONSE(LDS_URL, "1", "l1", RDS_LISTENER("in", "web")));
    world_receive(w, RESPONSE(RDS_URL, "1", "r1", ROUTES("web")));
    ck_assert(w->is_live);
    w->log[0] = '\0';
}

START_TEST(xds_sotw_start_makes_before_it_breaks) {
    struct world w;
    world_init(&w);
    world_start(&w, SOTW);
    ck_assert_str_eq(w.target, "ipv4:127.0.0.1:18000");
    expect_log(&w, "cluster ads 5000ms\n> CDS v= n=\n");
    world_receive(
        &w, RESPONSE(CDS_URL, "1", "c1", EDS_CLUSTER("c1", "1s") "," EDS_CLUSTER("c2", "1s")));
    // Endpoints are asked for before the clusters are acknowledged.
    expect_log(&w, "cluster c1 1000ms\ncluster c2 1000ms\n> EDS v= n= c1 c2\n> CDS v=1 n=c1\n");
    world_receive(&w, RESPONSE(EDS_URL, "1", "e1", ENDPOINTS("c1")));
    expect_log(&w, "endpoints c1 some\nwarm c1\n> EDS v=1 n=e1 c1 c2\n");
    world_receive(&w, RESPONSE(EDS_URL, "2", "e2", ENDPOINTS("c1") "," ENDPOINTS("c2")));
    expect_log(&w, "endpoints c2 some\nwarm c2\n> EDS v=2 n=e2 c1 c2\n> LDS v= n=\n");
    world_receive(&w,
                  RESPONSE(LDS_URL, "1", "l1", RDS_LISTENER("in", "web") "," TCP_LISTENER("tcp")));
    expect_log(&w, "listener tcp\n> RDS v= n= web\n> LDS v=1 n=l1\n");
    world_receive(&w, RESPONSE(RDS_URL, "1", "r1", ROUTES("web")));
    expect_log(&w, "listener in\nlive\n> RDS v=1 n=r1 web\n");
    ck_assert_uint_eq(world_stat(&w, "cluster_manager.cds.update_success"), 1);
    ck_assert_uint_eq(world_stat(&w, "cluster_manager.cds.update_attempt"), 2);
    ck_assert_uint_eq(world_stat(&w, "cluster_manager.cds.version"),
                      slice_xxhash64(SLICE("1"), 0) & INT64_MAX);
    ck_assert_uint_eq(world_stat(&w, "cluster.c1.update_success"), 2);
    ck_assert_uint_eq(world_stat(&w, "http.in.rds.web.update_success"), 1);
    ck_assert_uint_eq(world_stat(&w, "control_plane.connected_state"), 1);
    world_deinit(&w);
}
END_TEST

START_TEST(xds_delta_start_and_reconnect) {
    struct world w;
    world_init(&w);
    world_start(&w, DELTA);
    expect_log(&w, "cluster ads 5000ms\n> CDS n=\n");
    world_receive(&w, "{type_url: " CDS_URL ", nonce: a, resources: [{name: c1, version: x, "
                      "resource: " EDS_CLUSTER("c1", "1s") "}]}");
    expect_log(&w, "cluster c1 1000ms\n> EDS n= +c1\n> CDS n=a\n");
    world_receive(&w, "{type_url: " EDS_URL ", nonce: b, resources: [{name: c1, version: w, "
                      "resource: " ENDPOINTS("c1") "}]}");
    expect_log(&w, "endpoints c1 some\nwarm c1\n> EDS n=b\n> LDS n=\n");
    world_receive(&w, "{type_url: " LDS_URL ", nonce: c, resources: []}");
    expect_log(&w, "live\n> LDS n=c\n");
    world_lose_stream(&w);
    ck_assert_uint_eq(world_stat(&w, "control_plane.connected_state"), 0);
    ck_assert_uint_eq(world_stat(&w, "cluster_manager.cds.update_failure"), 1);
    world_advance(&w, XDS_BACKOFF_BASE_MS);
    expect_log(&w, "> CDS n= c1=x\n> EDS n= +c1 c1=w\n> LDS n=\n");
    ck_assert_uint_eq(w.opened, 2);
    world_receive(&w, "{type_url: " CDS_URL ", nonce: d, removed_resources: [c1, unknown]}");
    expect_log(&w, "no cluster c1\n> EDS n= -c1\n> CDS n=d\n");
    world_deinit(&w);
}
END_TEST

START_TEST(xds_refusal_names_the_resource_and_keeps_the_rest) {
    struct world w;
    world_init(&w);
    bring_up(&w);
    world_receive(
        &w, RESPONSE(CDS_URL, "2", "c2",
                     EDS_CLUSTER("c1", "1s") "," BAD_CLUSTER("bad") "," STATIC_CLUSTER("good")));
    ck_assert_ptr_nonnull(strstr(w.log, "cluster good 1000ms\n"));
    ck_assert_ptr_nonnull(strstr(w.log, "> CDS v=1 n=c2 !Error adding/updating cluster(s) bad: "));
    ck_assert_ptr_nonnull(strstr(w.log, "connect_timeout"));
    w.log[0] = '\0';
    ck_assert_uint_eq(world_stat(&w, "cluster_manager.cds.update_rejected"), 1);
    // The same bytes again are refused again, though equal ones are skipped elsewhere.
    world_receive(
        &w, RESPONSE(CDS_URL, "2", "c3",
                     EDS_CLUSTER("c1", "1s") "," BAD_CLUSTER("bad") "," STATIC_CLUSTER("good")));
    ck_assert_ptr_nonnull(strstr(w.log, "> CDS v=1 n=c3 !Error adding/updating cluster(s) bad: "));
    ck_assert_ptr_null(strstr(w.log, "cluster good"));
    w.log[0] = '\0';
    world_receive(&w, RESPONSE(CDS_URL, "3", "c4", EDS_CLUSTER("c1", "1s")));
    expect_log(&w, "no cluster good\n> CDS v=3 n=c4\n");
    world_deinit(&w);
}
END_TEST

START_TEST(xds_bytes_without_a_name_are_refused_and_remove_nothing) {
    struct world w;
    world_init(&w);
    bring_up(&w);
    static const struct slice garbage = SLICE_INIT("\xff\xff"),
                              cut = SLICE_INIT("\x0a\x02in\x1a\x7f");
    world_receive_bytes(&w, LDS_URL, "l2", &garbage, 1);
    expect_log(&w, "> LDS v=1 n=l2 !Error adding/updating listener(s) : malformed field tag\n\n");
    // The name stands before the fault: it is that listener's new version, and the old one stays.
    world_receive_bytes(&w, LDS_URL, "l3", &cut, 1);
    expect_log(&w,
               "> LDS v=1 n=l3 !Error adding/updating listener(s) in: filter_chains: cut off or "
               "malformed\n\n");
    world_receive_bytes(&w, CDS_URL, "c2", &garbage, 1);
    expect_log(&w, "> CDS v=1 n=c2 !Error adding/updating cluster(s) : malformed field tag\n");
    world_receive_bytes(&w, RDS_URL, "r2", &garbage, 1);
    expect_log(&w, "> RDS v=1 n=r2 web !resources[0]: malformed field tag\n");
    world_receive_bytes(&w, EDS_URL, "e2", &garbage, 1);
    expect_log(&w, "> EDS v=1 n=e2 c1 !resources[0]: malformed field tag\n");
    world_deinit(&w);
}
END_TEST

START_TEST(xds_duplicates_are_refused) {
    struct world w;
    world_init(&w);
    bring_up(&w);
    world_receive(
        &w, RESPONSE(CDS_URL, "2", "c2", EDS_CLUSTER("c1", "1s") "," EDS_CLUSTER("c1", "2s")));
    expect_log(&w, "> CDS v=1 n=c2 !Error adding/updating cluster(s) c1: duplicate cluster c1 "
                   "found\n");
    world_receive(&w,
                  RESPONSE(LDS_URL, "2", "l2", RDS_LISTENER("in", "web") "," TCP_LISTENER("in")));
    expect_log(&w, "> LDS v=1 n=l2 !Error adding/updating listener(s) in: duplicate listener in "
                   "found\n\n");
    world_deinit(&w);
}
END_TEST

START_TEST(xds_update_warms_beside_the_old_and_withholds_the_answer) {
    struct world w;
    world_init(&w);
    bring_up(&w);
    world_receive(&w, RESPONSE(CDS_URL, "2", "c2", EDS_CLUSTER("c1", "2s")));
    // The stand-in manager asks for endpoints anew; the endpoints known are told again.
    expect_log(&w, "cluster c1 2000ms\nendpoints c1 some\nwarm c1\n> EDS v=1 n=e1 c1\n"
                   "> CDS v=2 n=c2\n");
    world_receive(
        &w, RESPONSE(CDS_URL, "3", "c3", EDS_CLUSTER("c1", "2s") "," EDS_CLUSTER("c9", "1s")));
    expect_log(&w, "cluster c9 1000ms\n> EDS v=1 n=e1 c1 c9\n"); // no answer while c9 warms
    world_receive(&w, RESPONSE(EDS_URL, "2", "e2", ENDPOINTS("c9")));
    expect_log(&w, "endpoints c9 some\nwarm c9\n> CDS v=3 n=c3\n> EDS v=2 n=e2 c1 c9\n");
    world_deinit(&w);
}
END_TEST

START_TEST(xds_listener_update_waits_for_its_routes) {
    struct world w;
    world_init(&w);
    bring_up(&w);
    world_receive(&w, RESPONSE(LDS_URL, "2", "l2", RDS_LISTENER("in", "other")));
    expect_log(&w, "> RDS v=1 n=r1 web other\n> LDS v=2 n=l2\n");
    world_receive(&w, RESPONSE(RDS_URL, "2", "r2", ROUTES("web") "," ROUTES("other")));
    // Only now the old version goes, and with it its routes.
    ck_assert_ptr_nonnull(strstr(w.log, "listener in\n"));
    world_turn(&w);
    ck_assert_ptr_nonnull(strstr(w.log, "> RDS v=2 n=r2 other\n"));
    w.log[0] = '\0';
    world_receive(&w, RESPONSE(LDS_URL, "3", "l3", ""));
    ck_assert_ptr_nonnull(strstr(w.log, "no listener in\n"));
    ck_assert_ptr_nonnull(strstr(w.log, "> LDS v=3 n=l3\n"));
    world_deinit(&w);
}
END_TEST

START_TEST(xds_bind_failure_is_refused) {
    struct world w;
    world_init(&w);
    bring_up(&w);
    w.fails_bind = true;
    world_receive(&w,
                  RESPONSE(LDS_URL, "2", "l2", RDS_LISTENER("in", "web") "," TCP_LISTENER("tcp")));
    expect_log(&w, "> LDS v=1 n=l2 !Error adding/updating listener(s) tcp: cannot bind "
                   "'127.0.0.1:80': Address already in use\n\n");
    w.fails_bind = false;
    world_receive(&w,
                  RESPONSE(LDS_URL, "2", "l3", RDS_LISTENER("in", "web") "," TCP_LISTENER("tcp")));
    expect_log(&w, "listener tcp\n> LDS v=2 n=l3\n");
    world_deinit(&w);
}
END_TEST

START_TEST(xds_initial_fetch_timeouts_let_the_start_go_on) {
    struct world w;
    world_init(&w);
    world_start(&w, SOTW);
    world_receive(&w, RESPONSE(CDS_URL, "1", "c1", EDS_CLUSTER("c1", "1s")));
    w.log[0] = '\0';
    world_advance(&w, 15000);
    expect_log(&w, "endpoints c1 none\nwarm c1\n> LDS v= n=\n");
    ck_assert_uint_eq(world_stat(&w, "cluster.c1.init_fetch_timeout"), 1);
    world_receive(&w, RESPONSE(LDS_URL, "1", "l1", RDS_LISTENER("in", "web")));
    expect_log(&w, "> RDS v= n= web\n> LDS v=1 n=l1\n");
    world_advance(&w, 15000);
    expect_log(&w, "listener in\nlive\n");
    ck_assert_uint_eq(world_stat(&w, "http.in.rds.web.init_fetch_timeout"), 1);
    world_deinit(&w);
}
END_TEST

START_TEST(xds_silent_server_does_not_stop_the_start) {
    struct world w;
    world_init(&w);
    world_start(&w, SOTW);
    w.log[0] = '\0';
    world_advance(&w, 15000);
    expect_log(&w, "> LDS v= n=\n");
    world_advance(&w, 15000);
    expect_log(&w, "live\n");
    world_deinit(&w);
}
END_TEST

START_TEST(xds_backoff_grows_and_a_message_resets_it) {
    struct world w;
    world_init(&w);
    bring_up(&w);
    unsigned opened = w.opened;
    uint64_t longest = XDS_BACKOFF_BASE_MS;
    for (int i = 0; i < 10; i++) {
        world_lose_stream(&w);
        ck_assert_ptr_null(w.stream);
        world_advance(&w, longest);
        ck_assert_uint_eq(w.opened, ++opened);
        longest = longest * 2 < XDS_BACKOFF_MAX_MS ? longest * 2 : XDS_BACKOFF_MAX_MS;
    }
    w.log[0] = '\0';
    world_receive(&w, RESPONSE(CDS_URL, "1", "last", EDS_CLUSTER("c1", "1s")));
    expect_log(&w, "> CDS v=1 n=last\n"); // nothing changed, last good kept all along
    world_lose_stream(&w);
    world_advance(&w, XDS_BACKOFF_BASE_MS);
    ck_assert_ptr_nonnull(w.stream);
    world_deinit(&w);
}
END_TEST

// gRPC would connect by itself, at its own pace, as long as there is a channel.
START_TEST(xds_no_channel_is_kept_while_the_server_is_away) {
    struct world w;
    world_init(&w);
    bring_up(&w);
    ck_assert_uint_eq(w.channels, 1);
    world_end_stream(&w, 0);
    ck_assert_uint_eq(w.channels, 1); // the connection is good
    world_advance(&w, XDS_BACKOFF_BASE_MS);
    for (int i = 0; i < 3; i++) {
        world_lose_stream(&w);
        ck_assert_uint_eq(w.channels, 0);
        world_advance(&w, XDS_BACKOFF_MAX_MS);
        ck_assert_ptr_nonnull(w.stream);
        ck_assert_uint_eq(w.channels, 1);
    }
    world_deinit(&w);
}
END_TEST

START_TEST(xds_malformed_message_ends_the_stream) {
    struct world w;
    world_init(&w);
    bring_up(&w);
    w.stream->handler->on_message(w.stream->arg, SLICE("\xff\xff"));
    world_turn(&w);
    ck_assert_ptr_null(w.stream);
    world_advance(&w, 2 * XDS_BACKOFF_BASE_MS);
    ck_assert_ptr_nonnull(w.stream);
    world_deinit(&w);
}
END_TEST

START_TEST(xds_ttl_removes_what_is_not_heard_of) {
    struct world w;
    world_init(&w);
    world_start(&w, DELTA);
    world_receive(&w, "{type_url: " CDS_URL ", nonce: a, resources: [{name: c1, version: x, ttl: "
                      "2s, resource: " STATIC_CLUSTER("c1") "}]}");
    world_receive(&w, "{type_url: " LDS_URL ", nonce: b, resources: []}");
    w.log[0] = '\0';
    world_advance(&w, 1500);
    world_receive(&w, "{type_url: " CDS_URL ", nonce: c, resources: [{name: c1, version: x, ttl: "
                      "2s}]}");
    expect_log(&w, "> CDS n=c\n");
    world_advance(&w, 1500);
    expect_log(&w, "");
    world_advance(&w, 600);
    expect_log(&w, "no cluster c1\n");
    world_deinit(&w);
}
END_TEST

START_TEST(xds_static_resources_are_not_the_servers_to_change) {
    struct world w;
    world_init(&w);
    bring_up(&w);
    world_receive(&w,
                  RESPONSE(CDS_URL, "2", "c2", EDS_CLUSTER("c1", "1s") "," STATIC_CLUSTER("ads")));
    expect_log(&w, "> CDS v=2 n=c2\n");
    world_receive(&w, RESPONSE(CDS_URL, "3", "c3", ""));
    expect_log(&w, "no cluster c1\n> EDS v=1 n=e1\n> CDS v=3 n=c3\n");
    world_deinit(&w);
}
END_TEST

START_TEST(xds_bootstrap_errors_have_envoys_words) {
    static const struct {
        const char *yaml, *text;
    } cases[] = {
        {"node: {id: edge}\ndynamic_resources: {ads_config: {api_type: GRPC, grpc_services: "
         "[{envoy_grpc: {cluster_name: ads}}]}}",
         "node 'id' and 'cluster' are required."},
        {"node: {id: edge, cluster: edges}\ndynamic_resources: {ads_config: {api_type: GRPC, "
         "grpc_services: [{envoy_grpc: {cluster_name: absent}}]}}",
         "Unknown gRPC client cluster 'absent'"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct world w;
        struct error err = {0};
        world_init(&w);
        ck_assert_ptr_null(world_xds(&w, cases[i].yaml, &err));
        ck_assert_msg(strstr(err.message, cases[i].text) != NULL, "%s", err.message);
        world_deinit(&w);
    }
}
END_TEST

START_TEST(xds_static_duplicates_are_fatal) {
    struct world w;
    struct error err = {0};
    world_init(&w);
    w.xds = world_xds(&w, "static_resources: {clusters: [" ADS_CLUSTER "," ADS_CLUSTER "]}", &err);
    ck_assert_ptr_nonnull(w.xds);
    ck_assert_int_eq(xds_start(w.xds, &err), STATUS_INVALID);
    ck_assert_str_eq(err.message, "cluster manager: duplicate cluster 'ads'");
    world_deinit(&w);
}
END_TEST

static char *dump_text(struct world *w, const struct xds_dump_query *query, enum status wanted) {
    struct buffer out;
    buffer_init(&out, &w->control.buffers);
    ck_assert_int_eq(xds_config_dump(w->xds, query, &out), wanted);
    size_t len = out.len;
    char *text = mem_calloc(1, len + 1);
    buffer_copy_out(&out, 0, text, len);
    buffer_deinit(&out);
    return text;
}

START_TEST(xds_config_dump_shows_states) {
    struct world w;
    world_init(&w);
    bring_up(&w);
    world_receive(
        &w, RESPONSE(CDS_URL, "2", "c2", EDS_CLUSTER("c1", "1s") "," EDS_CLUSTER("new", "1s")));
    world_receive(&w, RESPONSE(LDS_URL, "2", "l2", BAD_LISTENER("in")));
    struct xds_dump_query query = {.include_eds = true};
    char *text = dump_text(&w, &query, STATUS_OK);
    static const char *const pieces[] = {
        "\"@type\": \"type.googleapis.com/envoy.admin.v3.BootstrapConfigDump\"",
        "\"static_clusters\": [",
        "\"dynamic_active_clusters\": [",
        "\"dynamic_warming_clusters\": [",
        "\"dynamic_listeners\": [",
        "\"error_state\": {",
        "\"failed_configuration\": {",
        "\"dynamic_route_configs\": [",
        "\"dynamic_endpoint_configs\": ["};
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        ck_assert_msg(strstr(text, pieces[i]) != NULL, "no %s in %s", pieces[i], text);
    }
    mem_free(text);
    query = (struct xds_dump_query){.resource = SLICE("dynamic_listeners")};
    text = dump_text(&w, &query, STATUS_OK);
    ck_assert_ptr_nonnull(strstr(text, "ListenersConfigDump.DynamicListener\""));
    ck_assert_ptr_null(strstr(text, "dynamic_active_clusters"));
    mem_free(text);
    query.resource = SLICE("nonsense");
    text = dump_text(&w, &query, STATUS_NOT_FOUND);
    ck_assert_str_eq(text, "nonsense not found in config dump");
    mem_free(text);
    world_deinit(&w);
}
END_TEST

int main(void) {
    TCase *tcase = tcase_create("all");
    tcase_add_test(tcase, xds_sotw_start_makes_before_it_breaks);
    tcase_add_test(tcase, xds_delta_start_and_reconnect);
    tcase_add_test(tcase, xds_refusal_names_the_resource_and_keeps_the_rest);
    tcase_add_test(tcase, xds_bytes_without_a_name_are_refused_and_remove_nothing);
    tcase_add_test(tcase, xds_duplicates_are_refused);
    tcase_add_test(tcase, xds_update_warms_beside_the_old_and_withholds_the_answer);
    tcase_add_test(tcase, xds_listener_update_waits_for_its_routes);
    tcase_add_test(tcase, xds_bind_failure_is_refused);
    tcase_add_test(tcase, xds_initial_fetch_timeouts_let_the_start_go_on);
    tcase_add_test(tcase, xds_silent_server_does_not_stop_the_start);
    tcase_add_test(tcase, xds_backoff_grows_and_a_message_resets_it);
    tcase_add_test(tcase, xds_no_channel_is_kept_while_the_server_is_away);
    tcase_add_test(tcase, xds_malformed_message_ends_the_stream);
    tcase_add_test(tcase, xds_ttl_removes_what_is_not_heard_of);
    tcase_add_test(tcase, xds_static_resources_are_not_the_servers_to_change);
    tcase_add_test(tcase, xds_bootstrap_errors_have_envoys_words);
    tcase_add_test(tcase, xds_static_duplicates_are_fatal);
    tcase_add_test(tcase, xds_config_dump_shows_states);
    return run_suite("xds", tcase);
}
