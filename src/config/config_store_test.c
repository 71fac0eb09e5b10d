// SPDX-License-Identifier: Apache-2.0
#include "src/config/config_store.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/event/mailbox.h"
#include "src/runtime/runtime.h"

struct fixture {
    struct io_context control, worker;
    struct config_store *store;
    uint32_t control_swaps, worker_swaps;
    uint32_t last_change_count;
    const struct config_snapshot *last_previous;
};

static void on_control_swap(void *arg, const struct config_snapshot *previous,
                            const struct config_snapshot *current) {
    struct fixture *fixture = arg;
    fixture->control_swaps++;
    fixture->last_change_count = current->change_count;
    fixture->last_previous = previous;
}

static void on_worker_swap(void *arg, const struct config_snapshot *previous,
                           const struct config_snapshot *current) {
    struct fixture *fixture = arg;
    (void)previous;
    (void)current;
    fixture->worker_swaps++;
}

static void fixture_init(struct fixture *fixture) {
    *fixture = (struct fixture){0};
    ck_assert_int_eq(io_context_init(&fixture->worker, 0, clock_system(), NULL), STATUS_OK);
    ck_assert_int_eq(io_context_init(&fixture->control, 1, clock_system(), NULL), STATUS_OK);
    fixture->store = config_store_new(&fixture->control);
    config_store_subscribe(fixture->store, &fixture->control, on_control_swap, fixture);
    config_store_subscribe(fixture->store, &fixture->worker, on_worker_swap, fixture);
}

static void fixture_run(struct fixture *fixture) {
    for (int i = 0; i < 4; i++) {
        (void)event_loop_run_once(fixture->control.loop, 0);
        (void)event_loop_run_once(fixture->worker.loop, 0);
    }
}

static void fixture_deinit(struct fixture *fixture) {
    config_store_unsubscribe(fixture->store, &fixture->worker);
    config_store_free(fixture->store);
    io_context_deinit(&fixture->worker);
    io_context_deinit(&fixture->control);
}

static void count_free(void *object) {
    (*(int *)object)++;
}

static struct config_part *part_new(enum config_kind kind, const char *name, int *freed) {
    struct config_part *part = config_part_new(kind, sizeof(*part), slice_from_string(name));
    if (freed != NULL) {
        config_part_on_free(part, count_free, freed);
    }
    return part;
}

static void put(struct fixture *fixture, enum config_kind kind, const char *name,
                struct config_part *part) {
    uint32_t slot = config_store_slot(fixture->store, kind, slice_from_string(name));
    config_store_put(fixture->store, kind, slot, part);
}

START_TEST(config_part_cleanups_run_last_first) {
    int freed = 0;
    struct config_part *part = part_new(CONFIG_SECRET, "s", &freed);
    config_part_on_free(part, count_free, &freed);
    config_part_ref(part);
    config_part_unref(part);
    ck_assert_int_eq(freed, 0);
    config_part_unref(part);
    ck_assert_int_eq(freed, 2);
}
END_TEST

START_TEST(config_store_publishes_once_at_the_end_of_the_turn) {
    struct fixture fixture;
    fixture_init(&fixture);
    ck_assert_uint_eq(config_store_current(fixture.store)->generation, 0);
    put(&fixture, CONFIG_CLUSTER, "a", part_new(CONFIG_CLUSTER, "a", NULL));
    put(&fixture, CONFIG_CLUSTER, "b", part_new(CONFIG_CLUSTER, "b", NULL));
    ck_assert_uint_eq(fixture.control_swaps, 0);
    fixture_run(&fixture);
    ck_assert_uint_eq(fixture.control_swaps, 1);
    ck_assert_uint_eq(fixture.worker_swaps, 1);
    ck_assert_uint_eq(fixture.last_change_count, 2);
    ck_assert_uint_eq(fixture.worker.snapshot->generation, 1);
    uint32_t slot = config_snapshot_find(fixture.worker.snapshot, CONFIG_CLUSTER, SLICE("b"));
    ck_assert_uint_eq(slot, config_store_slot(fixture.store, CONFIG_CLUSTER, SLICE("b")));
    ck_assert_uint_eq(config_snapshot_find(fixture.worker.snapshot, CONFIG_CLUSTER, SLICE("c")),
                      CONFIG_SLOT_NONE);
    fixture_deinit(&fixture);
}
END_TEST

