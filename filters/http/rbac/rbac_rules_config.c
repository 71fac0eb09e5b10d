// SPDX-License-Identifier: Apache-2.0
#include "filters/http/rbac/rbac_rules_config.h"

#include "envoy/config/rbac/v3/rbac.pb-c.h"
#include "filters/http/rbac/rbac_value_config.h"

typedef Envoy__Config__Rbac__V3__Permission Permission;
typedef Envoy__Config__Rbac__V3__Principal Principal;
typedef Envoy__Config__Core__V3__CidrRange CidrMessage;
typedef Envoy__Type__Matcher__V3__FilterStateMatcher StateMessage;
typedef Envoy__Type__Matcher__V3__StringMatcher StringMessage;

enum { MAX_PORT = 65535 };

/* ---- the leaves that both have ---- */

static void parse_header(struct filter_config_context *context,
                         const Envoy__Config__Route__V3__HeaderMatcher *message,
                         struct rbac_rule *rule) {
    rule->kind = RBAC_RULE_HEADER;
    (void)context->decoders->header_matcher(context, &message->base, &rule->header);
}

static void parse_string(struct filter_config_context *context, const StringMessage *message,
                         enum rbac_rule_kind kind, struct rbac_rule *rule) {
    rule->kind = kind;
    rule->has_string = message != NULL;
    if (message == NULL) {
        validation_error(context->validation, "value is required");
        return;
    }
    (void)context->decoders->string_matcher(context, &message->base, &rule->string);
}

static void parse_path(struct filter_config_context *context,
                       const Envoy__Type__Matcher__V3__PathMatcher *message,
                       struct rbac_rule *rule) {
    bool has_path = message->rule_case == ENVOY__TYPE__MATCHER__V3__PATH_MATCHER__RULE_PATH;
    parse_string(context, has_path ? message->path : NULL, RBAC_RULE_URL_PATH, rule);
}

static void parse_cidr(struct filter_config_context *context, const CidrMessage *message,
                       enum rbac_rule_kind kind, struct rbac_rule *rule) {
    struct cidr *cidr = ARENA_NEW(context->arena, struct cidr);
    rule->kind = kind;
    rule->cidrs = cidr;
    rule->cidr_count = 1;
    (void)context->decoders->cidr(context, &message->base, cidr);
}

static void parse_sourced(struct filter_config_context *context,
                          const Envoy__Config__Rbac__V3__SourcedMetadata *message,
                          struct rbac_rule *rule) {
    rule->kind = RBAC_RULE_METADATA;
    if (message->metadata_matcher == NULL) {
        validation_field_error(context->validation, "metadata_matcher", "value is required");
        return;
    }
    bool from_route = message->metadata_source == ENVOY__CONFIG__RBAC__V3__METADATA_SOURCE__ROUTE;
    rule->metadata = rbac_parse_metadata(context, message->metadata_matcher, from_route);
}

/* ---- what both are: lists, negations, and a oneof whose case is the number of the field ---- */

typedef void parse_rule_fn(struct filter_config_context *context, const ProtobufCMessage *message,
                           struct rbac_rule *rule);

static void parse_list(struct filter_config_context *context, const char *field,
                       const ProtobufCMessage *const *messages, size_t count, parse_rule_fn *parse,
                       struct rbac_rule *rule) {
    struct rbac_rule *children = ARENA_NEW_ARRAY(context->arena, count, struct rbac_rule);
    rule->children = children;
    rule->child_count = (uint32_t)count;
    validation_push(context->validation, field);
    if (count == 0) {
        validation_error(context->validation, "value must contain at least 1 item(s)");
    }
    for (size_t i = 0; i < count; i++) {
        validation_push_index(context->validation, (uint32_t)i);
        parse(context, messages[i], &children[i]);
        validation_pop(context->validation);
    }
    validation_pop(context->validation);
}

/* The lists of one kind of message, as lists of messages. */
#define MESSAGES(list) ((const ProtobufCMessage *const *)(const void *)(list))

static void parse_not(struct filter_config_context *context, const ProtobufCMessage *message,
                      parse_rule_fn *parse, struct rbac_rule *rule) {
    struct rbac_rule *child = ARENA_NEW(context->arena, struct rbac_rule);
    rule->kind = RBAC_RULE_NOT;
    rule->children = child;
    rule->child_count = 1;
    parse(context, message, child);
}

static void parse_any(struct filter_config_context *context, bool any, struct rbac_rule *rule) {
    rule->kind = RBAC_RULE_ANY;
    if (!any) {
        validation_error(context->validation, "value must equal true");
    }
}

static void parse_in_field(struct filter_config_context *context, const ProtobufCMessage *message,
                           int set_field, parse_rule_fn *parse, struct rbac_rule *rule) {
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(message->descriptor, (unsigned)set_field);
    if (field == NULL) {
        validation_error(context->validation, "a rule is required, of a kind that is built in");
        return;
    }
    validation_push(context->validation, field->name);
    parse(context, message, rule);
    validation_pop(context->validation);
}

