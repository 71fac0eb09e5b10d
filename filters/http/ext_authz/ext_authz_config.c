// SPDX-License-Identifier: Apache-2.0
#include "filters/http/ext_authz/ext_authz.h"

#include "envoy/extensions/filters/http/ext_authz/v3/ext_authz.pb-c.h"
#include "src/base/check.h"
#include "src/config/config_part.h"
#include "src/filter_chain/filter_config.h"

typedef Envoy__Extensions__Filters__Http__ExtAuthz__V3__ExtAuthz ExtAuthzMessage;
typedef Envoy__Extensions__Filters__Http__ExtAuthz__V3__ExtAuthzPerRoute RouteMessage;
typedef Envoy__Extensions__Filters__Http__ExtAuthz__V3__CheckSettings SettingsMessage;
typedef Envoy__Extensions__Filters__Http__ExtAuthz__V3__HttpService HttpServiceMessage;
typedef Envoy__Extensions__Filters__Http__ExtAuthz__V3__AuthorizationResponse AnswerMessage;
typedef Envoy__Extensions__Filters__Http__ExtAuthz__V3__BufferSettings BodyMessage;
typedef Envoy__Config__Core__V3__GrpcService GrpcServiceMessage;
typedef Envoy__Config__Core__V3__HeaderValue HeaderValueMessage;
typedef Envoy__Config__Core__V3__HeaderValueOption HeaderOptionMessage;
typedef Envoy__Type__Matcher__V3__ListStringMatcher MatchersMessage;
typedef Envoy__Config__Common__MutationRules__V3__HeaderMutationRules RulesMessage;
typedef Envoy__Type__Matcher__V3__MetadataMatcher MetadataMatcherMessage;

enum { DEFAULT_STATUS_ON_ERROR = 403 };

static void release_stats(void *scope) {
    stats_scope_unref(scope);
}

static struct slice copy_text(struct filter_config_context *context, const char *text) {
    return arena_dup_slice(context->arena, slice_from_string(text));
}

static bool wrapped(const Google__Protobuf__BoolValue *value, bool unset) {
    return value == NULL ? unset : value->value;
}

/* ---- pieces ---- */

static void parse_matchers(struct filter_config_context *context, const char *field,
                           const MatchersMessage *message, struct authz_matchers *out) {
    if (message == NULL) {
        return;
    }
    struct string_matcher *items =
        ARENA_NEW_ARRAY(context->arena, message->n_patterns, struct string_matcher);
    validation_push(context->validation, field);
    for (size_t i = 0; i < message->n_patterns; i++) {
        validation_push_index(context->validation, (uint32_t)i);
        if (context->decoders->string_matcher(context, &message->patterns[i]->base,
                                              &items[out->count])) {
            out->count++;
        }
        validation_pop(context->validation);
    }
    validation_pop(context->validation);
    out->items = items;
    out->is_set = true;
}

/* Plain header values that replace what is there; their values are formats. */
static void parse_headers(struct filter_config_context *context, const char *field,
                          HeaderValueMessage *const *headers, size_t count,
                          struct authz_service *service) {
    struct header_op *ops = ARENA_NEW_ARRAY(context->arena, count, struct header_op);
    validation_push(context->validation, field);
    for (size_t i = 0; i < count; i++) {
        HeaderOptionMessage option = ENVOY__CONFIG__CORE__V3__HEADER_VALUE_OPTION__INIT;
        option.header = headers[i];
        option.append_action =
            ENVOY__CONFIG__CORE__V3__HEADER_VALUE_OPTION__HEADER_APPEND_ACTION__OVERWRITE_IF_EXISTS_OR_ADD;
        validation_push_index(context->validation, (uint32_t)i);
        if (context->decoders->header_op(context, &option.base, &ops[service->add_count])) {
            service->add_count++;
        }
        validation_pop(context->validation);
    }
    validation_pop(context->validation);
    service->add = ops;
}

