// SPDX-License-Identifier: Apache-2.0
/*
 * The model of a cluster's active health checks (envoy.config.core.v3.HealthCheck), defaults filled in.
 * Immutable, in its cluster part's arena; cluster_part.health_checks points to a struct
 * health_check_list. Durations in ms.
 */
#ifndef SRC_CONFIG_HEALTH_CHECK_CONFIG_H
#define SRC_CONFIG_HEALTH_CHECK_CONFIG_H

#include "src/config/common_config.h"

enum health_check_kind { HEALTH_CHECK_HTTP, HEALTH_CHECK_TCP, HEALTH_CHECK_GRPC };

/* Half open: start <= status < end. */
struct health_check_range {
    int64_t start, end;
};

struct http_health_check {
    struct slice host; /* empty: the endpoint's hostname, else the cluster's name */
    struct slice path;
    struct slice method; /* "GET" */
    struct header_ops headers;
    const struct health_check_range *expected; /* none: 200 */
    uint32_t expected_count;
    const struct health_check_range *retriable;
    uint32_t retriable_count;
    bool is_http2;
    bool has_service_name;
    struct string_matcher service_name; /* over x-envoy-upstream-healthchecked-cluster */
    const struct slice *receive;        /* blocks that the body must contain in this order */
    uint32_t receive_count;
    uint64_t response_buffer_bytes; /* 1024 */
};

struct tcp_health_check {
    struct slice send;           /* empty: connecting is enough */
    const struct slice *receive; /* blocks that must come in this order */
    uint32_t receive_count;
};

struct grpc_health_check {
    struct slice service_name;
    struct slice authority; /* empty: as http_health_check.host */
    struct header_ops metadata;
};

struct health_check_config {
    enum health_check_kind kind;
    union {
        struct http_health_check http;
        struct tcp_health_check tcp;
        struct grpc_health_check grpc;
    };
    uint32_t timeout_ms, interval_ms;
    uint32_t initial_jitter_ms, interval_jitter_ms, interval_jitter_percent;
    uint32_t unhealthy_threshold, healthy_threshold;
    uint16_t alt_port;               /* 0: the endpoint's */
    uint32_t no_traffic_interval_ms; /* 60,000 */
    uint32_t no_traffic_healthy_interval_ms;
    uint32_t unhealthy_interval_ms, unhealthy_edge_interval_ms, healthy_edge_interval_ms;
    const struct slice *alpn; /* tls_options; none: the transport socket's */
    uint32_t alpn_count;
    const struct metadata *socket_match; /* transport_socket_match_criteria; NULL: none */
};

struct health_check_list {
    const struct health_check_config *items;
    uint32_t count;
};

#endif
