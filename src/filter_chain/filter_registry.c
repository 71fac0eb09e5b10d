// SPDX-License-Identifier: Apache-2.0
#include "src/filter_chain/filter_registry.h"

#include <stddef.h>

#include "src/filter_chain/http_filter.h"
#include "src/filter_chain/listener_filter.h"
#include "src/filter_chain/network_filter.h"

static bool is_type(const char *type_url, struct slice type) {
    return slice_equal(slice_from_string(type_url), type);
}

const struct http_filter_factory *filter_registry_http(const struct filter_registry *registry,
                                                       struct slice type) {
    for (size_t i = 0; registry->http != NULL && registry->http[i] != NULL; i++) {
        if (is_type(registry->http[i]->type_url, type)) {
            return registry->http[i];
        }
    }
    return NULL;
}

const struct network_filter_factory *filter_registry_network(const struct filter_registry *registry,
                                                             struct slice type) {
    for (size_t i = 0; registry->network != NULL && registry->network[i] != NULL; i++) {
        if (is_type(registry->network[i]->type_url, type)) {
            return registry->network[i];
        }
    }
    return NULL;
}

const struct listener_filter_factory *
filter_registry_listener(const struct filter_registry *registry, struct slice type) {
    for (size_t i = 0; registry->listener != NULL && registry->listener[i] != NULL; i++) {
        if (is_type(registry->listener[i]->type_url, type)) {
            return registry->listener[i];
        }
    }
    return NULL;
}