static uint32_t parse_timeout(struct filter_config_context *context,
                              const Google__Protobuf__Duration *duration) {
    uint32_t ms = AUTHZ_DEFAULT_TIMEOUT_MS;
    if (duration != NULL) {
        validation_push(context->validation, "timeout");
        (void)context->decoders->duration_ms(context, &duration->base, &ms);
        validation_pop(context->validation);
    }
    return ms;
}

static const struct authz_service *parse_grpc_service(struct filter_config_context *context,
                                                      const GrpcServiceMessage *message) {
    struct authz_service *service = ARENA_NEW(context->arena, struct authz_service);
    validation_push(context->validation, "grpc_service");
    if (message->target_specifier_case !=
        ENVOY__CONFIG__CORE__V3__GRPC_SERVICE__TARGET_SPECIFIER_ENVOY_GRPC) {
        validation_field_error(context->validation, "target_specifier",
                               "only envoy_grpc is supported");
        validation_pop(context->validation);
        return service;
    }
    const Envoy__Config__Core__V3__GrpcService__EnvoyGrpc *grpc = message->envoy_grpc;
    service->cluster_slot = filter_config_cluster(context, slice_from_string(grpc->cluster_name));
    service->authority = copy_text(context, grpc->authority);
    if (grpc->max_receive_message_length != NULL) {
        service->max_message_bytes = grpc->max_receive_message_length->value;
    }
    service->timeout_ms = parse_timeout(context, message->timeout);
    parse_headers(context, "initial_metadata", message->initial_metadata,
                  message->n_initial_metadata, service);
    validation_pop(context->validation);
    return service;
}

static void parse_answer(struct filter_config_context *context, const AnswerMessage *message,
                         struct authz_service *service) {
    if (message == NULL) {
        return;
    }
    validation_push(context->validation, "authorization_response");
    parse_matchers(context, "allowed_upstream_headers", message->allowed_upstream_headers,
                   &service->upstream_headers);
    parse_matchers(context, "allowed_upstream_headers_to_append",
                   message->allowed_upstream_headers_to_append,
                   &service->upstream_headers_to_append);
    parse_matchers(context, "allowed_client_headers", message->allowed_client_headers,
                   &service->client_headers);
    parse_matchers(context, "allowed_client_headers_on_success",
                   message->allowed_client_headers_on_success, &service->client_headers_on_success);
    parse_matchers(context, "dynamic_metadata_from_headers", message->dynamic_metadata_from_headers,
                   &service->dynamic_metadata);
    validation_pop(context->validation);
}

/* Paths go into the request line as they stand. */
static struct slice parse_path(struct filter_config_context *context, const char *field,
                               const char *text) {
    struct slice path = slice_from_string(text);
    if (path.len > 0 && (path.ptr[0] != '/' || !http_is_target(path, true))) {
        validation_field_error(context->validation, field, "must be a path that begins with '/'");
    }
    return arena_dup_slice(context->arena, path);
}

static const struct authz_service *parse_http_service(struct filter_config_context *context,
                                                      const HttpServiceMessage *message) {
    struct authz_service *service = ARENA_NEW(context->arena, struct authz_service);
    service->is_http = true;
    validation_push(context->validation, "http_service");
    if (message->server_uri == NULL || message->server_uri->cluster == NULL ||
        message->server_uri->cluster[0] == 0) {
        validation_field_error(context->validation, "server_uri", "needs a cluster");
        validation_pop(context->validation);
        return service;
    }
    service->cluster_slot =
        filter_config_cluster(context, slice_from_string(message->server_uri->cluster));
    validation_push(context->validation, "server_uri");
    service->timeout_ms = parse_timeout(context, message->server_uri->timeout);
    validation_pop(context->validation);
    service->path_prefix = parse_path(context, "path_prefix", message->path_prefix);
    service->path_override = parse_path(context, "path_override", message->path_override);
    if (service->path_prefix.len > 0 && service->path_override.len > 0) {
        validation_field_error(context->validation, "path_override",
                               "cannot be set together with path_prefix");
    }
    if (message->authorization_request != NULL) {
        validation_push(context->validation, "authorization_request");
        parse_headers(context, "headers_to_add", message->authorization_request->headers_to_add,
                      message->authorization_request->n_headers_to_add, service);
        validation_pop(context->validation);
    }
    parse_answer(context, message->authorization_response, service);
    validation_pop(context->validation);
    return service;
}

