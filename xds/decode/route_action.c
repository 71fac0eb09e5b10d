// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/runtime.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/ledgers.h"
#include "xds/decode/rate_limit.h"
#include "xds/decode/retry_policy.h"
#include "xds/decode/route_config.h"

enum { DEFAULT_TIMEOUT_MS = 15000 };

bool decode_cluster_name(struct decoder *d, const struct route_scope *scope, const char *what,
                         const char *name, uint32_t *slot) {
    struct slice text = slice_from_string(name);
    *slot = decode_depend(d, CONFIG_CLUSTER, text, NULL);
    if (scope->validate_clusters && d->context->cluster_exists != NULL &&
        !d->context->cluster_exists(d->context->cluster_exists_arg, text)) {
        return decoder_error(d, "%s: unknown cluster '%s'", what, name);
    }
    return true;
}

static bool has_text(const char *text) {
    return text != NULL && text[0] != '\0';
}

static bool decode_weighted(struct decoder *d, const struct route_scope *scope,
                            const ROUTE(WeightedCluster__ClusterWeight) *from,
                            struct weighted_cluster *out) {
    *out = (struct weighted_cluster){.name = decoder_text(d, from->name),
                                     .cluster_slot = CONFIG_SLOT_NONE,
                                     .cluster_header = decoder_lower(d, from->cluster_header),
                                     .weight.value = VALUE_OR(from->weight, 0)};
    if (has_text(from->name) == has_text(from->cluster_header)) {
        return decoder_error(d,
                             has_text(from->name)
                                 ? "Only one of name or cluster_header can be specified"
                                 : "At least one of name or cluster_header need to be specified");
    }
    bool is_ok = true;
    if (has_text(from->name)) {
        is_ok = decode_cluster_name(d, scope, "route", from->name, &out->cluster_slot);
    }
    struct header_lists request = {.add = from->request_headers_to_add,
                                   .add_count = from->n_request_headers_to_add,
                                   .remove = from->request_headers_to_remove,
                                   .remove_count = from->n_request_headers_to_remove,
                                   .add_field = "request_headers_to_add",
                                   .remove_field = "request_headers_to_remove"};
    struct header_lists response = {.add = from->response_headers_to_add,
                                    .add_count = from->n_response_headers_to_add,
                                    .remove = from->response_headers_to_remove,
                                    .remove_count = from->n_response_headers_to_remove,
                                    .add_field = "response_headers_to_add",
                                    .remove_field = "response_headers_to_remove"};
    is_ok = decode_header_ops(d, &request, &out->request_headers) && is_ok;
    is_ok = decode_header_ops(d, &response, &out->response_headers) && is_ok;
    is_ok = decode_overrides(d, OVERRIDE_ENTRIES(d, from), from->n_typed_per_filter_config,
                             &out->filters) &&
            is_ok;
    if (from->host_rewrite_specifier_case ==
        ENVOY__CONFIG__ROUTE__V3__WEIGHTED_CLUSTER__CLUSTER_WEIGHT__HOST_REWRITE_SPECIFIER_HOST_REWRITE_LITERAL) {
        out->host_rewrite_literal = decoder_text(d, from->host_rewrite_literal);
    }
    if (from->metadata_match != NULL) {
        struct metadata *match = ARENA_NEW(d->config.arena, struct metadata);
        is_ok = decode_metadata(d, from->metadata_match, match) && is_ok;
        out->metadata_match = match;
    }
    return is_ok;
}

