// SPDX-License-Identifier: Apache-2.0
#include "envoy/config/core/v3/health_check.pb-c.h"
#include "envoy/type/v3/http.pb-c.h"
#include "envoy/type/v3/range.pb-c.h"
#include "src/config/health_check_config.h"
#include "xds/decode/cluster_parts.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/ledgers.h"
#include "xds/decode/matcher.h"

enum { DEFAULT_NO_TRAFFIC_MS = 60000, DEFAULT_RESPONSE_BYTES = 1024, MAX_STATUS = 600 };

static int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// `text` is hexadecimal, as in Envoy.
static bool decode_payload(struct decoder *d, const char *field,
                           const CORE(HealthCheck__Payload) *from, struct slice *out) {
    *out = SLICE("");
    if (from == NULL) {
        return true;
    }
    if (from->payload_case == ENVOY__CONFIG__CORE__V3__HEALTH_CHECK__PAYLOAD__PAYLOAD_BINARY) {
        *out = arena_dup_slice(d->config.arena, slice_make(from->binary.data, from->binary.len));
        return true;
    }
    if (from->payload_case != ENVOY__CONFIG__CORE__V3__HEALTH_CHECK__PAYLOAD__PAYLOAD_TEXT) {
        return decoder_field_error(d, field, "a payload is required");
    }
    size_t len = strlen(from->text) / 2;
    uint8_t *bytes = arena_alloc_bytes(d->config.arena, len + 1);
    for (size_t i = 0; i < len; i++) {
        int high = hex_value(from->text[2 * i]);
        int low = hex_value(from->text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return decoder_field_error(d, field, "invalid hex string '%s'", from->text);
        }
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    if (strlen(from->text) % 2 != 0) {
        return decoder_field_error(d, field, "invalid hex string '%s'", from->text);
    }
    *out = slice_make(bytes, len);
    return true;
}

static bool decode_payloads(struct decoder *d, CORE(HealthCheck__Payload) *const *from,
                            size_t count, const struct slice **out, uint32_t *out_count) {
    struct slice *blocks =
        count == 0 ? NULL : ARENA_NEW_ARRAY(d->config.arena, count, struct slice);
    bool is_ok = true;
    for (size_t i = 0; i < count; i++) {
        is_ok = decode_payload(d, "receive", from[i], &blocks[i]) && is_ok;
    }
    *out = blocks;
    *out_count = (uint32_t)count;
    return is_ok;
}

static bool decode_ranges(struct decoder *d, const char *field, TYPE(Int64Range) *const *from,
                          size_t count, const struct health_check_range **out,
                          uint32_t *out_count) {
    struct health_check_range *ranges =
        count == 0 ? NULL : ARENA_NEW_ARRAY(d->config.arena, count, struct health_check_range);
    for (size_t i = 0; i < count; i++) {
        ranges[i] = (struct health_check_range){.start = from[i]->start, .end = from[i]->end};
        if (ranges[i].start < 100 || ranges[i].end > MAX_STATUS ||
            ranges[i].start >= ranges[i].end) {
            return decoder_field_error(d, field,
                                       "Invalid http status range: expecting start < end within "
                                       "[100, 600), but found start=%lld and end=%lld",
                                       (long long)ranges[i].start, (long long)ranges[i].end);
        }
    }
    *out = ranges;
    *out_count = (uint32_t)count;
    return true;
}

static struct slice method_name(int method) {
    switch (method) {
    case ENVOY__CONFIG__CORE__V3__REQUEST_METHOD__HEAD:
        return SLICE("HEAD");
    case ENVOY__CONFIG__CORE__V3__REQUEST_METHOD__POST:
        return SLICE("POST");
    case ENVOY__CONFIG__CORE__V3__REQUEST_METHOD__PUT:
        return SLICE("PUT");
    case ENVOY__CONFIG__CORE__V3__REQUEST_METHOD__DELETE:
        return SLICE("DELETE");
    case ENVOY__CONFIG__CORE__V3__REQUEST_METHOD__OPTIONS:
        return SLICE("OPTIONS");
    case ENVOY__CONFIG__CORE__V3__REQUEST_METHOD__TRACE:
        return SLICE("TRACE");
    case ENVOY__CONFIG__CORE__V3__REQUEST_METHOD__PATCH:
        return SLICE("PATCH");
    default:
        return SLICE("GET");
    }
}

static bool decode_http(struct decoder *d, const CORE(HealthCheck__HttpHealthCheck) *from,
                        struct http_health_check *out) {
    out->host = decoder_text(d, from->host);
    out->path = decoder_text(d, from->path);
    out->method = method_name((int)from->method);
    out->is_http2 = from->codec_client_type == ENVOY__TYPE__V3__CODEC_CLIENT_TYPE__HTTP2;
    out->response_buffer_bytes = VALUE_OR(from->response_buffer_size, DEFAULT_RESPONSE_BYTES);
    struct header_lists lists = {.add = from->request_headers_to_add,
                                 .add_count = from->n_request_headers_to_add,
                                 .remove = from->request_headers_to_remove,
                                 .remove_count = from->n_request_headers_to_remove,
                                 .add_field = "request_headers_to_add",
                                 .remove_field = "request_headers_to_remove"};
    bool is_ok = decode_header_ops(d, &lists, &out->headers);
    is_ok = decode_ranges(d, "expected_statuses", from->expected_statuses,
                          from->n_expected_statuses, &out->expected, &out->expected_count) &&
            is_ok;
    is_ok = decode_ranges(d, "retriable_statuses", from->retriable_statuses,
                          from->n_retriable_statuses, &out->retriable, &out->retriable_count) &&
            is_ok;
    if (from->codec_client_type == ENVOY__TYPE__V3__CODEC_CLIENT_TYPE__HTTP3) {
        is_ok = decoder_field_error(d, "codec_client_type", "HTTP/3 is not supported");
    }
    if (from->service_name_matcher != NULL) {
        out->has_service_name = true;
        is_ok = decode_string_matcher(d, from->service_name_matcher, &out->service_name) && is_ok;
    }
    return decode_payloads(d, from->receive, from->n_receive, &out->receive, &out->receive_count) &&
           is_ok;
}

static bool decode_grpc(struct decoder *d, const CORE(HealthCheck__GrpcHealthCheck) *from,
                        struct grpc_health_check *out) {
    out->service_name = decoder_text(d, from->service_name);
    out->authority = decoder_text(d, from->authority);
    struct header_lists lists = {.add = from->initial_metadata,
                                 .add_count = from->n_initial_metadata,
                                 .add_field = "initial_metadata"};
    return decode_header_ops(d, &lists, &out->metadata);
}

static bool decode_checker(struct decoder *d, const CORE(HealthCheck) *from,
                           struct health_check_config *out) {
    bool is_ok;
    switch ((int)from->health_checker_case) {
    case ENVOY__CONFIG__CORE__V3__HEALTH_CHECK__HEALTH_CHECKER_HTTP_HEALTH_CHECK:
        out->kind = HEALTH_CHECK_HTTP;
        decoder_push(d, "http_health_check");
        is_ok = decode_http(d, from->http_health_check, &out->http);
        decoder_pop(d);
        return is_ok;
    case ENVOY__CONFIG__CORE__V3__HEALTH_CHECK__HEALTH_CHECKER_TCP_HEALTH_CHECK:
        out->kind = HEALTH_CHECK_TCP;
        decoder_push(d, "tcp_health_check");
        is_ok = decode_payload(d, "send", from->tcp_health_check->send, &out->tcp.send);
        is_ok =
            decode_payloads(d, from->tcp_health_check->receive, from->tcp_health_check->n_receive,
                            &out->tcp.receive, &out->tcp.receive_count) &&
            is_ok;
        decoder_pop(d);
        return is_ok;
    case ENVOY__CONFIG__CORE__V3__HEALTH_CHECK__HEALTH_CHECKER_GRPC_HEALTH_CHECK:
        out->kind = HEALTH_CHECK_GRPC;
        decoder_push(d, "grpc_health_check");
        is_ok = decode_grpc(d, from->grpc_health_check, &out->grpc);
        decoder_pop(d);
        return is_ok;
    default:
        return decoder_error(d, "custom health checkers are not supported");
    }
}

static bool decode_times(struct decoder *d, const CORE(HealthCheck) *from,
                         struct health_check_config *out) {
    bool is_ok = decode_optional_duration(d, "timeout", from->timeout, &out->timeout_ms);
    is_ok = decode_optional_duration(d, "interval", from->interval, &out->interval_ms) && is_ok;
    is_ok = decode_optional_duration(d, "initial_jitter", from->initial_jitter,
                                     &out->initial_jitter_ms) &&
            is_ok;
    is_ok = decode_optional_duration(d, "interval_jitter", from->interval_jitter,
                                     &out->interval_jitter_ms) &&
            is_ok;
    out->interval_jitter_percent = from->interval_jitter_percent;
    out->no_traffic_interval_ms = DEFAULT_NO_TRAFFIC_MS;
    is_ok = decode_optional_duration(d, "no_traffic_interval", from->no_traffic_interval,
                                     &out->no_traffic_interval_ms) &&
            is_ok;
    out->no_traffic_healthy_interval_ms = out->no_traffic_interval_ms;
    is_ok = decode_optional_duration(d, "no_traffic_healthy_interval",
                                     from->no_traffic_healthy_interval,
                                     &out->no_traffic_healthy_interval_ms) &&
            is_ok;
    out->unhealthy_interval_ms = out->interval_ms;
    is_ok = decode_optional_duration(d, "unhealthy_interval", from->unhealthy_interval,
                                     &out->unhealthy_interval_ms) &&
            is_ok;
    out->unhealthy_edge_interval_ms = out->unhealthy_interval_ms;
    is_ok = decode_optional_duration(d, "unhealthy_edge_interval", from->unhealthy_edge_interval,
                                     &out->unhealthy_edge_interval_ms) &&
            is_ok;
    out->healthy_edge_interval_ms = out->interval_ms;
    return decode_optional_duration(d, "healthy_edge_interval", from->healthy_edge_interval,
                                    &out->healthy_edge_interval_ms) &&
           is_ok;
}

static bool decode_health_check(struct decoder *d, const CORE(HealthCheck) *from,
                                struct health_check_config *out) {
    bool is_ok = decode_checker(d, from, out);
    is_ok = decode_times(d, from, out) && is_ok;
    out->unhealthy_threshold = VALUE_OR(from->unhealthy_threshold, 1);
    out->healthy_threshold = VALUE_OR(from->healthy_threshold, 1);
    out->alt_port = (uint16_t)VALUE_OR(from->alt_port, 0);
    if (from->tls_options != NULL) {
        out->alpn = decoder_texts(d, from->tls_options->alpn_protocols,
                                  from->tls_options->n_alpn_protocols, false);
        out->alpn_count = (uint32_t)from->tls_options->n_alpn_protocols;
    }
    if (from->transport_socket_match_criteria != NULL) {
        struct metadata *match = ARENA_NEW(d->config.arena, struct metadata);
        is_ok = decode_metadata_struct(d, "envoy.transport_socket_match",
                                       from->transport_socket_match_criteria, match) &&
                is_ok;
        out->socket_match = match;
    }
    return is_ok;
}

// Several checkers are told apart by their names (Envoy 1.40).
static bool check_names(struct decoder *d, const CLUSTER(Cluster) *from) {
    for (size_t i = 0; from->n_health_checks > 1 && i < from->n_health_checks; i++) {
        const char *name = from->health_checks[i]->name;
        if (name[0] == '\0') {
            return decoder_field_error(d, "health_checks",
                                       "all health checks must have a name when there are several");
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(name, from->health_checks[k]->name) == 0) {
                return decoder_field_error(d, "health_checks", "duplicate health check name '%s'",
                                           name);
            }
        }
    }
    return true;
}

