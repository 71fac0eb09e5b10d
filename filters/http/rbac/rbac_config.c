// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "envoy/extensions/filters/http/rbac/v3/rbac.pb-c.h"
#include "filters/http/rbac/rbac_rules_config.h"
#include "src/base/check.h"

typedef Envoy__Extensions__Filters__Http__Rbac__V3__RBAC FilterMessage;
typedef Envoy__Extensions__Filters__Http__Rbac__V3__RBACPerRoute RouteMessage;
typedef Envoy__Config__Rbac__V3__RBAC RulesMessage;

static bool parse_action(const RulesMessage *message, enum rbac_action *action) {
    switch ((int)message->action) {
    case ENVOY__CONFIG__RBAC__V3__RBAC__ACTION__ALLOW:
        *action = RBAC_ALLOW;
        return true;
    case ENVOY__CONFIG__RBAC__V3__RBAC__ACTION__DENY:
        *action = RBAC_DENY;
        return true;
    case ENVOY__CONFIG__RBAC__V3__RBAC__ACTION__LOG:
        *action = RBAC_LOG;
        return true;
    default:
        return false;
    }
}

// Details have no white space.
static struct slice denied_details(struct arena *arena, struct slice name) {
    struct slice details =
        arena_printf(arena, "rbac_access_denied_matched_policy[%.*s]", SLICE_ARG(name));
    uint8_t *text = (uint8_t *)(uintptr_t)details.ptr;
    for (size_t i = 0; i < details.len; i++) {
        if (text[i] == ' ' || (text[i] >= '\t' && text[i] <= '\r')) {
            text[i] = '_';
        }
    }
    return details;
}

static int compare_policies(const void *left, const void *right) {
    const struct rbac_policy *a = left;
    const struct rbac_policy *b = right;
    return slice_compare(a->name, b->name);
}

static void parse_policies(struct filter_config_context *context, const RulesMessage *message,
                           struct rbac_engine *engine) {
    struct rbac_policy *policies =
        ARENA_NEW_ARRAY(context->arena, message->n_policies, struct rbac_policy);
    validation_push(context->validation, "policies");
    for (size_t i = 0; i < message->n_policies; i++) {
        struct slice name =
            arena_dup_slice(context->arena, slice_from_string(message->policies[i]->key));
        policies[i].name = name;
        policies[i].denied_details = denied_details(context->arena, name);
        validation_push_key(context->validation, name);
        if (message->policies[i]->value == NULL) {
            validation_error(context->validation, "value is required");
        } else {
            rbac_parse_policy(context, message->policies[i]->value, &policies[i]);
        }
        validation_pop(context->validation);
    }
    validation_pop(context->validation);
    if (message->n_policies > 1) {
        qsort(policies, message->n_policies, sizeof(policies[0]), compare_policies);
    }
    engine->policies = policies;
    engine->policy_count = (uint32_t)message->n_policies;
}

static const struct rbac_engine *parse_engine(struct filter_config_context *context,
                                              const char *field, const RulesMessage *message,
                                              const char *prefix, const char *mode) {
    if (message == NULL) {
        return NULL;
    }
    struct rbac_engine *engine = ARENA_NEW(context->arena, struct rbac_engine);
    validation_push(context->validation, field);
    if (!parse_action(message, &engine->action)) {
        validation_field_error(context->validation, "action", "unknown value %d",
                               (int)message->action);
    }
    parse_policies(context, message, engine);
    validation_pop(context->validation);
    engine->policy_field = arena_printf(context->arena, "%s%s_effective_policy_id", prefix, mode);
    engine->result_field = arena_printf(context->arena, "%s%s_engine_result", prefix, mode);
    return engine;
}

static struct rbac_config *parse_filter(struct filter_config_context *context,
                                        const FilterMessage *message) {
    struct rbac_config *config = ARENA_NEW(context->arena, struct rbac_config);
    config->rules =
        parse_engine(context, "rules", message->rules, message->rules_stat_prefix, "enforced");
    config->shadow_rules = parse_engine(context, "shadow_rules", message->shadow_rules,
                                        message->shadow_rules_stat_prefix, "shadow");
    config->track_per_rule_stats = message->track_per_rule_stats;
    return config;
}

static void release_stats(void *scope) {
    stats_scope_unref(scope);
}

