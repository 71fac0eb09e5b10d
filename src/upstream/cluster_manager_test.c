// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/cluster_manager.h"

#include "src/config/health_check_config.h"

#include "src/upstream/upstream_test_fixture.h"

static struct fixture f;
static int warm_count;

static void setup(void) {
    fixture_init(&f);
    warm_count = 0;
}
static void teardown(void) {
    fixture_deinit(&f);
}

static void on_warm(void *arg, struct slice name) {
    (void)arg;
    (void)name;
    warm_count++;
}

static const struct cluster_part *current(const char *name) {
    uint32_t slot = config_store_slot(f.store, CONFIG_CLUSTER, slice_from_string(name));
    const struct config_part *part = config_store_get(f.store, CONFIG_CLUSTER, slot);
    return (const struct cluster_part *)(const void *)part;
}

static const struct host_set *hosts_of(const char *name) {
    const struct cluster_part *cluster = current(name);
    ck_assert_ptr_nonnull(cluster);
    const struct config_part *part =
        config_store_get(f.store, CONFIG_ENDPOINT, cluster->endpoint_slot);
    return (const struct host_set *)(const void *)part;
}

static struct address address_of(const char *text) {
    struct address address;
    ck_assert_int_eq(address_from_text(&address, slice_from_string(text), NULL), STATUS_OK);
    return address;
}

static struct cluster_part *eds_cluster(const char *name) {
    struct cluster_part *part = make_cluster(name, NULL, 0);
    part->type = CLUSTER_EDS;
    part->load_assignment = NULL;
    return part;
}

static struct endpoint_part *assignment_of(const char *name, const char *const *texts,
                                           uint32_t count) {
    struct endpoint_part *part =
        config_part_new(CONFIG_ENDPOINT, sizeof(*part), slice_from_string(name));
    struct locality_config *locality = ARENA_NEW(&part->part.arena, struct locality_config);
    struct endpoint_config *endpoints =
        ARENA_NEW_ARRAY(&part->part.arena, count, struct endpoint_config);
    for (uint32_t i = 0; i < count; i++) {
        struct address address = address_of(texts[i]);
        endpoints[i].address = stored_address_make(&address, NULL);
        endpoints[i].weight = 1;
    }
    *locality = (struct locality_config){.endpoints = endpoints, .endpoint_count = count};
    part->localities = locality;
    part->locality_count = 1;
    return part;
}

START_TEST(static_cluster_is_warm_at_once) {
    struct address address = address_of("10.0.0.1:80");
    cluster_manager_add(f.clusters, make_cluster("web", &address, 1), on_warm, NULL);
    ck_assert_int_eq(warm_count, 1);
    ck_assert_uint_eq(cluster_manager_warming_count(f.clusters), 0);
    ck_assert_uint_eq(hosts_of("web")->host_count, 1);
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_MEMBERSHIP_TOTAL), 1);
}
END_TEST

START_TEST(eds_cluster_waits_for_its_assignment) {
    cluster_manager_add(f.clusters, eds_cluster("web"), on_warm, NULL);
    ck_assert_ptr_null(current("web"));
    ck_assert_uint_eq(cluster_manager_warming_count(f.clusters), 1);
    const char *const texts[] = {"10.0.0.1:80", "10.0.0.2:80"};
    cluster_manager_set_endpoints(f.clusters, SLICE("web"), assignment_of("web", texts, 2));
    ck_assert_int_eq(warm_count, 1);
    ck_assert_ptr_nonnull(current("web"));
    ck_assert_uint_eq(hosts_of("web")->host_count, 2);
}
END_TEST

START_TEST(eds_cluster_whose_fetch_timed_out_serves_without_hosts) {
    cluster_manager_add(f.clusters, eds_cluster("web"), on_warm, NULL);
    cluster_manager_set_endpoints(f.clusters, SLICE("web"), NULL);
    ck_assert_int_eq(warm_count, 1);
    ck_assert_uint_eq(hosts_of("web")->host_count, 0);
}
END_TEST

