// SPDX-License-Identifier: Apache-2.0
/*
 * Which extensions are built in: const tables that CMake collects from filters/CMakeLists.txt. Found by
 * type URL, or by name where a configuration carries no type (as Envoy's order is).
 */
#ifndef SRC_FILTER_CHAIN_FILTER_REGISTRY_H
#define SRC_FILTER_CHAIN_FILTER_REGISTRY_H

#include "src/base/slice.h"

struct http_filter_factory;
struct listener_filter_factory;
struct network_filter_factory;

/* NULL-terminated; generated. The connection manager is among the network filters. */
extern const struct http_filter_factory *const http_filter_factories[];
extern const struct network_filter_factory *const network_filter_factories[];
extern const struct listener_filter_factory *const listener_filter_factories[];

/* What a composition knows; tests make their own. */
struct filter_registry {
    const struct http_filter_factory *const *http;
    const struct network_filter_factory *const *network;
    const struct listener_filter_factory *const *listener;
};

/* `type`: full message name (no "type.googleapis.com/"); NULL when not built in. */
const struct http_filter_factory *filter_registry_http(const struct filter_registry *registry,
                                                       struct slice type);
const struct network_filter_factory *filter_registry_network(const struct filter_registry *registry,
                                                             struct slice type);
const struct listener_filter_factory *
filter_registry_listener(const struct filter_registry *registry, struct slice type);

#endif
