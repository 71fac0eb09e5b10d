// SPDX-License-Identifier: Apache-2.0
#include "src/event/event_loop.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/check.h"
#include "src/event/timer.h"

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

/* One end of a socket pair and what its watch heard. */
struct end {
    struct event_watch watch;
    int fd;
    int calls;
    unsigned flags;
    struct end *victim; /* unwatched, closed and freed by the callback */
};

static struct end *last_heard;
static unsigned freed_count;

static void end_close(struct end *end) {
    event_loop_unwatch(loop, &end->watch);
    close(end->fd);
    end->fd = -1;
}

static void heard(void *arg, unsigned flags) {
    struct end *end = arg;
    end->calls++;
    end->flags |= flags;
    last_heard = end;
    if (end->victim != NULL) {
        struct end *victim = end->victim;
        end->victim = NULL;
        end_close(victim);
        memset(victim, 0xee, sizeof(*victim));
        free(victim);
        freed_count++;
    }
}

static void make_pair(struct end *a, struct end *b) {
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    *a = (struct end){.fd = fds[0]};
    *b = (struct end){.fd = fds[1]};
}

static void send_byte(const struct end *end) {
    ck_assert_int_eq(write(end->fd, "x", 1), 1);
}

START_TEST(watch_is_edge_triggered_both_ways) {
    struct end a;
    struct end b;
    make_pair(&a, &b);
    ck_assert_int_eq(event_loop_watch(loop, &a.watch, a.fd, heard, &a), STATUS_OK);
    event_loop_run_once(loop, 0);
    ck_assert(a.calls == 1 && a.flags == EVENT_WRITE);
    event_loop_run_once(loop, 0);
    ck_assert_int_eq(a.calls, 1);
    send_byte(&b);
    event_loop_run_once(loop, 0);
    ck_assert(a.calls == 2 && (a.flags & EVENT_READ) != 0);
    event_loop_run_once(loop, 0);
    ck_assert_msg(a.calls == 2, "an unread byte is no new edge");
    close(b.fd);
    event_loop_run_once(loop, 0);
    ck_assert(a.calls == 3 && (a.flags & EVENT_ERROR) != 0);
    end_close(&a);
}
END_TEST

START_TEST(level_watch_calls_until_read) {
    struct end a;
    struct end b;
    make_pair(&a, &b);
    ck_assert_int_eq(event_loop_watch_level(loop, &a.watch, a.fd, heard, &a), STATUS_OK);
    ck_assert_uint_eq(event_loop_run_once(loop, 0), 0);
    send_byte(&b);
    event_loop_run_once(loop, 0);
    event_loop_run_once(loop, 0);
    ck_assert(a.calls == 2 && a.flags == EVENT_READ);
    end_close(&a);
    close(b.fd);
}
END_TEST

START_TEST(events_fetched_for_a_removed_watch_are_dropped) {
    struct end peers[2];
    struct end *ends[2];
    for (int i = 0; i < 2; i++) {
        ends[i] = malloc(sizeof(*ends[i]));
        make_pair(ends[i], &peers[i]);
        ck_assert_int_eq(event_loop_watch(loop, &ends[i]->watch, ends[i]->fd, heard, ends[i]),
                         STATUS_OK);
    }
    // Both are ready in one batch; whoever comes first frees the other.
    ends[0]->victim = ends[1];
    ends[1]->victim = ends[0];
    ck_assert_uint_eq(event_loop_run_once(loop, 0), 1);
    ck_assert_uint_eq(freed_count, 1);
    struct end *left = last_heard;
    ck_assert_int_eq(left->calls, 1);
    end_close(left);
    free(left);
    close(peers[0].fd);
    close(peers[1].fd);
}
END_TEST

/* The first callback of a batch replaces the other's watch on the same fd number. */
struct replacer {
    struct end *self;
    struct end *other;
    struct end fresh;
    bool is_done;
};

static void replace_other(void *arg, unsigned flags) {
    struct replacer *replacer = arg;
    replacer->self->calls++;
    replacer->self->flags |= flags;
    if (replacer->is_done) {
        return;
    }
    replacer->is_done = true;
    int fd = replacer->other->fd;
    event_loop_unwatch(loop, &replacer->other->watch);
    replacer->fresh = (struct end){.fd = fd};
    // Level triggered on an fd without bytes: the kernel has nothing to tell it.
    ck_assert_int_eq(
        event_loop_watch_level(loop, &replacer->fresh.watch, fd, heard, &replacer->fresh),
        STATUS_OK);
}

START_TEST(events_of_an_old_watch_never_reach_a_new_one_on_the_same_fd) {
    struct end a;
    struct end b;
    make_pair(&a, &b);
    struct replacer on_a = {.self = &a, .other = &b};
    struct replacer on_b = {.self = &b, .other = &a};
    ck_assert_int_eq(event_loop_watch(loop, &a.watch, a.fd, replace_other, &on_a), STATUS_OK);
    ck_assert_int_eq(event_loop_watch(loop, &b.watch, b.fd, replace_other, &on_b), STATUS_OK);
    // Both are writable: two events in the batch, of which the second is stale.
    ck_assert_uint_eq(event_loop_run_once(loop, 0), 1);
    ck_assert_int_eq(on_a.fresh.calls + on_b.fresh.calls, 0);
    event_loop_unwatch(loop, on_a.is_done ? &on_a.fresh.watch : &on_b.fresh.watch);
    event_loop_unwatch(loop, on_a.is_done ? &a.watch : &b.watch);
    close(a.fd);
    close(b.fd);
}
END_TEST

