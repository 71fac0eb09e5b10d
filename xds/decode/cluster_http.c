// SPDX-License-Identifier: Apache-2.0
#include "envoy/config/core/v3/protocol.pb-c.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb-c.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb-c.h"
#include "src/http/codec.h"
#include "xds/decode/cluster_parts.h"
#include "xds/decode/hcm_protocol.h"
#include "xds/decode/ledgers.h"

#define UPSTREAM(name) Envoy__Extensions__Upstreams__Http__V3__##name

enum { DEFAULT_IDLE_MS = 3600 * 1000 };

static bool decode_common(struct decoder *d, const CORE(HttpProtocolOptions) *from,
                          struct upstream_http_config *out) {
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
    out->max_headers_count = VALUE_OR(from->max_headers_count, 0);
    out->max_response_headers_kb = VALUE_OR(from->max_response_headers_kb, 0);
    out->max_requests_per_connection =
        VALUE_OR(from->max_requests_per_connection, out->max_requests_per_connection);
    out->underscores = decode_underscores((int)from->headers_with_underscores_action);
    decoder_pop(d);
    return is_ok;
}

static void decode_upstream_options(struct decoder *d,
                                    const CORE(UpstreamHttpProtocolOptions) *from,
                                    struct upstream_http_config *out) {
    if (from == NULL) {
        return;
    }
    out->auto_sni = from->auto_sni != 0;
    out->auto_san_validation = from->auto_san_validation != 0;
    out->override_auto_sni_header = decoder_lower(d, from->override_auto_sni_header);
}

static bool decode_http1(struct decoder *d, const CORE(Http1ProtocolOptions) *from,
                         struct upstream_http_config *out) {
    if (from == NULL) {
        return true;
    }
    struct http1_options options = {0};
    decoder_push(d, "http_protocol_options");
    bool is_ok = decode_http1_options(d, from, &options);
    decoder_pop(d);
    out->http1_proper_case = options.proper_case;
    out->http1_preserve_case = options.preserve_case;
    out->http1_enable_trailers = options.enable_trailers;
    return is_ok;
}

static bool decode_http2(struct decoder *d, const CORE(Http2ProtocolOptions) *from,
                         struct upstream_http_config *out) {
    if (from == NULL) {
        return true;
    }
    struct http2_options options = {0};
    decoder_push(d, "http2_protocol_options");
    bool is_ok = decode_http2_options(d, from, &options);
    out->h2_max_concurrent_streams = options.max_concurrent_streams;
    out->h2_stream_window_bytes = options.stream_window_bytes;
    out->h2_connection_window_bytes = options.connection_window_bytes;
    out->h2_hpack_table_bytes = options.hpack_table_bytes;
    out->h2_allow_connect = options.allow_connect;
    out->h2_stream_error_on_invalid_message = options.stream_error_on_invalid_message;
    is_ok = decode_http2_keepalive(d, from, &out->h2_keepalive_interval_ms,
                                   &out->h2_keepalive_timeout_ms) &&
            is_ok;
    decoder_pop(d);
    return is_ok;
}

static bool decode_explicit(struct decoder *d,
                            const UPSTREAM(HttpProtocolOptions__ExplicitHttpConfig) *from,
                            struct upstream_http_config *out) {
    switch ((int)from->protocol_config_case) {
    case ENVOY__EXTENSIONS__UPSTREAMS__HTTP__V3__HTTP_PROTOCOL_OPTIONS__EXPLICIT_HTTP_CONFIG__PROTOCOL_CONFIG_HTTP_PROTOCOL_OPTIONS:
        out->protocol = UPSTREAM_HTTP_1;
        return decode_http1(d, from->http_protocol_options, out);
    case ENVOY__EXTENSIONS__UPSTREAMS__HTTP__V3__HTTP_PROTOCOL_OPTIONS__EXPLICIT_HTTP_CONFIG__PROTOCOL_CONFIG_HTTP2_PROTOCOL_OPTIONS:
        out->protocol = UPSTREAM_HTTP_2;
        return decode_http2(d, from->http2_protocol_options, out);
    default:
        return decoder_error(d, "HTTP/3 is not supported");
    }
}