bool decode_cluster_health_checks(struct decoder *d, const CLUSTER(Cluster) *from,
                                  struct cluster_part *out) {
    size_t count = from->n_health_checks;
    if (count == 0) {
        return true;
    }
    struct health_check_list *list = ARENA_NEW(d->config.arena, struct health_check_list);
    struct health_check_config *items =
        ARENA_NEW_ARRAY(d->config.arena, count, struct health_check_config);
    bool is_ok = check_names(d, from);
    for (size_t i = 0; i < count; i++) {
        decoder_push_index(d, "health_checks", i);
        is_ok = decode_health_check(d, from->health_checks[i], &items[i]) && is_ok;
        decoder_pop_index(d);
    }
    *list = (struct health_check_list){.items = items, .count = (uint32_t)count};
    out->health_checks = list;
    return is_ok;
}

static const struct ledger_field all_fields[] = {LEDGER_OK("*")};
static const struct ledger_field check_fields[] = {
    {"reuse_connection", LEDGER_HARMLESS, "each check has a connection of its own"},
    {"event_log_path", LEDGER_HARMLESS, "a log of events"},
    {"event_logger", LEDGER_HARMLESS, "a log of events"},
    {"event_service", LEDGER_HARMLESS, "a log of events"},
    {"always_log_health_check_failures", LEDGER_HARMLESS, "a log of events"},
    {"always_log_health_check_success", LEDGER_HARMLESS, "a log of events"},
    LEDGER_OK("*"),
};
static const struct ledger_field http_fields[] = {
    {"send", LEDGER_IGNORED, "checks have no body"},
    {"use_alpn_protocol", LEDGER_IGNORED, "codec_client_type counts"},
    LEDGER_OK("*"),
};
static const struct ledger_field tcp_fields[] = {
    LEDGER_OK("send"),
    LEDGER_OK("receive"),
    {"proxy_protocol_config", LEDGER_IGNORED, "checks send no PROXY header"},
};

const struct ledger_message ledger_health_check[] = {
    LEDGER_MESSAGE("envoy.config.core.v3.HealthCheck", check_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.HealthCheck.Payload", all_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.HealthCheck.HttpHealthCheck", http_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.HealthCheck.TcpHealthCheck", tcp_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.HealthCheck.GrpcHealthCheck", all_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.HealthCheck.TlsOptions", all_fields),
};
const uint32_t ledger_health_check_count = ARRAY_LEN(ledger_health_check);
