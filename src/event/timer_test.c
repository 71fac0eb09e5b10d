// SPDX-License-Identifier: Apache-2.0
#include "src/event/timer.h"

#include <check.h>
#include <stdlib.h>

#include "src/base/check.h"
#include "src/base/random.h"
#include "src/event/event_loop.h"

static struct virtual_clock clock;
static struct event_loop *loop;

static void setup(void) {
    virtual_clock_init(&clock, UINT64_C(1700000000000000));
    loop = event_loop_new(&clock.base, NULL);
    ck_assert_ptr_nonnull(loop);
}
static void teardown(void) {
    event_loop_free(loop);
}

static unsigned advance_ms(uint64_t ms) {
    virtual_clock_advance(&clock, ms * 1000);
    return event_loop_run_once(loop, -1);
}

static void count(void *arg) {
    (*(int *)arg)++;
}

START_TEST(timer_fires_once_at_its_deadline) {
    int fired = 0;
    struct timer timer;
    timer_init(&timer, count, &fired);
    timer_arm(loop, &timer, 5000);
    ck_assert(timer_is_armed(&timer));
    advance_ms(4999);
    ck_assert_int_eq(fired, 0);
    advance_ms(1);
    ck_assert_int_eq(fired, 1);
    ck_assert(!timer_is_armed(&timer));
    advance_ms(100000);
    ck_assert_int_eq(fired, 1);
}
END_TEST

START_TEST(timer_never_fires_early_within_a_millisecond) {
    int fired = 0;
    struct timer timer;
    timer_init(&timer, count, &fired);
    virtual_clock_advance(&clock, 900);
    event_loop_run_once(loop, 0);
    timer_arm(loop, &timer, 1);
    virtual_clock_advance(&clock, 999);
    event_loop_run_once(loop, 0);
    ck_assert_int_eq(fired, 0);
    virtual_clock_advance(&clock, 101);
    event_loop_run_once(loop, 0);
    ck_assert_int_eq(fired, 1);
}
END_TEST

START_TEST(timer_moved_later_stays_where_it_hangs) {
    int fired = 0;
    struct timer timer;
    timer_init(&timer, count, &fired);
    timer_arm(loop, &timer, 100);
    const struct list_node *neighbour = timer.node.next;
    advance_ms(50);
    timer_arm(loop, &timer, 100);
    ck_assert_ptr_eq(timer.node.next, neighbour);
    advance_ms(60);
    ck_assert_int_eq(fired, 0);
    advance_ms(39);
    ck_assert_int_eq(fired, 0);
    advance_ms(1);
    ck_assert_int_eq(fired, 1);
}
END_TEST

START_TEST(timer_moved_earlier_fires_earlier) {
    int fired = 0;
    struct timer timer;
    timer_init(&timer, count, &fired);
    timer_arm(loop, &timer, 100000);
    timer_arm(loop, &timer, 10);
    advance_ms(10);
    ck_assert_int_eq(fired, 1);
    timer_arm(loop, &timer, UINT64_MAX);
    ck_assert(timer_is_armed(&timer));
    timer_cancel(&timer);
    ck_assert(!timer_is_armed(&timer));
    timer_cancel(&timer);
}
END_TEST

struct repeater {
    struct timer timer;
    int fired;
};

static void fire_again(void *arg) {
    struct repeater *repeater = arg;
    repeater->fired++;
    timer_arm(loop, &repeater->timer, 0);
}

START_TEST(timer_armed_without_delay_fires_in_the_next_turn) {
    struct repeater repeater = {.fired = 0};
    timer_init(&repeater.timer, fire_again, &repeater);
    timer_arm(loop, &repeater.timer, 0);
    for (int i = 1; i < 4; i++) {
        event_loop_run_once(loop, -1);
        ck_assert_int_eq(repeater.fired, i);
    }
    timer_cancel(&repeater.timer);
}
END_TEST

struct pair {
    struct timer first;
    struct timer second;
    int fired;
};

static void cancel_second(void *arg) {
    struct pair *pair = arg;
    pair->fired++;
    timer_cancel(&pair->second);
}

static void postpone_second(void *arg) {
    struct pair *pair = arg;
    pair->fired++;
    timer_arm(loop, &pair->second, 7);
}

