// SPDX-License-Identifier: Apache-2.0
/*
 * What one io_context keeps of clusters and hosts: balancer state and pools. Found without a search
 * through cluster_state.workers and host.workers; made at first use, given back to the control thread by
 * mail (with the reference to state or host that it holds) once nothing of it is left. One thread.
 */
#ifndef SRC_UPSTREAM_WORKER_CLUSTER_H
#define SRC_UPSTREAM_WORKER_CLUSTER_H

#include "src/base/list.h"
#include "src/event/event_loop.h"
#include "src/event/mailbox.h"
#include "src/event/timer.h"
#include "src/upstream/cluster_state.h"
#include "src/upstream/load_balancer/load_balancer.h"
#include "src/upstream/upstream.h"

/* Status codes whose counter's index is remembered. */
enum { STATUS_STAT_CACHE = 8 };

struct upstream_manager {
    uint32_t magic;
    struct io_context *io;
    struct mailbox *control;     /* where released objects go */
    struct list_node clusters;   /* struct worker_cluster */
    struct list_node idle_pools; /* struct conn_pool without connections and requests */
    struct list_node shadows;    /* struct http_shadow */
    struct timer reap_timer;
    bool is_draining;
};
enum { UPSTREAM_MANAGER_MAGIC = 0x5550534d };

/* Which requests an answer is counted for, beside all. */
enum status_group { STATUS_GROUP_EXTERNAL, STATUS_GROUP_INTERNAL, STATUS_GROUP_RETRY };

struct status_stat {
    uint32_t status;
    uint32_t index[2]; /* upstream_rq_<status>, and with the group's prefix before it */
    enum status_group group;
};

struct worker_cluster {
    struct mail mail;
    struct list_node node;
    struct upstream_manager *manager;
    struct cluster_state *state;        /* one reference */
    const struct cluster_part *lb_part; /* what `lb` was made for; NULL: not made */
    struct load_balancer lb;
    struct list_node hosts; /* struct worker_host */
    struct hash_map
        original_dst; /* address text -> struct worker_host; hosts of this thread only */
    struct status_stat status_stats[STATUS_STAT_CACHE];
    bool is_removed; /* no longer in the snapshot */
};

struct worker_host {
    struct mail mail;
    struct list_node node;
    struct worker_cluster *cluster;
    struct host *host;         /* one reference */
    struct list_node pools;    /* struct conn_pool that take new requests */
    struct list_node draining; /* those that do not */
    struct list_node tcp;      /* struct upstream_tcp */
    uint32_t connection_count;
};

/* Found or made; the cluster must be in the thread's snapshot. */
struct worker_cluster *worker_cluster_get(struct upstream_manager *manager,
                                          const struct cluster_part *part);
struct worker_host *worker_host_get(struct worker_cluster *cluster, struct host *host);
/* Gives it back, and its cluster where it was removed and this was the last host. */
void worker_host_release_if_unused(struct worker_host *host);
/* Only where the cluster was removed and no host is left. */
void worker_cluster_release_if_unused(struct worker_cluster *cluster);

/* Chooses a host; NULL says why in *failure. */
struct worker_host *worker_cluster_choose_host(struct worker_cluster *cluster,
                                               const struct cluster_part *part,
                                               const struct lb_context *context,
                                               enum upstream_failure *failure);

const struct cluster_part *upstream_cluster_part(const struct io_context *io, uint32_t slot);
/* What both kinds of attempt note about the host that was chosen. */
void upstream_info_clear_host(struct upstream_info *info);
void upstream_info_set_host(struct upstream_info *info, struct arena *arena,
                            const struct cluster_state *state, const struct host *host);

#endif
