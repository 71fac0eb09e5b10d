// SPDX-License-Identifier: Apache-2.0
/*
 * One worker's listeners: accepts on its sockets, keeps the connections, and follows the snapshot (new
 * listeners start, removed ones stop accepting and drain; an update keeps every connection whose filter
 * chain is unchanged). Everything on the worker's thread.
 */
#ifndef SRC_LISTENER_WORKER_LISTENERS_H
#define SRC_LISTENER_WORKER_LISTENERS_H

#include "src/config/config_snapshot.h"
#include "src/listener/drain.h"

struct io_context;
struct network_filter;
struct worker_listeners;

/* What all workers share; outlives them. */
struct listener_limits {
    uint64_t max_connections; /* process-wide; 0: none */
    _Atomic uint64_t connections;
    _Atomic uint64_t refused; /* connections, because of the limit */
};

struct worker_listeners_options {
    struct io_context *io;
    const struct drain_settings *drain;
    struct listener_limits *limits;
    /* Called once after a drain when the last connection is gone. NULL: not interested. */
    void (*on_drained)(void *arg);
    void *arg;
};

struct worker_listeners *worker_listeners_new(const struct worker_listeners_options *options);
/* Closes what is open. */
void worker_listeners_free(struct worker_listeners *listeners);
/* A config_swap_fn. */
void worker_listeners_on_snapshot(void *listeners, const struct config_snapshot *previous,
                                  const struct config_snapshot *current);
/* Asks all (`inbound_only`: inbound listeners') connections to finish. `stop_accepting`: at once. */
void worker_listeners_drain(struct worker_listeners *listeners, bool immediate, bool inbound_only,
                            bool stop_accepting);
/* /healthcheck/fail and /ok: connections of listeners with drain type DEFAULT close at their next
 * response while it is failed. */
void worker_listeners_set_health_failed(struct worker_listeners *listeners, bool failed);
/* While paused, new connections wait in the kernel's queue: all but those of listeners that bypass the
 * overload manager. */
void worker_listeners_pause_accepting(struct worker_listeners *listeners, bool pause);
/* Calls `visit` for each network filter of each open connection; it may close them. */
void worker_listeners_visit(struct worker_listeners *listeners,
                            void (*visit)(void *arg, struct network_filter *filter), void *arg);
/* The worker's scale of timeouts was `before` until now: moves what limits handshakes. */
void worker_listeners_rescale_timeouts(struct worker_listeners *listeners, uint32_t before);
uint64_t worker_listeners_connection_count(const struct worker_listeners *listeners);

#endif
