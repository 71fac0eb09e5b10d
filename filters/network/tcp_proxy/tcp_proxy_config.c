// SPDX-License-Identifier: Apache-2.0
#include "filters/network/tcp_proxy/tcp_proxy.h"

#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb-c.h"
#include "src/base/check.h"
#include "src/filter_chain/filter_config.h"

typedef Envoy__Extensions__Filters__Network__TcpProxy__V3__TcpProxy TcpProxyMessage;
typedef Envoy__Extensions__Filters__Network__TcpProxy__V3__TcpProxy__WeightedCluster__ClusterWeight
    ClusterWeightMessage;

enum { DEFAULT_IDLE_TIMEOUT_MS = 3600 * 1000 };

static void release_stats(void *scope) {
    stats_scope_unref(scope);
}

static void add_cluster(struct filter_config_context *context, struct tcp_proxy_config *config,
                        struct tcp_proxy_cluster *to, const char *name, uint32_t weight) {
    *to = (struct tcp_proxy_cluster){
        .name = arena_dup_slice(context->arena, slice_from_string(name)),
        .slot = filter_config_cluster(context, slice_from_string(name)),
        .weight = weight,
    };
    config->total_weight += weight;
    config->cluster_count++;
}

static void parse_clusters(struct filter_config_context *context, const TcpProxyMessage *message,
                           struct tcp_proxy_config *config) {
    if (message->cluster_specifier_case ==
        ENVOY__EXTENSIONS__FILTERS__NETWORK__TCP_PROXY__V3__TCP_PROXY__CLUSTER_SPECIFIER_CLUSTER) {
        struct tcp_proxy_cluster *cluster = ARENA_NEW(context->arena, struct tcp_proxy_cluster);
        add_cluster(context, config, cluster, message->cluster, 1);
        config->clusters = cluster;
        return;
    }
    if (message->cluster_specifier_case !=
        ENVOY__EXTENSIONS__FILTERS__NETWORK__TCP_PROXY__V3__TCP_PROXY__CLUSTER_SPECIFIER_WEIGHTED_CLUSTERS) {
        validation_field_error(context->validation, "cluster_specifier", "is required");
        return;
    }
    size_t count = message->weighted_clusters->n_clusters;
    struct tcp_proxy_cluster *clusters =
        ARENA_NEW_ARRAY(context->arena, count, struct tcp_proxy_cluster);
    for (size_t i = 0; i < count; i++) {
        const ClusterWeightMessage *weight = message->weighted_clusters->clusters[i];
        add_cluster(context, config, &clusters[i], weight->name, weight->weight);
    }
    config->clusters = clusters;
}

static uint32_t parse_duration(struct filter_config_context *context, const char *field,
                               const Google__Protobuf__Duration *duration, uint32_t unset) {
    uint32_t ms = unset;
    if (duration != NULL) {
        validation_push(context->validation, field);
        (void)context->decoders->duration_ms(context, &duration->base, &ms);
        validation_pop(context->validation);
    }
    return ms;
}

static void parse_access_logs(struct filter_config_context *context, const TcpProxyMessage *message,
                              struct tcp_proxy_config *config) {
    struct access_log **logs =
        ARENA_NEW_ARRAY(context->arena, message->n_access_log, struct access_log *);
    validation_push(context->validation, "access_log");
    for (size_t i = 0; i < message->n_access_log; i++) {
        validation_push_index(context->validation, (uint32_t)i);
        if (context->decoders->access_log(context, &message->access_log[i]->base,
                                          &logs[config->access_log_count])) {
            config->access_log_count++;
        }
        validation_pop(context->validation);
    }
    validation_pop(context->validation);
    config->access_logs = logs;
}

static void parse_stats(struct filter_config_context *context, const TcpProxyMessage *message,
                        struct tcp_proxy_config *config) {
    if (context->stats != NULL) {
        struct slice prefix = arena_printf(context->arena, "tcp.%s", message->stat_prefix);
        config->stats = stats_scope_get(context->stats, prefix, &tcp_proxy_stat_table);
        config_part_on_free(context->part, release_stats, config->stats);
    }
}

