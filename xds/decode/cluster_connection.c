// SPDX-License-Identifier: Apache-2.0
#include "envoy/config/cluster/v3/circuit_breaker.pb-c.h"
#include "envoy/config/cluster/v3/outlier_detection.pb-c.h"
#include "envoy/type/v3/percent.pb-c.h"
#include "xds/decode/cluster_parts.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/ledgers.h"
#include "xds/decode/tls_config.h"

enum {
    DEFAULT_CONNECT_TIMEOUT_MS = 5000,
    DEFAULT_BUFFER_BYTES = 1024 * 1024,
    EDGE_BUFFER_BYTES = 32 * 1024,
    DEFAULT_MAX = 1024,
    DEFAULT_MAX_RETRIES = 3,
    DEFAULT_BUDGET_PER_MILLION = 200000,
    DEFAULT_BUDGET_MIN = 3,
    PER_MILLION_PER_PERCENT = 10000,
    SOCKET_IP_FREEBIND = 15,
};

/* ---- transport sockets ---- */

bool decode_cluster_sockets(struct decoder *d, const CLUSTER(Cluster) *from,
                            struct cluster_part *out) {
    size_t count = from->n_transport_socket_matches + 1;
    struct transport_socket_config *sockets =
        ARENA_NEW_ARRAY(d->config.arena, count, struct transport_socket_config);
    sockets[0].name = SLICE("default");
    bool is_ok = decode_transport_socket(d, from->transport_socket, false, &sockets[0].tls,
                                         &sockets[0].tls_slot);
    for (size_t i = 0; i < from->n_transport_socket_matches; i++) {
        const CLUSTER(Cluster__TransportSocketMatch) *match = from->transport_socket_matches[i];
        struct metadata *metadata = ARENA_NEW(d->config.arena, struct metadata);
        decoder_push_index(d, "transport_socket_matches", i);
        sockets[i + 1].name = decoder_text(d, match->name);
        sockets[i + 1].match = metadata;
        is_ok = decode_metadata_struct(d, "envoy.transport_socket_match", match->match, metadata) &&
                is_ok;
        is_ok = decode_transport_socket(d, match->transport_socket, false, &sockets[i + 1].tls,
                                        &sockets[i + 1].tls_slot) &&
                is_ok;
        decoder_pop_index(d);
    }
    out->sockets = sockets;
    out->socket_count = (uint32_t)count;
    return is_ok;
}

/* ---- connections ---- */

static bool decode_source(struct decoder *d, const CORE(BindConfig) *from,
                          struct cluster_part *out) {
    bool is_ok = true;
    if (from->source_address != NULL) {
        decoder_push(d, "source_address");
        struct address *source = ARENA_NEW(d->config.arena, struct address);
        is_ok = decode_socket_address(d, from->source_address, source);
        decoder_pop(d);
        out->source_address = is_ok ? source : NULL;
        out->connect.source = out->source_address;
    }
    if (from->n_extra_source_addresses > 0 || from->n_additional_source_addresses > 0) {
        is_ok = decoder_field_error(d, "extra_source_addresses",
                                    "more than one source address is not supported");
    }
    if (from->local_address_selector != NULL) {
        is_ok = decoder_field_error(d, "local_address_selector",
                                    "Didn't find a registered implementation for '%s'",
                                    from->local_address_selector->name);
    }
    if (FLAG_OR(from->freebind, false)) {
        struct socket_option *option = ARENA_NEW(d->config.arena, struct socket_option);
        *option = (struct socket_option){.level = IPPROTO_IP,
                                         .name = SOCKET_IP_FREEBIND,
                                         .state = SOCKET_OPTION_PREBIND,
                                         .is_int = true,
                                         .int_value = 1};
        out->connect.options = option;
        out->connect.option_count = 1;
        if (from->n_socket_options > 0) {
            return decoder_field_error(d, "freebind",
                                       "freebind together with socket_options is not supported");
        }
        return is_ok;
    }
    return decode_socket_options(d, from->socket_options, from->n_socket_options,
                                 &out->connect.options, &out->connect.option_count) &&
           is_ok;
}

static void decode_keepalive(const CORE(TcpKeepalive) *from, struct socket_connect_options *out) {
    if (from == NULL) {
        return;
    }
    out->keepalive = true;
    out->keepalive_probes = VALUE_OR(from->keepalive_probes, 0);
    out->keepalive_time_s = VALUE_OR(from->keepalive_time, 0);
    out->keepalive_interval_s = VALUE_OR(from->keepalive_interval, 0);
}