static bool decode_weighted_clusters(struct decoder *d, const struct route_scope *scope,
                                     const ROUTE(WeightedCluster) *from, struct route_action *out) {
    struct weighted_cluster *clusters =
        ARENA_NEW_ARRAY(d->config.arena, from->n_clusters, struct weighted_cluster);
    uint64_t total = 0;
    bool is_ok = true;
    for (size_t i = 0; i < from->n_clusters; i++) {
        decoder_push_index(d, "clusters", i);
        is_ok = decode_weighted(d, scope, from->clusters[i], &clusters[i]) && is_ok;
        decoder_pop_index(d);
        total += clusters[i].weight.value;
        if (has_text(from->runtime_key_prefix)) {
            struct slice key = arena_printf(d->scratch, "%s.%s", from->runtime_key_prefix,
                                            from->clusters[i]->name);
            clusters[i].weight.key = runtime_key(config_store_runtime(d->config.store), key);
        }
    }
    if (total == 0) {
        is_ok = decoder_error(d, "Sum of weights in the weighted_cluster must be greater than 0.");
    }
    if (total > UINT32_MAX) {
        is_ok =
            decoder_error(d, "The sum of weights of all weighted clusters of route %s exceeds %u",
                          scope->config_name, UINT32_MAX);
    }
    if (from->random_value_specifier_case ==
        ENVOY__CONFIG__ROUTE__V3__WEIGHTED_CLUSTER__RANDOM_VALUE_SPECIFIER_HEADER_NAME) {
        out->random_value_header = decoder_lower(d, from->header_name);
    }
    out->has_runtime_weights = has_text(from->runtime_key_prefix);
    out->weighted = clusters;
    out->weighted_count = (uint32_t)from->n_clusters;
    out->total_weight = (uint32_t)total;
    return is_ok;
}

static bool decode_target(struct decoder *d, const struct route_scope *scope,
                          const ROUTE(RouteAction) *from, struct route_action *out) {
    bool is_ok;
    out->cluster_slot = CONFIG_SLOT_NONE;
    switch ((int)from->cluster_specifier_case) {
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__CLUSTER_SPECIFIER_CLUSTER:
        out->cluster_name = decoder_text(d, from->cluster);
        return decode_cluster_name(d, scope, "route", from->cluster, &out->cluster_slot);
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__CLUSTER_SPECIFIER_CLUSTER_HEADER:
        out->cluster_header = decoder_lower(d, from->cluster_header);
        return true;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__CLUSTER_SPECIFIER_WEIGHTED_CLUSTERS:
        decoder_push(d, "weighted_clusters");
        is_ok = decode_weighted_clusters(d, scope, from->weighted_clusters, out);
        decoder_pop(d);
        return is_ok;
    default:
        return decoder_error(d, "cluster specifier plugins are not supported");
    }
}

static uint32_t not_found_code(int code) {
    switch (code) {
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__CLUSTER_NOT_FOUND_RESPONSE_CODE__NOT_FOUND:
        return 404;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__CLUSTER_NOT_FOUND_RESPONSE_CODE__INTERNAL_SERVER_ERROR:
        return 500;
    default:
        return 503;
    }
}

static bool decode_stream_duration(struct decoder *d,
                                   const ROUTE(RouteAction__MaxStreamDuration) *from,
                                   struct route_action *out) {
    bool is_ok = true;
    out->has_stream_durations = true;
    out->has_max_stream_duration = from->max_stream_duration != NULL;
    out->has_grpc_timeout_header_max = from->grpc_timeout_header_max != NULL;
    is_ok = decode_optional_duration(d, "max_stream_duration", from->max_stream_duration,
                                     &out->max_stream_duration_ms);
    is_ok = decode_optional_duration(d, "grpc_timeout_header_max", from->grpc_timeout_header_max,
                                     &out->grpc_timeout_header_max_ms) &&
            is_ok;
    return decode_optional_duration(d, "grpc_timeout_header_offset",
                                    from->grpc_timeout_header_offset,
                                    &out->grpc_timeout_header_offset_ms) &&
           is_ok;
}

