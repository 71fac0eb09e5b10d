// SPDX-License-Identifier: Apache-2.0
#include "xds/dump_routes.h"

#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb-c.h"
#include "xds/proto_reflect.h"

#define HCM(name) Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__##name

static void look_at_filter(const Envoy__Config__Listener__V3__Filter *filter, struct arena *arena,
                           inline_route_fn *fn, void *arg) {
    struct validation v;
    const struct proto_message_info *info;
    validation_init(&v, arena, SLICE(""));
    if (filter->typed_config == NULL) {
        return;
    }
    const ProtobufCMessage *config =
        proto_any_unpack(&filter->typed_config->base, arena, &info, &v);
    if (config == NULL ||
        config->descriptor !=
            &envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__descriptor) {
        return;
    }
    const HCM(HttpConnectionManager) *manager = (const HCM(HttpConnectionManager) *)config;
    if (manager->route_specifier_case ==
        ENVOY__EXTENSIONS__FILTERS__NETWORK__HTTP_CONNECTION_MANAGER__V3__HTTP_CONNECTION_MANAGER__ROUTE_SPECIFIER_ROUTE_CONFIG) {
        fn(arg, manager->route_config);
    }
}

static void look_at_chain(const Envoy__Config__Listener__V3__FilterChain *chain,
                          struct arena *arena, inline_route_fn *fn, void *arg) {
    for (size_t i = 0; chain != NULL && i < chain->n_filters; i++) {
        look_at_filter(chain->filters[i], arena, fn, arg);
    }
}

void each_inline_route(const Envoy__Config__Listener__V3__Listener *listener, struct arena *arena,
                       inline_route_fn *fn, void *arg) {
    for (size_t i = 0; i < listener->n_filter_chains; i++) {
        look_at_chain(listener->filter_chains[i], arena, fn, arg);
    }
    look_at_chain(listener->default_filter_chain, arena, fn, arg);
}
