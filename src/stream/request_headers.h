// SPDX-License-Identifier: Apache-2.0
/*
 * What the connection manager does to a request's head before any filter sees it: checks, normalises
 * host and path, establishes who the client is (x-forwarded-for, trusted hops), removes what a client
 * must not say, adds what the proxy says. Pure over its inputs; no I/O.
 * Order (Envoy's): host and path checks, port strip, path normalisation, identity, sanitising, ids.
 */
#ifndef SRC_STREAM_REQUEST_HEADERS_H
#define SRC_STREAM_REQUEST_HEADERS_H

#include "src/access_log/stream_info.h"
#include "src/base/random.h"
#include "src/config/listener_config.h"

struct request_head {
    const struct http_connection_manager_config *config;
    struct header_map *headers;
    struct stream_info *info;
    struct random *random;
    struct slice node_id, node_cluster;
    bool is_tls;
    bool is_upgrade;
    bool is_connect;
    const struct slice *internal_only_headers; /* of the route configuration; lower case */
    uint32_t internal_only_header_count;
    /* results */
    bool is_internal;
    uint32_t failed_status; /* 0: go on */
    const char *failed_details;
    struct slice failed_location; /* set: redirect there */
    bool path_failed;             /* counts as failed path normalisation */
    bool path_is_no_path;         /* counts as a target that begins with no slash */
    /* a cache */
    struct slice ip_text;             /* in the arena */
    const struct address *ip_text_of; /* NULL: none yet */
};

/* Checks and rewrites; on failure sets failed_status and stops. */
void request_headers_validate(struct request_head *head);
/* Identity, sanitising and additions. */
void request_headers_mutate(struct request_head *head);
/* x-forwarded-client-cert by the configured mode (xfcc.c). */
void request_headers_set_xfcc(struct request_head *head);

#endif
