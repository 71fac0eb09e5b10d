// SPDX-License-Identifier: Apache-2.0
/*
 * Judges one request by its requirement. Changes nothing of the request: what a good token brings about
 * is noted, and made true by jwt_effects_apply once the whole is satisfied. Where a key set is missing
 * the verdict is JWT_PENDING, and the judgement is made again from the start when it came.
 */
#ifndef FILTERS_HTTP_JWT_AUTHN_JWT_VERIFY_H
#define FILTERS_HTTP_JWT_AUTHN_JWT_VERIFY_H

#include "filters/http/jwt_authn/jwt_extract.h"

struct jwt_effect {
    struct slice name, value;           /* header to add */
    const struct jwt_location *removed; /* or the place to clear; NULL: none */
    struct jwt_effect *next;
};

struct jwt_judgement {
    const struct jwt_authn_config *config;
    const struct header_map *headers;
    struct stream_info *info;
    struct arena *arena;
    uint64_t now_s;  /* wall clock */
    uint32_t thread; /* index of the io_context */
    /* The provider's keys, good until the end of the judgement, or why there are none: JWT_PENDING, or for good. */
    enum jwt_status (*keys)(void *arg, const struct jwt_provider *provider, struct jwks **jwks);
    void *arg;
    /* out */
    struct jwt_taken *taken;
    struct jwt_effect *effects, **tail;
    uint32_t cache_hits, cache_misses;
    bool clears_route;
};

void jwt_judgement_init(struct jwt_judgement *judgement);
enum jwt_status jwt_judge(struct jwt_judgement *judgement,
                          const struct jwt_requirement *requirement);
void jwt_effects_apply(const struct jwt_judgement *judgement, struct header_map *headers);

/* What a good token leaves behind (jwt_output.c). */
enum jwt_status jwt_note_token(struct jwt_judgement *judgement, const struct jwt_provider *provider,
                               const struct jwt_token *token);
void jwt_note_failure(struct jwt_judgement *judgement, const struct jwt_provider *provider,
                      enum jwt_status status);
void jwt_note_header(struct jwt_judgement *judgement, struct slice name, struct slice value);

#endif
