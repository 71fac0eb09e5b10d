// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/worker_cluster.h"

#include "src/access_log/stream_info.h"
#include "src/base/check.h"

const struct cluster_part *upstream_cluster_part(const struct io_context *io, uint32_t slot) {
    if (io->snapshot == NULL) {
        return NULL;
    }
    const struct config_part *part = config_snapshot_part(io->snapshot, CONFIG_CLUSTER, slot);
    return (const struct cluster_part *)(const void *)part;
}

struct worker_cluster *worker_cluster_get(struct upstream_manager *manager,
                                          const struct cluster_part *part) {
    struct cluster_state *state = part->state;
    struct worker_cluster *cluster = state->workers[manager->io->index];
    if (cluster == NULL) {
        cluster = mem_calloc(1, sizeof(*cluster));
        cluster->manager = manager;
        cluster->state = cluster_state_ref(state);
        list_init(&cluster->hosts);
        hash_map_init(&cluster->original_dst);
        list_push_back(&manager->clusters, &cluster->node);
        state->workers[manager->io->index] = cluster;
    }
    cluster->is_removed = false;
    if (cluster->lb_part != part) {
        load_balancer_deinit(&cluster->lb);
        load_balancer_init(&cluster->lb, &part->lb, random_next(&manager->io->random));
        cluster->lb_part = part;
    }
    return cluster;
}

struct worker_host *worker_host_get(struct worker_cluster *cluster, struct host *host) {
    uint32_t thread = cluster->manager->io->index;
    if (host->workers[thread] == NULL) {
        struct worker_host *worker = mem_calloc(1, sizeof(*worker));
        worker->cluster = cluster;
        worker->host = host_ref(host);
        list_init(&worker->pools);
        list_init(&worker->draining);
        list_init(&worker->tcp);
        list_push_back(&cluster->hosts, &worker->node);
        host->workers[thread] = worker;
    }
    return host->workers[thread];
}

static void free_host(struct mail *mail) {
    struct worker_host *worker = CONTAINER_OF(mail, struct worker_host, mail);
    host_unref(worker->host);
    mem_free(worker);
}

static void free_cluster(struct mail *mail) {
    struct worker_cluster *cluster = CONTAINER_OF(mail, struct worker_cluster, mail);
    cluster_state_unref(cluster->state);
    mem_free(cluster);
}

void worker_cluster_release_if_unused(struct worker_cluster *cluster) {
    struct upstream_manager *manager = cluster->manager;
    if (!list_is_empty(&cluster->hosts) || !cluster->is_removed) {
        return;
    }
    list_remove(&cluster->node);
    load_balancer_deinit(&cluster->lb);
    hash_map_deinit(&cluster->original_dst);
    cluster->state->workers[manager->io->index] = NULL;
    cluster->mail.deliver = free_cluster;
    mailbox_post(manager->control, &cluster->mail);
}

void worker_host_release_if_unused(struct worker_host *host) {
    if (!list_is_empty(&host->pools) || !list_is_empty(&host->draining) ||
        !list_is_empty(&host->tcp)) {
        return;
    }
    struct worker_cluster *cluster = host->cluster;
    if (hash_map_get(&cluster->original_dst, host->host->address_text) == host) {
        hash_map_remove(&cluster->original_dst, host->host->address_text);
    }
    list_remove(&host->node);
    host->host->workers[cluster->manager->io->index] = NULL;
    host->mail.deliver = free_host;
    mailbox_post(cluster->manager->control, &host->mail);
    worker_cluster_release_if_unused(cluster);
}

/* ORIGINAL_DST: the host is where the connection wanted to go; this thread's own, counted and pooled by
 * its address. */
static struct worker_host *original_dst_host(struct worker_cluster *cluster,
                                             const struct lb_context *context) {
    struct address address = {0};
    if (context->override_host.len != 0) {
        if (address_from_text(&address, context->override_host, NULL) != STATUS_OK) {
            stats_inc(cluster->state->stats, cluster->manager->io->index,
                      CLUSTER_STAT_ORIGINAL_DST_HOST_INVALID);
            return NULL;
        }
    } else if (context->downstream != NULL && context->downstream->local != NULL) {
        address = *context->downstream->local;
    }
    if (!address_is_ip(&address)) {
        return NULL;
    }
    char text[ADDRESS_TEXT_BYTES];
    struct worker_host *known =
        hash_map_get(&cluster->original_dst, address_to_text(&address, text));
    if (known != NULL) {
        return known;
    }
    struct endpoint_config endpoint = {.weight = 1};
    struct locality locality = {0};
    struct host *host = host_new(&endpoint, &locality, &address, cluster->state->thread_count);
    struct worker_host *worker = worker_host_get(cluster, host);
    // The reference of host_new is the worker_host's; the second one goes at once, which is no release.
    atomic_fetch_sub_explicit(&host->refs, 1, memory_order_relaxed);
    hash_map_put(&cluster->original_dst, host->address_text, worker);
    return worker;
}

struct worker_host *worker_cluster_choose_host(struct worker_cluster *cluster,
                                               const struct cluster_part *part,
                                               const struct lb_context *context,
                                               enum upstream_failure *failure) {
    struct io_context *io = cluster->manager->io;
    struct stats_scope *stats = cluster->state->stats;
    struct worker_host *worker = NULL;
    if (part->type == CLUSTER_ORIGINAL_DST) {
        worker = original_dst_host(cluster, context);
    } else {
        const struct config_part *found =
            config_snapshot_part(io->snapshot, CONFIG_ENDPOINT, part->endpoint_slot);
        const struct host_set *hosts = (const struct host_set *)(const void *)found;
        uint32_t panic_picks = 0;
        struct host *host = hosts == NULL || hosts->state != cluster->state
                                ? NULL
                                : load_balancer_pick(&cluster->lb, hosts, context, &io->random,
                                                     event_loop_now_us(io->loop), &panic_picks);
        if (panic_picks != 0) {
            stats_add(stats, io->index, CLUSTER_STAT_LB_HEALTHY_PANIC, panic_picks);
        }
        worker = host == NULL ? NULL : worker_host_get(cluster, host);
    }
    if (worker == NULL) {
        stats_inc(stats, io->index, CLUSTER_STAT_UPSTREAM_CX_NONE_HEALTHY);
        *failure = UPSTREAM_FAILURE_NO_HOST;
    }
    return worker;
}

void upstream_info_clear_host(struct upstream_info *info) {
    info->host = (struct stored_address){0};
    info->host_name = (struct slice){NULL, 0};
}

void upstream_info_set_host(struct upstream_info *info, struct arena *arena,
                            const struct cluster_state *state, const struct host *host) {
    if (slice_is_empty(info->cluster_name)) {
        info->cluster_name = arena_dup_slice(arena, state->stat_name);
    }
    if (host != NULL) {
        info->host = stored_address_dup(&host->address, arena);
        info->host_name = slice_is_empty(host->hostname) ? (struct slice){0}
                                                         : arena_dup_slice(arena, host->hostname);
    }
}
