// SPDX-License-Identifier: Apache-2.0
/*
 * The stats of one cluster ("cluster.<stat name>."), Envoy's names, declared once. Per-code counters
 * (upstream_rq_200) are dynamic names of the same scope. Outlier and health-check stats are scopes of
 * their own under the same prefix, made where those features are configured.
 */
#ifndef SRC_UPSTREAM_CLUSTER_STATS_H
#define SRC_UPSTREAM_CLUSTER_STATS_H

#include "src/stats/stats.h"

/* clang-format off */
#define CLUSTER_STATS(X)    \
    X(UPSTREAM_CX_TOTAL, "upstream_cx_total", COUNTER, "connections opened") \
    X(UPSTREAM_CX_HTTP1_TOTAL, "upstream_cx_http1_total", COUNTER, "HTTP/1.1 connections") \
    X(UPSTREAM_CX_HTTP2_TOTAL, "upstream_cx_http2_total", COUNTER, "HTTP/2 connections") \
    X(UPSTREAM_CX_HTTP3_TOTAL, "upstream_cx_http3_total", COUNTER, "HTTP/3 connections") \
    X(UPSTREAM_CX_CONNECT_FAIL, "upstream_cx_connect_fail", COUNTER, "connections that failed to establish") \
    X(UPSTREAM_CX_CONNECT_TIMEOUT, "upstream_cx_connect_timeout", COUNTER, "connections that ran into the connect timeout") \
    X(UPSTREAM_CX_CONNECT_WITH_0_RTT, "upstream_cx_connect_with_0_rtt", COUNTER, "connections with early data") \
    X(UPSTREAM_CX_CONNECT_ATTEMPTS_EXCEEDED, "upstream_cx_connect_attempts_exceeded", COUNTER, "TCP sessions that used up their connect attempts") \
    X(UPSTREAM_CX_OVERFLOW, "upstream_cx_overflow", COUNTER, "times the connection breaker was open") \
    X(UPSTREAM_CX_POOL_OVERFLOW, "upstream_cx_pool_overflow", COUNTER, "times the pool breaker was open") \
    X(UPSTREAM_CX_IDLE_TIMEOUT, "upstream_cx_idle_timeout", COUNTER, "connections closed for idleness") \
    X(UPSTREAM_CX_MAX_DURATION_REACHED, "upstream_cx_max_duration_reached", COUNTER, "connections closed for their age") \
    X(UPSTREAM_CX_MAX_REQUESTS, "upstream_cx_max_requests", COUNTER, "connections closed for their number of requests") \
    X(UPSTREAM_CX_NONE_HEALTHY, "upstream_cx_none_healthy", COUNTER, "requests that found no host") \
    X(UPSTREAM_CX_PROTOCOL_ERROR, "upstream_cx_protocol_error", COUNTER, "connections closed for a protocol error") \
    X(UPSTREAM_CX_CLOSE_NOTIFY, "upstream_cx_close_notify", COUNTER, "connections closed by Connection: close or GOAWAY") \
    X(UPSTREAM_CX_DESTROY, "upstream_cx_destroy", COUNTER, "connections destroyed") \
    X(UPSTREAM_CX_DESTROY_LOCAL, "upstream_cx_destroy_local", COUNTER, "connections destroyed by us") \
    X(UPSTREAM_CX_DESTROY_REMOTE, "upstream_cx_destroy_remote", COUNTER, "connections destroyed by the peer") \
    X(UPSTREAM_CX_DESTROY_WITH_ACTIVE_RQ, "upstream_cx_destroy_with_active_rq", COUNTER, "connections destroyed under requests") \
    X(UPSTREAM_CX_DESTROY_LOCAL_WITH_ACTIVE_RQ, "upstream_cx_destroy_local_with_active_rq", COUNTER, "connections destroyed by us under requests") \
    X(UPSTREAM_CX_DESTROY_REMOTE_WITH_ACTIVE_RQ, "upstream_cx_destroy_remote_with_active_rq", COUNTER, "connections destroyed by the peer under requests") \
    X(UPSTREAM_CX_RX_BYTES_TOTAL, "upstream_cx_rx_bytes_total", COUNTER, "bytes received") \
    X(UPSTREAM_CX_TX_BYTES_TOTAL, "upstream_cx_tx_bytes_total", COUNTER, "bytes sent") \
    X(UPSTREAM_FLOW_CONTROL_PAUSED_READING_TOTAL, "upstream_flow_control_paused_reading_total", COUNTER, "times reading from the upstream was paused") \
    X(UPSTREAM_FLOW_CONTROL_RESUMED_READING_TOTAL, "upstream_flow_control_resumed_reading_total", COUNTER, "times reading from the upstream was resumed") \
    X(UPSTREAM_FLOW_CONTROL_BACKED_UP_TOTAL, "upstream_flow_control_backed_up_total", COUNTER, "times the upstream connection filled up") \
    X(UPSTREAM_FLOW_CONTROL_DRAINED_TOTAL, "upstream_flow_control_drained_total", COUNTER, "times the upstream connection drained") \
    X(UPSTREAM_HTTP3_BROKEN, "upstream_http3_broken", COUNTER, "times HTTP/3 was given up") \
    X(UPSTREAM_INTERNAL_REDIRECT_FAILED_TOTAL, "upstream_internal_redirect_failed_total", COUNTER, "internal redirects refused") \
    X(UPSTREAM_INTERNAL_REDIRECT_SUCCEEDED_TOTAL, "upstream_internal_redirect_succeeded_total", COUNTER, "internal redirects followed") \
    X(UPSTREAM_RQ_TOTAL, "upstream_rq_total", COUNTER, "requests sent") \
    X(UPSTREAM_RQ_COMPLETED, "upstream_rq_completed", COUNTER, "responses received") \
    X(UPSTREAM_RQ_CANCELLED, "upstream_rq_cancelled", COUNTER, "requests given up while waiting for a connection") \
    X(UPSTREAM_RQ_MAINTENANCE_MODE, "upstream_rq_maintenance_mode", COUNTER, "requests refused in maintenance mode") \
    X(UPSTREAM_RQ_TIMEOUT, "upstream_rq_timeout", COUNTER, "requests that timed out") \
    X(UPSTREAM_RQ_MAX_DURATION_REACHED, "upstream_rq_max_duration_reached", COUNTER, "requests closed for their age") \
    X(UPSTREAM_RQ_PER_TRY_TIMEOUT, "upstream_rq_per_try_timeout", COUNTER, "attempts that timed out") \
    X(UPSTREAM_RQ_PER_TRY_IDLE_TIMEOUT, "upstream_rq_per_try_idle_timeout", COUNTER, "attempts that were idle too long") \
    X(UPSTREAM_RQ_RX_RESET, "upstream_rq_rx_reset", COUNTER, "streams reset by the peer") \
    X(UPSTREAM_RQ_RX_RESET_NO_ERROR, "upstream_rq_rx_reset_no_error", COUNTER, "streams reset by the peer with NO_ERROR") \
    X(UPSTREAM_RQ_TX_RESET, "upstream_rq_tx_reset", COUNTER, "streams reset by us") \
    X(UPSTREAM_RQ_RETRY, "upstream_rq_retry", COUNTER, "retries") \
    X(UPSTREAM_RQ_RETRY_BACKOFF_EXPONENTIAL, "upstream_rq_retry_backoff_exponential", COUNTER, "retries by exponential back-off") \
    X(UPSTREAM_RQ_RETRY_BACKOFF_RATELIMITED, "upstream_rq_retry_backoff_ratelimited", COUNTER, "retries by rate-limit headers") \
    X(UPSTREAM_RQ_RETRY_LIMIT_EXCEEDED, "upstream_rq_retry_limit_exceeded", COUNTER, "requests that used up their retries") \
    X(UPSTREAM_RQ_RETRY_OVERFLOW, "upstream_rq_retry_overflow", COUNTER, "retries refused by the breaker or budget") \
    X(UPSTREAM_RQ_RETRY_SUCCESS, "upstream_rq_retry_success", COUNTER, "retries that succeeded") \
    X(UPSTREAM_RQ_PENDING_TOTAL, "upstream_rq_pending_total", COUNTER, "requests that waited for a connection") \
    X(UPSTREAM_RQ_PENDING_OVERFLOW, "upstream_rq_pending_overflow", COUNTER, "requests refused by the pending breaker") \
    X(UPSTREAM_RQ_PENDING_FAILURE_EJECT, "upstream_rq_pending_failure_eject", COUNTER, "waiting requests failed by a connection failure") \
    X(UPSTREAM_RQ_ACTIVE_OVERFLOW, "upstream_rq_active_overflow", COUNTER, "requests refused by the request breaker") \
    X(UPSTREAM_RQ_0RTT, "upstream_rq_0rtt", COUNTER, "requests sent as early data") \
    X(UPSTREAM_QUEUE_OVERLOADED, "upstream_queue_overloaded", COUNTER, "requests refused by the local queue") \
    X(UPSTREAM_RQ_1XX, "upstream_rq_1xx", COUNTER, "1xx responses") \
    X(UPSTREAM_RQ_2XX, "upstream_rq_2xx", COUNTER, "2xx responses") \
    X(UPSTREAM_RQ_3XX, "upstream_rq_3xx", COUNTER, "3xx responses") \
    X(UPSTREAM_RQ_4XX, "upstream_rq_4xx", COUNTER, "4xx responses") \
    X(UPSTREAM_RQ_5XX, "upstream_rq_5xx", COUNTER, "5xx responses") \
    X(EXTERNAL_UPSTREAM_RQ_COMPLETED, "external.upstream_rq_completed", COUNTER, "responses to external requests") \
    X(EXTERNAL_UPSTREAM_RQ_1XX, "external.upstream_rq_1xx", COUNTER, "1xx responses to external requests") \
    X(EXTERNAL_UPSTREAM_RQ_2XX, "external.upstream_rq_2xx", COUNTER, "2xx responses to external requests") \
    X(EXTERNAL_UPSTREAM_RQ_3XX, "external.upstream_rq_3xx", COUNTER, "3xx responses to external requests") \
    X(EXTERNAL_UPSTREAM_RQ_4XX, "external.upstream_rq_4xx", COUNTER, "4xx responses to external requests") \
    X(EXTERNAL_UPSTREAM_RQ_5XX, "external.upstream_rq_5xx", COUNTER, "5xx responses to external requests") \
    X(INTERNAL_UPSTREAM_RQ_COMPLETED, "internal.upstream_rq_completed", COUNTER, "responses to internal requests") \
    X(INTERNAL_UPSTREAM_RQ_1XX, "internal.upstream_rq_1xx", COUNTER, "1xx responses to internal requests") \
    X(INTERNAL_UPSTREAM_RQ_2XX, "internal.upstream_rq_2xx", COUNTER, "2xx responses to internal requests") \
    X(INTERNAL_UPSTREAM_RQ_3XX, "internal.upstream_rq_3xx", COUNTER, "3xx responses to internal requests") \
    X(INTERNAL_UPSTREAM_RQ_4XX, "internal.upstream_rq_4xx", COUNTER, "4xx responses to internal requests") \
    X(INTERNAL_UPSTREAM_RQ_5XX, "internal.upstream_rq_5xx", COUNTER, "5xx responses to internal requests") \
    X(RETRY_UPSTREAM_RQ_COMPLETED, "retry.upstream_rq_completed", COUNTER, "responses that were tried again") \
    X(RETRY_UPSTREAM_RQ_1XX, "retry.upstream_rq_1xx", COUNTER, "1xx responses that were tried again") \
    X(RETRY_UPSTREAM_RQ_2XX, "retry.upstream_rq_2xx", COUNTER, "2xx responses that were tried again") \
    X(RETRY_UPSTREAM_RQ_3XX, "retry.upstream_rq_3xx", COUNTER, "3xx responses that were tried again") \
    X(RETRY_UPSTREAM_RQ_4XX, "retry.upstream_rq_4xx", COUNTER, "4xx responses that were tried again") \
    X(RETRY_UPSTREAM_RQ_5XX, "retry.upstream_rq_5xx", COUNTER, "5xx responses that were tried again") \
    X(DEFAULT_TOTAL_MATCH_COUNT, "default.total_match_count", COUNTER, "hosts that took the default transport socket") \
    X(RETRY_OR_SHADOW_ABANDONED, "retry_or_shadow_abandoned", COUNTER, "retries or shadows given up for the size of the body") \
    X(BIND_ERRORS, "bind_errors", COUNTER, "source addresses that could not be bound") \
    X(ASSIGNMENT_STALE, "assignment_stale", COUNTER, "assignments that went stale") \
    X(ASSIGNMENT_TIMEOUT_RECEIVED, "assignment_timeout_received", COUNTER, "assignments with a time to live") \
    X(ASSIGNMENT_USE_CACHED, "assignment_use_cached", COUNTER, "assignments taken from a cache") \
    X(ORIGINAL_DST_HOST_INVALID, "original_dst_host_invalid", COUNTER, "override hosts that are no address") \
    X(MEMBERSHIP_CHANGE, "membership_change", COUNTER, "membership changes") \
    X(UPDATE_ATTEMPT, "update_attempt", COUNTER, "membership update attempts") \
    X(UPDATE_SUCCESS, "update_success", COUNTER, "membership updates that succeeded") \
    X(UPDATE_FAILURE, "update_failure", COUNTER, "membership updates that failed") \
    X(UPDATE_EMPTY, "update_empty", COUNTER, "membership updates without endpoints") \
    X(UPDATE_NO_REBUILD, "update_no_rebuild", COUNTER, "membership updates that changed nothing") \
    X(LB_HEALTHY_PANIC, "lb_healthy_panic", COUNTER, "host selections in panic mode") \
    X(LB_LOCAL_CLUSTER_NOT_OK, "lb_local_cluster_not_ok", COUNTER, "local host set in panic mode") \
    X(LB_RECALCULATE_ZONE_STRUCTURES, "lb_recalculate_zone_structures", COUNTER, "recalculations of zone routing") \
    X(LB_ZONE_CLUSTER_TOO_SMALL, "lb_zone_cluster_too_small", COUNTER, "too few hosts for zone routing") \
    X(LB_ZONE_NO_CAPACITY_LEFT, "lb_zone_no_capacity_left", COUNTER, "random zones by rounding") \
    X(LB_ZONE_NUMBER_DIFFERS, "lb_zone_number_differs", COUNTER, "zones differ between local and upstream") \
    X(LB_ZONE_ROUTING_ALL_DIRECTLY, "lb_zone_routing_all_directly", COUNTER, "requests kept in the zone") \
    X(LB_ZONE_ROUTING_CROSS_ZONE, "lb_zone_routing_cross_zone", COUNTER, "requests sent across zones") \
    X(LB_ZONE_ROUTING_SAMPLED, "lb_zone_routing_sampled", COUNTER, "requests kept in the zone by sampling") \
    X(LB_SUBSETS_CREATED, "lb_subsets_created", COUNTER, "subsets created") \
    X(LB_SUBSETS_FALLBACK, "lb_subsets_fallback", COUNTER, "selections by the fallback policy") \
    X(LB_SUBSETS_FALLBACK_PANIC, "lb_subsets_fallback_panic", COUNTER, "selections by the panic fallback") \
    X(LB_SUBSETS_REMOVED, "lb_subsets_removed", COUNTER, "subsets removed") \
    X(LB_SUBSETS_SELECTED, "lb_subsets_selected", COUNTER, "selections from a subset") \
    X(UPSTREAM_CX_ACTIVE, "upstream_cx_active", GAUGE, "connections open") \
    X(UPSTREAM_CX_RX_BYTES_BUFFERED, "upstream_cx_rx_bytes_buffered", GAUGE, "received bytes not yet taken") \
    X(UPSTREAM_CX_TX_BYTES_BUFFERED, "upstream_cx_tx_bytes_buffered", GAUGE, "bytes not yet sent") \
    X(UPSTREAM_RQ_ACTIVE, "upstream_rq_active", GAUGE, "requests on connections") \
    X(UPSTREAM_RQ_PENDING_ACTIVE, "upstream_rq_pending_active", GAUGE, "requests waiting for a connection") \
    X(LB_SUBSETS_ACTIVE, "lb_subsets_active", GAUGE, "subsets") \
    X(MEMBERSHIP_TOTAL, "membership_total", GAUGE, "hosts") \
    X(MEMBERSHIP_HEALTHY, "membership_healthy", GAUGE, "healthy hosts") \
    X(MEMBERSHIP_DEGRADED, "membership_degraded", GAUGE, "degraded hosts") \
    X(MEMBERSHIP_EXCLUDED, "membership_excluded", GAUGE, "hosts excluded from the panic calculation") \
    X(MAX_HOST_WEIGHT, "max_host_weight", GAUGE, "the largest host weight") \
    X(VERSION, "version", GAUGE, "hash of the last accepted assignment version") \
    X(WARMING_STATE, "warming_state", GAUGE, "1 while the cluster warms") \
    X(CIRCUIT_BREAKERS_DEFAULT_CX_OPEN, "circuit_breakers.default.cx_open", GAUGE, "connection breaker open") \
    X(CIRCUIT_BREAKERS_DEFAULT_CX_POOL_OPEN, "circuit_breakers.default.cx_pool_open", GAUGE, "pool breaker open") \
    X(CIRCUIT_BREAKERS_DEFAULT_RQ_PENDING_OPEN, "circuit_breakers.default.rq_pending_open", GAUGE, "pending breaker open") \
    X(CIRCUIT_BREAKERS_DEFAULT_RQ_OPEN, "circuit_breakers.default.rq_open", GAUGE, "request breaker open") \
    X(CIRCUIT_BREAKERS_DEFAULT_RQ_RETRY_OPEN, "circuit_breakers.default.rq_retry_open", GAUGE, "retry breaker open") \
    X(CIRCUIT_BREAKERS_DEFAULT_REMAINING_CX, "circuit_breakers.default.remaining_cx", GAUGE, "connections left, where tracked") \
    X(CIRCUIT_BREAKERS_DEFAULT_REMAINING_CX_POOLS, "circuit_breakers.default.remaining_cx_pools", GAUGE, "pools left, where tracked") \
    X(CIRCUIT_BREAKERS_DEFAULT_REMAINING_PENDING, "circuit_breakers.default.remaining_pending", GAUGE, "pending requests left, where tracked") \
    X(CIRCUIT_BREAKERS_DEFAULT_REMAINING_RQ, "circuit_breakers.default.remaining_rq", GAUGE, "requests left, where tracked") \
    X(CIRCUIT_BREAKERS_DEFAULT_REMAINING_RETRIES, "circuit_breakers.default.remaining_retries", GAUGE, "retries left, where tracked") \
    X(CIRCUIT_BREAKERS_HIGH_CX_OPEN, "circuit_breakers.high.cx_open", GAUGE, "connection breaker open") \
    X(CIRCUIT_BREAKERS_HIGH_CX_POOL_OPEN, "circuit_breakers.high.cx_pool_open", GAUGE, "pool breaker open") \
    X(CIRCUIT_BREAKERS_HIGH_RQ_PENDING_OPEN, "circuit_breakers.high.rq_pending_open", GAUGE, "pending breaker open") \
    X(CIRCUIT_BREAKERS_HIGH_RQ_OPEN, "circuit_breakers.high.rq_open", GAUGE, "request breaker open") \
    X(CIRCUIT_BREAKERS_HIGH_RQ_RETRY_OPEN, "circuit_breakers.high.rq_retry_open", GAUGE, "retry breaker open") \
    X(CIRCUIT_BREAKERS_HIGH_REMAINING_CX, "circuit_breakers.high.remaining_cx", GAUGE, "connections left, where tracked") \
    X(CIRCUIT_BREAKERS_HIGH_REMAINING_CX_POOLS, "circuit_breakers.high.remaining_cx_pools", GAUGE, "pools left, where tracked") \
    X(CIRCUIT_BREAKERS_HIGH_REMAINING_PENDING, "circuit_breakers.high.remaining_pending", GAUGE, "pending requests left, where tracked") \
    X(CIRCUIT_BREAKERS_HIGH_REMAINING_RQ, "circuit_breakers.high.remaining_rq", GAUGE, "requests left, where tracked") \
    X(CIRCUIT_BREAKERS_HIGH_REMAINING_RETRIES, "circuit_breakers.high.remaining_retries", GAUGE, "retries left, where tracked") \
    X(UPSTREAM_CX_CONNECT_MS, "upstream_cx_connect_ms", HISTOGRAM, "time to establish a connection") \
    X(UPSTREAM_CX_LENGTH_MS, "upstream_cx_length_ms", HISTOGRAM, "life of a connection") \
    X(UPSTREAM_RQ_TIME, "upstream_rq_time", HISTOGRAM, "time to the whole response")
