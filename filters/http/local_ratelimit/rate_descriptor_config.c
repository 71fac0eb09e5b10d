// SPDX-License-Identifier: Apache-2.0
#include "filters/http/local_ratelimit/rate_descriptor_config.h"

#include "envoy/config/route/v3/route_components.pb-c.h"

typedef Envoy__Config__Route__V3__RateLimit LimitMessage;
typedef Envoy__Config__Route__V3__RateLimit__Action ActionMessage;
typedef Envoy__Type__Metadata__V3__MetadataKey KeyMessage;

#define ACTION(name) ENVOY__CONFIG__ROUTE__V3__RATE_LIMIT__ACTION__ACTION_SPECIFIER_##name

static struct slice text(struct filter_config_context *context, const char *value) {
    return arena_dup_slice(context->arena, slice_from_string(value));
}

static struct slice text_or(struct filter_config_context *context, const char *value,
                            const char *otherwise) {
    return text(context, value == NULL || value[0] == '\0' ? otherwise : value);
}

static struct slice lower_text(struct filter_config_context *context, const char *value) {
    struct slice copy = text(context, value);
    for (size_t i = 0; i < copy.len; i++) {
        ((uint8_t *)(uintptr_t)copy.ptr)[i] = ascii_lower(copy.ptr[i]);
    }
    return copy;
}

static void parse_format(struct filter_config_context *context, const char *value,
                         struct rate_action *action) {
    struct error err = {0};
    if (log_format_compile(text(context, value), true, context->arena, &action->value, &err) !=
        STATUS_OK) {
        validation_field_error(context->validation, "descriptor_value", "%s", err.message);
    }
}

static uint32_t prefix_bits(struct filter_config_context *context, const char *field,
                            const Google__Protobuf__UInt32Value *value, uint32_t max) {
    uint32_t bits = value == NULL ? max : value->value;
    if (bits > max) {
        validation_field_error(context->validation, field, "value must be less than or equal to %u",
                               max);
    }
    return bits;
}

static void
parse_header_match(struct filter_config_context *context,
                   const Envoy__Config__Route__V3__RateLimit__Action__HeaderValueMatch *m,
                   struct rate_action *action) {
    struct header_matcher *headers =
        ARENA_NEW_ARRAY(context->arena, m->n_headers, struct header_matcher);
    action->kind = RATE_ACTION_HEADER_VALUE_MATCH;
    action->key = text_or(context, m->descriptor_key, "header_match");
    action->expect_match = m->expect_match == NULL || m->expect_match->value;
    action->default_value = text(context, m->default_value);
    action->headers = headers;
    action->header_count = (uint32_t)m->n_headers;
    parse_format(context, m->descriptor_value, action);
    validation_push(context->validation, "headers");
    for (size_t i = 0; i < m->n_headers; i++) {
        validation_push_index(context->validation, (uint32_t)i);
        (void)context->decoders->header_matcher(context, &m->headers[i]->base, &headers[i]);
        validation_pop(context->validation);
    }
    validation_pop(context->validation);
}

static void
parse_query_match(struct filter_config_context *context,
                  const Envoy__Config__Route__V3__RateLimit__Action__QueryParameterValueMatch *m,
                  struct rate_action *action) {
    struct query_matcher *queries =
        ARENA_NEW_ARRAY(context->arena, m->n_query_parameters, struct query_matcher);
    action->kind = RATE_ACTION_QUERY_VALUE_MATCH;
    action->key = text_or(context, m->descriptor_key, "query_match");
    action->expect_match = m->expect_match == NULL || m->expect_match->value;
    action->default_value = text(context, m->default_value);
    action->queries = queries;
    action->query_count = (uint32_t)m->n_query_parameters;
    parse_format(context, m->descriptor_value, action);
    validation_push(context->validation, "query_parameters");
    for (size_t i = 0; i < m->n_query_parameters; i++) {
        validation_push_index(context->validation, (uint32_t)i);
        (void)context->decoders->query_matcher(context, &m->query_parameters[i]->base, &queries[i]);
        validation_pop(context->validation);
    }
    validation_pop(context->validation);
}

static void parse_metadata_key(struct filter_config_context *context, const KeyMessage *key,
                               struct rate_action *action) {
    action->kind = RATE_ACTION_METADATA;
    if (key == NULL) {
        validation_field_error(context->validation, "metadata_key", "value is required");
        return;
    }
    action->name = text(context, key->key);
    for (size_t i = 0; i < key->n_path; i++) {
        const char *part = key->path[i]->key;
        action->path = i == 0
                           ? text(context, part)
                           : arena_printf(context->arena, "%.*s.%s", SLICE_ARG(action->path), part);
    }
}

