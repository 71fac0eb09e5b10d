// SPDX-License-Identifier: Apache-2.0
#include "envoy/config/core/v3/protocol.pb-c.h"
#include "xds/decode/hcm_parts.h"
#include "xds/decode/hcm_protocol.h"

enum {
    HOUR_MS = 3600 * 1000,
    EDGE_IDLE_MS = 60 * 1000,
    STREAM_IDLE_MS = 5 * 60 * 1000,
    EDGE_REQUEST_HEADERS_MS = 10 * 1000,
    DRAIN_MS = 5000,
    DELAYED_CLOSE_MS = 1000,
    MAX_HEADERS_KB = 60,
    MAX_HEADERS_COUNT = 100,
    EDGE_STREAMS = 100,
    EDGE_STREAM_WINDOW = 64 * 1024,
    EDGE_CONNECTION_WINDOW = 1024 * 1024,
    EDGE_RESET_BURST = 100,
    EDGE_RESETS_PER_S = 33,
    EDGE_GLITCH_BURST = 500,
    EDGE_GLITCHES_PER_S = 100,
};

static bool decode_codec(struct decoder *d, const HCM(HttpConnectionManager) *from,
                         struct http_connection_manager_config *out) {
    switch ((int)from->codec_type) {
    case ENVOY__EXTENSIONS__FILTERS__NETWORK__HTTP_CONNECTION_MANAGER__V3__HTTP_CONNECTION_MANAGER__CODEC_TYPE__AUTO:
        out->codec = HCM_CODEC_AUTO;
        return true;
    case ENVOY__EXTENSIONS__FILTERS__NETWORK__HTTP_CONNECTION_MANAGER__V3__HTTP_CONNECTION_MANAGER__CODEC_TYPE__HTTP1:
        out->codec = HCM_CODEC_HTTP1;
        return true;
    case ENVOY__EXTENSIONS__FILTERS__NETWORK__HTTP_CONNECTION_MANAGER__V3__HTTP_CONNECTION_MANAGER__CODEC_TYPE__HTTP2:
        out->codec = HCM_CODEC_HTTP2;
        return true;
    default:
        return decoder_field_error(d, "codec_type", "HTTP/3 is not supported");
    }
}

static bool decode_common(struct decoder *d, const CORE(HttpProtocolOptions) *from,
                          struct http_connection_manager_config *out) {
    bool is_edge = d->config.edge_defaults;
    out->idle_timeout_ms = is_edge ? EDGE_IDLE_MS : HOUR_MS;
    out->max_headers_count = MAX_HEADERS_COUNT;
    // ALLOW cannot be told from unset; --defaults envoy brings it back.
    out->underscores = is_edge ? HTTP_UNDERSCORES_REJECT : HTTP_UNDERSCORES_ALLOW;
    if (from == NULL) {
        return true;
    }
    decoder_push(d, "common_http_protocol_options");
    bool is_ok =
        decode_optional_duration(d, "idle_timeout", from->idle_timeout, &out->idle_timeout_ms);
    is_ok = decode_optional_duration(d, "max_connection_duration", from->max_connection_duration,
                                     &out->max_connection_duration_ms) &&
            is_ok;
    is_ok = decode_optional_duration(d, "max_stream_duration", from->max_stream_duration,
                                     &out->max_stream_duration_ms) &&
            is_ok;
    decoder_pop(d);
    out->max_headers_count = VALUE_OR(from->max_headers_count, MAX_HEADERS_COUNT);
    out->max_requests_per_connection = VALUE_OR(from->max_requests_per_connection, 0);
    uint32_t underscores = decode_underscores((int)from->headers_with_underscores_action);
    if (underscores != HTTP_UNDERSCORES_ALLOW) {
        out->underscores = underscores;
    }
    return is_ok;
}

static bool decode_protocols(struct decoder *d, const HCM(HttpConnectionManager) *from,
                             struct http_connection_manager_config *out) {
    bool is_ok = true;
    out->http1.allow_absolute_url = true;
    if (d->config.edge_defaults) {
        out->http2.max_concurrent_streams = EDGE_STREAMS;
        out->http2.stream_window_bytes = EDGE_STREAM_WINDOW;
        out->http2.connection_window_bytes = EDGE_CONNECTION_WINDOW;
        out->http2.reset_burst = EDGE_RESET_BURST;
        out->http2.reset_per_s = EDGE_RESETS_PER_S;
        out->http2.glitch_burst = EDGE_GLITCH_BURST;
        out->http2.glitch_per_s = EDGE_GLITCHES_PER_S;
    }
    out->http2.stream_error_on_invalid_message =
        FLAG_OR(from->stream_error_on_invalid_http_message, false);
    if (from->http_protocol_options != NULL) {
        decoder_push(d, "http_protocol_options");
        is_ok = decode_http1_options(d, from->http_protocol_options, &out->http1);
        decoder_pop(d);
    }
    if (from->http2_protocol_options != NULL) {
        bool is_set = out->http2.stream_error_on_invalid_message;
        decoder_push(d, "http2_protocol_options");
        is_ok = decode_http2_options(d, from->http2_protocol_options, &out->http2) && is_ok;
        is_ok =
            decode_http2_keepalive(d, from->http2_protocol_options, &out->h2_keepalive_interval_ms,
                                   &out->h2_keepalive_timeout_ms) &&
            is_ok;
        decoder_pop(d);
        if (from->http2_protocol_options->override_stream_error_on_invalid_http_message == NULL) {
            out->http2.stream_error_on_invalid_message =
                out->http2.stream_error_on_invalid_message || is_set;
        }
    }
    out->accept_http_10 = out->http1.accept_http_10;
    return is_ok;
}

static bool decode_times(struct decoder *d, const HCM(HttpConnectionManager) *from,
                         struct http_connection_manager_config *out) {
    out->stream_idle_timeout_ms = STREAM_IDLE_MS;
    out->request_headers_timeout_ms = d->config.edge_defaults ? EDGE_REQUEST_HEADERS_MS : 0;
    out->drain_timeout_ms = DRAIN_MS;
    out->delayed_close_timeout_ms = DELAYED_CLOSE_MS;
    bool is_ok = decode_optional_duration(d, "stream_idle_timeout", from->stream_idle_timeout,
                                          &out->stream_idle_timeout_ms);
    is_ok = decode_optional_duration(d, "request_timeout", from->request_timeout,
                                     &out->request_timeout_ms) &&
            is_ok;
    is_ok = decode_optional_duration(d, "request_headers_timeout", from->request_headers_timeout,
                                     &out->request_headers_timeout_ms) &&
            is_ok;
    is_ok =
        decode_optional_duration(d, "drain_timeout", from->drain_timeout, &out->drain_timeout_ms) &&
        is_ok;
    return decode_optional_duration(d, "delayed_close_timeout", from->delayed_close_timeout,
                                    &out->delayed_close_timeout_ms) &&
           is_ok;
}

bool decode_hcm_options(struct decoder *d, const HCM(HttpConnectionManager) *from,
                        struct http_connection_manager_config *out) {
    out->max_request_headers_kb = VALUE_OR(from->max_request_headers_kb, MAX_HEADERS_KB);
    bool is_ok = decode_codec(d, from, out);
    is_ok = decode_common(d, from->common_http_protocol_options, out) && is_ok;
    is_ok = decode_protocols(d, from, out) && is_ok;
    return decode_times(d, from, out) && is_ok;
}
