// SPDX-License-Identifier: Apache-2.0
#include "filters/http/jwt_authn/jwt_provider_config.h"

#include <stdlib.h>

#include "filters/http/jwt_authn/jwks_async.h"
#include "src/http/message.h"

enum {
    DEFAULT_SKEW_S = 60,
    DEFAULT_CACHE_S = 600,
    DEFAULT_CACHED_TOKENS = 100,
    DEFAULT_CACHED_TOKEN_BYTES = 4096,
    DEFAULT_RETRY_BASE_MS = 1000,
    DEFAULT_REFETCH_MS = 1000,
};

struct slice jwt_config_text(struct filter_config_context *context, const char *text) {
    return arena_dup_slice(context->arena, slice_from_string(text));
}

struct slice jwt_config_lower(struct filter_config_context *context, const char *text) {
    struct slice from = slice_from_string(text);
    uint8_t *lower = arena_alloc_bytes(context->arena, from.len + 1);
    for (size_t i = 0; i < from.len; i++) {
        lower[i] = ascii_lower(from.ptr[i]);
    }
    return slice_make(lower, from.len);
}

struct jwt_texts jwt_config_texts(struct filter_config_context *context, char *const *items,
                                  size_t count) {
    struct slice *texts = ARENA_NEW_ARRAY(context->arena, count + 1, struct slice);
    for (size_t i = 0; i < count; i++) {
        texts[i] = jwt_config_text(context, items[i]);
    }
    return (struct jwt_texts){.items = texts, .count = (uint32_t)count};
}

/* ---- places ---- */

static int compare_locations(const void *left, const void *right) {
    const struct jwt_location *a = left;
    const struct jwt_location *b = right;
    if (a->kind != b->kind) {
        return a->kind < b->kind ? -1 : 1;
    }
    int order = slice_compare(a->name, b->name);
    return order != 0 ? order : slice_compare(a->prefix, b->prefix);
}

static void parse_locations(struct filter_config_context *context, const JWT(JwtProvider) * message,
                            struct jwt_provider *provider) {
    size_t max = message->n_from_headers + message->n_from_params + message->n_from_cookies + 2;
    struct jwt_location *places = ARENA_NEW_ARRAY(context->arena, max, struct jwt_location);
    uint32_t count = 0;
    for (size_t i = 0; i < message->n_from_headers; i++) {
        places[count++] = (struct jwt_location){
            .kind = JWT_IN_HEADER,
            .name = jwt_config_lower(context, message->from_headers[i]->name),
            .prefix = jwt_config_text(context, message->from_headers[i]->value_prefix)};
    }
    for (size_t i = 0; i < message->n_from_params; i++) {
        places[count++] = (struct jwt_location){
            .kind = JWT_IN_PARAM, .name = jwt_config_text(context, message->from_params[i])};
    }
    for (size_t i = 0; i < message->n_from_cookies; i++) {
        places[count++] = (struct jwt_location){
            .kind = JWT_IN_COOKIE, .name = jwt_config_text(context, message->from_cookies[i])};
    }
    if (count == 0) {
        places[count++] = (struct jwt_location){
            .kind = JWT_IN_HEADER, .name = SLICE("authorization"), .prefix = SLICE("Bearer ")};
        places[count++] =
            (struct jwt_location){.kind = JWT_IN_PARAM, .name = SLICE("access_token")};
    }
    qsort(places, count, sizeof(places[0]), compare_locations);
    for (uint32_t i = 0; i < count; i++) {
        places[i].allows_any_issuer = provider->issuer.len == 0;
        places[i].issuers = (struct jwt_texts){.items = &provider->issuer, .count = 1};
    }
    provider->extractor = (struct jwt_extractor){.locations = places, .count = count};
}

static void join_place(struct filter_config_context *context, struct jwt_location *to,
                       const struct jwt_location *from) {
    struct slice *issuers = ARENA_NEW_ARRAY(context->arena, to->issuers.count + 1, struct slice);
    memcpy(issuers, to->issuers.items, to->issuers.count * sizeof(issuers[0]));
    issuers[to->issuers.count] = from->issuers.items[0];
    to->issuers = (struct jwt_texts){.items = issuers, .count = to->issuers.count + 1};
    to->allows_any_issuer = to->allows_any_issuer || from->allows_any_issuer;
}