static void activate_again(void *arg, unsigned flags) {
    struct end *end = arg;
    end->calls++;
    end->flags = flags;
    event_loop_activate(loop, &end->watch, EVENT_READ);
}

START_TEST(activation_comes_in_the_next_turn_also_without_an_fd) {
    struct end pipe = {.fd = -1};
    ck_assert_int_eq(event_loop_watch(loop, &pipe.watch, -1, activate_again, &pipe), STATUS_OK);
    ck_assert_uint_eq(event_loop_run_once(loop, 0), 0);
    event_loop_activate(loop, &pipe.watch, EVENT_READ);
    event_loop_activate(loop, &pipe.watch, EVENT_WRITE);
    ck_assert_uint_eq(event_loop_run_once(loop, -1), 1);
    ck_assert_uint_eq(pipe.flags, EVENT_READ | EVENT_WRITE);
    ck_assert_uint_eq(event_loop_run_once(loop, -1), 1);
    ck_assert_uint_eq(pipe.flags, EVENT_READ);
    event_loop_unwatch(loop, &pipe.watch);
    ck_assert_msg(event_loop_run_once(loop, 0) == 0, "an unwatched activation is dropped");
    event_loop_activate(loop, &pipe.watch, EVENT_READ);
    ck_assert_uint_eq(event_loop_run_once(loop, 0), 0);
    struct event_watch never = {.fd = 0};
    event_loop_unwatch(loop, &never);
}
END_TEST

struct chain {
    struct event_deferred items[3];
    int runs[3];
    int at;
};

static void run_chain(void *arg) {
    struct chain *chain = arg;
    chain->runs[chain->at]++;
    if (++chain->at < 3) {
        event_loop_defer(loop, &chain->items[chain->at]);
    }
}

START_TEST(deferred_work_runs_in_the_same_turn_until_none_is_left) {
    struct chain chain = {.at = 0};
    for (int i = 0; i < 3; i++) {
        event_deferred_init(&chain.items[i], run_chain, &chain);
    }
    event_loop_defer(loop, &chain.items[0]);
    event_loop_defer(loop, &chain.items[0]);
    ck_assert_uint_eq(event_loop_run_once(loop, -1), 3);
    ck_assert(chain.runs[0] == 1 && chain.runs[1] == 1 && chain.runs[2] == 1);
    event_loop_defer(loop, &chain.items[0]);
    event_loop_defer_cancel(&chain.items[0]);
    ck_assert_uint_eq(event_loop_run_once(loop, -1), 0);
}
END_TEST

START_TEST(time_stands_still_within_a_turn) {
    ck_assert_uint_eq(event_loop_now_us(loop), 1000000);
    virtual_clock_advance(&clock, 2500);
    ck_assert_uint_eq(event_loop_now_us(loop), 1000000);
    event_loop_run_once(loop, 0);
    ck_assert_uint_eq(event_loop_now_us(loop), 1002500);
    ck_assert_uint_eq(event_loop_now_ms(loop), 1002);
    ck_assert_uint_eq(event_loop_wall_us(loop), UINT64_C(1700000000002500));
}
END_TEST

static void be_away(void *arg) {
    virtual_clock_advance(&clock, *(uint64_t *)arg);
}

START_TEST(busy_time_counts_long_stretches_only) {
    uint64_t away_us = 4000;
    struct event_deferred item;
    event_deferred_init(&item, be_away, &away_us);
    event_loop_defer(loop, &item);
    event_loop_run_once(loop, 0);
    ck_assert_uint_eq(event_loop_busy_us(loop), 0);
    away_us = 30000;
    event_loop_defer(loop, &item);
    event_loop_run_once(loop, 0);
    ck_assert_uint_eq(event_loop_busy_us(loop), 30000);
}
END_TEST

static void stop_loop(void *arg) {
    (void)arg;
    event_loop_stop(loop);
}

START_TEST(real_time_loop_sleeps_until_its_timer) {
    event_loop_free(loop);
    loop = event_loop_new(clock_system(), NULL);
    struct timer timer;
    timer_init(&timer, stop_loop, NULL);
    uint64_t start_us = event_loop_now_us(loop);
    timer_arm(loop, &timer, 20);
    event_loop_run(loop);
    ck_assert_uint_ge(event_loop_now_us(loop) - start_us, 20000);
    ck_assert_uint_eq(event_loop_run_once(loop, 1), 0);
}
END_TEST

START_TEST(watch_of_a_bad_fd_fails_and_leaves_nothing) {
    struct end end = {.fd = 999};
    ck_assert_int_eq(event_loop_watch(loop, &end.watch, end.fd, heard, &end), STATUS_IO);
    event_loop_activate(loop, &end.watch, EVENT_READ);
    ck_assert_uint_eq(event_loop_run_once(loop, 0), 0);
    event_loop_unwatch(loop, &end.watch);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("event_loop");
    TCase *tests = tcase_create("event_loop");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, watch_is_edge_triggered_both_ways);
    tcase_add_test(tests, level_watch_calls_until_read);
    tcase_add_test(tests, events_fetched_for_a_removed_watch_are_dropped);
    tcase_add_test(tests, events_of_an_old_watch_never_reach_a_new_one_on_the_same_fd);
    tcase_add_test(tests, activation_comes_in_the_next_turn_also_without_an_fd);
    tcase_add_test(tests, deferred_work_runs_in_the_same_turn_until_none_is_left);
    tcase_add_test(tests, time_stands_still_within_a_turn);
    tcase_add_test(tests, busy_time_counts_long_stretches_only);
    tcase_add_test(tests, real_time_loop_sleeps_until_its_timer);
    tcase_add_test(tests, watch_of_a_bad_fd_fails_and_leaves_nothing);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
