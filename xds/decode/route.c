// SPDX-License-Identifier: Apache-2.0
#include "src/base/hash_map.h"
#include "src/route/route_table.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/ledgers.h"
#include "xds/decode/owner.h"
#include "xds/decode/rate_limit.h"
#include "xds/decode/retry_policy.h"
#include "xds/decode/route_config.h"

enum { DEFAULT_DIRECT_RESPONSE_BYTES = 4096 };

/* The four header lists have the same names in each message that has them. */
#define REQUEST_HEADER_LISTS(from)                                                                 \
    (struct header_lists) {                                                                        \
        (from)->request_headers_to_add, (from)->n_request_headers_to_add,                          \
            (from)->request_headers_to_remove, (from)->n_request_headers_to_remove,                \
            "request_headers_to_add", "request_headers_to_remove"                                  \
    }
#define RESPONSE_HEADER_LISTS(from)                                                                \
    (struct header_lists) {                                                                        \
        (from)->response_headers_to_add, (from)->n_response_headers_to_add,                        \
            (from)->response_headers_to_remove, (from)->n_response_headers_to_remove,              \
            "response_headers_to_add", "response_headers_to_remove"                                \
    }

static uint32_t buffer_limit(const Google__Protobuf__UInt64Value *limit,
                             const Google__Protobuf__UInt32Value *older, uint32_t fallback) {
    if (limit != NULL) {
        return limit->value >= UINT32_MAX ? UINT32_MAX - 1 : (uint32_t)limit->value;
    }
    return VALUE_OR(older, fallback);
}

static bool decode_action(struct decoder *d, const struct route_scope *scope,
                          const ROUTE(Route) *from, struct route *out) {
    bool is_ok;
    switch ((int)from->action_case) {
    case ENVOY__CONFIG__ROUTE__V3__ROUTE__ACTION_ROUTE: {
        struct route_action *action = ARENA_NEW(d->config.arena, struct route_action);
        struct route_scope inner = *scope;
        inner.body_buffer_limit =
            buffer_limit(from->request_body_buffer_limit, from->per_request_buffer_limit_bytes,
                         scope->body_buffer_limit);
        out->action = ROUTE_ACTION_CLUSTER;
        out->cluster = action;
        decoder_push(d, "route");
        is_ok = decode_route_action(d, &inner, from->route, action);
        decoder_pop(d);
        return is_ok;
    }
    case ENVOY__CONFIG__ROUTE__V3__ROUTE__ACTION_REDIRECT: {
        struct redirect_action *redirect = ARENA_NEW(d->config.arena, struct redirect_action);
        out->action = ROUTE_ACTION_REDIRECT;
        out->redirect = redirect;
        decoder_push(d, "redirect");
        is_ok = decode_redirect(d, from->redirect, redirect);
        decoder_pop(d);
        return is_ok;
    }
    case ENVOY__CONFIG__ROUTE__V3__ROUTE__ACTION_DIRECT_RESPONSE: {
        struct direct_response_action *direct =
            ARENA_NEW(d->config.arena, struct direct_response_action);
        out->action = ROUTE_ACTION_DIRECT_RESPONSE;
        out->direct = direct;
        decoder_push(d, "direct_response");
        is_ok = decode_direct_response(d, scope, from->direct_response, direct);
        decoder_pop(d);
        return is_ok;
    }
    case ENVOY__CONFIG__ROUTE__V3__ROUTE__ACTION_NON_FORWARDING_ACTION:
        out->action = ROUTE_ACTION_NON_FORWARDING;
        return true;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE__ACTION_FILTER_ACTION:
        out->action = ROUTE_ACTION_FILTER;
        return true;
    default:
        return decoder_error(d, "an action is required");
    }
}

static bool decode_route(struct decoder *d, const struct route_scope *scope,
                         const struct config_owner *vhost_owner, const ROUTE(Route) *from,
                         struct route *out) {
    *out = (struct route){.name = decoder_text(d, from->name)};
    struct owner_input owner = {
        .metadata = from->metadata, .name = slice_from_string(from->name), .fallback = vhost_owner};
    out->owner = decode_owner(d, &owner);
    decoder_push(d, "match");
    bool is_ok = decode_route_match(d, from->match, &out->match);
    decoder_pop(d);
    is_ok = decode_action(d, scope, from, out) && is_ok;
    struct header_lists request = REQUEST_HEADER_LISTS(from);
    struct header_lists response = RESPONSE_HEADER_LISTS(from);
    is_ok = decode_header_ops(d, &request, &out->request_headers) && is_ok;
    is_ok = decode_header_ops(d, &response, &out->response_headers) && is_ok;
    is_ok = decode_overrides(d, OVERRIDE_ENTRIES(d, from), from->n_typed_per_filter_config,
                             &out->filters) &&
            is_ok;
    return decode_metadata(d, from->metadata, &out->metadata) && is_ok;
}

