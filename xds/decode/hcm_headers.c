// SPDX-License-Identifier: Apache-2.0
#include "envoy/config/core/v3/protocol.pb-c.h"
#include "envoy/extensions/http/original_ip_detection/xff/v3/xff.pb-c.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/hcm_parts.h"
#include "xds/decode/matcher.h"

#define HCM_ENUM(name)                                                                             \
    ENVOY__EXTENSIONS__FILTERS__NETWORK__HTTP_CONNECTION_MANAGER__V3__HTTP_CONNECTION_MANAGER__##name
#define XFF_CONFIG Envoy__Extensions__Http__OriginalIpDetection__Xff__V3__XffConfig

/* ---- the client's address ---- */

// The extension for X-Forwarded-For says the same as the fields that were there before it.
static bool decode_detection(struct decoder *d, const CORE(TypedExtensionConfig) *from,
                             struct http_connection_manager_config *out) {
    struct any_view view;
    if (!decode_any_type(d, from->typed_config, &view)) {
        return false;
    }
    if (!any_is(&view, "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig")) {
        return decode_unknown_extension(d, from->name, &view);
    }
    const ProtobufCMessage *message = decode_any_open(d, &view);
    if (message == NULL) {
        return false;
    }
    const XFF_CONFIG *xff = (const XFF_CONFIG *)message;
    if (xff->xff_trusted_cidrs != NULL) {
        return decoder_field_error(d, "xff_trusted_cidrs", "trusted ranges are not supported");
    }
    out->use_remote_address = false;
    out->xff_num_trusted_hops = xff->xff_num_trusted_hops;
    out->skip_xff_append = FLAG_OR(xff->skip_xff_append, true);
    return true;
}

static bool decode_remote_address(struct decoder *d, const HCM(HttpConnectionManager) *from,
                                  struct http_connection_manager_config *out) {
    out->use_remote_address = FLAG_OR(from->use_remote_address, d->config.edge_defaults);
    out->xff_num_trusted_hops = from->xff_num_trusted_hops;
    out->skip_xff_append = from->skip_xff_append != 0;
    out->append_x_forwarded_port = from->append_x_forwarded_port != 0;
    if (from->n_original_ip_detection_extensions > 1) {
        return decoder_field_error(d, "original_ip_detection_extensions",
                                   "only one extension is supported");
    }
    if (from->n_original_ip_detection_extensions == 1) {
        if (FLAG_OR(from->use_remote_address, false)) {
            return decoder_error(d, "Original IP detection extensions and use_remote_address may "
                                    "not be mixed");
        }
        decoder_push_index(d, "original_ip_detection_extensions", 0);
        bool is_ok = decode_detection(d, from->original_ip_detection_extensions[0], out);
        decoder_pop_index(d);
        return is_ok;
    }
    return true;
}

static bool decode_internal(struct decoder *d, const HCM(HttpConnectionManager) *from,
                            struct http_connection_manager_config *out) {
    if (from->internal_address_config == NULL) {
        return true;
    }
    out->unix_is_internal = from->internal_address_config->unix_sockets != 0;
    decoder_push(d, "internal_address_config");
    bool is_ok = decode_cidrs(d, "cidr_ranges", from->internal_address_config->cidr_ranges,
                              from->internal_address_config->n_cidr_ranges, &out->internal_cidrs,
                              &out->internal_cidr_count);
    decoder_pop(d);
    return is_ok;
}

/* ---- headers ---- */

static enum forward_client_cert forward_mode(int mode) {
    switch (mode) {
    case HCM_ENUM(FORWARD_CLIENT_CERT_DETAILS__FORWARD_ONLY):
        return FORWARD_CLIENT_CERT_FORWARD_ONLY;
    case HCM_ENUM(FORWARD_CLIENT_CERT_DETAILS__APPEND_FORWARD):
        return FORWARD_CLIENT_CERT_APPEND_FORWARD;
    case HCM_ENUM(FORWARD_CLIENT_CERT_DETAILS__SANITIZE_SET):
        return FORWARD_CLIENT_CERT_SANITIZE_SET;
    case HCM_ENUM(FORWARD_CLIENT_CERT_DETAILS__ALWAYS_FORWARD_ONLY):
        return FORWARD_CLIENT_CERT_ALWAYS_FORWARD_ONLY;
    default:
        return FORWARD_CLIENT_CERT_SANITIZE;
    }
}

static void decode_client_cert(const HCM(HttpConnectionManager) *from,
                               struct http_connection_manager_config *out) {
    const HCM(HttpConnectionManager__SetCurrentClientCertDetails) *details =
        from->set_current_client_cert_details;
    out->forward_client_cert = forward_mode((int)from->forward_client_cert_details);
    if (details == NULL) {
        return;
    }
    out->xfcc_subject = FLAG_OR(details->subject, false);
    out->xfcc_cert = details->cert != 0;
    out->xfcc_chain = details->chain != 0;
    out->xfcc_dns = details->dns != 0;
    out->xfcc_uri = details->uri != 0;
}

static bool decode_request_id(struct decoder *d, const HCM(HttpConnectionManager) *from,
                              struct http_connection_manager_config *out) {
    out->generate_request_id = FLAG_OR(from->generate_request_id, true);
    out->preserve_external_request_id = from->preserve_external_request_id != 0;
    out->always_set_request_id_in_response = from->always_set_request_id_in_response != 0;
    if (from->request_id_extension == NULL || from->request_id_extension->typed_config == NULL) {
        return true;
    }
    struct any_view view;
    decoder_push(d, "request_id_extension.typed_config");
    bool is_ok = decode_any_type(d, from->request_id_extension->typed_config, &view) &&
                 (any_is(&view, "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig") ||
                  decode_unknown_extension(d, "request_id_extension", &view));
    decoder_pop(d);
    return is_ok;
}

