// SPDX-License-Identifier: Apache-2.0
/*
 * Names of the HTTP/2 codec's stats (Envoy's http2.*), for scopes of listeners and clusters. A codec
 * writes to the scope given in its options and works without one.
 */
#ifndef SRC_HTTP_H2_HTTP2_STATS_H
#define SRC_HTTP_H2_HTTP2_STATS_H

#include "src/stats/stats.h"

#define HTTP2_STATS(X)                                                                             \
    X(DROPPED_HEADERS_WITH_UNDERSCORES, "dropped_headers_with_underscores", COUNTER,               \
      "Header fields dropped for an underscore in their name")                                     \
    X(GOAWAY_SENT, "goaway_sent", COUNTER, "GOAWAY frames sent")                                   \
    X(HEADER_OVERFLOW, "header_overflow", COUNTER,                                                 \
      "Streams reset because a header block passed the size or count limit")                       \
    X(HEADERS_CB_NO_STREAM, "headers_cb_no_stream", COUNTER,                                       \
      "Header fields decoded for a stream that is already gone")                                   \
    X(INBOUND_EMPTY_FRAMES_FLOOD, "inbound_empty_frames_flood", COUNTER,                           \
      "Connections closed for consecutive empty frames")                                           \
    X(INBOUND_PRIORITY_FRAMES_FLOOD, "inbound_priority_frames_flood", COUNTER,                     \
      "Connections closed for too many PRIORITY frames")                                           \
    X(INBOUND_WINDOW_UPDATE_FRAMES_FLOOD, "inbound_window_update_frames_flood", COUNTER,           \
      "Connections closed for too many WINDOW_UPDATE frames")                                      \
    X(INBOUND_CONTROL_FLOOD, "inbound_control_flood", COUNTER,                                     \
      "Connections closed for too many PING and SETTINGS frames")                                  \
    X(INBOUND_CONTINUATION_FLOOD, "inbound_continuation_flood", COUNTER,                           \
      "Connections closed for too many CONTINUATION frames in one block")                          \
    X(INBOUND_GLITCH_FLOOD, "inbound_glitch_flood", COUNTER,                                       \
      "Connections closed for too many harmless oddities")                                         \
    X(KEEPALIVE_TIMEOUT, "keepalive_timeout", COUNTER,                                             \
      "Connections closed because a keepalive PING was not answered")                              \
    X(METADATA_EMPTY_FRAMES, "metadata_empty_frames", COUNTER, "Empty METADATA frames received")   \
    X(OUTBOUND_CONTROL_FLOOD, "outbound_control_flood", COUNTER,                                   \
      "Connections closed for too many unsent control frames")                                     \
    X(OUTBOUND_FLOOD, "outbound_flood", COUNTER, "Connections closed for too many unsent frames")  \
    X(PREMATURE_RESETS, "premature_resets", COUNTER,                                               \
      "Connections closed for too many streams reset before their end")                            \
    X(REQUESTS_REJECTED_WITH_UNDERSCORES_IN_HEADERS,                                               \
      "requests_rejected_with_underscores_in_headers", COUNTER,                                    \
      "Requests reset for an underscore in a header name")                                         \
    X(RX_MESSAGING_ERROR, "rx_messaging_error", COUNTER, "Malformed messages received")            \
    X(RX_RESET, "rx_reset", COUNTER, "RST_STREAM frames received")                                 \
    X(TRAILERS, "trailers", COUNTER, "Requests with trailers received")                            \
    X(TX_FLUSH_TIMEOUT, "tx_flush_timeout", COUNTER,                                               \
      "Streams whose peer did not open its window in time")                                        \
    X(TX_RESET, "tx_reset", COUNTER, "RST_STREAM frames sent")                                     \
    X(STREAMS_ACTIVE, "streams_active", GAUGE, "Streams open in the codec")                        \
    X(PENDING_SEND_BYTES, "pending_send_bytes", GAUGE, "Body bytes that wait for the peer's window")

enum http2_stat {
#define HTTP2_STAT_ENUM(id, name, kind, doc) STAT_ENUM(HTTP2_STAT, id),
    HTTP2_STATS(HTTP2_STAT_ENUM)
#undef HTTP2_STAT_ENUM
        HTTP2_STAT_COUNT,
};

extern const struct stat_table http2_stat_table;

#endif
