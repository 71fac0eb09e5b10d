// SPDX-License-Identifier: Apache-2.0
#include "xds/decode/hcm_protocol.h"

#include "envoy/config/core/v3/extension.pb-c.h"
#include "xds/decode/ledgers.h"
#include "xds/proto_reflect.h"

uint32_t decode_underscores(int action) {
    switch (action) {
    case ENVOY__CONFIG__CORE__V3__HTTP_PROTOCOL_OPTIONS__HEADERS_WITH_UNDERSCORES_ACTION__REJECT_REQUEST:
        return HTTP_UNDERSCORES_REJECT;
    case ENVOY__CONFIG__CORE__V3__HTTP_PROTOCOL_OPTIONS__HEADERS_WITH_UNDERSCORES_ACTION__DROP_HEADER:
        return HTTP_UNDERSCORES_DROP;
    default:
        return HTTP_UNDERSCORES_ALLOW;
    }
}

static bool decode_key_format(struct decoder *d,
                              const CORE(Http1ProtocolOptions__HeaderKeyFormat) *from,
                              struct http1_options *out) {
    struct any_view view;
    bool is_ok = true;
    switch ((int)from->header_format_case) {
    case ENVOY__CONFIG__CORE__V3__HTTP1_PROTOCOL_OPTIONS__HEADER_KEY_FORMAT__HEADER_FORMAT_PROPER_CASE_WORDS:
        out->proper_case = true;
        return true;
    case ENVOY__CONFIG__CORE__V3__HTTP1_PROTOCOL_OPTIONS__HEADER_KEY_FORMAT__HEADER_FORMAT_STATEFUL_FORMATTER:
        decoder_push(d, "header_key_format.stateful_formatter");
        if (!decode_any_type(d, from->stateful_formatter->typed_config, &view)) {
            is_ok = false;
        } else if (any_is(&view, "envoy.extensions.http.header_formatters.preserve_case.v3."
                                 "PreserveCaseFormatterConfig")) {
            out->preserve_case = true;
        } else {
            is_ok = decode_unknown_extension(d, from->stateful_formatter->name, &view);
        }
        decoder_pop(d);
        return is_ok;
    default:
        return true;
    }
}

bool decode_http1_options(struct decoder *d, const CORE(Http1ProtocolOptions) *from,
                          struct http1_options *out) {
    out->allow_absolute_url = FLAG_OR(from->allow_absolute_url, true);
    out->accept_http_10 = from->accept_http_10 != 0;
    out->default_host = decoder_text(d, from->default_host_for_http_10);
    out->enable_trailers = from->enable_trailers != 0;
    out->allow_chunked_length = from->allow_chunked_length != 0;
    out->send_fully_qualified_url = from->send_fully_qualified_url != 0;
    return from->header_key_format == NULL || decode_key_format(d, from->header_key_format, out);
}

// A UInt64Value through its descriptor: older sets of the API do not have the field.
static uint32_t wrapped(const CORE(Http2ProtocolOptions) *from, const char *name,
                        uint32_t fallback) {
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(from->base.descriptor, name);
    if (field == NULL || !proto_has(&from->base, field)) {
        return fallback;
    }
    Google__Protobuf__UInt64Value *const *wrapper = proto_member(&from->base, field);
    return (*wrapper)->value > UINT32_MAX ? UINT32_MAX : (uint32_t)(*wrapper)->value;
}

bool decode_http2_options(struct decoder *d, const CORE(Http2ProtocolOptions) *from,
                          struct http2_options *out) {
    out->hpack_table_bytes = VALUE_OR(from->hpack_table_size, out->hpack_table_bytes);
    out->max_concurrent_streams =
        VALUE_OR(from->max_concurrent_streams, out->max_concurrent_streams);
    out->stream_window_bytes = VALUE_OR(from->initial_stream_window_size, out->stream_window_bytes);
    out->connection_window_bytes =
        VALUE_OR(from->initial_connection_window_size, out->connection_window_bytes);
    out->allow_connect = from->allow_connect != 0;
    out->max_outbound_frames = VALUE_OR(from->max_outbound_frames, 0);
    out->max_outbound_control_frames = VALUE_OR(from->max_outbound_control_frames, 0);
    out->max_consecutive_empty_data =
        VALUE_OR(from->max_consecutive_inbound_frames_with_empty_payload, 0);
    out->max_priority_frames_per_stream = VALUE_OR(from->max_inbound_priority_frames_per_stream, 0);
    out->max_window_update_per_data_frame =
        VALUE_OR(from->max_inbound_window_update_frames_per_data_frame_sent, 0);
    out->reset_burst = wrapped(from, "stream_reset_burst", out->reset_burst);
    out->reset_per_s = wrapped(from, "stream_reset_rate", out->reset_per_s);
    out->stream_error_on_invalid_message =
        FLAG_OR(from->override_stream_error_on_invalid_http_message,
                from->stream_error_on_invalid_http_messaging != 0);
    if (from->allow_metadata) {
        return decoder_field_error(d, "allow_metadata", "HTTP/2 METADATA is not supported");
    }
    if (from->n_custom_settings_parameters > 0) {
        return decoder_field_error(d, "custom_settings_parameters",
                                   "custom SETTINGS are not supported");
    }
    return true;
}

