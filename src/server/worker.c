// SPDX-License-Identifier: Apache-2.0
#include "src/server/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "src/access_log/access_log.h"
#include "src/base/check.h"
#include "src/config/config_store.h"
#include "src/event/event_loop.h"
#include "src/event/mailbox.h"
#include "src/event/timer.h"
#include "src/overload/overload_probe.h"
#include "src/overload/overload_stats.h"
#include "src/stream/http_connection.h"
#include "src/stream/stream_memory.h"
#include "src/upstream/upstream.h"

struct worker {
    struct worker_options options;
    struct io_context io;
    struct worker_listeners *listeners;
    struct upstream_manager *upstream;
    struct timer flush_timer;
    struct timer trim_timer;
    struct event_deferred reset, after_reset; /* of streams */
    pthread_t thread;
    bool is_running;
};

/* ---- on the worker's thread ---- */

static void on_flush(void *arg) {
    struct worker *worker = arg;
    file_writer_flush(worker->options.files, &worker->io);
    timer_arm(worker->io.loop, &worker->flush_timer, worker->options.file_flush_ms);
}

static void on_trim(void *arg) {
    struct worker *worker = arg;
    io_context_trim_unused(&worker->io);
    timer_arm(worker->io.loop, &worker->trim_timer, IO_TRIM_INTERVAL_MS);
}

static void *run(void *arg) {
    struct worker *worker = arg;
    char name[16];
    (void)snprintf(name, sizeof(name), "wrk:worker_%u", worker->options.index);
    (void)pthread_setname_np(pthread_self(), name);
    timer_arm(worker->io.loop, &worker->flush_timer, worker->options.file_flush_ms);
    timer_arm(worker->io.loop, &worker->trim_timer, IO_TRIM_INTERVAL_MS);
    event_loop_run(worker->io.loop);
    worker_listeners_free(worker->listeners);
    worker->listeners = NULL;
    upstream_manager_free(worker->upstream);
    worker->upstream = NULL;
    timer_cancel(&worker->flush_timer);
    timer_cancel(&worker->trim_timer);
    event_loop_defer_cancel(&worker->reset);
    event_loop_defer_cancel(&worker->after_reset);
    file_writer_flush(worker->options.files, &worker->io);
    return NULL;
}

static void on_listeners_drained(void *arg) {
    struct worker *worker = arg;
    mailbox_call(worker->options.control, worker->options.on_drained, worker->options.arg);
}

struct drain_order {
    struct mail mail;
    struct worker *worker;
    bool immediate, inbound_only, stop_accepting;
};

static void deliver_drain(struct mail *mail) {
    struct drain_order *order = CONTAINER_OF(mail, struct drain_order, mail);
    worker_listeners_drain(order->worker->listeners, order->immediate, order->inbound_only,
                           order->stop_accepting);
    mem_free(order);
}

static void health_failed(void *arg) {
    struct worker *worker = arg;
    worker_listeners_set_health_failed(worker->listeners, true);
}

static void health_ok(void *arg) {
    struct worker *worker = arg;
    worker_listeners_set_health_failed(worker->listeners, false);
}

static void pause_accepting(void *arg) {
    struct worker *worker = arg;
    worker_listeners_pause_accepting(worker->listeners, true);
}

static void resume_accepting(void *arg) {
    struct worker *worker = arg;
    worker_listeners_pause_accepting(worker->listeners, false);
}

static void shrink_heap(void *arg) {
    struct worker *worker = arg;
    // What was in use since the last call stays at the first.
    io_context_trim_unused(&worker->io);
    io_context_trim_unused(&worker->io);
}

/* ---- when memory is short ---- */

static void ask_for_refresh(struct worker *worker) {
    if (!atomic_exchange_explicit(&worker->options.overload->is_refresh_asked, true,
                                  memory_order_relaxed)) {
        mailbox_call(worker->options.control, worker->options.on_memory, worker->options.arg);
    }
}

static bool may_reset(const struct worker *worker) {
    const struct overload_state *state = worker->options.overload;
    return overload_scale(state, OVERLOAD_RESET_HIGH_MEMORY_STREAM) > 0 &&
           state->config->tracked_power > 0 && worker->listeners != NULL;
}

/* Behind the turn's other work: the streams' memory is in the pools now. */
static void after_reset(void *arg) {
    struct worker *worker = arg;
    worker->io.holds_reads = false;
    shrink_heap(worker);
    ask_for_refresh(worker);
}

static void reset_streams(void *arg) {
    struct worker *worker = arg;
    if (may_reset(worker)) {
        const struct overload_state *state = worker->options.overload;
        struct stream_memory memory;
        stream_memory_init(&memory, state->config->tracked_power,
                           overload_scale(state, OVERLOAD_RESET_HIGH_MEMORY_STREAM));
        worker_listeners_visit(worker->listeners, stream_memory_add, &memory);
        stats_add(worker->options.stream_resets, worker->io.index, STREAM_RESET_STAT_COUNT,
                  stream_memory_reset(&memory));
    }
}