START_TEST(assignment_update_keeps_hosts_that_stay) {
    const char *const texts[] = {"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"};
    cluster_manager_add(f.clusters, eds_cluster("web"), NULL, NULL);
    cluster_manager_set_endpoints(f.clusters, SLICE("web"), assignment_of("web", texts, 2));
    fixture_turns(&f, 3);
    const struct host *kept = hosts_of("web")->priorities[0].all.hosts[1];
    uint64_t version = hosts_of("web")->version;
    cluster_manager_set_endpoints(f.clusters, SLICE("web"), assignment_of("web", texts + 1, 2));
    fixture_turns(&f, 3);
    const struct host_set *set = hosts_of("web");
    ck_assert_uint_eq(set->host_count, 2);
    ck_assert_ptr_eq(set->priorities[0].all.hosts[0], kept);
    ck_assert_uint_eq(set->version, version + 1);
    cluster_manager_set_endpoints(f.clusters, SLICE("web"), assignment_of("web", texts + 1, 2));
    fixture_turns(&f, 3);
    ck_assert_uint_eq(hosts_of("web")->version, version + 1);
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_UPDATE_NO_REBUILD), 1);
}
END_TEST

START_TEST(warm_predecessor_serves_until_the_successor_is_warm) {
    struct address address = address_of("10.0.0.1:80");
    cluster_manager_add(f.clusters, make_cluster("web", &address, 1), NULL, NULL);
    fixture_turns(&f, 3);
    const struct cluster_part *old = current("web");
    const struct cluster_state *state = old->state;
    struct cluster_part *new = eds_cluster("web");
    new->eds_name = SLICE("web-endpoints");
    cluster_manager_add(f.clusters, new, on_warm, NULL);
    fixture_turns(&f, 3);
    ck_assert_ptr_eq(current("web"), old);
    ck_assert_uint_eq(hosts_of("web")->host_count, 1);
    const char *const texts[] = {"10.0.0.1:80", "10.0.0.2:80"};
    cluster_manager_set_endpoints(f.clusters, SLICE("web-endpoints"),
                                  assignment_of("web-endpoints", texts, 2));
    fixture_turns(&f, 3);
    ck_assert_int_eq(warm_count, 1);
    ck_assert_ptr_eq(current("web"), new);
    ck_assert_ptr_eq(current("web")->state, state);
    ck_assert_uint_eq(hosts_of("web")->host_count, 2);
}
END_TEST

START_TEST(removed_cluster_can_come_back) {
    struct address address = address_of("10.0.0.1:80");
    for (int i = 0; i < 3; i++) {
        cluster_manager_add(f.clusters, make_cluster("web", &address, 1), NULL, NULL);
        fixture_turns(&f, 3);
        ck_assert_ptr_nonnull(current("web"));
        cluster_manager_remove(f.clusters, SLICE("web"));
        if (i != 1) {
            fixture_turns(&f, 3);
        }
        ck_assert_ptr_null(current("web"));
    }
}
END_TEST

START_TEST(dns_cluster_is_warm_with_its_first_answer) {
    // A literal address is answered without a server, but not from within the call.
    struct cluster_part *part = make_cluster("web", NULL, 0);
    struct arena *arena = &part->part.arena;
    struct endpoint_part *assignment = ARENA_NEW(arena, struct endpoint_part);
    struct locality_config *locality = ARENA_NEW(arena, struct locality_config);
    struct endpoint_config *endpoint = ARENA_NEW(arena, struct endpoint_config);
    *endpoint =
        (struct endpoint_config){.dns_name = SLICE("127.0.0.9"), .dns_port = 81, .weight = 1};
    *locality = (struct locality_config){.endpoints = endpoint, .endpoint_count = 1};
    assignment->localities = locality;
    assignment->locality_count = 1;
    part->load_assignment = assignment;
    part->type = CLUSTER_STRICT_DNS;
    cluster_manager_add(f.clusters, part, on_warm, NULL);
    ck_assert_int_eq(warm_count, 0);
    RUN_UNTIL(&f, warm_count == 1);
    struct address expected = address_of("127.0.0.9:81");
    const struct host *host = hosts_of("web")->priorities[0].all.hosts[0];
    struct address got = stored_address_get(&host->address);
    ck_assert(address_equal(&got, &expected));
    ck_assert(slice_equal(host->hostname, SLICE("127.0.0.9")));
    // And again at the refresh rate.
    fixture_advance(&f, 5001);
    RUN_UNTIL(&f, cluster_stat(&f, "web", CLUSTER_STAT_UPDATE_SUCCESS) == 2);
}
END_TEST

START_TEST(assignment_is_found_by_the_decoded_slot) {
    const char *const texts[] = {"10.0.0.1:80"};
    struct cluster_part *part = make_cluster("web", NULL, 0);
    part->load_assignment = NULL;
    part->endpoint_slot = config_store_slot(f.store, CONFIG_ENDPOINT, SLICE("inline/web"));
    cluster_manager_add(f.clusters, part, on_warm, NULL);
    ck_assert_int_eq(warm_count, 0);
    cluster_manager_set_endpoints(f.clusters, SLICE("inline/web"),
                                  assignment_of("inline/web", texts, 1));
    ck_assert_int_eq(warm_count, 1);
    ck_assert_uint_eq(hosts_of("web")->host_count, 1);
}
END_TEST

