// SPDX-License-Identifier: Apache-2.0
/*
 * One listener on one worker, private to src/listener: its accept watches, its connections, its drain.
 */
#ifndef SRC_LISTENER_WORKER_LISTENER_H
#define SRC_LISTENER_WORKER_LISTENER_H

#include "src/listener/downstream_connection.h"
#include "src/listener/listener_stats.h"
#include "src/listener/worker_listeners.h"

struct accept_watch {
    struct event_watch watch;
    struct worker_listener *listener;
    uint32_t address_index;
    int fd;
};

struct worker_listener {
    struct list_node node; /* in worker_listeners: by slot while served, else among the retired */
    struct worker_listeners *owner;
    uint32_t slot;
    struct listener_part *config; /* in the snapshot; NULL once removed */
    struct stats_scope *stats;    /* referenced by `config` or by the connections' parts */
    struct accept_watch *watches;
    uint32_t watch_count;
    struct list_node connections;
    uint64_t connection_count;
    struct drain_state drain;
    bool is_inbound;
    bool is_accept_paused; /* out of file descriptors */
    struct timer resume_timer;
};

struct io_context *worker_listener_io(const struct worker_listener *listener);
const struct worker_listeners_options *
worker_listener_options(const struct worker_listener *listener);
const struct drain_state *worker_listener_server_drain(const struct worker_listener *listener);
const bool *worker_listener_health_failed(const struct worker_listener *listener);
/* A connection is gone; a retired listener goes with its last one. */
void worker_listener_closed(struct worker_listener *listener, struct downstream_connection *conn);

#endif
