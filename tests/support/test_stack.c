// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_stack.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/event/mailbox.h"
#include "tests/support/raw_peer.h"

/* ---- turns ---- */

void test_stack_turn(struct test_stack *stack) {
    (void)event_loop_run_once(stack->control.loop, 0);
    for (uint32_t i = 0; i < stack->worker_count; i++) {
        (void)event_loop_run_once(stack->workers[i].loop, 0);
    }
    LIST_FOR_EACH_SAFE (node, &stack->raw_peers) {
        raw_peer_poll(LIST_ENTRY(node, struct raw_peer, node));
    }
}

void test_stack_turns(struct test_stack *stack, int count) {
    for (int i = 0; i < count; i++) {
        test_stack_turn(stack);
    }
}

void test_stack_advance(struct test_stack *stack, uint64_t ms) {
    virtual_clock_advance(&stack->clock, ms * 1000);
    test_stack_turns(stack, 20);
}

/* ---- the log ---- */

static void log_entry(struct access_log *base, struct io_context *io,
                      const struct log_format_input *input) {
    struct test_log *log = (struct test_log *)(void *)base;
    struct test_log_entry *entry = &log->entries[log->count++ % TEST_LOG_ENTRIES];
    (void)io;
    *entry = (struct test_log_entry){
        .flags = input->info->response_flags,
        .code = input->info->response_code,
        .attempts = stream_info_upstream(input->info)->attempts,
        .bytes_received = input->info->bytes_received,
        .bytes_sent = input->info->bytes_sent,
    };
    (void)snprintf(entry->details, sizeof(entry->details), "%.*s",
                   SLICE_ARG(input->info->response_code_details));
}

static void log_free(struct access_log *log) {
    (void)log;
}

static const struct access_log_ops log_ops = {.log = log_entry, .free = log_free};

const struct test_log_entry *test_stack_log(const struct test_stack *stack) {
    ck_assert_msg(stack->log.count > 0, "nothing was logged");
    return &stack->log.entries[(stack->log.count - 1) % TEST_LOG_ENTRIES];
}

bool test_log_has_flag(const struct test_log_entry *entry, enum response_flag flag) {
    return (entry->flags & (UINT64_C(1) << flag)) != 0;
}

/* ---- set-up ---- */

static void on_drained(void *arg) {
    ((struct test_stack *)arg)->drained_workers++;
}

static void init_worker(struct test_stack *stack, uint32_t index) {
    struct io_context *io = &stack->workers[index];
    struct error err = {0};
    ck_assert_int_eq(io_context_init(io, index, &stack->clock.base, &err), STATUS_OK);
    random_init_seed(&io->random, index + 1);
    stack->upstreams[index] = upstream_manager_new(io, stack->clusters);
    struct worker_listeners_options options = {
        .io = io,
        .drain = &stack->drain,
        .limits = &stack->limits,
        .on_drained = on_drained,
        .arg = stack,
    };
    stack->worker_listeners[index] = worker_listeners_new(&options);
    config_store_subscribe(stack->store, io, worker_listeners_on_snapshot,
                           stack->worker_listeners[index]);
}

void test_stack_init(struct test_stack *stack, uint32_t workers) {
    *stack = (struct test_stack){.worker_count = workers, .drain = {.drain_time_ms = 600000}};
    struct error err = {0};
    virtual_clock_init(&stack->clock, UINT64_C(1700000000000000));
    list_init(&stack->raw_peers);
    stack->log.base.ops = &log_ops;
    stack->log.list[0] = &stack->log.base;
    ck_assert_int_eq(io_context_init(&stack->control, workers, &stack->clock.base, &err),
                     STATUS_OK);
    random_init_seed(&stack->control.random, 99);
    stack->stats = stats_registry_new(workers + 1);
    stack->store = config_store_new(&stack->control);
    stack->clusters = cluster_manager_new(&stack->control, stack->store, stack->stats);
    stack->listeners = listener_manager_new(&stack->control, stack->store, stack->stats, workers);
    for (uint32_t i = 0; i < workers; i++) {
        init_worker(stack, i);
    }
    test_stack_turns(stack, 2);
}

static bool is_busy(const struct stats_visit *visit) {
    return visit->kind == STAT_GAUGE && visit->value != 0 &&
           slice_ends_with(visit->full_name, SLICE("_active")) &&
           !slice_starts_with(visit->full_name, SLICE("listener_manager."));
}

