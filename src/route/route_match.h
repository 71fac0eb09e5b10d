// SPDX-License-Identifier: Apache-2.0
/*
 * Whether one route takes a request. The facts that every candidate asks for are taken from the headers
 * once, before the walk. Pure. Private to src/route.
 */
#ifndef SRC_ROUTE_ROUTE_MATCH_H
#define SRC_ROUTE_ROUTE_MATCH_H

#include "src/route/route_table.h"

struct route_facts {
    const struct route_request *request;
    bool has_path;     /* a CONNECT request may have none */
    struct slice path; /* without query; without ";…" where the configuration says so */
    struct slice query;
};

void route_facts_init(struct route_facts *facts, const struct route_part *part,
                      const struct route_request *request);
/* NULL: it matches; else static text for the recorder. *detail (may be NULL) is the rule that failed:
 * a path, header, parameter or cookie name. */
const char *route_match_why_not(const struct route_match *match, const struct route_facts *facts,
                                struct slice *detail);

#endif