static bool decode_times(struct decoder *d, const ROUTE(RouteAction) *from,
                         struct route_action *out) {
    out->timeout_ms = DEFAULT_TIMEOUT_MS;
    out->idle_timeout_ms = CONFIG_TIMEOUT_UNSET;
    bool is_ok = decode_optional_duration(d, "timeout", from->timeout, &out->timeout_ms);
    is_ok =
        decode_optional_duration(d, "idle_timeout", from->idle_timeout, &out->idle_timeout_ms) &&
        is_ok;
    if (from->max_stream_duration != NULL) {
        decoder_push(d, "max_stream_duration");
        is_ok = decode_stream_duration(d, from->max_stream_duration, out) && is_ok;
        decoder_pop(d);
    } else if (from->max_grpc_timeout != NULL) {
        out->has_grpc_timeout_header_max = true;
        is_ok = decode_duration(d, "max_grpc_timeout", from->max_grpc_timeout,
                                &out->grpc_timeout_header_max_ms) &&
                is_ok;
        is_ok = decode_optional_duration(d, "grpc_timeout_offset", from->grpc_timeout_offset,
                                         &out->grpc_timeout_header_offset_ms) &&
                is_ok;
    }
    return is_ok;
}

bool decode_mirrors(struct decoder *d, const struct route_scope *scope,
                    ROUTE(RouteAction__RequestMirrorPolicy) *const *from, size_t count,
                    const struct request_mirror **out, uint32_t *out_count) {
    struct request_mirror *mirrors =
        count == 0 ? NULL : ARENA_NEW_ARRAY(d->config.arena, count, struct request_mirror);
    bool is_ok = true;
    for (size_t i = 0; i < count; i++) {
        struct request_mirror *mirror = &mirrors[i];
        *mirror = (struct request_mirror){
            .cluster_slot = CONFIG_SLOT_NONE,
            .cluster_header = decoder_lower(d, from[i]->cluster_header),
            .host_rewrite = decoder_text(d, from[i]->host_rewrite_literal),
            .disable_shadow_host_suffix = from[i]->disable_shadow_host_suffix_append != 0,
        };
        decoder_push_index(d, "request_mirror_policies", i);
        if (has_text(from[i]->cluster) == has_text(from[i]->cluster_header)) {
            is_ok = decoder_error(d, "Only one of cluster or cluster_header can be specified in "
                                     "request mirror policy");
        } else if (has_text(from[i]->cluster)) {
            is_ok =
                decode_cluster_name(d, scope, "shadow", from[i]->cluster, &mirror->cluster_slot) &&
                is_ok;
        }
        if (from[i]->runtime_fraction != NULL) {
            mirror->has_fraction = true;
            is_ok =
                decode_runtime_fraction(d, from[i]->runtime_fraction, &mirror->fraction) && is_ok;
        }
        decoder_pop_index(d);
    }
    *out = mirrors;
    *out_count = (uint32_t)count;
    return is_ok;
}

static bool decode_upgrades(struct decoder *d, const ROUTE(RouteAction) *from,
                            struct route_action *out) {
    size_t count = from->n_upgrade_configs;
    struct upgrade_config *upgrades =
        count == 0 ? NULL : ARENA_NEW_ARRAY(d->config.arena, count, struct upgrade_config);
    for (size_t i = 0; i < count; i++) {
        const ROUTE(RouteAction__UpgradeConfig) *upgrade = from->upgrade_configs[i];
        upgrades[i] = (struct upgrade_config){
            .type = decoder_lower(d, upgrade->upgrade_type),
            .enabled = FLAG_OR(upgrade->enabled, true),
        };
        for (size_t k = 0; k < i; k++) {
            if (slice_equal(upgrades[k].type, upgrades[i].type)) {
                return decoder_field_error(d, "upgrade_configs", "Duplicate upgrade %s",
                                           upgrade->upgrade_type);
            }
        }
    }
    out->upgrades = upgrades;
    out->upgrade_count = (uint32_t)count;
    return true;
}

/* Lists are compared by where they lie: those of two policies differ, and neither is shared. */
static bool retry_policy_equal(const struct retry_policy *a, const struct retry_policy *b) {
    return a->retry_on == b->retry_on && a->num_retries == b->num_retries &&
           a->per_try_timeout_ms == b->per_try_timeout_ms &&
           a->per_try_idle_timeout_ms == b->per_try_idle_timeout_ms &&
           a->base_interval_ms == b->base_interval_ms && a->max_interval_ms == b->max_interval_ms &&
           a->host_selection_max_attempts == b->host_selection_max_attempts &&
           a->avoid_previous_hosts == b->avoid_previous_hosts &&
           a->retriable_status_codes == b->retriable_status_codes &&
           a->retriable_status_code_count == b->retriable_status_code_count &&
           a->retriable_headers == b->retriable_headers &&
           a->retriable_header_count == b->retriable_header_count &&
           a->retriable_request_headers == b->retriable_request_headers &&
           a->retriable_request_header_count == b->retriable_request_header_count;
}

