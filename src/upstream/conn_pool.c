// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/conn_pool.h"

#include "src/base/check.h"
#include "src/base/log.h"
#include "src/event/io_context.h"
#include "src/overload/overload_state.h"
#include "src/upstream/http_client.h"
#include "src/upstream/upstream_request_internal.h"

enum {
    CONN_POOL_MAGIC = 0x43504c31,
    DEFAULT_MAX_STREAMS = 1024,
    REAP_INTERVAL_MS = 10000,
};

static enum upstream_protocol protocol_for(const struct cluster_part *part,
                                           const struct upstream_request_options *options) {
    if (part->http.protocol != UPSTREAM_FOLLOW_DOWNSTREAM) {
        return part->http.protocol;
    }
    return options->downstream_protocol >= HTTP_2 ? UPSTREAM_HTTP_2 : UPSTREAM_HTTP_1;
}

/* A server name is a DNS name (RFC 6066 §3): no port, no literal address. */
static struct slice name_of_authority(struct slice authority) {
    struct address address;
    size_t colon = slice_rfind_byte(authority, ':');
    bool is_ip6 = authority.len > 0 && authority.ptr[0] == '[';
    struct slice name = colon == SIZE_MAX || is_ip6 ? authority : slice_sub(authority, 0, colon);
    bool is_ip = is_ip6 || address_from_ip(&address, name, 0, NULL) == STATUS_OK;
    return is_ip ? (struct slice){NULL, 0} : name;
}

/* The name that the handshake asks for, where it depends on the request (auto_sni); else empty: one pool
 * then serves all. */
static struct slice sni_for(const struct cluster_part *part,
                            const struct upstream_request_options *options) {
    if (!part->http.auto_sni) {
        return (struct slice){NULL, 0};
    }
    struct slice header = part->http.override_auto_sni_header;
    if (header.len > 0 && options->lb.request_headers != NULL) {
        struct slice value = header_map_get_name(options->lb.request_headers, header);
        return name_of_authority(value.len > 0 ? value : options->sni_override);
    }
    return name_of_authority(options->sni_override);
}

static struct conn_pool *conn_pool_new(struct worker_host *host, const struct cluster_part *part,
                                       const struct upstream_request_options *options) {
    struct conn_pool *pool = mem_calloc(1, sizeof(*pool));
    pool->magic = CONN_POOL_MAGIC;
    pool->host = host;
    pool->manager = host->cluster->manager;
    pool->part = part;
    pool->is_high = options->priority_high;
    pool->protocol = protocol_for(part, options);
    struct slice sni = sni_for(part, options);
    connect_settings_init(&pool->settings, part, host->host, sni);
    pool->sni = arena_dup_slice(&pool->settings.arena, sni);
    pool->http = part->http;
    uint32_t max_streams = part->http.h2_max_concurrent_streams;
    pool->max_streams = max_streams == 0 ? DEFAULT_MAX_STREAMS : max_streams;
    pool->is_multiplexed = pool->protocol == UPSTREAM_HTTP_2 || pool->protocol == UPSTREAM_AUTO;
    list_init(&pool->idle);
    list_init(&pool->ready);
    list_init(&pool->busy);
    list_init(&pool->connecting);
    list_init(&pool->draining);
    list_init(&pool->closed);
    list_init(&pool->pending);
    list_push_front(&host->pools, &pool->node);
    return pool;
}

struct conn_pool *conn_pool_get(struct worker_host *host, const struct cluster_part *part,
                                const struct upstream_request_options *options) {
    enum upstream_protocol protocol = protocol_for(part, options);
    struct slice sni = sni_for(part, options);
    LIST_FOR_EACH (node, &host->pools) {
        struct conn_pool *pool = LIST_ENTRY(node, struct conn_pool, node);
        if (pool->part == part && pool->protocol == protocol &&
            pool->is_high == options->priority_high && slice_equal(pool->sni, sni)) {
            return pool;
        }
    }
    struct cluster_state *state = host->cluster->state;
    uint32_t thread = options->io->index;
    struct circuit_breaker *breaker = &state->breakers[options->priority_high ? 1 : 0];
    if (!circuit_breaker_try(breaker, thread, BREAKER_POOLS)) {
        stats_inc(state->stats, thread, CLUSTER_STAT_UPSTREAM_CX_POOL_OVERFLOW);
        return NULL;
    }
    return conn_pool_new(host, part, options);
}

