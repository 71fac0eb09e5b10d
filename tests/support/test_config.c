// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_config.h"

#include "filters/http/router/router.h"
#include "filters/listener/tls_inspector/tls_inspector.h"
#include "filters/network/tcp_proxy/tcp_proxy.h"
#include "src/config/secret_config.h"
#include "src/route/route_table.h"
#include "src/stream/http_connection_stats.h"

extern const struct http_filter_factory router_http_filter_factory;
extern const struct network_filter_factory tcp_proxy_network_filter_factory;
extern const struct listener_filter_factory tls_inspector_listener_filter_factory;

/* ---- clusters ---- */

struct cluster_part *test_cluster_new(const char *name, const struct address *addresses,
                                      uint32_t count) {
    struct cluster_part *part =
        config_part_new(CONFIG_CLUSTER, sizeof(*part), slice_from_string(name));
    struct arena *arena = &part->part.arena;
    part->stat_name = part->part.name;
    part->eds_name = part->part.name;
    part->connect_timeout_ms = 5000;
    part->per_connection_buffer_limit_bytes = 1 << 20;
    part->lb = (struct lb_config){.choice_count = 2,
                                  .active_request_bias = 1.0,
                                  .min_ring_size = 1024,
                                  .max_ring_size = 8 << 20,
                                  .table_size = 65537,
                                  .panic_threshold_percent = 50,
                                  .slow_start_aggression = 1.0,
                                  .slow_start_min_percent = 10};
    for (int i = 0; i < 2; i++) {
        part->breakers[i] = (struct circuit_breaker_thresholds){.max_connections = 1024,
                                                                .max_pending_requests = 1024,
                                                                .max_requests = 1024,
                                                                .max_retries = 3,
                                                                .max_connection_pools = UINT32_MAX};
    }
    part->http.idle_timeout_ms = 3600000;
    struct cluster_dns_config *dns = ARENA_NEW(arena, struct cluster_dns_config);
    dns->refresh_ms = 5000;
    part->dns = dns;
    struct endpoint_part *assignment = ARENA_NEW(arena, struct endpoint_part);
    struct locality_config *locality = ARENA_NEW(arena, struct locality_config);
    struct endpoint_config *endpoints = ARENA_NEW_ARRAY(arena, count, struct endpoint_config);
    for (uint32_t i = 0; i < count; i++) {
        endpoints[i].address = stored_address_make(&addresses[i], NULL);
        endpoints[i].weight = 1;
    }
    *locality = (struct locality_config){.endpoints = endpoints, .endpoint_count = count};
    assignment->localities = locality;
    assignment->locality_count = 1;
    assignment->overprovisioning_percent = 140;
    part->load_assignment = assignment;
    return part;
}

void test_cluster_publish(struct test_stack *stack, struct cluster_part *part) {
    cluster_manager_add(stack->clusters, part, NULL, NULL);
    test_stack_turns(stack, 4);
}

void test_cluster_add(struct test_stack *stack, const char *name, const struct address *address,
                      enum upstream_protocol protocol) {
    struct cluster_part *part = test_cluster_new(name, address, 1);
    part->http.protocol = protocol;
    test_cluster_publish(stack, part);
}

/* ---- routes ---- */

void test_routes_init(struct test_routes *routes, struct test_stack *stack) {
    static const struct slice any = SLICE_INIT("*");
    struct route_part *part = config_part_new(CONFIG_ROUTE, sizeof(*part), SLICE("routes"));
    struct arena *arena = &part->part.arena;
    struct virtual_host *vhost = ARENA_NEW(arena, struct virtual_host);
    const struct virtual_host **vhosts = ARENA_NEW_ARRAY(arena, 1, const struct virtual_host *);
    vhosts[0] = vhost;
    vhost->name = SLICE("all");
    vhost->domains = &any;
    vhost->domain_count = 1;
    vhost->routes = ARENA_NEW_ARRAY(arena, TEST_MAX_ROUTES, struct route);
    vhost->request_body_buffer_limit = UINT32_MAX;
    part->vhosts = vhosts;
    part->vhost_count = 1;
    *routes = (struct test_routes){.stack = stack, .part = part, .vhost = vhost};
}

