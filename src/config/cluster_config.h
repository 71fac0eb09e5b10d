// SPDX-License-Identifier: Apache-2.0
/*
 * The immutable model of a Cluster and of a ClusterLoadAssignment. Default values are filled in by the
 * decoder, so that readers never ask "is it set". Durations in ms. Run-time state (hosts' health, active
 * counts, breakers, pools) is in src/upstream, keyed by the cluster's name.
 */
#ifndef SRC_CONFIG_CLUSTER_CONFIG_H
#define SRC_CONFIG_CLUSTER_CONFIG_H

#include "src/config/common_config.h"
#include "src/config/config_part.h"
#include "src/net/address.h"
#include "src/net/dns_resolver.h"
#include "src/net/socket.h"

struct load_balancer_factory;
struct cluster_state;

enum cluster_type {
    CLUSTER_STATIC,
    CLUSTER_STRICT_DNS,
    CLUSTER_LOGICAL_DNS,
    CLUSTER_EDS,
    CLUSTER_ORIGINAL_DST,
};

enum health_status {
    HEALTH_UNKNOWN, /* healthy unless a checker says otherwise */
    HEALTH_HEALTHY,
    HEALTH_UNHEALTHY,
    HEALTH_DRAINING,
    HEALTH_TIMEOUT,
    HEALTH_DEGRADED,
};

struct locality {
    struct slice region, zone, sub_zone;
};

struct endpoint_config {
    struct stored_address address; /* len 0 where `dns_name` is set */
    struct slice dns_name;         /* socket_address.address that is no IP: DNS clusters */
    uint16_t dns_port;
    struct slice hostname; /* Endpoint.hostname, for auto_host_rewrite */
    uint32_t weight;       /* default 1 */
    enum health_status health;
    struct metadata metadata;
};
struct locality_config {
    struct locality locality;
    uint32_t weight; /* 0: unset (no traffic under locality weighting) */
    uint32_t priority;
    const struct endpoint_config *endpoints;
    uint32_t endpoint_count;
};
/* CONFIG_ENDPOINT: one ClusterLoadAssignment. */
struct endpoint_part {
    struct config_part part;
    const struct locality_config *localities;
    uint32_t locality_count;
    uint32_t overprovisioning_percent;  /* default 140 */
    uint32_t drop_overload_per_million; /* sum of policy.drop_overloads, capped */
    bool weighted_priority_health;
};

struct circuit_breaker_thresholds {
    uint32_t max_connections;      /* default 1024 */
    uint32_t max_pending_requests; /* 1024 */
    uint32_t max_requests;         /* 1024 */
    uint32_t max_retries;          /* 3 */
    uint32_t max_connection_pools; /* 2^32-1 */
    bool has_retry_budget;
    uint32_t retry_budget_per_million;     /* 200,000 */
    uint32_t retry_budget_min_concurrency; /* 3 */
    bool track_remaining;
};

/* Parameters of the built-in balancers; `factory` reads its own. */
enum lb_policy {
    LB_ROUND_ROBIN,
    LB_LEAST_REQUEST,
    LB_RANDOM,
    LB_RING_HASH,
    LB_MAGLEV,
    LB_CLUSTER_PROVIDED
};
struct lb_config {
    enum lb_policy policy;
    uint32_t choice_count;                 /* least request; default 2 */
    double active_request_bias;            /* default 1.0 */
    uint64_t min_ring_size, max_ring_size; /* ring hash: 1024, 8M */
    uint32_t table_size;                   /* maglev: 65537 */
    bool use_hostname_for_hashing;
    uint32_t slow_start_window_ms;   /* 0: none */
    double slow_start_aggression;    /* 1.0 */
    uint32_t slow_start_min_percent; /* 10 */
    double panic_threshold_percent;  /* 50; 0 disables */
    bool locality_weighted;
    bool fail_traffic_on_panic;
    const void *config; /* of an extension policy */
    const struct load_balancer_factory *factory;
};

enum upstream_protocol {
    UPSTREAM_HTTP_1,
    UPSTREAM_HTTP_2,
    UPSTREAM_AUTO, /* by ALPN */
    UPSTREAM_FOLLOW_DOWNSTREAM,
};

