// SPDX-License-Identifier: Apache-2.0
/*
 * The layout of an upstream_request, shared with its pool and connection. Nobody else includes this.
 */
#ifndef SRC_UPSTREAM_UPSTREAM_REQUEST_INTERNAL_H
#define SRC_UPSTREAM_UPSTREAM_REQUEST_INTERNAL_H

#include "src/upstream/http_client.h"

/* PENDING -> RESERVED -> ACTIVE -> DONE; any -> DONE */
enum upstream_request_state {
    UPSTREAM_REQUEST_PENDING,  /* waits in its pool */
    UPSTREAM_REQUEST_RESERVED, /* has a place on a connection; the stream opens later in this turn */
    UPSTREAM_REQUEST_ACTIVE,   /* has a stream */
    UPSTREAM_REQUEST_DONE,     /* closed or reset; waits for upstream_request_end */
};

struct upstream_request {
    uint32_t magic;
    enum upstream_request_state state;
    struct list_node node; /* in pool->pending or client->requests */
    /* of its options, what is needed after the choice of the host */
    struct io_context *io;
    struct arena *arena;
    struct upstream_info *info;
    struct http_stream_sink sink;
    void (*on_pool_ready)(void *arg);
    uint32_t cluster_slot;
    uint32_t buffer_limit_bytes;
    struct conn_pool *pool;
    struct http_client *client;       /* RESERVED, ACTIVE */
    struct http_codec_stream *stream; /* ACTIVE */
    struct event_deferred open;
    const struct header_map *headers;  /* NULL: not given yet, or encoded */
    const struct header_map *trailers; /* waiting */
    struct buffer body;                /* waiting */
    bool end_with_headers, end_with_body;
    bool has_headers; /* given */
    bool is_internal; /* x-envoy-internal: true */
    bool is_upgraded; /* the connection is no longer HTTP/1 */
    bool is_connect;
    bool is_body_above, is_connection_above; /* reasons of above_count */
    struct slice upgrade_protocol;           /* sent as extended CONNECT; empty: not */
    uint32_t above_count;
    uint32_t read_disable_count;
    uint64_t complete_us; /* when our direction ended */
};
enum { UPSTREAM_REQUEST_MAGIC = 0x55525131 };

/* From the pool and the connection. The request is off all their lists. */
void upstream_request_fail(struct upstream_request *request, enum http_reset_reason reason,
                           const char *detail);
/* Got its place; the stream opens at the end of the turn. */
void upstream_request_reserved(struct upstream_request *request, struct http_client *client);
/* The connection filled up or drained. */
void upstream_request_connection_above(struct upstream_request *request, bool is_above);
/* The connection goes away before the stream was opened. */
void upstream_request_lost(struct upstream_request *request);

#endif