START_TEST(config_store_publishes_what_the_runtime_says) {
    struct fixture fixture;
    fixture_init(&fixture);
    struct runtime *runtime = config_store_runtime(fixture.store);
    struct runtime_layer *layer = runtime_add_layer(runtime, SLICE("l"));
    uint32_t key = runtime_key(runtime, SLICE("k"));
    // A key that nobody sets is no news.
    config_store_publish(fixture.store);
    fixture_run(&fixture);
    ck_assert_uint_eq(fixture.worker_swaps, 0);
    runtime_layer_set(layer, SLICE("k"), SLICE("5"), runtime_value_of_number(5));
    runtime_loaded(runtime, &(struct runtime_load){0});
    const struct runtime_table *before = fixture.worker.snapshot->runtime;
    ck_assert_uint_eq(runtime_integer(before, key, 1), 1);
    fixture_run(&fixture);
    ck_assert_uint_eq(fixture.worker_swaps, 1);
    ck_assert_uint_eq(fixture.last_change_count, 0);
    ck_assert_uint_eq(runtime_integer(fixture.worker.snapshot->runtime, key, 1), 5);
    ck_assert_uint_eq(runtime_integer(fixture.control.snapshot->runtime, key, 1), 5);
    // The same table goes along with what else changes.
    put(&fixture, CONFIG_CLUSTER, "a", part_new(CONFIG_CLUSTER, "a", NULL));
    const struct runtime_table *same = fixture.worker.snapshot->runtime;
    fixture_run(&fixture);
    ck_assert_ptr_eq(fixture.worker.snapshot->runtime, same);
    fixture_deinit(&fixture);
}
END_TEST

START_TEST(config_store_change_and_back_publishes_nothing) {
    struct fixture fixture;
    fixture_init(&fixture);
    put(&fixture, CONFIG_CLUSTER, "a", part_new(CONFIG_CLUSTER, "a", NULL));
    put(&fixture, CONFIG_CLUSTER, "a", NULL);
    fixture_run(&fixture);
    ck_assert_uint_eq(fixture.control_swaps, 0);
    fixture_deinit(&fixture);
}
END_TEST

START_TEST(config_store_replaced_part_is_freed_when_all_have_swapped) {
    struct fixture fixture;
    fixture_init(&fixture);
    int freed = 0;
    put(&fixture, CONFIG_CLUSTER, "a", part_new(CONFIG_CLUSTER, "a", &freed));
    fixture_run(&fixture);
    put(&fixture, CONFIG_CLUSTER, "a", part_new(CONFIG_CLUSTER, "a", NULL));
    (void)event_loop_run_once(fixture.control.loop, 0);
    ck_assert_int_eq(freed, 0); // the worker still has the old snapshot
    fixture_run(&fixture);
    ck_assert_int_eq(freed, 1);
    fixture_deinit(&fixture);
}
END_TEST

