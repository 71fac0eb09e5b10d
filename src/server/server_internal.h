// SPDX-License-Identifier: Apache-2.0
/*
 * The server's state, private to src/server: server.c makes and ends it, server_life.c runs it (start
 * order, drain, shutdown), server_overload.c carries out what the overload manager finds, server_admin.c is what the admin interface sees of it.
 */
#ifndef SRC_SERVER_SERVER_INTERNAL_H
#define SRC_SERVER_SERVER_INTERNAL_H

#include "src/admin/admin_server.h"
#include "src/base/hash_map.h"
#include "src/base/process_memory.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/event/timer.h"
#include "src/filter_chain/filter_registry.h"
#include "src/listener/worker_listeners.h"
#include "src/overload/overload_state.h"
#include "src/server/server.h"
#include "src/server/server_stats.h"
#include "src/server/signals.h"
#include "src/server/worker.h"
#include "xds/bootstrap/bootstrap_settings.h"

struct overload_manager;
struct xds;
struct xds_transport;

/* When memory that reset streams held was last given back to the kernel. */
struct overload_trim {
    uint64_t resets_seen; /* of the workers' count */
    uint64_t next_us;     /* not before */
};

struct server {
    const struct options *options;
    uint32_t concurrency;
    uint64_t start_us;
    enum server_state state;
    int exit_code;
    /* configuration */
    struct config_part
        *bootstrap_part;         /* owns the message, less the static resources, and settings */
    struct arena bootstrap_tree; /* what was read, with the static resources, until they are put */
    struct Envoy__Config__Bootstrap__V3__Bootstrap *bootstrap;
    struct bootstrap_settings settings;
    struct filter_registry registry;
    struct decode_context decode;
    struct hash_map
        static_clusters; /* names of the bootstrap's that the manager does not know yet */
    /* the control thread */
    struct io_context control;
    struct stats_registry *stats;
    struct stats_scope *server_scope;
    /* Of the codecs: held here, they outlive the last listener. */
    struct stats_scope *http1_scope, *http2_scope;
    struct file_writer *files;
    struct config_store *store;
    struct cluster_manager *clusters;
    struct upstream_manager *upstream;
    struct listener_manager *listeners;
    struct xds_transport *transport;
    struct xds *xds;
    struct admin *admin;
    struct admin_server_facts facts;
    struct signals *signals;
    struct timer flush_timer;    /* gauges */
    struct timer trim_timer;     /* armed once initialised */
    struct timer deadline_timer; /* of a shutdown or of a graceful /drain_listeners */
    /* workers */
    struct worker **workers;
    uint32_t workers_drained;
    struct drain_settings drain;
    struct listener_limits limits;
    struct heap_trim heap_trim;
    struct overload_state overload_state;
    struct overload_manager *overload; /* NULL: nothing is watched */
    struct stats_scope *stream_resets; /* stream_reset_stat_table */
    struct overload_trim overload_trim;
    uint32_t timeout_scale; /* that the workers were told of */
    bool health_failed;
    bool is_shutting_down;
    bool drain_inbound_only;
};

/* server_life.c */
void server_life_init(struct server *server);
void server_on_worker_drained(void *server);
void server_on_initialized(void *arg);
void server_shutdown(struct server *server, bool at_once);
void server_drain_listeners(struct server *server, const struct admin_drain *drain);
void server_set_health_failed(struct server *server, bool failed);
void server_reopen_logs(struct server *server);
void server_refresh_stats(struct server *server);
extern const struct signals_callbacks server_signals;

/* server_overload.c */
void server_init_overload(struct server *server);
void server_start_overload(struct server *server);
void server_on_worker_memory(void *server);
/* While the action shrink_heap is on: to be called now and then. */
void server_shrink_heap(struct server *server);

/* server_admin.c */
enum status server_start_admin(struct server *server, struct error *err) MUST_USE;

#endif
