// SPDX-License-Identifier: Apache-2.0
#include "filters/http/jwt_authn/jwt_verify.h"

#include "src/base/check.h"

/* How one requirement looks at the tokens of its places. */
struct inspection {
    struct jwt_judgement *judgement;
    const struct jwt_provider *provider; /* NULL: found by the token's issuer */
    const struct jwt_texts *audiences;   /* NULL: the provider's */
    bool allows_failed;
};

void jwt_judgement_init(struct jwt_judgement *judgement) {
    judgement->tail = &judgement->effects;
}

struct slice jwt_audience_trim(struct slice audience) {
    static const struct slice schemes[] = {SLICE_INIT("http://"), SLICE_INIT("https://")};
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        if (slice_starts_with(audience, schemes[i])) {
            audience = slice_sub(audience, schemes[i].len, audience.len);
            break;
        }
    }
    if (slice_ends_with(audience, SLICE("/"))) {
        audience.len--;
    }
    return audience;
}

static bool has_audience(const struct jwt_texts *allowed, const json_t *audience) {
    struct slice text = jwt_audience_trim(jwt_json_text(audience));
    for (uint32_t i = 0; i < allowed->count; i++) {
        if (slice_equal(allowed->items[i], text)) {
            return true;
        }
    }
    return false;
}

static bool audiences_allowed(const struct jwt_texts *allowed, const json_t *audiences) {
    if (allowed->count == 0) {
        return true;
    }
    if (json_is_string(audiences)) {
        return has_audience(allowed, audiences);
    }
    for (size_t i = 0; i < json_array_size(audiences); i++) {
        if (has_audience(allowed, json_array_get(audiences, i))) {
            return true;
        }
    }
    return false;
}

/* The first of that issuer, else the first that takes any. */
static const struct jwt_provider *find_provider(const struct jwt_authn_config *config,
                                                struct slice issuer) {
    const struct jwt_provider *any = NULL;
    for (uint32_t i = 0; i < config->provider_count; i++) {
        const struct jwt_provider *provider = &config->providers[i];
        if (slice_equal(provider->issuer, issuer)) {
            return provider;
        }
        if (any == NULL && provider->issuer.len == 0) {
            any = provider;
        }
    }
    return any;
}

static bool lifetime_allowed(const struct jwt_provider *provider, const struct jwt_token *token,
                             uint64_t now_s) {
    if (!provider->has_max_lifetime) {
        return true;
    }
    return token->has_expiration &&
           (token->expiration_s <= now_s || token->expiration_s - now_s < provider->max_lifetime_s);
}

static enum jwt_status check_claims(const struct inspection *inspection,
                                    const struct jwt_provider *provider,
                                    const struct jwt_token *token) {
    uint64_t now_s = inspection->judgement->now_s;
    enum jwt_status status = jwt_token_check_time(token, now_s, provider->clock_skew_s);
    if (status != JWT_OK) {
        return status;
    }
    const struct jwt_texts *audiences =
        inspection->audiences != NULL ? inspection->audiences : &provider->audiences;
    if (!audiences_allowed(audiences, token->audiences)) {
        return JWT_AUDIENCE_NOT_ALLOWED;
    }
    if (provider->subject != NULL && !string_matcher_matches(provider->subject, token->subject)) {
        return JWT_VERIFICATION_FAILED;
    }
    return lifetime_allowed(provider, token, now_s) ? JWT_OK : JWT_VERIFICATION_FAILED;
}

/* Verified tokens are remembered for a provider that was named, as Envoy does. */
static enum jwt_status check_signature(const struct inspection *inspection,
                                       const struct jwt_provider *provider,
                                       const struct jwt_token *token) {
    struct jwt_judgement *judgement = inspection->judgement;
    struct jwt_cache *cache = inspection->provider == NULL || provider->caches == NULL
                                  ? NULL
                                  : provider->caches[judgement->thread];
    struct jwks *jwks = NULL;
    enum jwt_status status = judgement->keys(judgement->arg, provider, &jwks);
    if (status != JWT_OK) {
        return status;
    }
    if (cache != NULL && jwt_cache_has(cache, jwks, token->text)) {
        judgement->cache_hits++;
        judgement->cache_misses--;
    } else {
        status = jwks_verify(jwks, token);
        if (status == JWT_OK && cache != NULL) {
            jwt_cache_add(cache, jwks, token->text);
        }
    }
    return status;
}

static enum jwt_status judge_parsed(const struct inspection *inspection,
                                    const struct jwt_found *found, const struct jwt_token *token,
                                    const struct jwt_provider **provider) {
    if (!jwt_location_allows(found->location, token->issuer)) {
        return JWT_UNKNOWN_ISSUER;
    }
    if (*provider == NULL) {
        *provider = find_provider(inspection->judgement->config, token->issuer);
    }
    if (*provider == NULL) {
        return JWT_UNKNOWN_ISSUER;
    }
    enum jwt_status status = check_claims(inspection, *provider, token);
    return status == JWT_OK ? check_signature(inspection, *provider, token) : status;
}

static void take(struct jwt_judgement *judgement, const struct jwt_location *location) {
    struct jwt_taken *taken = ARENA_NEW(judgement->arena, struct jwt_taken);
    *taken = (struct jwt_taken){.location = location, .next = judgement->taken};
    if (location->kind != JWT_IN_COOKIE) {
        judgement->taken = taken;
    }
    struct jwt_effect *effect = ARENA_NEW(judgement->arena, struct jwt_effect);
    effect->removed = location;
    *judgement->tail = effect;
    judgement->tail = &effect->next;
}