void jwt_join_extractors(struct filter_config_context *context, struct jwt_authn_config *config) {
    uint32_t max = 0, count = 0;
    for (uint32_t i = 0; i < config->provider_count; i++) {
        max += config->providers[i].extractor.count;
    }
    struct jwt_location *places = ARENA_NEW_ARRAY(context->arena, max + 1, struct jwt_location);
    for (uint32_t i = 0; i < config->provider_count; i++) {
        const struct jwt_extractor *own = &config->providers[i].extractor;
        for (uint32_t j = 0; j < own->count; j++) {
            uint32_t at = 0;
            while (at < count && compare_locations(&places[at], &own->locations[j]) != 0) {
                at++;
            }
            if (at < count) {
                join_place(context, &places[at], &own->locations[j]);
            } else {
                places[count++] = own->locations[j];
            }
        }
    }
    if (count > 1) {
        qsort(places, count, sizeof(places[0]), compare_locations);
    }
    config->extractor = (struct jwt_extractor){.locations = places, .count = count};
}

/* ---- key sets ---- */

static void free_source(void *source) {
    jwks_source_free(source);
}

static void parse_local(struct filter_config_context *context,
                        const Envoy__Config__Core__V3__DataSource *message,
                        struct jwt_provider *provider) {
    struct slice text;
    struct jwks *jwks;
    validation_push(context->validation, "local_jwks");
    if (context->decoders->data_source(context, &message->base, &text)) {
        enum jwt_status status = jwks_parse(text, &jwks);
        if (status == JWT_OK) {
            provider->keys = jwks_source_new_local(jwks);
            config_part_on_free(context->part, free_source, provider->keys);
        } else {
            validation_error(context->validation,
                             "Provider '%.*s' in jwt_authn config has invalid local jwks: %.*s",
                             SLICE_ARG(provider->name), SLICE_ARG(jwt_status_text(status)));
        }
    }
    validation_pop(context->validation);
}

/* scheme://authority/path; false for anything else. */
static bool split_uri(struct slice uri, struct jwks_remote *remote) {
    size_t at = slice_find(uri, SLICE("://"));
    if (at == SIZE_MAX) {
        return false;
    }
    remote->scheme = slice_sub(uri, 0, at);
    struct slice rest = slice_sub(uri, at + 3, uri.len);
    size_t slash = slice_find_byte(rest, '/');
    remote->authority = slash == SIZE_MAX ? rest : slice_sub(rest, 0, slash);
    remote->path = slash == SIZE_MAX ? SLICE("/") : slice_sub(rest, slash, rest.len);
    return (slice_equal(remote->scheme, SLICE("http")) ||
            slice_equal(remote->scheme, SLICE("https"))) &&
           http_is_authority(remote->authority) && http_is_target(remote->path, false);
}

static uint32_t duration_or(struct filter_config_context *context, const char *field,
                            const Google__Protobuf__Duration *message, uint32_t absent_ms) {
    uint32_t ms = absent_ms;
    if (message != NULL) {
        validation_push(context->validation, field);
        (void)context->decoders->duration_ms(context, &message->base, &ms);
        validation_pop(context->validation);
    }
    return ms;
}

static void parse_retries(struct filter_config_context *context,
                          const Envoy__Config__Core__V3__RetryPolicy *message,
                          struct http_call_retry *retry) {
    retry->is_set = true;
    retry->max = message->num_retries == NULL ? 1 : message->num_retries->value;
    retry->base_ms = DEFAULT_RETRY_BASE_MS;
    retry->max_ms = 10 * DEFAULT_RETRY_BASE_MS;
    if (message->retry_back_off == NULL) {
        return;
    }
    validation_push(context->validation, "retry_back_off");
    retry->base_ms = duration_or(context, "base_interval", message->retry_back_off->base_interval,
                                 DEFAULT_RETRY_BASE_MS);
    uint64_t max_ms = (uint64_t)retry->base_ms * 10;
    retry->max_ms = duration_or(context, "max_interval", message->retry_back_off->max_interval,
                                max_ms < UINT32_MAX ? (uint32_t)max_ms : UINT32_MAX);
    if (retry->max_ms < retry->base_ms) {
        validation_error(context->validation,
                         "max_interval must be greater than or equal to the base_interval");
    }
    validation_pop(context->validation);
}

