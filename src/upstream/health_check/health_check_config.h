// SPDX-License-Identifier: Apache-2.0
/*
 * The immutable model of a cluster's active health checks, in the cluster part's arena. Durations in
 * ms, defaults filled in by the decoder.
 */
#ifndef SRC_UPSTREAM_HEALTH_CHECK_HEALTH_CHECK_CONFIG_H
#define SRC_UPSTREAM_HEALTH_CHECK_HEALTH_CHECK_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/slice.h"

enum health_check_kind { HEALTH_CHECK_HTTP, HEALTH_CHECK_TCP, HEALTH_CHECK_GRPC };

struct health_status_range {
    uint32_t from, to; /* half open */
};
struct health_check_header {
    struct slice name, value; /* lower case name */
};

struct health_check_config {
    enum health_check_kind kind;
    uint32_t timeout_ms, interval_ms;
    uint32_t initial_jitter_ms, interval_jitter_ms, interval_jitter_percent;
    uint32_t unhealthy_threshold, healthy_threshold;
    uint32_t no_traffic_interval_ms; /* default 60,000 */
    uint32_t unhealthy_interval_ms, unhealthy_edge_interval_ms, healthy_edge_interval_ms;
    bool no_reuse_connection; /* reuse_connection: false */
    bool always_log_failures;
    /* HTTP */
    struct slice host; /* empty: the endpoint's hostname, else the cluster's name */
    struct slice path;
    struct slice method; /* empty: GET */
    bool is_http2;
    const struct health_check_header *headers; /* request_headers_to_add */
    uint32_t header_count;
    const struct health_status_range *expected; /* none: 200 */
    uint32_t expected_count;
    const struct health_status_range *retriable;
    uint32_t retriable_count;
    /* TCP: bytes to send, and what must come back in this order */
    struct slice send;
    const struct slice *receive;
    uint32_t receive_count;
    /* gRPC */
    struct slice service_name, authority;
};

/* What cluster_part.health_checks points to. */
struct health_check_configs {
    const struct health_check_config *items;
    uint32_t count;
};

#endif
