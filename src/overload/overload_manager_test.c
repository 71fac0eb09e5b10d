// SPDX-License-Identifier: Apache-2.0
#include "src/overload/overload_manager.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/overload/overload_stats.h"

enum { REFRESH_MS = 1000, PRESSED_MS = 100 };

static char path[] = "/tmp/overload_manager.XXXXXX";
static struct virtual_clock clock;
static struct io_context control;
static struct stats_registry *stats;
static struct overload_state state;
static struct overload_manager *manager;
static struct resource_monitor_config monitor;
static struct overload_trigger_config triggers[2];
static struct overload_action_config actions[2];
static struct overload_config config;
static struct load_shed_config point;
static uint32_t changes;
static bool last_change;

static void put(const char *pressure) {
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    (void)fputs(pressure, file);
    ck_assert_int_eq(fclose(file), 0);
}

static void on_change(void *arg, enum overload_action action, bool is_saturated) {
    (void)arg;
    ck_assert_int_eq(action, OVERLOAD_STOP_ACCEPTING_REQUESTS);
    changes++;
    last_change = is_saturated;
}

static uint32_t begun, refreshes;

static void on_refresh(void *arg) {
    (void)arg;
    begun++;
}

static void on_refreshed(void *arg) {
    (void)arg;
    refreshes++;
    ck_assert_uint_eq(begun, refreshes);
}

static void setup(void) {
    (void)memcpy(path + sizeof(path) - sizeof("XXXXXX"), "XXXXXX", 6);
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    virtual_clock_init(&clock, UINT64_C(1700000000000000));
    ck_assert_int_eq(io_context_init(&control, 1, &clock.base, NULL), STATUS_OK);
    stats = stats_registry_new(2);
    changes = 0;
    begun = 0;
    refreshes = 0;
    monitor = (struct resource_monitor_config){
        .name = SLICE("m"), .kind = RESOURCE_INJECTED, .file = slice_from_string(path)};
    triggers[0] = (struct overload_trigger_config){.scaling_from = 0.2, .saturated_from = 0.6};
    actions[0] = (struct overload_action_config){OVERLOAD_STOP_ACCEPTING_REQUESTS, triggers, 1};
    point = (struct load_shed_config){LOAD_SHED_TCP_LISTENER_ACCEPT, triggers, 1};
    config = (struct overload_config){
        .refresh_interval_ms = REFRESH_MS,
        .pressed_interval_ms = PRESSED_MS,
        .monitors = &monitor,
        .monitor_count = 1,
        .actions = actions,
        .action_count = 1,
        .points = &point,
        .point_count = 1,
    };
    overload_state_init(&state, &config, 2, stats);
    struct overload_manager_options options = {
        .control = &control,
        .config = &config,
        .state = &state,
        .stats = stats,
        .on_change = on_change,
        .on_refresh = on_refresh,
        .on_refreshed = on_refreshed,
    };
    manager = overload_manager_new(&options);
}

static void teardown(void) {
    overload_manager_free(manager);
    overload_state_deinit(&state);
    stats_registry_free(stats);
    io_context_deinit(&control);
    (void)unlink(path);
}

static void refresh(const char *pressure) {
    put(pressure);
    virtual_clock_advance(&clock, REFRESH_MS * 1000);
    (void)event_loop_run_once(control.loop, -1);
}

static uint64_t action_stat(uint32_t stat) {
    struct stats_scope *scope =
        stats_scope_get(stats, SLICE("overload.envoy.overload_actions.stop_accepting_requests"),
                        &overload_action_stat_table);
    uint64_t value = stats_value(scope, stat);
    stats_scope_unref(scope);
    return value;
}

static uint64_t monitor_stat(uint32_t stat) {
    struct stats_scope *scope = stats_scope_get(stats, SLICE("overload.m"), &resource_stat_table);
    uint64_t value = stats_value(scope, stat);
    stats_scope_unref(scope);
    return value;
}

START_TEST(a_scaled_action_follows_the_pressure) {
    static const struct {
        const char *pressure;
        uint32_t scale;
    } cases[] = {{"0.2", 0}, {"0.3", 2500}, {"0.5", 7500}, {"0.6", 10000}, {"1", 10000}, {"0", 0}};
    put("0");
    overload_manager_start(manager);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        refresh(cases[i].pressure);
        ck_assert_uint_eq(overload_scale(&state, OVERLOAD_STOP_ACCEPTING_REQUESTS), cases[i].scale);
        ck_assert_uint_eq(action_stat(OVERLOAD_STAT_SCALE_PERCENT), cases[i].scale / 100);
        ck_assert_uint_eq(action_stat(OVERLOAD_STAT_ACTIVE), cases[i].scale == OVERLOAD_SATURATED);
    }
    ck_assert_uint_eq(changes, 2);
    ck_assert(!last_change);
}
END_TEST