void conn_pool_free(struct conn_pool *pool) {
    CHECK_MAGIC(pool, CONN_POOL_MAGIC);
    ASSERT(conn_pool_is_unused(pool));
    circuit_breaker_release(conn_pool_breaker(pool), pool->manager->io->index, BREAKER_POOLS);
    list_remove(&pool->node);
    list_remove(&pool->idle);
    connect_settings_deinit(&pool->settings);
    pool->magic = 0;
    mem_free(pool);
}

bool conn_pool_is_unused(const struct conn_pool *pool) {
    return pool->client_count == 0 && pool->request_count == 0;
}

void conn_pool_check_unused(struct conn_pool *pool) {
    struct upstream_manager *manager = pool->manager;
    if (!conn_pool_is_unused(pool)) {
        return;
    }
    if (!list_is_linked(&pool->idle)) {
        list_push_back(&manager->idle_pools, &pool->idle);
    }
    // Whoever got us here may still look at the pool: it goes in the next turn at the earliest.
    if (pool->is_draining) {
        timer_arm(manager->io->loop, &manager->reap_timer, 0);
    } else if (!timer_is_armed(&manager->reap_timer)) {
        timer_arm(manager->io->loop, &manager->reap_timer, REAP_INTERVAL_MS);
    }
}

static void drain_list(struct list_node *clients) {
    LIST_FOR_EACH_SAFE (node, clients) {
        http_client_drain(LIST_ENTRY(node, struct http_client, node));
    }
}

void conn_pool_drain(struct conn_pool *pool) {
    CHECK_MAGIC(pool, CONN_POOL_MAGIC);
    if (!pool->is_draining) {
        pool->is_draining = true;
        list_remove(&pool->node);
        list_push_back(&pool->host->draining, &pool->node);
    }
    drain_list(&pool->ready);
    drain_list(&pool->busy);
    // A connection nobody waits for any more would only be made to be closed.
    if (pool->pending_count == 0) {
        drain_list(&pool->connecting);
    }
    conn_pool_check_unused(pool);
}

void conn_pool_close(struct conn_pool *pool) {
    CHECK_MAGIC(pool, CONN_POOL_MAGIC);
    struct list_node *lists[] = {&pool->ready, &pool->busy, &pool->draining, &pool->connecting};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        while (!list_is_empty(lists[i])) {
            http_client_close(LIST_ENTRY(lists[i]->next, struct http_client, node));
        }
    }
}

void conn_pool_release_closed(struct conn_pool *pool) {
    while (!list_is_empty(&pool->closed)) {
        http_client_release(LIST_ENTRY(pool->closed.next, struct http_client, node));
    }
}

static bool attach(struct conn_pool *pool, struct upstream_request *request) {
    if (!circuit_breaker_try(conn_pool_breaker(pool), pool->manager->io->index, BREAKER_REQUESTS)) {
        conn_pool_count(pool, CLUSTER_STAT_UPSTREAM_RQ_ACTIVE_OVERFLOW);
        return false;
    }
    http_client_attach(LIST_ENTRY(pool->ready.next, struct http_client, node), request);
    return true;
}

/* A request that would need a connection of its own. */
static bool is_shed(struct conn_pool *pool) {
    struct io_context *io = pool->manager->io;
    return pool->pending_count >= pool->connecting_capacity &&
           load_is_shed(io->overload, LOAD_SHED_POOL_NEW_CONNECTION, io);
}

