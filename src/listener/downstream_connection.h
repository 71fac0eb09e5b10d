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
    struct network_filter **filters;
    uint32_t count;
    uint32_t stopped_at; /* index of the filter that said STOP; UINT32_MAX: none */
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
    struct connection_info info;
    struct address local, remote;
    struct arena arena;       /* texts of the facts; the direct remote, where it is another */
    struct drain_state drain; /* its listener version or chain was removed */
    const struct drain_state *listener_drain, *server_drain;
    const bool *health_failed;
    struct timer drain_deadline;
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
void downstream_connection_close_now(struct downstream_connection *conn);

/* downstream_inspect.c */
/* Runs the listener filters; calls downstream_connection_start when they are done. */
void downstream_inspect_start(struct downstream_connection *conn, int fd);
void downstream_inspect_free(struct downstream_connection *conn, bool close_fd);
/* Chooses the chain and starts transport and filters. */
void downstream_connection_start(struct downstream_connection *conn);
void downstream_connection_abort(struct downstream_connection *conn, const char *details);

#endif
