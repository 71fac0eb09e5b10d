// SPDX-License-Identifier: Apache-2.0
/*
 * The layout of a raw upstream connection, for its manager, which must be able to close them all.
 * Nobody else includes this.
 */
#ifndef SRC_UPSTREAM_UPSTREAM_TCP_H
#define SRC_UPSTREAM_UPSTREAM_TCP_H

#include "src/upstream/upstream_connect.h"

struct upstream_tcp {
    uint32_t magic;
    struct list_node node; /* in worker_host.tcp */
    struct upstream_tcp_options options;
    struct worker_host *host;
    struct connect_settings settings;
    struct connection *connection;
    struct error *start_error;      /* NULL: none */
    struct event_deferred deferred; /* a failed start is told; a flushed connection is freed */
    uint64_t created_us;
    bool is_ready;
    bool is_waiting; /* counted against the breaker of what waits for a connection */
    bool is_ended_by_peer;
    bool is_settled; /* breaker and gauges were given back */
};

/* The manager goes away: a connection that still flushes is cut. */
void upstream_tcp_abandon(struct upstream_tcp *tcp);

#endif
