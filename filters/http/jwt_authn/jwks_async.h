// SPDX-License-Identifier: Apache-2.0
/*
 * async_fetch: one remote key set for all threads, fetched on the control thread as soon as the
 * configuration is taken and again before it expires, so that requests find it. A task of the
 * configuration's part (src/config/config_task.h); what it fetched stays in force through an outage.
 */
#ifndef FILTERS_HTTP_JWT_AUTHN_JWKS_ASYNC_H
#define FILTERS_HTTP_JWT_AUTHN_JWKS_ASYNC_H

#include "filters/http/jwt_authn/jwks_source.h"

struct config_part;
struct config_store;

struct jwks_async_options {
    struct config_part *part;
    struct config_store *store;
    struct jwks_source *source; /* lives as long as the part */
    bool is_awaited;            /* the listener waits for the first answer */
    uint64_t failed_refetch_ms;
};
void jwks_async_add(const struct jwks_async_options *options);

#endif
