// SPDX-License-Identifier: Apache-2.0
#include "xds/decode/endpoint.h"

#include "envoy/config/endpoint/v3/endpoint_components.pb-c.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/ledgers.h"
#include "xds/decode/owner.h"

enum {
    DEFAULT_OVERPROVISIONING = 140,
    MAX_PRIORITY = 128,
    MILLION = 1000000,
};

static enum health_status health_of(int status) {
    switch (status) {
    case ENVOY__CONFIG__CORE__V3__HEALTH_STATUS__HEALTHY:
        return HEALTH_HEALTHY;
    case ENVOY__CONFIG__CORE__V3__HEALTH_STATUS__UNHEALTHY:
        return HEALTH_UNHEALTHY;
    case ENVOY__CONFIG__CORE__V3__HEALTH_STATUS__DRAINING:
        return HEALTH_DRAINING;
    case ENVOY__CONFIG__CORE__V3__HEALTH_STATUS__TIMEOUT:
        return HEALTH_TIMEOUT;
    case ENVOY__CONFIG__CORE__V3__HEALTH_STATUS__DEGRADED:
        return HEALTH_DEGRADED;
    default:
        return HEALTH_UNKNOWN;
    }
}

static bool decode_endpoint(struct decoder *d, const ENDPOINT(LbEndpoint) *from, bool dns_allowed,
                            struct endpoint_config *out) {
    *out = (struct endpoint_config){.weight = VALUE_OR(from->load_balancing_weight, 1),
                                    .health = health_of((int)from->health_status)};
    struct owner_input owner = {.metadata = from->metadata, .fallback = &d->config.part->owner};
    (void)decode_owner(d, &owner); /* whom an error below is told to */
    if (from->host_identifier_case !=
            ENVOY__CONFIG__ENDPOINT__V3__LB_ENDPOINT__HOST_IDENTIFIER_ENDPOINT ||
        from->endpoint->address == NULL) {
        return decoder_error(d, "endpoint.address is required");
    }
    decoder_push(d, "endpoint.address");
    struct address address = {0};
    bool is_ok = decode_endpoint_address(d, from->endpoint->address, &address, &out->dns_name,
                                         &out->dns_port);
    out->address =
        stored_address_make(&address, arena_alloc(d->config.arena, stored_address_room(&address)));
    if (is_ok && out->dns_name.len > 0 && !dns_allowed) {
        is_ok = decoder_error(d,
                              "malformed IP address: %.*s. Consider setting resolver_name or "
                              "setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'",
                              SLICE_ARG(out->dns_name));
    }
    decoder_pop(d);
    out->hostname = decoder_text(d, from->endpoint->hostname);
    is_ok = decode_metadata(d, from->metadata, &out->metadata) && is_ok;
    return is_ok;
}

static bool decode_locality(struct decoder *d, const ENDPOINT(LocalityLbEndpoints) *from,
                            bool dns_allowed, struct locality_config *out) {
    if (from->locality != NULL) {
        out->locality.region = decoder_text(d, from->locality->region);
        out->locality.zone = decoder_text(d, from->locality->zone);
        out->locality.sub_zone = decoder_text(d, from->locality->sub_zone);
    }
    out->weight = VALUE_OR(from->load_balancing_weight, 0);
    out->priority = from->priority;
    ENDPOINT(LbEndpoint) *const *list = from->lb_endpoints;
    size_t count = from->n_lb_endpoints;
    if (from->lb_config_case ==
        ENVOY__CONFIG__ENDPOINT__V3__LOCALITY_LB_ENDPOINTS__LB_CONFIG_LOAD_BALANCER_ENDPOINTS) {
        list = from->load_balancer_endpoints->lb_endpoints;
        count = from->load_balancer_endpoints->n_lb_endpoints;
    }
    struct endpoint_config *endpoints =
        count == 0 ? NULL : ARENA_NEW_ARRAY(d->config.arena, count, struct endpoint_config);
    bool is_ok = true;
    for (size_t i = 0; i < count; i++) {
        decoder_push_index(d, "lb_endpoints", i);
        is_ok = decode_endpoint(d, list[i], dns_allowed, &endpoints[i]) && is_ok;
        decoder_pop_index(d);
    }
    out->endpoints = endpoints;
    out->endpoint_count = (uint32_t)count;
    return is_ok;
}

