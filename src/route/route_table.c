// SPDX-License-Identifier: Apache-2.0
#include "src/route/route_table.h"

#include "src/config/config_runtime.h"
#include "src/http/message.h"
#include "src/route/host_index.h"
#include "src/route/route_index.h"
#include "src/route/route_match.h"

/* What a virtual host that requires TLS answers to a plain request. */
static const struct redirect_action tls_redirect_action = {
    .response_code = 301,
    .https_redirect = true,
    .is_require_tls = true,
};
static const struct route tls_redirect = {
    .action = ROUTE_ACTION_REDIRECT,
    {.redirect = &tls_redirect_action},
};

static struct slice host_to_match(const struct route_part *part, const struct header_map *headers) {
    struct slice host = slice_is_empty(part->vhost_header)
                            ? header_map_get(headers, HEADER_AUTHORITY)
                            : header_map_get_name(headers, part->vhost_header);
    if (part->ignore_port_in_host_matching) {
        host = slice_sub(host, 0, http_authority_port_start(host));
    }
    return host;
}

const struct virtual_host *route_find_virtual_host(const struct route_part *part,
                                                   const struct route_request *request) {
    struct slice domain = SLICE("*");
    const struct virtual_host *vhost = host_index_only_default(part->hosts);
    if (vhost == NULL) {
        struct slice host = host_to_match(part, request->headers);
        if (host.ptr == NULL) {
            return NULL;
        }
        vhost = host_index_find(part->hosts, host, &domain);
    }
    const struct route_recorder *recorder = request->recorder;
    if (vhost != NULL && recorder != NULL && recorder->on_virtual_host != NULL) {
        recorder->on_virtual_host(recorder->arg, vhost, domain);
    }
    return vhost;
}

static bool is_internal(const struct header_map *headers) {
    return slice_equal(header_map_get(headers, HEADER_X_ENVOY_INTERNAL), SLICE("true"));
}

static bool needs_tls_redirect(const struct virtual_host *vhost, const struct header_map *headers) {
    if (vhost->require_tls == VHOST_TLS_NONE ||
        slice_equal(header_map_get(headers, HEADER_X_FORWARDED_PROTO), SLICE("https"))) {
        return false;
    }
    return vhost->require_tls == VHOST_TLS_ALL || !is_internal(headers);
}

static bool route_matches(const struct route *route, const struct route_facts *facts) {
    const struct route_recorder *recorder = facts->request->recorder;
    struct slice detail;
    const char *why_not = route_match_why_not(&route->match, facts, &detail);
    if (recorder != NULL && recorder->on_route != NULL) {
        recorder->on_route(recorder->arg, route, why_not, detail);
    }
    return why_not == NULL;
}

static const struct route *walk_all(const struct virtual_host *vhost, uint32_t from,
                                    const struct route_facts *facts) {
    for (uint32_t i = from; i < vhost->route_count; i++) {
        if (route_matches(&vhost->routes[i], facts)) {
            return &vhost->routes[i];
        }
    }
    return NULL;
}

static const struct route *walk_index(const struct virtual_host *vhost,
                                      const struct route_facts *facts) {
    struct route_cursor cursor;
    uint32_t number;
    route_cursor_init(&cursor, vhost->route_index, vhost, facts->path);
    while (route_cursor_next(&cursor, &number)) {
        if (route_matches(&vhost->routes[number], facts)) {
            return &vhost->routes[number];
        }
    }
    return NULL;
}

const struct route *route_find_in(const struct route_part *part, const struct virtual_host *vhost,
                                  const struct route_request *request) {
    if (vhost->require_tls != VHOST_TLS_NONE &&
        !header_map_has(request->headers, HEADER_X_FORWARDED_PROTO)) {
        return NULL; // as Envoy: without it nobody knows how the request came
    }
    if (needs_tls_redirect(vhost, request->headers)) {
        return &tls_redirect;
    }
    struct route_facts facts;
    route_facts_init(&facts, part, request);
    // A recorder is told of the routes that the index would not even look at.
    return vhost->route_index == NULL || request->recorder != NULL ? walk_all(vhost, 0, &facts)
                                                                   : walk_index(vhost, &facts);
}

const struct route *route_find_behind(const struct route_part *part,
                                      const struct virtual_host *vhost, const struct route *route,
                                      const struct route_request *request) {
    struct route_facts facts;
    route_facts_init(&facts, part, request);
    return walk_all(vhost, (uint32_t)(route - vhost->routes) + 1, &facts);
}

// One value, one number: anything else leaves the choice to chance.
static bool header_random(const struct route_action *action, const struct header_map *headers,
                          uint64_t *value) {
    return !slice_is_empty(action->random_value_header) &&
           header_map_count_name(headers, action->random_value_header) == 1 &&
           slice_parse_uint64(slice_trim(header_map_get_name(headers, action->random_value_header)),
                              value) == STATUS_OK;
}

static uint64_t weight_now(const struct weighted_cluster *cluster,
                           const struct route_request *request) {
    return config_integer_now(&cluster->weight, request->io);
}

static const struct weighted_cluster *pick_by_runtime(const struct route_action *action,
                                                      const struct route_request *request,
                                                      uint64_t value) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < action->weighted_count; i++) {
        uint64_t weight = weight_now(&action->weighted[i], request);
        if (weight > UINT32_MAX - total) {
            return NULL; // nothing that a route could have been configured with
        }
        total += weight;
    }
    if (total == 0) {
        return NULL;
    }
    value %= total;
    for (uint32_t i = 0; i < action->weighted_count; i++) {
        uint64_t weight = weight_now(&action->weighted[i], request);
        if (value < weight) {
            return &action->weighted[i];
        }
        value -= weight;
    }
    return NULL;
}

const struct weighted_cluster *route_pick_weighted(const struct route_action *action,
                                                   const struct route_request *request) {
    if (action->weighted_count == 0 || action->total_weight == 0) {
        return NULL;
    }
    uint64_t value = request->random;
    uint64_t from_header;
    if (header_random(action, request->headers, &from_header)) {
        value = from_header;
    }
    if (action->has_runtime_weights) {
        return pick_by_runtime(action, request, value);
    }
    value %= action->total_weight;
    for (uint32_t i = 0; i < action->weighted_count; i++) {
        if (value < action->weighted[i].weight.value) {
            return &action->weighted[i];
        }
        value -= action->weighted[i].weight.value;
    }
    return NULL;
}
