// SPDX-License-Identifier: Apache-2.0
#include "envoy/config/core/v3/resolver.pb-c.h"
#include "envoy/extensions/clusters/dns/v3/dns_cluster.pb-c.h"
#include "envoy/extensions/network/dns_resolver/cares/v3/cares_dns_resolver.pb-c.h"
#include "xds/decode/cluster_parts.h"
#include "xds/decode/decode_common.h"

#define CARES(name) Envoy__Extensions__Network__DnsResolver__Cares__V3__##name
#define DNS(name) Envoy__Extensions__Clusters__Dns__V3__##name

enum { DEFAULT_REFRESH_MS = 5000, REFRESH_FACTOR = 10 };

static bool decode_servers(struct decoder *d, CORE(Address) *const *from, size_t count,
                           struct dns_options *out) {
    struct address *servers =
        count == 0 ? NULL : ARENA_NEW_ARRAY(d->config.arena, count, struct address);
    bool is_ok = true;
    for (size_t i = 0; i < count; i++) {
        decoder_push_index(d, "resolvers", i);
        is_ok = decode_address(d, from[i], &servers[i]) && is_ok;
        decoder_pop_index(d);
    }
    out->servers = servers;
    out->server_count = (uint32_t)count;
    return is_ok;
}

static bool decode_cares(struct decoder *d, const CARES(CaresDnsResolverConfig) *from,
                         struct dns_options *out) {
    if (from->dns_resolver_options != NULL) {
        out->use_tcp = from->dns_resolver_options->use_tcp_for_dns_lookups != 0;
    }
    uint64_t timeout_s = VALUE_OR(from->query_timeout_seconds, 0);
    out->timeout_ms = timeout_s > UINT32_MAX / 1000 ? UINT32_MAX : (uint32_t)timeout_s * 1000;
    out->tries = VALUE_OR(from->query_tries, 0);
    return decode_servers(d, from->resolvers, from->n_resolvers, out);
}

static bool decode_resolver(struct decoder *d, const CORE(TypedExtensionConfig) *from,
                            struct dns_options *out) {
    struct any_view view;
    bool is_ok = false;
    if (from == NULL) {
        return true;
    }
    decoder_push(d, "typed_dns_resolver_config");
    if (!decode_any_type(d, from->typed_config, &view)) {
        is_ok = false;
    } else if (any_is(&view, "envoy.extensions.network.dns_resolver.cares.v3."
                             "CaresDnsResolverConfig")) {
        const ProtobufCMessage *message = decode_any_open(d, &view);
        is_ok =
            message != NULL && decode_cares(d, (const CARES(CaresDnsResolverConfig) *)message, out);
    } else if (any_is(&view, "envoy.extensions.network.dns_resolver.getaddrinfo.v3."
                             "GetAddrInfoDnsResolverConfig")) {
        is_ok = true; // the system's resolvers, which are the default
    } else {
        is_ok = decode_unknown_extension(d, from->name, &view);
    }
    decoder_pop(d);
    return is_ok;
}

static bool family_of(struct decoder *d, int family, enum dns_family *out) {
    switch (family) {
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DNS_LOOKUP_FAMILY__AUTO:
        *out = DNS_AUTO;
        return true;
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DNS_LOOKUP_FAMILY__V4_ONLY:
        *out = DNS_V4_ONLY;
        return true;
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DNS_LOOKUP_FAMILY__V6_ONLY:
        *out = DNS_V6_ONLY;
        return true;
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DNS_LOOKUP_FAMILY__V4_PREFERRED:
        *out = DNS_V4_PREFERRED;
        return true;
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DNS_LOOKUP_FAMILY__ALL:
        *out = DNS_ALL;
        return true;
    default:
        return decoder_field_error(d, "dns_lookup_family", "unknown value %d", family);
    }
}

static bool decode_refresh(struct decoder *d, const Google__Protobuf__Duration *refresh,
                           const Google__Protobuf__Duration *base,
                           const Google__Protobuf__Duration *max, struct cluster_dns_config *out) {
    out->refresh_ms = DEFAULT_REFRESH_MS;
    bool is_ok = decode_optional_duration(d, "dns_refresh_rate", refresh, &out->refresh_ms);
    out->failure_base_ms = out->refresh_ms;
    out->failure_max_ms = out->refresh_ms;
    if (base == NULL) {
        return is_ok;
    }
    is_ok =
        decode_duration(d, "dns_failure_refresh_rate.base_interval", base, &out->failure_base_ms) &&
        is_ok;
    uint64_t fallback = (uint64_t)out->failure_base_ms * REFRESH_FACTOR;
    out->failure_max_ms = fallback > UINT32_MAX ? UINT32_MAX : (uint32_t)fallback;
    is_ok = decode_optional_duration(d, "dns_failure_refresh_rate.max_interval", max,
                                     &out->failure_max_ms) &&
            is_ok;
    if (is_ok && out->failure_max_ms < out->failure_base_ms) {
        return decoder_field_error(d, "dns_failure_refresh_rate",
                                   "dns_failure_refresh_rate must have max_interval greater than "
                                   "or equal to the base_interval");
    }
    return is_ok;
}

