// SPDX-License-Identifier: Apache-2.0
#include "filters/http/local_ratelimit/local_ratelimit.h"

#include <stdlib.h>

#include "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.pb-c.h"
#include "src/base/check.h"
#include "src/filter_chain/filter_config.h"

typedef Envoy__Extensions__Filters__Http__LocalRatelimit__V3__LocalRateLimit FilterMessage;
typedef Envoy__Extensions__Common__Ratelimit__V3__LocalRateLimitDescriptor DescriptorMessage;
typedef Envoy__Type__V3__TokenBucket BucketMessage;

enum {
    MIN_FILL_INTERVAL_MS = 50,
    DEFAULT_DYNAMIC_DESCRIPTORS = 20,
    /* Connections that can have a bucket of their own at one time. */
    MAX_CONNECTION_BUCKETS = 65536,
};

static bool parse_rate(struct filter_config_context *context, const BucketMessage *message,
                       const char *what, struct token_rate *rate) {
    uint32_t interval_ms = 0;
    if (message->fill_interval == NULL) {
        validation_field_error(context->validation, "fill_interval", "value is required");
        return false;
    }
    if (!context->decoders->duration_ms(context, &message->fill_interval->base, &interval_ms)) {
        return false;
    }
    if (interval_ms < MIN_FILL_INTERVAL_MS) {
        validation_error(context->validation,
                         "local rate limit %stoken bucket fill timer must be >= 50ms", what);
        return false;
    }
    uint32_t per_fill = message->tokens_per_fill == NULL ? 1 : message->tokens_per_fill->value;
    if (per_fill == 0) {
        validation_field_error(context->validation, "tokens_per_fill",
                               "value must be greater than 0");
        return false;
    }
    *rate = (struct token_rate){
        .max_tokens = message->max_tokens,
        .tokens_per_s = (double)per_fill * 1000.0 / (double)interval_ms,
    };
    return true;
}

static struct token_bucket *new_bucket(struct arena *arena) {
    struct token_bucket *bucket = ARENA_NEW(arena, struct token_bucket);
    token_bucket_init(bucket);
    return bucket;
}

/* ---- descriptors ---- */

static struct rate_entries parse_entries(struct filter_config_context *context,
                                         const DescriptorMessage *message, bool *has_wildcard) {
    struct rate_entry *entries =
        ARENA_NEW_ARRAY(context->arena, message->n_entries, struct rate_entry);
    for (size_t i = 0; i < message->n_entries; i++) {
        entries[i] = (struct rate_entry){
            .key = arena_dup_slice(context->arena, slice_from_string(message->entries[i]->key)),
            .value = arena_dup_slice(context->arena, slice_from_string(message->entries[i]->value)),
        };
        *has_wildcard = *has_wildcard || entries[i].value.len == 0;
    }
    if (message->n_entries == 0) {
        validation_field_error(context->validation, "entries",
                               "value must contain at least 1 item(s)");
    }
    return (struct rate_entries){.items = entries, .count = (uint32_t)message->n_entries};
}

static bool equal_entries(const struct rate_entries *a, const struct rate_entries *b) {
    return rate_entries_match(a, b) && rate_entries_match(b, a);
}

static struct slice entries_text(struct arena *arena, const struct rate_entries *entries) {
    struct slice text = SLICE("");
    for (uint32_t i = 0; i < entries->count; i++) {
        text = arena_printf(arena, "%.*s%s%.*s=%.*s", SLICE_ARG(text), i == 0 ? "" : ", ",
                            SLICE_ARG(entries->items[i].key), SLICE_ARG(entries->items[i].value));
    }
    return text;
}

static int compare_rates(const void *left, const void *right) {
    const struct local_rate *a = left;
    const struct local_rate *b = right;
    if (a->rate.tokens_per_s < b->rate.tokens_per_s ||
        a->rate.tokens_per_s > b->rate.tokens_per_s) {
        return a->rate.tokens_per_s < b->rate.tokens_per_s ? -1 : 1;
    }
    return (a->id > b->id) - (a->id < b->id);
}

