// SPDX-License-Identifier: Apache-2.0
/*
 * Envoy's statistics of an HTTP connection manager, "http.<stat_prefix>.", and the per-listener extract
 * of them, "listener.<address>.http.<stat_prefix>.".
 */
#ifndef SRC_STREAM_HTTP_CONNECTION_STATS_H
#define SRC_STREAM_HTTP_CONNECTION_STATS_H

#include "src/stats/stats.h"

#define HCM_STATS(X)                                                                               \
    X(DOWNSTREAM_CX_DELAYED_CLOSE_TIMEOUT, "downstream_cx_delayed_close_timeout", COUNTER,         \
      "connections closed at the delayed close timeout")                                           \
    X(DOWNSTREAM_CX_DESTROY, "downstream_cx_destroy", COUNTER, "connections destroyed")            \
    X(DOWNSTREAM_CX_DESTROY_ACTIVE_RQ, "downstream_cx_destroy_active_rq", COUNTER,                 \
      "connections destroyed with active requests")                                                \
    X(DOWNSTREAM_CX_DESTROY_LOCAL, "downstream_cx_destroy_local", COUNTER,                         \
      "connections closed by the proxy")                                                           \
    X(DOWNSTREAM_CX_DESTROY_LOCAL_ACTIVE_RQ, "downstream_cx_destroy_local_active_rq", COUNTER,     \
      "connections closed by the proxy with active requests")                                      \
    X(DOWNSTREAM_CX_DESTROY_REMOTE, "downstream_cx_destroy_remote", COUNTER,                       \
      "connections closed by the client")                                                          \
    X(DOWNSTREAM_CX_DESTROY_REMOTE_ACTIVE_RQ, "downstream_cx_destroy_remote_active_rq", COUNTER,   \
      "connections closed by the client with active requests")                                     \
    X(DOWNSTREAM_CX_DRAIN_CLOSE, "downstream_cx_drain_close", COUNTER,                             \
      "connections closed because of draining")                                                    \
    X(DOWNSTREAM_CX_HTTP1_TOTAL, "downstream_cx_http1_total", COUNTER, "HTTP/1.1 connections")     \
    X(DOWNSTREAM_CX_HTTP2_TOTAL, "downstream_cx_http2_total", COUNTER, "HTTP/2 connections")       \
    X(DOWNSTREAM_CX_IDLE_TIMEOUT, "downstream_cx_idle_timeout", COUNTER,                           \
      "connections closed by the idle timeout")                                                    \
    X(DOWNSTREAM_CX_MAX_DURATION_REACHED, "downstream_cx_max_duration_reached", COUNTER,           \
      "connections closed by their maximal duration")                                              \
    X(DOWNSTREAM_CX_MAX_REQUESTS_REACHED, "downstream_cx_max_requests_reached", COUNTER,           \
      "connections closed by their maximal number of requests")                                    \
    X(DOWNSTREAM_CX_OVERLOAD_DISABLE_KEEPALIVE, "downstream_cx_overload_disable_keepalive",        \
      COUNTER, "connections not kept because of overload")                                         \
    X(DOWNSTREAM_CX_PROTOCOL_ERROR, "downstream_cx_protocol_error", COUNTER, "protocol errors")    \
    X(DOWNSTREAM_CX_RX_BYTES_TOTAL, "downstream_cx_rx_bytes_total", COUNTER, "bytes received")     \
    X(DOWNSTREAM_CX_SSL_TOTAL, "downstream_cx_ssl_total", COUNTER, "TLS connections")              \
    X(DOWNSTREAM_CX_TOTAL, "downstream_cx_total", COUNTER, "connections")                          \
    X(DOWNSTREAM_CX_TX_BYTES_TOTAL, "downstream_cx_tx_bytes_total", COUNTER, "bytes sent")         \
    X(DOWNSTREAM_CX_UPGRADES_TOTAL, "downstream_cx_upgrades_total", COUNTER, "upgrades")           \
    X(DOWNSTREAM_FLOW_CONTROL_PAUSED_READING_TOTAL,                                                \
      "downstream_flow_control_paused_reading_total", COUNTER, "reads paused by flow control")     \
    X(DOWNSTREAM_FLOW_CONTROL_RESUMED_READING_TOTAL,                                               \
      "downstream_flow_control_resumed_reading_total", COUNTER, "reads resumed")                   \
    X(DOWNSTREAM_RQ_1XX, "downstream_rq_1xx", COUNTER, "1xx responses")                            \
    X(DOWNSTREAM_RQ_2XX, "downstream_rq_2xx", COUNTER, "2xx responses")                            \
    X(DOWNSTREAM_RQ_3XX, "downstream_rq_3xx", COUNTER, "3xx responses")                            \
    X(DOWNSTREAM_RQ_4XX, "downstream_rq_4xx", COUNTER, "4xx responses")                            \
    X(DOWNSTREAM_RQ_5XX, "downstream_rq_5xx", COUNTER, "5xx responses")                            \
    X(DOWNSTREAM_RQ_COMPLETED, "downstream_rq_completed", COUNTER, "responses")                    \
    X(DOWNSTREAM_RQ_FAILED_PATH_NORMALIZATION, "downstream_rq_failed_path_normalization", COUNTER, \
      "requests refused by path normalisation")                                                    \
    X(DOWNSTREAM_RQ_HEADER_TIMEOUT, "downstream_rq_header_timeout", COUNTER,                       \
      "requests whose headers came too slowly")                                                    \
    X(DOWNSTREAM_RQ_HTTP1_TOTAL, "downstream_rq_http1_total", COUNTER, "HTTP/1.1 requests")        \
    X(DOWNSTREAM_RQ_HTTP2_TOTAL, "downstream_rq_http2_total", COUNTER, "HTTP/2 requests")          \
    X(DOWNSTREAM_RQ_IDLE_TIMEOUT, "downstream_rq_idle_timeout", COUNTER, "stream idle timeouts")   \
    X(DOWNSTREAM_RQ_MAX_DURATION_REACHED, "downstream_rq_max_duration_reached", COUNTER,           \
      "requests over their maximal duration")                                                      \
    X(DOWNSTREAM_RQ_NON_RELATIVE_PATH, "downstream_rq_non_relative_path", COUNTER,                 \
      "requests with a path that is not absolute")                                                 \
    X(DOWNSTREAM_RQ_OVERLOAD_CLOSE, "downstream_rq_overload_close", COUNTER,                       \
      "requests refused because of overload")                                                      \
    X(DOWNSTREAM_RQ_REDIRECTED_WITH_NORMALIZED_PATH,                                               \
      "downstream_rq_redirected_with_normalized_path", COUNTER,                                    \
      "requests redirected to their unescaped path")                                               \
    X(DOWNSTREAM_RQ_RESPONSE_BEFORE_RQ_COMPLETE, "downstream_rq_response_before_rq_complete",      \
      COUNTER, "responses that ended before their request")                                        \
    X(DOWNSTREAM_RQ_RX_RESET, "downstream_rq_rx_reset", COUNTER, "resets received")                \
    X(DOWNSTREAM_RQ_TIMEOUT, "downstream_rq_timeout", COUNTER, "request timeouts")                 \
    X(DOWNSTREAM_RQ_TOO_LARGE, "downstream_rq_too_large", COUNTER, "413 answers")                  \
    X(DOWNSTREAM_RQ_TOTAL, "downstream_rq_total", COUNTER, "requests")                             \
    X(DOWNSTREAM_RQ_TX_RESET, "downstream_rq_tx_reset", COUNTER, "resets sent")                    \
    X(DOWNSTREAM_RQ_WS_ON_NON_WS_ROUTE, "downstream_rq_ws_on_non_ws_route", COUNTER,               \
      "upgrades on routes without them")                                                           \
    X(DOWNSTREAM_CX_ACTIVE, "downstream_cx_active", GAUGE, "open connections")                     \
    X(DOWNSTREAM_CX_HTTP1_ACTIVE, "downstream_cx_http1_active", GAUGE,                             \
      "open HTTP/1.1 connections")                                                                 \
    X(DOWNSTREAM_CX_HTTP2_ACTIVE, "downstream_cx_http2_active", GAUGE, "open HTTP/2 connections")  \
    X(DOWNSTREAM_CX_SSL_ACTIVE, "downstream_cx_ssl_active", GAUGE, "open TLS connections")         \
    X(DOWNSTREAM_CX_UPGRADES_ACTIVE, "downstream_cx_upgrades_active", GAUGE, "open upgrades")      \
    X(DOWNSTREAM_RQ_ACTIVE, "downstream_rq_active", GAUGE, "requests in progress")                 \
    X(DOWNSTREAM_CX_LENGTH_MS, "downstream_cx_length_ms", HISTOGRAM, "connection life")            \
    X(DOWNSTREAM_RQ_TIME, "downstream_rq_time", HISTOGRAM, "request time")
