// SPDX-License-Identifier: Apache-2.0
#include "xds/decode/hcm_parts.h"

#include "envoy/config/core/v3/config_source.pb-c.h"
#include "xds/decode/access_log.h"
#include "xds/decode/http_connection_manager.h"
#include "xds/decode/ledgers.h"
#include "xds/decode/route_config.h"

/* ---- routes ---- */

static bool decode_inline_routes(struct decoder *d, const HCM(HttpConnectionManager) *from,
                                 struct http_connection_manager_config *out) {
    uint32_t errors = d->config.validation->error_count;
    struct slice name = arena_printf(d->scratch, "inline/%.*s/%.*s/%s", SLICE_ARG(d->scope),
                                     SLICE_ARG(d->chain), from->stat_prefix);
    decoder_push(d, "route_config");
    struct route_part *part = decode_route_configuration(d, from->route_config, true);
    decoder_pop(d);
    out->route_slot = config_store_slot_for(d->config.store, d->config.part, CONFIG_ROUTE, name);
    out->route_name = decoder_text(d, from->route_config->name);
    decode_extra_part(d, out->route_slot, &part->part);
    return d->config.validation->error_count == errors;
}

static bool decode_routes(struct decoder *d, const HCM(HttpConnectionManager) *from,
                          struct http_connection_manager_config *out) {
    switch ((int)from->route_specifier_case) {
    case ENVOY__EXTENSIONS__FILTERS__NETWORK__HTTP_CONNECTION_MANAGER__V3__HTTP_CONNECTION_MANAGER__ROUTE_SPECIFIER_RDS:
        out->route_name = decoder_text(d, from->rds->route_config_name);
        out->route_slot = decode_depend(d, CONFIG_ROUTE, out->route_name, from->rds->config_source);
        return true;
    case ENVOY__EXTENSIONS__FILTERS__NETWORK__HTTP_CONNECTION_MANAGER__V3__HTTP_CONNECTION_MANAGER__ROUTE_SPECIFIER_ROUTE_CONFIG:
        return decode_inline_routes(d, from, out);
    default:
        return decoder_field_error(d, "scoped_routes", "scoped routes are not supported");
    }
}

/* ---- access logs, upgrades ---- */

static bool decode_logs(struct decoder *d, const HCM(HttpConnectionManager) *from,
                        struct http_connection_manager_config *out) {
    bool is_ok = decode_access_logs(d, from->access_log, from->n_access_log, &out->access_logs,
                                    &out->access_log_count);
    for (uint32_t i = 0; is_ok && i < out->access_log_count; i++) {
        out->measures_route = out->measures_route || out->access_logs[i]->asks_route_time;
    }
    return is_ok;
}

static bool decode_upgrades(struct decoder *d, const HCM(HttpConnectionManager) *from,
                            struct http_connection_manager_config *out) {
    size_t count = from->n_upgrade_configs;
    struct upgrade_config *upgrades =
        count == 0 ? NULL : ARENA_NEW_ARRAY(d->config.arena, count, struct upgrade_config);
    for (size_t i = 0; i < count; i++) {
        const HCM(HttpConnectionManager__UpgradeConfig) *upgrade = from->upgrade_configs[i];
        upgrades[i] = (struct upgrade_config){.type = decoder_lower(d, upgrade->upgrade_type),
                                              .enabled = FLAG_OR(upgrade->enabled, true)};
        if (upgrade->n_filters > 0) {
            return decoder_field_error(d, "upgrade_configs.filters",
                                       "filter chains of upgrades are not supported");
        }
        for (size_t k = 0; k < i; k++) {
            if (slice_equal(upgrades[k].type, upgrades[i].type)) {
                return decoder_field_error(d, "upgrade_configs",
                                           "Error: multiple upgrade configs with the same name: "
                                           "'%s'",
                                           upgrade->upgrade_type);
            }
        }
    }
    out->upgrades = upgrades;
    out->upgrade_count = (uint32_t)count;
    return true;
}