static void note_busy(void *arg, const struct stats_visit *visit) {
    bool *any = arg;
    *any = *any || is_busy(visit);
}

static void check_idle(void *arg, const struct stats_visit *visit) {
    (void)arg;
    ck_assert_msg(!is_busy(visit), "%.*s is %llu", SLICE_ARG(visit->full_name),
                  (unsigned long long)visit->value);
}

static bool is_idle(const struct test_stack *stack) {
    bool any_busy = false;
    stats_visit_all(stack->stats, note_busy, &any_busy);
    return !any_busy;
}

static void assert_idle(const struct test_stack *stack) {
    stats_visit_all(stack->stats, check_idle, NULL);
}

void test_stack_await_idle(struct test_stack *stack) {
    for (int i = 0; i < TEST_STACK_MAX_TURNS && !is_idle(stack); i++) {
        test_stack_turn(stack);
    }
    assert_idle(stack);
}

void test_stack_deinit(struct test_stack *stack) {
    for (uint32_t i = 0; i < stack->worker_count; i++) {
        worker_listeners_free(stack->worker_listeners[i]);
        upstream_manager_free(stack->upstreams[i]);
        config_store_unsubscribe(stack->store, &stack->workers[i]);
    }
    test_stack_turns(stack, 3);
    assert_idle(stack);
    cluster_manager_free(stack->clusters);
    test_stack_turns(stack, 3);
    config_store_free(stack->store);
    test_stack_turns(stack, 3);
    listener_manager_free(stack->listeners);
    ck_assert(list_is_empty(&stack->raw_peers));
    for (uint32_t i = 0; i < stack->worker_count; i++) {
        io_context_deinit(&stack->workers[i]);
    }
    io_context_deinit(&stack->control);
    stats_registry_free(stack->stats);
}

/* ---- stats ---- */

struct stat_search {
    struct slice name;
    bool found;
    uint64_t value;
};

static void on_stat(void *arg, const struct stats_visit *visit) {
    struct stat_search *search = arg;
    if (slice_equal(visit->full_name, search->name)) {
        search->found = true;
        search->value = visit->value;
    }
}

uint64_t test_stack_stat(const struct test_stack *stack, const char *name) {
    struct stat_search search = {.name = slice_from_string(name)};
    stats_visit_all(stack->stats, on_stat, &search);
    ck_assert_msg(search.found, "no stat %s", name);
    return search.value;
}

/* ---- text ---- */

void test_text_add(struct test_text *text, const void *bytes, size_t len) {
    if (text->len + len + 1 > text->capacity) {
        text->capacity = (text->len + len + 1) * 2;
        text->bytes = mem_realloc(text->bytes, text->capacity);
    }
    if (len > 0) {
        memcpy(text->bytes + text->len, bytes, len);
    }
    text->len += len;
    text->bytes[text->len] = '\0';
}

void test_text_clear(struct test_text *text) {
    text->len = 0;
    if (text->bytes != NULL) {
        text->bytes[0] = '\0';
    }
}

void test_text_free(struct test_text *text) {
    mem_free(text->bytes);
    *text = (struct test_text){0};
}

const char *test_text_get(const struct test_text *text) {
    return text->bytes == NULL ? "" : text->bytes;
}

/* ---- headers ---- */

struct header_map *test_headers(struct arena *arena, const char *name, ...) {
    struct header_map *map = ARENA_NEW(arena, struct header_map);
    header_map_init(map, arena);
    va_list rest;
    va_start(rest, name);
    for (; name != NULL; name = va_arg(rest, const char *)) {
        struct slice value = slice_from_string(va_arg(rest, const char *));
        ck_assert_int_eq(header_map_add(map, arena_dup_slice(arena, slice_from_string(name)),
                                        arena_dup_slice(arena, value)),
                         STATUS_OK);
    }
    va_end(rest);
    return map;
}

const char *test_header(const struct header_map *map, const char *name) {
    if (map == NULL) {
        return NULL;
    }
    struct slice value =
        header_map_get_joined(map, slice_from_string(name), SLICE("|"), map->arena);
    return value.ptr == NULL ? NULL : arena_dup_string(map->arena, value);
}

int test_run(Suite *suite) {
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