static bool decode_retry(struct decoder *d, const struct route_scope *scope,
                         const ROUTE(RouteAction) *from, struct route_action *out) {
    if (from->retry_policy == NULL) {
        return true;
    }
    struct retry_policy retry;
    decoder_push(d, "retry_policy");
    bool is_ok = decode_retry_policy(d, from->retry_policy, &retry);
    decoder_pop(d);
    if (*scope->last_retry == NULL || !retry_policy_equal(*scope->last_retry, &retry)) {
        struct retry_policy *copy = ARENA_NEW(d->config.arena, struct retry_policy);
        *copy = retry;
        *scope->last_retry = copy;
    }
    out->retry = *scope->last_retry;
    return is_ok;
}

bool decode_route_action(struct decoder *d, const struct route_scope *scope,
                         const ROUTE(RouteAction) *from, struct route_action *out) {
    *out = (struct route_action){
        .cluster_not_found_code = not_found_code((int)from->cluster_not_found_response_code),
        .priority_high = from->priority == ENVOY__CONFIG__CORE__V3__ROUTING_PRIORITY__HIGH,
        .append_x_forwarded_host = from->append_x_forwarded_host != 0,
        .include_vh_rate_limits = FLAG_OR(from->include_vh_rate_limits, false),
        .request_body_buffer_limit = scope->body_buffer_limit,
        .mirrors = scope->mirrors,
        .mirror_count = scope->mirror_count,
    };
    bool is_ok = decode_target(d, scope, from, out);
    is_ok = decode_times(d, from, out) && is_ok;
    is_ok = decode_route_rewrites(d, from, out) && is_ok;
    is_ok = decode_retry(d, scope, from, out) && is_ok;
    is_ok = decode_hash_policies(d, from, out) && is_ok;
    is_ok = decode_upgrades(d, from, out) && is_ok;
    is_ok =
        decode_rate_limits(d, from->rate_limits, from->n_rate_limits, &out->rate_limits) && is_ok;
    if (from->n_request_mirror_policies > 0) {
        is_ok =
            decode_mirrors(d, scope, from->request_mirror_policies, from->n_request_mirror_policies,
                           &out->mirrors, &out->mirror_count) &&
            is_ok;
    }
    if (from->metadata_match != NULL) {
        struct metadata *match = ARENA_NEW(d->config.arena, struct metadata);
        is_ok = decode_metadata(d, from->metadata_match, match) && is_ok;
        out->metadata_match = match;
    }
    return is_ok;
}