/* ---- permissions ---- */

static void parse_port(struct filter_config_context *context, uint32_t port,
                       struct rbac_rule *rule) {
    rule->kind = RBAC_RULE_DESTINATION_PORT;
    if (port > MAX_PORT) {
        validation_error(context->validation, "value must be less than or equal to 65535");
        return;
    }
    rule->port_start = rule->port_last = (uint16_t)port;
}

static void parse_port_range(struct filter_config_context *context,
                             const Envoy__Type__V3__Int32Range *range, struct rbac_rule *rule) {
    rule->kind = RBAC_RULE_DESTINATION_PORT;
    if (range->start < 0 || range->start > MAX_PORT) {
        validation_error(context->validation, "range start %d is out of bounds", range->start);
    } else if (range->end < 0 || range->end > MAX_PORT + 1) {
        validation_error(context->validation, "range end %d is out of bounds", range->end);
    } else if (range->start >= range->end) {
        validation_error(context->validation,
                         "range start %d cannot be greater or equal than range end %d",
                         range->start, range->end);
    } else {
        rule->port_start = (uint16_t)range->start;
        rule->port_last = (uint16_t)(range->end - 1);
    }
}

static parse_rule_fn parse_permission;

static void parse_permission_rule(struct filter_config_context *context,
                                  const ProtobufCMessage *base, struct rbac_rule *rule) {
    const Permission *message = (const Permission *)(const void *)base;
    switch ((int)message->rule_case) {
    case ENVOY__CONFIG__RBAC__V3__PERMISSION__RULE_AND_RULES:
        rule->kind = RBAC_RULE_AND;
        parse_list(context, "rules", MESSAGES(message->and_rules->rules),
                   message->and_rules->n_rules, parse_permission, rule);
        return;
    case ENVOY__CONFIG__RBAC__V3__PERMISSION__RULE_OR_RULES:
        rule->kind = RBAC_RULE_OR;
        parse_list(context, "rules", MESSAGES(message->or_rules->rules), message->or_rules->n_rules,
                   parse_permission, rule);
        return;
    case ENVOY__CONFIG__RBAC__V3__PERMISSION__RULE_HEADER:
        parse_header(context, message->header, rule);
        return;
    case ENVOY__CONFIG__RBAC__V3__PERMISSION__RULE_URL_PATH:
        parse_path(context, message->url_path, rule);
        return;
    case ENVOY__CONFIG__RBAC__V3__PERMISSION__RULE_DESTINATION_IP:
        parse_cidr(context, message->destination_ip, RBAC_RULE_DESTINATION_IP, rule);
        return;
    case ENVOY__CONFIG__RBAC__V3__PERMISSION__RULE_DESTINATION_PORT:
        parse_port(context, message->destination_port, rule);
        return;
    case ENVOY__CONFIG__RBAC__V3__PERMISSION__RULE_DESTINATION_PORT_RANGE:
        parse_port_range(context, message->destination_port_range, rule);
        return;
    case ENVOY__CONFIG__RBAC__V3__PERMISSION__RULE_METADATA:
        rule->kind = RBAC_RULE_METADATA;
        rule->metadata = rbac_parse_metadata(context, message->metadata, false);
        return;
    case ENVOY__CONFIG__RBAC__V3__PERMISSION__RULE_NOT_RULE:
        parse_not(context, &message->not_rule->base, parse_permission, rule);
        return;
    case ENVOY__CONFIG__RBAC__V3__PERMISSION__RULE_ANY:
        parse_any(context, message->any != 0, rule);
        return;
    case ENVOY__CONFIG__RBAC__V3__PERMISSION__RULE_REQUESTED_SERVER_NAME:
        parse_string(context, message->requested_server_name, RBAC_RULE_SERVER_NAME, rule);
        return;
    case ENVOY__CONFIG__RBAC__V3__PERMISSION__RULE_SOURCED_METADATA:
        parse_sourced(context, message->sourced_metadata, rule);
        return;
    default:
        validation_error(context->validation, "is required, or of a kind that is not built in");
    }
}

static void parse_permission(struct filter_config_context *context, const ProtobufCMessage *message,
                             struct rbac_rule *rule) {
    parse_in_field(context, message, (int)((const Permission *)(const void *)message)->rule_case,
                   parse_permission_rule, rule);
}

/* ---- principals ---- */

static void parse_state(struct filter_config_context *context, const StateMessage *message,
                        struct rbac_rule *rule) {
    rule->key = arena_dup_slice(context->arena, slice_from_string(message->key));
    switch ((int)message->matcher_case) {
    case ENVOY__TYPE__MATCHER__V3__FILTER_STATE_MATCHER__MATCHER_STRING_MATCH:
        parse_string(context, message->string_match, RBAC_RULE_FILTER_STATE, rule);
        return;
    case ENVOY__TYPE__MATCHER__V3__FILTER_STATE_MATCHER__MATCHER_ADDRESS_MATCH:
        rule->kind = RBAC_RULE_FILTER_STATE_IP;
        rbac_parse_addresses(context, message->address_match, rule);
        return;
    default:
        validation_field_error(context->validation, "matcher", "is required");
    }
}

