// SPDX-License-Identifier: Apache-2.0
#include "envoy/config/listener/v3/listener.pb-c.h"
#include "src/runtime/runtime.h"
#include "xds/decode/access_log.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/filter_chain.h"
#include "xds/decode/ledgers.h"
#include "xds/decode/owner.h"

enum {
    DEFAULT_BUFFER_BYTES = 1024 * 1024,
    EDGE_BUFFER_BYTES = 32 * 1024,
    DEFAULT_FILTERS_TIMEOUT_MS = 15000,
};

/* ---- addresses and sockets ---- */

static bool is_pipe(const CORE(Address) *address) {
    return address->address_case == ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_PIPE;
}

static bool decode_addresses(struct decoder *d, const LISTENER(Listener) *from,
                             struct listener_part *out) {
    if (from->address == NULL) {
        return decoder_field_error(d, "address", "value is required");
    }
    size_t count = from->n_additional_addresses + 1;
    struct address *addresses = ARENA_NEW_ARRAY(d->config.arena, count, struct address);
    decoder_push(d, "address");
    bool is_ok = decode_address(d, from->address, &addresses[0]);
    decoder_pop(d);
    for (size_t i = 0; i < from->n_additional_addresses; i++) {
        decoder_push_index(d, "additional_addresses", i);
        is_ok =
            decode_address(d, from->additional_addresses[i]->address, &addresses[i + 1]) && is_ok;
        decoder_pop_index(d);
    }
    out->addresses = addresses;
    out->address_count = (uint32_t)count;
    return is_ok;
}

// "0.0.0.0_8080", as Envoy names a listener's statistics.
static struct slice stat_prefix(struct decoder *d, const struct address *address) {
    char text[ADDRESS_TEXT_BYTES];
    struct slice copy = arena_dup_slice(d->config.arena, address_to_text(address, text));
    uint8_t *bytes = (uint8_t *)(uintptr_t)copy.ptr; // our own copy
    for (size_t i = 0; i < copy.len; i++) {
        bytes[i] = bytes[i] == ':' ? '_' : bytes[i];
    }
    return copy;
}

static bool decode_sockets(struct decoder *d, const LISTENER(Listener) *from,
                           struct listener_part *out) {
    out->bind_to_port = FLAG_OR(from->bind_to_port, true);
    if (from->bind_to_port == NULL && from->deprecated_v1 != NULL) {
        out->bind_to_port = FLAG_OR(from->deprecated_v1->bind_to_port, true);
    }
    out->reuse_port = FLAG_OR(from->enable_reuse_port, true) && !is_pipe(from->address);
    out->socket.reuse_port = out->reuse_port;
    out->socket.transparent = FLAG_OR(from->transparent, false);
    out->socket.freebind = FLAG_OR(from->freebind, false);
    out->socket.backlog = VALUE_OR(from->tcp_backlog_size, 0);
    out->socket.v6_only = true;
    if (is_pipe(from->address)) {
        out->socket.unix_mode = from->address->pipe->mode;
    } else if (from->address->socket_address->ipv4_compat) {
        out->socket.v6_only = false;
    }
    return decode_socket_options(d, from->socket_options, from->n_socket_options,
                                 &out->socket.options, &out->socket.option_count);
}

/* ---- chains ---- */

static bool is_same_match(struct decoder *d, const LISTENER(FilterChain) *a,
                          const LISTENER(FilterChain) *b) {
    LISTENER(FilterChainMatch) none;
    envoy__config__listener__v3__filter_chain_match__init(&none);
    const LISTENER(FilterChainMatch) *left =
        a->filter_chain_match == NULL ? &none : a->filter_chain_match;
    const LISTENER(FilterChainMatch) *right =
        b->filter_chain_match == NULL ? &none : b->filter_chain_match;
    return canonical_hash(&left->base, d->scratch) == canonical_hash(&right->base, d->scratch);
}

static bool check_matches(struct decoder *d, const LISTENER(Listener) *from) {
    for (size_t i = 0; i < from->n_filter_chains; i++) {
        for (size_t k = 0; k < i; k++) {
            if (is_same_match(d, from->filter_chains[i], from->filter_chains[k])) {
                return decoder_field_error(
                    d, "filter_chains",
                    "filter chain '%s' has the same matching rules defined as '%s'",
                    from->filter_chains[i]->name, from->filter_chains[k]->name);
            }
        }
    }
    return true;
}