static void decode_server_header(struct decoder *d, const HCM(HttpConnectionManager) *from,
                                 struct http_connection_manager_config *out) {
    out->server_name =
        from->server_name[0] == '\0' ? SLICE("envoy") : decoder_text(d, from->server_name);
    if (from->server_header_transformation ==
        HCM_ENUM(SERVER_HEADER_TRANSFORMATION__APPEND_IF_ABSENT)) {
        out->server_transformation = SERVER_APPEND_IF_ABSENT;
    } else if (from->server_header_transformation ==
               HCM_ENUM(SERVER_HEADER_TRANSFORMATION__PASS_THROUGH)) {
        out->server_transformation = SERVER_PASS_THROUGH;
    }
}

static void decode_proxy_status(struct decoder *d,
                                const HCM(HttpConnectionManager__ProxyStatusConfig) *from,
                                struct http_connection_manager_config *out) {
    if (from == NULL) {
        return;
    }
    struct proxy_status_config *status = ARENA_NEW(d->config.arena, struct proxy_status_config);
    status->remove_details = from->remove_details != 0;
    status->remove_termination_details = from->remove_connection_termination_details != 0;
    status->remove_response_flags = from->remove_response_flags != 0;
    status->set_recommended_status = from->set_recommended_response_code != 0;
    switch ((int)from->proxy_name_case) {
    case HCM_ENUM(PROXY_STATUS_CONFIG__PROXY_NAME_USE_NODE_ID):
        status->names_node = true;
        break;
    case HCM_ENUM(PROXY_STATUS_CONFIG__PROXY_NAME_LITERAL_PROXY_NAME):
        status->literal_name = decoder_text(d, from->literal_proxy_name);
        break;
    default:
        break;
    }
    out->proxy_status = status;
}

static void decode_scheme(struct decoder *d, const HCM(HttpConnectionManager) *from,
                          struct http_connection_manager_config *out) {
    const CORE(SchemeHeaderTransformation) *scheme = from->scheme_header_transformation;
    if (scheme != NULL && scheme->transformation_case != 0) {
        out->scheme_to_overwrite = decoder_lower(d, scheme->scheme_to_overwrite);
    }
}

/* ---- path and host ---- */

static enum path_escaped_slashes slashes(int action, bool is_edge) {
    switch (action) {
    case HCM_ENUM(PATH_WITH_ESCAPED_SLASHES_ACTION__KEEP_UNCHANGED):
        return PATH_SLASHES_KEEP_UNCHANGED;
    case HCM_ENUM(PATH_WITH_ESCAPED_SLASHES_ACTION__REJECT_REQUEST):
        return PATH_SLASHES_REJECT;
    case HCM_ENUM(PATH_WITH_ESCAPED_SLASHES_ACTION__UNESCAPE_AND_REDIRECT):
        return PATH_SLASHES_UNESCAPE_AND_REDIRECT;
    case HCM_ENUM(PATH_WITH_ESCAPED_SLASHES_ACTION__UNESCAPE_AND_FORWARD):
        return PATH_SLASHES_UNESCAPE_AND_FORWARD;
    default:
        return is_edge ? PATH_SLASHES_REJECT : PATH_SLASHES_KEEP_UNCHANGED;
    }
}

static void decode_path(struct decoder *d, const HCM(HttpConnectionManager) *from,
                        struct http_connection_manager_config *out) {
    bool is_edge = d->config.edge_defaults;
    out->path = (struct path_options){
        .normalize = FLAG_OR(from->normalize_path, is_edge),
        .merge_slashes = from->merge_slashes || is_edge,
        .escaped_slashes = slashes((int)from->path_with_escaped_slashes_action, is_edge),
        .strict = is_edge,
    };
    out->strip_matching_host_port = from->strip_matching_host_port != 0;
    out->strip_any_host_port =
        from->strip_port_mode_case == HCM_ENUM(STRIP_PORT_MODE_STRIP_ANY_HOST_PORT) &&
        from->strip_any_host_port;
    out->strip_trailing_host_dot = from->strip_trailing_host_dot || is_edge;
}

bool decode_hcm_headers(struct decoder *d, const HCM(HttpConnectionManager) *from,
                        struct http_connection_manager_config *out) {
    bool is_ok = decode_remote_address(d, from, out);
    is_ok = decode_internal(d, from, out) && is_ok;
    is_ok = decode_request_id(d, from, out) && is_ok;
    decode_client_cert(from, out);
    decode_server_header(d, from, out);
    decode_scheme(d, from, out);
    decode_path(d, from, out);
    decode_proxy_status(d, from->proxy_status_config, out);
    out->via = decoder_text(d, from->via);
    out->add_user_agent = FLAG_OR(from->add_user_agent, false);
    out->append_local_overload = from->append_local_overload != 0;
    out->proxy_100_continue = from->proxy_100_continue != 0;
    if (out->strip_matching_host_port && out->strip_any_host_port) {
        is_ok = decoder_error(d, "Error: Only one of `strip_matching_host_port` or "
                                 "`strip_any_host_port` can be set.");
    }
    return is_ok;
}