static bool is_above_whole(const Envoy__Type__V3__FractionalPercent *share) {
    switch ((int)share->denominator) {
    case ENVOY__TYPE__V3__FRACTIONAL_PERCENT__DENOMINATOR_TYPE__HUNDRED:
        return share->numerator > 100;
    case ENVOY__TYPE__V3__FRACTIONAL_PERCENT__DENOMINATOR_TYPE__TEN_THOUSAND:
        return share->numerator > 10000;
    default:
        return share->numerator > MILLION;
    }
}

/* Envoy takes one category, and no more than the whole of it. */
static bool decode_drops(struct decoder *d, const ENDPOINT(ClusterLoadAssignment__Policy) *from,
                         struct endpoint_part *out) {
    if (from->n_drop_overloads == 0) {
        return true;
    }
    if (from->n_drop_overloads > 1) {
        return decoder_error(d, "drop_overloads may have one category only");
    }
    if (from->drop_overloads[0]->drop_percentage == NULL) {
        return true;
    }
    const Envoy__Type__V3__FractionalPercent *share = from->drop_overloads[0]->drop_percentage;
    struct config_fraction fraction = {0};
    decoder_push_index(d, "drop_overloads", 0);
    bool is_ok = decode_fractional_percent(d, share, &fraction);
    if (is_ok && is_above_whole(share)) {
        is_ok = decoder_error(d, "drop_percentage is above the whole");
    }
    decoder_pop_index(d);
    out->drop_overload_per_million = fraction.per_million;
    return is_ok;
}

static bool decode_policy(struct decoder *d, const ENDPOINT(ClusterLoadAssignment__Policy) *from,
                          struct endpoint_part *out) {
    out->overprovisioning_percent = DEFAULT_OVERPROVISIONING;
    if (from == NULL) {
        return true;
    }
    out->overprovisioning_percent =
        VALUE_OR(from->overprovisioning_factor, DEFAULT_OVERPROVISIONING);
    out->weighted_priority_health = from->weighted_priority_health != 0;
    return decode_drops(d, from, out);
}

// Priorities must be without gaps: Envoy refuses a hole.
static bool check_priorities(struct decoder *d, const ENDPOINT(ClusterLoadAssignment) *from) {
    uint64_t seen[2] = {0};
    uint32_t highest = 0;
    for (size_t i = 0; i < from->n_endpoints; i++) {
        uint32_t priority = from->endpoints[i]->priority;
        if (priority >= MAX_PRIORITY) {
            return decoder_field_error(d, "endpoints", "priority %u is above 128", priority);
        }
        seen[priority / 64] |= UINT64_C(1) << (priority % 64);
        highest = priority > highest ? priority : highest;
    }
    for (uint32_t p = 0; p < highest; p++) {
        if ((seen[p / 64] >> (p % 64) & 1) == 0) {
            return decoder_field_error(d, "endpoints",
                                       "priorities are not contiguous: %u is missing", p);
        }
    }
    return true;
}

/* What the model of an assignment takes, without metadata. */
static size_t assignment_bytes(const ENDPOINT(ClusterLoadAssignment) *from) {
    enum { TEXT_BYTES = 32 };
    size_t bytes = 0;
    for (size_t i = 0; i < from->n_endpoints; i++) {
        bytes += sizeof(struct locality_config) + TEXT_BYTES +
                 from->endpoints[i]->n_lb_endpoints * sizeof(struct endpoint_config);
    }
    return bytes;
}

struct endpoint_part *decode_load_assignment(struct decoder *d,
                                             const ENDPOINT(ClusterLoadAssignment) *from,
                                             struct slice name, bool dns_allowed) {
    struct endpoint_part *part =
        config_part_new_sized(CONFIG_ENDPOINT, sizeof(*part), name, assignment_bytes(from));
    struct config_part *outer = d->config.part;
    decoder_use_part(d, &part->part);
    struct owner_input owner = {.name = name,
                                .patterns = d->context->owners,
                                .is_static = d->options->is_static,
                                .fallback = outer == NULL ? NULL : &outer->owner};
    part->part.owner = decode_owner(d, &owner);
    size_t count = from->n_endpoints;
    struct locality_config *localities =
        count == 0 ? NULL : ARENA_NEW_ARRAY(d->config.arena, count, struct locality_config);
    for (size_t i = 0; i < count; i++) {
        decoder_push_index(d, "endpoints", i);
        (void)decode_locality(d, from->endpoints[i], dns_allowed, &localities[i]);
        decoder_pop_index(d);
    }
    part->localities = localities;
    part->locality_count = (uint32_t)count;
    decoder_push(d, "policy");
    (void)decode_policy(d, from->policy, part);
    decoder_pop(d);
    (void)check_priorities(d, from);
    decoder_use_part(d, outer);
    return part;
}

