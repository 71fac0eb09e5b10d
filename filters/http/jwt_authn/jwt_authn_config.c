// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "filters/http/jwt_authn/jwt_provider_config.h"
#include "src/base/check.h"

typedef JWT(JwtAuthentication) FilterMessage;
typedef JWT(PerRouteConfig) RouteMessage;
typedef JWT(JwtRequirement) RequirementMessage;

struct parsing {
    struct filter_config_context *context;
    struct jwt_authn_config *config;
    struct jwt_texts *status_headers; /* of extract_only */
};

/* ---- requirements ---- */

static void parse_requirement(struct parsing *p, const RequirementMessage *message,
                              struct jwt_requirement *out);

static const struct jwt_provider *find_provider(struct parsing *p, const char *name) {
    for (uint32_t i = 0; i < p->config->provider_count; i++) {
        if (slice_equal(p->config->providers[i].name, slice_from_string(name))) {
            return &p->config->providers[i];
        }
    }
    validation_error(p->context->validation, "Required provider ['%s'] is not configured.", name);
    return NULL;
}

static void parse_audiences(struct parsing *p, const JWT(ProviderWithAudiences) * message,
                            struct jwt_requirement *out) {
    struct jwt_texts texts = jwt_config_texts(p->context, message->audiences, message->n_audiences);
    struct slice *trimmed = ARENA_NEW_ARRAY(p->context->arena, texts.count + 1, struct slice);
    for (uint32_t i = 0; i < texts.count; i++) {
        trimmed[i] = jwt_audience_trim(texts.items[i]);
    }
    out->provider = find_provider(p, message->provider_name);
    out->has_audiences = texts.count > 0;
    out->audiences = (struct jwt_texts){.items = trimmed, .count = texts.count};
}

static bool is_allowance(const RequirementMessage *message) {
    return message->requires_type_case ==
               ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__JWT_REQUIREMENT__REQUIRES_TYPE_ALLOW_MISSING ||
           message->requires_type_case ==
               ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__JWT_REQUIREMENT__REQUIRES_TYPE_ALLOW_MISSING_OR_FAILED;
}

/* What an ANY allows is not one of its children, unless there is nothing else. */
static void parse_children(struct parsing *p, RequirementMessage *const *items, size_t count,
                           struct jwt_requirement *out) {
    struct jwt_requirement *children =
        ARENA_NEW_ARRAY(p->context->arena, count + 1, struct jwt_requirement);
    for (size_t i = 0; i < count; i++) {
        if (out->kind == JWT_REQUIRE_ANY && is_allowance(items[i])) {
            bool is_failed =
                items[i]->requires_type_case !=
                ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__JWT_REQUIREMENT__REQUIRES_TYPE_ALLOW_MISSING;
            out->allows_failed = out->allows_failed || is_failed;
            out->allows_missing = out->allows_missing || !is_failed;
            continue;
        }
        validation_push_index(p->context->validation, (uint32_t)i);
        parse_requirement(p, items[i], &children[out->child_count++]);
        validation_pop(p->context->validation);
    }
    out->children = children;
    if (out->kind == JWT_REQUIRE_ANY && out->child_count == 0) {
        out->kind = out->allows_failed ? JWT_ALLOW_MISSING_OR_FAILED : JWT_ALLOW_MISSING;
    }
}

static void parse_extract_only(struct parsing *p, const JWT(ExtractOnlyWithoutValidation) * message,
                               struct jwt_requirement *out) {
    out->kind = JWT_EXTRACT_ONLY;
    out->status_header = message->verification_status_header[0] == '\0'
                             ? SLICE("x-jwt-signature-verified")
                             : jwt_config_lower(p->context, message->verification_status_header);
    struct slice *items =
        ARENA_NEW_ARRAY(p->context->arena, p->status_headers->count + 1, struct slice);
    for (uint32_t i = 0; i < p->status_headers->count; i++) {
        items[i] = p->status_headers->items[i];
    }
    items[p->status_headers->count] = out->status_header;
    *p->status_headers = (struct jwt_texts){.items = items, .count = p->status_headers->count + 1};
}

