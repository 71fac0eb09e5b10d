// SPDX-License-Identifier: Apache-2.0
/*
 * For the tests of this folder: a loop on virtual time. Each suite runs twice, the second time with
 * sessions that are packed in the turn after their last stream.
 */
#ifndef SRC_HTTP_H2_H2_TEST_WORLD_H
#define SRC_HTTP_H2_H2_TEST_WORLD_H

#include <check.h>

#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/http/h2/h2_shared.h"

static bool test_packs_at_once;

struct test_world {
    struct virtual_clock clock;
    struct io_context io;
};

static inline void test_world_init(struct test_world *world) {
    virtual_clock_init(&world->clock, 1700000000000000);
    ck_assert_int_eq(io_context_init(&world->io, 0, &world->clock.base, NULL), STATUS_OK);
    if (test_packs_at_once) {
        h2_shared_get(&world->io)->rest.delay_ms = 0;
    }
}
static inline void test_world_deinit(struct test_world *world) {
    if (test_packs_at_once) {
        h2_shared_unref(&world->io);
    }
    io_context_deinit(&world->io);
}
static inline void test_turn(struct test_world *world) {
    event_loop_run_once(world->io.loop, 0);
}
static inline void test_advance_ms(struct test_world *world, uint64_t ms) {
    virtual_clock_advance(&world->clock, ms * 1000);
    test_turn(world);
}

static inline int test_run_both(Suite *(*suite)(void)) {
    int failed = 0;
    for (int mode = 0; mode < 2; mode++) {
        test_packs_at_once = mode == 1;
        SRunner *runner = srunner_create(suite());
        srunner_run_all(runner, CK_NORMAL);
        failed += srunner_ntests_failed(runner);
        srunner_free(runner);
    }
    return failed == 0 ? 0 : 1;
}

#endif