/* "http.ingress." and "extra" or "extra." give the scope "http.ingress.rbac.extra". */
static struct stats_scope *open_stats(struct filter_config_context *context, const char *prefix,
                                      const struct stat_table *table) {
    struct slice base = context->stat_prefix;
    const char *dot = base.len == 0 || base.ptr[base.len - 1] == '.' ? "" : ".";
    struct slice name =
        prefix[0] == '\0'
            ? arena_printf(context->arena, "%.*s%srbac", SLICE_ARG(base), dot)
            : arena_printf(context->arena, "%.*s%srbac.%s", SLICE_ARG(base), dot, prefix);
    if (name.ptr[name.len - 1] == '.') {
        name.len--;
    }
    struct stats_scope *scope = stats_scope_get(context->stats, name, table);
    config_part_on_free(context->part, release_stats, scope);
    return scope;
}

static const void *parse(struct filter_config_context *context,
                         const struct ProtobufCMessage *base) {
    const FilterMessage *message = (const FilterMessage *)(const void *)base;
    struct rbac_config *config = parse_filter(context, message);
    if (context->stats != NULL) {
        config->stats = open_stats(context, message->rules_stat_prefix, &rbac_stat_table);
        config->shadow_stats =
            open_stats(context, message->shadow_rules_stat_prefix, &rbac_shadow_stat_table);
    }
    return config;
}

static const void *parse_route(struct filter_config_context *context,
                               const struct ProtobufCMessage *base) {
    const RouteMessage *message = (const RouteMessage *)(const void *)base;
    if (message->rbac == NULL) {
        return ARENA_NEW(context->arena, struct rbac_config);
    }
    validation_push(context->validation, "rbac");
    struct rbac_config *config = parse_filter(context, message->rbac);
    validation_pop(context->validation);
    return config;
}

static struct http_filter *create(const void *config, struct arena *arena, struct io_context *io) {
    (void)io;
    struct rbac_filter *filter = ARENA_NEW(arena, struct rbac_filter);
    filter->base.ops = &rbac_ops;
    filter->magic = RBAC_MAGIC;
    filter->config = config;
    return &filter->base;
}

