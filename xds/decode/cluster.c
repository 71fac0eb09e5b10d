// SPDX-License-Identifier: Apache-2.0
#include "envoy/config/cluster/v3/filter.pb-c.h"
#include "envoy/config/endpoint/v3/endpoint_components.pb-c.h"
#include "xds/decode/cluster_parts.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/endpoint.h"
#include "xds/decode/extension_names.h"
#include "xds/decode/ledgers.h"
#include "xds/decode/owner.h"

static bool decode_type(struct decoder *d, const CLUSTER(Cluster) *from, struct cluster_part *out) {
    if (from->cluster_discovery_type_case ==
        ENVOY__CONFIG__CLUSTER__V3__CLUSTER__CLUSTER_DISCOVERY_TYPE_CLUSTER_TYPE) {
        return decode_cluster_extension(d, from, out);
    }
    int type = from->cluster_discovery_type_case ==
                       ENVOY__CONFIG__CLUSTER__V3__CLUSTER__CLUSTER_DISCOVERY_TYPE_TYPE
                   ? (int)from->type
                   : (int)ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DISCOVERY_TYPE__STATIC;
    switch (type) {
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DISCOVERY_TYPE__STATIC:
        out->type = CLUSTER_STATIC;
        break;
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DISCOVERY_TYPE__STRICT_DNS:
        out->type = CLUSTER_STRICT_DNS;
        break;
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DISCOVERY_TYPE__LOGICAL_DNS:
        out->type = CLUSTER_LOGICAL_DNS;
        break;
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DISCOVERY_TYPE__EDS:
        out->type = CLUSTER_EDS;
        break;
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DISCOVERY_TYPE__ORIGINAL_DST:
        out->type = CLUSTER_ORIGINAL_DST;
        break;
    default:
        return decoder_field_error(d, "type", "unknown value %d", type);
    }
    return decode_cluster_dns(d, from, out);
}

static bool is_dns(enum cluster_type type) {
    return type == CLUSTER_STRICT_DNS || type == CLUSTER_LOGICAL_DNS;
}

static bool check_logical_dns(struct decoder *d, const ENDPOINT(ClusterLoadAssignment) *from) {
    if (from == NULL || from->n_endpoints != 1 || from->endpoints[0]->n_lb_endpoints != 1) {
        return decoder_field_error(d, "load_assignment",
                                   "LOGICAL_DNS clusters must have a single locality_lb_endpoint "
                                   "and a single lb_endpoint");
    }
    return true;
}

static bool decode_eds(struct decoder *d, const CLUSTER(Cluster) *from, struct cluster_part *out) {
    const CLUSTER(Cluster__EdsClusterConfig) *eds = from->eds_cluster_config;
    if (eds == NULL || eds->eds_config == NULL) {
        return decoder_field_error(d, "eds_cluster_config.eds_config",
                                   "an EDS cluster needs a config source");
    }
    if (eds->service_name[0] != '\0') {
        out->eds_name = decoder_text(d, eds->service_name);
    }
    if (from->load_assignment != NULL) {
        return decoder_field_error(d, "load_assignment", "is not allowed in a cluster of type EDS");
    }
    out->endpoint_slot = decode_depend(d, CONFIG_ENDPOINT, out->eds_name, eds->eds_config);
    return true;
}

static bool decode_inline_endpoints(struct decoder *d, const CLUSTER(Cluster) *from,
                                    struct cluster_part *out) {
    const ENDPOINT(ClusterLoadAssignment) *assignment = from->load_assignment;
    if (out->type == CLUSTER_LOGICAL_DNS && !check_logical_dns(d, assignment)) {
        return false;
    }
    ENDPOINT(ClusterLoadAssignment) none;
    envoy__config__endpoint__v3__cluster_load_assignment__init(&none);
    struct slice name = arena_printf(d->scratch, "inline/%s", from->name);
    uint32_t errors = d->config.validation->error_count;
    decoder_push(d, "load_assignment");
    struct endpoint_part *part =
        decode_load_assignment(d, assignment == NULL ? &none : assignment, name, is_dns(out->type));
    decoder_pop(d);
    out->eds_name = arena_dup_slice(d->config.arena, name);
    decode_extra_part(d, CONFIG_SLOT_NONE, &part->part);
    return d->config.validation->error_count == errors;
}

static bool decode_endpoints(struct decoder *d, const CLUSTER(Cluster) *from,
                             struct cluster_part *out) {
    out->endpoint_slot = CONFIG_SLOT_NONE;
    switch (out->type) {
    case CLUSTER_EDS:
        return decode_eds(d, from, out);
    case CLUSTER_ORIGINAL_DST:
        if (from->load_assignment != NULL) {
            return decoder_field_error(
                d, "load_assignment",
                "ORIGINAL_DST clusters must have no load assignment configured");
        }
        return true;
    case CLUSTER_STATIC:
    case CLUSTER_STRICT_DNS:
    case CLUSTER_LOGICAL_DNS:
        return decode_inline_endpoints(d, from, out);
    }
    return false;
}

