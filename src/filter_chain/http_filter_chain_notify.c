// SPDX-License-Identifier: Apache-2.0
/* What happens to a stream besides its messages, told to all filters of its chain; and what it asks of
 * all of them. */
#include "src/filter_chain/http_filter_chain.h"

void http_filter_chain_route_changed(struct http_filter_chain *chain) {
    for (uint32_t i = 0; i < chain->count && !chain->is_destroyed; i++) {
        struct http_filter *filter = chain->slots[i].filter;
        if (filter->ops->on_route_changed != NULL) {
            filter->ops->on_route_changed(filter);
        }
    }
}

void http_filter_chain_route_released(struct http_filter_chain *chain) {
    for (uint32_t i = 0; i < chain->count && !chain->is_destroyed; i++) {
        struct http_filter *filter = chain->slots[i].filter;
        if (filter->ops->on_route_released != NULL) {
            filter->ops->on_route_released(filter);
        }
    }
}

void http_filter_chain_release_heads(struct http_filter_chain *chain) {
    chain->request_headers = NULL;
    chain->response_headers = NULL;
    for (uint32_t i = 0; i < chain->count && !chain->is_destroyed; i++) {
        struct http_filter *filter = chain->slots[i].filter;
        if (filter->ops->on_heads_released != NULL) {
            filter->ops->on_heads_released(filter);
        }
    }
}

void http_filter_chain_restore_heads(struct http_filter_chain *chain, struct header_map *request,
                                     struct header_map *response) {
    chain->request_headers = request;
    chain->response_headers = response;
}

bool http_filter_chain_wants_completion(const struct http_filter_chain *chain) {
    for (uint32_t i = 0; i < chain->count; i++) {
        if (chain->slots[i].filter->ops->on_stream_complete != NULL) {
            return true;
        }
    }
    return false;
}

void http_filter_chain_stream_complete(struct http_filter_chain *chain) {
    /* A stream that waits to run again has no filters; it may end all the same. */
    for (uint32_t i = 0; i < chain->count && !chain->is_destroyed; i++) {
        struct http_filter *filter = chain->slots[i].filter;
        if (filter->ops->on_stream_complete != NULL) {
            filter->ops->on_stream_complete(filter);
        }
    }
}