struct route *test_routes_add(struct test_routes *routes, const char *prefix) {
    ck_assert_uint_lt(routes->vhost->route_count, TEST_MAX_ROUTES);
    struct route *route = &routes->vhost->routes[routes->vhost->route_count++];
    route->match.kind = ROUTE_MATCH_PREFIX;
    route->match.path = arena_dup_slice(&routes->part->part.arena, slice_from_string(prefix));
    route->match.tls_presented = -1;
    route->match.tls_validated = -1;
    return route;
}

struct route_action *test_routes_cluster(struct test_routes *routes, const char *prefix,
                                         const char *cluster) {
    struct route *route = test_routes_add(routes, prefix);
    struct route_action *action = ARENA_NEW(&routes->part->part.arena, struct route_action);
    action->cluster_name = arena_dup_slice(&routes->part->part.arena, slice_from_string(cluster));
    action->cluster_slot =
        config_store_slot(routes->stack->store, CONFIG_CLUSTER, action->cluster_name);
    action->cluster_not_found_code = 503;
    action->timeout_ms = 15000;
    action->idle_timeout_ms = CONFIG_TIMEOUT_UNSET;
    action->request_body_buffer_limit = UINT32_MAX;
    route->action = ROUTE_ACTION_CLUSTER;
    route->cluster = action;
    return action;
}

struct direct_response_action *test_routes_direct(struct test_routes *routes, const char *prefix,
                                                  uint32_t status, const char *body) {
    struct route *route = test_routes_add(routes, prefix);
    struct direct_response_action *action =
        ARENA_NEW(&routes->part->part.arena, struct direct_response_action);
    action->status = status;
    action->body = arena_dup_slice(&routes->part->part.arena, slice_from_string(body));
    route->action = ROUTE_ACTION_DIRECT_RESPONSE;
    route->direct = action;
    return action;
}

struct redirect_action *test_routes_redirect(struct test_routes *routes, const char *prefix) {
    struct route *route = test_routes_add(routes, prefix);
    struct redirect_action *action = ARENA_NEW(&routes->part->part.arena, struct redirect_action);
    action->response_code = 301;
    route->action = ROUTE_ACTION_REDIRECT;
    route->redirect = action;
    return action;
}

struct retry_policy *test_retry(struct test_routes *routes, struct route_action *action,
                                uint32_t retry_on, uint32_t num_retries) {
    struct retry_policy *policy = ARENA_NEW(&routes->part->part.arena, struct retry_policy);
    policy->retry_on = retry_on;
    policy->num_retries = num_retries;
    policy->per_try_timeout_ms = CONFIG_TIMEOUT_UNSET;
    policy->per_try_idle_timeout_ms = CONFIG_TIMEOUT_UNSET;
    policy->base_interval_ms = 25;
    policy->max_interval_ms = 250;
    policy->host_selection_max_attempts = 1;
    action->retry = policy;
    return policy;
}

void test_routes_publish(struct test_routes *routes) {
    struct config_store *store = routes->stack->store;
    routes->vhost->route_index = route_index_new(routes->vhost, &routes->part->part.arena);
    routes->part->hosts = host_index_new(routes->part, &routes->part->part.arena);
    uint32_t slot = config_store_slot(store, CONFIG_ROUTE, routes->part->part.name);
    config_store_put(store, CONFIG_ROUTE, slot, &routes->part->part);
    test_stack_turns(routes->stack, 3);
}

void test_routes_all_to(struct test_stack *stack, const char *cluster) {
    struct test_routes routes;
    test_routes_init(&routes, stack);
    (void)test_routes_cluster(&routes, "/", cluster);
    test_routes_publish(&routes);
}

/* ---- listeners ---- */

static void release_stats(void *scope) {
    stats_scope_unref(scope);
}

