// SPDX-License-Identifier: Apache-2.0
/*
 * JSON of tokens and key sets: bytes of strangers. Bounded in size and nesting before the parser sees
 * them. What is returned is freed with json_decref; text borrowed from it lives as long.
 */
#ifndef FILTERS_HTTP_JWT_AUTHN_JWT_JSON_H
#define FILTERS_HTTP_JWT_AUTHN_JWT_JSON_H

#include <jansson.h>

#include "src/base/arena.h"

enum { JWT_JSON_MAX_DEPTH = 32, JWT_MAX_TOKEN_BYTES = 64 * 1024, JWKS_MAX_BYTES = 1024 * 1024 };

/* An object, or NULL; also where a name stands twice, since readers differ in which one they take. */
json_t *jwt_json_object(struct slice text, size_t max_bytes);
/* The value's bytes; empty for what is no string. */
struct slice jwt_json_text(const json_t *string);
/* Compact JSON of any value. */
struct slice jwt_json_write(const json_t *value, struct arena *arena);

/* RFC 4648 §5, with or without padding; other bytes and stray bits are STATUS_INVALID. */
enum status jwt_base64url(struct slice text, struct arena *arena, struct slice *bytes) MUST_USE;

#endif
