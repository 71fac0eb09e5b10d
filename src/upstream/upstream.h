// SPDX-License-Identifier: Apache-2.0
/*
 * The upstream side of one io_context: looks up clusters in the thread's snapshot, chooses hosts, owns
 * the connection pools. Everything here is called on the io_context's thread. Hosts are chosen anew at
 * each attempt from the current snapshot, so a removed cluster or host is never used again.
 */
#ifndef SRC_UPSTREAM_UPSTREAM_H
#define SRC_UPSTREAM_UPSTREAM_H

#include "src/access_log/stream_info.h"
#include "src/config/config_snapshot.h"
#include "src/http/codec.h"
#include "src/upstream/host.h"

struct cluster_manager;
struct connection;
struct upstream_manager;
struct upstream_request;
struct upstream_tcp;

/* One per thread; registers with the store through `clusters` and sets io->upstream. */
struct upstream_manager *upstream_manager_new(struct io_context *io,
                                              struct cluster_manager *clusters);
/* Requests are gone; closes all connections. */
void upstream_manager_free(struct upstream_manager *manager);
/* Drain: idle connections are closed now, others when their streams end. */
void upstream_manager_drain(struct upstream_manager *manager);

/* What a balancer may look at. Zeroed: nothing known. */
struct lb_context {
    bool has_hash;
    uint64_t hash;
    const struct metadata *metadata_match; /* subset keys of route and weighted cluster */
    const struct header_map *request_headers;
    const struct connection_info *downstream; /* ORIGINAL_DST, per-connection pools */
    /* Retry predicates: true refuses the host; asked up to `max_attempts` times. NULL: none. */
    bool (*refuse)(void *arg, const struct host *host);
    void *refuse_arg;
    uint32_t max_attempts;
    /* Fixed host ("ip:port") that must be used where it exists: stateful sessions. */
    struct slice override_host;
    bool override_strict;
};

enum upstream_failure {
    UPSTREAM_FAILURE_NONE,
    UPSTREAM_FAILURE_NO_CLUSTER,  /* NC */
    UPSTREAM_FAILURE_NO_HOST,     /* UH */
    UPSTREAM_FAILURE_DROPPED,     /* drop_overloads: DO */
    UPSTREAM_FAILURE_DROPPED_ALL, /* drop_overloads of 100 %: UDO */
    UPSTREAM_FAILURE_OVERFLOW,    /* a breaker of connections or requests: UO */
    UPSTREAM_FAILURE_PENDING,     /* the breaker of what waits for a connection: UO */
};

struct upstream_request_options {
    struct io_context *io;
    struct arena *arena; /* the attempt's; outlives it */
    uint32_t cluster_slot;
    bool priority_high;
    struct lb_context lb;
    enum http_protocol downstream_protocol;
    bool is_upgrade;            /* needs a connection that can carry it (WebSocket, CONNECT) */
    struct slice sni_override;  /* the host header; counts where the cluster says auto_sni */
    struct upstream_info *info; /* filled in as facts become known */
    /* Response events, watermarks and on_reset of this attempt; on_stream_closed when both ended. */
    struct http_stream_sink sink;
    /* The stream is on a connection; the request will be serialised now. NULL: not interested. */
    void (*on_pool_ready)(void *arg);
    uint32_t buffer_limit_bytes; /* of request bytes that wait for a connection */
};

/* Chooses a host and asks its pool. The answer never comes from within this call: an attempt that
 * fails later ends with the sink's on_reset (OVERFLOW, CONNECTION_FAILURE, …). Where no host or cluster
 * is there, or a breaker is open, returns NULL and says why in *failure. */
struct upstream_request *upstream_request_start(const struct upstream_request_options *options,
                                                enum upstream_failure *failure);
/* In order, headers once. Before the pool is ready they are kept (body bytes by move; above
 * buffer_limit_bytes the sink's on_above_high_watermark). The header map must stay as it is until the
 * request's end or on_pool_ready. */
void upstream_request_headers(struct upstream_request *request, const struct header_map *headers,
                              bool end_stream);
void upstream_request_data(struct upstream_request *request, struct buffer *data, bool end_stream);
void upstream_request_trailers(struct upstream_request *request, const struct header_map *trailers);
/* Counted pause of the response. */
void upstream_request_read_disable(struct upstream_request *request, bool disable);
/* Ends the attempt: no callback follows. Also needed after on_stream_closed or on_reset, in which case
 * it only lets go; the request is dead afterwards. */
void upstream_request_end(struct upstream_request *request, enum http_reset_reason reason);
/* Body bytes held for it, here and on its connection, in both directions. */
size_t upstream_request_held_bytes(const struct upstream_request *request);
struct host *upstream_request_host(const struct upstream_request *request);
/* The cluster as it is now; NULL once it was removed. */
const struct cluster_part *upstream_request_cluster(const struct upstream_request *request);

/* A raw connection to a host of the cluster (tcp_proxy, CONNECT termination). */
struct upstream_tcp_callbacks {
    void (*on_ready)(void *arg, struct connection *connection); /* now the caller's callbacks */
    /* `reason` NULL-terminated static or connection text; `timed_out`: the connect timeout. */
    void (*on_failure)(void *arg, struct slice reason, bool timed_out);
};
struct upstream_tcp_options {
    struct io_context *io;
    struct arena *arena; /* of what `info` points to */
    uint32_t cluster_slot;
    struct lb_context lb;
    struct slice sni_override;
    struct upstream_info *info;
    const struct upstream_tcp_callbacks *callbacks;
    void *arg;
};
struct upstream_tcp *upstream_tcp_start(const struct upstream_tcp_options *options,
                                        enum upstream_failure *failure);
/* Before on_ready: gives up. Afterwards: closes the connection (flushed or not) and settles stats and
 * breakers; the connection is freed by this. */
void upstream_tcp_end(struct upstream_tcp *tcp, bool flush);
/* For the statistics: the last word was the peer's. Before upstream_tcp_end. */
void upstream_tcp_ended_by_peer(struct upstream_tcp *tcp);

/* Feedback for stats and outlier detection: called once by the terminal filter per attempt. */
void upstream_report_response(struct io_context *io, const struct upstream_request *request,
                              uint32_t status);
/* Likewise, for an answer that is not passed on because the attempt is made again. */
void upstream_report_retried(struct io_context *io, const struct upstream_request *request,
                             uint32_t status);
/* An interim response, in addition to the final one; only counted. */
void upstream_report_interim(struct io_context *io, const struct upstream_request *request,
                             uint32_t status);
/* An answer that the proxy gave in the cluster's place counts among its status codes too. */
void upstream_report_local_reply(struct io_context *io, uint32_t cluster_slot, uint32_t status,
                                 bool is_internal);
void upstream_report_local_failure(struct io_context *io, struct host *host, uint32_t cluster_slot,
                                   bool timed_out);

/* Retry breaker: false when max_retries or the budget is used up (counted as overflow). */
bool upstream_retry_acquire(struct io_context *io, uint32_t cluster_slot, bool priority_high);
void upstream_retry_release(struct io_context *io, uint32_t cluster_slot, bool priority_high);

struct stats_scope *upstream_cluster_stats(struct io_context *io, uint32_t cluster_slot);

#endif