static struct stats_scope *scope_of(struct test_listener *listener, const char *prefix,
                                    const struct stat_table *table) {
    struct stats_scope *scope =
        stats_scope_get(listener->stack->stats, slice_from_string(prefix), table);
    config_part_on_free(&listener->part->part, release_stats, scope);
    return scope;
}

static void init_part(struct test_listener *listener, struct test_stack *stack, const char *name) {
    struct listener_part *part =
        config_part_new(CONFIG_LISTENER, sizeof(*part), slice_from_string(name));
    struct arena *arena = &part->part.arena;
    struct address *address = ARENA_NEW(arena, struct address);
    ck_assert_int_eq(address_from_text(address, SLICE("127.0.0.1:0"), NULL), STATUS_OK);
    struct filter_chain_config *chain = ARENA_NEW(arena, struct filter_chain_config);
    const struct filter_chain_config **chains =
        ARENA_NEW_ARRAY(arena, 1, const struct filter_chain_config *);
    chains[0] = chain;
    chain->name = SLICE("chain");
    chain->tls_slot = CONFIG_SLOT_NONE;
    chain->hash = 1;
    part->stat_prefix = part->part.name;
    part->addresses = address;
    part->address_count = 1;
    part->bind_to_port = true;
    part->reuse_port = true;
    part->listener_filters_timeout_ms = 15000;
    part->chains = chains;
    part->chain_count = 1;
    part->per_connection_buffer_limit_bytes = 1 << 20;
    *listener = (struct test_listener){.stack = stack, .part = part, .chain = chain};
}

static void set_hcm_defaults(struct http_connection_manager_config *hcm) {
    *hcm = (struct http_connection_manager_config){
        .stat_prefix = SLICE("test"),
        .route_name = SLICE("routes"),
        .max_request_headers_kb = 60,
        .max_headers_count = 100,
        .http1 = {.allow_absolute_url = true},
        .idle_timeout_ms = 3600000,
        .stream_idle_timeout_ms = 300000,
        .drain_timeout_ms = 5000,
        .delayed_close_timeout_ms = 1000,
        .server_name = SLICE("envoy"),
        .generate_request_id = true,
    };
}

static const struct network_filter_factory hcm_factory = {
    .name = "envoy.filters.network.http_connection_manager",
    .is_terminal = true,
    .create = http_connection_create,
};

static void set_filter(struct test_listener *listener, const struct network_filter_factory *factory,
                       const void *config) {
    struct network_filter_config *filter =
        ARENA_NEW(&listener->part->part.arena, struct network_filter_config);
    *filter = (struct network_filter_config){
        .name = slice_from_string(factory->name),
        .factory = factory,
        .config = config,
    };
    listener->chain->filters = filter;
    listener->chain->filter_count = 1;
}

void test_listener_init(struct test_listener *listener, struct test_stack *stack,
                        const char *name) {
    init_part(listener, stack, name);
    struct arena *arena = &listener->part->part.arena;
    struct http_connection_manager_config *hcm =
        ARENA_NEW(arena, struct http_connection_manager_config);
    set_hcm_defaults(hcm);
    hcm->route_slot = config_store_slot(stack->store, CONFIG_ROUTE, SLICE("routes"));
    hcm->access_logs = stack->log.list;
    hcm->access_log_count = 1;
    listener->hcm = hcm;
    struct router_config *router = ARENA_NEW(arena, struct router_config);
    router->stats = scope_of(listener, "http.test", &router_stat_table);
    listener->filters = ARENA_NEW_ARRAY(arena, TEST_MAX_FILTERS, struct http_filter_config);
    listener->filters[0] = (struct http_filter_config){
        .name = SLICE("router"),
        .factory = &router_http_filter_factory,
        .config = router,
    };
    hcm->filters = listener->filters;
    hcm->filter_count = 1;
    struct http_connection_shared *shared = ARENA_NEW(arena, struct http_connection_shared);
    shared->config = hcm;
    shared->stats = scope_of(listener, "http.test", &hcm_stat_table);
    shared->listener_stats = scope_of(listener, "listener.in.http.test", &hcm_listener_stat_table);
    set_filter(listener, &hcm_factory, shared);
}