START_TEST(config_store_removed_name_is_not_found) {
    struct fixture fixture;
    fixture_init(&fixture);
    char name[16];
    for (int i = 0; i < 300; i++) {
        (void)snprintf(name, sizeof(name), "c%d", i);
        put(&fixture, CONFIG_CLUSTER, name, part_new(CONFIG_CLUSTER, name, NULL));
    }
    fixture_run(&fixture);
    const struct config_snapshot *all = fixture.worker.snapshot;
    ck_assert_uint_ne(config_snapshot_find(all, CONFIG_CLUSTER, SLICE("c77")), CONFIG_SLOT_NONE);
    put(&fixture, CONFIG_CLUSTER, "c77", NULL);
    fixture_run(&fixture);
    const struct config_snapshot *fewer = fixture.worker.snapshot;
    ck_assert_uint_eq(config_snapshot_find(fewer, CONFIG_CLUSTER, SLICE("c77")), CONFIG_SLOT_NONE);
    ck_assert_uint_ne(config_snapshot_find(fewer, CONFIG_CLUSTER, SLICE("c78")), CONFIG_SLOT_NONE);
    fixture_deinit(&fixture);
}
END_TEST

START_TEST(config_store_pinned_part_outlives_its_removal) {
    struct fixture fixture;
    fixture_init(&fixture);
    int freed = 0;
    struct config_part *route = part_new(CONFIG_ROUTE, "r", &freed);
    put(&fixture, CONFIG_ROUTE, "r", route);
    fixture_run(&fixture);
    config_pin(&fixture.worker, route);
    config_pin(&fixture.worker, route);
    put(&fixture, CONFIG_ROUTE, "r", part_new(CONFIG_ROUTE, "r", NULL));
    fixture_run(&fixture);
    ck_assert_int_eq(freed, 0);
    config_unpin(&fixture.worker, route);
    fixture_run(&fixture);
    ck_assert_int_eq(freed, 0);
    config_unpin(&fixture.worker, route);
    fixture_run(&fixture);
    ck_assert_int_eq(freed, 1);
    fixture_deinit(&fixture);
}
END_TEST

START_TEST(config_store_part_retires_when_all_have_swapped_though_pinned) {
    struct fixture fixture;
    fixture_init(&fixture);
    int freed = 0;
    int retired = 0;
    struct config_part *listener = part_new(CONFIG_LISTENER, "l", &freed);
    config_part_on_retire(listener, count_free, &retired);
    put(&fixture, CONFIG_LISTENER, "l", listener);
    fixture_run(&fixture);
    config_pin(&fixture.worker, listener);
    put(&fixture, CONFIG_LISTENER, "l", NULL);
    (void)event_loop_run_once(fixture.control.loop, 0);
    ck_assert_int_eq(retired, 0); // the worker still has the old snapshot
    fixture_run(&fixture);
    ck_assert_int_eq(retired, 1);
    ck_assert_int_eq(freed, 0);
    config_unpin(&fixture.worker, listener);
    fixture_run(&fixture);
    ck_assert_int_eq(retired, 1);
    ck_assert_int_eq(freed, 1);
    fixture_deinit(&fixture);
}
END_TEST

START_TEST(config_store_part_that_is_put_again_does_not_retire) {
    struct fixture fixture;
    fixture_init(&fixture);
    int retired = 0;
    struct config_part *listener = part_new(CONFIG_LISTENER, "l", NULL);
    config_part_on_retire(listener, count_free, &retired);
    put(&fixture, CONFIG_LISTENER, "l", config_part_ref(listener));
    fixture_run(&fixture);
    put(&fixture, CONFIG_LISTENER, "l", NULL);
    (void)event_loop_run_once(fixture.control.loop, 0);
    put(&fixture, CONFIG_LISTENER, "l", listener);
    fixture_run(&fixture);
    ck_assert_int_eq(retired, 0);
    fixture_deinit(&fixture);
    ck_assert_int_eq(retired, 1); // at the latest with the part
}
END_TEST

/* The name's number as long as `holder` has it. */
static uint32_t slot_for(struct fixture *fixture, struct config_part *holder, enum config_kind kind,
                         const char *name) {
    return config_store_slot_for(fixture->store, holder, kind, slice_from_string(name));
}