START_TEST(a_threshold_is_on_or_off) {
    triggers[0] = (struct overload_trigger_config){.scaling_from = 0.9, .saturated_from = 0.9};
    put("0.89");
    overload_manager_start(manager);
    ck_assert_uint_eq(overload_scale(&state, OVERLOAD_STOP_ACCEPTING_REQUESTS), 0);
    refresh("0.9");
    ck_assert(overload_is_saturated(&state, OVERLOAD_STOP_ACCEPTING_REQUESTS));
    ck_assert(last_change);
    ck_assert_uint_eq(monitor_stat(RESOURCE_STAT_PRESSURE), 90);
}
END_TEST

START_TEST(the_furthest_trigger_decides) {
    triggers[1] = (struct overload_trigger_config){.scaling_from = 0.1, .saturated_from = 0.3};
    actions[0].trigger_count = 2;
    put("0.3");
    overload_manager_start(manager);
    ck_assert(overload_is_saturated(&state, OVERLOAD_STOP_ACCEPTING_REQUESTS));
}
END_TEST

START_TEST(a_reading_that_fails_changes_nothing) {
    put("0.7");
    overload_manager_start(manager);
    refresh("none");
    ck_assert(overload_is_saturated(&state, OVERLOAD_STOP_ACCEPTING_REQUESTS));
    ck_assert_uint_eq(monitor_stat(RESOURCE_STAT_FAILED_UPDATES), 1);
    refresh("0.1");
    ck_assert_uint_eq(overload_scale(&state, OVERLOAD_STOP_ACCEPTING_REQUESTS), 0);
}
END_TEST

static void advance_ms(uint64_t ms) {
    virtual_clock_advance(&clock, ms * 1000);
    (void)event_loop_run_once(control.loop, 0);
}

START_TEST(refreshes_come_faster_under_pressure) {
    put("0");
    overload_manager_start(manager);
    ck_assert_uint_eq(refreshes, 1);
    advance_ms(REFRESH_MS - 1);
    ck_assert_uint_eq(refreshes, 1);
    put("0.3");
    advance_ms(1);
    ck_assert_uint_eq(refreshes, 2);
    put("0.1");
    advance_ms(PRESSED_MS);
    ck_assert_uint_eq(refreshes, 3);
    advance_ms(REFRESH_MS - 1);
    ck_assert_uint_eq(refreshes, 3);
    advance_ms(1);
    ck_assert_uint_eq(refreshes, 4);
}
END_TEST

START_TEST(a_refresh_that_is_asked_for_moves_the_next) {
    put("0");
    overload_manager_start(manager);
    advance_ms(REFRESH_MS - 1);
    put("0.6");
    overload_manager_refresh(manager);
    ck_assert(overload_is_saturated(&state, OVERLOAD_STOP_ACCEPTING_REQUESTS));
    advance_ms(1);
    ck_assert_uint_eq(refreshes, 2);
    advance_ms(PRESSED_MS - 1);
    ck_assert_uint_eq(refreshes, 3);
}
END_TEST

START_TEST(workers_may_take_a_share_of_the_memory_that_is_left) {
    put("0.5");
    overload_manager_start(manager);
    ck_assert_uint_eq(state.growth_budget_bytes, UINT64_MAX);
    monitor = (struct resource_monitor_config){
        .name = SLICE("m"), .kind = RESOURCE_FIXED_HEAP, .max_bytes = UINT64_C(1) << 40};
    overload_manager_refresh(manager);
    ck_assert_uint_lt(state.growth_budget_bytes, (UINT64_C(1) << 40) / 8);
    ck_assert_uint_gt(state.growth_budget_bytes, (UINT64_C(1) << 40) / 9);
    monitor.max_bytes = 4096;
    overload_manager_refresh(manager);
    ck_assert_uint_eq(state.growth_budget_bytes, 128 * 1024);
}
END_TEST

static uint64_t shed_stat(uint32_t stat) {
    return stats_value(state.shed_stats[LOAD_SHED_TCP_LISTENER_ACCEPT], stat);
}

