// SPDX-License-Identifier: Apache-2.0
#include "src/admin/admin_test_fixture.h"
#include "src/config/listener_config.h"

static struct admin_fixture f;

static void setup(void) {
    admin_fixture_init(&f);
    admin_fixture_start(&f);
}
static void teardown(void) {
    admin_fixture_deinit(&f);
}

static struct address address_of(const char *text) {
    struct address address;
    ck_assert_int_eq(address_from_text(&address, slice_from_string(text), NULL), STATUS_OK);
    return address;
}

static const struct outlier_config outlier = {.interval_ms = 10000, .max_ejection_percent = 10};

/* "web" of two hosts in a locality, one with a name and weight; "api" of none, by EDS. */
static void add_clusters(void) {
    const struct address addresses[] = {address_of("127.0.0.1:29903"), address_of("[::1]:29904")};
    struct cluster_part *web = make_cluster("web", addresses, 2);
    struct arena *arena = &web->part.arena;
    struct endpoint_part *assignment = ARENA_NEW(arena, struct endpoint_part);
    struct locality_config *locality = ARENA_NEW(arena, struct locality_config);
    struct endpoint_config *endpoints = ARENA_NEW_ARRAY(arena, 2, struct endpoint_config);
    endpoints[0] = (struct endpoint_config){.address = stored_address_make(&addresses[0], NULL),
                                            .hostname = SLICE("hh"),
                                            .weight = 1,
                                            .health = HEALTH_UNHEALTHY};
    endpoints[1] =
        (struct endpoint_config){.address = stored_address_make(&addresses[1], NULL), .weight = 5};
    *locality = (struct locality_config){.locality = {SLICE("a"), SLICE("b"), SLICE("c")},
                                         .endpoints = endpoints,
                                         .endpoint_count = 2};
    *assignment = (struct endpoint_part){
        .localities = locality, .locality_count = 1, .overprovisioning_percent = 140};
    web->load_assignment = assignment;
    web->part.is_static = true;
    web->outlier = &outlier;
    web->breakers[1].max_connections = 7;
    cluster_manager_add(f.base.clusters, web, NULL, NULL);
    struct cluster_part *api = make_cluster("api", NULL, 0);
    api->type = CLUSTER_EDS;
    api->load_assignment = NULL;
    api->eds_name = SLICE("api-service");
    cluster_manager_add(f.base.clusters, api, NULL, NULL);
    struct cluster_part *warming = make_cluster("warming", NULL, 0);
    warming->type = CLUSTER_EDS;
    warming->load_assignment = NULL;
    cluster_manager_add(f.base.clusters, warming, NULL, NULL);
    cluster_manager_set_endpoints(f.base.clusters, SLICE("api-service"), NULL);
    fixture_turns(&f.base, 5);
}

#define BREAKERS(name, level, connections)                                                         \
    name "::" level "_priority::max_connections::" connections "\n" name "::" level                \
         "_priority::max_pending_requests::1024\n" name "::" level                                 \
         "_priority::max_requests::1024\n" name "::" level "_priority::max_retries::3\n"
#define HOST(host, hostname, flags, weight)                                                        \
    "web::" host "::cx_active::0\nweb::" host "::cx_connect_fail::0\nweb::" host                   \
    "::cx_total::0\nweb::" host "::rq_active::0\nweb::" host "::rq_error::0\nweb::" host           \
    "::rq_pending_active::0\nweb::" host "::rq_success::0\nweb::" host                             \
    "::rq_timeout::0\nweb::" host "::rq_total::0\nweb::" host "::hostname::" hostname              \
    "\nweb::" host "::health_flags::" flags "\nweb::" host "::weight::" weight "\nweb::" host      \
    "::region::a\nweb::" host "::zone::b\nweb::" host "::sub_zone::c\nweb::" host                  \
    "::canary::false\nweb::" host "::priority::0\nweb::" host "::success_rate::-1\nweb::" host     \
    "::local_origin_success_rate::-1\n"