static void add_async_fetch(struct filter_config_context *context,
                            const JWT(JwksAsyncFetch) * message,
                            const struct jwt_provider *provider) {
    validation_push(context->validation, "async_fetch");
    struct jwks_async_options options = {
        .part = context->part,
        .store = context->store,
        .source = provider->keys,
        .is_awaited = !message->fast_listener,
        .failed_refetch_ms = duration_or(context, "failed_refetch_duration",
                                         message->failed_refetch_duration, DEFAULT_REFETCH_MS),
    };
    validation_pop(context->validation);
    jwks_async_add(&options);
}

static void parse_remote(struct filter_config_context *context,
                         const struct jwt_authn_config *config, const JWT(RemoteJwks) * message,
                         struct jwt_provider *provider) {
    const Envoy__Config__Core__V3__HttpUri *uri = message->http_uri;
    struct jwks_remote remote = {.stats = config->stats,
                                 .stat_success = JWT_AUTHN_JWKS_FETCH_SUCCESS,
                                 .stat_failed = JWT_AUTHN_JWKS_FETCH_FAILED};
    if (uri == NULL) {
        validation_field_error(context->validation, "http_uri", "value is required");
        return;
    }
    if (!split_uri(jwt_config_text(context, uri->uri), &remote)) {
        validation_error(context->validation, "Provider '%.*s' has an invalid URI: '%s'",
                         SLICE_ARG(provider->name), uri->uri);
        return;
    }
    remote.cluster_slot = filter_config_cluster(context, slice_from_string(uri->cluster));
    remote.timeout_ms = duration_or(context, "timeout", uri->timeout, 1000);
    remote.cache_ms =
        duration_or(context, "cache_duration", message->cache_duration, DEFAULT_CACHE_S * 1000);
    if (message->retry_policy != NULL) {
        validation_push(context->validation, "retry_policy");
        parse_retries(context, message->retry_policy, &remote.retry);
        validation_pop(context->validation);
    }
    provider->keys = jwks_source_new_remote(&remote, config_store_threads(context->store));
    config_part_on_free(context->part, free_source, provider->keys);
    if (message->async_fetch != NULL) {
        add_async_fetch(context, message->async_fetch, provider);
    }
}

/* ---- the rest ---- */

static void free_caches(void *arg) {
    const struct jwt_provider *provider = arg;
    for (uint32_t i = 0; i < provider->cache_count; i++) {
        jwt_cache_free(provider->caches[i]);
    }
}

static void parse_cache(struct filter_config_context *context, const JWT(JwtCacheConfig) * message,
                        struct jwt_provider *provider) {
    uint32_t size = message->jwt_cache_size == 0 ? DEFAULT_CACHED_TOKENS : message->jwt_cache_size;
    uint32_t bytes =
        message->jwt_max_token_size == 0 ? DEFAULT_CACHED_TOKEN_BYTES : message->jwt_max_token_size;
    uint32_t threads = config_store_threads(context->store);
    provider->caches = ARENA_NEW_ARRAY(context->arena, threads, struct jwt_cache *);
    provider->cache_count = threads;
    for (uint32_t i = 0; i < threads; i++) {
        provider->caches[i] = jwt_cache_new(size, bytes);
    }
    config_part_on_free(context->part, free_caches, provider);
}

static struct jwt_texts split_claim(struct filter_config_context *context, const char *name) {
    struct slice rest = jwt_config_text(context, name), part;
    uint32_t count = 0;
    struct slice *parts = ARENA_NEW_ARRAY(context->arena, rest.len + 1, struct slice);
    while (slice_split(&rest, '.', &part)) {
        parts[count++] = part;
    }
    return (struct jwt_texts){.items = parts, .count = count};
}

static void parse_claims(struct filter_config_context *context, const JWT(JwtProvider) * message,
                         struct jwt_provider *provider) {
    size_t count = message->n_claim_to_headers;
    struct jwt_claim_header *out =
        ARENA_NEW_ARRAY(context->arena, count + 1, struct jwt_claim_header);
    validation_push(context->validation, "claim_to_headers");
    for (size_t i = 0; i < count; i++) {
        const JWT(JwtClaimToHeader) *from = message->claim_to_headers[i];
        out[i].header = jwt_config_lower(context, from->header_name);
        if (from->n_claim_path > 0) {
            char **keys = ARENA_NEW_ARRAY(context->arena, from->n_claim_path, char *);
            for (size_t j = 0; j < from->n_claim_path; j++) {
                keys[j] = from->claim_path[j]->key;
            }
            out[i].path = jwt_config_texts(context, keys, from->n_claim_path);
        } else {
            out[i].path = split_claim(context, from->claim_name);
        }
        if (out[i].path.count == 0 || !http_is_token(out[i].header)) {
            validation_push_index(context->validation, (uint32_t)i);
            validation_error(context->validation, "header_name and claim_name are required");
            validation_pop(context->validation);
        }
    }
    validation_pop(context->validation);
    provider->claim_headers = out;
    provider->claim_header_count = (uint32_t)count;
}

