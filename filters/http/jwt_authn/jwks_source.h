// SPDX-License-Identifier: Apache-2.0
/*
 * Where the keys of one provider come from: a document of the configuration, or a URI. Each thread has
 * its own place for a remote set, so that no request takes a lock. It is filled by jwks_async, if the
 * configuration asks for that, for all threads; where it is empty or expired, the thread whose request
 * needs it fetches, and its requests share the fetch. That lives as long as a request waits for it; every
 * request holds the configuration, so a fetch never outlives the source.
 */
#ifndef FILTERS_HTTP_JWT_AUTHN_JWKS_SOURCE_H
#define FILTERS_HTTP_JWT_AUTHN_JWKS_SOURCE_H

#include "filters/http/jwt_authn/jwks.h"
#include "src/base/list.h"
#include "src/upstream/http_call.h"

struct io_context;
struct jwks_fetch;
struct jwks_source;
struct stats_scope;

struct jwks_remote {
    uint32_t cluster_slot;
    struct slice scheme, authority, path; /* live as long as the source */
    uint32_t timeout_ms;
    uint64_t cache_ms;
    struct http_call_retry retry;
    struct stats_scope *stats;
    uint32_t stat_success, stat_failed;
};

/* Takes the reference to `jwks`. */
struct jwks_source *jwks_source_new_local(struct jwks *jwks);
/* For threads of index 0 … `threads` - 1. */
struct jwks_source *jwks_source_new_remote(const struct jwks_remote *remote, uint32_t threads);
void jwks_source_free(struct jwks_source *source); /* nobody waits any more */
const struct jwks_remote *jwks_source_remote(const struct jwks_source *source);

/* The set in force on this thread until its next mail; NULL where it must be fetched. */
struct jwks *jwks_source_current(const struct jwks_source *source, const struct io_context *io);
/* From now on this set is in force on this thread, until UINT64_MAX: for good. A reference is taken. */
void jwks_source_set(struct jwks_source *source, const struct io_context *io, struct jwks *jwks,
                     uint64_t expires_ms);

/* One request's wait; in its arena. */
struct jwks_wait {
    struct list_node node;
    struct jwks_fetch *fetch; /* NULL: over */
    const struct jwks_source *source;
    struct jwks *jwks;      /* what came, referenced; NULL: nothing yet, or `status` says why not */
    enum jwt_status status; /* JWT_PENDING until the end */
    void (*done)(void *arg);
    void *arg;
    struct jwks_wait *next; /* the request's */
};
/* Joins the thread's fetch or starts it. `done` never comes from within. */
void jwks_source_wait(struct jwks_source *source, struct io_context *io, struct jwks_wait *wait);
/* Leaves, and drops what came; the last one cancels the fetch. */
void jwks_wait_leave(struct jwks_wait *wait);

#endif