START_TEST(host_flags_rebuild_the_lists_once_a_turn) {
    struct address addresses[] = {address_of("10.0.0.1:80"), address_of("10.0.0.2:80")};
    cluster_manager_add(f.clusters, make_cluster("web", addresses, 2), NULL, NULL);
    fixture_turns(&f, 3);
    uint64_t version = hosts_of("web")->version;
    const struct host_list *all = &hosts_of("web")->priorities[0].all;
    cluster_manager_set_host_flags(f.clusters, all->hosts[0], HOST_FAILED_ACTIVE_HC, 0);
    cluster_manager_set_host_flags(f.clusters, all->hosts[1], HOST_DEGRADED_ACTIVE, 0);
    ck_assert_uint_eq(hosts_of("web")->version, version);
    fixture_turns(&f, 3);
    ck_assert_uint_eq(hosts_of("web")->version, version + 1);
    ck_assert_uint_eq(hosts_of("web")->healthy_count, 0);
    ck_assert_uint_eq(hosts_of("web")->degraded_count, 1);
}
END_TEST

static void ask(const char *cluster, uint32_t expected_status) {
    struct attempt attempt;
    ck_assert(attempt_start(&attempt, &f, cluster));
    RUN_UNTIL(&f, attempt.is_closed || attempt.is_reset || attempt.has_ended);
    ck_assert_uint_eq(attempt.status, expected_status);
    attempt_deinit(&attempt);
}

static struct outlier_config *detect_outliers(struct cluster_part *part) {
    struct outlier_config *outlier = ARENA_NEW(&part->part.arena, struct outlier_config);
    *outlier = (struct outlier_config){.consecutive_5xx = 3,
                                       .interval_ms = 10000,
                                       .base_ejection_time_ms = 30000,
                                       .max_ejection_time_ms = 300000,
                                       .max_ejection_percent = 10,
                                       .enforcing_consecutive_5xx = 100};
    part->outlier = outlier;
    return outlier;
}

/* The only host of "web", ejected. */
static const struct host *eject_host(void) {
    struct attempt attempt;
    ck_assert(attempt_start(&attempt, &f, "web"));
    for (int i = 0; i < 3; i++) {
        upstream_report_response(&f.worker, attempt.request, 500);
    }
    fixture_turns(&f, 3);
    const struct host *host = hosts_of("web")->priorities[0].all.hosts[0];
    ck_assert_uint_ne(host_flags(host) & HOST_FAILED_OUTLIER, 0);
    attempt_deinit(&attempt);
    return host;
}

START_TEST(consecutive_errors_eject_a_host_for_a_while) {
    struct server server;
    server_init(&server, &f.control, false);
    struct cluster_part *part = make_cluster("web", &server.address, 1);
    (void)detect_outliers(part);
    cluster_manager_add(f.clusters, part, NULL, NULL);
    fixture_turns(&f, 3);
    const struct host *host = eject_host();
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_RQ_5XX), 3);
    for (int i = 0; i < 2; i++) {
        fixture_advance(&f, 10001);
        ck_assert_uint_ne(host_flags(host) & HOST_FAILED_OUTLIER, 0);
    }
    fixture_advance(&f, 10001);
    ck_assert_uint_eq(host_flags(host) & HOST_FAILED_OUTLIER, 0);
    server_deinit(&server);
}
END_TEST

static struct cluster_part *checked_cluster(const struct server *server) {
    struct cluster_part *part = make_cluster("web", &server->address, 1);
    struct health_check_config *config = ARENA_NEW(&part->part.arena, struct health_check_config);
    *config = (struct health_check_config){.kind = HEALTH_CHECK_HTTP,
                                           .timeout_ms = 1000,
                                           .interval_ms = 5000,
                                           .no_traffic_interval_ms = 5000,
                                           .unhealthy_threshold = 2,
                                           .healthy_threshold = 2,
                                           .http.path = SLICE("/healthz")};
    struct health_check_list *configs = ARENA_NEW(&part->part.arena, struct health_check_list);
    *configs = (struct health_check_list){config, 1};
    part->health_checks = configs;
    part->wait_for_warm_on_init = true;
    return part;
}

