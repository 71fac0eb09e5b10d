// SPDX-License-Identifier: Apache-2.0
/*
 * Configuration parts by hand, with the defaults that the decoders fill in: a cluster, a route
 * configuration with one virtual host "*", a listener with a connection manager or a tcp_proxy. What a
 * builder returns may be changed by the test until it is published; parts are the store's afterwards.
 */
#ifndef TESTS_SUPPORT_TEST_CONFIG_H
#define TESTS_SUPPORT_TEST_CONFIG_H

#include "src/config/cluster_config.h"
#include "src/config/listener_config.h"
#include "src/config/route_config.h"
#include "src/stream/http_connection.h"
#include "src/tls/tls_context.h"
#include "tests/support/test_stack.h"

/* ---- clusters ---- */

struct cluster_part *test_cluster_new(const char *name, const struct address *addresses,
                                      uint32_t count);
void test_cluster_publish(struct test_stack *stack, struct cluster_part *part);
/* One host, no changes. */
void test_cluster_add(struct test_stack *stack, const char *name, const struct address *address,
                      enum upstream_protocol protocol);

/* ---- routes ---- */

enum { TEST_MAX_ROUTES = 32 };

struct test_routes {
    struct test_stack *stack;
    struct route_part *part;
    struct virtual_host *vhost;
};
/* An empty configuration named "routes" with the virtual host "*". */
void test_routes_init(struct test_routes *routes, struct test_stack *stack);
struct route *test_routes_add(struct test_routes *routes, const char *prefix);
/* A route to a cluster. */
struct route_action *test_routes_cluster(struct test_routes *routes, const char *prefix,
                                         const char *cluster);
struct direct_response_action *test_routes_direct(struct test_routes *routes, const char *prefix,
                                                  uint32_t status, const char *body);
struct redirect_action *test_routes_redirect(struct test_routes *routes, const char *prefix);
struct retry_policy *test_retry(struct test_routes *routes, struct route_action *action,
                                uint32_t retry_on, uint32_t num_retries);
void test_routes_publish(struct test_routes *routes);
/* The usual case: "/" to one cluster. */
void test_routes_all_to(struct test_stack *stack, const char *cluster);

/* ---- listeners ---- */

enum { TEST_MAX_FILTERS = 8 };

struct test_listener {
    struct test_stack *stack;
    struct listener_part *part;
    struct filter_chain_config *chain;
    struct http_connection_manager_config *hcm; /* NULL with tcp_proxy */
    struct http_filter_config *filters;
    struct address address; /* once published */
};
/* 127.0.0.1:0, one filter chain: connection manager (stats "http.test", routes "routes") and router.
 * Its requests are logged to the stack. */
void test_listener_init(struct test_listener *listener, struct test_stack *stack, const char *name);
/* The same name, address and chain again, for updates; `chain_hash` as of the chain. */
void test_listener_init_again(struct test_listener *listener, const struct test_listener *before,
                              uint64_t chain_hash);
/* In front of the router, behind those added before. */
void test_listener_add_filter(struct test_listener *listener,
                              const struct http_filter_factory *factory, const void *config);
/* tcp_proxy to `cluster` (stats "tcp.test"). */
struct tcp_proxy_config *test_listener_init_tcp(struct test_listener *listener,
                                                struct test_stack *stack, const char *name,
                                                const char *cluster);
/* tls_inspector as listener filter; `close_on_invalid` its option. */
void test_listener_add_inspector(struct test_listener *listener, bool close_on_invalid);
/* The chain speaks TLS with this context (a reference is taken). */
void test_listener_set_tls(struct test_listener *listener, struct tls_context *context);
void test_listener_publish(struct test_listener *listener);
/* All of it: a listener "in" and "/" to cluster "web" at `address`. */
void test_listener_simple(struct test_listener *listener, struct test_stack *stack,
                          const struct address *upstream, enum upstream_protocol protocol);

#endif
