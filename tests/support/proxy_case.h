// SPDX-License-Identifier: Apache-2.0
/*
 * The usual cast of an integration test: one worker, one fake upstream as cluster "web", a route
 * configuration and a listener that the test may still change, one client. `pair` chooses protocols:
 * bit 0 the client's, bit 1 the upstream's (set: HTTP/2).
 */
#ifndef TESTS_SUPPORT_PROXY_CASE_H
#define TESTS_SUPPORT_PROXY_CASE_H

#include "tests/support/fake_upstream.h"
#include "tests/support/test_client.h"
#include "tests/support/test_config.h"

enum { PROXY_PAIRS = 4, PROXY_CLIENT_HTTP2 = 1, PROXY_UPSTREAM_HTTP2 = 2 };

struct proxy_case {
    int pair;
    struct test_stack stack;
    struct fake_upstream upstream;
    struct cluster_part *cluster; /* "web" */
    struct test_routes routes;
    struct route_action *action; /* "/" to "web"; added last, by proxy_case_serve */
    struct test_listener listener;
    struct test_client client;
    struct test_exchange exchange; /* over `client` */
};

/* Everything is there and can be changed; nothing is published. */
void proxy_case_init(struct proxy_case *c, int pair);
/* Publishes all, connects the client, opens `exchange`'s storage. */
void proxy_case_serve(struct proxy_case *c);
/* Closes the peers and checks that nothing is left. */
void proxy_case_deinit(struct proxy_case *c);
/* The next exchange of the same client. */
void proxy_case_next(struct proxy_case *c);
/* Another client connection in place of the one before. */
void proxy_case_reconnect(struct proxy_case *c);
/* GET "/" and its answer. */
void proxy_case_get(struct proxy_case *c, uint32_t status);

#endif
