// SPDX-License-Identifier: Apache-2.0
/*
 * A discovery session kept alive on a stream: opens it, opens it again after a jittered exponential
 * back-off when it ended, flushes what the session has to say at the end of the turn. Control thread.
 */
#ifndef XDS_XDS_MUX_H
#define XDS_XDS_MUX_H

#include "xds/ads_session.h"

struct io_context;
struct management_server;
struct xds_mux;

/* Envoy's defaults. */
enum { XDS_BACKOFF_BASE_MS = 500, XDS_BACKOFF_MAX_MS = 30000 };

struct xds_mux_handler {
    /* As of ads_session_handler. */
    void (*on_response)(void *arg, const struct discovery_response *response);
    void (*on_connected)(void *arg, bool is_connected);
    /* A stream ended, or could not be opened. */
    void (*on_failure)(void *arg);
};

struct xds_mux_options {
    struct io_context *control;
    struct management_server *server; /* outlives the mux */
    struct slice method;              /* a literal */
    enum discovery_variant variant;
    const struct Envoy__Config__Core__V3__Node *node;
    bool node_on_first_message_only;
    const struct xds_mux_handler *handler;
    void *arg;
};

struct xds_mux *xds_mux_new(const struct xds_mux_options *options);
void xds_mux_free(struct xds_mux *mux); /* not from within its callbacks */
/* The first stream is opened at the end of the turn. */
void xds_mux_start(struct xds_mux *mux);
struct ads_session *xds_mux_session(struct xds_mux *mux);

#endif