struct upstream_http_config {
    enum upstream_protocol protocol;
    bool http1_proper_case, http1_preserve_case, http1_enable_trailers;
    /* HTTP/2; 0: default */
    uint32_t h2_max_concurrent_streams, h2_stream_window_bytes, h2_connection_window_bytes;
    uint32_t h2_hpack_table_bytes;
    uint32_t h2_keepalive_interval_ms, h2_keepalive_timeout_ms; /* 0: none */
    bool h2_allow_connect;
    bool h2_stream_error_on_invalid_message;
    uint32_t idle_timeout_ms;             /* default 1 h */
    uint32_t max_connection_duration_ms;  /* 0: none */
    uint32_t max_requests_per_connection; /* 0: no limit */
    uint32_t max_response_headers_kb;     /* 0: default 60 */
    uint32_t max_headers_count;           /* 0: default 100 */
    uint32_t max_stream_duration_ms;      /* 0: none */
    uint32_t underscores;                 /* HTTP_UNDERSCORES_* of codec.h */
    bool auto_sni, auto_san_validation;
    struct slice override_auto_sni_header; /* lower case; empty: host */
};

/* One transport socket choice; `tls_slot` CONFIG_SLOT_NONE: raw. */
struct transport_socket_config {
    struct slice name;
    uint32_t tls_slot;            /* CONFIG_TLS */
    const struct tls_config *tls; /* NULL: raw */
    const struct metadata *match; /* transport_socket_matches: equals the endpoint's
                                     envoy.transport_socket_match metadata; NULL: default */
};

struct outlier_config {
    uint32_t consecutive_5xx, consecutive_gateway_failure, consecutive_local_origin_failure;
    uint32_t interval_ms, base_ejection_time_ms, max_ejection_time_ms, max_ejection_percent;
    uint32_t enforcing_consecutive_5xx, enforcing_consecutive_gateway_failure;
    uint32_t enforcing_consecutive_local_origin_failure, enforcing_success_rate;
    uint32_t success_rate_minimum_hosts, success_rate_request_volume, success_rate_stdev_factor;
    uint32_t failure_percentage_threshold, enforcing_failure_percentage;
    uint32_t failure_percentage_minimum_hosts, failure_percentage_request_volume;
    bool split_external_local_origin_errors;
    uint32_t max_ejection_time_jitter_ms;
    bool successful_active_health_check_uneject_host;
};

struct cluster_dns_config {
    enum dns_family family;
    uint32_t refresh_ms;                      /* 5,000 */
    uint32_t failure_base_ms, failure_max_ms; /* = refresh */
    uint32_t jitter_ms;
    bool respect_ttl;
    struct dns_options options;
};

/* CONFIG_CLUSTER */
struct cluster_part {
    struct config_part part;
    enum cluster_type type;
    struct slice stat_name; /* alt_stat_name or name */
    struct slice eds_name;  /* service_name or name */
    /* Inline load_assignment, in this part's own arena (its `part` member is not used); NULL: none. */
    const struct endpoint_part *load_assignment;
    /* CONFIG_ENDPOINT, where the cluster manager publishes the cluster's struct host_set (src/upstream);
     * set by it, whatever the cluster's type. */
    uint32_t endpoint_slot;
    uint32_t connect_timeout_ms;                /* default 5,000 */
    uint32_t per_connection_buffer_limit_bytes; /* 1 MiB; edge 32 KiB */
    struct lb_config lb;
    struct circuit_breaker_thresholds breakers[2]; /* DEFAULT, HIGH */
    struct upstream_http_config http;
    const struct transport_socket_config *sockets; /* [0] is the default */
    uint32_t socket_count;
    const struct cluster_dns_config *dns; /* DNS clusters; else NULL */
    /* connections */
    const struct address *source_address; /* NULL: the kernel's choice */
    struct socket_connect_options connect;
    bool close_connections_on_health_failure;
    bool ignore_health_on_host_removal;
    bool wait_for_warm_on_init;           /* default true */
    const struct outlier_config *outlier; /* NULL: none */
    const void *health_checks;            /* src/upstream/health_check's model; NULL: none */
    struct metadata metadata;
    /* Filled by the cluster manager on the control thread before publication. */
    struct cluster_state *state;
};

#endif