static struct authz_body_settings parse_body(const BodyMessage *message) {
    return (struct authz_body_settings){
        .max_request_bytes = message->max_request_bytes,
        .allow_partial_message = message->allow_partial_message,
        .pack_as_bytes = message->pack_as_bytes,
    };
}

static const struct regex *parse_regex(struct filter_config_context *context, const char *field,
                                       const Envoy__Type__Matcher__V3__RegexMatcher *message) {
    const struct regex *regex = NULL;
    if (message != NULL) {
        validation_push(context->validation, field);
        (void)context->decoders->regex(context, &message->base, &regex);
        validation_pop(context->validation);
    }
    return regex;
}

static const struct authz_mutation_rules *parse_rules(struct filter_config_context *context,
                                                      const RulesMessage *message) {
    if (message == NULL) {
        return NULL;
    }
    struct authz_mutation_rules *rules = ARENA_NEW(context->arena, struct authz_mutation_rules);
    validation_push(context->validation, "decoder_header_mutation_rules");
    *rules = (struct authz_mutation_rules){
        .allow_all_routing = wrapped(message->allow_all_routing, false),
        .allow_envoy = wrapped(message->allow_envoy, false),
        .disallow_system = wrapped(message->disallow_system, false),
        .disallow_all = wrapped(message->disallow_all, false),
        .disallow_is_error = wrapped(message->disallow_is_error, false),
        .allow = parse_regex(context, "allow_expression", message->allow_expression),
        .disallow = parse_regex(context, "disallow_expression", message->disallow_expression),
    };
    validation_pop(context->validation);
    return rules;
}

static const struct slice *parse_names(struct filter_config_context *context, char *const *names,
                                       size_t count) {
    struct slice *out = ARENA_NEW_ARRAY(context->arena, count, struct slice);
    for (size_t i = 0; i < count; i++) {
        out[i] = copy_text(context, names[i]);
    }
    return out;
}

/* ---- filter_enabled_metadata ---- */

static struct slice join_path(struct filter_config_context *context,
                              const MetadataMatcherMessage *message) {
    struct slice path = {0};
    for (size_t i = 0; i < message->n_path; i++) {
        const char *key = message->path[i]->key;
        path = i == 0 ? copy_text(context, key)
                      : arena_printf(context->arena, "%.*s.%s", SLICE_ARG(path), key);
    }
    return path;
}

static void parse_value_matcher(struct filter_config_context *context,
                                const Envoy__Type__Matcher__V3__ValueMatcher *message,
                                struct authz_metadata_matcher *matcher) {
    validation_push(context->validation, "value");
    switch (message == NULL ? 0 : (int)message->match_pattern_case) {
    case ENVOY__TYPE__MATCHER__V3__VALUE_MATCHER__MATCH_PATTERN_STRING_MATCH:
        matcher->kind = AUTHZ_VALUE_STRING;
        (void)context->decoders->string_matcher(context, &message->string_match->base,
                                                &matcher->string);
        break;
    case ENVOY__TYPE__MATCHER__V3__VALUE_MATCHER__MATCH_PATTERN_BOOL_MATCH:
        matcher->kind = AUTHZ_VALUE_BOOL;
        matcher->wanted = message->bool_match;
        break;
    case ENVOY__TYPE__MATCHER__V3__VALUE_MATCHER__MATCH_PATTERN_PRESENT_MATCH:
        matcher->kind = AUTHZ_VALUE_PRESENT;
        matcher->wanted = message->present_match;
        break;
    case ENVOY__TYPE__MATCHER__V3__VALUE_MATCHER__MATCH_PATTERN_NULL_MATCH:
        matcher->kind = AUTHZ_VALUE_NULL;
        break;
    default:
        validation_error(context->validation,
                         "only string, bool, present and null matches are supported");
        break;
    }
    validation_pop(context->validation);
}

