// SPDX-License-Identifier: Apache-2.0
/*
 * Finds the tokens of a request, and takes them out before it is forwarded. All of a repeated header,
 * parameter or cookie count: a second one must not reach the origin unseen. Pure over the header map;
 * results lie in the given arena.
 */
#ifndef FILTERS_HTTP_JWT_AUTHN_JWT_EXTRACT_H
#define FILTERS_HTTP_JWT_AUTHN_JWT_EXTRACT_H

#include "filters/http/jwt_authn/jwt_authn.h"

/* Each token of a request may cost a signature check under every key. */
enum { JWT_MAX_TOKENS = 8 };

struct jwt_found {
    struct slice text;
    const struct jwt_location *location;
    struct jwt_found *previous; /* in the order of places */
};
/* Places that an earlier requirement of the same request took the token from. */
struct jwt_taken {
    const struct jwt_location *location;
    struct jwt_taken *next;
};

/* The last token; NULL for none. Stops after JWT_MAX_TOKENS + 1. */
struct jwt_found *jwt_extract(const struct jwt_extractor *extractor,
                              const struct header_map *headers, const struct jwt_taken *taken,
                              struct arena *arena, uint32_t *count);
/* Removes the header, or the parameters from :path; cookies stay. */
void jwt_remove(const struct jwt_location *location, struct header_map *headers);
bool jwt_location_allows(const struct jwt_location *location, struct slice issuer);

#endif
