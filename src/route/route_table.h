// SPDX-License-Identifier: Apache-2.0
/*
 * Finds virtual host and route of a request: pure over the request's facts, no state. Indexes are built
 * once with the configuration: domains by exact name, longest suffix, longest prefix, "*" (Envoy's
 * order); routes in order, with an index over exact paths and literal prefixes where there are many.
 * An optional recorder is told why each candidate was passed over (explain).
 */
#ifndef SRC_ROUTE_ROUTE_TABLE_H
#define SRC_ROUTE_ROUTE_TABLE_H

#include "src/access_log/stream_info.h"
#include "src/base/random.h"
#include "src/config/route_config.h"

struct host_index;
struct io_context;

/* Index over part->vhosts; in `arena` (the part's). Domains are already unique. */
const struct host_index *host_index_new(const struct route_part *part, struct arena *arena);
/* NULL when it would not beat a linear walk. */
const void *route_index_new(const struct virtual_host *vhost, struct arena *arena);

/* Told of each candidate; NULL members are not called. */
struct route_recorder {
    void (*on_virtual_host)(void *arg, const struct virtual_host *vhost, struct slice domain);
    /* `why_not` NULL: this one matched; else static text ("path", "header", "query", "runtime" …). */
    void (*on_route)(void *arg, const struct route *route, const char *why_not,
                     struct slice detail);
    void *arg;
};

struct route_request {
    const struct header_map *headers;
    const struct connection_info *connection; /* NULL allowed */
    uint64_t random;             /* one number per stream: runtime fractions, weighted clusters */
    const struct io_context *io; /* whose runtime counts; NULL where no key is named */
    const struct route_recorder *recorder;
};

/* NULL: no domain matches. */
const struct virtual_host *route_find_virtual_host(const struct route_part *part,
                                                   const struct route_request *request);
const struct route *route_find_in(const struct route_part *part, const struct virtual_host *vhost,
                                  const struct route_request *request);

/* The next one that matches behind `route`, which the same request was given and cannot use. */
const struct route *route_find_behind(const struct route_part *part,
                                      const struct virtual_host *vhost, const struct route *route,
                                      const struct route_request *request);

/* Which of the action's weighted clusters; NULL where it has none, or where the runtime leaves their weights
 * nothing that can be drawn from. `random_value` header counts. */
const struct weighted_cluster *route_pick_weighted(const struct route_action *action,
                                                   const struct route_request *request);

#endif