#define OUTLIER_STATS(X)    \
    X(EJECTIONS_CONSECUTIVE_5XX, "ejections_consecutive_5xx", COUNTER, "ejections by consecutive 5xx, enforced") \
    X(EJECTIONS_DETECTED_CONSECUTIVE_5XX, "ejections_detected_consecutive_5xx", COUNTER, "consecutive 5xx detected") \
    X(EJECTIONS_DETECTED_CONSECUTIVE_GATEWAY_FAILURE, "ejections_detected_consecutive_gateway_failure", COUNTER, "consecutive gateway failures detected") \
    X(EJECTIONS_DETECTED_CONSECUTIVE_LOCAL_ORIGIN_FAILURE, "ejections_detected_consecutive_local_origin_failure", COUNTER, "consecutive local failures detected") \
    X(EJECTIONS_DETECTED_FAILURE_PERCENTAGE, "ejections_detected_failure_percentage", COUNTER, "failure percentage outliers detected") \
    X(EJECTIONS_DETECTED_LOCAL_ORIGIN_FAILURE_PERCENTAGE, "ejections_detected_local_origin_failure_percentage", COUNTER, "local failure percentage outliers detected") \
    X(EJECTIONS_DETECTED_LOCAL_ORIGIN_SUCCESS_RATE, "ejections_detected_local_origin_success_rate", COUNTER, "local success rate outliers detected") \
    X(EJECTIONS_DETECTED_SUCCESS_RATE, "ejections_detected_success_rate", COUNTER, "success rate outliers detected") \
    X(EJECTIONS_ENFORCED_CONSECUTIVE_5XX, "ejections_enforced_consecutive_5xx", COUNTER, "ejections by consecutive 5xx") \
    X(EJECTIONS_ENFORCED_CONSECUTIVE_GATEWAY_FAILURE, "ejections_enforced_consecutive_gateway_failure", COUNTER, "ejections by consecutive gateway failures") \
    X(EJECTIONS_ENFORCED_CONSECUTIVE_LOCAL_ORIGIN_FAILURE, "ejections_enforced_consecutive_local_origin_failure", COUNTER, "ejections by consecutive local failures") \
    X(EJECTIONS_ENFORCED_FAILURE_PERCENTAGE, "ejections_enforced_failure_percentage", COUNTER, "ejections by failure percentage") \
    X(EJECTIONS_ENFORCED_LOCAL_ORIGIN_FAILURE_PERCENTAGE, "ejections_enforced_local_origin_failure_percentage", COUNTER, "ejections by local failure percentage") \
    X(EJECTIONS_ENFORCED_LOCAL_ORIGIN_SUCCESS_RATE, "ejections_enforced_local_origin_success_rate", COUNTER, "ejections by local success rate") \
    X(EJECTIONS_ENFORCED_SUCCESS_RATE, "ejections_enforced_success_rate", COUNTER, "ejections by success rate") \
    X(EJECTIONS_ENFORCED_TOTAL, "ejections_enforced_total", COUNTER, "ejections") \
    X(EJECTIONS_OVERFLOW, "ejections_overflow", COUNTER, "ejections refused by the maximum percentage") \
    X(EJECTIONS_SUCCESS_RATE, "ejections_success_rate", COUNTER, "ejections by success rate, before enforcement") \
    X(EJECTIONS_TOTAL, "ejections_total", COUNTER, "ejections, before enforcement") \
    X(EJECTIONS_ACTIVE, "ejections_active", GAUGE, "hosts ejected now")