static void parse_descriptor(struct filter_config_context *context,
                             const DescriptorMessage *message,
                             struct local_ratelimit_config *config, struct local_rate *rates,
                             uint32_t index) {
    struct local_rate *rate = &rates[index];
    bool has_wildcard = false;
    rate->id = index + 1;
    rate->shadow_mode = message->shadow_mode;
    rate->entries = parse_entries(context, message, &has_wildcard);
    for (uint32_t i = 0; i < index; i++) {
        if (equal_entries(&rates[i].entries, &rate->entries)) {
            struct slice text = entries_text(context->arena, &rate->entries);
            validation_error(context->validation,
                             "duplicate descriptor in the local rate descriptor: %.*s",
                             SLICE_ARG(text));
        }
    }
    if (message->token_bucket == NULL) {
        validation_field_error(context->validation, "token_bucket", "value is required");
        return;
    }
    validation_push(context->validation, "token_bucket");
    (void)parse_rate(context, message->token_bucket, "descriptor ", &rate->rate);
    validation_pop(context->validation);
    if (!has_wildcard && !config->is_per_connection) {
        rate->bucket = new_bucket(context->arena);
    }
}

static void parse_descriptors(struct filter_config_context *context, const FilterMessage *message,
                              struct local_ratelimit_config *config) {
    size_t count = message->n_descriptors;
    struct local_rate *rates = ARENA_NEW_ARRAY(context->arena, count, struct local_rate);
    validation_push(context->validation, "descriptors");
    for (size_t i = 0; i < count; i++) {
        validation_push_index(context->validation, (uint32_t)i);
        parse_descriptor(context, message->descriptors[i], config, rates, (uint32_t)i);
        validation_pop(context->validation);
    }
    validation_pop(context->validation);
    if (count > 1) {
        qsort(rates, count, sizeof(rates[0]), compare_rates);
    }
    config->rates = rates;
    config->rate_count = (uint32_t)count;
}

static void parse_limits(struct filter_config_context *context, const FilterMessage *message,
                         struct local_ratelimit_config *config) {
    size_t count = message->n_rate_limits;
    struct rate_limit *limits = ARENA_NEW_ARRAY(context->arena, count, struct rate_limit);
    validation_push(context->validation, "rate_limits");
    for (size_t i = 0; i < count; i++) {
        const Envoy__Config__Route__V3__RateLimit *limit = message->rate_limits[i];
        validation_push_index(context->validation, (uint32_t)i);
        if (limit->stage != NULL || limit->disable_key[0] != '\0') {
            validation_error(context->validation,
                             "'stage' field and 'disable_key' field are not supported");
        }
        (void)context->decoders->rate_limit(context, &limit->base, &limits[i]);
        validation_pop(context->validation);
    }
    validation_pop(context->validation);
    config->own_limits = (struct rate_limit_policy){.limits = limits, .count = (uint32_t)count};
}

static enum rate_vhost_limits vhost_limits(int option) {
    switch (option) {
    case ENVOY__EXTENSIONS__COMMON__RATELIMIT__V3__VH_RATE_LIMITS_OPTIONS__INCLUDE:
        return RATE_VHOST_INCLUDE;
    case ENVOY__EXTENSIONS__COMMON__RATELIMIT__V3__VH_RATE_LIMITS_OPTIONS__IGNORE:
        return RATE_VHOST_IGNORE;
    default:
        return RATE_VHOST_OVERRIDE;
    }
}

/* ---- the rest ---- */

static void parse_default_bucket(struct filter_config_context *context,
                                 const FilterMessage *message,
                                 struct local_ratelimit_config *config) {
    if (message->token_bucket == NULL) {
        return;
    }
    struct local_rate *rate = ARENA_NEW(context->arena, struct local_rate);
    validation_push(context->validation, "token_bucket");
    if (parse_rate(context, message->token_bucket, "", &rate->rate)) {
        rate->bucket = config->is_per_connection ? NULL : new_bucket(context->arena);
        config->default_rate = rate;
    }
    validation_pop(context->validation);
}

