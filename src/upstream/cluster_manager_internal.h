// SPDX-License-Identifier: Apache-2.0
/*
 * The cluster manager's layout, for the files of src/upstream that run on the control thread. Nobody
 * else includes this.
 */
#ifndef SRC_UPSTREAM_CLUSTER_MANAGER_INTERNAL_H
#define SRC_UPSTREAM_CLUSTER_MANAGER_INTERNAL_H

#include "src/base/list.h"
#include "src/event/event_loop.h"
#include "src/upstream/cluster_manager.h"
#include "src/upstream/cluster_members.h"
#include "src/upstream/cluster_state.h"

struct cluster_dns;
struct health_checker;

#define CLUSTER_MANAGER_STATS(X)                                                                   \
    X(CLUSTER_ADDED, "cluster_added", COUNTER, "clusters added")                                   \
    X(CLUSTER_MODIFIED, "cluster_modified", COUNTER, "clusters modified")                          \
    X(CLUSTER_REMOVED, "cluster_removed", COUNTER, "clusters removed")                             \
    X(CLUSTER_UPDATED, "cluster_updated", COUNTER, "membership updates")                           \
    X(CLUSTER_UPDATED_VIA_MERGE, "cluster_updated_via_merge", COUNTER, "merged updates")           \
    X(UPDATE_MERGE_CANCELLED, "update_merge_cancelled", COUNTER, "merges cut short")               \
    X(UPDATE_OUT_OF_MERGE_WINDOW, "update_out_of_merge_window", COUNTER, "updates at once")        \
    X(ACTIVE_CLUSTERS, "active_clusters", GAUGE, "clusters in use")                                \
    X(WARMING_CLUSTERS, "warming_clusters", GAUGE, "clusters that warm")
enum cluster_manager_stat {
#define CLUSTER_MANAGER_STAT_ENUM(id, name, kind, doc) CLUSTER_MANAGER_STAT_##id,
    CLUSTER_MANAGER_STATS(CLUSTER_MANAGER_STAT_ENUM)
#undef CLUSTER_MANAGER_STAT_ENUM
};

struct cluster_manager {
    uint32_t magic;
    struct io_context *control;
    struct config_store *store;
    struct stats_registry *stats;
    struct stats_scope *scope;
    struct hash_map clusters;    /* name -> struct managed_cluster */
    struct hash_map states;      /* name -> struct cluster_state, not referenced */
    struct hash_map assignments; /* name -> struct assignment_input */
    struct list_node dirty; /* struct managed_cluster: host set to rebuild at the end of the turn */
    struct event_deferred rebuild;
    uint32_t warming_count;
    uint32_t active_count;
    bool has_runtime_limits; /* breakers may have another limit than their configuration's */
    uint32_t refs;           /* its owner's, and one per cluster_state */
};

/* What is known under an EDS name, and who waits for it. */
struct assignment_input {
    struct slice name; /* lies behind */
    struct endpoint_part *part;
    bool is_timed_out;
    struct list_node watchers; /* struct cluster_generation */
    uint8_t text[];
};

/* One configuration of a cluster with its discovery. */
struct cluster_generation {
    struct managed_cluster *cluster;
    struct cluster_part *part;   /* one reference */
    struct cluster_state *state; /* one reference */
    struct cluster_dns *dns;
    struct slice input_name; /* of the assignment */
    struct assignment_input *input;
    struct list_node watcher;
    cluster_warm_fn *on_warm;
    void *arg;
};

struct managed_cluster {
    struct cluster_manager *manager;
    struct slice name; /* lies behind */
    uint32_t slot;
    struct cluster_generation *active;   /* in the store */
    struct cluster_generation *warming;  /* NULL: none */
    struct cluster_state *members_state; /* whose hosts the members are */
    struct cluster_members members; /* of `active`, or of a first one that waits for its checks */
    struct health_checker *checker; /* NULL: none */
    bool waits_for_checks;
    struct list_node dirty;
    uint8_t text[];
};

struct cluster_state *cluster_state_new(struct cluster_manager *manager,
                                        const struct cluster_part *part);
/* Drops one reference of the manager itself. */
void cluster_manager_release(struct cluster_manager *manager);
/* The host set is rebuilt at the end of this turn. */
void cluster_manager_mark_dirty(struct managed_cluster *cluster);
/* The first round of health checks is through. */
void cluster_manager_checks_done(struct managed_cluster *cluster);

#endif