static enum jwt_status judge_token(const struct inspection *inspection,
                                   const struct jwt_found *found) {
    struct jwt_judgement *judgement = inspection->judgement;
    const struct jwt_provider *provider = inspection->provider;
    struct jwt_token token;
    /* Each token counts, even one that is refused before it is looked up. */
    judgement->cache_misses += provider != NULL;
    enum jwt_status status = jwt_token_parse(&token, found->text, judgement->arena);
    if (status == JWT_OK) {
        status = judge_parsed(inspection, found, &token, &provider);
    }
    if (status == JWT_OK) {
        status = jwt_note_token(judgement, provider, &token);
    }
    if (status == JWT_OK && !provider->forwards_token) {
        take(judgement, found->location);
    }
    if (status != JWT_OK && status != JWT_PENDING && provider != NULL) {
        jwt_note_failure(judgement, provider, status);
    }
    jwt_token_deinit(&token);
    return status;
}

/* All tokens must be good, lest the origin take a bad one for one that was checked; where failure is
 * allowed all are looked at, for what the good ones bring. */
static enum jwt_status inspect(const struct inspection *inspection,
                               const struct jwt_extractor *extractor) {
    struct jwt_judgement *judgement = inspection->judgement;
    uint32_t count = 0;
    const struct jwt_found *found =
        jwt_extract(extractor, judgement->headers, judgement->taken, judgement->arena, &count);
    if (count > JWT_MAX_TOKENS) {
        return JWT_MULTIPLE_TOKENS;
    }
    if (found == NULL) {
        return JWT_MISSING;
    }
    enum jwt_status verdict = JWT_OK;
    for (; found != NULL; found = found->previous) {
        enum jwt_status status = judge_token(inspection, found);
        if (status == JWT_PENDING || (status != JWT_OK && !inspection->allows_failed)) {
            return status;
        }
        verdict = status != JWT_OK ? status : verdict;
    }
    return verdict;
}

static enum jwt_status judge_provider(struct jwt_judgement *judgement,
                                      const struct jwt_requirement *requirement) {
    struct inspection inspection = {
        .judgement = judgement,
        .provider = requirement->provider,
        .audiences = requirement->has_audiences ? &requirement->audiences : NULL,
    };
    return inspect(&inspection, &requirement->provider->extractor);
}

static enum jwt_status judge_any_issuer(struct jwt_judgement *judgement,
                                        const struct jwt_requirement *requirement) {
    struct inspection inspection = {
        .judgement = judgement,
        .allows_failed = requirement->kind != JWT_ALLOW_MISSING,
    };
    enum jwt_status status = inspect(&inspection, &judgement->config->extractor);
    if (status == JWT_PENDING || status == JWT_OK || status == JWT_MISSING) {
        return status == JWT_PENDING ? JWT_PENDING : JWT_OK;
    }
    if (requirement->status_header.len > 0) {
        jwt_note_header(judgement, requirement->status_header, SLICE("false"));
    }
    return inspection.allows_failed ? JWT_OK : status;
}

/* Of the reasons of several, one that is about a token of the right issuer tells most. */
static enum jwt_status judge_any(struct jwt_judgement *judgement,
                                 const struct jwt_requirement *requirement) {
    enum jwt_status verdict = JWT_MISSING;
    bool is_pending = false;
    for (uint32_t i = 0; i < requirement->child_count; i++) {
        enum jwt_status status = jwt_judge(judgement, &requirement->children[i]);
        if (status == JWT_OK) {
            return JWT_OK;
        }
        is_pending = is_pending || status == JWT_PENDING;
        if (verdict == JWT_MISSING || (status != JWT_MISSING && status != JWT_UNKNOWN_ISSUER)) {
            verdict = status;
        }
    }
    if (is_pending) {
        return JWT_PENDING;
    }
    bool is_allowed =
        requirement->allows_failed || (requirement->allows_missing && verdict == JWT_MISSING);
    return is_allowed ? JWT_OK : verdict;
}

/* Goes on past a child that waits, so that all key sets are asked for at once. */
static enum jwt_status judge_all(struct jwt_judgement *judgement,
                                 const struct jwt_requirement *requirement) {
    enum jwt_status verdict = JWT_OK;
    for (uint32_t i = 0; i < requirement->child_count; i++) {
        enum jwt_status status = jwt_judge(judgement, &requirement->children[i]);
        if (status == JWT_PENDING) {
            verdict = JWT_PENDING;
        } else if (status != JWT_OK) {
            return status;
        }
    }
    return verdict;
}

enum jwt_status jwt_judge(struct jwt_judgement *judgement,
                          const struct jwt_requirement *requirement) {
    switch (requirement->kind) {
    case JWT_REQUIRE_NOTHING:
        return JWT_OK;
    case JWT_REQUIRE_PROVIDER:
        return judge_provider(judgement, requirement);
    case JWT_REQUIRE_ANY:
        return judge_any(judgement, requirement);
    case JWT_REQUIRE_ALL:
        return judge_all(judgement, requirement);
    case JWT_ALLOW_MISSING:
    case JWT_ALLOW_MISSING_OR_FAILED:
    case JWT_EXTRACT_ONLY:
        break;
    }
    return judge_any_issuer(judgement, requirement);
}

void jwt_effects_apply(const struct jwt_judgement *judgement, struct header_map *headers) {
    for (const struct jwt_effect *effect = judgement->effects; effect != NULL;
         effect = effect->next) {
        if (effect->removed != NULL) {
            jwt_remove(effect->removed, headers);
        } else {
            header_map_append_name(headers, effect->name, effect->value);
        }
    }
}