static void on_reset_deferred(void *arg) {
    struct worker *worker = arg;
    reset_streams(worker);
    event_loop_defer(worker->io.loop, &worker->after_reset);
}

/* From within an allocation: what is to be done is left to the end of the turn. Until then nothing more
 * is read. */
static void on_growth(void *arg) {
    struct worker *worker = arg;
    overload_probe(worker->options.overload);
    if (may_reset(worker)) {
        worker->io.holds_reads = true;
        event_loop_defer(worker->io.loop, &worker->reset);
    } else {
        ask_for_refresh(worker);
    }
}

static void watch_growth(struct worker *worker) {
    event_deferred_init(&worker->reset, on_reset_deferred, worker);
    event_deferred_init(&worker->after_reset, after_reset, worker);
    if (worker->options.overload->config == NULL) {
        return;
    }
    worker->io.growth = (struct block_growth){
        .budget_bytes = &worker->options.overload->growth_budget_bytes,
        .on_used_up = on_growth,
        .arg = worker,
    };
}

static void rescale_timeouts(void *arg) {
    struct worker *worker = arg;
    uint32_t before = worker->io.timeout_scale;
    worker->io.timeout_scale = overload_scale(worker->options.overload, OVERLOAD_REDUCE_TIMEOUTS);
    if (worker->io.timeout_scale != before && worker->listeners != NULL) {
        worker_listeners_rescale_timeouts(worker->listeners, before);
        worker_listeners_visit(worker->listeners, http_connection_rescale_timeouts, &before);
    }
}

/* ---- on the control thread ---- */

struct worker *worker_new(const struct worker_options *options, struct error *err) {
    struct worker *worker = mem_calloc(1, sizeof(*worker));
    worker->options = *options;
    if (io_context_init(&worker->io, options->index, options->clock, err) != STATUS_OK) {
        mem_free(worker);
        return NULL;
    }
    worker->io.overload = options->overload;
    watch_growth(worker);
    timer_init(&worker->flush_timer, on_flush, worker);
    timer_init(&worker->trim_timer, on_trim, worker);
    worker->upstream = upstream_manager_new(&worker->io, options->clusters);
    struct worker_listeners_options listeners = {
        .io = &worker->io,
        .drain = options->drain,
        .limits = options->limits,
        .on_drained = on_listeners_drained,
        .arg = worker,
    };
    worker->listeners = worker_listeners_new(&listeners);
    config_store_subscribe(options->store, &worker->io, worker_listeners_on_snapshot,
                           worker->listeners);
    return worker;
}

enum status worker_start(struct worker *worker, struct error *err) {
    /* Signals are the control thread's. */
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&worker->thread, NULL, run, worker);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0) {
        return error_set(err, STATUS_IO, "cannot start worker %u", worker->options.index);
    }
    worker->is_running = true;
    return STATUS_OK;
}

void worker_drain(struct worker *worker, bool immediate, bool inbound_only, bool stop_accepting) {
    struct drain_order *order = mem_calloc(1, sizeof(*order));
    *order = (struct drain_order){
        .mail = {.deliver = deliver_drain},
        .worker = worker,
        .immediate = immediate,
        .inbound_only = inbound_only,
        .stop_accepting = stop_accepting,
    };
    mailbox_post(worker->io.mailbox, &order->mail);
}

void worker_set_health_failed(struct worker *worker, bool failed) {
    mailbox_call(worker->io.mailbox, failed ? health_failed : health_ok, worker);
}

void worker_pause_accepting(struct worker *worker, bool pause) {
    mailbox_call(worker->io.mailbox, pause ? pause_accepting : resume_accepting, worker);
}

void worker_shrink_heap(struct worker *worker) {
    mailbox_call(worker->io.mailbox, shrink_heap, worker);
}

void worker_reset_streams(struct worker *worker) {
    mailbox_call(worker->io.mailbox, reset_streams, worker);
}

size_t worker_mapped_bytes(const struct worker *worker) {
    return atomic_load_explicit(&worker->io.mapped_bytes, memory_order_relaxed);
}

void worker_rescale_timeouts(struct worker *worker) {
    mailbox_call(worker->io.mailbox, rescale_timeouts, worker);
}

void worker_stop(struct worker *worker) {
    if (worker->is_running) {
        event_loop_stop(worker->io.loop);
        (void)pthread_join(worker->thread, NULL);
        worker->is_running = false;
    }
}

void worker_free(struct worker *worker) {
    if (worker == NULL) {
        return;
    }
    worker_stop(worker);
    config_store_unsubscribe(worker->options.store, &worker->io);
    worker_listeners_free(worker->listeners);
    upstream_manager_free(worker->upstream);
    io_context_deinit(&worker->io);
    mem_free(worker);
}