enum hcm_stat {
#define HCM_STAT_ENUM(id, name, kind, doc) HCM_##id,
    HCM_STATS(HCM_STAT_ENUM)
#undef HCM_STAT_ENUM
};
extern const struct stat_table hcm_stat_table;

#define HCM_LISTENER_STATS(X)                                                                      \
    X(RQ_1XX, "downstream_rq_1xx", COUNTER, "1xx responses")                                       \
    X(RQ_2XX, "downstream_rq_2xx", COUNTER, "2xx responses")                                       \
    X(RQ_3XX, "downstream_rq_3xx", COUNTER, "3xx responses")                                       \
    X(RQ_4XX, "downstream_rq_4xx", COUNTER, "4xx responses")                                       \
    X(RQ_5XX, "downstream_rq_5xx", COUNTER, "5xx responses")                                       \
    X(RQ_COMPLETED, "downstream_rq_completed", COUNTER, "responses")
enum hcm_listener_stat {
#define HCM_LISTENER_STAT_ENUM(id, name, kind, doc) HCM_LISTENER_##id,
    HCM_LISTENER_STATS(HCM_LISTENER_STAT_ENUM)
#undef HCM_LISTENER_STAT_ENUM
};
extern const struct stat_table hcm_listener_stat_table;

#endif
