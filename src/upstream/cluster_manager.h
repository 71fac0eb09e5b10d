// SPDX-License-Identifier: Apache-2.0
/*
 * The control thread's view of all clusters: makes and keeps cluster_state (stats scope, breakers,
 * hosts) across updates, resolves DNS clusters, follows EDS parts, applies health, rebuilds host sets
 * and says when a cluster is warm. It alone puts CLUSTER parts into the config_store, and into ENDPOINT
 * slots of its own ("hosts/<cluster>") their struct host_set; an assignment is its input and is never put
 * into the store.
 */
#ifndef SRC_UPSTREAM_CLUSTER_MANAGER_H
#define SRC_UPSTREAM_CLUSTER_MANAGER_H

#include "src/config/cluster_config.h"
#include "src/config/config_store.h"
#include "src/stats/stats.h"
#include "src/upstream/host.h"

struct cluster_manager;
struct cluster_state;

struct cluster_manager *cluster_manager_new(struct io_context *control, struct config_store *store,
                                            struct stats_registry *stats);
/* After every upstream_manager. Clusters whose parts or hosts are still referenced (snapshots, mail on
 * its way) go when those do: the control's mailbox and the registry live longer. */
void cluster_manager_free(struct cluster_manager *manager);

/* Takes over one reference of `part` and puts it into the store, now or when it is warm: its first DNS
 * answer is there, its EDS part arrived (or its fetch timed out), its first health check ran. A warm
 * predecessor of the same name serves until then. `on_warm` is called once, maybe from within. */
typedef void cluster_warm_fn(void *arg, struct slice name);
void cluster_manager_add(struct cluster_manager *manager, struct cluster_part *part,
                         cluster_warm_fn *on_warm, void *arg);
void cluster_manager_remove(struct cluster_manager *manager, struct slice name);
/* An endpoint part (reference taken over); NULL: initial fetch timed out. A cluster of any type without
 * `load_assignment` waits for the one under the name of the ENDPOINT slot that its part was decoded with
 * (an EDS name, "inline/<cluster>"), or, without such a slot, under its eds_name. */
void cluster_manager_set_endpoints(struct cluster_manager *manager, struct slice eds_name,
                                   struct endpoint_part *part);
/* A cluster of that name is there, warming or not. */
bool cluster_manager_has(const struct cluster_manager *manager, struct slice name);
/* Number of clusters that are not warm yet. */
uint32_t cluster_manager_warming_count(const struct cluster_manager *manager);

/* For /clusters and config_dump. */
typedef void cluster_visit_fn(void *arg, const struct cluster_part *cluster,
                              const struct cluster_state *state, const struct host_set *hosts,
                              bool is_warming);
void cluster_manager_visit(const struct cluster_manager *manager, cluster_visit_fn *fn, void *arg);

/* Health from outside (active health checks, tests): sets or clears flags of a host and rebuilds the
 * host lists at the end of the turn. */
void cluster_manager_set_host_flags(struct cluster_manager *manager, struct host *host,
                                    uint32_t set, uint32_t clear);

#endif
