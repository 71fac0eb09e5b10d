// SPDX-License-Identifier: Apache-2.0
/*
 * The HTTP connection manager of one downstream connection: a terminal network filter that runs the
 * codec, opens a http_stream per request, and ends the connection in order (idle, duration, drain,
 * protocol errors). Owned by its filter chain's connection, on its worker. The configuration it gets is
 * a http_connection_shared, made once per filter chain on the control thread.
 */
#ifndef SRC_STREAM_HTTP_CONNECTION_H
#define SRC_STREAM_HTTP_CONNECTION_H

#include "src/config/listener_config.h"
#include "src/event/event_loop.h"
#include "src/event/timer.h"
#include "src/filter_chain/network_filter.h"
#include "src/http/codec.h"
#include "src/stats/stats.h"

/* What all connections of one filter chain share; lies in the listener part's arena. */
struct http_connection_shared {
    const struct http_connection_manager_config *config;
    struct stats_scope *stats;          /* hcm_stat_table; referenced by the listener part */
    struct stats_scope *listener_stats; /* hcm_listener_stat_table */
    /* Of the codecs, one for all connection managers: http1_stat_table, http2_stat_table. */
    struct stats_scope *http1_stats, *http2_stats;
    struct slice node_id, node_cluster; /* of the bootstrap */
    bool bypass_overload;               /* the listener's */
};

enum http_connection_drain {
    HTTP_CONNECTION_SERVING,
    HTTP_CONNECTION_NOTICED, /* told the client that the end is near; new streams are still taken */
    HTTP_CONNECTION_CLOSING, /* no new streams; closes when the last one ends */
    HTTP_CONNECTION_CLOSED,
};

/* HTTP/2 pings to a client, at an interval. */
struct http_keepalive {
    struct timer timer;
    bool ping_outstanding;
};

struct http_connection {
    struct network_filter base;
    uint32_t magic;
    const struct http_connection_shared *shared;
    const struct http_connection_manager_config *config;
    struct io_context *io;
    const struct overload_state *overload; /* NULL: none that concerns this listener */
    struct http_codec *codec;              /* NULL until the protocol is known */
    struct list_node streams;
    uint32_t stream_count;
    uint64_t stream_total;
    enum http_connection_drain drain;
    bool is_dispatching;
    bool is_tls;
    bool close_after_stream; /* HTTP/1.1: the response in progress is the last */
    bool input_ended;
    bool is_destroy_counted;
    bool is_input_paused;             /* HTTP/1.1: more waits in the input than we want to hold */
    bool is_shutting_down;            /* close as soon as nothing is in progress */
    struct timer idle_timer;          /* also the drain timer once noticed */
    struct timer *duration_timer;     /* NULL: no limit is configured */
    struct http_keepalive *keepalive; /* HTTP/2; NULL: not configured */
    struct event_deferred resume;     /* dispatch what a pipelining client already sent */
    uint64_t bytes_received_seen, bytes_sent_seen;
};

extern const struct network_filter_ops http_connection_ops;

struct network_filter *http_connection_create(const void *shared, struct io_context *io);

/* The worker's scale of timeouts was *before (uint32_t) until now: moves the timers of `filter`, where it
 * is a HTTP connection manager, and of its streams. */
void http_connection_rescale_timeouts(void *before, struct network_filter *filter);

/* ---- for http_stream ---- */
/* The stream is over and was taken off the list; closes or goes on. */
void http_connection_stream_ended(struct http_connection *conn, bool request_was_complete);
/* The response that is about to be sent is the last one on this connection (HTTP/1.1) or the first
 * step of a drain (HTTP/2). Idempotent. */
void http_connection_begin_drain(struct http_connection *conn);
/* True when this response should tell the client to go (drain, max requests, …). */
bool http_connection_should_drain(struct http_connection *conn);
/* Drops what is unsent. */
void http_connection_close_now(struct http_connection *conn);
/* Counted pause of the socket. */
void http_connection_read_disable(struct http_connection *conn, bool disable);
/* At the end of the turn, offers the codec again what it left in the input. */
void http_connection_resume(struct http_connection *conn);
void http_connection_count(struct http_connection *conn, uint32_t stat);
/* The client's side is above its high mark. */
bool http_connection_is_output_full(const struct http_connection *conn);

#endif
