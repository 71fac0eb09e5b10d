// SPDX-License-Identifier: Apache-2.0
/*
 * The life of one request: from the codec's first byte to the access log. It owns the stream's arena,
 * filter chain, route cache and timers; everything that could call back is cancelled with it. It is
 * freed at the end of the turn in which it finished, so that callers up the stack stay safe.
 * Its state is the request half, the response half and the filters'.
 */
#ifndef SRC_STREAM_HTTP_STREAM_H
#define SRC_STREAM_HTTP_STREAM_H

#include "src/event/event_loop.h"
#include "src/event/timer.h"
#include "src/filter_chain/http_filter_chain.h"
#include "src/http/packed_headers.h"
#include "src/route/route_table.h"
#include "src/stream/http_connection.h"

enum stream_half {
    STREAM_HALF_IDLE,    /* no header block yet */
    STREAM_HALF_HEADERS, /* header block seen, body may follow */
    STREAM_HALF_ENDED,
};

struct http_stream {
    uint32_t magic;
    struct list_node node; /* in the connection's list */
    struct http_connection *conn;
    struct http_codec_stream *codec; /* NULL once the codec forgot it */
    struct arena arena;              /* the stream itself, its chain, what lives as long as they */
    struct arena heads; /* the maps and texts of heads; emptied when the stream is a tunnel */
    struct stream_info info;
    struct http_filter_chain chain;
    enum stream_half request, response;
    struct header_map *request_headers;
    /* route */
    struct route_part *route_config; /* pinned; NULL: none, or released */
    const struct virtual_host *vhost;
    const struct route *route;
    const struct weighted_cluster *weighted;
    bool is_route_resolved;
    uint64_t random;
    /* of a settled tunnel, where somebody will ask for them; else both NULL */
    struct packed_headers *packed_request, *packed_response;
    /* facts */
    bool is_head, is_grpc, is_upgrade, is_tunnel_open, is_internal;
    bool is_http2_upgrade; /* came as extended CONNECT, is answered in that form */
    bool chain_created;
    int32_t request_pauses; /* undone at the end, where the connection goes on */
    bool is_finished;
    bool close_connection; /* after the response */
    uint32_t recreations;
    /* timers */
    uint32_t idle_timeout_ms;
    uint32_t duration_ms; /* from the stream's begin; CONFIG_TIMEOUT_UNSET: no limit */
    struct timer idle_timer, limit_timer;
    struct event_deferred deferred; /* recreate, then free */
};

/* From the connection: a request begins on `codec`; fills in `sink`. */
struct http_stream *http_stream_new(struct http_connection *conn, struct http_codec_stream *codec,
                                    struct http_stream_sink *sink);
/* The codec found the request malformed: answers `status` and ends. */
void http_stream_bad_request(struct http_stream *stream, uint32_t status, const char *detail);

/* The route configuration, pinned at first use until the stream ends or settles; NULL: none. */
const struct route_part *http_stream_route_config(struct http_stream *stream);
/* Resolves route configuration, virtual host, route (cached). */
const struct route *http_stream_route(struct http_stream *stream);
void http_stream_clear_route(struct http_stream *stream);
void http_stream_set_route_cluster(struct http_stream *stream, uint32_t cluster_slot,
                                   struct slice name);

/* Answers in the proxy's own name; resets where an answer has begun. One that a filter holds is replaced
 * and goes past the filters. */
void http_stream_local_reply(struct http_stream *stream, const struct local_reply *reply);
/* Ends both directions without an answer. */
void http_stream_abort(struct http_stream *stream, enum http_reset_reason reason,
                       struct slice details);
/* The overload manager takes back what the stream holds: ends both directions, and with HTTP/1.1 the
 * connection, at once. */
void http_stream_overload_reset(struct http_stream *stream);
void http_stream_log_input(const struct http_stream *stream, struct log_format_input *input);

/* stream_settle.c: an open tunnel, which may rest for days, keeps a copy of what the access log may ask
 * for and lets go of heads and route configuration; filters' overrides keep the latter. At the end of the
 * turn in which it was opened. */
void http_stream_settle(struct http_stream *stream);
/* The heads that it packed are there again, for the stream's end. */
void http_stream_restore_heads(struct http_stream *stream);

/* stream_timeouts.c */
void http_stream_timeouts_init(struct http_stream *stream);
void http_stream_timeouts_route(struct http_stream *stream);
void http_stream_timeouts_cancel(struct http_stream *stream);
/* The worker's scale of timeouts was `before` until now. */
void http_stream_timeouts_rescale(struct http_stream *stream, uint32_t before);
/* Any byte in either direction. */
void http_stream_activity(struct http_stream *stream);

/* stream_filters.c: the chain's host */
extern const struct http_filter_chain_host_ops http_stream_host_ops;
void http_stream_create_chain(struct http_stream *stream);
/* Directly to the codec, past the filters. */
void http_stream_send_informational(struct http_stream *stream, const struct header_map *headers);
void http_stream_send_headers(struct http_stream *stream, struct header_map *headers,
                              bool end_stream);
void http_stream_send_data(struct http_stream *stream, struct buffer *data, bool end_stream);

/* The response's last byte is with the codec. */
void http_stream_response_ended(struct http_stream *stream);
void http_stream_finish(struct http_stream *stream);

#endif