static bool decode_vhost_policies(struct decoder *d, struct route_scope *scope,
                                  const ROUTE(VirtualHost) *from, struct virtual_host *out) {
    bool is_ok = true;
    if (from->retry_policy != NULL) {
        struct retry_policy *retry = ARENA_NEW(d->config.arena, struct retry_policy);
        decoder_push(d, "retry_policy");
        is_ok = decode_retry_policy(d, from->retry_policy, retry);
        decoder_pop(d);
        out->retry = retry;
    }
    if (from->n_request_mirror_policies > 0) {
        is_ok =
            decode_mirrors(d, scope, from->request_mirror_policies, from->n_request_mirror_policies,
                           &scope->mirrors, &scope->mirror_count) &&
            is_ok;
    }
    is_ok =
        decode_rate_limits(d, from->rate_limits, from->n_rate_limits, &out->rate_limits) && is_ok;
    out->request_body_buffer_limit = buffer_limit(from->request_body_buffer_limit,
                                                  from->per_request_buffer_limit_bytes, UINT32_MAX);
    scope->body_buffer_limit = out->request_body_buffer_limit;
    struct header_lists request = REQUEST_HEADER_LISTS(from);
    struct header_lists response = RESPONSE_HEADER_LISTS(from);
    is_ok = decode_header_ops(d, &request, &out->request_headers) && is_ok;
    is_ok = decode_header_ops(d, &response, &out->response_headers) && is_ok;
    is_ok = decode_overrides(d, OVERRIDE_ENTRIES(d, from), from->n_typed_per_filter_config,
                             &out->filters) &&
            is_ok;
    return decode_metadata(d, from->metadata, &out->metadata) && is_ok;
}

static bool decode_vhost(struct decoder *d, const struct route_scope *outer,
                         const ROUTE(VirtualHost) *from, struct virtual_host *out) {
    struct route_scope scope = *outer;
    *out = (struct virtual_host){
        .name = decoder_text(d, from->name),
        .domains = decoder_texts(d, from->domains, from->n_domains, true),
        .domain_count = (uint32_t)from->n_domains,
        .include_request_attempt_count = from->include_request_attempt_count != 0,
        .include_attempt_count_in_response = from->include_attempt_count_in_response != 0,
        .include_is_timeout_retry_header = from->include_is_timeout_retry_header != 0,
    };
    struct owner_input owner = {.metadata = from->metadata,
                                .name = slice_from_string(from->name),
                                .patterns = d->context->owners,
                                .fallback = &d->config.part->owner};
    out->owner = decode_owner(d, &owner);
    if (from->require_tls ==
        ENVOY__CONFIG__ROUTE__V3__VIRTUAL_HOST__TLS_REQUIREMENT_TYPE__EXTERNAL_ONLY) {
        out->require_tls = VHOST_TLS_EXTERNAL_ONLY;
    } else if (from->require_tls ==
               ENVOY__CONFIG__ROUTE__V3__VIRTUAL_HOST__TLS_REQUIREMENT_TYPE__ALL) {
        out->require_tls = VHOST_TLS_ALL;
    }
    bool is_ok = decode_vhost_policies(d, &scope, from, out);
    out->routes =
        from->n_routes == 0 ? NULL : ARENA_NEW_ARRAY(d->config.arena, from->n_routes, struct route);
    out->route_count = (uint32_t)from->n_routes;
    for (size_t i = 0; i < from->n_routes; i++) {
        decoder_push_index(d, "routes", i);
        is_ok = decode_route(d, &scope, &out->owner, from->routes[i], &out->routes[i]) && is_ok;
        decoder_pop_index(d);
    }
    return is_ok;
}