static void parse_lifetime(const JWT(JwtProvider) * message, struct jwt_provider *provider) {
    provider->has_max_lifetime = message->require_expiration || message->max_lifetime != NULL;
    provider->max_lifetime_s = UINT64_MAX;
    if (message->max_lifetime != NULL) {
        int64_t seconds = message->max_lifetime->seconds;
        bool has_more = message->max_lifetime->nanos > 0;
        provider->max_lifetime_s = seconds < 0 ? 0 : (uint64_t)seconds + (has_more ? 1 : 0);
    }
}

static void parse_checks(struct filter_config_context *context, const JWT(JwtProvider) * message,
                         struct jwt_provider *provider) {
    struct jwt_texts audiences =
        jwt_config_texts(context, message->audiences, message->n_audiences);
    struct slice *trimmed = ARENA_NEW_ARRAY(context->arena, audiences.count + 1, struct slice);
    for (uint32_t i = 0; i < audiences.count; i++) {
        trimmed[i] = jwt_audience_trim(audiences.items[i]);
    }
    provider->audiences = (struct jwt_texts){.items = trimmed, .count = audiences.count};
    if (message->subjects != NULL) {
        struct string_matcher *subject = ARENA_NEW(context->arena, struct string_matcher);
        validation_push(context->validation, "subjects");
        (void)context->decoders->string_matcher(context, &message->subjects->base, subject);
        validation_pop(context->validation);
        provider->subject = subject;
    }
    provider->clock_skew_s =
        message->clock_skew_seconds == 0 ? DEFAULT_SKEW_S : message->clock_skew_seconds;
    parse_lifetime(message, provider);
}

static void parse_outputs(struct filter_config_context *context, const JWT(JwtProvider) * message,
                          struct jwt_provider *provider) {
    provider->forwards_token = message->forward;
    provider->pads_payload_header = message->pad_forward_payload_header;
    provider->clears_route = message->clear_route_cache;
    provider->payload_header = jwt_config_lower(context, message->forward_payload_header);
    provider->payload_in_metadata = jwt_config_text(context, message->payload_in_metadata);
    provider->header_in_metadata = jwt_config_text(context, message->header_in_metadata);
    provider->failure_in_metadata = jwt_config_text(context, message->failed_status_in_metadata);
    if (message->normalize_payload_in_metadata != NULL) {
        provider->space_delimited = jwt_config_texts(
            context, message->normalize_payload_in_metadata->space_delimited_claims,
            message->normalize_payload_in_metadata->n_space_delimited_claims);
    }
    parse_claims(context, message, provider);
}

void jwt_parse_provider(struct filter_config_context *context,
                        const struct jwt_authn_config *config, const JWT(JwtProvider) * message,
                        struct jwt_provider *provider) {
    provider->issuer = jwt_config_text(context, message->issuer);
    parse_locations(context, message, provider);
    parse_checks(context, message, provider);
    parse_outputs(context, message, provider);
    if (message->jwt_cache_config != NULL) {
        parse_cache(context, message->jwt_cache_config, provider);
    }
    switch ((int)message->jwks_source_specifier_case) {
    case ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__JWT_PROVIDER__JWKS_SOURCE_SPECIFIER_LOCAL_JWKS:
        parse_local(context, message->local_jwks, provider);
        break;
    case ENVOY__EXTENSIONS__FILTERS__HTTP__JWT_AUTHN__V3__JWT_PROVIDER__JWKS_SOURCE_SPECIFIER_REMOTE_JWKS:
        validation_push(context->validation, "remote_jwks");
        parse_remote(context, config, message->remote_jwks, provider);
        validation_pop(context->validation);
        break;
    default:
        validation_error(context->validation, "jwks_source_specifier: value is required");
        break;
    }
}