const void *http_connection_manager_parse(struct filter_config_context *context,
                                          const struct ProtobufCMessage *message) {
    struct decoder *d = decoder_of(context);
    const HCM(HttpConnectionManager) *from = (const HCM(HttpConnectionManager) *)message;
    struct http_connection_manager_config *out =
        ARENA_NEW(context->arena, struct http_connection_manager_config);
    out->stat_prefix = decoder_text(d, from->stat_prefix);
    out->is_edge = context->edge_defaults;
    struct slice outer_prefix = context->stat_prefix;
    context->stat_prefix = arena_printf(context->arena, "http.%s.", from->stat_prefix);
    bool is_ok = decode_hcm_options(d, from, out);
    is_ok = decode_hcm_headers(d, from, out) && is_ok;
    is_ok = decode_hcm_filters(d, from, out) && is_ok;
    is_ok = decode_hcm_local_reply(d, from, out) && is_ok;
    is_ok = decode_logs(d, from, out) && is_ok;
    is_ok = decode_upgrades(d, from, out) && is_ok;
    is_ok = decode_routes(d, from, out) && is_ok;
    context->stat_prefix = outer_prefix;
    return is_ok ? out : NULL;
}

static const struct ledger_field all_fields[] = {LEDGER_OK("*")};
static const struct ledger_field hcm_fields[] = {
    LEDGER_OK("codec_type"),
    LEDGER_OK("stat_prefix"),
    LEDGER_OK("rds"),
    LEDGER_OK("route_config"),
    LEDGER_OK("http_filters"),
    LEDGER_OK("common_http_protocol_options"),
    LEDGER_OK("http_protocol_options"),
    LEDGER_OK("http2_protocol_options"),
    LEDGER_OK("server_name"),
    LEDGER_OK("server_header_transformation"),
    LEDGER_OK("scheme_header_transformation"),
    LEDGER_OK("max_request_headers_kb"),
    LEDGER_OK("stream_idle_timeout"),
    LEDGER_OK("request_timeout"),
    LEDGER_OK("request_headers_timeout"),
    LEDGER_OK("drain_timeout"),
    LEDGER_OK("delayed_close_timeout"),
    LEDGER_OK("access_log"),
    LEDGER_OK("use_remote_address"),
    LEDGER_OK("xff_num_trusted_hops"),
    LEDGER_OK("original_ip_detection_extensions"),
    LEDGER_OK("internal_address_config"),
    LEDGER_OK("skip_xff_append"),
    LEDGER_OK("via"),
    LEDGER_OK("add_user_agent"),
    LEDGER_OK("proxy_status_config"),
    LEDGER_OK("generate_request_id"),
    LEDGER_OK("preserve_external_request_id"),
    LEDGER_OK("always_set_request_id_in_response"),
    LEDGER_OK("forward_client_cert_details"),
    LEDGER_OK("set_current_client_cert_details"),
    LEDGER_OK("proxy_100_continue"),
    LEDGER_OK("upgrade_configs"),
    LEDGER_OK("normalize_path"),
    LEDGER_OK("merge_slashes"),
    LEDGER_OK("path_with_escaped_slashes_action"),
    LEDGER_OK("request_id_extension"),
    LEDGER_OK("local_reply_config"),
    LEDGER_OK("strip_matching_host_port"),
    LEDGER_OK("strip_any_host_port"),
    LEDGER_OK("strip_trailing_host_dot"),
    LEDGER_OK("append_x_forwarded_port"),
    LEDGER_OK("append_local_overload"),
    {"tracing", LEDGER_HARMLESS, "telemetry"},
    {"add_proxy_protocol_connection_state", LEDGER_HARMLESS, "the PROXY protocol is not built in"},
    {"stream_flush_timeout", LEDGER_IGNORED, "stream_idle_timeout holds while it is flushed"},
    {"access_log_flush_interval", LEDGER_IGNORED, "a request is logged once, at its end"},
    {"flush_access_log_on_new_request", LEDGER_IGNORED, "a request is logged once, at its end"},
    {"access_log_options", LEDGER_IGNORED, "a request is logged once, at its end"},
    {"represent_ipv4_remote_address_as_ipv4_mapped_ipv6", LEDGER_IGNORED,
     "IPv4 addresses are written as such"},
    {"stream_error_on_invalid_http_message", LEDGER_IGNORED,
     "holds for HTTP/2; an HTTP/1 connection ends after such a message"},
    {"record_route_resolution_stats", LEDGER_HARMLESS, "telemetry"},
    {"drain_timeout_jitter", LEDGER_HARMLESS, "only spreads the ends of connections"},
    {"http1_safe_max_connection_duration", LEDGER_IGNORED,
     "connections end at their time, between requests"},
    {"http3_protocol_options", LEDGER_IGNORED, "HTTP/3 is not built in"},
    {"typed_header_validation_config", LEDGER_IGNORED, "headers are always checked strictly"},
    {"*", LEDGER_REFUSED, "requests would be routed or rewritten differently"},
};
static const struct ledger_field scheme_fields[] = {
    LEDGER_OK("scheme_to_overwrite"),
    {"match_upstream", LEDGER_IGNORED, "the scheme stays that of the client's connection"},
};
static const struct ledger_field cert_fields[] = {
    LEDGER_OK("subject"),
    LEDGER_OK("cert"),
    LEDGER_OK("chain"),
    LEDGER_OK("dns"),
    LEDGER_OK("uri"),
    {"issuer", LEDGER_IGNORED, "the issuer is not forwarded"},
    {"format", LEDGER_IGNORED, "the text form is sent"},
};
static const struct ledger_field upgrade_fields[] = {
    LEDGER_OK("upgrade_type"),
    LEDGER_OK("enabled"),
    {"filters", LEDGER_REFUSED, "filters would not run on upgraded streams"},
};
static const struct ledger_field filter_fields[] = {
    LEDGER_OK("name"),
    LEDGER_OK("typed_config"),
    LEDGER_OK("is_optional"),
    LEDGER_OK("disabled"),
    {"config_discovery", LEDGER_REFUSED, "extension discovery is not supported"},
};
static const struct ledger_field xff_fields[] = {
    LEDGER_OK("xff_num_trusted_hops"),
    LEDGER_OK("skip_xff_append"),
    {"xff_trusted_cidrs", LEDGER_REFUSED, "client addresses would be wrong"},
};
static const struct ledger_field uuid_fields[] = {
    {"*", LEDGER_HARMLESS, "what traces are sampled by"},
};

