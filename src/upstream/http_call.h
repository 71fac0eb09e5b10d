// SPDX-License-Identifier: Apache-2.0
/*
 * One whole HTTP exchange with a cluster, for filters and services of the proxy itself (ext_authz, JWKS,
 * exporters): a request with an optional body, the whole response within a limit, a deadline over all,
 * attempts included. The call owns its memory; its owner cancels it or is called back exactly once, never from within the
 * start. One io_context.
 */
#ifndef SRC_UPSTREAM_HTTP_CALL_H
#define SRC_UPSTREAM_HTTP_CALL_H

#include "src/upstream/upstream.h"

struct http_call;

enum http_call_outcome {
    HTTP_CALL_RESPONSE, /* the whole response is there */
    HTTP_CALL_TIMEOUT,
    HTTP_CALL_RESET,       /* `reason` says how */
    HTTP_CALL_TOO_LARGE,   /* the response's body passed the limit */
    HTTP_CALL_NO_UPSTREAM, /* no cluster, no host, or a breaker is open: `failure` */
};

struct http_call_result {
    enum http_call_outcome outcome;
    const struct header_map *headers;  /* RESPONSE; valid until the callback returns */
    const struct header_map *trailers; /* NULL: none */
    struct buffer *body;               /* may be moved away */
    enum http_reset_reason reason;     /* RESET */
    enum upstream_failure failure;     /* NO_UPSTREAM */
};
typedef void http_call_done_fn(void *arg, const struct http_call_result *result);

/* What Envoy makes of a core.v3.RetryPolicy: answers of 500 and above, resets, failed connects and slow
 * attempts are tried again. */
struct http_call_retry {
    bool is_set;
    uint32_t max;             /* attempts after the first */
    uint32_t base_ms, max_ms; /* of the back-off; no attempt may take longer than max_ms */
};

struct http_call_options {
    struct io_context *io;
    uint32_t cluster_slot;
    const struct header_map *headers; /* copied; complete, pseudo headers included */
    struct buffer *body;              /* taken; NULL: none */
    uint32_t timeout_ms;              /* 0: none */
    uint32_t max_body_bytes;          /* 0: 1 MiB */
    struct http_call_retry retry;     /* not for calls with a body: it is not kept */
    struct lb_context lb;             /* what it points to lives until the call's end */
    http_call_done_fn *done;
    void *arg;
};
/* Never NULL: what fails at once is told by `done` in this turn's deferred work. */
struct http_call *http_call_start(const struct http_call_options *options);
/* `done` will not be called; the call is freed. Not from within `done`, which has freed it. */
void http_call_cancel(struct http_call *call);

#endif