bool decode_cluster_dns(struct decoder *d, const CLUSTER(Cluster) *from, struct cluster_part *out) {
    struct cluster_dns_config *dns = ARENA_NEW(d->config.arena, struct cluster_dns_config);
    out->dns = dns;
    const CLUSTER(Cluster__RefreshRate) *failure = from->dns_failure_refresh_rate;
    bool is_ok =
        decode_refresh(d, from->dns_refresh_rate, failure == NULL ? NULL : failure->base_interval,
                       failure == NULL ? NULL : failure->max_interval, dns);
    is_ok = decode_optional_duration(d, "dns_jitter", from->dns_jitter, &dns->jitter_ms) && is_ok;
    dns->respect_ttl = from->respect_dns_ttl != 0;
    is_ok = family_of(d, (int)from->dns_lookup_family, &dns->family) && is_ok;
    if (from->typed_dns_resolver_config != NULL) {
        return decode_resolver(d, from->typed_dns_resolver_config, &dns->options) && is_ok;
    }
    dns->options.use_tcp = from->use_tcp_for_dns_lookups != 0;
    if (from->dns_resolution_config != NULL) {
        const CORE(DnsResolutionConfig) *config = from->dns_resolution_config;
        if (config->dns_resolver_options != NULL) {
            dns->options.use_tcp = config->dns_resolver_options->use_tcp_for_dns_lookups != 0;
        }
        return decode_servers(d, config->resolvers, config->n_resolvers, &dns->options) && is_ok;
    }
    return decode_servers(d, from->dns_resolvers, from->n_dns_resolvers, &dns->options) && is_ok;
}

// The extension's enum begins with a value that means the same as AUTO.
static int legacy_family(int family) {
    return family == 0 ? ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DNS_LOOKUP_FAMILY__AUTO : family - 1;
}

static bool decode_dns_cluster(struct decoder *d, const DNS(DnsCluster) *from,
                               struct cluster_part *out) {
    out->type = from->all_addresses_in_single_endpoint ? CLUSTER_LOGICAL_DNS : CLUSTER_STRICT_DNS;
    struct cluster_dns_config *dns = ARENA_NEW(d->config.arena, struct cluster_dns_config);
    out->dns = dns;
    const DNS(DnsCluster__RefreshRate) *failure = from->dns_failure_refresh_rate;
    bool is_ok =
        decode_refresh(d, from->dns_refresh_rate, failure == NULL ? NULL : failure->base_interval,
                       failure == NULL ? NULL : failure->max_interval, dns);
    is_ok = decode_optional_duration(d, "dns_jitter", from->dns_jitter, &dns->jitter_ms) && is_ok;
    dns->respect_ttl = from->respect_dns_ttl != 0;
    is_ok = family_of(d, legacy_family((int)from->dns_lookup_family), &dns->family) && is_ok;
    return decode_resolver(d, from->typed_dns_resolver_config, &dns->options) && is_ok;
}

bool decode_cluster_extension(struct decoder *d, const CLUSTER(Cluster) *from,
                              struct cluster_part *out) {
    const CLUSTER(Cluster__CustomClusterType) *custom = from->cluster_type;
    struct any_view view;
    bool is_ok = false;
    decoder_push(d, "cluster_type");
    if (custom->typed_config == NULL || !decode_any_type(d, custom->typed_config, &view)) {
        is_ok = decoder_error(
            d, "Didn't find a registered cluster factory implementation for name: '%s'",
            custom->name);
    } else if (any_is(&view, "envoy.extensions.clusters.dns.v3.DnsCluster")) {
        const ProtobufCMessage *message = decode_any_open(d, &view);
        is_ok = message != NULL && decode_dns_cluster(d, (const DNS(DnsCluster) *)message, out);
    } else {
        is_ok = decode_unknown_extension(d, custom->name, &view);
    }
    decoder_pop(d);
    return is_ok;
}
