// SPDX-License-Identifier: Apache-2.0
/*
 * The interface of an HTTP filter: a const vtable (NULL member: pass through) and a small instance in
 * the stream's arena. Decoding runs in chain order (request, client to upstream), encoding in reverse.
 * The same vtable serves a downstream chain and an upstream (per attempt) chain. One thread.
 *
 * Verdicts. On headers:  CONTINUE  go on with the next filter.
 *                        HOLD      later filters wait; my data callback still runs.
 *                        PAUSE     nobody is called, me neither, until http_filter_continue: the body
 *                                  buffers before me, then its source pauses.
 *           On data:     CONTINUE  pass on (and what is held).
 *                        HOLD      keep buffering; over the limit: 413 (request), 500 (response).
 *                        PAUSE     keep buffering; over the limit the source pauses.
 *                        CONSUMED  the bytes are mine now (I moved or drained them).
 *           On trailers: CONTINUE or HOLD.
 * A filter that held calls http_filter_continue later (never from within the callback that held).
 * A local reply ends both directions exactly once; after it, or after on_destroy, nothing is called.
 */
#ifndef SRC_FILTER_CHAIN_HTTP_FILTER_H
#define SRC_FILTER_CHAIN_HTTP_FILTER_H

#include "src/access_log/stream_info.h"
#include "src/base/buffer.h"
#include "src/config/common_config.h"
#include "src/config/ledger.h"
#include "src/http/codec.h"

struct ProtobufCMessage;
struct filter_config_context;
struct http_filter;
struct http_filter_chain;
struct log_format_input;
struct io_context;
struct route;
struct route_part;
struct timer;

enum http_filter_verdict {
    HTTP_FILTER_CONTINUE,
    HTTP_FILTER_HOLD,
    HTTP_FILTER_PAUSE,
    HTTP_FILTER_CONSUMED, /* data only */
};

/* Heads, and every slice of them, are valid until the stream opens as a tunnel (an upgrade or a CONNECT
 * was granted), else until its end. A filter that needs a text in a tunnel copies it into
 * http_filter_arena. Sanitizer builds see it where one does not: the memory is poisoned. */
struct http_filter_ops {
    enum http_filter_verdict (*decode_headers)(struct http_filter *f, struct header_map *headers,
                                               bool end_stream);
    enum http_filter_verdict (*decode_data)(struct http_filter *f, struct buffer *data,
                                            bool end_stream);
    enum http_filter_verdict (*decode_trailers)(struct http_filter *f, struct header_map *trailers);
    enum http_filter_verdict (*encode_informational)(struct http_filter *f,
                                                     struct header_map *headers);
    enum http_filter_verdict (*encode_headers)(struct http_filter *f, struct header_map *headers,
                                               bool end_stream);
    enum http_filter_verdict (*encode_data)(struct http_filter *f, struct buffer *data,
                                            bool end_stream);
    enum http_filter_verdict (*encode_trailers)(struct http_filter *f, struct header_map *trailers);
    /* The cached route was cleared or replaced. */
    void (*on_route_changed)(struct http_filter *f);
    /* The stream is a tunnel from now on and has no route any more: nothing of it may be kept. Not
     * called where the route configuration has anything for any filter. */
    void (*on_route_released)(struct http_filter *f);
    /* The stream is a tunnel from now on: no head is there any more until on_stream_complete, neither map
     * nor any text of it. Called once, whether or not the route was released. */
    void (*on_heads_released)(struct http_filter *f);
    /* The body source should slow down / go on (towards the client of this chain). */
    void (*on_above_write_watermark)(struct http_filter *f);
    void (*on_below_write_watermark)(struct http_filter *f);
    /* Another filter (or the proxy) sent a local reply. */
    void (*on_local_reply)(struct http_filter *f, uint32_t status, struct slice details);
    /* The stream is over and will be logged; headers are still there. */
    void (*on_stream_complete)(struct http_filter *f);
    /* Body bytes that the filter keeps beside what the chain holds for it. */
    size_t (*held_bytes)(const struct http_filter *f);
    /* Cancel timers and calls; the last call. */
    void (*on_destroy)(struct http_filter *f);
};

/* First member of every filter's instance. */
struct http_filter {
    const struct http_filter_ops *ops;
    struct http_filter_chain *chain;
    const struct http_filter_config
        *config;    /* name, owner; ->config is the factory's parse result */
    uint32_t index; /* in the chain */
};

/* One per filter type, const; `is_terminal` (router) ends the chain. */
struct http_filter_factory {
    const char *name;               /* "envoy.filters.http.rbac" */
    const char *type_url;           /* full message name, without the prefix */
    const char *per_route_type_url; /* NULL: none */
    bool is_terminal;
    bool upstream_allowed; /* may stand in upstream_http_filters */
    /* Control thread: turn the typed_config into an immutable object in context->arena; errors go to
     * context->validation. NULL where the configuration is empty. */
    const void *(*parse)(struct filter_config_context *context,
                         const struct ProtobufCMessage *message);
    const void *(*parse_route)(struct filter_config_context *context,
                               const struct ProtobufCMessage *message);
    /* Worker: an instance in `arena`; NULL adds nothing to this stream (cheap opt-out). */
    struct http_filter *(*create)(const void *config, struct arena *arena, struct io_context *io);
    const struct ledger_message *ledger;
    uint32_t ledger_count;
};

