// SPDX-License-Identifier: Apache-2.0
/*
 * A set of verification keys (RFC 7517), immutable once parsed, shared by reference count between
 * threads: a fetched set replaces its predecessor while requests still verify under it.
 */
#ifndef FILTERS_HTTP_JWT_AUTHN_JWKS_H
#define FILTERS_HTTP_JWT_AUTHN_JWKS_H

#include "filters/http/jwt_authn/jwt_token.h"

struct jwks;

/* Keys that cannot be read, or are not for signatures, are left out; a set without any other is refused
 * with the first reason. One reference. */
enum jwt_status jwks_parse(struct slice text, struct jwks **jwks);
struct jwks *jwks_ref(struct jwks *jwks);
void jwks_unref(struct jwks *jwks); /* NULL allowed */
/* The document that the set was made from. */
struct slice jwks_text(const struct jwks *jwks);

/* JWT_OK where a key with the token's id and algorithm verifies its signature. */
enum jwt_status jwks_verify(const struct jwks *jwks, const struct jwt_token *token);

#endif