static const struct ledger_field filter_fields[] = {
    LEDGER_OK("rules"),
    LEDGER_OK("rules_stat_prefix"),
    LEDGER_OK("shadow_rules"),
    LEDGER_OK("shadow_rules_stat_prefix"),
    LEDGER_OK("track_per_rule_stats"),
    {"matcher", LEDGER_REFUSED, "requests would pass unchecked: no matcher trees here yet"},
    {"shadow_matcher", LEDGER_IGNORED,
     "shadow outcomes are not counted: no matcher trees here yet"},
};
static const struct ledger_field route_fields[] = {LEDGER_OK("rbac")};
static const struct ledger_field rules_fields[] = {
    LEDGER_OK("action"),
    LEDGER_OK("policies"),
    {"audit_logging_options", LEDGER_IGNORED, "no audit loggers"},
};
static const struct ledger_field policy_fields[] = {
    LEDGER_OK("permissions"),
    LEDGER_OK("principals"),
    {"condition", LEDGER_REFUSED, "the policy would match without it: no CEL"},
    {"checked_condition", LEDGER_REFUSED, "the policy would match without it: no CEL"},
    {"cel_config", LEDGER_HARMLESS, "says how a condition is read; conditions are refused"},
};
static const struct ledger_field permission_fields[] = {
    LEDGER_OK("and_rules"),
    LEDGER_OK("or_rules"),
    LEDGER_OK("any"),
    LEDGER_OK("header"),
    LEDGER_OK("url_path"),
    LEDGER_OK("destination_ip"),
    LEDGER_OK("destination_port"),
    LEDGER_OK("destination_port_range"),
    LEDGER_OK("metadata"),
    LEDGER_OK("not_rule"),
    LEDGER_OK("requested_server_name"),
    LEDGER_OK("sourced_metadata"),
    {"matcher", LEDGER_REFUSED, "no RBAC matcher extensions"},
    {"uri_template", LEDGER_REFUSED, "no URI templates in RBAC yet"},
};
static const struct ledger_field principal_fields[] = {
    LEDGER_OK("and_ids"),
    LEDGER_OK("or_ids"),
    LEDGER_OK("any"),
    LEDGER_OK("authenticated"),
    LEDGER_OK("source_ip"),
    LEDGER_OK("direct_remote_ip"),
    LEDGER_OK("remote_ip"),
    LEDGER_OK("header"),
    LEDGER_OK("url_path"),
    LEDGER_OK("metadata"),
    LEDGER_OK("filter_state"),
    LEDGER_OK("not_id"),
    LEDGER_OK("sourced_metadata"),
    {"custom", LEDGER_REFUSED, "no RBAC principal extensions"},
};
static const struct ledger_field permission_set_fields[] = {LEDGER_OK("rules")};
static const struct ledger_field principal_set_fields[] = {LEDGER_OK("ids")};
static const struct ledger_field authenticated_fields[] = {LEDGER_OK("principal_name")};
static const struct ledger_field sourced_fields[] = {
    LEDGER_OK("metadata_matcher"),
    LEDGER_OK("metadata_source"),
};
static const struct ledger_field path_fields[] = {LEDGER_OK("path")};
static const struct ledger_field metadata_fields[] = {
    LEDGER_OK("filter"),
    LEDGER_OK("path"),
    LEDGER_OK("value"),
    LEDGER_OK("invert"),
};
static const struct ledger_field segment_fields[] = {LEDGER_OK("key")};
static const struct ledger_field value_fields[] = {
    LEDGER_OK("null_match"), LEDGER_OK("double_match"),  LEDGER_OK("string_match"),
    LEDGER_OK("bool_match"), LEDGER_OK("present_match"), LEDGER_OK("list_match"),
    LEDGER_OK("or_match"),
};
static const struct ledger_field list_fields[] = {LEDGER_OK("one_of")};
static const struct ledger_field or_fields[] = {LEDGER_OK("value_matchers")};
static const struct ledger_field double_fields[] = {LEDGER_OK("range"), LEDGER_OK("exact")};
static const struct ledger_field range_fields[] = {LEDGER_OK("start"), LEDGER_OK("end")};
static const struct ledger_field state_fields[] = {
    LEDGER_OK("key"),
    LEDGER_OK("string_match"),
    LEDGER_OK("address_match"),
};
static const struct ledger_field address_fields[] = {
    LEDGER_OK("ranges"),
    LEDGER_OK("invert_match"),
};
static const struct ledger_field xds_cidr_fields[] = {
    LEDGER_OK("address_prefix"),
    LEDGER_OK("prefix_len"),
};
static const struct ledger_message ledger[] = {
    LEDGER_MESSAGE("envoy.extensions.filters.http.rbac.v3.RBAC", filter_fields),
    LEDGER_MESSAGE("envoy.extensions.filters.http.rbac.v3.RBACPerRoute", route_fields),
    LEDGER_MESSAGE("envoy.config.rbac.v3.RBAC", rules_fields),
    LEDGER_MESSAGE("envoy.config.rbac.v3.Policy", policy_fields),
    LEDGER_MESSAGE("envoy.config.rbac.v3.Permission", permission_fields),
    LEDGER_MESSAGE("envoy.config.rbac.v3.Permission.Set", permission_set_fields),
    LEDGER_MESSAGE("envoy.config.rbac.v3.Principal", principal_fields),
    LEDGER_MESSAGE("envoy.config.rbac.v3.Principal.Set", principal_set_fields),
    LEDGER_MESSAGE("envoy.config.rbac.v3.Principal.Authenticated", authenticated_fields),
    LEDGER_MESSAGE("envoy.config.rbac.v3.SourcedMetadata", sourced_fields),
    LEDGER_MESSAGE("envoy.type.matcher.v3.PathMatcher", path_fields),
    LEDGER_MESSAGE("envoy.type.matcher.v3.MetadataMatcher", metadata_fields),
    LEDGER_MESSAGE("envoy.type.matcher.v3.MetadataMatcher.PathSegment", segment_fields),
    LEDGER_MESSAGE("envoy.type.matcher.v3.ValueMatcher", value_fields),
    LEDGER_MESSAGE("envoy.type.matcher.v3.ListMatcher", list_fields),
    LEDGER_MESSAGE("envoy.type.matcher.v3.OrMatcher", or_fields),
    LEDGER_MESSAGE("envoy.type.matcher.v3.DoubleMatcher", double_fields),
    LEDGER_MESSAGE("envoy.type.v3.DoubleRange", range_fields),
    LEDGER_MESSAGE("envoy.type.v3.Int32Range", range_fields),
    LEDGER_MESSAGE("envoy.type.matcher.v3.FilterStateMatcher", state_fields),
    LEDGER_MESSAGE("envoy.type.matcher.v3.AddressMatcher", address_fields),
    LEDGER_MESSAGE("xds.core.v3.CidrRange", xds_cidr_fields),
};

const struct http_filter_factory rbac_http_filter_factory = {
    .name = "envoy.filters.http.rbac",
    .type_url = "envoy.extensions.filters.http.rbac.v3.RBAC",
    .per_route_type_url = "envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
    .parse = parse,
    .parse_route = parse_route,
    .create = create,
    .ledger = ledger,
    .ledger_count = ARRAY_LEN(ledger),
};