START_TEST(health_check_makes_a_cluster_warm_and_follows_the_host) {
    struct server server;
    server_init(&server, &f.control, false);
    server.answers = false;
    cluster_manager_add(f.clusters, checked_cluster(&server), on_warm, NULL);
    ck_assert_int_eq(warm_count, 0);
    RUN_UNTIL(&f, server.request_count == 1);
    server_answer(server.streams[0], 200);
    RUN_UNTIL(&f, warm_count == 1);
    fixture_turns(&f, 5);
    ck_assert_uint_eq(hosts_of("web")->healthy_count, 1);
    fixture_advance(&f, 5100);
    RUN_UNTIL(&f, server.request_count == 2);
    server_answer(server.streams[1], 503);
    RUN_UNTIL(&f, hosts_of("web")->healthy_count == 0);
    for (uint32_t i = 2; i < 4; i++) {
        ck_assert_uint_eq(hosts_of("web")->healthy_count, 0);
        fixture_advance(&f, 5100);
        RUN_UNTIL(&f, server.request_count == i + 1);
        server_answer(server.streams[i], 200);
        fixture_turns(&f, 30);
    }
    RUN_UNTIL(&f, hosts_of("web")->healthy_count == 1);
    server_deinit(&server);
}
END_TEST

START_TEST(good_health_check_brings_an_ejected_host_back_if_it_may) {
    struct server server;
    bool may = _i == 1;
    server_init(&server, &f.control, false);
    struct cluster_part *part = checked_cluster(&server);
    detect_outliers(part)->successful_active_health_check_uneject_host = may;
    cluster_manager_add(f.clusters, part, on_warm, NULL);
    RUN_UNTIL(&f, warm_count == 1);
    fixture_turns(&f, 5);
    const struct host *host = eject_host();
    uint32_t before = server.request_count;
    fixture_advance(&f, 5100);
    RUN_UNTIL(&f, server.request_count > before);
    fixture_turns(&f, 30);
    ck_assert_int_eq((host_flags(host) & HOST_FAILED_OUTLIER) == 0, may);
    server_deinit(&server);
}
END_TEST

START_TEST(silent_host_fails_its_first_check_by_timeout) {
    struct server server;
    server_init(&server, &f.control, false);
    server.answers = false;
    cluster_manager_add(f.clusters, checked_cluster(&server), on_warm, NULL);
    RUN_UNTIL(&f, server.request_count == 1);
    ck_assert_int_eq(warm_count, 0);
    fixture_advance(&f, 1100);
    RUN_UNTIL(&f, warm_count == 1);
    ck_assert_uint_eq(hosts_of("web")->healthy_count, 0);
    server_deinit(&server);
}
END_TEST

START_TEST(response_codes_are_counted_by_name) {
    struct server server;
    server_init(&server, &f.control, false);
    cluster_manager_add(f.clusters, make_cluster("web", &server.address, 1), NULL, NULL);
    fixture_turns(&f, 3);
    ask("web", 200);
    struct attempt attempt;
    ck_assert(attempt_start(&attempt, &f, "web"));
    upstream_report_response(&f.worker, attempt.request, 204);
    attempt_deinit(&attempt);
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_RQ_2XX), 1);
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_EXTERNAL_UPSTREAM_RQ_2XX), 1);
    ck_assert_uint_eq(cluster_stat(&f, "web", CLUSTER_STAT_UPSTREAM_RQ_COMPLETED), 1);
    server_deinit(&server);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cluster_manager");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, static_cluster_is_warm_at_once);
    tcase_add_test(tests, eds_cluster_waits_for_its_assignment);
    tcase_add_test(tests, eds_cluster_whose_fetch_timed_out_serves_without_hosts);
    tcase_add_test(tests, assignment_update_keeps_hosts_that_stay);
    tcase_add_test(tests, warm_predecessor_serves_until_the_successor_is_warm);
    tcase_add_test(tests, removed_cluster_can_come_back);
    tcase_add_test(tests, dns_cluster_is_warm_with_its_first_answer);
    tcase_add_test(tests, assignment_is_found_by_the_decoded_slot);
    tcase_add_test(tests, host_flags_rebuild_the_lists_once_a_turn);
    tcase_add_test(tests, consecutive_errors_eject_a_host_for_a_while);
    tcase_add_test(tests, health_check_makes_a_cluster_warm_and_follows_the_host);
    tcase_add_loop_test(tests, good_health_check_brings_an_ejected_host_back_if_it_may, 0, 2);
    tcase_add_test(tests, silent_host_fails_its_first_check_by_timeout);
    tcase_add_test(tests, response_codes_are_counted_by_name);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