START_TEST(config_store_slot_is_the_names_while_it_is_held) {
    struct fixture fixture;
    fixture_init(&fixture);
    struct config_part *route = part_new(CONFIG_ROUTE, "r", NULL);
    uint32_t slot = slot_for(&fixture, route, CONFIG_CLUSTER, "c");
    // The cluster comes and goes and comes back: the route that names it finds it.
    for (int i = 0; i < 3; i++) {
        struct config_part *cluster = part_new(CONFIG_CLUSTER, "c", NULL);
        put(&fixture, CONFIG_CLUSTER, "c", cluster);
        fixture_run(&fixture);
        ck_assert_ptr_eq(config_snapshot_part(fixture.worker.snapshot, CONFIG_CLUSTER, slot),
                         cluster);
        put(&fixture, CONFIG_CLUSTER, "c", NULL);
        fixture_run(&fixture);
        ck_assert_ptr_null(config_snapshot_part(fixture.worker.snapshot, CONFIG_CLUSTER, slot));
    }
    ck_assert_uint_eq(config_store_find_slot(fixture.store, CONFIG_CLUSTER, SLICE("c")), slot);
    // Nobody names it any more.
    config_part_unref(route);
    fixture_run(&fixture);
    ck_assert_uint_eq(config_store_find_slot(fixture.store, CONFIG_CLUSTER, SLICE("c")),
                      CONFIG_SLOT_NONE);
    ck_assert_uint_eq(config_store_slot_name(fixture.store, CONFIG_CLUSTER, slot).len, 0);
    fixture_deinit(&fixture);
}
END_TEST

START_TEST(config_store_slot_that_nobody_holds_stays_while_it_is_filled) {
    struct fixture fixture;
    fixture_init(&fixture);
    struct config_part *route = part_new(CONFIG_ROUTE, "r", NULL);
    struct config_part *cluster = part_new(CONFIG_CLUSTER, "c", NULL);
    uint32_t slot = slot_for(&fixture, route, CONFIG_CLUSTER, "c");
    put(&fixture, CONFIG_CLUSTER, "c", cluster);
    config_part_unref(route);
    fixture_run(&fixture);
    ck_assert_ptr_eq(config_snapshot_part(fixture.worker.snapshot, CONFIG_CLUSTER, slot), cluster);
    put(&fixture, CONFIG_CLUSTER, "c", NULL);
    fixture_run(&fixture);
    ck_assert_uint_eq(config_store_find_slot(fixture.store, CONFIG_CLUSTER, SLICE("c")),
                      CONFIG_SLOT_NONE);
    fixture_deinit(&fixture);
}
END_TEST

START_TEST(config_store_old_numbers_find_nothing_under_a_new_name) {
    struct fixture fixture;
    fixture_init(&fixture);
    enum { ROUNDS = 1000, KEPT = 300 };
    static uint32_t old[ROUNDS];
    uint32_t highest = 0;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "cluster-%u", i);
        struct config_part *cluster = part_new(CONFIG_CLUSTER, name, NULL);
        put(&fixture, CONFIG_CLUSTER, name, cluster);
        fixture_run(&fixture);
        old[i] = cluster->slot;
        uint32_t place = old[i] & CONFIG_PLACE_MASK;
        highest = place > highest ? place : highest;
        // Of the last ones, of which some had this place.
        uint32_t found = 0;
        for (uint32_t k = i > KEPT ? i - KEPT : 0; k < i; k++) {
            found += old[k] == old[i] ||
                     config_snapshot_part(fixture.worker.snapshot, CONFIG_CLUSTER, old[k]) != NULL;
        }
        ck_assert_uint_eq(found, 0);
        put(&fixture, CONFIG_CLUSTER, name, NULL);
        fixture_run(&fixture);
    }
    // The tables do not grow with the names that have been.
    ck_assert_uint_lt(highest, KEPT);
    fixture_deinit(&fixture);
}
END_TEST

