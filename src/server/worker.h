// SPDX-License-Identifier: Apache-2.0
/*
 * One worker: a thread with an io_context, its upstream manager and its listeners. Created and joined by
 * the control thread; told everything else by mail (post), answers to the control mailbox.
 */
#ifndef SRC_SERVER_WORKER_H
#define SRC_SERVER_WORKER_H

#include "src/event/io_context.h"
#include "src/listener/worker_listeners.h"

struct cluster_manager;
struct config_store;
struct file_writer;
struct overload_state;
struct stats_scope;
struct worker;

struct worker_options {
    uint32_t index;
    struct clock *clock;
    struct config_store *store;
    struct cluster_manager *clusters;
    struct file_writer *files;
    uint32_t file_flush_ms;
    const struct drain_settings *drain;
    struct listener_limits *limits;
    struct overload_state *overload;
    struct stats_scope *stream_resets; /* stream_reset_stat_table; outlives the worker */
    struct mailbox *control;
    /* On the control thread: a refresh of the overload manager is asked for. */
    void (*on_memory)(void *arg);
    /* On the control thread, once per worker, when a shutdown has nothing left to wait for. */
    void (*on_drained)(void *arg);
    void *arg;
};

/* Registers with the store; the thread does not run yet. */
struct worker *worker_new(const struct worker_options *options, struct error *err);
enum status worker_start(struct worker *worker, struct error *err) MUST_USE;
/* Drain orders; see worker_listeners_drain. */
void worker_drain(struct worker *worker, bool immediate, bool inbound_only, bool stop_accepting);
void worker_set_health_failed(struct worker *worker, bool failed);
/* New connections wait in the kernel's queue, or are taken again. */
void worker_pause_accepting(struct worker *worker, bool pause);
/* Gives back the memory that its pools hold and nobody uses. */
void worker_shrink_heap(struct worker *worker);
/* Resets the streams that hold most, as far as the overload action is on. */
void worker_reset_streams(struct worker *worker);
/* io_context.mapped_bytes of its thread. */
size_t worker_mapped_bytes(const struct worker *worker);
/* Its timers go by what the overload action reduce_timeouts says now. */
void worker_rescale_timeouts(struct worker *worker);
/* Stops the loop and joins; what is open is closed. */
void worker_stop(struct worker *worker);
void worker_free(struct worker *worker);

#endif
