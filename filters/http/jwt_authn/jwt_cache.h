// SPDX-License-Identifier: Apache-2.0
/*
 * Tokens of one provider whose signature was found good, so that it need not be checked again; all
 * other checks are made each time. Bounded, the longest unused goes first. A token counts for the key
 * set that verified it, and for sets of the same text. One thread's.
 */
#ifndef FILTERS_HTTP_JWT_AUTHN_JWT_CACHE_H
#define FILTERS_HTTP_JWT_AUTHN_JWT_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/slice.h"

struct jwks;
struct jwt_cache;

struct jwt_cache *jwt_cache_new(uint32_t max_tokens, uint32_t max_token_bytes);
void jwt_cache_free(struct jwt_cache *cache); /* NULL allowed */
bool jwt_cache_has(struct jwt_cache *cache, const struct jwks *jwks, struct slice token);
void jwt_cache_add(struct jwt_cache *cache, struct jwks *jwks, struct slice token);
uint32_t jwt_cache_count(struct jwt_cache *cache);

#endif