bool decode_http2_keepalive(struct decoder *d, const CORE(Http2ProtocolOptions) *from,
                            uint32_t *interval_ms, uint32_t *timeout_ms) {
    const CORE(KeepaliveSettings) *keepalive = from->connection_keepalive;
    if (keepalive == NULL) {
        return true;
    }
    bool is_ok = decode_optional_duration(d, "connection_keepalive.interval", keepalive->interval,
                                          interval_ms);
    return decode_optional_duration(d, "connection_keepalive.timeout", keepalive->timeout,
                                    timeout_ms) &&
           is_ok;
}

static const struct ledger_field common_fields[] = {
    LEDGER_OK("idle_timeout"),
    LEDGER_OK("max_connection_duration"),
    {"max_connection_duration_jitter", LEDGER_IGNORED, "connections end without jitter"},
    LEDGER_OK("max_headers_count"),
    LEDGER_OK("max_response_headers_kb"),
    LEDGER_OK("max_stream_duration"),
    LEDGER_OK("headers_with_underscores_action"),
    LEDGER_OK("max_requests_per_connection"),
};
static const struct ledger_field http1_fields[] = {
    LEDGER_OK("allow_absolute_url"),
    LEDGER_OK("accept_http_10"),
    LEDGER_OK("default_host_for_http_10"),
    LEDGER_OK("header_key_format"),
    LEDGER_OK("enable_trailers"),
    LEDGER_OK("allow_chunked_length"),
    LEDGER_OK("send_fully_qualified_url"),
    {"override_stream_error_on_invalid_http_message", LEDGER_IGNORED,
     "the connection ends after a malformed message"},
    {"use_balsa_parser", LEDGER_HARMLESS, "there is one parser"},
    {"allow_custom_methods", LEDGER_IGNORED, "only registered methods are taken"},
    {"ignore_http_11_upgrade", LEDGER_IGNORED, "upgrades are decided by upgrade_configs"},
};
static const struct ledger_field http2_fields[] = {
    LEDGER_OK("hpack_table_size"),
    LEDGER_OK("max_concurrent_streams"),
    LEDGER_OK("initial_stream_window_size"),
    LEDGER_OK("initial_connection_window_size"),
    LEDGER_OK("allow_connect"),
    LEDGER_OK("max_outbound_frames"),
    LEDGER_OK("max_outbound_control_frames"),
    LEDGER_OK("max_consecutive_inbound_frames_with_empty_payload"),
    LEDGER_OK("max_inbound_priority_frames_per_stream"),
    LEDGER_OK("max_inbound_window_update_frames_per_data_frame_sent"),
    LEDGER_OK("stream_error_on_invalid_http_messaging"),
    LEDGER_OK("override_stream_error_on_invalid_http_message"),
    LEDGER_OK("connection_keepalive"),
    LEDGER_OK("stream_reset_burst"),
    LEDGER_OK("stream_reset_rate"),
    {"allow_metadata", LEDGER_REFUSED, "METADATA frames are not supported"},
    {"custom_settings_parameters", LEDGER_REFUSED, "custom SETTINGS are not supported"},
    {"use_oghttp2_codec", LEDGER_HARMLESS, "there is one codec"},
    {"max_metadata_size", LEDGER_HARMLESS, "METADATA frames are not taken"},
    {"enable_huffman_encoding", LEDGER_HARMLESS, "how our own headers are compressed"},
    {"max_header_field_size_kb", LEDGER_IGNORED, "the limit of all headers holds for each"},
    {"disallow_obs_text", LEDGER_IGNORED, "bytes above 0x7f are taken"},
};
static const struct ledger_field keepalive_fields[] = {
    LEDGER_OK("interval"),
    LEDGER_OK("timeout"),
    {"interval_jitter", LEDGER_HARMLESS, "only spreads the pings"},
    {"connection_idle_interval", LEDGER_IGNORED, "no ping goes before a request after a rest"},
};
static const struct ledger_field all_fields[] = {LEDGER_OK("*")};

const struct ledger_message ledger_hcm_protocol[] = {
    LEDGER_MESSAGE("envoy.config.core.v3.HttpProtocolOptions", common_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.Http1ProtocolOptions", http1_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat", all_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat.ProperCaseWords",
                   all_fields),
    LEDGER_MESSAGE(
        "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig",
        all_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.Http2ProtocolOptions", http2_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.KeepaliveSettings", keepalive_fields),
};
const uint32_t ledger_hcm_protocol_count = ARRAY_LEN(ledger_hcm_protocol);