static void parse_requirement(struct parsing *p, const RequirementMessage *message,
                              struct jwt_requirement *out) {
    struct validation *v = p->context->validation;
    switch (message->requires_type_case) {
    case ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__JWT_REQUIREMENT__REQUIRES_TYPE_PROVIDER_NAME:
        out->kind = JWT_REQUIRE_PROVIDER;
        out->provider = find_provider(p, message->provider_name);
        break;
    case ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__JWT_REQUIREMENT__REQUIRES_TYPE_PROVIDER_AND_AUDIENCES:
        out->kind = JWT_REQUIRE_PROVIDER;
        parse_audiences(p, message->provider_and_audiences, out);
        break;
    case ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__JWT_REQUIREMENT__REQUIRES_TYPE_REQUIRES_ANY:
        out->kind = JWT_REQUIRE_ANY;
        validation_push(v, "requires_any");
        parse_children(p, message->requires_any->requirements,
                       message->requires_any->n_requirements, out);
        validation_pop(v);
        break;
    case ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__JWT_REQUIREMENT__REQUIRES_TYPE_REQUIRES_ALL:
        out->kind = JWT_REQUIRE_ALL;
        validation_push(v, "requires_all");
        parse_children(p, message->requires_all->requirements,
                       message->requires_all->n_requirements, out);
        validation_pop(v);
        break;
    case ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__JWT_REQUIREMENT__REQUIRES_TYPE_ALLOW_MISSING_OR_FAILED:
        out->kind = JWT_ALLOW_MISSING_OR_FAILED;
        break;
    case ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__JWT_REQUIREMENT__REQUIRES_TYPE_ALLOW_MISSING:
        out->kind = JWT_ALLOW_MISSING;
        break;
    case ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__JWT_REQUIREMENT__REQUIRES_TYPE_EXTRACT_ONLY_WITHOUT_VALIDATION:
        parse_extract_only(p, message->extract_only_without_validation, out);
        break;
    case ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__JWT_REQUIREMENT__REQUIRES_TYPE__NOT_SET:
    default:
        out->kind = JWT_REQUIRE_NOTHING;
        break;
    }
}

static int compare_named(const void *left, const void *right) {
    const struct jwt_named_requirement *a = left;
    const struct jwt_named_requirement *b = right;
    return slice_compare(a->name, b->name);
}

static void parse_named(struct parsing *p, const FilterMessage *message) {
    size_t count = message->n_requirement_map;
    struct jwt_named_requirement *named =
        ARENA_NEW_ARRAY(p->context->arena, count + 1, struct jwt_named_requirement);
    validation_push(p->context->validation, "requirement_map");
    for (size_t i = 0; i < count; i++) {
        named[i].name = jwt_config_text(p->context, message->requirement_map[i]->key);
        validation_push_key(p->context->validation, named[i].name);
        if (message->requirement_map[i]->value != NULL) {
            parse_requirement(p, message->requirement_map[i]->value, &named[i].requirement);
        }
        validation_pop(p->context->validation);
    }
    validation_pop(p->context->validation);
    qsort(named, count, sizeof(named[0]), compare_named);
    p->config->named = named;
    p->config->named_count = (uint32_t)count;
    p->config->names = SLICE("");
    for (size_t i = 0; i < count; i++) {
        p->config->names =
            arena_printf(p->context->arena, "%.*s%s%.*s", SLICE_ARG(p->config->names),
                         i == 0 ? "" : ",", SLICE_ARG(named[i].name));
    }
}

/* ---- rules ---- */

static const struct jwt_requirement *rule_requirement(struct parsing *p,
                                                      const JWT(RequirementRule) * message) {
    if (message->requirement_type_case ==
        ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__REQUIREMENT_RULE__REQUIREMENT_TYPE_REQUIRES) {
        struct jwt_requirement *own = ARENA_NEW(p->context->arena, struct jwt_requirement);
        validation_push(p->context->validation, "requires");
        parse_requirement(p, message->requires, own);
        validation_pop(p->context->validation);
        return own;
    }
    if (message->requirement_type_case !=
        ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__REQUIREMENT_RULE__REQUIREMENT_TYPE_REQUIREMENT_NAME) {
        return NULL;
    }
    for (uint32_t i = 0; i < p->config->named_count; i++) {
        if (slice_equal(p->config->named[i].name, slice_from_string(message->requirement_name))) {
            return &p->config->named[i].requirement;
        }
    }
    validation_error(p->context->validation,
                     "Wrong requirement_name: %s. It should be one of [%.*s]",
                     message->requirement_name, SLICE_ARG(p->config->names));
    return NULL;
}