static const struct authz_metadata_matcher *
parse_enabled_metadata(struct filter_config_context *context,
                       const MetadataMatcherMessage *message) {
    if (message == NULL) {
        return NULL;
    }
    struct authz_metadata_matcher *matcher =
        ARENA_NEW(context->arena, struct authz_metadata_matcher);
    validation_push(context->validation, "filter_enabled_metadata");
    matcher->space = copy_text(context, message->filter);
    matcher->path = join_path(context, message);
    matcher->invert = message->invert;
    parse_value_matcher(context, message->value, matcher);
    validation_pop(context->validation);
    return matcher;
}

/* ---- the filter ---- */

static void parse_service(struct filter_config_context *context, const ExtAuthzMessage *message,
                          struct ext_authz_config *config) {
    const MatchersMessage *allowed = message->allowed_headers;
    switch ((int)message->services_case) {
    case ENVOY__EXTENSIONS__FILTERS__HTTP__EXT_AUTHZ__V3__EXT_AUTHZ__SERVICES_GRPC_SERVICE:
        config->service = parse_grpc_service(context, message->grpc_service);
        break;
    case ENVOY__EXTENSIONS__FILTERS__HTTP__EXT_AUTHZ__V3__EXT_AUTHZ__SERVICES_HTTP_SERVICE:
        config->service = parse_http_service(context, message->http_service);
        if (message->http_service->authorization_request != NULL &&
            message->http_service->authorization_request->allowed_headers != NULL) {
            if (allowed != NULL) {
                validation_field_error(context->validation, "allowed_headers",
                                       "is also in authorization_request");
            }
            allowed = message->http_service->authorization_request->allowed_headers;
        }
        break;
    default:
        validation_field_error(context->validation, "services",
                               "grpc_service or http_service is required");
        break;
    }
    parse_matchers(context, "allowed_headers", allowed, &config->allowed_headers);
    parse_matchers(context, "disallowed_headers", message->disallowed_headers,
                   &config->disallowed_headers);
}

static void parse_enablement(struct filter_config_context *context, const ExtAuthzMessage *message,
                             struct ext_authz_config *config) {
    if (message->filter_enabled != NULL) {
        validation_push(context->validation, "filter_enabled");
        config->has_filter_enabled = context->decoders->fraction(
            context, &message->filter_enabled->base, &config->filter_enabled);
        validation_pop(context->validation);
    }
    config->filter_enabled_metadata =
        parse_enabled_metadata(context, message->filter_enabled_metadata);
    if (message->deny_at_disable != NULL) {
        config->deny_at_disable = (struct config_flag){
            .value = wrapped(message->deny_at_disable->default_value, false),
            .key = filter_config_runtime_key(context, message->deny_at_disable->runtime_key),
        };
    }
}

static void parse_stats(struct filter_config_context *context, const char *prefix,
                        struct ext_authz_config *config) {
    struct slice inner =
        prefix[0] == 0 ? SLICE("ext_authz") : arena_printf(context->arena, "ext_authz.%s", prefix);
    config->cluster_stat_prefix = arena_printf(context->arena, "%.*s.", SLICE_ARG(inner));
    if (context->stats != NULL) {
        bool has_dot = slice_ends_with(context->stat_prefix, SLICE("."));
        struct slice name =
            context->stat_prefix.len == 0
                ? inner
                : arena_printf(context->arena, "%.*s%s%.*s", SLICE_ARG(context->stat_prefix),
                               has_dot ? "" : ".", SLICE_ARG(inner));
        config->stats = stats_scope_get(context->stats, name, &ext_authz_stat_table);
        config_part_on_free(context->part, release_stats, config->stats);
    }
}