static bool decode_chains(struct decoder *d, const LISTENER(Listener) *from,
                          struct listener_part *out) {
    size_t count = from->n_filter_chains;
    const struct filter_chain_config **chains =
        count == 0 ? NULL
                   : ARENA_NEW_ARRAY(d->config.arena, count, const struct filter_chain_config *);
    bool is_ok = true;
    for (size_t i = 0; i < count; i++) {
        struct filter_chain_config *chain = ARENA_NEW(d->config.arena, struct filter_chain_config);
        decoder_push_index(d, "filter_chains", i);
        is_ok = decode_filter_chain(d, from->filter_chains[i], i, false, chain) && is_ok;
        decoder_pop_index(d);
        chains[i] = chain;
    }
    out->chains = chains;
    out->chain_count = (uint32_t)count;
    if (from->default_filter_chain != NULL) {
        struct filter_chain_config *chain = ARENA_NEW(d->config.arena, struct filter_chain_config);
        decoder_push(d, "default_filter_chain");
        is_ok = decode_filter_chain(d, from->default_filter_chain, count, true, chain) && is_ok;
        decoder_pop(d);
        out->default_chain = chain;
    }
    if (count == 0 && out->default_chain == NULL) {
        is_ok = decoder_field_error(d, "filter_chains", "no filter chains specified");
    }
    return is_ok && check_matches(d, from);
}

/* ---- the listener ---- */

static bool check_kind(struct decoder *d, const LISTENER(Listener) *from) {
    if (from->udp_listener_config != NULL) {
        return decoder_field_error(d, "udp_listener_config", "UDP listeners are not supported");
    }
    if (from->api_listener != NULL) {
        return decoder_field_error(d, "api_listener", "API listeners are not supported");
    }
    if (from->listener_specifier_case != 0) {
        return decoder_field_error(d, "internal_listener", "internal listeners are not supported");
    }
    if (from->filter_chain_matcher != NULL) {
        return decoder_field_error(d, "filter_chain_matcher", "matcher trees are not supported");
    }
    return true;
}

static bool decode_limits(struct decoder *d, const LISTENER(Listener) *from,
                          struct listener_part *out) {
    out->per_connection_buffer_limit_bytes =
        VALUE_OR(from->per_connection_buffer_limit_bytes,
                 d->config.edge_defaults ? EDGE_BUFFER_BYTES : DEFAULT_BUFFER_BYTES);
    out->max_connections_per_event = VALUE_OR(from->max_connections_to_accept_per_socket_event, 0);
    out->ignore_global_connection_limit = from->ignore_global_conn_limit != 0;
    out->bypass_overload = from->bypass_overload_manager != 0;
    d->config.bypass_overload = out->bypass_overload;
    out->continue_on_listener_filters_timeout = from->continue_on_listener_filters_timeout != 0;
    out->listener_filters_timeout_ms = DEFAULT_FILTERS_TIMEOUT_MS;
    out->drain_modify_only =
        from->drain_type == ENVOY__CONFIG__LISTENER__V3__LISTENER__DRAIN_TYPE__MODIFY_ONLY;
    out->traffic_direction = (uint32_t)from->traffic_direction;
    return decode_optional_duration(d, "listener_filters_timeout", from->listener_filters_timeout,
                                    &out->listener_filters_timeout_ms);
}

// The same message without its chains.
static uint64_t shell_hash(struct decoder *d, const LISTENER(Listener) *from) {
    LISTENER(Listener) shell = *from;
    shell.n_filter_chains = 0;
    shell.filter_chains = NULL;
    shell.default_filter_chain = NULL;
    return canonical_hash(&shell.base, d->scratch);
}

static bool decode_sections(struct decoder *d, const LISTENER(Listener) *from,
                            struct listener_part *out) {
    if (!check_kind(d, from) || !decode_addresses(d, from, out)) {
        return false;
    }
    out->stat_prefix = from->stat_prefix[0] == '\0' ? stat_prefix(d, &out->addresses[0])
                                                    : decoder_text(d, from->stat_prefix);
    d->config.stat_prefix =
        arena_printf(d->config.arena, "listener.%.*s.", SLICE_ARG(out->stat_prefix));
    bool is_ok = decode_sockets(d, from, out);
    is_ok = decode_limits(d, from, out) && is_ok;
    is_ok = decode_listener_filters(d, from->listener_filters, from->n_listener_filters,
                                    &out->listener_filters, &out->listener_filter_count) &&
            is_ok;
    is_ok = decode_access_logs(d, from->access_log, from->n_access_log, &out->access_logs,
                               &out->access_log_count) &&
            is_ok;
    return decode_chains(d, from, out) && is_ok;
}

static struct config_part *decode_listener(struct decoder *d, const ProtobufCMessage *message) {
    const LISTENER(Listener) *from = (const LISTENER(Listener) *)message;
    struct listener_part *part =
        config_part_new(CONFIG_LISTENER, sizeof(*part), slice_from_string(from->name));
    decoder_use_part(d, &part->part);
    d->scope = arena_printf(d->scratch, "listener/%s", from->name);
    struct owner_input owner = {.metadata = from->metadata,
                                .name = part->part.name,
                                .patterns = d->context->owners,
                                .is_static = d->options->is_static};
    part->part.owner = decode_owner(d, &owner);
    part->shell_hash = shell_hash(d, from);
    part->open =
        arena_alloc_aligned(d->config.arena, sizeof(*part->open), _Alignof(struct listener_open));
    atomic_init(&part->open->count, 0);
    struct slice limit =
        arena_printf(d->scratch, "envoy.resource_limits.listener.%s.connection_limit", from->name);
    part->connection_limit_key = runtime_key(config_store_runtime(d->config.store), limit);
    (void)decode_sections(d, from, part);
    return &part->part;
}

