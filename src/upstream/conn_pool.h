// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP connections of one io_context to one host, for one priority, transport socket identity and
 * protocol. Requests get a stream on a ready connection (the one used last, so that the others may fall
 * idle) or wait in order while connections are made, under the cluster's breakers. A draining pool takes
 * no new requests, closes what is idle and goes when the rest has ended. One thread; nothing here calls
 * a request's owner from within a request's own call.
 */
#ifndef SRC_UPSTREAM_CONN_POOL_H
#define SRC_UPSTREAM_CONN_POOL_H

#include "src/upstream/upstream_connect.h"

struct http_client;
struct upstream_request;

struct conn_pool {
    uint32_t magic;
    struct list_node node; /* in host->pools or host->draining */
    struct list_node idle; /* in manager->idle_pools */
    struct worker_host *host;
    struct upstream_manager *manager;
    /* Identity. */
    const struct cluster_part *part; /* compared only: it may be gone */
    bool is_high;
    enum upstream_protocol protocol;
    struct slice sni;
    struct connect_settings settings;
    struct upstream_http_config http;
    uint32_t max_streams;   /* per HTTP/2 connection, ours */
    bool is_multiplexed;    /* AUTO: what the last handshake chose; at first a guess */
    struct list_node ready; /* struct http_client with a free stream; front: last used */
    struct list_node busy;  /* all streams taken */
    struct list_node connecting;
    struct list_node draining; /* no new streams */
    struct list_node closed;   /* freed at the end of the turn */
    struct list_node pending;  /* struct upstream_request */
    uint32_t pending_count;
    uint64_t connecting_capacity; /* streams that the connecting ones will have */
    uint32_t client_count;        /* all, closed ones not yet freed included */
    uint32_t request_count;       /* upstream_requests that have not been ended */
    bool is_draining;
};

/* What a request needs: the matching pool of `host`, made at need. NULL: the pool breaker is open. */
struct conn_pool *conn_pool_get(struct worker_host *host, const struct cluster_part *part,
                                const struct upstream_request_options *options);
void conn_pool_drain(struct conn_pool *pool);
/* Closes all connections now. */
void conn_pool_close(struct conn_pool *pool);
/* Frees the closed connections now instead of at the end of the turn. */
void conn_pool_release_closed(struct conn_pool *pool);
/* All lists are empty. */
void conn_pool_free(struct conn_pool *pool);
bool conn_pool_is_unused(const struct conn_pool *pool);
/* Looks whether the pool may go; called whenever something left it. */
void conn_pool_check_unused(struct conn_pool *pool);

/* Puts the request on a ready connection or in the queue; false: a breaker is open. */
bool conn_pool_submit(struct conn_pool *pool, struct upstream_request *request);
/* A waiting request goes. */
void conn_pool_unqueue(struct conn_pool *pool, struct upstream_request *request);

/* From clients. */
void conn_pool_client_ready(struct conn_pool *pool);
void conn_pool_connect_failed(struct conn_pool *pool, bool timed_out, struct slice reason);
/* Connections for what waits, as far as the breakers allow. */
void conn_pool_grow(struct conn_pool *pool);

static inline struct cluster_state *conn_pool_state(const struct conn_pool *pool) {
    return pool->host->cluster->state;
}
static inline struct circuit_breaker *conn_pool_breaker(const struct conn_pool *pool) {
    return &pool->host->cluster->state->breakers[pool->is_high ? 1 : 0];
}
static inline void conn_pool_count(const struct conn_pool *pool, enum cluster_stat stat) {
    stats_inc(conn_pool_state(pool)->stats, pool->manager->io->index, stat);
}
static inline void conn_pool_uncount(const struct conn_pool *pool, enum cluster_stat stat) {
    stats_dec(conn_pool_state(pool)->stats, pool->manager->io->index, stat);
}

#endif