static const struct ledger_field action_fields[] = {
    LEDGER_OK("cluster"),
    LEDGER_OK("cluster_header"),
    LEDGER_OK("weighted_clusters"),
    LEDGER_OK("cluster_not_found_response_code"),
    {"metadata_match", LEDGER_IGNORED, "requests go to hosts of all subsets"},
    LEDGER_OK("prefix_rewrite"),
    LEDGER_OK("regex_rewrite"),
    LEDGER_OK("path_rewrite"),
    LEDGER_OK("host_rewrite_literal"),
    LEDGER_OK("auto_host_rewrite"),
    LEDGER_OK("host_rewrite_header"),
    LEDGER_OK("host_rewrite_path_regex"),
    LEDGER_OK("append_x_forwarded_host"),
    LEDGER_OK("timeout"),
    LEDGER_OK("idle_timeout"),
    LEDGER_OK("retry_policy"),
    LEDGER_OK("request_mirror_policies"),
    LEDGER_OK("priority"),
    LEDGER_OK("hash_policy"),
    LEDGER_OK("max_grpc_timeout"),
    LEDGER_OK("grpc_timeout_offset"),
    LEDGER_OK("upgrade_configs"),
    LEDGER_OK("max_stream_duration"),
    LEDGER_OK("rate_limits"),
    LEDGER_OK("include_vh_rate_limits"),
    {"early_data_policy", LEDGER_HARMLESS, "early data is not accepted"},
    {"retry_policy_typed_config", LEDGER_IGNORED, "no such extension is built in"},
    {"hedge_policy", LEDGER_IGNORED, "requests are not hedged"},
    {"cors", LEDGER_IGNORED, "the CORS filter is not built in"},
    {"flush_timeout", LEDGER_IGNORED, "idle_timeout holds while a response is flushed"},
    {"internal_redirect_policy", LEDGER_IGNORED, "redirects go to the client"},
    {"internal_redirect_action", LEDGER_IGNORED, "redirects go to the client"},
    {"max_internal_redirects", LEDGER_IGNORED, "redirects go to the client"},
    {"*", LEDGER_REFUSED, "decides where requests go"},
};
static const struct ledger_field weighted_fields[] = {
    LEDGER_OK("clusters"),
    LEDGER_OK("header_name"),
    {"total_weight", LEDGER_HARMLESS, "the sum of the weights counts, as in Envoy"},
    LEDGER_OK("runtime_key_prefix"),
    {"use_hash_policy", LEDGER_IGNORED, "clusters are drawn at random"},
};
static const struct ledger_field mirror_fields[] = {
    LEDGER_OK("cluster"),
    LEDGER_OK("cluster_header"),
    LEDGER_OK("runtime_fraction"),
    {"trace_sampled", LEDGER_HARMLESS, "telemetry: no tracer"},
    LEDGER_OK("disable_shadow_host_suffix_append"),
    {"request_headers_mutations", LEDGER_REFUSED, "headers that should go would be mirrored"},
    LEDGER_OK("host_rewrite_literal"),
};
static const struct ledger_field upgrade_fields[] = {
    LEDGER_OK("upgrade_type"),
    LEDGER_OK("enabled"),
    {"connect_config", LEDGER_REFUSED, "CONNECT goes on to the upstream, it does not end here"},
};
static const struct ledger_field cookie_fields[] = {
    LEDGER_OK("name"),
    LEDGER_OK("ttl"),
    LEDGER_OK("path"),
    {"attributes", LEDGER_REFUSED, "the cookie would lack attributes such as Secure"},
};
static const struct ledger_field weight_fields[] = {
    {"metadata_match", LEDGER_IGNORED, "requests go to hosts of all subsets"},
    LEDGER_OK("*"),
};
static const struct ledger_field all_fields[] = {LEDGER_OK("*")};

#define ROUTE_MESSAGE(name, fields) LEDGER_MESSAGE("envoy.config.route.v3." name, fields)
const struct ledger_message ledger_route_action[] = {
    ROUTE_MESSAGE("RouteAction", action_fields),
    ROUTE_MESSAGE("RouteAction.MaxStreamDuration", all_fields),
    ROUTE_MESSAGE("RouteAction.RequestMirrorPolicy", mirror_fields),
    ROUTE_MESSAGE("RouteAction.UpgradeConfig", upgrade_fields),
    ROUTE_MESSAGE("RouteAction.HashPolicy", all_fields),
    ROUTE_MESSAGE("RouteAction.HashPolicy.Header", all_fields),
    ROUTE_MESSAGE("RouteAction.HashPolicy.Cookie", cookie_fields),
    ROUTE_MESSAGE("RouteAction.HashPolicy.ConnectionProperties", all_fields),
    ROUTE_MESSAGE("RouteAction.HashPolicy.QueryParameter", all_fields),
    ROUTE_MESSAGE("RouteAction.HashPolicy.FilterState", all_fields),
    ROUTE_MESSAGE("WeightedCluster", weighted_fields),
    ROUTE_MESSAGE("WeightedCluster.ClusterWeight", weight_fields),
};
const uint32_t ledger_route_action_count = ARRAY_LEN(ledger_route_action);
