// SPDX-License-Identifier: Apache-2.0
/*
 * Runs the HTTP filters of one stream (or one upstream attempt): the order of calls, what is held where,
 * and that nothing is called after the end. Embedded in its host, which gives the two ends: what left
 * the encode chain goes to the host, what the terminal filter answers comes in by http_filter_encode_*.
 * All memory is the stream's arena and the thread's buffer pool. One thread.
 */
#ifndef SRC_FILTER_CHAIN_HTTP_FILTER_CHAIN_H
#define SRC_FILTER_CHAIN_HTTP_FILTER_CHAIN_H

#include "src/access_log/log_format.h"
#include "src/filter_chain/http_filter.h"

struct http_filter_chain;

/* The stream behind the chain. All members are required but the last. */
struct http_filter_chain_host_ops {
    void (*encode_informational)(void *host, struct header_map *headers);
    void (*encode_headers)(void *host, struct header_map *headers, bool end_stream);
    void (*encode_data)(void *host, struct buffer *data, bool end_stream);
    void (*encode_trailers)(void *host, struct header_map *trailers);
    void (*local_reply)(void *host, const struct local_reply *reply);
    void (*reset)(void *host, enum http_reset_reason reason, struct slice details);
    void (*pause_request)(void *host, bool pause); /* counted */
    const struct route *(*route)(void *host);
    const struct virtual_host *(*virtual_host)(void *host);
    const struct route_part *(*route_config)(void *host);
    const struct weighted_cluster *(*weighted_cluster)(void *host);
    void (*clear_route)(void *host);
    void (*set_route_cluster)(void *host, uint32_t cluster_slot, struct slice name);
    bool (*recreate)(void *host);
    void (*log_input)(const void *host, struct log_format_input *input);
    bool (*is_load_shed)(void *host);
};

/* Where one filter stands in one direction. */
enum filter_stop {
    FILTER_FLOWING,
    FILTER_HOLDING,             /* data callbacks run; over the limit the message fails */
    FILTER_HOLDING_WATERMARKED, /* data callbacks run; over the limit the source pauses */
    FILTER_PAUSED,              /* no callbacks; over the limit the source pauses */
};
struct filter_direction {
    enum filter_stop stop;
    bool headers_pending;  /* called, not yet passed on */
    bool ended_by_headers; /* the headers were the whole message */
    bool data_ended;       /* the end came with data that is held or was consumed */
    bool data_end_passed;
    bool trailers_pending; /* arrived, not yet passed on */
    bool trailers_called;
    bool trailers_added; /* by this filter, from its data callback */
    bool source_paused;  /* this filter's held bytes keep the source paused */
    bool in_callback;
    struct buffer *held; /* in the chain's arena; NULL: nothing has been held */
};
static inline size_t filter_direction_held_bytes(const struct filter_direction *direction) {
    return direction->held == NULL ? 0 : direction->held->len;
}
struct filter_slot {
    struct http_filter *filter;
    struct filter_direction decode, encode;
};

struct http_filter_chain {
    const struct http_filter_chain_host_ops *ops;
    void *host;
    struct arena *arena;
    struct io_context *io;
    struct stream_info *info;
    struct filter_slot *slots;
    uint32_t count;
    uint32_t decode_limit_bytes, encode_limit_bytes;
    struct header_map *request_headers, *request_trailers;
    struct header_map *response_headers, *response_trailers;
    uint32_t encode_pauses; /* reasons why the response source is paused */
    bool decode_aborted;    /* a local reply or the end: no decode callback any more */
    bool encode_aborted;
    bool response_started;     /* response headers entered the encode chain */
    bool response_headers_out; /* and left it */
    bool is_local_reply;
    bool is_destroyed;
};

void http_filter_chain_init(struct http_filter_chain *chain,
                            const struct http_filter_chain_host_ops *ops, void *host,
                            struct arena *arena, struct io_context *io, struct stream_info *info,
                            uint32_t buffer_limit_bytes);
/* Makes the instances: those that a route's overrides disable are left out (`overrides`: most specific
 * first, NULL-terminated list of levels). */
void http_filter_chain_create(struct http_filter_chain *chain,
                              const struct http_filter_config *configs, uint32_t count,
                              const struct filter_overrides *const *overrides);

/* The request, from the codec. */
void http_filter_chain_decode_headers(struct http_filter_chain *chain, struct header_map *headers,
                                      bool end_stream);
void http_filter_chain_decode_data(struct http_filter_chain *chain, struct buffer *data,
                                   bool end_stream);
void http_filter_chain_decode_trailers(struct http_filter_chain *chain,
                                       struct header_map *trailers);

/* A local reply through all encode callbacks. Stops decoding. `body` may be empty. */
void http_filter_chain_local_reply(struct http_filter_chain *chain, const struct local_reply *reply,
                                   struct header_map *headers, struct buffer *body);
/* The client's side went above its high mark or back: tells the filters, the terminal one pauses its
 * source. Counted together with what filters hold. */
void http_filter_chain_pause_response(struct http_filter_chain *chain, bool pause);
void http_filter_chain_route_changed(struct http_filter_chain *chain);
void http_filter_chain_route_released(struct http_filter_chain *chain);
/* The maps of both heads go away; and they are there again, for the stream's end. */
void http_filter_chain_release_heads(struct http_filter_chain *chain);
void http_filter_chain_restore_heads(struct http_filter_chain *chain, struct header_map *request,
                                     struct header_map *response);
/* False: no filter looks at anything when the stream is complete. */
bool http_filter_chain_wants_completion(const struct http_filter_chain *chain);
void http_filter_chain_stream_complete(struct http_filter_chain *chain);
/* on_destroy of every filter, held bytes dropped. Idempotent. */
void http_filter_chain_destroy(struct http_filter_chain *chain);

#endif