// Names and domains are unique within a route configuration.
static bool check_vhost(struct decoder *d, const ROUTE(RouteConfiguration) *from,
                        const struct virtual_host *vhost, struct hash_map *names,
                        struct hash_map *domains) {
    bool is_ok = true;
    if (hash_map_put(names, vhost->name, (void *)(uintptr_t)vhost) != NULL) {
        is_ok = decoder_error(d, "Only a single virtual host with name %.*s is permitted",
                              SLICE_ARG(vhost->name));
    }
    for (uint32_t i = 0; i < vhost->domain_count; i++) {
        struct slice domain = vhost->domains[i];
        if (hash_map_put(domains, domain, (void *)(uintptr_t)vhost) == NULL) {
            continue;
        }
        is_ok = slice_equal(domain, SLICE("*"))
                    ? decoder_error(d, "Only a single wildcard domain is permitted in route %s",
                                    from->name)
                    : decoder_error(d,
                                    "Only unique values for domains are permitted. Duplicate "
                                    "entry of domain %.*s in route %s",
                                    SLICE_ARG(domain), from->name);
    }
    return is_ok;
}

static bool decode_vhosts(struct decoder *d, const struct route_scope *scope,
                          const ROUTE(RouteConfiguration) *from, struct route_part *out) {
    size_t count = from->n_virtual_hosts;
    const struct virtual_host **vhosts =
        count == 0 ? NULL : ARENA_NEW_ARRAY(d->config.arena, count, const struct virtual_host *);
    struct hash_map names, domains;
    hash_map_init(&names);
    hash_map_init(&domains);
    bool is_ok = true;
    for (size_t i = 0; i < count; i++) {
        struct virtual_host *vhost = ARENA_NEW(d->config.arena, struct virtual_host);
        decoder_push_index(d, "virtual_hosts", i);
        is_ok = decode_vhost(d, scope, from->virtual_hosts[i], vhost) && is_ok;
        is_ok = check_vhost(d, from, vhost, &names, &domains) && is_ok;
        decoder_pop_index(d);
        if (is_ok) {
            vhost->route_index = route_index_new(vhost, d->config.arena);
        }
        vhosts[i] = vhost;
    }
    hash_map_deinit(&names);
    hash_map_deinit(&domains);
    out->vhosts = vhosts;
    out->vhost_count = (uint32_t)count;
    return is_ok;
}

static bool decode_headers(struct decoder *d, const ROUTE(RouteConfiguration) *from,
                           struct route_part *out) {
    out->internal_only_headers =
        decoder_texts(d, from->internal_only_headers, from->n_internal_only_headers, true);
    out->internal_only_header_count = (uint32_t)from->n_internal_only_headers;
    struct header_lists request = REQUEST_HEADER_LISTS(from);
    struct header_lists response = RESPONSE_HEADER_LISTS(from);
    bool is_ok = decode_header_ops(d, &request, &out->request_headers);
    return decode_header_ops(d, &response, &out->response_headers) && is_ok;
}

struct route_part *decode_route_configuration(struct decoder *d,
                                              const ROUTE(RouteConfiguration) *from,
                                              bool is_inline) {
    struct route_part *part =
        config_part_new(CONFIG_ROUTE, sizeof(*part), slice_from_string(from->name));
    struct config_part *outer = d->config.part;
    decoder_use_part(d, &part->part);
    struct owner_input owner = {.metadata = from->metadata,
                                .name = part->part.name,
                                .patterns = d->context->owners,
                                .is_static = d->options->is_static,
                                .fallback = outer == NULL ? NULL : &outer->owner};
    part->part.owner = decode_owner(d, &owner);
    part->most_specific_header_mutations_wins = from->most_specific_header_mutations_wins != 0;
    part->ignore_port_in_host_matching = from->ignore_port_in_host_matching != 0;
    part->ignore_path_parameters_in_path_matching =
        from->ignore_path_parameters_in_path_matching != 0;
    part->vhost_header = decoder_lower(d, from->vhost_header);
    const struct retry_policy *last_retry = NULL;
    struct route_scope scope = {
        .config_name = from->name,
        .validate_clusters = FLAG_OR(from->validate_clusters, is_inline),
        .max_direct_response_bytes =
            VALUE_OR(from->max_direct_response_body_size_bytes, DEFAULT_DIRECT_RESPONSE_BYTES),
        .body_buffer_limit = UINT32_MAX,
        .last_retry = &last_retry,
    };
    bool is_ok = decode_headers(d, from, part);
    is_ok = decode_mirrors(d, &scope, from->request_mirror_policies,
                           from->n_request_mirror_policies, &scope.mirrors, &scope.mirror_count) &&
            is_ok;
    is_ok = decode_overrides(d, OVERRIDE_ENTRIES(d, from), from->n_typed_per_filter_config,
                             &part->filters) &&
            is_ok;
    is_ok = decode_metadata(d, from->metadata, &part->metadata) && is_ok;
    if (decode_vhosts(d, &scope, from, part) && is_ok) {
        part->hosts = host_index_new(part, d->config.arena);
    }
    decoder_use_part(d, outer);
    return part;
}

