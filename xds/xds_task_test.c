// SPDX-License-Identifier: Apache-2.0
/* Tasks of extensions: when they start, what waits for them, when they stop. */
#include "src/config/config_task.h"
#include "xds/xds_test_server.h"

#define URL(name) "type.googleapis.com/" name
#define STATIC_CLUSTER(name)                                                                       \
    "{name: " name ", type: STATIC, load_assignment: {cluster_name: " name                         \
    ", endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, "    \
    "port_value: 18000}}}}]}]}}"
#define EDS_CLUSTER "{name: late, type: EDS, eds_cluster_config: {eds_config: {ads: {}}}}"
#define IN_LISTENER(prefix)                                                                                                                                                                               \
    "name: in, address: {socket_address: {address: 127.0.0.1, port_value: 80}}, filter_chains: "                                                                                                          \
    "[{filters: [{name: hcm, typed_config: {'@type': " URL(                                                                                                                                               \
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager") ", stat_prefix: " prefix                                                                                     \
                                                                                             ", http_filters: [{name: envoy.filters.http.cors, typed_config: "                                            \
                                                                                             "{'@type': " URL(                                                                                            \
                                                                                                 "envoy.extensions.filters.http.cors.v3.Cors") "}}, {name: "                                              \
                                                                                                                                               "envoy.filters.http.router, typed_config: {'@type': " URL( \
                                                                                                                                                   "envoy.extensions.filters.http.router.v3.Router") "}}], route_config: {name: r}}}]}]"
#define BOOTSTRAP(clusters, more)                                                                  \
    "node: {id: edge, cluster: edges}\n"                                                           \
    "static_resources: {clusters: [" clusters "]" more "}\n"                                       \
    "dynamic_resources: {ads_config: {api_type: GRPC, grpc_services: [{envoy_grpc: "               \
    "{cluster_name: ads}}]}, cds_config: {ads: {}}, lds_config: {ads: {}}}\n"
#define LDS(version, resources)                                                                    \
    "{type_url: " URL("envoy.config.listener.v3.Listener") ", version_info: '" version             \
                                                           "', nonce: l, resources: [" resources   \
                                                           "]}"
#define TYPED(prefix)                                                                              \
    "{'@type': " URL("envoy.config.listener.v3.Listener") ", " IN_LISTENER(prefix) "}"
#define NO_CLUSTERS                                                                                \
    "{type_url: " URL("envoy.config.cluster.v3.Cluster") ", version_info: '1', nonce: c}"

static struct world w;
static bool is_awaited, is_done_at_once;
static struct config_task *newest;

static void start(struct config_task *task, struct io_context *io) {
    ck_assert_ptr_eq(io, &w.control);
    note(&w, "start\n");
    if (is_done_at_once) {
        config_task_done(task);
    }
}

static void stop(struct config_task *task) {
    (void)task;
    note(&w, "stop\n");
}

static const struct config_task_ops ops = {start, stop};

static const void *parse(struct filter_config_context *context,
                         const struct ProtobufCMessage *message) {
    (void)message;
    newest = ARENA_NEW(context->arena, struct config_task);
    newest->ops = &ops;
    newest->is_awaited = is_awaited;
    config_part_add_task(context->part, newest);
    return newest;
}

static const struct http_filter_factory task_factory = {
    .name = "envoy.filters.http.cors",
    .type_url = "envoy.extensions.filters.http.cors.v3.Cors",
    .parse = parse,
};
static const struct http_filter_factory *const factories[] = {&test_router_factory, &task_factory,
                                                              NULL};

static void setup(void) {
    world_init(&w);
    w.registry.http = factories;
    is_awaited = true;
    is_done_at_once = false;
}
static void teardown(void) {
    world_deinit(&w);
}

/* Until the listeners are asked for. */
static void bring_up(void) {
    world_start(&w, BOOTSTRAP(STATIC_CLUSTER("ads"), ""));
    world_receive(&w, NO_CLUSTERS);
    w.log[0] = '\0';
}

/* Its first listener serves. */
static void bring_up_listener(void) {
    bring_up();
    world_receive(&w, LDS("1", TYPED("one")));
    config_task_done(newest);
    world_turn(&w);
    ck_assert(w.is_live);
    w.log[0] = '\0';
}

static struct config_part *listener(void) {
    return config_store_get(w.store, CONFIG_LISTENER,
                            config_store_slot(w.store, CONFIG_LISTENER, SLICE("in")));
}

