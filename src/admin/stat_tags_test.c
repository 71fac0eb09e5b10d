// SPDX-License-Identifier: Apache-2.0
#include "src/admin/stat_tags.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/check.h"

/* What the real Envoy 1.40 makes of these names. */
static const struct {
    const char *name, *base, *tags;
} cases[] = {
    {"server.live", "server.live", ""},
    {"a", "a", ""},
    {"cluster.web.upstream_rq_total", "cluster.upstream_rq_total", "envoy_cluster_name=web;"},
    {"cluster.web.upstream_rq_503", "cluster.upstream_rq",
     "envoy_response_code=503;envoy_cluster_name=web;"},
    {"cluster.web.external.upstream_rq_2xx", "cluster.external.upstream_rq_xx",
     "envoy_response_code_class=2;envoy_cluster_name=web;"},
    {"cluster.web.zone.z.b.upstream_rq_200", "cluster.zone.z.b.upstream_rq",
     "envoy_response_code=200;envoy_cluster_name=web;"},
    {"cluster.web.grpc.pkg.Svc.Method.14", "cluster.grpc.Method.14",
     "envoy_grpc_bridge_method=Svc;envoy_grpc_bridge_service=pkg;envoy_cluster_name=web;"},
    {"cluster_manager.cluster_added", "cluster_manager.cluster_added", ""},
    {"http.ingress_http.downstream_rq_5xx", "http.downstream_rq_xx",
     "envoy_response_code_class=5;envoy_http_conn_manager_prefix=ingress_http;"},
    {"http.x.rds.default/eg/http.update_success", "http.rds.update_success",
     "envoy_http_conn_manager_prefix=x;envoy_rds_route_config=default/eg/http;"},
    {"http.x.rds.my.route.update_success", "http.rds.update_success",
     "envoy_http_conn_manager_prefix=x;envoy_rds_route_config=my.route;"},
    {"http.i.rbac.rp.allowed", "http.rbac.allowed",
     "envoy_rbac_http_prefix=rp;envoy_http_conn_manager_prefix=i;"},
    {"http.i.rbac.shadow_allowed", "http.rbac.shadow_allowed", "envoy_http_conn_manager_prefix=i;"},
    {"http.i.rbac.rp.policy.p1.allowed", "http.rbac.policy.allowed",
     "envoy_rbac_policy_name=p1;envoy_rbac_http_prefix=rp;envoy_http_conn_manager_prefix=i;"},
    {"lrlp.http_local_rate_limit.ok", "http_local_rate_limit.ok",
     "envoy_local_http_ratelimit_prefix=lrlp;"},
    {"connection_limit.clp.active_connections", "connection_limit.active_connections",
     "envoy_connection_limit_prefix=clp;"},
    {"tcp.tcpx.downstream_cx_total", "tcp.downstream_cx_total", "envoy_tcp_prefix=tcpx;"},
    {"vhost.v.vcluster.vc1.upstream_rq_5xx", "vhost.vcluster.upstream_rq_xx",
     "envoy_response_code_class=5;envoy_virtual_cluster=vc1;envoy_virtual_host=v;"},
    {"listener.127.0.0.1_29912.downstream_cx_total", "listener.downstream_cx_total",
     "envoy_listener_address=127.0.0.1_29912;"},
    {"listener./tmp/admin/l2.sock.downstream_cx_total", "listener.sock.downstream_cx_total",
     "envoy_listener_address=/tmp/admin/l2;"},
    {"listener.[__1]_80.downstream_cx_total", "listener.downstream_cx_total",
     "envoy_listener_address=[__1]_80;"},
    {"listener.my_listener.downstream_cx_total", "listener.downstream_cx_total",
     "envoy_listener_address=my_listener;"},
    {"listener.127.0.0.1_29912.worker_0.downstream_cx_total", "listener.worker_downstream_cx_total",
     "envoy_worker_id=0;envoy_listener_address=127.0.0.1_29912;"},
    {"listener.127.0.0.1_29912.http.ingress_http.downstream_rq_2xx",
     "listener.http.downstream_rq_xx",
     "envoy_response_code_class=2;envoy_http_conn_manager_prefix=ingress_http;"
     "envoy_listener_address=127.0.0.1_29912;"},
    {"listener.admin.downstream_cx_total", "listener.admin.downstream_cx_total", ""},
    {"listener.admin.http.admin.downstream_rq_2xx", "listener.admin.http.downstream_rq_xx",
     "envoy_response_code_class=2;envoy_http_conn_manager_prefix=admin;"},
    {"listener.127.0.0.1_29912.ssl.ciphers.TLS_AES_256_GCM_SHA384", "listener.ssl.ciphers",
     "envoy_ssl_cipher=TLS_AES_256_GCM_SHA384;envoy_listener_address=127.0.0.1_29912;"},
    {"listener.127.0.0.1_29912.ssl.versions.TLSv1.3", "listener.ssl.versions",
     "envoy_ssl_version=TLSv1.3;envoy_listener_address=127.0.0.1_29912;"},
    {"listener.127.0.0.1_29912.ssl.curves.X25519", "listener.ssl.curves",
     "envoy_ssl_curve=X25519;envoy_listener_address=127.0.0.1_29912;"},
    {"listener.127.0.0.1_29912.ssl.handshake", "listener.ssl.handshake",
     "envoy_listener_address=127.0.0.1_29912;"},
    {"listener_manager.workers_started", "listener_manager.workers_started", ""},
    {"server.worker_1.watchdog_miss", "server.worker_watchdog_miss", "envoy_worker_id=1;"},
    {"cluster", "cluster", ""},
    {"listener.1.2.3", "listener.2.3", "envoy_listener_address=1;"},
};

START_TEST(tags_are_taken_out_as_by_envoy) {
    struct arena arena;
    struct stat_tags tags;
    char text[256] = "";
    size_t len = 0;
    arena_init_heap(&arena, 0);
    stat_tags_extract(slice_from_string(cases[_i].name), &arena, &tags);
    for (uint32_t i = 0; i < tags.count; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s=%.*s;",
                                SLICE_ARG(tags.tags[i].label), SLICE_ARG(tags.tags[i].value));
    }
    ck_assert_str_eq(text, cases[_i].tags);
    ck_assert_msg(slice_equal(tags.base, slice_from_string(cases[_i].base)), "%.*s",
                  SLICE_ARG(tags.base));
    arena_deinit(&arena);
}
END_TEST

START_TEST(odd_names_are_left_alone) {
    static const char *const names[] = {
        "",        ".",       "cluster.",  "cluster..",         "cluster..x", "...",
        "_rq_200", "_rq_5xx", "listener.", "listener.1.2.3.4_", "http",       "x_rq_20"};
    struct arena arena;
    struct stat_tags tags;
    arena_init_heap(&arena, 0);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        stat_tags_extract(slice_from_string(names[i]), &arena, &tags);
        ck_assert_uint_le(tags.base.len, strlen(names[i]));
    }
    arena_deinit(&arena);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("stat_tags");
    TCase *tests = tcase_create("all");
    tcase_add_loop_test(tests, tags_are_taken_out_as_by_envoy, 0, (int)ARRAY_LEN(cases));
    tcase_add_test(tests, odd_names_are_left_alone);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
