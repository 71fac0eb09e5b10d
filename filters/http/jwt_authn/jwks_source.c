// SPDX-License-Identifier: Apache-2.0
#include "filters/http/jwt_authn/jwks_source.h"

#include <pthread.h>

#include "filters/http/jwt_authn/jwks_fetch.h"
#include "src/base/check.h"

struct jwks_source {
    struct jwks_remote remote;
    bool is_remote;
    pthread_mutex_t lock;
    struct jwks *current;
    uint64_t expires_ms;
    struct list_node fetches; /* of all threads, each touched by its own */
};

static void lock(struct jwks_source *source) {
    CHECK(pthread_mutex_lock(&source->lock) == 0);
}

static void unlock(struct jwks_source *source) {
    CHECK(pthread_mutex_unlock(&source->lock) == 0);
}

static struct jwks_source *source_new(void) {
    struct jwks_source *source = mem_calloc(1, sizeof(*source));
    CHECK(pthread_mutex_init(&source->lock, NULL) == 0);
    list_init(&source->fetches);
    return source;
}

struct jwks_source *jwks_source_new_local(struct jwks *jwks) {
    struct jwks_source *source = source_new();
    source->current = jwks;
    source->expires_ms = UINT64_MAX;
    return source;
}

struct jwks_source *jwks_source_new_remote(const struct jwks_remote *remote) {
    struct jwks_source *source = source_new();
    source->remote = *remote;
    source->is_remote = true;
    return source;
}

void jwks_source_free(struct jwks_source *source) {
    ASSERT(list_is_empty(&source->fetches));
    jwks_unref(source->current);
    (void)pthread_mutex_destroy(&source->lock);
    mem_free(source);
}

struct jwks *jwks_source_current(struct jwks_source *source, uint64_t now_ms) {
    lock(source);
    bool is_good = source->current != NULL && now_ms < source->expires_ms;
    struct jwks *jwks = is_good ? jwks_ref(source->current) : NULL;
    unlock(source);
    return jwks;
}

void jwks_source_publish(struct jwks_source *source, struct jwks *jwks, uint64_t expires_ms) {
    lock(source);
    struct jwks *before = source->current;
    source->current = jwks_ref(jwks);
    source->expires_ms = expires_ms;
    unlock(source);
    jwks_unref(before);
}

/* ---- waiting ---- */

struct jwks_fetch {
    struct list_node node;
    struct jwks_source *source;
    struct io_context *io;
    struct list_node waits;
    struct jwks_request *request; /* NULL once it is over and waiters are being told */
};

static void forget(struct jwks_fetch *fetch) {
    lock(fetch->source);
    list_remove(&fetch->node);
    unlock(fetch->source);
}

/* The set that expired, in force a little longer; NULL where there is none or it must not be. */
static struct jwks *prolong(struct jwks_source *source, uint64_t now_ms) {
    struct jwks *jwks = NULL;
    lock(source);
    if (source->remote.keeps_expired && source->current != NULL) {
        jwks = jwks_ref(source->current);
        source->expires_ms = now_ms + source->remote.refetch_ms;
    }
    unlock(source);
    return jwks;
}

/* Waiters go on one by one; each may end others on its way. */
static void on_fetched(void *arg, struct jwks *jwks, uint64_t now_ms) {
    struct jwks_fetch *fetch = arg;
    fetch->request = NULL;
    forget(fetch);
    struct jwks *old = NULL;
    if (jwks != NULL) {
        jwks_source_publish(fetch->source, jwks, now_ms + fetch->source->remote.cache_ms);
    } else {
        old = prolong(fetch->source, now_ms);
        jwks = old;
    }
    while (!list_is_empty(&fetch->waits)) {
        struct jwks_wait *wait = LIST_ENTRY(fetch->waits.next, struct jwks_wait, node);
        list_remove(&wait->node);
        wait->fetch = NULL;
        wait->status = jwks == NULL ? JWKS_FETCH_FAILED : JWT_OK;
        wait->jwks = jwks == NULL ? NULL : jwks_ref(jwks);
        wait->done(wait->arg);
    }
    jwks_unref(old);
    mem_free(fetch);
}

static struct jwks_fetch *find_fetch(struct jwks_source *source, const struct io_context *io) {
    struct jwks_fetch *found = NULL;
    lock(source);
    LIST_FOR_EACH (node, &source->fetches) {
        struct jwks_fetch *fetch = LIST_ENTRY(node, struct jwks_fetch, node);
        found = fetch->io == io ? fetch : found;
    }
    unlock(source);
    return found;
}

static struct jwks_fetch *start_fetch(struct jwks_source *source, struct io_context *io) {
    struct jwks_fetch *fetch = mem_calloc(1, sizeof(*fetch));
    fetch->source = source;
    fetch->io = io;
    list_init(&fetch->node);
    list_init(&fetch->waits);
    lock(source);
    list_push_back(&source->fetches, &fetch->node);
    unlock(source);
    fetch->request = jwks_request_start(&source->remote, io, on_fetched, fetch);
    return fetch;
}

void jwks_source_wait(struct jwks_source *source, struct io_context *io, struct jwks_wait *wait) {
    CHECK(source->is_remote);
    struct jwks_fetch *fetch = find_fetch(source, io);
    if (fetch == NULL) {
        fetch = start_fetch(source, io);
    }
    list_init(&wait->node);
    wait->source = source;
    wait->fetch = fetch;
    wait->status = JWT_PENDING;
    list_push_back(&fetch->waits, &wait->node);
}

void jwks_wait_leave(struct jwks_wait *wait) {
    struct jwks_fetch *fetch = wait->fetch;
    jwks_unref(wait->jwks);
    wait->jwks = NULL;
    if (fetch == NULL) {
        return;
    }
    wait->fetch = NULL;
    list_remove(&wait->node);
    if (fetch->request != NULL && list_is_empty(&fetch->waits)) {
        jwks_request_cancel(fetch->request);
        forget(fetch);
        mem_free(fetch);
    }
}
