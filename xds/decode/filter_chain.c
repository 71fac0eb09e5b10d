// SPDX-License-Identifier: Apache-2.0
#include "xds/decode/filter_chain.h"

#include "envoy/type/v3/range.pb-c.h"
#include "src/filter_chain/listener_filter.h"
#include "src/filter_chain/network_filter.h"
#include "xds/decode/extension_names.h"
#include "xds/decode/matcher.h"
#include "xds/decode/owner.h"
#include "xds/decode/tls_config.h"

enum { EDGE_HANDSHAKE_TIMEOUT_MS = 10000 };

/* ---- network filters ---- */

static bool parse_network_filter(struct decoder *d, const struct any_view *view,
                                 struct network_filter_config *out) {
    uint32_t errors = d->config.validation->error_count;
    const ProtobufCMessage *message = decode_any_open(d, view);
    if (message != NULL && out->factory->parse != NULL) {
        out->config = out->factory->parse(&d->config, message);
    }
    return d->config.validation->error_count == errors;
}

static bool decode_network_filter(struct decoder *d, const LISTENER(Filter) *from,
                                  struct network_filter_config *out, bool *is_used) {
    struct any_view view;
    *is_used = false;
    if (from->config_type_case ==
        ENVOY__CONFIG__LISTENER__V3__FILTER__CONFIG_TYPE_CONFIG_DISCOVERY) {
        return decoder_field_error(d, "config_discovery", "extension discovery is not supported");
    }
    decoder_push(d, "typed_config");
    bool is_ok = decode_any_type(d, from->typed_config, &view);
    if (is_ok && !extension_is_telemetry(view.type)) {
        out->name = decoder_text(d, from->name);
        out->owner = d->config.part->owner;
        out->factory = filter_registry_network(d->context->registry, view.type);
        *is_used = out->factory != NULL;
        is_ok = out->factory != NULL ? parse_network_filter(d, &view, out)
                                     : decode_unknown_extension(d, from->name, &view);
    }
    decoder_pop(d);
    return is_ok;
}

// The terminal filter is the last one and there is one.
static bool check_terminal(struct decoder *d, const struct network_filter_config *filters,
                           uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        bool is_last = i + 1 == count;
        const struct network_filter_factory *factory = filters[i].factory;
        if (factory->is_terminal && !is_last) {
            return decoder_field_error(d, "filters",
                                       "Error: terminal filter named %.*s of type %s must be the "
                                       "last filter in a network filter chain.",
                                       SLICE_ARG(filters[i].name), factory->name);
        }
        if (!factory->is_terminal && is_last) {
            return decoder_field_error(d, "filters",
                                       "Error: non-terminal filter named %.*s of type %s is the "
                                       "last filter in a network filter chain.",
                                       SLICE_ARG(filters[i].name), factory->name);
        }
    }
    return true;
}

static bool decode_network_filters(struct decoder *d, const LISTENER(FilterChain) *from,
                                   struct filter_chain_config *out) {
    struct network_filter_config *filters =
        from->n_filters == 0
            ? NULL
            : ARENA_NEW_ARRAY(d->config.arena, from->n_filters, struct network_filter_config);
    uint32_t count = 0;
    bool is_ok = true;
    for (size_t i = 0; i < from->n_filters; i++) {
        bool is_used;
        decoder_push_index(d, "filters", i);
        is_ok = decode_network_filter(d, from->filters[i], &filters[count], &is_used) && is_ok;
        decoder_pop_index(d);
        count += is_used;
    }
    out->filters = filters;
    out->filter_count = count;
    return is_ok && check_terminal(d, filters, count);
}

/* ---- the match ---- */

static bool decode_server_names(struct decoder *d, const LISTENER(FilterChainMatch) *from,
                                struct filter_chain_match *out) {
    size_t count = from->n_server_names;
    struct slice *names = count == 0 ? NULL : ARENA_NEW_ARRAY(d->config.arena, count, struct slice);
    for (size_t i = 0; i < count; i++) {
        names[i] = decoder_lower(d, from->server_names[i]);
        if (slice_starts_with(names[i], SLICE("*."))) {
            names[i] = slice_sub(names[i], 1, names[i].len);
        }
        if (slice_find_byte(names[i], '*') != SIZE_MAX) {
            return decoder_field_error(d, "server_names",
                                       "partial wildcards are not supported in \"server_names\"");
        }
    }
    out->server_names = names;
    out->server_name_count = (uint32_t)count;
    return true;
}