static void parse_rules(struct parsing *p, const FilterMessage *message) {
    struct jwt_rule *rules =
        ARENA_NEW_ARRAY(p->context->arena, message->n_rules + 1, struct jwt_rule);
    validation_push(p->context->validation, "rules");
    for (size_t i = 0; i < message->n_rules; i++) {
        const JWT(RequirementRule) *rule = message->rules[i];
        validation_push_index(p->context->validation, (uint32_t)i);
        if (rule->match == NULL) {
            validation_field_error(p->context->validation, "match", "value is required");
        } else {
            validation_push(p->context->validation, "match");
            (void)p->context->decoders->route_match(p->context, &rule->match->base,
                                                    &rules[i].match);
            validation_pop(p->context->validation);
        }
        rules[i].requirement = rule_requirement(p, rule);
        validation_pop(p->context->validation);
    }
    validation_pop(p->context->validation);
    p->config->rules = rules;
    p->config->rule_count = (uint32_t)message->n_rules;
}

/* ---- the whole ---- */

static void parse_providers(struct parsing *p, const FilterMessage *message) {
    size_t count = message->n_providers;
    struct jwt_provider *providers =
        ARENA_NEW_ARRAY(p->context->arena, count + 1, struct jwt_provider);
    validation_push(p->context->validation, "providers");
    for (size_t i = 0; i < count; i++) {
        providers[i].name = jwt_config_text(p->context, message->providers[i]->key);
        validation_push_key(p->context->validation, providers[i].name);
        if (message->providers[i]->value == NULL) {
            validation_error(p->context->validation, "value is required");
        } else {
            jwt_parse_provider(p->context, p->config, message->providers[i]->value, &providers[i]);
        }
        validation_pop(p->context->validation);
    }
    validation_pop(p->context->validation);
    p->config->providers = providers;
    p->config->provider_count = (uint32_t)count;
    jwt_join_extractors(p->context, p->config);
}

static void collect_own_headers(struct parsing *p) {
    const struct jwt_authn_config *config = p->config;
    uint32_t count = p->status_headers->count;
    for (uint32_t i = 0; i < config->provider_count; i++) {
        count += 1 + config->providers[i].claim_header_count;
    }
    struct slice *headers = ARENA_NEW_ARRAY(p->context->arena, count + 1, struct slice);
    uint32_t used = p->status_headers->count;
    if (used > 0) {
        memcpy(headers, p->status_headers->items, used * sizeof(headers[0]));
    }
    for (uint32_t i = 0; i < config->provider_count; i++) {
        const struct jwt_provider *provider = &config->providers[i];
        if (provider->payload_header.len > 0) {
            headers[used++] = provider->payload_header;
        }
        for (uint32_t j = 0; j < provider->claim_header_count; j++) {
            headers[used++] = provider->claim_headers[j].header;
        }
    }
    p->config->own_headers = (struct jwt_texts){.items = headers, .count = used};
}

static void release_stats(void *scope) {
    stats_scope_unref(scope);
}

static struct stats_scope *open_stats(struct filter_config_context *context, const char *prefix) {
    struct slice base = context->stat_prefix;
    const char *dot = base.len == 0 || base.ptr[base.len - 1] == '.' ? "" : ".";
    struct slice name = arena_printf(context->arena, "%.*s%sjwt_authn%s%s", SLICE_ARG(base), dot,
                                     prefix[0] == '\0' ? "" : ".", prefix);
    if (name.ptr[name.len - 1] == '.') {
        name.len--;
    }
    struct stats_scope *scope = stats_scope_get(context->stats, name, &jwt_authn_stat_table);
    config_part_on_free(context->part, release_stats, scope);
    return scope;
}

static const void *parse(struct filter_config_context *context,
                         const struct ProtobufCMessage *base) {
    const FilterMessage *message = (const FilterMessage *)(const void *)base;
    struct jwt_authn_config *config = ARENA_NEW(context->arena, struct jwt_authn_config);
    struct jwt_texts status_headers = {0};
    struct parsing p = {.context = context, .config = config, .status_headers = &status_headers};
    config->bypass_cors_preflight = message->bypass_cors_preflight;
    config->strip_failure_response = message->strip_failure_response;
    config->no_routes = ARENA_NEW(context->arena, struct route_part);
    if (context->stats != NULL) {
        config->stats = open_stats(context, message->stat_prefix);
    }
    parse_providers(&p, message);
    parse_named(&p, message);
    parse_rules(&p, message);
    collect_own_headers(&p);
    return config;
}