#define HCM_NAME "envoy.extensions.filters.network.http_connection_manager.v3."
const struct ledger_message ledger_http_connection_manager[] = {
    LEDGER_MESSAGE(HCM_NAME "HttpConnectionManager", hcm_fields),
    LEDGER_MESSAGE(HCM_NAME "HttpConnectionManager.InternalAddressConfig", all_fields),
    LEDGER_MESSAGE(HCM_NAME "HttpConnectionManager.SetCurrentClientCertDetails", cert_fields),
    LEDGER_MESSAGE(HCM_NAME "HttpConnectionManager.UpgradeConfig", upgrade_fields),
    LEDGER_MESSAGE(HCM_NAME "HttpFilter", filter_fields),
    LEDGER_MESSAGE(HCM_NAME "Rds", all_fields),
    LEDGER_MESSAGE(HCM_NAME "LocalReplyConfig", all_fields),
    LEDGER_MESSAGE(HCM_NAME "ResponseMapper", all_fields),
    LEDGER_MESSAGE(HCM_NAME "HttpConnectionManager.ProxyStatusConfig", all_fields),
    LEDGER_MESSAGE(HCM_NAME "RequestIDExtension", all_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.SchemeHeaderTransformation", scheme_fields),
    LEDGER_MESSAGE("envoy.extensions.http.original_ip_detection.xff.v3.XffConfig", xff_fields),
    LEDGER_MESSAGE("envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig", uuid_fields),
};
const uint32_t ledger_http_connection_manager_count = ARRAY_LEN(ledger_http_connection_manager);