static struct config_part *decode_routes(struct decoder *d, const ProtobufCMessage *message) {
    return &decode_route_configuration(d, (const ROUTE(RouteConfiguration) *)message, false)->part;
}

const struct resource_type resource_type_route = {
    .type_url = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
    .message = "envoy.config.route.v3.RouteConfiguration",
    .short_name = "RDS",
    .kind = CONFIG_ROUTE,
    .name_field = 1,
    .decode = decode_routes,
};

static const struct ledger_field config_fields[] = {
    LEDGER_OK("name"),
    LEDGER_OK("virtual_hosts"),
    LEDGER_OK("internal_only_headers"),
    LEDGER_OK("response_headers_to_add"),
    LEDGER_OK("response_headers_to_remove"),
    LEDGER_OK("request_headers_to_add"),
    LEDGER_OK("request_headers_to_remove"),
    LEDGER_OK("most_specific_header_mutations_wins"),
    LEDGER_OK("validate_clusters"),
    LEDGER_OK("max_direct_response_body_size_bytes"),
    LEDGER_OK("request_mirror_policies"),
    LEDGER_OK("ignore_port_in_host_matching"),
    LEDGER_OK("ignore_path_parameters_in_path_matching"),
    LEDGER_OK("typed_per_filter_config"),
    LEDGER_OK("metadata"),
    LEDGER_OK("vhost_header"),
    {"cluster_specifier_plugins", LEDGER_IGNORED, "routes that use one are refused"},
    {"*", LEDGER_REFUSED, "requests would be routed differently"},
};
static const struct ledger_field vhost_fields[] = {
    {"virtual_clusters", LEDGER_IGNORED, "no statistics of them, vhost.*.vcluster.*"},
    {"cors", LEDGER_IGNORED, "the CORS filter is not built in"},
    {"retry_policy_typed_config", LEDGER_IGNORED, "no such extension is built in"},
    {"hedge_policy", LEDGER_IGNORED, "requests are not hedged"},
    {"matcher", LEDGER_REFUSED, "requests would be routed differently"},
    {"route_specifiers", LEDGER_REFUSED, "requests would be routed differently"},
    LEDGER_OK("*"),
};
static const struct ledger_field route_fields[] = {
    {"tracing", LEDGER_HARMLESS, "telemetry"},
    {"decorator", LEDGER_HARMLESS, "names spans of tracing"},
    {"stat_prefix", LEDGER_IGNORED, "no statistics of routes, vhost.*.route.*"},
    {"route_specifiers", LEDGER_REFUSED, "requests would be routed differently"},
    LEDGER_OK("*"),
};
static const struct ledger_field all_fields[] = {LEDGER_OK("*")};
static const struct ledger_field filter_config_fields[] = {
    LEDGER_OK("config"),
    LEDGER_OK("is_optional"),
    LEDGER_OK("disabled"),
};

const struct ledger_message ledger_route[] = {
    LEDGER_MESSAGE("envoy.config.route.v3.RouteConfiguration", config_fields),
    LEDGER_MESSAGE("envoy.config.route.v3.VirtualHost", vhost_fields),
    LEDGER_MESSAGE("envoy.config.route.v3.Route", route_fields),
    LEDGER_MESSAGE("envoy.config.route.v3.FilterConfig", filter_config_fields),
    LEDGER_MESSAGE("envoy.config.route.v3.FilterAction", all_fields),
    LEDGER_MESSAGE("envoy.config.route.v3.NonForwardingAction", all_fields),
    LEDGER_MESSAGE("envoy.config.route.v3.RedirectAction", all_fields),
    LEDGER_MESSAGE("envoy.config.route.v3.DirectResponseAction", all_fields),
};
const uint32_t ledger_route_count = ARRAY_LEN(ledger_route);
