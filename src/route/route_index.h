// SPDX-License-Identifier: Apache-2.0
/*
 * An index over the routes of a virtual host that keeps the order of the configuration: exact paths and
 * literal prefixes by hash, everything else in one list; a cursor gives the routes whose path may match,
 * lowest number first, and the caller verifies each. Immutable, in the part's arena. Private to
 * src/route.
 */
#ifndef SRC_ROUTE_ROUTE_INDEX_H
#define SRC_ROUTE_ROUTE_INDEX_H

#include "src/config/route_config.h"

struct route_index;

/* One chain of candidates for each length of prefix, one of exact paths, one of all others. */
enum { ROUTE_INDEX_MAX_LENGTHS = 30, ROUTE_CURSOR_CHAINS = ROUTE_INDEX_MAX_LENGTHS + 2 };

struct route_cursor {
    const struct route_index *index;
    uint32_t count;
    uint32_t heads[ROUTE_CURSOR_CHAINS]; /* route numbers */
};

/* `path` as it is matched, without query. */
void route_cursor_init(struct route_cursor *cursor, const struct route_index *index,
                       const struct virtual_host *vhost, struct slice path);
/* False when there is no further candidate. */
bool route_cursor_next(struct route_cursor *cursor, uint32_t *route);

#endif