static struct config_part *decode_endpoints(struct decoder *d, const ProtobufCMessage *message) {
    const ENDPOINT(ClusterLoadAssignment) *from = (const ENDPOINT(ClusterLoadAssignment) *)message;
    struct slice name = slice_from_string(from->cluster_name);
    return &decode_load_assignment(d, from, name, false)->part;
}

const struct resource_type resource_type_endpoint = {
    .type_url = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    .message = "envoy.config.endpoint.v3.ClusterLoadAssignment",
    .short_name = "EDS",
    .kind = CONFIG_ENDPOINT,
    .name_field = 1,
    .decode = decode_endpoints,
};

static const struct ledger_field all_fields[] = {LEDGER_OK("*")};
static const struct ledger_field assignment_fields[] = {
    LEDGER_OK("cluster_name"),
    LEDGER_OK("endpoints"),
    LEDGER_OK("policy"),
    {"named_endpoints", LEDGER_IGNORED, "endpoints are read where they stand"},
};
static const struct ledger_field policy_fields[] = {
    {"endpoint_stale_after", LEDGER_IGNORED, "endpoints hold until others come"},
    LEDGER_OK("*"),
};
static const struct ledger_field drop_fields[] = {
    {"category", LEDGER_HARMLESS, "only names the reason in load reports"},
    LEDGER_OK("drop_percentage"),
};
static const struct ledger_field locality_fields[] = {
    LEDGER_OK("locality"),
    LEDGER_OK("lb_endpoints"),
    LEDGER_OK("load_balancer_endpoints"),
    LEDGER_OK("load_balancing_weight"),
    LEDGER_OK("priority"),
    {"proximity", LEDGER_HARMLESS, "unused by Envoy"},
    {"metadata", LEDGER_IGNORED, "metadata of a locality is not matched"},
    {"leds_cluster_locality_config", LEDGER_REFUSED, "LEDS is not supported"},
};
static const struct ledger_field lb_endpoint_fields[] = {
    LEDGER_OK("endpoint"),
    LEDGER_OK("health_status"),
    LEDGER_OK("metadata"),
    LEDGER_OK("load_balancing_weight"),
    {"endpoint_name", LEDGER_REFUSED, "named endpoints are not supported"},
};
static const struct ledger_field endpoint_fields[] = {
    LEDGER_OK("address"),
    LEDGER_OK("hostname"),
    {"health_check_config", LEDGER_IGNORED, "checks go to the endpoint's own address"},
    {"additional_addresses", LEDGER_IGNORED, "only the first address is used"},
    {"observability_name", LEDGER_HARMLESS, "a name in statistics"},
};

const struct ledger_message ledger_endpoint[] = {
    LEDGER_MESSAGE("envoy.config.endpoint.v3.ClusterLoadAssignment", assignment_fields),
    LEDGER_MESSAGE("envoy.config.endpoint.v3.ClusterLoadAssignment.Policy", policy_fields),
    LEDGER_MESSAGE("envoy.config.endpoint.v3.ClusterLoadAssignment.Policy.DropOverload",
                   drop_fields),
    LEDGER_MESSAGE("envoy.config.endpoint.v3.LocalityLbEndpoints", locality_fields),
    LEDGER_MESSAGE("envoy.config.endpoint.v3.LocalityLbEndpoints.LbEndpointList", all_fields),
    LEDGER_MESSAGE("envoy.config.endpoint.v3.LbEndpoint", lb_endpoint_fields),
    LEDGER_MESSAGE("envoy.config.endpoint.v3.Endpoint", endpoint_fields),
};
const uint32_t ledger_endpoint_count = ARRAY_LEN(ledger_endpoint);