START_TEST(clusters_text_is_as_by_envoy) {
    add_clusters();
    get(&f, "/clusters");
    ck_assert_str_eq(
        f.body,
        "api::observability_name::api\n" BREAKERS("api", "default", "1024") BREAKERS(
            "api", "high",
            "1024") "api::added_via_api::true\n"
                    "api::eds_service_name::api-service\n"
                    "web::observability_name::web\n"
                    "web::outlier::success_rate_average::-1\n"
                    "web::outlier::success_rate_ejection_threshold::-1\n"
                    "web::outlier::local_origin_success_rate_average::-1\n"
                    "web::outlier::local_origin_success_rate_ejection_threshold::-1\n" BREAKERS(
                        "web", "default", "1024")
                        BREAKERS("web", "high", "7") "web::added_via_api::false\n" HOST(
                            "127.0.0.1:29903", "hh", "/failed_eds_health", "1")
                            HOST("[::1]:29904", "", "healthy", "5"));
    get(&f, "/clusters?filter=ap");
    ck_assert(body_has(&f, "api::observability_name") && !body_has(&f, "web::"));
}
END_TEST

START_TEST(clusters_json_is_as_by_envoy) {
    add_clusters();
    get(&f, "/clusters?format=json&filter=web");
    ck_assert_ptr_nonnull(strstr(f.reply, "content-type: application/json\r\n"));
    const char *expected = "{\n \"cluster_statuses\": [\n  {\n   \"name\": \"web\",\n"
                           "   \"host_statuses\": [\n    {\n     \"address\": {\n"
                           "      \"socket_address\": {\n       \"address\": \"127.0.0.1\",\n"
                           "       \"port_value\": 29903\n      }\n     },\n     \"stats\": [\n"
                           "      {\n       \"name\": \"cx_connect_fail\"\n      },\n";
    ck_assert_int_eq(strncmp(f.body, expected, strlen(expected)), 0);
    ck_assert(body_has(&f, "      {\n       \"type\": \"GAUGE\",\n       \"name\": "
                           "\"rq_pending_active\"\n      }\n     ],\n     \"health_status\": {\n"
                           "      \"eds_health_status\": \"UNHEALTHY\"\n     },\n"
                           "     \"weight\": 1,\n     \"hostname\": \"hh\",\n"
                           "     \"locality\": {\n      \"region\": \"a\",\n      \"zone\": \"b\","
                           "\n      \"sub_zone\": \"c\"\n     }\n    },\n"));
    const char *tail = "     {\n      \"priority\": \"HIGH\",\n      \"max_connections\": 7,\n"
                       "      \"max_pending_requests\": 1024,\n      \"max_requests\": 1024,\n"
                       "      \"max_retries\": 3\n     }\n    ]\n   },\n"
                       "   \"observability_name\": \"web\"\n  }\n ]\n}\n";
    ck_assert_str_eq(f.body + strlen(f.body) - strlen(tail), tail);
    get(&f, "/clusters?format=json&filter=api");
    ck_assert(body_has(&f, "   \"name\": \"api\",\n   \"added_via_api\": true,\n"
                           "   \"circuit_breakers\": {\n"));
    ck_assert(body_has(&f, "   \"eds_service_name\": \"api-service\"\n"));
}
END_TEST