START_TEST(xds_task_is_waited_for) {
    is_done_at_once = _i == 1;
    bring_up();
    world_receive(&w, LDS("1", TYPED("one")));
    if (!is_done_at_once) {
        expect_log(&w, "start\n> LDS v=1 n=l\n");
        world_advance(&w, 100000);
        expect_log(&w, "");
        config_task_done(newest);
        expect_log(&w, ""); // not from within
        config_task_done(newest);
        world_turn(&w);
        expect_log(&w, "listener in\nlive\n");
    } else {
        expect_log(&w, "start\nlistener in\n> LDS v=1 n=l\nlive\n");
    }
}
END_TEST

START_TEST(xds_task_that_is_not_awaited_holds_nothing_up) {
    is_awaited = false;
    bring_up();
    world_receive(&w, LDS("1", TYPED("one")));
    expect_log(&w, "listener in\nlive\nstart\n> LDS v=1 n=l\n");
}
END_TEST

START_TEST(xds_task_of_an_update_lets_the_old_one_serve_on) {
    bring_up_listener();
    const struct config_part *old = listener();
    world_receive(&w, LDS("2", TYPED("two")));
    expect_log(&w, "start\n> LDS v=2 n=l\n");
    ck_assert_ptr_eq(listener(), old);
    ck_assert_uint_eq(w.listeners_warming, 1);
    config_task_done(newest);
    world_turn(&w);
    ck_assert_uint_eq(w.listeners_warming, 0);
    expect_log(&w, "listener in\nstop\n");
    ck_assert_ptr_ne(listener(), old);
}
END_TEST

START_TEST(xds_task_runs_until_the_last_user_is_gone) {
    bring_up_listener();
    struct config_part *drained = config_part_ref(listener());
    world_receive(&w, LDS("2", ""));
    expect_log(&w, "no listener in\n> LDS v=2 n=l\n");
    config_part_unref(drained);
    expect_log(&w, "stop\n");
}
END_TEST

START_TEST(xds_task_of_what_is_dropped_while_it_warms_stops) {
    bring_up();
    world_receive(&w, LDS("1", TYPED("one")));
    w.log[0] = '\0';
    if (_i == 0) {
        world_receive(&w, LDS("2", ""));
        expect_log(&w, "stop\nlive\n> LDS v=2 n=l\n");
    } else {
        world_receive(&w, LDS("2", TYPED("two")));
        expect_log(&w, "stop\nstart\n> LDS v=2 n=l\n");
    }
}
END_TEST

START_TEST(xds_task_of_a_static_listener_waits_for_the_clusters) {
    world_start(&w, BOOTSTRAP(STATIC_CLUSTER("ads") "," EDS_CLUSTER,
                              ", listeners: [{" IN_LISTENER("one") "}]"));
    ck_assert_ptr_null(strstr(w.log, "start\n"));
    world_receive(&w, NO_CLUSTERS);
    ck_assert_ptr_null(strstr(w.log, "start\n"));
    world_warm(&w, SLICE("late"));
    world_turn(&w);
    ck_assert_ptr_nonnull(strstr(w.log, "warm late\n"));
    ck_assert_ptr_nonnull(strstr(w.log, "start\n"));
    ck_assert(!w.is_live);
    config_task_done(newest);
    world_turn(&w);
    ck_assert_ptr_nonnull(strstr(w.log, "listener in\n"));
    w.log[0] = '\0';
}
END_TEST

START_TEST(xds_task_ends_with_the_client) {
    bring_up_listener();
    xds_free(w.xds);
    w.xds = NULL;
    expect_log(&w, "stop\n");
}
END_TEST

START_TEST(xds_task_of_a_checked_configuration_never_starts) {
    struct error err;
    w.xds = world_xds(
        &w, BOOTSTRAP(STATIC_CLUSTER("ads"), ", listeners: [{" IN_LISTENER("one") "}]"), &err);
    ck_assert_int_eq(xds_validate(w.xds, &err), STATUS_OK);
    world_turn(&w);
    expect_log(&w, "");
}
END_TEST

int main(void) {
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, xds_task_is_waited_for, 0, 2);
    tcase_add_test(tests, xds_task_that_is_not_awaited_holds_nothing_up);
    tcase_add_test(tests, xds_task_of_an_update_lets_the_old_one_serve_on);
    tcase_add_test(tests, xds_task_runs_until_the_last_user_is_gone);
    tcase_add_loop_test(tests, xds_task_of_what_is_dropped_while_it_warms_stops, 0, 2);
    tcase_add_test(tests, xds_task_of_a_static_listener_waits_for_the_clusters);
    tcase_add_test(tests, xds_task_ends_with_the_client);
    tcase_add_test(tests, xds_task_of_a_checked_configuration_never_starts);
    return run_suite("xds_task", tests);
}
