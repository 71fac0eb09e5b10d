// SPDX-License-Identifier: Apache-2.0
#include "filters/http/jwt_authn/jwt_cache.h"

#include "filters/http/jwt_authn/jwks.h"
#include "src/base/hash_map.h"
#include "src/base/list.h"

struct cached_token {
    struct list_node node; /* in order of use, latest first */
    size_t len;
    uint8_t text[];
};

struct jwt_cache {
    struct jwks *jwks; /* under which all tokens here were verified; NULL: none yet */
    struct hash_map map;
    struct list_node used;
    uint32_t count, max_tokens, max_token_bytes;
};

struct jwt_cache *jwt_cache_new(uint32_t max_tokens, uint32_t max_token_bytes) {
    struct jwt_cache *cache = mem_calloc(1, sizeof(*cache));
    hash_map_init(&cache->map);
    list_init(&cache->used);
    cache->max_tokens = max_tokens;
    cache->max_token_bytes = max_token_bytes;
    return cache;
}

static void drop(struct jwt_cache *cache, struct cached_token *token) {
    (void)hash_map_remove(&cache->map, slice_make(token->text, token->len));
    list_remove(&token->node);
    cache->count--;
    mem_free(token);
}

static void clear(struct jwt_cache *cache) {
    while (!list_is_empty(&cache->used)) {
        drop(cache, LIST_ENTRY(cache->used.next, struct cached_token, node));
    }
}

void jwt_cache_free(struct jwt_cache *cache) {
    if (cache == NULL) {
        return;
    }
    clear(cache);
    jwks_unref(cache->jwks);
    hash_map_deinit(&cache->map);
    mem_free(cache);
}

static bool is_same_set(const struct jwt_cache *cache, const struct jwks *jwks) {
    return cache->jwks == jwks ||
           (cache->jwks != NULL && slice_equal(jwks_text(cache->jwks), jwks_text(jwks)));
}

bool jwt_cache_has(struct jwt_cache *cache, const struct jwks *jwks, struct slice text) {
    struct cached_token *token = is_same_set(cache, jwks) ? hash_map_get(&cache->map, text) : NULL;
    if (token != NULL) {
        list_remove(&token->node);
        list_push_front(&cache->used, &token->node);
    }
    return token != NULL;
}

static void add(struct jwt_cache *cache, struct slice text) {
    while (cache->count >= cache->max_tokens) {
        drop(cache, LIST_ENTRY(cache->used.prev, struct cached_token, node));
    }
    struct cached_token *token = mem_calloc(1, sizeof(*token) + text.len);
    token->len = text.len;
    memcpy(token->text, text.ptr, text.len);
    (void)hash_map_put(&cache->map, slice_make(token->text, token->len), token);
    list_push_front(&cache->used, &token->node);
    cache->count++;
}

void jwt_cache_add(struct jwt_cache *cache, struct jwks *jwks, struct slice text) {
    if (text.len > cache->max_token_bytes || cache->max_tokens == 0) {
        return;
    }
    if (!is_same_set(cache, jwks)) {
        clear(cache);
        jwks_unref(cache->jwks);
        cache->jwks = jwks_ref(jwks);
    }
    if (hash_map_get(&cache->map, text) == NULL) {
        add(cache, text);
    }
}

uint32_t jwt_cache_count(struct jwt_cache *cache) {
    return cache->count;
}