static bool decode_ports(struct decoder *d, const LISTENER(FilterChainMatch) *from,
                         struct filter_chain_match *out) {
    out->destination_port = VALUE_OR(from->destination_port, 0);
    if (from->n_source_ports == 0) {
        return true;
    }
    uint32_t *ports = ARENA_NEW_ARRAY(d->config.arena, from->n_source_ports, uint32_t);
    memcpy(ports, from->source_ports, from->n_source_ports * sizeof(uint32_t));
    out->source_ports = ports;
    out->source_port_count = (uint32_t)from->n_source_ports;
    return true;
}

static bool decode_match(struct decoder *d, const LISTENER(FilterChainMatch) *from,
                         struct filter_chain_match *out) {
    if (from->address_suffix[0] != '\0' || from->suffix_len != NULL) {
        return decoder_error(d, "contains unimplemented fields: address_suffix, suffix_len");
    }
    out->transport_protocol = decoder_text(d, from->transport_protocol);
    out->application_protocols =
        decoder_texts(d, from->application_protocols, from->n_application_protocols, false);
    out->application_protocol_count = (uint32_t)from->n_application_protocols;
    if (from->source_type ==
        ENVOY__CONFIG__LISTENER__V3__FILTER_CHAIN_MATCH__CONNECTION_SOURCE_TYPE__SAME_IP_OR_LOOPBACK) {
        out->source_type = SOURCE_SAME_IP_OR_LOOPBACK;
    } else if (from->source_type ==
               ENVOY__CONFIG__LISTENER__V3__FILTER_CHAIN_MATCH__CONNECTION_SOURCE_TYPE__EXTERNAL) {
        out->source_type = SOURCE_EXTERNAL;
    }
    bool is_ok = decode_server_names(d, from, out);
    is_ok = decode_ports(d, from, out) && is_ok;
    is_ok = decode_cidrs(d, "prefix_ranges", from->prefix_ranges, from->n_prefix_ranges,
                         &out->destination_ranges, &out->destination_range_count) &&
            is_ok;
    is_ok = decode_cidrs(d, "direct_source_prefix_ranges", from->direct_source_prefix_ranges,
                         from->n_direct_source_prefix_ranges, &out->direct_source_ranges,
                         &out->direct_source_range_count) &&
            is_ok;
    return decode_cidrs(d, "source_prefix_ranges", from->source_prefix_ranges,
                        from->n_source_prefix_ranges, &out->source_ranges,
                        &out->source_range_count) &&
           is_ok;
}

/* ---- the chain ---- */

bool decode_filter_chain(struct decoder *d, const LISTENER(FilterChain) *from, size_t index,
                         bool is_default, struct filter_chain_config *out) {
    *out = (struct filter_chain_config){
        .name = decoder_text(d, from->name),
        .hash = canonical_hash(&from->base, d->scratch),
        .transport_connect_timeout_ms = d->config.edge_defaults ? EDGE_HANDSHAKE_TIMEOUT_MS : 0,
    };
    d->chain = from->name[0] != '\0' ? slice_from_string(from->name)
               : is_default          ? SLICE("default")
                                     : arena_printf(d->scratch, "%zu", index);
    struct owner_input owner = {.metadata = from->metadata, .fallback = &d->config.part->owner};
    out->owner = decode_owner(d, &owner);
    bool is_ok = decode_optional_duration(d, "transport_socket_connect_timeout",
                                          from->transport_socket_connect_timeout,
                                          &out->transport_connect_timeout_ms);
    if (from->filter_chain_match != NULL) {
        decoder_push(d, "filter_chain_match");
        is_ok = decode_match(d, from->filter_chain_match, &out->match) && is_ok;
        decoder_pop(d);
    }
    is_ok = decode_transport_socket(d, from->transport_socket, true, &out->tls, &out->tls_slot) &&
            is_ok;
    return decode_network_filters(d, from, out) && is_ok;
}

/* ---- listener filters ---- */

static const struct listener_filter_predicate *
decode_predicate(struct decoder *d, const LISTENER(ListenerFilterChainMatchPredicate) *from);

static bool decode_rules(struct decoder *d,
                         LISTENER(ListenerFilterChainMatchPredicate) *const *rules, size_t count,
                         struct listener_filter_predicate *out) {
    const struct listener_filter_predicate **children =
        ARENA_NEW_ARRAY(d->config.arena, count, const struct listener_filter_predicate *);
    bool is_ok = true;
    for (size_t i = 0; i < count; i++) {
        children[i] = decode_predicate(d, rules[i]);
        is_ok = children[i] != NULL && is_ok;
    }
    out->children = children;
    out->child_count = (uint32_t)count;
    return is_ok;
}