// Which balancers go with which types.
static bool check_policy(struct decoder *d, const CLUSTER(Cluster) *from,
                         const struct cluster_part *part) {
    bool is_provided = part->lb.policy == LB_CLUSTER_PROVIDED;
    if (part->type == CLUSTER_ORIGINAL_DST && !is_provided) {
        return decoder_field_error(
            d, "lb_policy",
            "cluster: LB policy is not valid for Cluster type ORIGINAL_DST. Only "
            "'CLUSTER_PROVIDED' or 'LOAD_BALANCING_POLICY_CONFIG' is allowed with cluster type "
            "'ORIGINAL_DST'");
    }
    if (part->type != CLUSTER_ORIGINAL_DST && is_provided) {
        return decoder_field_error(d, "lb_policy",
                                   "cluster: LB policy CLUSTER_PROVIDED cannot be combined with "
                                   "the type of cluster '%s'",
                                   from->name);
    }
    return true;
}

// Only what feeds telemetry is passed over.
static bool check_network_filters(struct decoder *d, const CLUSTER(Cluster) *from) {
    bool is_ok = true;
    for (size_t i = 0; i < from->n_filters; i++) {
        const CLUSTER(Filter) *filter = from->filters[i];
        struct any_view view;
        decoder_push_index(d, "filters", i);
        if (filter->config_discovery != NULL) {
            is_ok =
                decoder_field_error(d, "config_discovery", "extension discovery is not supported");
        } else if (!decode_any_type(d, filter->typed_config, &view)) {
            is_ok = false;
        } else if (!extension_is_telemetry(view.type)) {
            is_ok = decode_unknown_extension(d, filter->name, &view);
        }
        decoder_pop_index(d);
    }
    return is_ok;
}

static bool decode_sections(struct decoder *d, const CLUSTER(Cluster) *from,
                            struct cluster_part *out) {
    bool is_ok = decode_type(d, from, out);
    is_ok = decode_cluster_connections(d, from, out) && is_ok;
    is_ok = decode_cluster_lb(d, from, out) && is_ok;
    is_ok = is_ok && check_policy(d, from, out);
    is_ok = decode_cluster_breakers(d, from, out) && is_ok;
    is_ok = decode_cluster_http(d, from, out) && is_ok;
    is_ok = decode_cluster_sockets(d, from, out) && is_ok;
    is_ok = decode_cluster_outlier(d, from, out) && is_ok;
    is_ok = decode_cluster_health_checks(d, from, out) && is_ok;
    is_ok = check_network_filters(d, from) && is_ok;
    is_ok = decode_metadata(d, from->metadata, &out->metadata) && is_ok;
    return is_ok && decode_endpoints(d, from, out);
}

// ALPN decides the protocol, so there must be TLS that negotiates it.
static bool check_auto_protocol(struct decoder *d, const struct cluster_part *part) {
    if (part->http.protocol == UPSTREAM_AUTO && part->sockets[0].tls == NULL) {
        return decoder_field_error(d, "transport_socket",
                                   "ALPN configured for cluster %.*s which has a non-ALPN "
                                   "transport socket",
                                   SLICE_ARG(part->part.name));
    }
    return true;
}

static struct config_part *decode_cluster(struct decoder *d, const ProtobufCMessage *message) {
    const CLUSTER(Cluster) *from = (const CLUSTER(Cluster) *)message;
    struct cluster_part *part =
        config_part_new(CONFIG_CLUSTER, sizeof(*part), slice_from_string(from->name));
    decoder_use_part(d, &part->part);
    d->scope = arena_printf(d->scratch, "cluster/%s", from->name);
    struct owner_input owner = {.metadata = from->metadata,
                                .name = part->part.name,
                                .patterns = d->context->owners,
                                .is_static = d->options->is_static};
    part->part.owner = decode_owner(d, &owner);
    part->stat_name =
        from->alt_stat_name[0] == '\0' ? part->part.name : decoder_text(d, from->alt_stat_name);
    part->eds_name = part->part.name;
    part->wait_for_warm_on_init = FLAG_OR(from->wait_for_warm_on_init, true);
    if (decode_sections(d, from, part)) {
        (void)check_auto_protocol(d, part);
    }
    return &part->part;
}

const struct resource_type resource_type_cluster = {
    .type_url = "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    .message = "envoy.config.cluster.v3.Cluster",
    .short_name = "CDS",
    .kind = CONFIG_CLUSTER,
    .name_field = 1,
    .is_required_in_sotw = true,
    .decode = decode_cluster,
};