/* ---- what a filter may ask of its chain (all on the stream's thread) ---- */

struct arena *http_filter_arena(const struct http_filter *f);
struct io_context *http_filter_io(const struct http_filter *f);
struct stream_info *http_filter_info(const struct http_filter *f);
/* NULL before they arrived, and in an open tunnel. */
struct header_map *http_filter_request_headers(const struct http_filter *f);
struct header_map *http_filter_request_trailers(const struct http_filter *f);
struct header_map *http_filter_response_headers(const struct http_filter *f);
struct header_map *http_filter_response_trailers(const struct http_filter *f);

/* Ends a HOLD or PAUSE of the direction; goes on with the next filter. */
void http_filter_continue_decoding(struct http_filter *f);
void http_filter_continue_encoding(struct http_filter *f);
/* Bytes held before this filter; may be edited in place while held. Never NULL. */
struct buffer *http_filter_decoding_buffer(struct http_filter *f);
struct buffer *http_filter_encoding_buffer(struct http_filter *f);
/* Data as if it came after what this filter passed on; moves from `data`. */
void http_filter_inject_decoded_data(struct http_filter *f, struct buffer *data, bool end_stream);
void http_filter_inject_encoded_data(struct http_filter *f, struct buffer *data, bool end_stream);
/* From a data callback with end_stream only: the message gets (these) trailers, filters after this
 * one see end_stream false and then the trailers. */
struct header_map *http_filter_add_decoded_trailers(struct http_filter *f);
struct header_map *http_filter_add_encoded_trailers(struct http_filter *f);
/* How much of the request may be held or kept, in bytes; 0: no limit. */
uint32_t http_filter_decoder_buffer_limit(const struct http_filter *f);
/* A new limit for the held body of this stream; only ever raised. Bytes. */
void http_filter_set_decoder_buffer_limit(struct http_filter *f, uint32_t bytes);
void http_filter_set_encoder_buffer_limit(struct http_filter *f, uint32_t bytes);

struct local_reply {
    uint32_t status;
    struct slice body;       /* copied */
    struct slice details;    /* response code details; static or in the stream's arena */
    int32_t grpc_status;     /* -1: derived from `status` */
    enum response_flag flag; /* RESPONSE_FLAG_COUNT: none */
    /* May add headers; NULL: none. */
    void (*modify)(void *arg, struct header_map *headers);
    void *arg;
};
void http_filter_local_reply(struct http_filter *f, const struct local_reply *reply);
/* Aborts the stream without a reply. */
void http_filter_reset_stream(struct http_filter *f, enum http_reset_reason reason,
                              struct slice details);

/* The route, matched at first use and cached. NULL: no route, or released. */
const struct route *http_filter_route(struct http_filter *f);
const struct virtual_host *http_filter_virtual_host(struct http_filter *f);
const struct route_part *http_filter_route_config(struct http_filter *f);
/* Forgets it: the next use matches again over the present headers. */
void http_filter_clear_route(struct http_filter *f);
/* Replaces the cached route's cluster for this stream (cluster slot). */
void http_filter_set_route_cluster(struct http_filter *f, uint32_t cluster_slot, struct slice name);
/* This filter's per-route configuration: the most specific level (weighted cluster, route, virtual
 * host, route configuration), NULL for none. */
const void *http_filter_route_specific(struct http_filter *f);
/* All levels, least specific first; returns how many of `max` were stored. */
uint32_t http_filter_route_levels(struct http_filter *f, const void **configs, uint32_t max);
/* The weighted cluster drawn for this stream. */
const struct weighted_cluster *http_filter_weighted_cluster(struct http_filter *f);

/* Runs the stream again from the start with its present request headers (internal redirect); false
 * where that is impossible (body not whole). The filter must have the request's end. */
bool http_filter_recreate_stream(struct http_filter *f);

/* Terminal filters: the response enters here; it passes all other filters' encode callbacks. */
void http_filter_encode_informational(struct http_filter *f, struct header_map *headers);
void http_filter_encode_headers(struct http_filter *f, struct header_map *headers, bool end_stream);
void http_filter_encode_data(struct http_filter *f, struct buffer *data, bool end_stream);
void http_filter_encode_trailers(struct http_filter *f, struct header_map *trailers);
/* Terminal filters: pause / resume the client's body, counted. */
void http_filter_pause_request(struct http_filter *f, bool pause);
/* True while the client's side is above its high mark. */
bool http_filter_is_response_paused(const struct http_filter *f);

/* True: the overload manager wants the request turned away (http_downstream_filter_check). */
bool http_filter_is_load_shed(struct http_filter *f);

/* Formats over this stream's facts. */
void http_filter_log_input(const struct http_filter *f, struct log_format_input *input);

#endif