static const void *parse(struct filter_config_context *context,
                         const struct ProtobufCMessage *base) {
    const TcpProxyMessage *message = (const TcpProxyMessage *)(const void *)base;
    struct tcp_proxy_config *config = ARENA_NEW(context->arena, struct tcp_proxy_config);
    parse_clusters(context, message, config);
    config->idle_timeout_ms =
        parse_duration(context, "idle_timeout", message->idle_timeout, DEFAULT_IDLE_TIMEOUT_MS);
    config->max_connection_duration_ms =
        parse_duration(context, "max_downstream_connection_duration",
                       message->max_downstream_connection_duration, 0);
    config->max_connect_attempts =
        message->max_connect_attempts == NULL ? 1 : message->max_connect_attempts->value;
    if (message->metadata_match != NULL) {
        struct metadata *match = ARENA_NEW(context->arena, struct metadata);
        if (context->decoders->metadata(context, &message->metadata_match->base, match)) {
            config->metadata_match = match;
        }
    }
    for (size_t i = 0; i < message->n_hash_policy; i++) {
        config->hash_source_ip =
            config->hash_source_ip || message->hash_policy[i]->policy_specifier_case ==
                                          ENVOY__TYPE__V3__HASH_POLICY__POLICY_SPECIFIER_SOURCE_IP;
    }
    parse_access_logs(context, message, config);
    parse_stats(context, message, config);
    return config;
}

static const struct ledger_field fields[] = {
    LEDGER_OK("cluster"),
    LEDGER_OK("weighted_clusters"),
    LEDGER_OK("idle_timeout"),
    LEDGER_OK("max_downstream_connection_duration"),
    LEDGER_OK("max_connect_attempts"),
    LEDGER_OK("metadata_match"),
    LEDGER_OK("access_log"),
    LEDGER_OK("stat_prefix"),
    LEDGER_OK("hash_policy"),
    {"access_log_flush_interval", LEDGER_HARMLESS, "telemetry: logged at the end only"},
    {"flush_access_log_on_connected", LEDGER_HARMLESS, "telemetry: logged at the end only"},
    {"access_log_options", LEDGER_HARMLESS, "telemetry: logged at the end only"},
    {"tunneling_config", LEDGER_REFUSED, "bytes would go out without the tunnel: not built yet"},
    {"proxy_protocol_tlvs", LEDGER_IGNORED, "no upstream PROXY protocol yet"},
    {"on_demand", LEDGER_IGNORED, "no on-demand clusters yet"},
    {"backoff_options", LEDGER_IGNORED, "connect attempts follow at once"},
    {"downstream_idle_timeout", LEDGER_IGNORED, "idle_timeout covers both sides"},
    {"upstream_idle_timeout", LEDGER_IGNORED, "idle_timeout covers both sides"},
};
static const struct ledger_field weighted_fields[] = {LEDGER_OK("clusters")};
static const struct ledger_field weight_fields[] = {
    LEDGER_OK("name"),
    LEDGER_OK("weight"),
    {"metadata_match", LEDGER_IGNORED, "only the filter's own metadata_match selects hosts"},
};
static const struct ledger_field hash_fields[] = {
    LEDGER_OK("source_ip"),
    {"filter_state", LEDGER_IGNORED, "connections carry no filter state yet"},
};
static const struct ledger_message ledger[] = {
    LEDGER_MESSAGE("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", fields),
    LEDGER_MESSAGE("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster",
                   weighted_fields),
    LEDGER_MESSAGE(
        "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight",
        weight_fields),
    LEDGER_MESSAGE("envoy.type.v3.HashPolicy", hash_fields),
};

const struct network_filter_factory tcp_proxy_network_filter_factory = {
    .name = "envoy.filters.network.tcp_proxy",
    .type_url = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    .is_terminal = true,
    .parse = parse,
    .create = tcp_proxy_create,
    .ledger = ledger,
    .ledger_count = ARRAY_LEN(ledger),
};