START_TEST(config_store_context_goes_with_the_last_that_names_it) {
    struct fixture fixture;
    fixture_init(&fixture);
    int freed = 0;
    struct config_part *before = part_new(CONFIG_CLUSTER, "c", NULL);
    struct config_part *after = part_new(CONFIG_CLUSTER, "c", NULL);
    uint32_t slot = slot_for(&fixture, before, CONFIG_TLS, "c/tls/0");
    ck_assert_uint_eq(slot_for(&fixture, after, CONFIG_TLS, "c/tls/0"), slot);
    config_store_put(fixture.store, CONFIG_TLS, slot, part_new(CONFIG_TLS, "c/tls/0", &freed));
    config_part_unref(before);
    fixture_run(&fixture);
    ck_assert_int_eq(freed, 0);
    ck_assert_ptr_nonnull(config_store_get(fixture.store, CONFIG_TLS, slot));
    config_part_unref(after);
    fixture_run(&fixture);
    ck_assert_int_eq(freed, 1);
    ck_assert_uint_eq(config_store_find_slot(fixture.store, CONFIG_TLS, SLICE("c/tls/0")),
                      CONFIG_SLOT_NONE);
    fixture_deinit(&fixture);
}
END_TEST

START_TEST(config_store_parts_may_outlive_the_store) {
    struct fixture fixture;
    fixture_init(&fixture);
    struct config_part *route = part_new(CONFIG_ROUTE, "r", NULL);
    (void)slot_for(&fixture, route, CONFIG_CLUSTER, "c");
    fixture_deinit(&fixture);
    config_part_unref(route);
}
END_TEST

/* The last parts' slots fall idle while the store is freed: that asks for a publication. */
START_TEST(config_store_publishes_nothing_once_it_is_freed) {
    struct fixture fixture;
    fixture_init(&fixture);
    struct config_part *route = part_new(CONFIG_ROUTE, "r", NULL);
    (void)slot_for(&fixture, route, CONFIG_CLUSTER, "c");
    put(&fixture, CONFIG_ROUTE, "r", route);
    fixture_run(&fixture);
    config_store_unsubscribe(fixture.store, &fixture.worker);
    config_store_free(fixture.store);
    uint32_t swaps = fixture.control_swaps;
    fixture_run(&fixture);
    ck_assert_uint_eq(fixture.control_swaps, swaps);
    io_context_deinit(&fixture.worker);
    io_context_deinit(&fixture.control);
}
END_TEST

START_TEST(config_store_pin_within_a_snapshot_costs_no_mail) {
    struct fixture fixture;
    fixture_init(&fixture);
    struct config_part *route = part_new(CONFIG_ROUTE, "r", NULL);
    put(&fixture, CONFIG_ROUTE, "r", route);
    fixture_run(&fixture);
    uint32_t refs = route->refs;
    config_pin(&fixture.control, route);
    config_unpin(&fixture.control, route);
    fixture_run(&fixture);
    ck_assert_uint_eq(route->refs, refs);
    fixture_deinit(&fixture);
}
END_TEST

START_TEST(config_store_late_subscriber_gets_the_present_snapshot) {
    struct fixture fixture = {0};
    ck_assert_int_eq(io_context_init(&fixture.worker, 0, clock_system(), NULL), STATUS_OK);
    ck_assert_int_eq(io_context_init(&fixture.control, 1, clock_system(), NULL), STATUS_OK);
    fixture.store = config_store_new(&fixture.control);
    config_store_subscribe(fixture.store, &fixture.control, on_control_swap, &fixture);
    put(&fixture, CONFIG_CLUSTER, "a", part_new(CONFIG_CLUSTER, "a", NULL));
    config_store_publish(fixture.store);
    config_store_subscribe(fixture.store, &fixture.worker, on_worker_swap, &fixture);
    ck_assert_uint_eq(fixture.worker_swaps, 1);
    ck_assert_uint_eq(fixture.worker.snapshot->generation, 1);
    fixture_deinit(&fixture);
}
END_TEST