#define HEALTH_CHECK_STATS(X) \
    X(ATTEMPT, "attempt", COUNTER, "checks started") \
    X(SUCCESS, "success", COUNTER, "checks that passed") \
    X(FAILURE, "failure", COUNTER, "checks that failed") \
    X(PASSIVE_FAILURE, "passive_failure", COUNTER, "failures learnt from traffic") \
    X(NETWORK_FAILURE, "network_failure", COUNTER, "checks that failed on the network") \
    X(VERIFY_CLUSTER, "verify_cluster", COUNTER, "checks whose service name was verified") \
    X(HEALTHY, "healthy", GAUGE, "healthy hosts") \
    X(DEGRADED, "degraded", GAUGE, "degraded hosts")
/* clang-format on */

enum cluster_stat {
#define CLUSTER_STAT_ENUM(id, name, kind, doc) CLUSTER_STAT_##id,
    CLUSTER_STATS(CLUSTER_STAT_ENUM)
#undef CLUSTER_STAT_ENUM
};
enum outlier_stat {
#define OUTLIER_STAT_ENUM(id, name, kind, doc) OUTLIER_STAT_##id,
    OUTLIER_STATS(OUTLIER_STAT_ENUM)
#undef OUTLIER_STAT_ENUM
};
enum health_check_stat {
#define HEALTH_CHECK_STAT_ENUM(id, name, kind, doc) HEALTH_CHECK_STAT_##id,
    HEALTH_CHECK_STATS(HEALTH_CHECK_STAT_ENUM)
#undef HEALTH_CHECK_STAT_ENUM
};

extern const struct stat_table cluster_stat_table;
extern const struct stat_table outlier_stat_table;
extern const struct stat_table health_check_stat_table;

#endif
