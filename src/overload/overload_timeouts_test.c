// SPDX-License-Identifier: Apache-2.0
#include "src/overload/overload_timeouts.h"

#include <check.h>
#include <stdlib.h>

#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/timer.h"

enum { FULL_MS = 1000 };
static const enum overload_timer KIND = OVERLOAD_TIMER_STREAM_IDLE;

static struct virtual_clock clock;
static struct io_context io;
static struct overload_config config;
static struct overload_state state;
static uint32_t fired;

static void on_timer(void *arg) {
    (void)arg;
    fired++;
}

static void setup(void) {
    virtual_clock_init(&clock, UINT64_C(1700000000000000));
    ck_assert_int_eq(io_context_init(&io, 0, &clock.base, NULL), STATUS_OK);
    config = (struct overload_config){0};
    state = (struct overload_state){.config = &config};
    io.overload = &state;
    fired = 0;
}

static void teardown(void) {
    io_context_deinit(&io);
}

START_TEST(timeout_shrinks_to_its_minimum) {
    static const struct {
        struct overload_timer_config limit;
        uint32_t scale, ms;
    } cases[] = {
        {{.is_scaled = false}, OVERLOAD_SATURATED, 1000},
        {{.is_scaled = true, .has_min_timeout = true, .min_timeout_ms = 200}, 0, 1000},
        {{.is_scaled = true, .has_min_timeout = true, .min_timeout_ms = 200}, 5000, 600},
        {{.is_scaled = true, .has_min_timeout = true, .min_timeout_ms = 200}, 10000, 200},
        {{.is_scaled = true, .has_min_timeout = true, .min_timeout_ms = 3000}, 10000, 1000},
        {{.is_scaled = true, .min_scale = 1000}, 10000, 100},
        {{.is_scaled = true, .min_scale = 1000}, 5000, 550},
        {{.is_scaled = true, .min_scale = 0}, 10000, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        config.timers[KIND] = cases[i].limit;
        io.timeout_scale = cases[i].scale;
        ck_assert_uint_eq(overload_timeout(&io, KIND, FULL_MS), cases[i].ms);
    }
}
END_TEST

static void advance_ms(uint64_t ms) {
    virtual_clock_advance(&clock, ms * 1000);
    (void)event_loop_run_once(io.loop, 0);
}

START_TEST(timer_that_runs_is_moved_both_ways) {
    config.timers[KIND] = (struct overload_timer_config){
        .is_scaled = true, .has_min_timeout = true, .min_timeout_ms = 200};
    struct timer timer;
    timer_init(&timer, on_timer, NULL);
    overload_rescale_timer(&io, &timer, KIND, FULL_MS, 0);
    ck_assert(!timer_is_armed(&timer));
    timer_arm(io.loop, &timer, overload_timeout(&io, KIND, FULL_MS));
    advance_ms(100);
    io.timeout_scale = OVERLOAD_SATURATED;
    overload_rescale_timer(&io, &timer, KIND, FULL_MS, 0);
    advance_ms(99);
    io.timeout_scale = 5000;
    overload_rescale_timer(&io, &timer, KIND, FULL_MS, OVERLOAD_SATURATED);
    advance_ms(400);
    ck_assert_uint_eq(fired, 0);
    advance_ms(1);
    ck_assert_uint_eq(fired, 1);
}
END_TEST

START_TEST(timer_whose_shorter_time_is_over_fires_at_once) {
    config.timers[KIND] = (struct overload_timer_config){.is_scaled = true, .min_scale = 1000};
    struct timer timer;
    timer_init(&timer, on_timer, NULL);
    timer_arm(io.loop, &timer, FULL_MS);
    advance_ms(500);
    io.timeout_scale = OVERLOAD_SATURATED;
    overload_rescale_timer(&io, &timer, KIND, FULL_MS, 0);
    advance_ms(1);
    ck_assert_uint_eq(fired, 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("overload_timeouts");
    TCase *tests = tcase_create("overload_timeouts");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, timeout_shrinks_to_its_minimum);
    tcase_add_test(tests, timer_that_runs_is_moved_both_ways);
    tcase_add_test(tests, timer_whose_shorter_time_is_over_fires_at_once);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