static void parse_flags(const ExtAuthzMessage *message, struct ext_authz_config *config) {
    config->failure_mode_allow = message->failure_mode_allow;
    config->failure_mode_allow_header_add = message->failure_mode_allow_header_add;
    config->clear_route_cache = message->clear_route_cache;
    config->validate_mutations = message->validate_mutations;
    config->include_peer_certificate = message->include_peer_certificate;
    config->include_tls_session = message->include_tls_session;
    config->encode_raw_headers = message->encode_raw_headers;
    config->ignores_dynamic_metadata = !wrapped(message->enable_dynamic_metadata_ingestion, true);
    config->skips_cluster_response_stats = !wrapped(message->charge_cluster_response_stats, true);
    config->enforce_response_header_limits = message->enforce_response_header_limits;
    config->shadow_mode = message->shadow_mode;
    config->max_denied_body_bytes = message->max_denied_response_body_bytes;
}

static const void *parse(struct filter_config_context *context,
                         const struct ProtobufCMessage *base) {
    const ExtAuthzMessage *message = (const ExtAuthzMessage *)(const void *)base;
    struct ext_authz_config *config = ARENA_NEW(context->arena, struct ext_authz_config);
    parse_flags(message, config);
    parse_service(context, message, config);
    if (message->with_request_body != NULL) {
        config->body = parse_body(message->with_request_body);
    }
    parse_enablement(context, message, config);
    config->status_on_error = DEFAULT_STATUS_ON_ERROR;
    if (message->status_on_error != NULL && (int)message->status_on_error->code >= 200 &&
        (int)message->status_on_error->code <= 599) {
        config->status_on_error = (uint32_t)message->status_on_error->code;
    }
    config->metadata_namespaces = parse_names(context, message->metadata_context_namespaces,
                                              message->n_metadata_context_namespaces);
    config->metadata_namespace_count = (uint32_t)message->n_metadata_context_namespaces;
    config->route_metadata_namespaces =
        parse_names(context, message->route_metadata_context_namespaces,
                    message->n_route_metadata_context_namespaces);
    config->route_metadata_namespace_count = (uint32_t)message->n_route_metadata_context_namespaces;
    config->rules = parse_rules(context, message->decoder_header_mutation_rules);
    parse_stats(context, message->stat_prefix, config);
    return config;
}

static void parse_settings(struct filter_config_context *context, const SettingsMessage *message,
                           struct ext_authz_route *route) {
    size_t count = message->n_context_extensions;
    struct authz_pair *pairs = ARENA_NEW_ARRAY(context->arena, count, struct authz_pair);
    for (size_t i = 0; i < count; i++) {
        pairs[i] = (struct authz_pair){copy_text(context, message->context_extensions[i]->key),
                                       copy_text(context, message->context_extensions[i]->value)};
    }
    route->context_extensions = pairs;
    route->context_extension_count = (uint32_t)count;
    route->disable_request_body_buffering = message->disable_request_body_buffering;
    if (message->with_request_body != NULL) {
        if (message->disable_request_body_buffering) {
            validation_field_error(context->validation, "with_request_body",
                                   "cannot be set together with disable_request_body_buffering");
        }
        route->has_body = true;
        route->body = parse_body(message->with_request_body);
    }
    switch ((int)message->service_override_case) {
    case ENVOY__EXTENSIONS__FILTERS__HTTP__EXT_AUTHZ__V3__CHECK_SETTINGS__SERVICE_OVERRIDE_GRPC_SERVICE:
        route->service = parse_grpc_service(context, message->grpc_service);
        break;
    case ENVOY__EXTENSIONS__FILTERS__HTTP__EXT_AUTHZ__V3__CHECK_SETTINGS__SERVICE_OVERRIDE_HTTP_SERVICE:
        route->service = parse_http_service(context, message->http_service);
        break;
    default:
        break;
    }
}

static const void *parse_route(struct filter_config_context *context,
                               const struct ProtobufCMessage *base) {
    const RouteMessage *message = (const RouteMessage *)(const void *)base;
    struct ext_authz_route *route = ARENA_NEW(context->arena, struct ext_authz_route);
    switch ((int)message->override_case) {
    case ENVOY__EXTENSIONS__FILTERS__HTTP__EXT_AUTHZ__V3__EXT_AUTHZ_PER_ROUTE__OVERRIDE_DISABLED:
        route->is_disabled = message->disabled;
        break;
    case ENVOY__EXTENSIONS__FILTERS__HTTP__EXT_AUTHZ__V3__EXT_AUTHZ_PER_ROUTE__OVERRIDE_CHECK_SETTINGS:
        validation_push(context->validation, "check_settings");
        parse_settings(context, message->check_settings, route);
        validation_pop(context->validation);
        break;
    default:
        validation_field_error(context->validation, "override", "is required");
        break;
    }
    return route;
}

