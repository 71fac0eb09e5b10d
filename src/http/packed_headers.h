// SPDX-License-Identifier: Apache-2.0
/*
 * A header map at rest: names, values and their order in one heap block of their size, for a head that
 * nobody asks for until much later. Well-known names are a byte. Flags are not kept: it is not sent
 * again. Immutable; one owner.
 */
#ifndef SRC_HTTP_PACKED_HEADERS_H
#define SRC_HTTP_PACKED_HEADERS_H

#include "src/http/header_map.h"

struct packed_headers;

/* NULL for a NULL map. */
struct packed_headers *packed_headers_new(const struct header_map *map);
void packed_headers_free(struct packed_headers *packed);
/* The map as it was, in its arena; text is borrowed from `packed`. NULL for NULL. */
struct header_map *packed_headers_unpack(const struct packed_headers *packed, struct arena *arena);

#endif
