// SPDX-License-Identifier: Apache-2.0
#include "src/listener/drain.h"

#include <check.h>
#include <stdlib.h>

enum { SAMPLES = 2000 };

static uint32_t closes_at(const struct drain_state *state, uint64_t ms) {
    struct random random;
    random_init_seed(&random, 7);
    uint32_t count = 0;
    for (int i = 0; i < SAMPLES; i++) {
        count += drain_should_close(state, ms * 1000, &random) ? 1 : 0;
    }
    return count;
}

START_TEST(drain_not_started_never_closes) {
    struct drain_state state = {0};
    ck_assert_uint_eq(closes_at(&state, UINT64_C(1) << 40), 0);
}
END_TEST

START_TEST(drain_gradual_grows_with_time) {
    struct drain_state state = {0};
    struct drain_settings settings = {.drain_time_ms = 1000};
    drain_start(&state, &settings, false, 0);
    ck_assert_uint_eq(closes_at(&state, 0), 0);
    uint32_t early = closes_at(&state, 100);
    uint32_t half = closes_at(&state, 500);
    ck_assert(early > SAMPLES / 20 && early < SAMPLES / 5);
    ck_assert(half > SAMPLES * 2 / 5 && half < SAMPLES * 3 / 5);
    ck_assert_uint_eq(closes_at(&state, 1000), SAMPLES);
    ck_assert_uint_eq(closes_at(&state, 5000), SAMPLES);
}
END_TEST

START_TEST(drain_immediate_closes_at_once) {
    struct drain_state state = {0};
    struct drain_settings settings = {.drain_time_ms = 1000, .is_immediate = true};
    drain_start(&state, &settings, false, 0);
    ck_assert_uint_eq(closes_at(&state, 0), SAMPLES);
}
END_TEST

START_TEST(drain_immediate_overrides_a_gradual_one) {
    struct drain_state state = {0};
    struct drain_settings settings = {.drain_time_ms = 1000};
    drain_start(&state, &settings, false, 0);
    drain_start(&state, &settings, true, 10000);
    ck_assert_uint_eq(closes_at(&state, 20), SAMPLES);
    ck_assert_uint_eq(state.start_us, 0); /* it does not begin anew */
}
END_TEST

START_TEST(drain_of_no_time_closes_at_once) {
    struct drain_state state = {0};
    struct drain_settings settings = {.drain_time_ms = 0};
    drain_start(&state, &settings, false, 0);
    ck_assert_uint_eq(closes_at(&state, 0), SAMPLES);
}
END_TEST

int main(void) {
    Suite *s = suite_create("drain");
    TCase *t = tcase_create("drain");
    tcase_add_test(t, drain_not_started_never_closes);
    tcase_add_test(t, drain_gradual_grows_with_time);
    tcase_add_test(t, drain_immediate_closes_at_once);
    tcase_add_test(t, drain_immediate_overrides_a_gradual_one);
    tcase_add_test(t, drain_of_no_time_closes_at_once);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
