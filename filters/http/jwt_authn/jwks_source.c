// SPDX-License-Identifier: Apache-2.0
#include "filters/http/jwt_authn/jwks_source.h"

#include "filters/http/jwt_authn/jwks_fetch.h"
#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"

/* One thread's, on a cache line of its own. */
struct jwks_cell {
    _Alignas(64) struct jwks *jwks; /* NULL: none yet */
    uint64_t expires_ms;
    struct jwks_fetch *fetch; /* under way; NULL: none */
};

struct jwks_source {
    struct jwks *local; /* NULL: remote */
    struct jwks_remote remote;
    uint32_t threads;
    struct jwks_cell cells[];
};

static struct jwks_source *source_new(uint32_t threads) {
    size_t bytes = sizeof(struct jwks_source) + threads * sizeof(struct jwks_cell);
    struct jwks_source *source = mem_alloc_aligned(_Alignof(struct jwks_source), bytes);
    memset(source, 0, bytes);
    source->threads = threads;
    return source;
}

struct jwks_source *jwks_source_new_local(struct jwks *jwks) {
    struct jwks_source *source = source_new(0);
    source->local = jwks;
    return source;
}

struct jwks_source *jwks_source_new_remote(const struct jwks_remote *remote, uint32_t threads) {
    struct jwks_source *source = source_new(threads);
    source->remote = *remote;
    return source;
}

void jwks_source_free(struct jwks_source *source) {
    for (uint32_t i = 0; i < source->threads; i++) {
        ASSERT(source->cells[i].fetch == NULL);
        jwks_unref(source->cells[i].jwks);
    }
    jwks_unref(source->local);
    mem_free(source);
}

const struct jwks_remote *jwks_source_remote(const struct jwks_source *source) {
    return &source->remote;
}

static struct jwks_cell *cell_of(struct jwks_source *source, const struct io_context *io) {
    CHECK(io->index < source->threads);
    return &source->cells[io->index];
}

struct jwks *jwks_source_current(const struct jwks_source *source, const struct io_context *io) {
    if (source->local != NULL) {
        return source->local;
    }
    CHECK(io->index < source->threads);
    const struct jwks_cell *cell = &source->cells[io->index];
    return event_loop_now_ms(io->loop) < cell->expires_ms ? cell->jwks : NULL;
}

void jwks_source_set(struct jwks_source *source, const struct io_context *io, struct jwks *jwks,
                     uint64_t expires_ms) {
    struct jwks_cell *cell = cell_of(source, io);
    struct jwks *before = cell->jwks;
    cell->jwks = jwks_ref(jwks);
    cell->expires_ms = expires_ms;
    jwks_unref(before);
}

/* ---- waiting ---- */

struct jwks_fetch {
    struct jwks_source *source;
    struct io_context *io;
    struct list_node waits;
    struct jwks_request *request; /* NULL once it is over and waiters are being told */
};

/* Waiters go on one by one; each may end others on its way. */
static void on_fetched(void *arg, struct jwks *jwks, uint64_t now_ms) {
    struct jwks_fetch *fetch = arg;
    fetch->request = NULL;
    cell_of(fetch->source, fetch->io)->fetch = NULL;
    if (jwks != NULL) {
        jwks_source_set(fetch->source, fetch->io, jwks, now_ms + fetch->source->remote.cache_ms);
    }
    while (!list_is_empty(&fetch->waits)) {
        struct jwks_wait *wait = LIST_ENTRY(fetch->waits.next, struct jwks_wait, node);
        list_remove(&wait->node);
        wait->fetch = NULL;
        wait->status = jwks == NULL ? JWKS_FETCH_FAILED : JWT_OK;
        wait->jwks = jwks == NULL ? NULL : jwks_ref(jwks);
        wait->done(wait->arg);
    }
    mem_free(fetch);
}

static struct jwks_fetch *start_fetch(struct jwks_source *source, struct io_context *io) {
    struct jwks_fetch *fetch = mem_calloc(1, sizeof(*fetch));
    fetch->source = source;
    fetch->io = io;
    list_init(&fetch->waits);
    fetch->request = jwks_request_start(&source->remote, io, on_fetched, fetch);
    return fetch;
}

void jwks_source_wait(struct jwks_source *source, struct io_context *io, struct jwks_wait *wait) {
    struct jwks_cell *cell = cell_of(source, io);
    if (cell->fetch == NULL) {
        cell->fetch = start_fetch(source, io);
    }
    list_init(&wait->node);
    wait->source = source;
    wait->fetch = cell->fetch;
    wait->status = JWT_PENDING;
    list_push_back(&wait->fetch->waits, &wait->node);
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
        cell_of(fetch->source, fetch->io)->fetch = NULL;
        mem_free(fetch);
    }
}
