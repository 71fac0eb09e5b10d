// SPDX-License-Identifier: Apache-2.0
#include "tests/support/proxy_case.h"

void proxy_case_init(struct proxy_case *c, int pair) {
    *c = (struct proxy_case){.pair = pair};
    bool is_http2 = (pair & PROXY_UPSTREAM_HTTP2) != 0;
    test_stack_init(&c->stack, 1);
    fake_upstream_init(&c->upstream, &c->stack, is_http2);
    c->cluster = test_cluster_new("web", &c->upstream.address, 1);
    c->cluster->http.protocol = is_http2 ? UPSTREAM_HTTP_2 : UPSTREAM_HTTP_1;
    test_routes_init(&c->routes, &c->stack);
    /* Behind all that the test adds: routes are tried in order, and this one takes everything. */
    c->action = test_routes_cluster(&c->routes, "/", "web");
    c->routes.vhost->route_count = 0;
    test_listener_init(&c->listener, &c->stack, "in");
}

static void put_last_route(struct proxy_case *c) {
    struct route *route = test_routes_add(&c->routes, "/");
    route->action = ROUTE_ACTION_CLUSTER;
    route->cluster = c->action;
}

void proxy_case_serve(struct proxy_case *c) {
    put_last_route(c);
    test_cluster_publish(&c->stack, c->cluster);
    test_routes_publish(&c->routes);
    test_listener_publish(&c->listener);
    test_client_connect(&c->client, &c->stack, &c->listener.address,
                        (c->pair & PROXY_CLIENT_HTTP2) != 0);
    test_exchange_init(&c->exchange, &c->client);
}

void proxy_case_next(struct proxy_case *c) {
    test_exchange_deinit(&c->exchange);
    test_exchange_init(&c->exchange, &c->client);
}

void proxy_case_reconnect(struct proxy_case *c) {
    test_exchange_deinit(&c->exchange);
    test_client_close(&c->client);
    test_client_connect(&c->client, &c->stack, &c->listener.address,
                        (c->pair & PROXY_CLIENT_HTTP2) != 0);
    test_exchange_init(&c->exchange, &c->client);
}

void proxy_case_get(struct proxy_case *c, uint32_t status) {
    test_exchange_get(&c->exchange, "/");
    test_exchange_expect(&c->exchange, status);
}

void proxy_case_deinit(struct proxy_case *c) {
    if (c->client.connection != NULL) {
        test_exchange_deinit(&c->exchange);
        test_client_close(&c->client);
    }
    fake_upstream_deinit(&c->upstream);
    test_stack_await_idle(&c->stack);
    test_stack_deinit(&c->stack);
}
