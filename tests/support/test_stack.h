// SPDX-License-Identifier: Apache-2.0
/*
 * The whole data path in one thread: a control io_context and some workers' are run by turns on virtual
 * time, with store, cluster manager, listener manager, pools and worker listeners joined as the server
 * joins them. Fake peers (fake_upstream, test_client, raw_peer) live on the control loop or on plain
 * sockets that each turn polls. Nothing sleeps; waiting is a bounded number of turns.
 */
#ifndef TESTS_SUPPORT_TEST_STACK_H
#define TESTS_SUPPORT_TEST_STACK_H

#include <check.h>

#include "src/access_log/access_log.h"
#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/listener/listener_manager.h"
#include "src/listener/worker_listeners.h"
#include "src/stats/stats.h"
#include "src/upstream/cluster_manager.h"
#include "src/upstream/cluster_state.h"
#include "src/upstream/upstream.h"

enum { TEST_STACK_MAX_WORKERS = 4, TEST_STACK_MAX_TURNS = 20000, TEST_LOG_ENTRIES = 64 };

/* What an access log would have been told. */
struct test_log_entry {
    uint64_t flags; /* bits by enum response_flag */
    uint32_t code;
    uint32_t attempts;
    uint64_t bytes_received, bytes_sent;
    char details[200];
};
struct test_log {
    struct access_log base;
    struct access_log *list[1]; /* for a configuration's access_logs */
    struct test_log_entry entries[TEST_LOG_ENTRIES];
    uint32_t count; /* all ever written */
};

struct test_stack {
    struct virtual_clock clock;
    struct io_context control;
    struct io_context workers[TEST_STACK_MAX_WORKERS];
    uint32_t worker_count;
    struct stats_registry *stats;
    struct config_store *store;
    struct cluster_manager *clusters;
    struct listener_manager *listeners;
    struct upstream_manager *upstreams[TEST_STACK_MAX_WORKERS];
    struct worker_listeners *worker_listeners[TEST_STACK_MAX_WORKERS];
    struct drain_settings drain; /* 600 s, gradual */
    struct listener_limits limits;
    struct list_node raw_peers; /* polled at each turn */
    struct test_log log;
    uint32_t drained_workers;
};

void test_stack_init(struct test_stack *stack, uint32_t workers);
/* Checks that nothing is left open: every *_active gauge is zero. Peers are gone by then. */
void test_stack_deinit(struct test_stack *stack);
void test_stack_turn(struct test_stack *stack);
void test_stack_turns(struct test_stack *stack, int count);
/* Moves the clock, in steps that let timers which timers armed fire, and settles. */
void test_stack_advance(struct test_stack *stack, uint64_t ms);

/* Turns until the condition holds; what never comes fails the test. */
#define RUN_UNTIL(stack, condition)                                                                \
    do {                                                                                           \
        int turns_left_ = TEST_STACK_MAX_TURNS;                                                    \
        while (!(condition) && turns_left_-- > 0) {                                                \
            test_stack_turn(stack);                                                                \
        }                                                                                          \
        ck_assert_msg(condition, "never: %s", #condition);                                         \
    } while (0)

/* The merged value of a counter or gauge by its full name ("http.test.downstream_rq_total"); a name
 * that does not exist fails the test. */
uint64_t test_stack_stat(const struct test_stack *stack, const char *name);
#define ASSERT_STAT(stack, name, value) ck_assert_uint_eq(test_stack_stat(stack, name), value)
/* Turns until all gauges whose name ends in "_active" are zero: what peers closed arrives when the kernel
 * gets to it. Fails with the name of one that stays. */
void test_stack_await_idle(struct test_stack *stack);

/* The newest entry; fails where nothing was logged. */
const struct test_log_entry *test_stack_log(const struct test_stack *stack);
bool test_log_has_flag(const struct test_log_entry *entry, enum response_flag flag);
#define ASSERT_LOGGED(stack, want_code, want_details)                                              \
    do {                                                                                           \
        const struct test_log_entry *entry_ = test_stack_log(stack);                               \
        ck_assert_uint_eq(entry_->code, want_code);                                                \
        ck_assert_str_eq(entry_->details, want_details);                                           \
    } while (0)
#define ASSERT_FLAG(stack, flag)                                                                   \
    ck_assert_msg(test_log_has_flag(test_stack_log(stack), RESPONSE_FLAG_##flag),                  \
                  "no flag %s (0x%llx)", #flag, (unsigned long long)test_stack_log(stack)->flags)

/* Bytes kept by a test. */
struct test_text {
    char *bytes; /* NUL-terminated, NULL where nothing came yet */
    size_t len, capacity;
};
void test_text_add(struct test_text *text, const void *bytes, size_t len);
void test_text_clear(struct test_text *text);
void test_text_free(struct test_text *text);
const char *test_text_get(const struct test_text *text);

/* Name and value pairs up to a NULL. */
struct header_map *test_headers(struct arena *arena, const char *name, ...);
/* The value as a string in the map's arena; NULL: absent. */
const char *test_header(const struct header_map *map, const char *name);

/* Runs a suite as main does. */
int test_run(Suite *suite);

#endif