const struct resource_type resource_type_listener = {
    .type_url = "type.googleapis.com/envoy.config.listener.v3.Listener",
    .message = "envoy.config.listener.v3.Listener",
    .short_name = "LDS",
    .kind = CONFIG_LISTENER,
    .name_field = 1,
    .is_required_in_sotw = true,
    .decode = decode_listener,
};

static const struct ledger_field all_fields[] = {LEDGER_OK("*")};
static const struct ledger_field listener_fields[] = {
    LEDGER_OK("name"),
    LEDGER_OK("address"),
    LEDGER_OK("additional_addresses"),
    LEDGER_OK("stat_prefix"),
    LEDGER_OK("filter_chains"),
    LEDGER_OK("default_filter_chain"),
    LEDGER_OK("per_connection_buffer_limit_bytes"),
    LEDGER_OK("metadata"),
    LEDGER_OK("deprecated_v1"),
    LEDGER_OK("drain_type"),
    LEDGER_OK("listener_filters"),
    LEDGER_OK("listener_filters_timeout"),
    LEDGER_OK("continue_on_listener_filters_timeout"),
    LEDGER_OK("transparent"),
    LEDGER_OK("freebind"),
    LEDGER_OK("socket_options"),
    LEDGER_OK("traffic_direction"),
    LEDGER_OK("enable_reuse_port"),
    LEDGER_OK("access_log"),
    LEDGER_OK("tcp_backlog_size"),
    LEDGER_OK("max_connections_to_accept_per_socket_event"),
    LEDGER_OK("bind_to_port"),
    LEDGER_OK("ignore_global_conn_limit"),
    LEDGER_OK("bypass_overload_manager"),
    {"stats_matcher", LEDGER_HARMLESS, "telemetry"},
    {"reuse_port", LEDGER_HARMLESS, "on unless enable_reuse_port is false"},
    {"connection_balance_config", LEDGER_HARMLESS, "the kernel spreads connections"},
    {"tcp_fast_open_queue_length", LEDGER_HARMLESS, "an optimisation"},
    {"enable_mptcp", LEDGER_HARMLESS, "an optimisation"},
    {"use_original_dst", LEDGER_REFUSED, "the listener of the destination would not be asked"},
    {"tcp_keepalive", LEDGER_IGNORED, "the kernel's settings hold"},
    {"per_connection_buffer_high_watermark_timeout", LEDGER_IGNORED,
     "connections with full buffers wait"},
    {"*", LEDGER_REFUSED, "another kind of listener, or another choice of its chain"},
};
static const struct ledger_field additional_fields[] = {
    LEDGER_OK("address"),
    {"*", LEDGER_IGNORED, "options of the listener hold for each address"},
};
static const struct ledger_field chain_fields[] = {
    LEDGER_OK("filter_chain_match"),
    LEDGER_OK("filters"),
    LEDGER_OK("metadata"),
    LEDGER_OK("transport_socket"),
    LEDGER_OK("transport_socket_connect_timeout"),
    LEDGER_OK("name"),
    {"use_proxy_proto", LEDGER_REFUSED, "client addresses would be wrong"},
};
static const struct ledger_field filter_fields[] = {
    LEDGER_OK("name"),
    LEDGER_OK("typed_config"),
    LEDGER_OK("filter_disabled"),
    {"config_discovery", LEDGER_REFUSED, "extension discovery is not supported"},
};

const struct ledger_message ledger_listener[] = {
    LEDGER_MESSAGE("envoy.config.listener.v3.Listener", listener_fields),
    LEDGER_MESSAGE("envoy.config.listener.v3.Listener.DeprecatedV1", all_fields),
    LEDGER_MESSAGE("envoy.config.listener.v3.AdditionalAddress", additional_fields),
    LEDGER_MESSAGE("envoy.config.listener.v3.FilterChain", chain_fields),
    LEDGER_MESSAGE("envoy.config.listener.v3.FilterChainMatch", all_fields),
    LEDGER_MESSAGE("envoy.config.listener.v3.Filter", filter_fields),
    LEDGER_MESSAGE("envoy.config.listener.v3.ListenerFilter", filter_fields),
    LEDGER_MESSAGE("envoy.config.listener.v3.ListenerFilterChainMatchPredicate", all_fields),
    LEDGER_MESSAGE("envoy.config.listener.v3.ListenerFilterChainMatchPredicate.MatchSet",
                   all_fields),
    LEDGER_MESSAGE("envoy.type.v3.Int32Range", all_fields),
};
const uint32_t ledger_listener_count = ARRAY_LEN(ledger_listener);
