// SPDX-License-Identifier: Apache-2.0
#include "src/listener/listener_filter_match.h"

static bool any_child(const struct listener_filter_predicate *predicate,
                      const struct address *local, bool wanted) {
    for (uint32_t i = 0; i < predicate->child_count; i++) {
        if (listener_filter_match(predicate->children[i], local) == wanted) {
            return true;
        }
    }
    return false;
}

bool listener_filter_match(const struct listener_filter_predicate *predicate,
                           const struct address *local) {
    switch (predicate->kind) {
    case LISTENER_FILTER_ANY:
        return predicate->any;
    case LISTENER_FILTER_OR:
        return any_child(predicate, local, true);
    case LISTENER_FILTER_AND:
        return !any_child(predicate, local, false);
    case LISTENER_FILTER_NOT:
        return any_child(predicate, local, false);
    case LISTENER_FILTER_PORTS:
        return address_is_ip(local) && address_port(local) >= predicate->port_start &&
               address_port(local) < predicate->port_end;
    }
    return false;
}
