// SPDX-License-Identifier: Apache-2.0
/*
 * One management server as a GrpcService names it: a cluster of the bootstrap (envoy_grpc) or an address
 * of its own (google_grpc). Holds the channel to it, makes a new one for the next stream when a secret
 * of the cluster changed or the server could not be reached, and keeps an old one for the streams that
 * are on it. It never connects by itself: each attempt is one management_server_open. Control thread.
 */
#ifndef XDS_MANAGEMENT_SERVER_H
#define XDS_MANAGEMENT_SERVER_H

#include "src/base/error.h"
#include "src/base/slice.h"

struct Envoy__Config__Core__V3__GrpcService;
struct config_store;
struct endpoint_part;
struct management_server;
struct server_stream;
struct xds_stream_handler;
struct xds_transport;

/* Where servers find their clusters. */
struct management_context {
    struct xds_transport *transport;
    struct config_store *store;
    /* The assignment of a cluster of the bootstrap; NULL: none. */
    const struct endpoint_part *(*assignment)(void *arg, struct slice cluster);
    void *arg;
};

struct server_backoff {
    uint64_t base_ms, max_ms;
};

/* `service` is read during the call. STATUS_INVALID for what cannot be honoured. The cluster is looked
 * up in the store when a stream is opened. */
enum status management_server_new(const struct management_context *context,
                                  const struct Envoy__Config__Core__V3__GrpcService *service,
                                  struct management_server **server, struct error *err) MUST_USE;
void management_server_free(struct management_server *server); /* its streams are closed before */

/* The cluster's name or the target, for messages. */
struct slice management_server_name(const struct management_server *server);
struct server_backoff management_server_backoff(const struct management_server *server);

enum status management_server_open(struct management_server *server, struct slice method,
                                   const struct xds_stream_handler *handler, void *arg,
                                   struct server_stream **stream, struct error *err) MUST_USE;
void server_stream_send(struct server_stream *stream, struct slice bytes);
/* A stream that ended by itself is freed after on_closed, and must not be closed. */
void server_stream_close(struct server_stream *stream);

#endif