START_TEST(config_store_free_with_mail_under_way_frees_all) {
    struct fixture fixture;
    fixture_init(&fixture);
    int freed = 0;
    put(&fixture, CONFIG_CLUSTER, "a", part_new(CONFIG_CLUSTER, "a", &freed));
    config_store_publish(fixture.store); // the worker never looks
    fixture_deinit(&fixture);
    ck_assert_int_eq(freed, 1);
}
END_TEST

START_TEST(config_store_intern_is_stable) {
    struct fixture fixture;
    fixture_init(&fixture);
    uint32_t a = config_store_intern(fixture.store, SLICE("a"));
    uint32_t b = config_store_intern(fixture.store, SLICE("b"));
    ck_assert_uint_ne(a, b);
    ck_assert_uint_eq(config_store_intern(fixture.store, SLICE("a")), a);
    ck_assert(slice_equal(config_store_interned(fixture.store, b), SLICE("b")));
    fixture_deinit(&fixture);
}
END_TEST

enum { THREADS = 2, ROUNDS = 400, PINS = 16 };

struct worker {
    struct io_context io;
    pthread_t thread;
    struct config_part *pinned[PINS];
    uint32_t next;
    uint64_t swaps;
    uint64_t sum;
};

// Each swap pins the present part and lets go of one pinned PINS swaps ago.
static void on_thread_swap(void *arg, const struct config_snapshot *previous,
                           const struct config_snapshot *current) {
    struct worker *worker = arg;
    (void)previous;
    struct config_part *part = config_snapshot_part(current, CONFIG_ROUTE, 0);
    uint32_t at = worker->next++ % PINS;
    if (worker->pinned[at] != NULL) {
        worker->sum += worker->pinned[at]->name.len;
        config_unpin(&worker->io, worker->pinned[at]);
    }
    worker->pinned[at] = part;
    if (part != NULL) {
        config_pin(&worker->io, part);
    }
    worker->swaps++;
}

static void *run_worker(void *arg) {
    struct worker *worker = arg;
    event_loop_run(worker->io.loop);
    for (size_t i = 0; i < PINS; i++) {
        if (worker->pinned[i] != NULL) {
            config_unpin(&worker->io, worker->pinned[i]);
        }
    }
    return NULL;
}

static void stop_loop(void *arg) {
    event_loop_stop(arg);
}

START_TEST(config_store_threads_share_parts_and_free_all) {
    struct io_context control;
    struct worker workers[THREADS] = {0};
    ck_assert_int_eq(io_context_init(&control, THREADS, clock_system(), NULL), STATUS_OK);
    struct config_store *store = config_store_new(&control);
    for (uint32_t i = 0; i < THREADS; i++) {
        ck_assert_int_eq(io_context_init(&workers[i].io, i, clock_system(), NULL), STATUS_OK);
        config_store_subscribe(store, &workers[i].io, on_thread_swap, &workers[i]);
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]), 0);
    }
    int freed = 0;
    uint32_t slot = config_store_slot(store, CONFIG_ROUTE, SLICE("r"));
    for (int i = 0; i < ROUNDS; i++) {
        config_store_put(store, CONFIG_ROUTE, slot, part_new(CONFIG_ROUTE, "r", &freed));
        (void)event_loop_run_once(control.loop, 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        mailbox_call(workers[i].io.mailbox, stop_loop, workers[i].io.loop);
        ck_assert_int_eq(pthread_join(workers[i].thread, NULL), 0);
        ck_assert_uint_eq(workers[i].swaps, ROUNDS);
        config_store_unsubscribe(store, &workers[i].io);
        io_context_deinit(&workers[i].io);
    }
    config_store_free(store);
    io_context_deinit(&control);
    ck_assert_int_eq(freed, ROUNDS);
}
END_TEST

/* ---- telling ---- */

struct told {
    uint32_t threads[2], ended;
};

static void on_told(void *arg, struct io_context *io) {
    struct told *told = arg;
    ck_assert_uint_eq(told->ended, 0);
    told->threads[io->index]++;
}

