// SPDX-License-Identifier: Apache-2.0
#include "src/base/check.h"
#include "src/config/config_store.h"
#include "src/upstream/cluster_manager_internal.h"
#include "src/upstream/conn_pool.h"
#include "src/upstream/http_shadow.h"
#include "src/upstream/upstream_tcp.h"

static void drain_host(struct worker_host *host) {
    LIST_FOR_EACH_SAFE (node, &host->pools) {
        conn_pool_drain(LIST_ENTRY(node, struct conn_pool, node));
    }
}

static void close_host(struct worker_host *host) {
    drain_host(host);
    LIST_FOR_EACH_SAFE (node, &host->draining) {
        conn_pool_close(LIST_ENTRY(node, struct conn_pool, node));
    }
}

static void release_closed(struct worker_host *host) {
    LIST_FOR_EACH_SAFE (node, &host->draining) {
        conn_pool_release_closed(LIST_ENTRY(node, struct conn_pool, node));
    }
}

static void drain_cluster(struct worker_cluster *cluster) {
    LIST_FOR_EACH_SAFE (node, &cluster->hosts) {
        drain_host(LIST_ENTRY(node, struct worker_host, node));
    }
}

/* The cluster was removed, or has another configuration, for which its pools are not made. */
static void on_cluster_change(struct upstream_manager *manager, const struct config_part *before,
                              const struct config_part *after) {
    const struct cluster_part *old = (const struct cluster_part *)(const void *)before;
    const struct cluster_part *new = (const struct cluster_part *)(const void *)after;
    struct worker_cluster *cluster = old == NULL ? NULL : old->state->workers[manager->io->index];
    if (cluster == NULL) {
        return;
    }
    // The part's address may come back as another part's.
    cluster->lb_part = NULL;
    cluster->is_removed = new == NULL || new->state != old->state;
    drain_cluster(cluster);
    timer_arm(manager->io->loop, &manager->reap_timer, 0);
}

static void on_hosts_change(struct upstream_manager *manager, const struct config_part *after) {
    const struct host_set *set = (const struct host_set *)(const void *)after;
    struct worker_cluster *cluster = set == NULL ? NULL : set->state->workers[manager->io->index];
    if (cluster == NULL || cluster->is_removed) {
        return;
    }
    bool closes_failed =
        cluster->lb_part != NULL && cluster->lb_part->close_connections_on_health_failure;
    LIST_FOR_EACH_SAFE (node, &cluster->hosts) {
        struct worker_host *host = LIST_ENTRY(node, struct worker_host, node);
        uint32_t flags = host_flags(host->host);
        if ((flags & HOST_REMOVED) != 0) {
            drain_host(host);
            worker_host_release_if_unused(host);
        } else if (closes_failed && (flags & HOST_FAILED_ACTIVE_HC) != 0) {
            close_host(host);
        }
    }
}

static void on_swap(void *arg, const struct config_snapshot *previous,
                    const struct config_snapshot *current) {
    // The subscription may outlive the manager: mail of the store that is still on its way.
    const struct io_context *io = arg;
    struct upstream_manager *manager = io->upstream;
    (void)previous;
    if (manager == NULL) {
        return;
    }
    CHECK_MAGIC(manager, UPSTREAM_MANAGER_MAGIC);
    for (uint32_t i = 0; i < current->change_count; i++) {
        const struct config_change *change = &current->changes[i];
        if (change->kind == CONFIG_CLUSTER) {
            on_cluster_change(manager, change->before, change->after);
        } else if (change->kind == CONFIG_ENDPOINT) {
            on_hosts_change(manager, change->after);
        }
    }
}

static void reap_hosts(struct worker_cluster *cluster) {
    struct list_node *next;
    for (struct list_node *node = cluster->hosts.next; node != &cluster->hosts; node = next) {
        next = node->next;
        bool is_last = next == &cluster->hosts;
        worker_host_release_if_unused(LIST_ENTRY(node, struct worker_host, node));
        if (is_last) {
            // With its last host the cluster may have gone, and the control thread have freed it.
            return;
        }
    }
}

/* A removed cluster goes once its last host has. */
static void reap_clusters(struct upstream_manager *manager) {
    LIST_FOR_EACH_SAFE (node, &manager->clusters) {
        struct worker_cluster *cluster = LIST_ENTRY(node, struct worker_cluster, node);
        if (cluster->is_removed && list_is_empty(&cluster->hosts)) {
            worker_cluster_release_if_unused(cluster);
        } else if (cluster->is_removed) {
            reap_hosts(cluster);
        }
    }
}

static void reap(void *arg) {
    struct upstream_manager *manager = arg;
    CHECK_MAGIC(manager, UPSTREAM_MANAGER_MAGIC);
    while (!list_is_empty(&manager->idle_pools)) {
        struct conn_pool *pool = LIST_ENTRY(manager->idle_pools.next, struct conn_pool, idle);
        list_remove(&pool->idle);
        if (!conn_pool_is_unused(pool)) {
            continue;
        }
        struct worker_host *host = pool->host;
        conn_pool_free(pool);
        worker_host_release_if_unused(host);
    }
    reap_clusters(manager);
}

struct upstream_manager *upstream_manager_new(struct io_context *io,
                                              struct cluster_manager *clusters) {
    struct upstream_manager *manager = mem_calloc(1, sizeof(*manager));
    manager->magic = UPSTREAM_MANAGER_MAGIC;
    manager->io = io;
    manager->control = clusters->control->mailbox;
    list_init(&manager->clusters);
    list_init(&manager->idle_pools);
    list_init(&manager->shadows);
    timer_init(&manager->reap_timer, reap, manager);
    io->upstream = manager;
    config_store_subscribe(clusters->store, io, on_swap, io);
    return manager;
}

void upstream_manager_drain(struct upstream_manager *manager) {
    CHECK_MAGIC(manager, UPSTREAM_MANAGER_MAGIC);
    manager->is_draining = true;
    LIST_FOR_EACH_SAFE (node, &manager->clusters) {
        drain_cluster(LIST_ENTRY(node, struct worker_cluster, node));
    }
}

static void close_cluster(struct worker_cluster *cluster) {
    LIST_FOR_EACH_SAFE (node, &cluster->hosts) {
        struct worker_host *host = LIST_ENTRY(node, struct worker_host, node);
        close_host(host);
        release_closed(host);
        while (!list_is_empty(&host->tcp)) {
            upstream_tcp_abandon(LIST_ENTRY(host->tcp.next, struct upstream_tcp, node));
        }
    }
}

void upstream_manager_free(struct upstream_manager *manager) {
    if (manager == NULL) {
        return;
    }
    CHECK_MAGIC(manager, UPSTREAM_MANAGER_MAGIC);
    http_shadow_end_all(&manager->shadows);
    LIST_FOR_EACH_SAFE (node, &manager->clusters) {
        struct worker_cluster *cluster = LIST_ENTRY(node, struct worker_cluster, node);
        cluster->is_removed = true;
        close_cluster(cluster);
    }
    reap(manager);
    timer_cancel(&manager->reap_timer);
    ASSERT(list_is_empty(&manager->clusters));
    if (manager->io->upstream == manager) {
        manager->io->upstream = NULL;
    }
    manager->magic = 0;
    mem_free(manager);
}
