// SPDX-License-Identifier: Apache-2.0
#include "src/tls/tls_session_cache.h"

#include "src/base/check.h"

struct cached_session {
    struct list_node node;
    SSL_SESSION *session;
    struct slice key; /* behind the struct */
};

void tls_session_cache_init(struct tls_session_cache *cache, uint32_t max) {
    CHECK(pthread_mutex_init(&cache->lock, NULL) == 0);
    list_init(&cache->entries);
    cache->count = 0;
    cache->max = max;
}

static void drop(struct tls_session_cache *cache, struct cached_session *entry) {
    list_remove(&entry->node);
    cache->count--;
    SSL_SESSION_free(entry->session);
    mem_free(entry);
}

void tls_session_cache_deinit(struct tls_session_cache *cache) {
    LIST_FOR_EACH_SAFE (node, &cache->entries) {
        drop(cache, LIST_ENTRY(node, struct cached_session, node));
    }
    (void)pthread_mutex_destroy(&cache->lock);
}

bool tls_session_cache_put(struct tls_session_cache *cache, struct slice key,
                           SSL_SESSION *session) {
    if (cache->max == 0) {
        return false;
    }
    struct cached_session *entry = mem_alloc(sizeof(*entry) + key.len);
    uint8_t *copy = (uint8_t *)(entry + 1);
    list_init(&entry->node);
    entry->session = session;
    if (key.len > 0) {
        memcpy(copy, key.ptr, key.len);
    }
    entry->key = slice_make(copy, key.len);
    (void)pthread_mutex_lock(&cache->lock);
    list_push_front(&cache->entries, &entry->node);
    cache->count++;
    while (cache->count > cache->max) {
        drop(cache, LIST_ENTRY(cache->entries.prev, struct cached_session, node));
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return true;
}

SSL_SESSION *tls_session_cache_get(struct tls_session_cache *cache, struct slice key) {
    SSL_SESSION *found = NULL;

    if (cache->max == 0) {
        return NULL;
    }
    (void)pthread_mutex_lock(&cache->lock);
    LIST_FOR_EACH (node, &cache->entries) {
        struct cached_session *entry = LIST_ENTRY(node, struct cached_session, node);
        if (slice_equal(entry->key, key)) {
            found = entry->session;
            (void)SSL_SESSION_up_ref(found);
            // RFC 8446 §C.4: a ticket used twice ties two connections together.
            if (SSL_SESSION_should_be_single_use(found)) {
                drop(cache, entry);
            }
            break;
        }
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return found;
}
