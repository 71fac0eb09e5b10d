// SPDX-License-Identifier: Apache-2.0
#include "filters/http/header_mutation/header_mutation.h"

#include "envoy/extensions/filters/http/header_mutation/v3/header_mutation.pb-c.h"
#include "src/base/check.h"
#include "src/filter_chain/filter_config.h"

typedef Envoy__Extensions__Filters__Http__HeaderMutation__V3__HeaderMutation FilterMessage;
typedef Envoy__Extensions__Filters__Http__HeaderMutation__V3__HeaderMutationPerRoute RouteMessage;
typedef Envoy__Extensions__Filters__Http__HeaderMutation__V3__Mutations MutationsMessage;
typedef Envoy__Config__Common__MutationRules__V3__HeaderMutation StepMessage;
typedef Envoy__Config__Core__V3__KeyValueMutation QueryMessage;
typedef Envoy__Config__Core__V3__KeyValueAppend AppendMessage;

static struct slice lower(struct arena *arena, const char *text) {
    struct slice copy = arena_dup_slice(arena, slice_from_string(text));
    for (size_t i = 0; i < copy.len; i++) {
        ((uint8_t *)(uintptr_t)copy.ptr)[i] = ascii_lower(copy.ptr[i]);
    }
    return copy;
}

static void parse_step(struct filter_config_context *context, const StepMessage *message,
                       struct header_mutation *step) {
    switch ((int)message->action_case) {
    case ENVOY__CONFIG__COMMON__MUTATION_RULES__V3__HEADER_MUTATION__ACTION_REMOVE:
        step->kind = HEADER_MUTATION_REMOVE;
        step->remove = lower(context->arena, message->remove);
        return;
    case ENVOY__CONFIG__COMMON__MUTATION_RULES__V3__HEADER_MUTATION__ACTION_APPEND:
        step->kind = HEADER_MUTATION_APPEND;
        validation_push(context->validation, "append");
        (void)context->decoders->header_op(context, &message->append->base, &step->append);
        validation_pop(context->validation);
        return;
    case ENVOY__CONFIG__COMMON__MUTATION_RULES__V3__HEADER_MUTATION__ACTION_REMOVE_ON_MATCH:
        step->kind = HEADER_MUTATION_REMOVE_ON_MATCH;
        validation_push(context->validation, "remove_on_match");
        if (message->remove_on_match->key_matcher == NULL) {
            validation_field_error(context->validation, "key_matcher", "value is required");
        } else {
            (void)context->decoders->string_matcher(
                context, &message->remove_on_match->key_matcher->base, &step->remove_on_match);
        }
        validation_pop(context->validation);
        return;
    default:
        validation_field_error(context->validation, "action", "is required");
    }
}

static struct header_mutation_list parse_list(struct filter_config_context *context,
                                              const char *field, StepMessage *const *messages,
                                              size_t count) {
    struct header_mutation *items = ARENA_NEW_ARRAY(context->arena, count, struct header_mutation);
    validation_push(context->validation, field);
    for (size_t i = 0; i < count; i++) {
        validation_push_index(context->validation, (uint32_t)i);
        parse_step(context, messages[i], &items[i]);
        validation_pop(context->validation);
    }
    validation_pop(context->validation);
    return (struct header_mutation_list){.items = items, .count = (uint32_t)count};
}

static bool parse_action(const AppendMessage *append, enum header_op_action *action) {
    switch ((int)append->action) {
    case ENVOY__CONFIG__CORE__V3__KEY_VALUE_APPEND__KEY_VALUE_APPEND_ACTION__APPEND_IF_EXISTS_OR_ADD:
        *action = HEADER_OP_APPEND_IF_EXISTS_OR_ADD;
        return true;
    case ENVOY__CONFIG__CORE__V3__KEY_VALUE_APPEND__KEY_VALUE_APPEND_ACTION__ADD_IF_ABSENT:
        *action = HEADER_OP_ADD_IF_ABSENT;
        return true;
    case ENVOY__CONFIG__CORE__V3__KEY_VALUE_APPEND__KEY_VALUE_APPEND_ACTION__OVERWRITE_IF_EXISTS_OR_ADD:
        *action = HEADER_OP_OVERWRITE_IF_EXISTS_OR_ADD;
        return true;
    case ENVOY__CONFIG__CORE__V3__KEY_VALUE_APPEND__KEY_VALUE_APPEND_ACTION__OVERWRITE_IF_EXISTS:
        *action = HEADER_OP_OVERWRITE_IF_EXISTS;
        return true;
    default:
        return false;
    }
}

/* The value's text; false with an error. */
static bool append_text(struct filter_config_context *context, const AppendMessage *append,
                        struct slice *key, struct slice *value) {
    if (append->record != NULL) {
        *key = slice_from_string(append->record->key);
        if (append->record->value == NULL ||
            append->record->value->kind_case != GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE) {
            validation_error(context->validation, "Only string value is allowed for record value.");
            return false;
        }
        *value = slice_from_string(append->record->value->string_value);
        return true;
    }
    if (append->entry != NULL) {
        *key = slice_from_string(append->entry->key);
        *value = slice_make(append->entry->value.data, append->entry->value.len);
        return true;
    }
    validation_field_error(context->validation, "record", "value is required");
    return false;
}

static void parse_append(struct filter_config_context *context, const AppendMessage *append,
                         struct query_mutation *mutation) {
    struct slice key, value;
    if (!append_text(context, append, &key, &value)) {
        return;
    }
    mutation->key = arena_dup_slice(context->arena, key);
    if (!parse_action(append, &mutation->action)) {
        validation_field_error(context->validation, "action", "unknown value %d",
                               (int)append->action);
        return;
    }
    struct error err = {0};
    if (log_format_compile(arena_dup_slice(context->arena, value), true, context->arena,
                           &mutation->value, &err) != STATUS_OK) {
        validation_field_error(context->validation, "record.value", "%s", err.message);
    }
}