static void parse_metadata(struct filter_config_context *context,
                           const Envoy__Config__Route__V3__RateLimit__Action__MetaData *metadata,
                           struct rate_action *action) {
    parse_metadata_key(context, metadata->metadata_key, action);
    action->key = text(context, metadata->descriptor_key);
    action->default_value = text(context, metadata->default_value);
    action->skip_if_absent = metadata->skip_if_absent;
    switch ((int)metadata->source) {
    case ENVOY__CONFIG__ROUTE__V3__RATE_LIMIT__ACTION__META_DATA__SOURCE__DYNAMIC:
        return;
    case ENVOY__CONFIG__ROUTE__V3__RATE_LIMIT__ACTION__META_DATA__SOURCE__ROUTE_ENTRY:
        action->from_route = true;
        return;
    default:
        validation_field_error(context->validation, "source",
                               "only DYNAMIC and ROUTE_ENTRY are built in");
    }
}

static void parse_masked(struct filter_config_context *context,
                         const Envoy__Config__Route__V3__RateLimit__Action__MaskedRemoteAddress *m,
                         struct rate_action *action) {
    action->kind = RATE_ACTION_MASKED_REMOTE_ADDRESS;
    action->key = SLICE("masked_remote_address");
    action->v4_bits = prefix_bits(context, "v4_prefix_mask_len", m->v4_prefix_mask_len, 32);
    action->v6_bits = prefix_bits(context, "v6_prefix_mask_len", m->v6_prefix_mask_len, 128);
}

static void parse_action(struct filter_config_context *context, const ActionMessage *message,
                         struct rate_action *action) {
    switch ((int)message->action_specifier_case) {
    case ACTION(SOURCE_CLUSTER):
        *action = (struct rate_action){.kind = RATE_ACTION_SOURCE_CLUSTER,
                                       .key = SLICE("source_cluster")};
        return;
    case ACTION(DESTINATION_CLUSTER):
        *action = (struct rate_action){.kind = RATE_ACTION_DESTINATION_CLUSTER,
                                       .key = SLICE("destination_cluster")};
        return;
    case ACTION(REQUEST_HEADERS):
        *action = (struct rate_action){
            .kind = RATE_ACTION_REQUEST_HEADERS,
            .key = text(context, message->request_headers->descriptor_key),
            .name = lower_text(context, message->request_headers->header_name),
            .skip_if_absent = message->request_headers->skip_if_absent,
        };
        return;
    case ACTION(QUERY_PARAMETERS):
        *action = (struct rate_action){
            .kind = RATE_ACTION_QUERY_PARAMETERS,
            .key = text(context, message->query_parameters->descriptor_key),
            .name = text(context, message->query_parameters->query_parameter_name),
            .skip_if_absent = message->query_parameters->skip_if_absent,
        };
        return;
    case ACTION(REMOTE_ADDRESS):
        *action = (struct rate_action){.kind = RATE_ACTION_REMOTE_ADDRESS,
                                       .key = SLICE("remote_address")};
        return;
    case ACTION(MASKED_REMOTE_ADDRESS):
        parse_masked(context, message->masked_remote_address, action);
        return;
    case ACTION(GENERIC_KEY):
        action->kind = RATE_ACTION_GENERIC_KEY;
        action->key = text_or(context, message->generic_key->descriptor_key, "generic_key");
        action->default_value = text(context, message->generic_key->default_value);
        parse_format(context, message->generic_key->descriptor_value, action);
        return;
    case ACTION(HEADER_VALUE_MATCH):
        parse_header_match(context, message->header_value_match, action);
        return;
    case ACTION(QUERY_PARAMETER_VALUE_MATCH):
        parse_query_match(context, message->query_parameter_value_match, action);
        return;
    case ACTION(DYNAMIC_METADATA):
        parse_metadata_key(context, message->dynamic_metadata->metadata_key, action);
        action->key = text(context, message->dynamic_metadata->descriptor_key);
        action->default_value = text(context, message->dynamic_metadata->default_value);
        return;
    case ACTION(METADATA):
        parse_metadata(context, message->metadata, action);
        return;
    default:
        validation_error(context->validation, "an action is required, of a kind that is built in");
    }
}

void rate_limit_parse(struct filter_config_context *context, const LimitMessage *message,
                      struct rate_limit *out) {
    struct rate_action *actions =
        ARENA_NEW_ARRAY(context->arena, message->n_actions, struct rate_action);
    if (message->stage != NULL || message->disable_key[0] != '\0') {
        validation_error(context->validation,
                         "'stage' field and 'disable_key' field are not supported");
    }
    validation_push(context->validation, "actions");
    for (size_t i = 0; i < message->n_actions; i++) {
        validation_push_index(context->validation, (uint32_t)i);
        parse_action(context, message->actions[i], &actions[i]);
        validation_pop(context->validation);
    }
    validation_pop(context->validation);
    bool has_number = message->hits_addend != NULL && message->hits_addend->number != NULL;
    *out = (struct rate_limit){
        .actions = actions,
        .action_count = (uint32_t)message->n_actions,
        .hits = has_number ? message->hits_addend->number->value : 1,
    };
}