static void free_cache(void *cache) {
    bucket_cache_free(cache);
}

static void make_cache(struct filter_config_context *context, const FilterMessage *message,
                       struct local_ratelimit_config *config) {
    bool is_needed = config->is_per_connection;
    for (uint32_t i = 0; i < config->rate_count; i++) {
        is_needed = is_needed || config->rates[i].bucket == NULL;
    }
    if (!is_needed) {
        return;
    }
    uint32_t max = message->max_dynamic_descriptors == NULL
                       ? DEFAULT_DYNAMIC_DESCRIPTORS
                       : message->max_dynamic_descriptors->value;
    if (max == 0) {
        validation_field_error(context->validation, "max_dynamic_descriptors",
                               "value must be greater than 0");
        return;
    }
    config->cache = bucket_cache_new(config->is_per_connection ? MAX_CONNECTION_BUCKETS : max);
    config_part_on_free(context->part, free_cache, config->cache);
}

static struct header_ops parse_header_ops(struct filter_config_context *context, const char *field,
                                          Envoy__Config__Core__V3__HeaderValueOption *const *from,
                                          size_t count) {
    struct header_op *ops = ARENA_NEW_ARRAY(context->arena, count, struct header_op);
    validation_push(context->validation, field);
    for (size_t i = 0; i < count; i++) {
        validation_push_index(context->validation, (uint32_t)i);
        (void)context->decoders->header_op(context, &from[i]->base, &ops[i]);
        validation_pop(context->validation);
    }
    validation_pop(context->validation);
    return (struct header_ops){.add = ops, .add_count = (uint32_t)count};
}

static void parse_fraction(struct filter_config_context *context, const char *field,
                           const Envoy__Config__Core__V3__RuntimeFractionalPercent *message,
                           struct config_fraction *out) {
    if (message != NULL) {
        validation_push(context->validation, field);
        (void)context->decoders->fraction(context, &message->base, out);
        validation_pop(context->validation);
    }
}

static void parse_reply(struct filter_config_context *context, const FilterMessage *message,
                        struct local_ratelimit_config *config) {
    uint32_t status = message->status == NULL ? 0 : (uint32_t)message->status->code;
    config->status = status < 400 ? 429 : status;
    config->grpc_status = message->rate_limited_as_resource_exhausted ? 8 : -1;
    config->has_retry_after = message->enable_retry_after_header;
    config->has_ratelimit_headers =
        message->enable_x_ratelimit_headers ==
        ENVOY__EXTENSIONS__COMMON__RATELIMIT__V3__XRATE_LIMIT_HEADERS_RFCVERSION__DRAFT_VERSION_03;
    config->response_headers =
        parse_header_ops(context, "response_headers_to_add", message->response_headers_to_add,
                         message->n_response_headers_to_add);
    config->request_headers_when_not_enforced =
        parse_header_ops(context, "request_headers_to_add_when_not_enforced",
                         message->request_headers_to_add_when_not_enforced,
                         message->n_request_headers_to_add_when_not_enforced);
}

static void release_stats(void *scope) {
    stats_scope_unref(scope);
}