bool conn_pool_submit(struct conn_pool *pool, struct upstream_request *request) {
    CHECK_MAGIC(pool, CONN_POOL_MAGIC);
    if (!list_is_empty(&pool->ready)) {
        if (!attach(pool, request)) {
            return false;
        }
    } else {
        if (!circuit_breaker_try(conn_pool_breaker(pool), pool->manager->io->index,
                                 BREAKER_PENDING)) {
            conn_pool_count(pool, CLUSTER_STAT_UPSTREAM_RQ_PENDING_OVERFLOW);
            return false;
        }
        conn_pool_count(pool, CLUSTER_STAT_UPSTREAM_RQ_PENDING_TOTAL);
        if (is_shed(pool)) {
            conn_pool_count(pool, CLUSTER_STAT_UPSTREAM_RQ_CANCELLED);
            circuit_breaker_release(conn_pool_breaker(pool), pool->manager->io->index,
                                    BREAKER_PENDING);
            return false;
        }
        conn_pool_count(pool, CLUSTER_STAT_UPSTREAM_RQ_PENDING_ACTIVE);
        list_push_back(&pool->pending, &request->node);
        pool->pending_count++;
        conn_pool_grow(pool);
    }
    list_remove(&pool->idle);
    pool->request_count++;
    return true;
}

void conn_pool_unqueue(struct conn_pool *pool, struct upstream_request *request) {
    list_remove(&request->node);
    pool->pending_count--;
    circuit_breaker_release(conn_pool_breaker(pool), pool->manager->io->index, BREAKER_PENDING);
    conn_pool_uncount(pool, CLUSTER_STAT_UPSTREAM_RQ_PENDING_ACTIVE);
}

void conn_pool_client_ready(struct conn_pool *pool) {
    CHECK_MAGIC(pool, CONN_POOL_MAGIC);
    while (!list_is_empty(&pool->pending) && !list_is_empty(&pool->ready)) {
        struct upstream_request *request =
            LIST_ENTRY(pool->pending.next, struct upstream_request, node);
        conn_pool_unqueue(pool, request);
        if (!attach(pool, request)) {
            upstream_request_fail(request, HTTP_RESET_OVERFLOW, "overflow");
        }
    }
    if (pool->is_draining) {
        drain_list(&pool->ready);
    }
}

void conn_pool_connect_failed(struct conn_pool *pool, bool timed_out, struct slice reason) {
    CHECK_MAGIC(pool, CONN_POOL_MAGIC);
    // What the owners submit from within their callbacks belongs to a new list.
    struct list_node failed;
    list_init(&failed);
    list_splice(&failed, &pool->pending);
    while (!list_is_empty(&failed)) {
        struct upstream_request *request = LIST_ENTRY(failed.next, struct upstream_request, node);
        conn_pool_unqueue(pool, request);
        conn_pool_count(pool, CLUSTER_STAT_UPSTREAM_RQ_PENDING_FAILURE_EJECT);
        if (request->info != NULL) {
            request->info->transport_failure_reason = arena_dup_slice(request->arena, reason);
        }
        upstream_request_fail(
            request, timed_out ? HTTP_RESET_CONNECTION_TIMEOUT : HTTP_RESET_CONNECTION_FAILURE,
            timed_out ? "connection timeout" : "connection failure");
    }
}

void conn_pool_grow(struct conn_pool *pool) {
    uint32_t thread = pool->manager->io->index;
    while (pool->pending_count > pool->connecting_capacity) {
        struct circuit_breaker *breaker = conn_pool_breaker(pool);
        if (!circuit_breaker_try(breaker, thread, BREAKER_CONNECTIONS)) {
            conn_pool_count(pool, CLUSTER_STAT_UPSTREAM_CX_OVERFLOW);
            // Each host may have one connection whatever the limit: nobody would ever be served else.
            bool has_any = !list_is_empty(&pool->ready) || !list_is_empty(&pool->busy) ||
                           !list_is_empty(&pool->connecting);
            if (has_any) {
                return;
            }
            circuit_breaker_force(breaker, thread, BREAKER_CONNECTIONS);
        }
        http_client_start(pool, pool->is_multiplexed ? pool->max_streams : 1);
    }
}
