// SPDX-License-Identifier: Apache-2.0
/* Finds the route configurations that lie in a listener's connection managers. Control thread. */
#ifndef XDS_DUMP_ROUTES_H
#define XDS_DUMP_ROUTES_H

#include "envoy/config/listener/v3/listener.pb-c.h"
#include "envoy/config/route/v3/route.pb-c.h"
#include "src/base/arena.h"

typedef void inline_route_fn(void *arg, const Envoy__Config__Route__V3__RouteConfiguration *route);

/* Calls `fn` for each, in the order of the filter chains; the message lives as long as `arena`. */
void each_inline_route(const Envoy__Config__Listener__V3__Listener *listener, struct arena *arena,
                       inline_route_fn *fn, void *arg);

#endif