static const struct ledger_field all_fields[] = {LEDGER_OK("*")};
static const struct ledger_field cluster_fields[] = {
    LEDGER_OK("name"),
    LEDGER_OK("alt_stat_name"),
    LEDGER_OK("type"),
    LEDGER_OK("cluster_type"),
    LEDGER_OK("eds_cluster_config"),
    LEDGER_OK("connect_timeout"),
    LEDGER_OK("per_connection_buffer_limit_bytes"),
    LEDGER_OK("lb_policy"),
    LEDGER_OK("load_assignment"),
    LEDGER_OK("health_checks"),
    LEDGER_OK("max_requests_per_connection"),
    LEDGER_OK("circuit_breakers"),
    LEDGER_OK("upstream_http_protocol_options"),
    LEDGER_OK("common_http_protocol_options"),
    LEDGER_OK("http_protocol_options"),
    LEDGER_OK("http2_protocol_options"),
    LEDGER_OK("typed_extension_protocol_options"),
    LEDGER_OK("dns_refresh_rate"),
    LEDGER_OK("dns_jitter"),
    LEDGER_OK("dns_failure_refresh_rate"),
    LEDGER_OK("respect_dns_ttl"),
    LEDGER_OK("dns_lookup_family"),
    LEDGER_OK("dns_resolvers"),
    LEDGER_OK("use_tcp_for_dns_lookups"),
    LEDGER_OK("dns_resolution_config"),
    LEDGER_OK("typed_dns_resolver_config"),
    LEDGER_OK("wait_for_warm_on_init"),
    LEDGER_OK("outlier_detection"),
    LEDGER_OK("upstream_bind_config"),
    LEDGER_OK("ring_hash_lb_config"),
    LEDGER_OK("maglev_lb_config"),
    LEDGER_OK("least_request_lb_config"),
    LEDGER_OK("round_robin_lb_config"),
    LEDGER_OK("common_lb_config"),
    LEDGER_OK("transport_socket"),
    LEDGER_OK("transport_socket_matches"),
    LEDGER_OK("metadata"),
    LEDGER_OK("protocol_selection"),
    LEDGER_OK("upstream_connection_options"),
    LEDGER_OK("close_connections_on_host_health_failure"),
    LEDGER_OK("ignore_health_on_host_removal"),
    LEDGER_OK("load_balancing_policy"),
    {"preconnect_policy", LEDGER_HARMLESS, "connections are opened when they are needed"},
    {"connection_pool_per_downstream_connection", LEDGER_REFUSED,
     "clients would share connections that were authenticated for one"},
    {"cleanup_interval", LEDGER_HARMLESS, "when unused hosts of ORIGINAL_DST are forgotten"},
    {"stats_matcher", LEDGER_HARMLESS, "telemetry"},
    {"lrs_server", LEDGER_HARMLESS, "load reports are not sent"},
    {"lrs_report_endpoint_metrics", LEDGER_HARMLESS, "load reports are not sent"},
    {"track_timeout_budgets", LEDGER_HARMLESS, "telemetry"},
    {"track_cluster_stats", LEDGER_HARMLESS, "telemetry"},
    {"per_connection_buffer_high_watermark_timeout", LEDGER_IGNORED,
     "connections with full buffers wait"},
    {"transport_socket_matcher", LEDGER_REFUSED, "would choose another transport security"},
    {"lb_subset_config", LEDGER_IGNORED, "requests go to hosts of all subsets"},
    {"original_dst_lb_config", LEDGER_IGNORED, "the connection's original destination is used"},
    LEDGER_OK("filters"),
    {"upstream_config", LEDGER_REFUSED, "custom upstreams are not built in"},
    {"queuing_policies", LEDGER_IGNORED, "pending requests are first in, first out"},
};
static const struct ledger_field config_source_fields[] = {
    LEDGER_OK("*"),
};

const struct ledger_message ledger_cluster[] = {
    LEDGER_MESSAGE("envoy.config.cluster.v3.Cluster", cluster_fields),
    LEDGER_MESSAGE("envoy.config.cluster.v3.Filter", all_fields),
    LEDGER_MESSAGE("envoy.config.cluster.v3.Cluster.EdsClusterConfig", all_fields),
    LEDGER_MESSAGE("envoy.config.cluster.v3.Cluster.CustomClusterType", all_fields),
    LEDGER_MESSAGE("envoy.config.cluster.v3.Cluster.RefreshRate", all_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.ConfigSource", config_source_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.AggregatedConfigSource", all_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.SelfConfigSource", all_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.PathConfigSource", all_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.ApiConfigSource", all_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.GrpcService", all_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.GrpcService.EnvoyGrpc", all_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.DnsResolutionConfig", all_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.DnsResolverOptions", all_fields),
    LEDGER_MESSAGE("envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
                   all_fields),
    LEDGER_MESSAGE("envoy.extensions.clusters.dns.v3.DnsCluster", all_fields),
    LEDGER_MESSAGE("envoy.extensions.clusters.dns.v3.DnsCluster.RefreshRate", all_fields),
};
const uint32_t ledger_cluster_count = ARRAY_LEN(ledger_cluster);
