// SPDX-License-Identifier: Apache-2.0
/*
 * One upstream HTTP connection of a pool: the glue between net/connection and a client codec, its
 * streams' requests, watermarks both ways, idle and age limits, HTTP/2 keepalive. Freed at the end of
 * the turn in which it closed.
 */
#ifndef SRC_UPSTREAM_HTTP_CLIENT_H
#define SRC_UPSTREAM_HTTP_CLIENT_H

#include "src/upstream/conn_pool.h"

/* CONNECTING -> READY <-> BUSY -> DRAINING -> CLOSED; any -> CLOSED */
enum http_client_state {
    HTTP_CLIENT_CONNECTING, /* in pool->connecting */
    HTTP_CLIENT_READY,      /* takes another stream */
    HTTP_CLIENT_BUSY,       /* all streams taken */
    HTTP_CLIENT_DRAINING,   /* takes no more; closes with its last stream */
    HTTP_CLIENT_CLOSED,     /* waits to be freed */
};

struct http_client {
    uint32_t magic;
    enum http_client_state state;
    struct list_node node; /* in a list of the pool */
    struct conn_pool *pool;
    struct connection *connection; /* NULL: could not even be started */
    struct http_codec *codec;      /* NULL while connecting */
    enum http_protocol protocol;
    struct list_node requests; /* struct upstream_request with a stream, or about to have one */
    uint32_t active;           /* number of them */
    uint32_t max_streams;      /* at a time */
    uint32_t counted_capacity; /* in pool->connecting_capacity */
    uint32_t served;           /* streams so far */
    uint64_t created_us;
    uint64_t rx_reported;
    struct timer idle_timer, age_timer, ping_timer, pong_timer;
    struct event_deferred release;
    struct error *start_error; /* where `connection` is NULL */
    bool is_above_high;
    bool was_cut_off; /* closed under a request, by us or by the peer */
};

/* Starts connecting; the connection breaker's slot that was taken for it is given back at its end.
 * `expected_streams` of those that wait can count on it. */
void http_client_start(struct conn_pool *pool, uint32_t expected_streams);
/* The client is READY. */
void http_client_attach(struct http_client *client, struct upstream_request *request);
/* The request's stream ended, or never came about. `keep` false: the connection must not be used again. */
void http_client_detach(struct http_client *client, struct upstream_request *request, bool keep);
/* No new streams; closed now when idle. */
void http_client_drain(struct http_client *client);
void http_client_close(struct http_client *client);
/* Frees a closed client. */
void http_client_release(struct http_client *client);

#endif
