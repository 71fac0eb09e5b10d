// SPDX-License-Identifier: Apache-2.0
/*
 * One fetch of a remote key set over our own pools, with its retries. Ends by `done`, never from within
 * the start, or by cancel. One io_context.
 */
#ifndef FILTERS_HTTP_JWT_AUTHN_JWKS_FETCH_H
#define FILTERS_HTTP_JWT_AUTHN_JWKS_FETCH_H

#include "filters/http/jwt_authn/jwks_source.h"

struct jwks_request;

/* NULL `jwks`: failed. It is the request's: who keeps it takes a reference. The request is gone. */
typedef void jwks_done_fn(void *arg, struct jwks *jwks, uint64_t now_ms);

struct jwks_request *jwks_request_start(const struct jwks_remote *remote, struct io_context *io,
                                        jwks_done_fn *done, void *arg);
void jwks_request_cancel(struct jwks_request *request);

#endif