bool decode_cluster_connections(struct decoder *d, const CLUSTER(Cluster) *from,
                                struct cluster_part *out) {
    out->connect_timeout_ms = DEFAULT_CONNECT_TIMEOUT_MS;
    bool is_ok = decode_optional_duration(d, "connect_timeout", from->connect_timeout,
                                          &out->connect_timeout_ms);
    out->per_connection_buffer_limit_bytes =
        VALUE_OR(from->per_connection_buffer_limit_bytes,
                 d->config.edge_defaults ? EDGE_BUFFER_BYTES : DEFAULT_BUFFER_BYTES);
    out->close_connections_on_health_failure = from->close_connections_on_host_health_failure != 0;
    out->ignore_health_on_host_removal = from->ignore_health_on_host_removal != 0;
    if (from->upstream_connection_options != NULL) {
        decode_keepalive(from->upstream_connection_options->tcp_keepalive, &out->connect);
    }
    if (from->upstream_bind_config != NULL) {
        decoder_push(d, "upstream_bind_config");
        is_ok = decode_source(d, from->upstream_bind_config, out) && is_ok;
        decoder_pop(d);
    }
    return is_ok;
}

/* ---- circuit breakers ---- */

static void set_thresholds(const CLUSTER(CircuitBreakers__Thresholds) *from,
                           struct circuit_breaker_thresholds *out) {
    out->max_connections = VALUE_OR(from->max_connections, DEFAULT_MAX);
    out->max_pending_requests = VALUE_OR(from->max_pending_requests, DEFAULT_MAX);
    out->max_requests = VALUE_OR(from->max_requests, DEFAULT_MAX);
    out->max_retries = VALUE_OR(from->max_retries, DEFAULT_MAX_RETRIES);
    out->max_connection_pools = VALUE_OR(from->max_connection_pools, UINT32_MAX);
    out->track_remaining = from->track_remaining != 0;
    const CLUSTER(CircuitBreakers__Thresholds__RetryBudget) *budget = from->retry_budget;
    if (budget != NULL) {
        out->has_retry_budget = true;
        out->retry_budget_per_million =
            budget->budget_percent == NULL
                ? DEFAULT_BUDGET_PER_MILLION
                : (uint32_t)(budget->budget_percent->value * PER_MILLION_PER_PERCENT);
        out->retry_budget_min_concurrency =
            VALUE_OR(budget->min_retry_concurrency, DEFAULT_BUDGET_MIN);
    }
}

bool decode_cluster_breakers(struct decoder *d, const CLUSTER(Cluster) *from,
                             struct cluster_part *out) {
    CLUSTER(CircuitBreakers__Thresholds) defaults;
    envoy__config__cluster__v3__circuit_breakers__thresholds__init(&defaults);
    bool is_set[ARRAY_LEN(out->breakers)] = {false};
    for (size_t i = 0; i < ARRAY_LEN(out->breakers); i++) {
        set_thresholds(&defaults, &out->breakers[i]);
    }
    if (from->circuit_breakers == NULL) {
        return true;
    }
    for (size_t i = 0; i < from->circuit_breakers->n_thresholds; i++) {
        const CLUSTER(CircuitBreakers__Thresholds) *thresholds =
            from->circuit_breakers->thresholds[i];
        size_t at = (size_t)thresholds->priority;
        if (at >= ARRAY_LEN(out->breakers)) {
            return decoder_field_error(d, "circuit_breakers.thresholds", "unknown priority");
        }
        if (!is_set[at]) { // the first of a priority counts, as in Envoy
            set_thresholds(thresholds, &out->breakers[at]);
            is_set[at] = true;
        }
    }
    return true;
}

/* ---- outlier detection ---- */

static void set_outlier(const CLUSTER(OutlierDetection) *from, struct outlier_config *out) {
    *out = (struct outlier_config){
        .consecutive_5xx = VALUE_OR(from->consecutive_5xx, 5),
        .consecutive_gateway_failure = VALUE_OR(from->consecutive_gateway_failure, 5),
        .consecutive_local_origin_failure = VALUE_OR(from->consecutive_local_origin_failure, 5),
        .interval_ms = 10000,
        .base_ejection_time_ms = 30000,
        .max_ejection_time_ms = 300000,
        .max_ejection_percent = VALUE_OR(from->max_ejection_percent, 10),
        .enforcing_consecutive_5xx = VALUE_OR(from->enforcing_consecutive_5xx, 100),
        .enforcing_consecutive_gateway_failure =
            VALUE_OR(from->enforcing_consecutive_gateway_failure, 0),
        .enforcing_consecutive_local_origin_failure =
            VALUE_OR(from->enforcing_consecutive_local_origin_failure, 100),
        .enforcing_success_rate = VALUE_OR(from->enforcing_success_rate, 100),
        .success_rate_minimum_hosts = VALUE_OR(from->success_rate_minimum_hosts, 5),
        .success_rate_request_volume = VALUE_OR(from->success_rate_request_volume, 100),
        .success_rate_stdev_factor = VALUE_OR(from->success_rate_stdev_factor, 1900),
        .failure_percentage_threshold = VALUE_OR(from->failure_percentage_threshold, 85),
        .enforcing_failure_percentage = VALUE_OR(from->enforcing_failure_percentage, 0),
        .failure_percentage_minimum_hosts = VALUE_OR(from->failure_percentage_minimum_hosts, 5),
        .failure_percentage_request_volume = VALUE_OR(from->failure_percentage_request_volume, 50),
        .split_external_local_origin_errors = from->split_external_local_origin_errors != 0,
        .successful_active_health_check_uneject_host =
            FLAG_OR(from->successful_active_health_check_uneject_host, true),
    };
}

