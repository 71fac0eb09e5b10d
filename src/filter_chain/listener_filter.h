// SPDX-License-Identifier: Apache-2.0
/*
 * Listener filters: look at an accepted socket's first bytes before a filter chain is chosen. Bytes are
 * read once into the connection's buffer; a filter peeks and may drain (PROXY protocol), the rest is
 * what the transport starts from.
 */
#ifndef SRC_FILTER_CHAIN_LISTENER_FILTER_H
#define SRC_FILTER_CHAIN_LISTENER_FILTER_H

#include "src/access_log/stream_info.h"
#include "src/base/arena.h"
#include "src/base/buffer.h"
#include "src/config/ledger.h"

struct ProtobufCMessage;
struct filter_config_context;
struct io_context;

enum listener_filter_verdict {
    LISTENER_FILTER_CONTINUE, /* done; next filter */
    LISTENER_FILTER_MORE,     /* call again with more bytes */
    LISTENER_FILTER_CLOSE,    /* refuse the connection */
};

/* What filters find out, and what the chain match reads. Text lies in `arena`. */
struct accepted_socket {
    struct arena *arena;
    struct io_context *io;
    int fd;
    struct address local, remote, direct_remote;
    bool local_restored;             /* original_dst or PROXY protocol */
    struct slice server_name;        /* lower case; empty: none */
    struct slice transport_protocol; /* "", "tls", "raw_buffer" */
    const struct slice *application_protocols;
    uint32_t application_protocol_count;
    struct slice ja3, ja4;
    struct info_entry *filter_state, *dynamic_metadata;
};

struct listener_filter_ops {
    /* `input` holds all bytes so far (maybe none at the first call). */
    enum listener_filter_verdict (*inspect)(const void *config, void *state,
                                            struct accepted_socket *socket, struct buffer *input,
                                            bool end_stream);
};

struct listener_filter_factory {
    const char *name; /* "envoy.filters.listener.tls_inspector" */
    const char *type_url;
    size_t state_bytes;      /* zeroed per connection and filter */
    uint32_t max_read_bytes; /* asked of the socket; 0: needs no bytes */
    const struct listener_filter_ops *ops;
    const void *(*parse)(struct filter_config_context *context,
                         const struct ProtobufCMessage *message);
    const struct ledger_message *ledger;
    uint32_t ledger_count;
};

#endif