static void parse_query(struct filter_config_context *context, const QueryMessage *message,
                        struct query_mutation *mutation) {
    bool is_remove = message->remove != NULL && message->remove[0] != '\0';
    if (is_remove && message->append != NULL) {
        validation_error(context->validation, "Only one of 'append'/'remove can be specified.");
    } else if (is_remove) {
        mutation->is_remove = true;
        mutation->key = arena_dup_slice(context->arena, slice_from_string(message->remove));
    } else if (message->append != NULL) {
        validation_push(context->validation, "append");
        parse_append(context, message->append, mutation);
        validation_pop(context->validation);
    } else {
        validation_error(context->validation, "One of 'append'/'remove' must be specified.");
    }
}

static void parse_queries(struct filter_config_context *context, const MutationsMessage *message,
                          struct header_mutations *out) {
    size_t count = message->n_query_parameter_mutations;
    struct query_mutation *items = ARENA_NEW_ARRAY(context->arena, count, struct query_mutation);
    validation_push(context->validation, "query_parameter_mutations");
    for (size_t i = 0; i < count; i++) {
        validation_push_index(context->validation, (uint32_t)i);
        parse_query(context, message->query_parameter_mutations[i], &items[i]);
        validation_pop(context->validation);
    }
    validation_pop(context->validation);
    out->queries = items;
    out->query_count = (uint32_t)count;
}

static void parse_mutations(struct filter_config_context *context, const MutationsMessage *message,
                            struct header_mutations *out) {
    if (message == NULL) {
        return;
    }
    validation_push(context->validation, "mutations");
    out->request = parse_list(context, "request_mutations", message->request_mutations,
                              message->n_request_mutations);
    out->response = parse_list(context, "response_mutations", message->response_mutations,
                               message->n_response_mutations);
    out->request_trailers =
        parse_list(context, "request_trailers_mutations", message->request_trailers_mutations,
                   message->n_request_trailers_mutations);
    out->response_trailers =
        parse_list(context, "response_trailers_mutations", message->response_trailers_mutations,
                   message->n_response_trailers_mutations);
    parse_queries(context, message, out);
    validation_pop(context->validation);
}

static const void *parse(struct filter_config_context *context,
                         const struct ProtobufCMessage *base) {
    const FilterMessage *message = (const FilterMessage *)(const void *)base;
    struct header_mutation_config *config =
        ARENA_NEW(context->arena, struct header_mutation_config);
    config->most_specific_wins = message->most_specific_header_mutations_wins;
    parse_mutations(context, message->mutations, &config->mutations);
    return config;
}

static const void *parse_route(struct filter_config_context *context,
                               const struct ProtobufCMessage *base) {
    const RouteMessage *message = (const RouteMessage *)(const void *)base;
    struct header_mutations *mutations = ARENA_NEW(context->arena, struct header_mutations);
    parse_mutations(context, message->mutations, mutations);
    return mutations;
}

static struct http_filter *create(const void *config, struct arena *arena, struct io_context *io) {
    (void)io;
    struct header_mutation_filter *filter = ARENA_NEW(arena, struct header_mutation_filter);
    filter->base.ops = &header_mutation_ops;
    filter->magic = HEADER_MUTATION_MAGIC;
    filter->config = config;
    return &filter->base;
}

static const struct ledger_field filter_fields[] = {
    LEDGER_OK("mutations"),
    LEDGER_OK("most_specific_header_mutations_wins"),
};
static const struct ledger_field route_fields[] = {LEDGER_OK("mutations")};
static const struct ledger_field mutations_fields[] = {
    LEDGER_OK("request_mutations"),
    LEDGER_OK("query_parameter_mutations"),
    LEDGER_OK("response_mutations"),
    LEDGER_OK("response_trailers_mutations"),
    LEDGER_OK("request_trailers_mutations"),
    {"formatters", LEDGER_IGNORED, "no formatter extensions: their operators are refused"},
};
static const struct ledger_field step_fields[] = {
    LEDGER_OK("remove"),
    LEDGER_OK("append"),
    LEDGER_OK("remove_on_match"),
};
static const struct ledger_field match_fields[] = {LEDGER_OK("key_matcher")};
static const struct ledger_field query_fields[] = {LEDGER_OK("append"), LEDGER_OK("remove")};
static const struct ledger_field append_fields[] = {
    LEDGER_OK("record"),
    LEDGER_OK("entry"),
    LEDGER_OK("action"),
};
static const struct ledger_field pair_fields[] = {LEDGER_OK("key"), LEDGER_OK("value")};
static const struct ledger_message ledger[] = {
    LEDGER_MESSAGE("envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
                   filter_fields),
    LEDGER_MESSAGE("envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute",
                   route_fields),
    LEDGER_MESSAGE("envoy.extensions.filters.http.header_mutation.v3.Mutations", mutations_fields),
    LEDGER_MESSAGE("envoy.config.common.mutation_rules.v3.HeaderMutation", step_fields),
    LEDGER_MESSAGE("envoy.config.common.mutation_rules.v3.HeaderMutation.RemoveOnMatch",
                   match_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.KeyValueMutation", query_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.KeyValueAppend", append_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.KeyValuePair", pair_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.KeyValue", pair_fields),
};

const struct http_filter_factory header_mutation_http_filter_factory = {
    .name = "envoy.filters.http.header_mutation",
    .type_url = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
    .per_route_type_url = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute",
    .upstream_allowed = true,
    .parse = parse,
    .parse_route = parse_route,
    .create = create,
    .ledger = ledger,
    .ledger_count = ARRAY_LEN(ledger),
};
