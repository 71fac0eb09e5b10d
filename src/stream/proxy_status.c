// SPDX-License-Identifier: Apache-2.0
#include "src/stream/proxy_status.h"

struct proxy_error {
    enum response_flag flag;
    const char *text;
    uint32_t status; /* RFC 9209 §2.3; 0: none recommended */
};

/* In Envoy's order: of several flags the first one here counts. Not DOWNSTREAM_PROTOCOL_ERROR, which it
 * sets after the answer. */
static const struct proxy_error errors[] = {
    {RESPONSE_FLAG_FAILED_LOCAL_HEALTH_CHECK, "destination_unavailable", 503},
    {RESPONSE_FLAG_NO_HEALTHY_UPSTREAM, "destination_unavailable", 503},
    {RESPONSE_FLAG_UPSTREAM_REQUEST_TIMEOUT, "http_response_timeout", 504},
    {RESPONSE_FLAG_DURATION_TIMEOUT, "connection_timeout", 504},
    {RESPONSE_FLAG_LOCAL_RESET, "connection_timeout", 504},
    {RESPONSE_FLAG_UPSTREAM_REMOTE_RESET, "connection_terminated", 502},
    {RESPONSE_FLAG_UPSTREAM_CONNECTION_FAILURE, "connection_refused", 502},
    {RESPONSE_FLAG_UNAUTHORIZED_EXTERNAL_SERVICE, "connection_refused", 502},
    {RESPONSE_FLAG_UPSTREAM_CONNECTION_TERMINATION, "connection_terminated", 502},
    {RESPONSE_FLAG_OVERLOAD_MANAGER, "connection_limit_reached", 503},
    {RESPONSE_FLAG_DROP_OVERLOAD, "connection_limit_reached", 503},
    {RESPONSE_FLAG_UPSTREAM_OVERFLOW, "connection_limit_reached", 503},
    {RESPONSE_FLAG_NO_ROUTE_FOUND, "destination_not_found", 500},
    {RESPONSE_FLAG_RATE_LIMITED, "connection_limit_reached", 503},
    {RESPONSE_FLAG_RATELIMIT_SERVICE_ERROR, "connection_limit_reached", 503},
    {RESPONSE_FLAG_UPSTREAM_RETRY_LIMIT_EXCEEDED, "destination_unavailable", 503},
    {RESPONSE_FLAG_STREAM_IDLE_TIMEOUT, "http_response_timeout", 504},
    {RESPONSE_FLAG_INVALID_ENVOY_REQUEST_HEADERS, "http_request_error", 0},
    {RESPONSE_FLAG_UPSTREAM_MAX_STREAM_DURATION_REACHED, "http_response_timeout", 504},
    {RESPONSE_FLAG_NO_FILTER_CONFIG_FOUND, "proxy_configuration_error", 500},
    {RESPONSE_FLAG_UPSTREAM_PROTOCOL_ERROR, "http_protocol_error", 502},
    {RESPONSE_FLAG_NO_CLUSTER_FOUND, "destination_unavailable", 503},
    {RESPONSE_FLAG_DNS_RESOLUTION_FAILED, "dns_error", 502},
};

static const struct proxy_error *find_error(const struct stream_info *info) {
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (stream_info_has_flag(info, errors[i].flag)) {
            return &errors[i];
        }
    }
    return NULL;
}

/* Backslash and quote would end the string (RFC 8941 §3.3.3). */
static struct slice escape(struct arena *arena, struct slice text) {
    uint8_t *bytes = arena_alloc_bytes(arena, text.len * 2);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\') {
            bytes[len++] = '\\';
        }
        bytes[len++] = text.ptr[i];
    }
    return slice_make(bytes, len);
}

/* "route_not_found; NR". */
static struct slice details_of(const struct proxy_status_config *config,
                               const struct stream_info *info, struct arena *arena) {
    struct slice text = info->response_code_details;
    const char *termination =
        info->connection == NULL ? NULL : info->connection->termination_details;
    if (!config->remove_termination_details && termination != NULL) {
        text = arena_printf(arena, "%.*s; %s", SLICE_ARG(text), termination);
    }
    if (!config->remove_response_flags) {
        struct slice flags = stream_info_flags_text(info, false);
        text = arena_printf(arena, "%.*s; %.*s", SLICE_ARG(text), SLICE_ARG(flags));
    }
    return escape(arena, text);
}

void proxy_status_add(const struct http_connection_manager_config *config, struct slice node_id,
                      const struct stream_info *info, struct header_map *headers) {
    const struct proxy_status_config *status = config->proxy_status;
    const struct proxy_error *error = find_error(info);
    if (error == NULL) {
        return;
    }
    struct slice name = status->names_node             ? node_id
                        : status->literal_name.len > 0 ? status->literal_name
                                                       : config->server_name;
    struct arena *arena = headers->arena;
    struct slice value = arena_printf(arena, "%.*s; error=%s", SLICE_ARG(name), error->text);
    if (!status->remove_details && info->response_code_details.ptr != NULL) {
        struct slice details = details_of(status, info, arena);
        value = arena_printf(arena, "%.*s; details=\"%.*s\"", SLICE_ARG(value), SLICE_ARG(details));
    }
    header_map_append_name(headers, SLICE("proxy-status"), value);
    if (status->set_recommended_status && error->status != 0) {
        header_map_set_uint(headers, HEADER_STATUS, error->status);
    }
}