static bool decode_protocol(struct decoder *d, const UPSTREAM(HttpProtocolOptions) *from,
                            struct upstream_http_config *out) {
    bool is_ok;
    switch ((int)from->upstream_protocol_options_case) {
    case ENVOY__EXTENSIONS__UPSTREAMS__HTTP__V3__HTTP_PROTOCOL_OPTIONS__UPSTREAM_PROTOCOL_OPTIONS_EXPLICIT_HTTP_CONFIG:
        decoder_push(d, "explicit_http_config");
        is_ok = decode_explicit(d, from->explicit_http_config, out);
        break;
    case ENVOY__EXTENSIONS__UPSTREAMS__HTTP__V3__HTTP_PROTOCOL_OPTIONS__UPSTREAM_PROTOCOL_OPTIONS_USE_DOWNSTREAM_PROTOCOL_CONFIG:
        out->protocol = UPSTREAM_FOLLOW_DOWNSTREAM;
        decoder_push(d, "use_downstream_protocol_config");
        is_ok = decode_http1(d, from->use_downstream_protocol_config->http_protocol_options, out);
        is_ok =
            decode_http2(d, from->use_downstream_protocol_config->http2_protocol_options, out) &&
            is_ok;
        break;
    case ENVOY__EXTENSIONS__UPSTREAMS__HTTP__V3__HTTP_PROTOCOL_OPTIONS__UPSTREAM_PROTOCOL_OPTIONS_AUTO_CONFIG:
        out->protocol = UPSTREAM_AUTO;
        decoder_push(d, "auto_config");
        is_ok = decode_http1(d, from->auto_config->http_protocol_options, out);
        is_ok = decode_http2(d, from->auto_config->http2_protocol_options, out) && is_ok;
        break;
    default:
        return decoder_error(d, "upstream_protocol_options is required");
    }
    decoder_pop(d);
    return is_ok;
}

// Only the codec, which ends every upstream chain, can stand here.
static bool check_filters(struct decoder *d, const UPSTREAM(HttpProtocolOptions) *from) {
    bool is_ok = true;
    for (size_t i = 0; i < from->n_http_filters; i++) {
        const HCM(HttpFilter) *filter = from->http_filters[i];
        struct any_view view;
        decoder_push_index(d, "http_filters", i);
        if (!decode_any_type(d, filter->typed_config, &view)) {
            is_ok = false;
        } else if (!any_is(&view,
                           "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec") &&
                   !filter->is_optional) {
            is_ok = decode_unknown_extension(d, filter->name, &view);
        }
        decoder_pop_index(d);
    }
    return is_ok;
}

static bool decode_options(struct decoder *d, const UPSTREAM(HttpProtocolOptions) *from,
                           struct upstream_http_config *out) {
    bool is_ok = decode_common(d, from->common_http_protocol_options, out);
    decode_upstream_options(d, from->upstream_http_protocol_options, out);
    is_ok = decode_protocol(d, from, out) && is_ok;
    return check_filters(d, from) && is_ok;
}

static bool decode_typed(struct decoder *d,
                         const CLUSTER(Cluster__TypedExtensionProtocolOptionsEntry) *entry,
                         struct upstream_http_config *out) {
    struct any_view view;
    if (!decode_any_type(d, entry->value, &view)) {
        return false;
    }
    if (!any_is(&view, "envoy.extensions.upstreams.http.v3.HttpProtocolOptions")) {
        return decoder_error(d,
                             "Didn't find a registered network or http filter or protocol options "
                             "implementation for name: '%s'",
                             entry->key);
    }
    const ProtobufCMessage *message = decode_any_open(d, &view);
    return message != NULL &&
           decode_options(d, (const UPSTREAM(HttpProtocolOptions) *)message, out);
}

