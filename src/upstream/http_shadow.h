// SPDX-License-Identifier: Apache-2.0
/*
 * The copy of a request that a cluster gets beside the one that answers: its body is streamed, what
 * comes back is counted and dropped, and nobody waits for it. It owns its memory and ends by itself:
 * with the answer, a failure, or `timeout_ms` after the request's end; those still there end with their
 * upstream_manager. One io_context.
 */
#ifndef SRC_UPSTREAM_HTTP_SHADOW_H
#define SRC_UPSTREAM_HTTP_SHADOW_H

#include "src/upstream/upstream.h"

struct http_shadow;
struct list_node;

struct http_shadow_options {
    struct io_context *io;
    uint32_t cluster_slot;
    const struct header_map *headers; /* copied, and marked as the proxy's own */
    struct slice authority;           /* in place of that of `headers` */
    uint32_t timeout_ms;              /* after the request's end; 0: none */
    bool tells_timeout;               /* to the upstream, as x-envoy-expected-rq-timeout-ms */
    bool is_upgrade;
    /* Holds the shadow while it takes the rest of the request. Cleared with the request's end, where
     * nobody has a say any more, and where the shadow ends before that. */
    struct http_shadow **slot;
};
/* Where the cluster cannot take it, that is counted and *slot is NULL. Calls nothing back. */
void http_shadow_start(const struct http_shadow_options *options, bool end_stream);
/* The bytes are shared, not taken. False: more than `max_held_bytes` would wait to be sent, and the
 * shadow was given up. */
bool http_shadow_data(struct http_shadow *shadow, const struct buffer *data, bool end_stream,
                      size_t max_held_bytes);
/* Copied. */
void http_shadow_trailers(struct http_shadow *shadow, const struct header_map *trailers);
/* The request will never be whole. */
void http_shadow_cancel(struct http_shadow *shadow);
/* Body bytes that it holds, in both directions. */
size_t http_shadow_held_bytes(const struct http_shadow *shadow);

/* Of upstream_manager_free, before the connections go. */
void http_shadow_end_all(struct list_node *shadows);

#endif