bool decode_cluster_outlier(struct decoder *d, const CLUSTER(Cluster) *from,
                            struct cluster_part *out) {
    const CLUSTER(OutlierDetection) *outlier = from->outlier_detection;
    if (outlier == NULL) {
        return true;
    }
    struct outlier_config *config = ARENA_NEW(d->config.arena, struct outlier_config);
    set_outlier(outlier, config);
    out->outlier = config;
    decoder_push(d, "outlier_detection");
    bool is_ok = decode_optional_duration(d, "interval", outlier->interval, &config->interval_ms);
    is_ok = decode_optional_duration(d, "base_ejection_time", outlier->base_ejection_time,
                                     &config->base_ejection_time_ms) &&
            is_ok;
    // Without a maximum of its own it is the base, where that is longer than the default.
    if (config->base_ejection_time_ms > config->max_ejection_time_ms) {
        config->max_ejection_time_ms = config->base_ejection_time_ms;
    }
    is_ok = decode_optional_duration(d, "max_ejection_time", outlier->max_ejection_time,
                                     &config->max_ejection_time_ms) &&
            is_ok;
    is_ok =
        decode_optional_duration(d, "max_ejection_time_jitter", outlier->max_ejection_time_jitter,
                                 &config->max_ejection_time_jitter_ms) &&
        is_ok;
    if (is_ok && config->base_ejection_time_ms > config->max_ejection_time_ms) {
        is_ok = decoder_error(d, "max_ejection_time must not be shorter than base_ejection_time");
    }
    decoder_pop(d);
    return is_ok;
}

static const struct ledger_field all_fields[] = {LEDGER_OK("*")};
static const struct ledger_field bind_fields[] = {
    LEDGER_OK("source_address"),
    LEDGER_OK("freebind"),
    LEDGER_OK("socket_options"),
    {"extra_source_addresses", LEDGER_REFUSED, "one source address is taken"},
    {"additional_source_addresses", LEDGER_REFUSED, "one source address is taken"},
    {"local_address_selector", LEDGER_REFUSED, "no selector is built in"},
    {"validate_network_namespaces", LEDGER_HARMLESS, "network namespaces are refused"},
};
static const struct ledger_field options_fields[] = {
    LEDGER_OK("tcp_keepalive"),
    {"set_local_interface_name_on_upstream_connections", LEDGER_HARMLESS, "telemetry"},
    {"happy_eyeballs_config", LEDGER_IGNORED, "addresses are tried one by one"},
};
static const struct ledger_field breaker_fields[] = {
    LEDGER_OK("thresholds"),
    {"per_host_thresholds", LEDGER_IGNORED, "limits hold for the cluster, not for a host"},
};
static const struct ledger_field budget_fields[] = {
    LEDGER_OK("budget_percent"),
    LEDGER_OK("min_retry_concurrency"),
    {"budget_interval", LEDGER_IGNORED, "the budget looks at requests that are active"},
};
static const struct ledger_field outlier_fields[] = {
    {"enforcing_local_origin_success_rate", LEDGER_IGNORED, "local errors count as others"},
    {"enforcing_failure_percentage_local_origin", LEDGER_IGNORED, "local errors count as others"},
    {"monitors", LEDGER_IGNORED, "no such extension is built in"},
    {"always_eject_one_host", LEDGER_IGNORED, "the limit of ejections holds"},
    {"detect_degraded_hosts", LEDGER_IGNORED, "degraded hosts come from EDS only"},
    LEDGER_OK("*"),
};

const struct ledger_message ledger_cluster_connection[] = {
    LEDGER_MESSAGE("envoy.config.core.v3.BindConfig", bind_fields),
    LEDGER_MESSAGE("envoy.config.cluster.v3.UpstreamConnectionOptions", options_fields),
    LEDGER_MESSAGE("envoy.config.cluster.v3.CircuitBreakers", breaker_fields),
    LEDGER_MESSAGE("envoy.config.cluster.v3.CircuitBreakers.Thresholds", all_fields),
    LEDGER_MESSAGE("envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget", budget_fields),
    LEDGER_MESSAGE("envoy.config.cluster.v3.OutlierDetection", outlier_fields),
    LEDGER_MESSAGE("envoy.config.cluster.v3.Cluster.TransportSocketMatch", all_fields),
};
const uint32_t ledger_cluster_connection_count = ARRAY_LEN(ledger_cluster_connection);