START_TEST(host_counts_and_flags_are_shown) {
    add_clusters();
    const struct cluster_part *web = (const struct cluster_part *)(const void *)config_store_get(
        f.base.store, CONFIG_CLUSTER,
        config_store_slot(f.base.store, CONFIG_CLUSTER, SLICE("web")));
    const struct host_set *set = (const struct host_set *)(const void *)config_store_get(
        f.base.store, CONFIG_ENDPOINT, web->endpoint_slot);
    struct host *host = set->priorities[0].all.hosts[1];
    host_count(host, HOST_STAT_RQ_TOTAL);
    host_count(host, HOST_STAT_RQ_ERROR);
    atomic_store(&host->active_requests, 3);
    cluster_manager_set_host_flags(f.base.clusters, host,
                                   HOST_FAILED_ACTIVE_HC | HOST_FAILED_OUTLIER, 0);
    fixture_turns(&f.base, 3);
    get(&f, "/clusters");
    ck_assert(body_has(&f, "web::[::1]:29904::rq_total::1\n"));
    ck_assert(body_has(&f, "web::[::1]:29904::rq_error::1\n"));
    ck_assert(body_has(&f, "web::[::1]:29904::rq_active::3\n"));
    ck_assert(
        body_has(&f, "web::[::1]:29904::health_flags::/failed_active_hc/failed_outlier_check\n"));
    get(&f, "/clusters?format=json");
    ck_assert(body_has(&f, "      {\n       \"value\": \"1\",\n       \"name\": \"rq_total\"\n"));
    ck_assert(body_has(&f, "     \"health_status\": {\n"
                           "      \"failed_active_health_check\": true,\n"
                           "      \"failed_outlier_check\": true,\n"
                           "      \"eds_health_status\": \"HEALTHY\"\n     },\n"));
    atomic_store(&host->active_requests, 0);
}
END_TEST

static void add_listener(const char *name, const char *first, const char *second) {
    struct listener_part *part =
        config_part_new(CONFIG_LISTENER, sizeof(*part), slice_from_string(name));
    struct address *addresses = ARENA_NEW_ARRAY(&part->part.arena, 2, struct address);
    part->addresses = addresses;
    part->address_count = second == NULL ? 1 : 2;
    if (first[0] == '/') {
        ck_assert_int_eq(address_from_unix_path(&addresses[0], slice_from_string(first), NULL),
                         STATUS_OK);
    } else {
        addresses[0] = address_of(first);
    }
    if (second != NULL) {
        addresses[1] = address_of(second);
    }
    config_store_put(f.base.store, CONFIG_LISTENER,
                     config_store_slot(f.base.store, CONFIG_LISTENER, slice_from_string(name)),
                     &part->part);
}

START_TEST(listeners_are_as_by_envoy) {
    add_listener("l1", "127.0.0.1:29902", NULL);
    add_listener("l2", "/tmp/l2.sock", NULL);
    add_listener("l3", "10.0.0.1:1", "[::]:2");
    get(&f, "/listeners");
    ck_assert_str_eq(f.body, "l1::127.0.0.1:29902\nl2::/tmp/l2.sock\nl3::10.0.0.1:1\nl3::[::]:2\n");
    get(&f, "/listeners?format=json");
    ck_assert_str_eq(
        f.body,
        "{\n \"listener_statuses\": [\n"
        "  {\n   \"name\": \"l1\",\n   \"local_address\": {\n    \"socket_address\": {\n"
        "     \"address\": \"127.0.0.1\",\n     \"port_value\": 29902\n    }\n   }\n  },\n"
        "  {\n   \"name\": \"l2\",\n   \"local_address\": {\n    \"pipe\": {\n"
        "     \"path\": \"/tmp/l2.sock\"\n    }\n   }\n  },\n"
        "  {\n   \"name\": \"l3\",\n   \"local_address\": {\n    \"socket_address\": {\n"
        "     \"address\": \"10.0.0.1\",\n     \"port_value\": 1\n    }\n   },\n"
        "   \"additional_local_addresses\": [\n    {\n     \"socket_address\": {\n"
        "      \"address\": \"::\",\n      \"port_value\": 2\n     }\n    }\n   ]\n  }\n ]\n}\n");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("admin_clusters");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, clusters_text_is_as_by_envoy);
    tcase_add_test(tests, clusters_json_is_as_by_envoy);
    tcase_add_test(tests, host_counts_and_flags_are_shown);
    tcase_add_test(tests, listeners_are_as_by_envoy);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