/* The message serves the filter and its route levels alike. */
static const void *parse(struct filter_config_context *context,
                         const struct ProtobufCMessage *base) {
    const FilterMessage *message = (const FilterMessage *)(const void *)base;
    struct local_ratelimit_config *config =
        ARENA_NEW(context->arena, struct local_ratelimit_config);
    config->is_per_connection = message->local_rate_limit_per_downstream_connection;
    config->always_consume_default = message->always_consume_default_token_bucket == NULL ||
                                     message->always_consume_default_token_bucket->value;
    config->stage = message->stage;
    config->vhost_limits = vhost_limits((int)message->vh_rate_limits);
    parse_fraction(context, "filter_enabled", message->filter_enabled, &config->enabled);
    parse_fraction(context, "filter_enforced", message->filter_enforced, &config->enforced);
    parse_default_bucket(context, message, config);
    parse_descriptors(context, message, config);
    parse_limits(context, message, config);
    parse_reply(context, message, config);
    make_cache(context, message, config);
    if (context->stats != NULL) {
        config->stats = stats_scope_get(
            context->stats,
            arena_printf(context->arena, "%s.http_local_rate_limit", message->stat_prefix),
            &local_ratelimit_stat_table);
        config_part_on_free(context->part, release_stats, config->stats);
    }
    return config;
}

static struct http_filter *create(const void *config, struct arena *arena, struct io_context *io) {
    (void)io;
    struct local_ratelimit_filter *filter = ARENA_NEW(arena, struct local_ratelimit_filter);
    filter->base.ops = &local_ratelimit_ops;
    filter->magic = LOCAL_RATELIMIT_MAGIC;
    filter->config = config;
    return &filter->base;
}

static const struct ledger_field filter_fields[] = {
    LEDGER_OK("stat_prefix"),
    LEDGER_OK("status"),
    LEDGER_OK("token_bucket"),
    LEDGER_OK("filter_enabled"),
    LEDGER_OK("filter_enforced"),
    LEDGER_OK("request_headers_to_add_when_not_enforced"),
    LEDGER_OK("response_headers_to_add"),
    LEDGER_OK("descriptors"),
    LEDGER_OK("local_rate_limit_per_downstream_connection"),
    LEDGER_OK("enable_x_ratelimit_headers"),
    LEDGER_OK("always_consume_default_token_bucket"),
    LEDGER_OK("rate_limited_as_resource_exhausted"),
    LEDGER_OK("rate_limits"),
    LEDGER_OK("max_dynamic_descriptors"),
    LEDGER_OK("enable_retry_after_header"),
    LEDGER_OK("stage"),
    LEDGER_OK("vh_rate_limits"),
    {"local_cluster_rate_limit", LEDGER_IGNORED, "the limit is not shared among proxies"},
};
static const struct ledger_field status_fields[] = {LEDGER_OK("code")};
static const struct ledger_field bucket_fields[] = {
    LEDGER_OK("max_tokens"),
    LEDGER_OK("tokens_per_fill"),
    LEDGER_OK("fill_interval"),
};
static const struct ledger_field descriptor_fields[] = {
    LEDGER_OK("entries"),
    LEDGER_OK("token_bucket"),
    LEDGER_OK("shadow_mode"),
};
static const struct ledger_field entry_fields[] = {LEDGER_OK("key"), LEDGER_OK("value")};
static const struct ledger_message ledger[] = {
    LEDGER_MESSAGE("envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
                   filter_fields),
    LEDGER_MESSAGE("envoy.type.v3.HttpStatus", status_fields),
    LEDGER_MESSAGE("envoy.type.v3.TokenBucket", bucket_fields),
    LEDGER_MESSAGE("envoy.extensions.common.ratelimit.v3.LocalRateLimitDescriptor",
                   descriptor_fields),
    LEDGER_MESSAGE("envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.Entry", entry_fields),
};

static const void *parse_route(struct filter_config_context *context,
                               const ProtobufCMessage *base) {
    if (((const FilterMessage *)(const void *)base)->token_bucket == NULL) {
        validation_error(context->validation,
                         "local rate limit token bucket must be set for per filter configs");
    }
    return parse(context, base);
}

const struct http_filter_factory local_ratelimit_http_filter_factory = {
    .name = "envoy.filters.http.local_ratelimit",
    .type_url = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
    .per_route_type_url = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
    .parse = parse,
    .parse_route = parse_route,
    .create = create,
    .ledger = ledger,
    .ledger_count = ARRAY_LEN(ledger),
};