START_TEST(callback_may_cancel_or_move_a_timer_due_in_the_same_turn) {
    struct pair pair = {.fired = 0};
    int second_fired = 0;
    timer_init(&pair.first, cancel_second, &pair);
    timer_init(&pair.second, count, &second_fired);
    timer_arm(loop, &pair.first, 10);
    timer_arm(loop, &pair.second, 10);
    advance_ms(10);
    ck_assert(pair.fired == 1 && second_fired == 0);
    timer_init(&pair.first, postpone_second, &pair);
    timer_arm(loop, &pair.first, 10);
    timer_arm(loop, &pair.second, 11);
    advance_ms(20);
    ck_assert(pair.fired == 2 && second_fired == 0);
    advance_ms(6);
    ck_assert_int_eq(second_fired, 0);
    advance_ms(1);
    ck_assert_int_eq(second_fired, 1);
}
END_TEST

/* Many timers beside an array of deadlines that is searched on each step. */

enum { MODEL_TIMERS = 300, MODEL_STEPS = 4000 };

struct model;
struct model_timer {
    struct timer timer;
    struct model *model;
    uint64_t deadline_ms; /* 0: not armed */
};
struct model {
    struct model_timer timers[MODEL_TIMERS];
    uint64_t last_deadline_ms; /* fired in this turn */
    unsigned fired;
};

static void model_fired(void *arg) {
    struct model_timer *timer = arg;
    CHECK(timer->deadline_ms != 0);
    CHECK(timer->deadline_ms <= event_loop_now_ms(loop));
    CHECK(timer->deadline_ms >= timer->model->last_deadline_ms);
    timer->model->last_deadline_ms = timer->deadline_ms;
    timer->deadline_ms = 0;
    timer->model->fired++;
}

static uint64_t random_span_ms(struct random *random) {
    uint64_t bits = random_below(random, 36);
    return random_below(random, UINT64_C(1) << bits) + 1;
}

static unsigned count_due(const struct model *model, uint64_t now_ms) {
    unsigned due = 0;
    for (int i = 0; i < MODEL_TIMERS; i++) {
        uint64_t deadline_ms = model->timers[i].deadline_ms;
        due += deadline_ms != 0 && deadline_ms <= now_ms;
    }
    return due;
}

START_TEST(timers_agree_with_a_list_of_deadlines) {
    struct random random;
    random_init_seed(&random, (uint64_t)_i);
    static struct model model;
    for (int i = 0; i < MODEL_TIMERS; i++) {
        model.timers[i].model = &model;
        timer_init(&model.timers[i].timer, model_fired, &model.timers[i]);
    }
    unsigned total = 0;
    for (int step = 0; step < MODEL_STEPS; step++) {
        for (int i = 0; i < 8; i++) {
            struct model_timer *timer = &model.timers[random_below(&random, MODEL_TIMERS)];
            if (random_below(&random, 4) == 0) {
                timer_cancel(&timer->timer);
                timer->deadline_ms = 0;
            } else {
                uint64_t delay_ms = random_span_ms(&random);
                timer_arm(loop, &timer->timer, delay_ms);
                timer->deadline_ms = event_loop_now_ms(loop) + delay_ms;
            }
        }
        virtual_clock_advance(&clock, random_span_ms(&random) * 1000);
        unsigned due = count_due(&model, clock.monotonic_now_us / 1000);
        model.fired = 0;
        model.last_deadline_ms = 0;
        event_loop_run_once(loop, -1);
        if (model.fired != due) {
            ck_abort_msg("step %d: %u fired, %u due", step, model.fired, due);
        }
        total += due;
    }
    ck_assert_uint_gt(total, MODEL_STEPS);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("timer");
    TCase *tests = tcase_create("timer");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, timer_fires_once_at_its_deadline);
    tcase_add_test(tests, timer_never_fires_early_within_a_millisecond);
    tcase_add_test(tests, timer_moved_later_stays_where_it_hangs);
    tcase_add_test(tests, timer_moved_earlier_fires_earlier);
    tcase_add_test(tests, timer_armed_without_delay_fires_in_the_next_turn);
    tcase_add_test(tests, callback_may_cancel_or_move_a_timer_due_in_the_same_turn);
    tcase_add_loop_test(tests, timers_agree_with_a_list_of_deadlines, 0, 4);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
