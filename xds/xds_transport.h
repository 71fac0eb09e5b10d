// SPDX-License-Identifier: Apache-2.0
/*
 * What the xDS client asks of whatever carries its streams: channels to one server, bidirectional
 * streams of whole messages on them. gRPC is behind it in the program, a fake in tests. All calls and
 * callbacks are on the control thread; no callback is made from within a call.
 */
#ifndef XDS_XDS_TRANSPORT_H
#define XDS_XDS_TRANSPORT_H

#include "src/base/error.h"
#include "src/base/slice.h"
#include "src/tls/tls_context.h"

struct xds_channel;
struct xds_stream;
struct xds_transport;

/* What a stream ends with that could not be carried: no connection, or one that broke. */
enum { XDS_CODE_UNAVAILABLE = 14 };

struct xds_metadata {
    struct slice key; /* lower case */
    struct slice value;
};

struct xds_channel_tls {
    const struct tls_validation_source *validation; /* NULL: the server is not verified */
    struct slice chain_pem, private_key_pem;        /* empty: no client certificate */
    struct slice sni;                               /* empty: the authority */
};

/* Everything is copied but the matchers of subject names, which `matchers_owner` keeps alive. */
struct xds_channel_config {
    struct slice
        target; /* gRPC's name syntax: "ipv4:127.0.0.1:80", "unix:run/xds", "dns:///x:80" */
    struct slice authority;            /* empty: by the target */
    const struct xds_channel_tls *tls; /* NULL: plaintext */
    const struct xds_metadata *metadata;
    uint32_t metadata_count;
    uint32_t connect_timeout_ms;
    uint32_t keepalive_interval_ms, keepalive_timeout_ms; /* 0: none, default */
    /* Called on the control thread when no handshake uses the matchers any more; may be NULL. */
    void (*release_matchers)(void *matchers_owner);
    void *matchers_owner;
};

struct xds_stream_handler {
    void (*on_message)(void *arg, struct slice bytes); /* valid during the call */
    /* The stream is over and no longer to be used. `code`: gRPC's status code. After
     * XDS_CODE_UNAVAILABLE the channel may connect again when it likes: free it not to have that. */
    void (*on_closed)(void *arg, int code, struct slice message);
};

struct xds_transport_ops {
    /* NULL: `err` says what of the configuration cannot be had. matchers_owner stays the caller's. */
    struct xds_channel *(*channel_new)(struct xds_transport *transport,
                                       const struct xds_channel_config *config, struct error *err);
    /* Its streams are closed before. */
    void (*channel_free)(struct xds_channel *channel);
    /* `method`: "/envoy.service…/StreamAggregatedResources". Connects when there is need to. */
    struct xds_stream *(*stream_open)(struct xds_channel *channel, struct slice method,
                                      const struct xds_stream_handler *handler, void *arg);
    void (*stream_send)(struct xds_stream *stream, struct slice bytes);
    /* No callback comes any more. */
    void (*stream_close)(struct xds_stream *stream);
};

struct xds_transport {
    const struct xds_transport_ops *ops;
};

#endif
