// SPDX-License-Identifier: Apache-2.0
#include "filters/http/local_ratelimit/bucket_cache.h"

#include <pthread.h>
#include <string.h>

#include "src/base/check.h"
#include "src/base/hash_map.h"
#include "src/base/list.h"

struct cached_bucket {
    struct list_node node; /* in order of use, latest first */
    struct token_bucket bucket;
    size_t key_len;
    uint8_t key[];
};

struct bucket_cache {
    pthread_mutex_t lock;
    struct hash_map map;
    struct list_node used;
    uint32_t count, max_buckets;
};

struct bucket_cache *bucket_cache_new(uint32_t max_buckets) {
    struct bucket_cache *cache = mem_calloc(1, sizeof(*cache));
    CHECK(pthread_mutex_init(&cache->lock, NULL) == 0);
    hash_map_init(&cache->map);
    list_init(&cache->used);
    cache->max_buckets = max_buckets;
    return cache;
}

static void drop(struct bucket_cache *cache, struct cached_bucket *bucket) {
    (void)hash_map_remove(&cache->map, slice_make(bucket->key, bucket->key_len));
    list_remove(&bucket->node);
    cache->count--;
    mem_free(bucket);
}

void bucket_cache_free(struct bucket_cache *cache) {
    if (cache == NULL) {
        return;
    }
    while (!list_is_empty(&cache->used)) {
        drop(cache, LIST_ENTRY(cache->used.next, struct cached_bucket, node));
    }
    hash_map_deinit(&cache->map);
    (void)pthread_mutex_destroy(&cache->lock);
    mem_free(cache);
}

static struct cached_bucket *find_or_add(struct bucket_cache *cache, struct slice key) {
    struct cached_bucket *bucket = hash_map_get(&cache->map, key);
    if (bucket != NULL) {
        list_remove(&bucket->node);
        list_push_front(&cache->used, &bucket->node);
        return bucket;
    }
    while (cache->count >= cache->max_buckets && cache->count > 0) {
        drop(cache, LIST_ENTRY(cache->used.prev, struct cached_bucket, node));
    }
    bucket = mem_calloc(1, sizeof(*bucket) + key.len);
    token_bucket_init(&bucket->bucket);
    bucket->key_len = key.len;
    memcpy(bucket->key, key.ptr, key.len);
    (void)hash_map_put(&cache->map, slice_make(bucket->key, key.len), bucket);
    list_push_front(&cache->used, &bucket->node);
    cache->count++;
    return bucket;
}

bool bucket_cache_consume(struct bucket_cache *cache, struct slice key,
                          const struct token_rate *rate, uint64_t now_us, double tokens,
                          struct token_view *view) {
    CHECK(pthread_mutex_lock(&cache->lock) == 0);
    struct cached_bucket *bucket = find_or_add(cache, key);
    bool is_taken = token_bucket_consume(&bucket->bucket, rate, now_us, tokens);
    token_bucket_view(&bucket->bucket, rate, now_us, view);
    CHECK(pthread_mutex_unlock(&cache->lock) == 0);
    return is_taken;
}

uint32_t bucket_cache_count(struct bucket_cache *cache) {
    CHECK(pthread_mutex_lock(&cache->lock) == 0);
    uint32_t count = cache->count;
    CHECK(pthread_mutex_unlock(&cache->lock) == 0);
    return count;
}
