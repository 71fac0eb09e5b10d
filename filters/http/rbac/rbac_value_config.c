// SPDX-License-Identifier: Apache-2.0
#include "filters/http/rbac/rbac_value_config.h"

#include "envoy/type/matcher/v3/address.pb-c.h"
#include "envoy/type/matcher/v3/metadata.pb-c.h"
#include "envoy/type/matcher/v3/value.pb-c.h"

typedef Envoy__Type__Matcher__V3__ValueMatcher ValueMessage;
typedef Envoy__Type__Matcher__V3__DoubleMatcher DoubleMessage;
typedef Envoy__Type__Matcher__V3__MetadataMatcher MetadataMessage;

static void parse_double(struct filter_config_context *context, const DoubleMessage *message,
                         struct rbac_value_matcher *out) {
    switch ((int)message->match_pattern_case) {
    case ENVOY__TYPE__MATCHER__V3__DOUBLE_MATCHER__MATCH_PATTERN_EXACT:
        out->kind = RBAC_VALUE_DOUBLE_EXACT;
        out->start = message->exact;
        return;
    case ENVOY__TYPE__MATCHER__V3__DOUBLE_MATCHER__MATCH_PATTERN_RANGE:
        out->kind = RBAC_VALUE_DOUBLE_RANGE;
        out->start = message->range->start;
        out->end = message->range->end;
        return;
    default:
        validation_field_error(context->validation, "match_pattern", "is required");
    }
}

static void parse_value(struct filter_config_context *context, const ValueMessage *message,
                        struct rbac_value_matcher *out);

static void parse_children(struct filter_config_context *context, enum rbac_value_kind kind,
                           ValueMessage *const *messages, size_t count,
                           struct rbac_value_matcher *out) {
    struct rbac_value_matcher *children =
        ARENA_NEW_ARRAY(context->arena, count, struct rbac_value_matcher);
    out->kind = kind;
    out->children = children;
    out->child_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        validation_push_index(context->validation, (uint32_t)i);
        parse_value(context, messages[i], &children[i]);
        validation_pop(context->validation);
    }
}

static void parse_list(struct filter_config_context *context,
                       const Envoy__Type__Matcher__V3__ListMatcher *message,
                       struct rbac_value_matcher *out) {
    if (message->match_pattern_case !=
        ENVOY__TYPE__MATCHER__V3__LIST_MATCHER__MATCH_PATTERN_ONE_OF) {
        validation_field_error(context->validation, "match_pattern", "is required");
        return;
    }
    ValueMessage *one_of = message->one_of;
    parse_children(context, RBAC_VALUE_LIST, &one_of, 1, out);
}

static void parse_value(struct filter_config_context *context, const ValueMessage *message,
                        struct rbac_value_matcher *out) {
    switch ((int)message->match_pattern_case) {
    case ENVOY__TYPE__MATCHER__V3__VALUE_MATCHER__MATCH_PATTERN_NULL_MATCH:
        out->kind = RBAC_VALUE_NULL;
        return;
    case ENVOY__TYPE__MATCHER__V3__VALUE_MATCHER__MATCH_PATTERN_DOUBLE_MATCH:
        parse_double(context, message->double_match, out);
        return;
    case ENVOY__TYPE__MATCHER__V3__VALUE_MATCHER__MATCH_PATTERN_STRING_MATCH:
        out->kind = RBAC_VALUE_STRING;
        (void)context->decoders->string_matcher(context, &message->string_match->base,
                                                &out->string);
        return;
    case ENVOY__TYPE__MATCHER__V3__VALUE_MATCHER__MATCH_PATTERN_BOOL_MATCH:
        out->kind = RBAC_VALUE_BOOL;
        out->boolean = message->bool_match;
        return;
    case ENVOY__TYPE__MATCHER__V3__VALUE_MATCHER__MATCH_PATTERN_PRESENT_MATCH:
        out->kind = RBAC_VALUE_PRESENT;
        out->boolean = message->present_match;
        return;
    case ENVOY__TYPE__MATCHER__V3__VALUE_MATCHER__MATCH_PATTERN_LIST_MATCH:
        parse_list(context, message->list_match, out);
        return;
    case ENVOY__TYPE__MATCHER__V3__VALUE_MATCHER__MATCH_PATTERN_OR_MATCH:
        parse_children(context, RBAC_VALUE_OR, message->or_match->value_matchers,
                       message->or_match->n_value_matchers, out);
        return;
    default:
        validation_field_error(context->validation, "match_pattern", "is required");
    }
}

const struct rbac_metadata_rule *rbac_parse_metadata(struct filter_config_context *context,
                                                     const MetadataMessage *message,
                                                     bool from_route) {
    struct rbac_metadata_rule *rule = ARENA_NEW(context->arena, struct rbac_metadata_rule);
    rule->filter = arena_dup_slice(context->arena, slice_from_string(message->filter));
    rule->from_route = from_route;
    rule->invert = message->invert;
    for (size_t i = 0; i < message->n_path; i++) {
        const char *key = message->path[i]->key;
        rule->path = i == 0 ? arena_dup_slice(context->arena, slice_from_string(key))
                            : arena_printf(context->arena, "%.*s.%s", SLICE_ARG(rule->path), key);
    }
    if (message->n_path == 0) {
        validation_field_error(context->validation, "path",
                               "value must contain at least 1 item(s)");
    }
    validation_push(context->validation, "value");
    if (message->value == NULL) {
        validation_error(context->validation, "value is required");
    } else {
        parse_value(context, message->value, &rule->value);
    }
    validation_pop(context->validation);
    return rule;
}

void rbac_parse_addresses(struct filter_config_context *context,
                          const Envoy__Type__Matcher__V3__AddressMatcher *message,
                          struct rbac_rule *rule) {
    struct cidr *cidrs = ARENA_NEW_ARRAY(context->arena, message->n_ranges, struct cidr);
    rule->cidrs = cidrs;
    rule->cidr_count = (uint32_t)message->n_ranges;
    rule->invert = message->invert_match;
    for (size_t i = 0; i < message->n_ranges; i++) {
        const Xds__Core__V3__CidrRange *range = message->ranges[i];
        uint32_t bits = range->prefix_len == NULL ? 0 : range->prefix_len->value;
        struct error err = {0};
        if (cidr_init(&cidrs[i], slice_from_string(range->address_prefix), bits, &err) !=
            STATUS_OK) {
            validation_field_error(context->validation, "ranges", "%s", err.message);
        }
    }
}