void test_listener_init_again(struct test_listener *listener, const struct test_listener *before,
                              uint64_t chain_hash) {
    const char *name = arena_dup_string(&before->part->part.arena, before->part->part.name);
    test_listener_init(listener, before->stack, name);
    listener->chain->hash = chain_hash;
}

void test_listener_add_filter(struct test_listener *listener,
                              const struct http_filter_factory *factory, const void *config) {
    struct http_connection_manager_config *hcm = listener->hcm;
    ck_assert_uint_lt(hcm->filter_count, TEST_MAX_FILTERS);
    listener->filters[hcm->filter_count] = listener->filters[hcm->filter_count - 1];
    listener->filters[hcm->filter_count - 1] = (struct http_filter_config){
        .name = slice_from_string(factory->name),
        .name_id = config_store_intern(listener->stack->store, slice_from_string(factory->name)),
        .factory = factory,
        .config = config,
    };
    hcm->filter_count++;
}

struct tcp_proxy_config *test_listener_init_tcp(struct test_listener *listener,
                                                struct test_stack *stack, const char *name,
                                                const char *cluster) {
    init_part(listener, stack, name);
    struct arena *arena = &listener->part->part.arena;
    struct tcp_proxy_cluster *target = ARENA_NEW(arena, struct tcp_proxy_cluster);
    target->name = arena_dup_slice(arena, slice_from_string(cluster));
    target->slot = config_store_slot(stack->store, CONFIG_CLUSTER, target->name);
    target->weight = 1;
    struct tcp_proxy_config *config = ARENA_NEW(arena, struct tcp_proxy_config);
    config->clusters = target;
    config->cluster_count = 1;
    config->total_weight = 1;
    config->idle_timeout_ms = 3600000;
    config->max_connect_attempts = 1;
    config->access_logs = stack->log.list;
    config->access_log_count = 1;
    config->stats = scope_of(listener, "tcp.test", &tcp_proxy_stat_table);
    set_filter(listener, &tcp_proxy_network_filter_factory, config);
    return config;
}

void test_listener_add_inspector(struct test_listener *listener, bool close_on_invalid) {
    struct arena *arena = &listener->part->part.arena;
    struct tls_inspector_config *config = ARENA_NEW(arena, struct tls_inspector_config);
    config->close_on_invalid_hello = close_on_invalid;
    config->stats = scope_of(listener, "tls_inspector", &tls_inspector_stat_table);
    struct listener_filter_config *filter = ARENA_NEW(arena, struct listener_filter_config);
    filter->factory = &tls_inspector_listener_filter_factory;
    filter->config = config;
    listener->part->listener_filters = filter;
    listener->part->listener_filter_count = 1;
}

static void release_context(void *context) {
    tls_context_unref(context);
}

void test_listener_set_tls(struct test_listener *listener, struct tls_context *context) {
    struct config_store *store = listener->stack->store;
    struct tls_part *part = config_part_new(CONFIG_TLS, sizeof(*part), SLICE("listener-tls"));
    part->context = tls_context_ref(context);
    config_part_on_free(&part->part, release_context, context);
    uint32_t slot = config_store_slot(store, CONFIG_TLS, part->part.name);
    config_store_put(store, CONFIG_TLS, slot, &part->part);
    listener->chain->tls = ARENA_NEW(&listener->part->part.arena, struct tls_config);
    listener->chain->tls_slot = slot;
}

void test_listener_publish(struct test_listener *listener) {
    struct error err = {0};
    struct listener_part *part = listener->part;
    enum status status = listener_manager_put(listener->stack->listeners, part, &err);
    ck_assert_msg(status == STATUS_OK, "%s", err.message);
    listener->address = part->sockets->bound[0];
    test_stack_turns(listener->stack, 4);
}

void test_listener_simple(struct test_listener *listener, struct test_stack *stack,
                          const struct address *upstream, enum upstream_protocol protocol) {
    test_cluster_add(stack, "web", upstream, protocol);
    test_routes_all_to(stack, "web");
    test_listener_init(listener, stack, "in");
    test_listener_publish(listener);
}