// What stood in the cluster itself before there were protocol options.
static bool decode_legacy(struct decoder *d, const CLUSTER(Cluster) *from,
                          struct upstream_http_config *out) {
    bool is_ok = decode_common(d, from->common_http_protocol_options, out);
    decode_upstream_options(d, from->upstream_http_protocol_options, out);
    is_ok = decode_http1(d, from->http_protocol_options, out) && is_ok;
    is_ok = decode_http2(d, from->http2_protocol_options, out) && is_ok;
    if (from->http2_protocol_options != NULL) {
        out->protocol = UPSTREAM_HTTP_2;
    }
    if (from->protocol_selection ==
        ENVOY__CONFIG__CLUSTER__V3__CLUSTER__CLUSTER_PROTOCOL_SELECTION__USE_DOWNSTREAM_PROTOCOL) {
        out->protocol = UPSTREAM_FOLLOW_DOWNSTREAM;
    }
    return is_ok;
}

bool decode_cluster_http(struct decoder *d, const CLUSTER(Cluster) *from,
                         struct cluster_part *out) {
    out->http = (struct upstream_http_config){
        .protocol = UPSTREAM_HTTP_1,
        .idle_timeout_ms = DEFAULT_IDLE_MS,
        .max_requests_per_connection = VALUE_OR(from->max_requests_per_connection, 0),
    };
    bool is_ok = true;
    if (from->n_typed_extension_protocol_options == 0) {
        return decode_legacy(d, from, &out->http);
    }
    for (size_t i = 0; i < from->n_typed_extension_protocol_options; i++) {
        const CLUSTER(Cluster__TypedExtensionProtocolOptionsEntry) *entry =
            from->typed_extension_protocol_options[i];
        decoder_push(d, "typed_extension_protocol_options");
        validation_push_key(d->config.validation, slice_from_string(entry->key));
        is_ok = decode_typed(d, entry, &out->http) && is_ok;
        decoder_pop_index(d);
    }
    return is_ok;
}

static const struct ledger_field options_fields[] = {
    LEDGER_OK("common_http_protocol_options"),
    LEDGER_OK("upstream_http_protocol_options"),
    LEDGER_OK("explicit_http_config"),
    LEDGER_OK("use_downstream_protocol_config"),
    LEDGER_OK("auto_config"),
    LEDGER_OK("http_filters"),
    {"header_validation_config", LEDGER_IGNORED, "headers are always checked strictly"},
    {"outlier_detection", LEDGER_IGNORED, "5xx answers are what counts as failure"},
    {"request_mirror_policies", LEDGER_IGNORED, "mirrors are set on routes"},
    {"hash_policy", LEDGER_IGNORED, "hash policies are set on routes"},
    {"retry_policy", LEDGER_IGNORED, "retries are set on routes"},
};
static const struct ledger_field explicit_fields[] = {
    LEDGER_OK("http_protocol_options"),
    LEDGER_OK("http2_protocol_options"),
    {"http3_protocol_options", LEDGER_REFUSED, "HTTP/3 is not built in"},
};
static const struct ledger_field several_fields[] = {
    LEDGER_OK("http_protocol_options"),
    LEDGER_OK("http2_protocol_options"),
    {"http3_protocol_options", LEDGER_IGNORED, "HTTP/3 is not built in; HTTP/2 or 1.1 is used"},
    {"alternate_protocols_cache_options", LEDGER_HARMLESS, "alternates are HTTP/3 only"},
};
static const struct ledger_field upstream_fields[] = {
    LEDGER_OK("auto_sni"),
    LEDGER_OK("auto_san_validation"),
    LEDGER_OK("override_auto_sni_header"),
};
static const struct ledger_field all_fields[] = {LEDGER_OK("*")};

#define OPTIONS "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
const struct ledger_message ledger_cluster_http[] = {
    LEDGER_MESSAGE(OPTIONS, options_fields),
    LEDGER_MESSAGE(OPTIONS ".ExplicitHttpConfig", explicit_fields),
    LEDGER_MESSAGE(OPTIONS ".UseDownstreamHttpConfig", several_fields),
    LEDGER_MESSAGE(OPTIONS ".AutoHttpConfig", several_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.UpstreamHttpProtocolOptions", upstream_fields),
    LEDGER_MESSAGE("envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec", all_fields),
};
const uint32_t ledger_cluster_http_count = ARRAY_LEN(ledger_cluster_http);