static void on_all_told(void *arg) {
    struct told *told = arg;
    told->ended++;
}

START_TEST(config_store_tells_each_thread_and_holds_the_part) {
    struct fixture fixture;
    fixture_init(&fixture);
    int freed = 0;
    struct told told = {0};
    struct config_part *part = part_new(CONFIG_LISTENER, "a", &freed);
    ck_assert_uint_eq(config_store_threads(fixture.store), 2);
    config_store_tell(fixture.store, part, on_told, on_all_told, &told);
    config_part_unref(part);
    ck_assert_uint_eq(told.threads[1], 1); // control, at once
    ck_assert_uint_eq(told.threads[0], 0);
    (void)event_loop_run_once(fixture.control.loop, 0);
    ck_assert_uint_eq(told.ended, 0);
    ck_assert_int_eq(freed, 0);
    fixture_run(&fixture);
    ck_assert_uint_eq(told.threads[0], 1);
    ck_assert_uint_eq(told.threads[1], 1);
    ck_assert_uint_eq(told.ended, 1);
    ck_assert_int_eq(freed, 1);
    fixture_deinit(&fixture);
}
END_TEST

START_TEST(config_store_tells_nothing_to_a_thread_that_ended) {
    struct fixture fixture;
    fixture_init(&fixture);
    int freed = 0;
    struct told told = {0};
    struct config_part *part = part_new(CONFIG_LISTENER, "a", &freed);
    config_store_tell(fixture.store, part, on_told, on_all_told, &told);
    config_part_unref(part);
    config_store_unsubscribe(fixture.store, &fixture.worker);
    fixture_run(&fixture);
    ck_assert_uint_eq(told.threads[0], 0);
    ck_assert_uint_eq(told.ended, 1);
    ck_assert_int_eq(freed, 1);
    fixture_deinit(&fixture);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("config_store");
    TCase *tcase = tcase_create("all");
    tcase_add_test(tcase, config_part_cleanups_run_last_first);
    tcase_add_test(tcase, config_store_publishes_once_at_the_end_of_the_turn);
    tcase_add_test(tcase, config_store_publishes_what_the_runtime_says);
    tcase_add_test(tcase, config_store_change_and_back_publishes_nothing);
    tcase_add_test(tcase, config_store_replaced_part_is_freed_when_all_have_swapped);
    tcase_add_test(tcase, config_store_removed_name_is_not_found);
    tcase_add_test(tcase, config_store_pinned_part_outlives_its_removal);
    tcase_add_test(tcase, config_store_part_retires_when_all_have_swapped_though_pinned);
    tcase_add_test(tcase, config_store_part_that_is_put_again_does_not_retire);
    tcase_add_test(tcase, config_store_slot_is_the_names_while_it_is_held);
    tcase_add_test(tcase, config_store_slot_that_nobody_holds_stays_while_it_is_filled);
    tcase_add_test(tcase, config_store_old_numbers_find_nothing_under_a_new_name);
    tcase_add_test(tcase, config_store_context_goes_with_the_last_that_names_it);
    tcase_add_test(tcase, config_store_parts_may_outlive_the_store);
    tcase_add_test(tcase, config_store_publishes_nothing_once_it_is_freed);
    tcase_add_test(tcase, config_store_pin_within_a_snapshot_costs_no_mail);
    tcase_add_test(tcase, config_store_late_subscriber_gets_the_present_snapshot);
    tcase_add_test(tcase, config_store_free_with_mail_under_way_frees_all);
    tcase_add_test(tcase, config_store_intern_is_stable);
    tcase_add_test(tcase, config_store_threads_share_parts_and_free_all);
    tcase_add_test(tcase, config_store_tells_each_thread_and_holds_the_part);
    tcase_add_test(tcase, config_store_tells_nothing_to_a_thread_that_ended);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
