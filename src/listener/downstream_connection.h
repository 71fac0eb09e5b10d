// SPDX-License-Identifier: Apache-2.0
/*
 * One accepted connection: first a socket being inspected by listener filters, then a transport with a
 * chain of network filters. Belongs to a worker's listener; pins its listener part; freed at the end of
 * the turn in which it closed.
 */
#ifndef SRC_LISTENER_DOWNSTREAM_CONNECTION_H
#define SRC_LISTENER_DOWNSTREAM_CONNECTION_H

#include "src/base/list.h"
#include "src/config/listener_config.h"
#include "src/event/event_loop.h"
#include "src/event/timer.h"
#include "src/filter_chain/listener_filter.h"
#include "src/filter_chain/network_filter.h"
#include "src/listener/drain.h"

struct worker_listener;
struct downstream_connection;

/* Implements the network_filter_* services. */
struct network_filter_chain {
    struct downstream_connection *owner;
    struct network_filter *first; /* in their order, by `next`; NULL: none */
};

/* Only while listener filters run; freed with the verdict. */
struct inspection {
    struct accepted_socket socket;
    struct event_watch watch;
    struct timer timeout;
    struct buffer input;
    uint32_t filter_index;
    void *filter_state;
    bool ended;
};

/* Its listener version or chain was removed. */
struct connection_removal {
    struct drain_state drain;
    struct timer deadline;
};

struct downstream_connection {
    struct list_node node;
    uint32_t magic;
    struct worker_listener *listener;
    struct listener_part *config; /* pinned */
    const struct filter_chain_config *filter_chain;
    struct io_context *io;
    struct inspection *inspection; /* NULL once a chain is chosen */
    struct connection *connection; /* NULL before */
    struct network_filter_chain chain;
    struct connection_info info; /* its addresses are the inspection's, then the connection's */
    struct arena arena;          /* what only some have: TLS facts, texts, a direct remote */
    struct connection_removal *removal; /* in the arena; NULL: what it runs on is configured */
    struct event_deferred deferred_free;
    bool is_closed;
    bool was_logged;
};

/* Takes the fd. The connection frees itself; it tells the listener by worker_listener_closed. */
void downstream_connection_accept(struct worker_listener *listener, struct listener_part *config,
                                  int fd, const struct address *local,
                                  const struct address *remote);
/* Its configuration is gone: go within the drain time, then be closed. */
void downstream_connection_drain(struct downstream_connection *conn,
                                 const struct drain_settings *settings, bool immediate);
/* Tells the filters that the server or the listener drains. */
void downstream_connection_notify_drain(struct downstream_connection *conn, bool immediate);
/* Calls `visit` for each of its network filters, until it is closed. */
void downstream_connection_visit(struct downstream_connection *conn,
                                 void (*visit)(void *arg, struct network_filter *filter),
                                 void *arg);
void downstream_connection_close_now(struct downstream_connection *conn);

/* downstream_inspect.c */
/* Runs the listener filters; calls downstream_connection_start when they are done. */
void downstream_inspect_start(struct downstream_connection *conn, int fd,
                              const struct address *local, const struct address *remote);
void downstream_inspect_free(struct downstream_connection *conn, bool close_fd);
/* Chooses the chain and starts transport and filters. */
void downstream_connection_start(struct downstream_connection *conn);
void downstream_connection_abort(struct downstream_connection *conn, const char *details);

#endif