static const void *parse_route(struct filter_config_context *context,
                               const struct ProtobufCMessage *base) {
    const RouteMessage *message = (const RouteMessage *)(const void *)base;
    struct jwt_authn_route *route = ARENA_NEW(context->arena, struct jwt_authn_route);
    switch ((int)message->requirement_specifier_case) {
    case ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__PER_ROUTE_CONFIG__REQUIREMENT_SPECIFIER_DISABLED:
        route->is_disabled = message->disabled;
        break;
    case ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__PER_ROUTE_CONFIG__REQUIREMENT_SPECIFIER_REQUIREMENT_NAME:
        route->requirement_name = jwt_config_text(context, message->requirement_name);
        break;
    default:
        validation_error(context->validation, "requirement_specifier: value is required");
        break;
    }
    return route;
}

static struct http_filter *create(const void *config, struct arena *arena, struct io_context *io) {
    struct jwt_authn *authn = ARENA_NEW(arena, struct jwt_authn);
    authn->base.ops = &jwt_authn_ops;
    authn->magic = JWT_AUTHN_MAGIC;
    authn->config = config;
    authn->io = io;
    return &authn->base;
}

/* ---- the ledger ---- */

static const struct ledger_field filter_fields[] = {
    LEDGER_OK("providers"),
    LEDGER_OK("rules"),
    LEDGER_OK("requirement_map"),
    LEDGER_OK("bypass_cors_preflight"),
    LEDGER_OK("strip_failure_response"),
    LEDGER_OK("stat_prefix"),
    {"filter_state_rules", LEDGER_REFUSED, "requests would pass unchecked: no filter state rules"},
};
static const struct ledger_field remote_fields[] = {
    LEDGER_OK("http_uri"),
    LEDGER_OK("cache_duration"),
    LEDGER_OK("retry_policy"),
    LEDGER_OK("async_fetch"),
};
static const struct ledger_field async_fields[] = {
    LEDGER_OK("failed_refetch_duration"),
    {"fast_listener", LEDGER_HARMLESS,
     "no listener waits for keys: a request that needs them does, none passes without"},
};
static const struct ledger_field retry_fields[] = {
    LEDGER_OK("retry_back_off"),
    LEDGER_OK("num_retries"),
    {"*", LEDGER_IGNORED, "fetches are retried on resets and 5xx"},
};
static const struct ledger_field all_fields[] = {LEDGER_OK("*")};
#define PACKAGE "envoy.extensions.filters.http.jwt_authn.v3."
static const struct ledger_message ledger[] = {
    LEDGER_MESSAGE(PACKAGE "JwtAuthentication", filter_fields),
    LEDGER_MESSAGE(PACKAGE "JwtProvider", all_fields),
    LEDGER_MESSAGE(PACKAGE "JwtProvider.NormalizePayload", all_fields),
    LEDGER_MESSAGE(PACKAGE "JwtCacheConfig", all_fields),
    LEDGER_MESSAGE(PACKAGE "JwtHeader", all_fields),
    LEDGER_MESSAGE(PACKAGE "JwtClaimToHeader", all_fields),
    LEDGER_MESSAGE(PACKAGE "JwtClaimToHeader.PathSegment", all_fields),
    LEDGER_MESSAGE(PACKAGE "RemoteJwks", remote_fields),
    LEDGER_MESSAGE(PACKAGE "JwksAsyncFetch", async_fields),
    LEDGER_MESSAGE(PACKAGE "RequirementRule", all_fields),
    LEDGER_MESSAGE(PACKAGE "JwtRequirement", all_fields),
    LEDGER_MESSAGE(PACKAGE "ProviderWithAudiences", all_fields),
    LEDGER_MESSAGE(PACKAGE "JwtRequirementOrList", all_fields),
    LEDGER_MESSAGE(PACKAGE "JwtRequirementAndList", all_fields),
    LEDGER_MESSAGE(PACKAGE "ExtractOnlyWithoutValidation", all_fields),
    LEDGER_MESSAGE(PACKAGE "PerRouteConfig", all_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.HttpUri", all_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.RetryPolicy", retry_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.BackoffStrategy", all_fields),
};

const struct http_filter_factory jwt_authn_http_filter_factory = {
    .name = "envoy.filters.http.jwt_authn",
    .type_url = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
    .per_route_type_url = "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig",
    .parse = parse,
    .parse_route = parse_route,
    .create = create,
    .ledger = ledger,
    .ledger_count = ARRAY_LEN(ledger),
};
