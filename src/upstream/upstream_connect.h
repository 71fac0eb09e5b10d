// SPDX-License-Identifier: Apache-2.0
/*
 * Opens connections to hosts as their cluster says: transport socket, timeouts, source address, socket
 * options. The settings are a copy, so that a pool may outlive the configuration that it came from; the
 * TLS context alone is looked up anew for each connection, so that a rotated secret takes effect.
 */
#ifndef SRC_UPSTREAM_UPSTREAM_CONNECT_H
#define SRC_UPSTREAM_UPSTREAM_CONNECT_H

#include "src/net/connection.h"
#include "src/upstream/worker_cluster.h"

struct connect_settings {
    struct arena arena; /* of copied text */
    uint32_t connect_timeout_ms;
    uint32_t buffer_limit_bytes;
    bool has_source;
    struct address source;
    struct socket_connect_options connect;
    bool is_tls;
    uint32_t tls_slot;
    struct slice sni;        /* empty: the context's */
    struct slice verify_san; /* empty: none */
    bool has_own_alpn;       /* the context's list stays */
};

void connect_settings_init(struct connect_settings *settings, const struct cluster_part *part,
                           const struct host *host, struct slice sni_override);
/* With the transport socket of that index instead of the host's. */
void connect_settings_init_socket(struct connect_settings *settings,
                                  const struct cluster_part *part, const struct host *host,
                                  uint32_t socket_index, struct slice sni_override);
void connect_settings_deinit(struct connect_settings *settings);

struct connect_request {
    struct io_context *io;
    const struct connect_settings *settings;
    const struct host *host;
    struct stats_scope *ssl_stats;
    const struct connection_callbacks *callbacks;
    void *arg;
    const struct slice *alpn; /* where the configuration has none */
    uint32_t alpn_count;
    bool enable_half_close;
    uint16_t port; /* instead of the host's; 0: that */
};
/* NULL: failed at once, `err` says why. */
struct connection *upstream_connect(const struct connect_request *request, struct error *err);

#endif
