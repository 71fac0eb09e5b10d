// SPDX-License-Identifier: Apache-2.0
/*
 * Network (L4) filters of a filter chain. Read filters run in order over the connection's bytes; the
 * last one is terminal (HTTP connection manager, tcp_proxy) and owns the connection's protocol. One
 * instance per connection, on its thread.
 */
#ifndef SRC_FILTER_CHAIN_NETWORK_FILTER_H
#define SRC_FILTER_CHAIN_NETWORK_FILTER_H

#include "src/access_log/stream_info.h"
#include "src/base/buffer.h"
#include "src/config/ledger.h"
#include "src/net/connection.h"

struct ProtobufCMessage;
struct filter_config_context;
struct io_context;
struct listener_part;
struct network_filter;
struct network_filter_chain; /* the connection's side; implemented by src/listener */

enum network_filter_verdict { NETWORK_FILTER_CONTINUE, NETWORK_FILTER_STOP };

struct network_filter_ops {
    /* The connection is up (before the TLS handshake is done, as in Envoy). */
    enum network_filter_verdict (*on_new_connection)(struct network_filter *f);
    enum network_filter_verdict (*on_data)(struct network_filter *f, struct buffer *data,
                                           bool end_stream);
    void (*on_event)(struct network_filter *f, enum connection_event event);
    void (*on_above_high_watermark)(struct network_filter *f);
    void (*on_below_low_watermark)(struct network_filter *f);
    void (*on_bytes_sent)(struct network_filter *f, size_t count);
    /* The listener drains: finish in order (GOAWAY, Connection: close). NULL: nothing to do. */
    void (*on_drain)(struct network_filter *f, bool immediate);
    void (*on_destroy)(struct network_filter *f); /* frees the instance */
};

/* First member of each instance. */
struct network_filter {
    const struct network_filter_ops *ops;
    struct network_filter_chain *chain;
    struct network_filter *next; /* in the chain */
};

struct network_filter_factory {
    const char *name;     /* "envoy.filters.network.tcp_proxy" */
    const char *type_url; /* full message name */
    bool is_terminal;
    const void *(*parse)(struct filter_config_context *context,
                         const struct ProtobufCMessage *message);
    struct network_filter *(*create)(const void *config, struct io_context *io);
    const struct ledger_message *ledger;
    uint32_t ledger_count;
};

/* What a filter may ask. */
struct connection *network_filter_connection(const struct network_filter *f);
struct connection_info *network_filter_connection_info(const struct network_filter *f);
struct io_context *network_filter_io(const struct network_filter *f);
const struct listener_part *network_filter_listener(const struct network_filter *f);
/* Ends a STOP: data held goes to the next filter. */
void network_filter_continue(struct network_filter *f);
/* True once the listener or the server drains. */
bool network_filter_is_draining(const struct network_filter *f);
/* Envoy's gradual drain: true with the probability that the drain's progress asks for. */
bool network_filter_should_close_for_drain(const struct network_filter *f);

#endif
