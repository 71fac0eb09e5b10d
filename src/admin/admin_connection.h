// SPDX-License-Identifier: Apache-2.0
/*
 * The admin's own request loop, for the files of src/admin only: a connection over a server codec, and
 * one exchange per request. A request is read whole (its body up to ADMIN_BODY_LIMIT_BYTES), answered in
 * one go and logged. Objects that end are freed at the end of the loop turn, never under their codec.
 */
#ifndef SRC_ADMIN_ADMIN_CONNECTION_H
#define SRC_ADMIN_ADMIN_CONNECTION_H

#include "src/admin/admin_server.h"
#include "src/base/list.h"
#include "src/event/event_loop.h"
#include "src/event/timer.h"
#include "src/http/codec.h"
#include "src/net/connection.h"
#include "src/stats/stats.h"

enum {
    ADMIN_MAX_CONNECTIONS = 256,
    ADMIN_BODY_LIMIT_BYTES = 64 * 1024,
    ADMIN_IDLE_TIMEOUT_MS = 300 * 1000,
    ADMIN_ACCEPT_PAUSE_MS = 100, /* while out of file descriptors */
};

struct admin {
    uint32_t magic;
    struct admin_options options;
    struct address bound;
    int fd;
    struct event_watch watch;
    struct list_node connections;
    uint32_t connection_count;
    struct timer accept_timer;
    struct timer quit_timer;
    struct stats_scope *http_stats;     /* hcm_stat_table, "http.admin" */
    struct stats_scope *listener_stats; /* listener_stat_table, "listener.admin" */
};

struct admin_connection {
    uint32_t magic;
    struct admin *admin;
    struct list_node node;
    struct connection *socket;
    struct http_codec *codec; /* NULL until the protocol is known */
    struct list_node exchanges;
    struct list_node ended; /* exchanges to free */
    struct event_deferred reap;
    struct timer idle_timer;
    uint64_t accepted_us;
    bool is_closed;
};

struct admin_exchange {
    uint32_t magic;
    struct list_node node;
    struct admin_connection *conn;
    struct http_codec_stream *stream; /* NULL once it is gone */
    struct arena arena;
    struct header_map *headers; /* NULL before they came */
    struct buffer body;         /* of the request */
    bool is_too_large;
    bool is_answered;
    uint32_t status;
    uint64_t start_us, start_wall_us;
    uint64_t received_bytes, sent_bytes; /* of bodies */
};

/* Takes the accepted `fd`. */
void admin_connection_accept(struct admin *admin, int fd, const struct address *remote);
void admin_connection_free(struct admin_connection *conn);
/* The exchange is over and is freed at the end of the turn. */
void admin_connection_exchange_ended(struct admin_connection *conn,
                                     struct admin_exchange *exchange);
/* The server is told to quit, in the next turn. */
void admin_schedule_quit(struct admin *admin);

struct admin_exchange *admin_exchange_new(struct admin_connection *conn,
                                          struct http_codec_stream *stream,
                                          struct http_stream_sink *sink);
void admin_exchange_free(struct admin_exchange *exchange);
/* Answers a request that the codec refused. */
void admin_exchange_refuse(struct admin_exchange *exchange, uint32_t status);

/* The edge defaults' checks of who asks under which name; NULL: allowed, else the reason. */
const char *admin_guard_refusal(const struct admin_options *options, const struct address *remote,
                                const struct header_map *headers);

#endif
