// SPDX-License-Identifier: Apache-2.0
/*
 * The control thread's side of listeners: makes their sockets (so that a bind error is known before
 * anything is published), keeps a socket open while any listener wants its address, and puts the part
 * into the store. Workers (worker_listeners) act on the snapshot; once all of them have let a removed
 * listener go, its socket is closed, whatever connections of it still finish.
 */
#ifndef SRC_LISTENER_LISTENER_MANAGER_H
#define SRC_LISTENER_LISTENER_MANAGER_H

#include "src/config/config_store.h"
#include "src/config/listener_config.h"
#include "src/stats/stats.h"

struct io_context;
struct listener_manager;

/* The bound sockets of one listener: fds[address * workers + worker]; without SO_REUSEPORT all workers
 * share one fd. Set into listener_part.sockets as long as the part is served; owned by the manager. */
struct listener_sockets {
    const int *fds;
    const struct address *bound; /* the addresses with real ports */
    uint32_t address_count;
    uint32_t worker_count;
};

struct listener_manager *listener_manager_new(struct io_context *control,
                                              struct config_store *store,
                                              struct stats_registry *stats, uint32_t workers);
/* Closes all sockets; no worker listens any more. */
void listener_manager_free(struct listener_manager *manager);

/* Takes over one reference of `part`, binds what is new, puts it into the store. On failure (address
 * in use, …) nothing changes, the reference is given back, and `err` says which address. */
enum status listener_manager_put(struct listener_manager *manager, struct listener_part *part,
                                 struct error *err) MUST_USE;
/* Removes it; connections drain. */
void listener_manager_remove(struct listener_manager *manager, struct slice name);
/* Takes all (`inbound_only`: inbound) listeners out of service, for good: those that are put later are
 * ignored, as in Envoy. Connections that are open finish by the drain's rules. */
void listener_manager_stop(struct listener_manager *manager, bool inbound_only);
void listener_manager_set_workers_started(struct listener_manager *manager);
/* Only told: how many wait. As in Envoy, those of the start do not count. */
void listener_manager_set_warming(struct listener_manager *manager, uint32_t count);
struct stats_scope *listener_manager_stats(struct listener_manager *manager);

#endif