static struct http_filter *create(const void *config, struct arena *arena, struct io_context *io) {
    struct ext_authz *authz = ARENA_NEW(arena, struct ext_authz);
    authz->base.ops = &ext_authz_ops;
    authz->magic = EXT_AUTHZ_MAGIC;
    authz->config = config;
    authz->io = io;
    authz->route_cluster_slot = CONFIG_SLOT_NONE;
    return &authz->base;
}

/* ---- the ledger ---- */

#define API "envoy.extensions.filters.http.ext_authz.v3."
static const struct ledger_field filter_fields[] = {
    LEDGER_OK("grpc_service"),
    LEDGER_OK("http_service"),
    {"transport_api_version", LEDGER_HARMLESS, "v3 is the only one"},
    LEDGER_OK("failure_mode_allow"),
    LEDGER_OK("failure_mode_allow_header_add"),
    LEDGER_OK("with_request_body"),
    LEDGER_OK("clear_route_cache"),
    {"clear_route_cache_headers", LEDGER_IGNORED, "any change clears the route where asked"},
    LEDGER_OK("status_on_error"),
    LEDGER_OK("validate_mutations"),
    LEDGER_OK("metadata_context_namespaces"),
    {"typed_metadata_context_namespaces", LEDGER_IGNORED, "metadata is kept untyped"},
    LEDGER_OK("route_metadata_context_namespaces"),
    {"route_typed_metadata_context_namespaces", LEDGER_IGNORED, "metadata is kept untyped"},
    LEDGER_OK("filter_enabled"),
    LEDGER_OK("filter_enabled_metadata"),
    LEDGER_OK("deny_at_disable"),
    LEDGER_OK("include_peer_certificate"),
    LEDGER_OK("stat_prefix"),
    {"bootstrap_metadata_labels_key", LEDGER_IGNORED, "the node's metadata is not sent"},
    LEDGER_OK("allowed_headers"),
    LEDGER_OK("disallowed_headers"),
    LEDGER_OK("include_tls_session"),
    LEDGER_OK("charge_cluster_response_stats"),
    LEDGER_OK("encode_raw_headers"),
    LEDGER_OK("decoder_header_mutation_rules"),
    LEDGER_OK("enable_dynamic_metadata_ingestion"),
    {"filter_metadata", LEDGER_HARMLESS, "telemetry"},
    {"emit_filter_state_stats", LEDGER_HARMLESS, "telemetry"},
    LEDGER_OK("max_denied_response_body_bytes"),
    LEDGER_OK("enforce_response_header_limits"),
    LEDGER_OK("shadow_mode"),
    {"emit_client_span", LEDGER_HARMLESS, "telemetry: no tracer"},
};
static const struct ledger_field body_fields[] = {
    LEDGER_OK("max_request_bytes"),
    LEDGER_OK("allow_partial_message"),
    LEDGER_OK("pack_as_bytes"),
};
static const struct ledger_field http_fields[] = {
    LEDGER_OK("server_uri"),
    LEDGER_OK("path_prefix"),
    LEDGER_OK("path_override"),
    LEDGER_OK("authorization_request"),
    LEDGER_OK("authorization_response"),
    {"retry_policy", LEDGER_IGNORED, "a check is asked once"},
};
static const struct ledger_field http_request_fields[] = {
    LEDGER_OK("allowed_headers"),
    LEDGER_OK("headers_to_add"),
};
static const struct ledger_field http_response_fields[] = {
    LEDGER_OK("allowed_upstream_headers"),      LEDGER_OK("allowed_upstream_headers_to_append"),
    LEDGER_OK("allowed_client_headers"),        LEDGER_OK("allowed_client_headers_on_success"),
    LEDGER_OK("dynamic_metadata_from_headers"),
};
static const struct ledger_field route_fields[] = {
    LEDGER_OK("disabled"),
    LEDGER_OK("check_settings"),
};
static const struct ledger_field settings_fields[] = {
    LEDGER_OK("context_extensions"), LEDGER_OK("disable_request_body_buffering"),
    LEDGER_OK("with_request_body"),  LEDGER_OK("grpc_service"),
    LEDGER_OK("http_service"),       {"emit_client_span", LEDGER_HARMLESS, "telemetry: no tracer"},
};
static const struct ledger_field uri_fields[] = {
    {"uri", LEDGER_HARMLESS, "the cluster says where to"},
    LEDGER_OK("cluster"),
    LEDGER_OK("timeout"),
};
static const struct ledger_field grpc_fields[] = {
    LEDGER_OK("envoy_grpc"),
    {"google_grpc", LEDGER_REFUSED, "requests could not be checked: only envoy_grpc is built"},
    LEDGER_OK("timeout"),
    LEDGER_OK("initial_metadata"),
    {"retry_policy", LEDGER_IGNORED, "a check is asked once"},
};
static const struct ledger_field envoy_grpc_fields[] = {
    LEDGER_OK("cluster_name"),
    LEDGER_OK("authority"),
    {"retry_policy", LEDGER_IGNORED, "a check is asked once"},
    LEDGER_OK("max_receive_message_length"),
    {"skip_envoy_headers", LEDGER_HARMLESS, "none are sent"},
};
static const struct ledger_field matchers_fields[] = {LEDGER_OK("patterns")};
static const struct ledger_field rules_fields[] = {
    LEDGER_OK("allow_all_routing"), LEDGER_OK("allow_envoy"),      LEDGER_OK("disallow_system"),
    LEDGER_OK("disallow_all"),      LEDGER_OK("allow_expression"), LEDGER_OK("disallow_expression"),
    LEDGER_OK("disallow_is_error"),
};
static const struct ledger_field metadata_matcher_fields[] = {
    LEDGER_OK("filter"),
    LEDGER_OK("path"),
    LEDGER_OK("value"),
    LEDGER_OK("invert"),
};
static const struct ledger_field all_fields[] = {LEDGER_OK("*")};
static const struct ledger_message ledger[] = {
    LEDGER_MESSAGE(API "ExtAuthz", filter_fields),
    LEDGER_MESSAGE(API "BufferSettings", body_fields),
    LEDGER_MESSAGE(API "HttpService", http_fields),
    LEDGER_MESSAGE(API "AuthorizationRequest", http_request_fields),
    LEDGER_MESSAGE(API "AuthorizationResponse", http_response_fields),
    LEDGER_MESSAGE(API "ExtAuthzPerRoute", route_fields),
    LEDGER_MESSAGE(API "CheckSettings", settings_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.HttpUri", uri_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.GrpcService", grpc_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.GrpcService.EnvoyGrpc", envoy_grpc_fields),
    LEDGER_MESSAGE("envoy.type.matcher.v3.ListStringMatcher", matchers_fields),
    LEDGER_MESSAGE("envoy.type.matcher.v3.MetadataMatcher", metadata_matcher_fields),
    LEDGER_MESSAGE("envoy.type.matcher.v3.ValueMatcher", all_fields),
    LEDGER_MESSAGE("envoy.type.v3.HttpStatus", all_fields),
    LEDGER_MESSAGE("envoy.config.common.mutation_rules.v3.HeaderMutationRules", rules_fields),
};
#undef API

const struct http_filter_factory ext_authz_http_filter_factory = {
    .name = "envoy.filters.http.ext_authz",
    .type_url = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
    .per_route_type_url = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
    .upstream_allowed = false,
    .parse = parse,
    .parse_route = parse_route,
    .create = create,
    .ledger = ledger,
    .ledger_count = ARRAY_LEN(ledger),
};
