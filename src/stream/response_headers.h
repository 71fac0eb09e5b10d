// SPDX-License-Identifier: Apache-2.0
/*
 * What the connection manager does to a response's head after all filters: hop-by-hop fields out;
 * date, server, via, request id in. Pure over its inputs.
 */
#ifndef SRC_STREAM_RESPONSE_HEADERS_H
#define SRC_STREAM_RESPONSE_HEADERS_H

#include "src/config/listener_config.h"

struct response_head {
    const struct http_connection_manager_config *config;
    struct header_map *headers;
    struct slice request_id; /* empty: none */
    bool is_upgrade;         /* an accepted upgrade keeps Connection and Upgrade */
    bool keep_request_id;    /* always_set_request_id_in_response, or a forced trace */
    uint64_t wall_us;        /* now */
};
void response_headers_mutate(const struct response_head *head);

#endif
