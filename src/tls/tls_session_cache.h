// SPDX-License-Identifier: Apache-2.0
/*
 * The sessions that a client context may resume, newest first, keyed by what the connection asked for
 * (server name and required name), so that no session is offered to another peer. Shared by all
 * workers under a lock that is held for list operations only.
 */
#ifndef SRC_TLS_TLS_SESSION_CACHE_H
#define SRC_TLS_TLS_SESSION_CACHE_H

#include <openssl/ssl.h>
#include <pthread.h>

#include "src/base/list.h"
#include "src/base/slice.h"

struct tls_session_cache {
    pthread_mutex_t lock;
    struct list_node entries;
    uint32_t count;
    uint32_t max; /* 0: nothing is kept */
};

void tls_session_cache_init(struct tls_session_cache *cache, uint32_t max);
void tls_session_cache_deinit(struct tls_session_cache *cache);
/* Takes `session` where it returns true. */
bool tls_session_cache_put(struct tls_session_cache *cache, struct slice key, SSL_SESSION *session);
/* A reference to the newest session of the key, or NULL. A single-use one (TLS 1.3) leaves. */
SSL_SESSION *tls_session_cache_get(struct tls_session_cache *cache, struct slice key);

#endif
