// SPDX-License-Identifier: Apache-2.0
/*
 * The domains of a route configuration by exact name, by length of suffix and prefix wildcard, and "*".
 * Made once with the part, in its arena; read by all workers. Private to src/route.
 */
#ifndef SRC_ROUTE_HOST_INDEX_H
#define SRC_ROUTE_HOST_INDEX_H

#include "src/config/route_config.h"

/* NULL when no domain matches. `host` in any case; *domain is the configured text that matched. */
const struct virtual_host *host_index_find(const struct host_index *index, struct slice host,
                                           struct slice *domain);
/* The virtual host of "*" where there is no other domain: it takes requests without a host too. */
const struct virtual_host *host_index_only_default(const struct host_index *index);

#endif
