// SPDX-License-Identifier: Apache-2.0
#include "src/listener/filter_chain_match.h"

#include "src/base/check.h"

/* How well a chain fits one criterion: 0 not at all, 1 by not asking, more by being more specific. */
typedef uint32_t criterion_fn(const struct filter_chain_match *match,
                              const struct accepted_socket *socket);

enum { NO_MATCH = 0, MATCH_ANY = 1, MATCH_SPECIFIC = 2 };

static uint32_t fit_port(const struct filter_chain_match *match,
                         const struct accepted_socket *socket) {
    if (match->destination_port == 0) {
        return MATCH_ANY;
    }
    return match->destination_port == address_port(&socket->local) ? MATCH_SPECIFIC : NO_MATCH;
}

/* The longest prefix that contains the address. */
static uint32_t fit_ranges(const struct cidr *ranges, uint32_t count,
                           const struct address *address) {
    if (count == 0) {
        return MATCH_ANY;
    }
    uint32_t best = NO_MATCH;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t fit = MATCH_SPECIFIC + ranges[i].prefix_bits;
        if (fit > best && cidr_contains(&ranges[i], address)) {
            best = fit;
        }
    }
    return best;
}

static uint32_t fit_destination(const struct filter_chain_match *match,
                                const struct accepted_socket *socket) {
    return fit_ranges(match->destination_ranges, match->destination_range_count, &socket->local);
}

/* Exact names before wildcards, longer suffixes first; ".a.b", which "*.a.b" is decoded to, does not
 * match "a.b". */
static uint32_t fit_name(struct slice name, struct slice suffix) {
    if (!slice_starts_with(suffix, SLICE("."))) {
        return slice_equal(name, suffix) ? UINT32_MAX : NO_MATCH;
    }
    bool matches = name.len > suffix.len && slice_ends_with(name, suffix);
    return matches ? MATCH_SPECIFIC + (uint32_t)suffix.len : NO_MATCH;
}

static uint32_t fit_server_name(const struct filter_chain_match *match,
                                const struct accepted_socket *socket) {
    if (match->server_name_count == 0) {
        return MATCH_ANY;
    }
    uint32_t best = NO_MATCH;
    for (uint32_t i = 0; i < match->server_name_count && socket->server_name.len > 0; i++) {
        uint32_t fit = fit_name(socket->server_name, match->server_names[i]);
        best = fit > best ? fit : best;
    }
    return best;
}

static uint32_t fit_transport(const struct filter_chain_match *match,
                              const struct accepted_socket *socket) {
    if (match->transport_protocol.len == 0) {
        return MATCH_ANY;
    }
    struct slice detected =
        socket->transport_protocol.len > 0 ? socket->transport_protocol : SLICE("raw_buffer");
    return slice_equal(match->transport_protocol, detected) ? MATCH_SPECIFIC : NO_MATCH;
}

static uint32_t fit_alpn(const struct filter_chain_match *match,
                         const struct accepted_socket *socket) {
    if (match->application_protocol_count == 0) {
        return MATCH_ANY;
    }
    for (uint32_t i = 0; i < match->application_protocol_count; i++) {
        for (uint32_t j = 0; j < socket->application_protocol_count; j++) {
            if (slice_equal(match->application_protocols[i], socket->application_protocols[j])) {
                return MATCH_SPECIFIC;
            }
        }
    }
    return NO_MATCH;
}

static uint32_t fit_direct_source(const struct filter_chain_match *match,
                                  const struct accepted_socket *socket) {
    return fit_ranges(match->direct_source_ranges, match->direct_source_range_count,
                      &socket->direct_remote);
}

static uint32_t fit_source_type(const struct filter_chain_match *match,
                                const struct accepted_socket *socket) {
    if (match->source_type == SOURCE_ANY) {
        return MATCH_ANY;
    }
    bool is_local = address_is_loopback(&socket->remote) || address_is_unix(&socket->remote) ||
                    address_equal_ip(&socket->remote, &socket->local);
    bool wants_local = match->source_type == SOURCE_SAME_IP_OR_LOOPBACK;
    return is_local == wants_local ? MATCH_SPECIFIC : NO_MATCH;
}

static uint32_t fit_source(const struct filter_chain_match *match,
                           const struct accepted_socket *socket) {
    return fit_ranges(match->source_ranges, match->source_range_count, &socket->remote);
}

static uint32_t fit_source_port(const struct filter_chain_match *match,
                                const struct accepted_socket *socket) {
    if (match->source_port_count == 0) {
        return MATCH_ANY;
    }
    for (uint32_t i = 0; i < match->source_port_count; i++) {
        if (match->source_ports[i] == address_port(&socket->remote)) {
            return MATCH_SPECIFIC;
        }
    }
    return NO_MATCH;
}

static const struct {
    const char *name;
    criterion_fn *fit;
} criteria[] = {
    {"destination_port", fit_port},      {"prefix_ranges", fit_destination},
    {"server_names", fit_server_name},   {"transport_protocol", fit_transport},
    {"application_protocols", fit_alpn}, {"direct_source_prefix_ranges", fit_direct_source},
    {"source_type", fit_source_type},    {"source_prefix_ranges", fit_source},
    {"source_ports", fit_source_port},
};

static void rule_out(const struct filter_chain_recorder *recorder,
                     const struct filter_chain_config *chain, const char *criterion) {
    if (recorder != NULL) {
        recorder->on_ruled_out(recorder->arg, chain, criterion);
    }
}

/* Keeps the candidates with the best fit; returns their number. */
static uint32_t narrow(const struct filter_chain_config **candidates, uint32_t count,
                       size_t criterion, const struct accepted_socket *socket,
                       const struct filter_chain_recorder *recorder) {
    uint32_t best = NO_MATCH;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t fit = criteria[criterion].fit(&candidates[i]->match, socket);
        if (fit < best || fit == NO_MATCH) {
            rule_out(recorder, candidates[i], criteria[criterion].name);
            continue;
        }
        if (fit > best) {
            for (uint32_t j = 0; j < kept; j++) {
                rule_out(recorder, candidates[j], criteria[criterion].name);
            }
            kept = 0;
            best = fit;
        }
        candidates[kept++] = candidates[i];
    }
    return kept;
}

const struct filter_chain_config *filter_chain_find(const struct listener_part *listener,
                                                    const struct accepted_socket *socket,
                                                    const struct filter_chain_recorder *recorder) {
    uint32_t count = listener->chain_count;
    if (count == 0) {
        return listener->default_chain;
    }
    const struct filter_chain_config **candidates =
        ARENA_NEW_ARRAY(socket->arena, count, const struct filter_chain_config *);
    memcpy(candidates, listener->chains, count * sizeof(*candidates));
    for (size_t i = 0; i < ARRAY_LEN(criteria) && count > 0; i++) {
        count = narrow(candidates, count, i, socket, recorder);
    }
    return count > 0 ? candidates[0] : listener->default_chain;
}