START_TEST(load_is_shed_as_far_as_its_triggers_ask) {
    put("0");
    overload_manager_start(manager);
    for (int i = 0; i < 100; i++) {
        ck_assert(!load_is_shed(&state, LOAD_SHED_TCP_LISTENER_ACCEPT, &control));
    }
    ck_assert(!load_is_shed(NULL, LOAD_SHED_TCP_LISTENER_ACCEPT, &control));
    refresh("0.9");
    ck_assert(load_is_shed(&state, LOAD_SHED_TCP_LISTENER_ACCEPT, &control));
    ck_assert(!load_is_shed(&state, LOAD_SHED_HCM_DECODE_HEADERS, &control));
    ck_assert_uint_eq(shed_stat(LOAD_SHED_STAT_SHED_LOAD_COUNT), 1);
    ck_assert_uint_eq(shed_stat(LOAD_SHED_STAT_SCALE_PERCENT), 100);
    refresh("0.4");
    uint32_t hits = 0;
    for (int i = 0; i < 1000; i++) {
        hits += load_is_shed(&state, LOAD_SHED_TCP_LISTENER_ACCEPT, &control);
    }
    ck_assert_uint_ge(hits, 400);
    ck_assert_uint_le(hits, 600);
    ck_assert_uint_eq(shed_stat(LOAD_SHED_STAT_SHED_LOAD_COUNT), 1 + hits);
}
END_TEST

START_TEST(connections_count_against_their_limit) {
    _Atomic uint64_t open = 1, refused = 0;
    state.connections = &open;
    state.refused_connections = &refused;
    monitor = (struct resource_monitor_config){
        .name = SLICE("m"), .kind = RESOURCE_CONNECTIONS, .max_connections = 4};
    overload_manager_start(manager);
    ck_assert_uint_eq(monitor_stat(RESOURCE_STAT_PRESSURE), 25);
    ck_assert_uint_eq(state.growth_budget_bytes, UINT64_MAX);
    open = 4;
    refused = 2;
    overload_manager_refresh(manager);
    overload_manager_refresh(manager);
    ck_assert(overload_is_saturated(&state, OVERLOAD_STOP_ACCEPTING_REQUESTS));
    ck_assert_uint_eq(monitor_stat(RESOURCE_STAT_FAILED_UPDATES), 2);
}
END_TEST

START_TEST(processors_begin_idle_and_are_read) {
    monitor = (struct resource_monitor_config){.name = SLICE("m"), .kind = RESOURCE_CPU_HOST};
    overload_manager_start(manager);
    ck_assert_uint_eq(monitor_stat(RESOURCE_STAT_PRESSURE), 0);
    ck_assert_uint_eq(monitor_stat(RESOURCE_STAT_FAILED_UPDATES), 0);
}
END_TEST

START_TEST(a_scale_is_a_probability) {
    struct random random;
    random_init_seed(&random, 1);
    uint32_t hits = 0;
    ck_assert(!overload_hits(NULL, OVERLOAD_DISABLE_HTTP_KEEPALIVE, &random));
    ck_assert(!overload_hits(&state, OVERLOAD_DISABLE_HTTP_KEEPALIVE, &random));
    state.scale[OVERLOAD_DISABLE_HTTP_KEEPALIVE] = OVERLOAD_SATURATED / 4;
    for (int i = 0; i < 10000; i++) {
        hits += overload_hits(&state, OVERLOAD_DISABLE_HTTP_KEEPALIVE, &random);
    }
    ck_assert_uint_ge(hits, 2300);
    ck_assert_uint_le(hits, 2700);
    state.scale[OVERLOAD_DISABLE_HTTP_KEEPALIVE] = OVERLOAD_SATURATED;
    ck_assert(overload_hits(&state, OVERLOAD_DISABLE_HTTP_KEEPALIVE, &random));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("overload_manager");
    TCase *tests = tcase_create("overload_manager");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_scaled_action_follows_the_pressure);
    tcase_add_test(tests, a_threshold_is_on_or_off);
    tcase_add_test(tests, the_furthest_trigger_decides);
    tcase_add_test(tests, a_reading_that_fails_changes_nothing);
    tcase_add_test(tests, refreshes_come_faster_under_pressure);
    tcase_add_test(tests, a_refresh_that_is_asked_for_moves_the_next);
    tcase_add_test(tests, workers_may_take_a_share_of_the_memory_that_is_left);
    tcase_add_test(tests, load_is_shed_as_far_as_its_triggers_ask);
    tcase_add_test(tests, connections_count_against_their_limit);
    tcase_add_test(tests, processors_begin_idle_and_are_read);
    tcase_add_test(tests, a_scale_is_a_probability);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
