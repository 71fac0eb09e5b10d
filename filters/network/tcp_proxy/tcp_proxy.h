// SPDX-License-Identifier: Apache-2.0
/*
 * envoy.filters.network.tcp_proxy: carries a connection's bytes to a host of a cluster and back, both
 * half-closes included. Terminal network filter, one instance per connection; private to this folder.
 */
#ifndef FILTERS_NETWORK_TCP_PROXY_TCP_PROXY_H
#define FILTERS_NETWORK_TCP_PROXY_TCP_PROXY_H

#include "src/access_log/access_log.h"
#include "src/config/route_config.h"
#include "src/filter_chain/network_filter.h"
#include "src/stats/stats.h"

struct tcp_proxy_cluster {
    struct slice name;
    uint32_t slot;
    uint32_t weight;
};
struct tcp_proxy_config {
    const struct tcp_proxy_cluster *clusters; /* one, or weighted */
    uint32_t cluster_count;
    uint32_t total_weight;
    uint32_t idle_timeout_ms;            /* default 1 h; 0: none */
    uint32_t max_connection_duration_ms; /* 0: none */
    uint32_t max_connect_attempts;       /* default 1 */
    const struct metadata *metadata_match;
    bool hash_source_ip;
    struct access_log *const *access_logs;
    uint32_t access_log_count;
    struct stats_scope *stats; /* "tcp.<stat_prefix>" */
};

#define TCP_PROXY_STATS(X)                                                                         \
    X(DOWNSTREAM_CX_NO_ROUTE, "downstream_cx_no_route", COUNTER, "connections without a cluster")  \
    X(DOWNSTREAM_CX_RX_BYTES_TOTAL, "downstream_cx_rx_bytes_total", COUNTER, "bytes received")     \
    X(DOWNSTREAM_CX_TOTAL, "downstream_cx_total", COUNTER, "connections")                          \
    X(DOWNSTREAM_CX_TX_BYTES_TOTAL, "downstream_cx_tx_bytes_total", COUNTER, "bytes sent")         \
    X(DOWNSTREAM_FLOW_CONTROL_PAUSED_READING_TOTAL,                                                \
      "downstream_flow_control_paused_reading_total", COUNTER, "reads paused by flow control")     \
    X(DOWNSTREAM_FLOW_CONTROL_RESUMED_READING_TOTAL,                                               \
      "downstream_flow_control_resumed_reading_total", COUNTER, "reads resumed")                   \
    X(IDLE_TIMEOUT, "idle_timeout", COUNTER, "sessions closed by the idle timeout")                \
    X(MAX_DOWNSTREAM_CONNECTION_DURATION, "max_downstream_connection_duration", COUNTER,           \
      "sessions closed by their maximal duration")                                                 \
    X(UPSTREAM_FLUSH_TOTAL, "upstream_flush_total", COUNTER, "sessions flushed to the upstream")   \
    X(DOWNSTREAM_CX_ACTIVE, "downstream_cx_active", GAUGE, "open sessions")
enum tcp_proxy_stat {
#define TCP_PROXY_STAT_ENUM(id, name, kind, doc) TCP_PROXY_##id,
    TCP_PROXY_STATS(TCP_PROXY_STAT_ENUM)
#undef TCP_PROXY_STAT_ENUM
};
extern const struct stat_table tcp_proxy_stat_table;

struct network_filter *tcp_proxy_create(const void *config, struct io_context *io);

#endif