// As deep as wire_check lets messages nest.
static const struct listener_filter_predicate *
decode_predicate(struct decoder *d, const LISTENER(ListenerFilterChainMatchPredicate) *from) {
    struct listener_filter_predicate *out =
        ARENA_NEW(d->config.arena, struct listener_filter_predicate);
    bool is_ok = true;
    switch ((int)from->rule_case) {
    case ENVOY__CONFIG__LISTENER__V3__LISTENER_FILTER_CHAIN_MATCH_PREDICATE__RULE_OR_MATCH:
        out->kind = LISTENER_FILTER_OR;
        is_ok = decode_rules(d, from->or_match->rules, from->or_match->n_rules, out);
        break;
    case ENVOY__CONFIG__LISTENER__V3__LISTENER_FILTER_CHAIN_MATCH_PREDICATE__RULE_AND_MATCH:
        out->kind = LISTENER_FILTER_AND;
        is_ok = decode_rules(d, from->and_match->rules, from->and_match->n_rules, out);
        break;
    case ENVOY__CONFIG__LISTENER__V3__LISTENER_FILTER_CHAIN_MATCH_PREDICATE__RULE_NOT_MATCH: {
        LISTENER(ListenerFilterChainMatchPredicate) *rules[1] = {from->not_match};
        out->kind = LISTENER_FILTER_NOT;
        is_ok = decode_rules(d, rules, 1, out);
        break;
    }
    case ENVOY__CONFIG__LISTENER__V3__LISTENER_FILTER_CHAIN_MATCH_PREDICATE__RULE_ANY_MATCH:
        out->kind = LISTENER_FILTER_ANY;
        out->any = from->any_match != 0;
        break;
    case ENVOY__CONFIG__LISTENER__V3__LISTENER_FILTER_CHAIN_MATCH_PREDICATE__RULE_DESTINATION_PORT_RANGE:
        out->kind = LISTENER_FILTER_PORTS;
        out->port_start = from->destination_port_range->start;
        out->port_end = from->destination_port_range->end;
        break;
    default:
        is_ok = decoder_error(d, "a rule is required");
        break;
    }
    return is_ok ? out : NULL;
}

static void parse_listener_filter(struct decoder *d, const char *name, const struct any_view *view,
                                  struct listener_filter_config *out) {
    if (out->factory == NULL) {
        (void)decode_unknown_extension(d, name, view);
        return;
    }
    const ProtobufCMessage *message = decode_any_open(d, view);
    if (message != NULL && out->factory->parse != NULL) {
        out->config = out->factory->parse(&d->config, message);
    }
}

static bool decode_listener_filter(struct decoder *d, const LISTENER(ListenerFilter) *from,
                                   struct listener_filter_config *out) {
    struct any_view view;
    if (from->config_type_case ==
        ENVOY__CONFIG__LISTENER__V3__LISTENER_FILTER__CONFIG_TYPE_CONFIG_DISCOVERY) {
        return decoder_field_error(d, "config_discovery", "extension discovery is not supported");
    }
    uint32_t errors = d->config.validation->error_count;
    out->name = decoder_text(d, from->name);
    out->owner = d->config.part->owner;
    decoder_push(d, "typed_config");
    if (decode_any_type(d, from->typed_config, &view)) {
        out->factory = filter_registry_listener(d->context->registry, view.type);
        parse_listener_filter(d, from->name, &view, out);
    }
    decoder_pop(d);
    if (from->filter_disabled != NULL) {
        decoder_push(d, "filter_disabled");
        out->disabled_predicate = decode_predicate(d, from->filter_disabled);
        decoder_pop(d);
    }
    return d->config.validation->error_count == errors;
}

bool decode_listener_filters(struct decoder *d, LISTENER(ListenerFilter) *const *from, size_t count,
                             const struct listener_filter_config **out, uint32_t *out_count) {
    struct listener_filter_config *filters =
        count == 0 ? NULL : ARENA_NEW_ARRAY(d->config.arena, count, struct listener_filter_config);
    bool is_ok = true;
    for (size_t i = 0; i < count; i++) {
        decoder_push_index(d, "listener_filters", i);
        is_ok = decode_listener_filter(d, from[i], &filters[i]) && is_ok;
        decoder_pop_index(d);
    }
    *out = filters;
    *out_count = (uint32_t)count;
    return is_ok;
}