static void parse_authenticated(struct filter_config_context *context,
                                const Envoy__Config__Rbac__V3__Principal__Authenticated *message,
                                struct rbac_rule *rule) {
    rule->kind = RBAC_RULE_AUTHENTICATED;
    if (message->principal_name != NULL) {
        validation_push(context->validation, "principal_name");
        parse_string(context, message->principal_name, RBAC_RULE_AUTHENTICATED, rule);
        validation_pop(context->validation);
    }
}

static parse_rule_fn parse_principal;

static void parse_principal_rule(struct filter_config_context *context,
                                 const ProtobufCMessage *base, struct rbac_rule *rule) {
    const Principal *message = (const Principal *)(const void *)base;
    switch ((int)message->identifier_case) {
    case ENVOY__CONFIG__RBAC__V3__PRINCIPAL__IDENTIFIER_AND_IDS:
        rule->kind = RBAC_RULE_AND;
        parse_list(context, "ids", MESSAGES(message->and_ids->ids), message->and_ids->n_ids,
                   parse_principal, rule);
        return;
    case ENVOY__CONFIG__RBAC__V3__PRINCIPAL__IDENTIFIER_OR_IDS:
        rule->kind = RBAC_RULE_OR;
        parse_list(context, "ids", MESSAGES(message->or_ids->ids), message->or_ids->n_ids,
                   parse_principal, rule);
        return;
    case ENVOY__CONFIG__RBAC__V3__PRINCIPAL__IDENTIFIER_AUTHENTICATED:
        parse_authenticated(context, message->authenticated, rule);
        return;
    case ENVOY__CONFIG__RBAC__V3__PRINCIPAL__IDENTIFIER_SOURCE_IP:
        parse_cidr(context, message->source_ip, RBAC_RULE_SOURCE_IP, rule);
        return;
    case ENVOY__CONFIG__RBAC__V3__PRINCIPAL__IDENTIFIER_DIRECT_REMOTE_IP:
        parse_cidr(context, message->direct_remote_ip, RBAC_RULE_DIRECT_REMOTE_IP, rule);
        return;
    case ENVOY__CONFIG__RBAC__V3__PRINCIPAL__IDENTIFIER_REMOTE_IP:
        parse_cidr(context, message->remote_ip, RBAC_RULE_REMOTE_IP, rule);
        return;
    case ENVOY__CONFIG__RBAC__V3__PRINCIPAL__IDENTIFIER_HEADER:
        parse_header(context, message->header, rule);
        return;
    case ENVOY__CONFIG__RBAC__V3__PRINCIPAL__IDENTIFIER_URL_PATH:
        parse_path(context, message->url_path, rule);
        return;
    case ENVOY__CONFIG__RBAC__V3__PRINCIPAL__IDENTIFIER_METADATA:
        rule->kind = RBAC_RULE_METADATA;
        rule->metadata = rbac_parse_metadata(context, message->metadata, false);
        return;
    case ENVOY__CONFIG__RBAC__V3__PRINCIPAL__IDENTIFIER_FILTER_STATE:
        parse_state(context, message->filter_state, rule);
        return;
    case ENVOY__CONFIG__RBAC__V3__PRINCIPAL__IDENTIFIER_NOT_ID:
        parse_not(context, &message->not_id->base, parse_principal, rule);
        return;
    case ENVOY__CONFIG__RBAC__V3__PRINCIPAL__IDENTIFIER_ANY:
        parse_any(context, message->any != 0, rule);
        return;
    case ENVOY__CONFIG__RBAC__V3__PRINCIPAL__IDENTIFIER_SOURCED_METADATA:
        parse_sourced(context, message->sourced_metadata, rule);
        return;
    default:
        validation_error(context->validation, "is required, or of a kind that is not built in");
    }
}

static void parse_principal(struct filter_config_context *context, const ProtobufCMessage *message,
                            struct rbac_rule *rule) {
    parse_in_field(context, message,
                   (int)((const Principal *)(const void *)message)->identifier_case,
                   parse_principal_rule, rule);
}

void rbac_parse_policy(struct filter_config_context *context,
                       const struct Envoy__Config__Rbac__V3__Policy *message,
                       struct rbac_policy *policy) {
    /* The ledger refuses conditions too; a policy must not match without one by any way in. */
    if (message->condition != NULL || message->checked_condition != NULL) {
        validation_field_error(context->validation, "condition", "CEL is not built in");
    }
    policy->permissions.kind = RBAC_RULE_OR;
    policy->principals.kind = RBAC_RULE_OR;
    parse_list(context, "permissions", MESSAGES(message->permissions), message->n_permissions,
               parse_permission, &policy->permissions);
    parse_list(context, "principals", MESSAGES(message->principals), message->n_principals,
               parse_principal, &policy->principals);
}
