// SPDX-License-Identifier: Apache-2.0
#include "src/server/server.h"

#include "src/access_log/access_log.h"
#include "src/base/check.h"
#include "src/base/log.h"
#include "src/config/config_store.h"
#include "src/http/h1/http1_stats.h"
#include "src/http/h2/http2_stats.h"
#include "src/listener/listener_manager.h"
#include "src/overload/overload_manager.h"
#include "src/runtime/runtime.h"
#include "src/server/hcm_factory.h"
#include "src/server/server_internal.h"
#include "src/server/server_targets.h"
#include "src/upstream/cluster_manager.h"
#include "src/upstream/upstream.h"
#include "xds/bootstrap/bootstrap_loader.h"
#include "xds/transport/grpc_transport.h"
#include "xds/xds.h"

/* ---- the bootstrap ---- */

static void log_findings(const struct server *server, const struct validation *v) {
    for (uint32_t i = 0; i < v->finding_count; i++) {
        const struct finding *finding = &v->findings[i];
        switch (finding->kind) {
        case FINDING_ERROR:
            break; /* in the result's text */
        case FINDING_UNKNOWN:
            stats_inc(server->server_scope, server->control.index,
                      SERVER_STAT_STATIC_UNKNOWN_FIELDS);
            LOG(CONFIG, WARN, "unknown field %.*s", SLICE_ARG(finding->path));
            break;
        case FINDING_IGNORED:
            LOG(CONFIG, WARN, "ignored: %.*s: %.*s", SLICE_ARG(finding->path),
                SLICE_ARG(finding->message));
            break;
        case FINDING_DEPRECATED:
            if (!server->options->skip_deprecated_logs) {
                LOG(CONFIG, WARN, "deprecated: %.*s: %.*s", SLICE_ARG(finding->path),
                    SLICE_ARG(finding->message));
            }
            break;
        }
    }
}

static enum status load_bootstrap(struct server *server, struct error *err) {
    const struct options *options = server->options;
    server->bootstrap_part =
        config_part_new(CONFIG_KIND_COUNT, sizeof(struct config_part), SLICE("bootstrap"));
    struct bootstrap_source source = {
        .config_path = options->config_path,
        .config_yaml = slice_from_string(options->config_yaml),
        .allow_unknown_static_fields = options->allow_unknown_static_fields,
        .skip_deprecated_notes = options->skip_deprecated_logs,
    };
    struct validation v;
    validation_init(&v, &server->bootstrap_part->arena, (struct slice){NULL, 0});
    struct Envoy__Config__Bootstrap__V3__Bootstrap *read;
    TRY(bootstrap_load(&source, &server->bootstrap_tree, &read, &v, err));
    server->bootstrap = bootstrap_split(read, &server->bootstrap_part->arena, &v);
    TRY(validation_result(&v, err));
    struct bootstrap_node_flags flags = {
        .id = options->service_node,
        .cluster = options->service_cluster,
        .zone = options->service_zone,
    };
    bootstrap_settings_read(server->bootstrap, &flags, &server->decode, server->bootstrap_part, &v,
                            &server->settings);
    server->decode.node_id = server->settings.node_id;
    server->decode.node_cluster = server->settings.node_cluster;
    log_findings(server, &v);
    return validation_result(&v, err);
}

/* The command line's format wins. */
static enum status apply_log_format(struct server *server, struct error *err) {
    const struct options *options = server->options;
    if (!server->settings.has_log_format || options->log_format != NULL) {
        return STATUS_OK;
    }
    struct options with_format = *options;
    with_format.log_format =
        arena_dup_string(&server->bootstrap_part->arena, server->settings.log_format);
    return options_open_log(&with_format, err);
}

/* ---- making the parts ---- */

static enum status make_control(struct server *server, struct error *err) {
    const struct options *options = server->options;
    TRY(io_context_init(&server->control, server->concurrency, clock_system(), err));
    server->start_us = event_loop_now_us(server->control.loop);
    server->stats = stats_registry_new(server->concurrency + 1);
    server->server_scope = stats_scope_get(server->stats, SLICE("server"), &server_stat_table);
    server->http1_scope = stats_scope_get(server->stats, SLICE("http1"), &http1_stat_table);
    server->http2_scope = stats_scope_get(server->stats, SLICE("http2"), &http2_stat_table);
    server->store = config_store_new(&server->control);
    runtime_count_in(config_store_runtime(server->store), server->stats, server->control.index);
    struct file_writer_options files = {
        .flush_interval_ms = options->file_flush_interval_ms,
        .flush_bytes = options->file_flush_min_size_kb * 1024,
        .threads = server->concurrency + 1,
    };
    server->files = file_writer_new(&files, server->stats, err);
    if (server->files == NULL) {
        return STATUS_IO;
    }
    server_registry_init(&server->registry);
    server->decode = (struct decode_context){
        .store = server->store,
        .stats = server->stats,
        .files = server->files,
        .registry = &server->registry,
        .edge_defaults = options->edge_defaults,
    };
    server->drain = (struct drain_settings){
        .drain_time_ms = options->drain_time_s * 1000,
        .is_immediate = options->drain_immediate,
    };
    hash_map_init(&server->static_clusters);
    arena_init_heap(&server->bootstrap_tree, 0);
    server_life_init(server);
    return STATUS_OK;
}

static enum status make_data_path(struct server *server, struct error *err) {
    server_init_overload(server);
    server->clusters = cluster_manager_new(&server->control, server->store, server->stats);
    server->upstream = upstream_manager_new(&server->control, server->clusters);
    server->listeners =
        listener_manager_new(&server->control, server->store, server->stats, server->concurrency);
    server->limits.max_connections = server->settings.max_downstream_connections;
    server->workers = mem_calloc(server->concurrency, sizeof(*server->workers));
    for (uint32_t i = 0; i < server->concurrency; i++) {
        struct worker_options worker = {
            .index = i,
            .clock = clock_system(),
            .store = server->store,
            .clusters = server->clusters,
            .files = server->files,
            .file_flush_ms = server->options->file_flush_interval_ms,
            .drain = &server->drain,
            .limits = &server->limits,
            .overload = &server->overload_state,
            .stream_resets = server->stream_resets,
            .control = server->control.mailbox,
            .on_memory = server_on_worker_memory,
            .on_drained = server_on_worker_drained,
            .arg = server,
        };
        server->workers[i] = worker_new(&worker, err);
        if (server->workers[i] == NULL) {
            return STATUS_IO;
        }
    }
    return STATUS_OK;
}

/* Static clusters count from the start, so that --mode validate knows them too. */
static bool cluster_exists(void *arg, struct slice name) {
    const struct server *server = arg;
    return hash_map_get(&server->static_clusters, name) != NULL ||
           cluster_manager_has(server->clusters, name);
}

static void know_static_clusters(struct server *server) {
    for (uint32_t i = 0; i < server->settings.static_cluster_count; i++) {
        (void)hash_map_put(&server->static_clusters, server->settings.static_clusters[i], server);
    }
    server->decode.cluster_exists = cluster_exists;
    server->decode.cluster_exists_arg = server;
}

static void on_unknown_field(void *arg, bool is_static) {
    const struct server *server = arg;
    stats_inc(server->server_scope, server->control.index,
              is_static ? SERVER_STAT_STATIC_UNKNOWN_FIELDS : SERVER_STAT_DYNAMIC_UNKNOWN_FIELDS);
}

static enum status make_xds(struct server *server, struct error *err) {
    server->transport = grpc_transport_new(server->control.mailbox, err);
    if (server->transport == NULL) {
        return STATUS_IO;
    }
    struct xds_options options = {
        .control = &server->control,
        .decode = &server->decode,
        .targets = server_targets(server),
        .transport = server->transport,
        .bootstrap = server->bootstrap,
        .runtime = &server->settings.runtime,
        .reject_unknown_dynamic_fields = server->options->reject_unknown_dynamic_fields,
        .on_initialized = server_on_initialized,
        .on_unknown_field = on_unknown_field,
        .arg = server,
    };
    server->xds = xds_new(&options, err);
    return server->xds == NULL ? err->status : STATUS_OK;
}

static enum status make_all(struct server *server, struct error *err) {
    TRY(make_control(server, err));
    TRY(load_bootstrap(server, err));
    TRY(apply_log_format(server, err));
    TRY(make_data_path(server, err));
    know_static_clusters(server);
    return make_xds(server, err);
}

static struct server *server_make(const struct options *options, struct error *err) {
    struct server *server = mem_calloc(1, sizeof(*server));
    server->options = options;
    server->concurrency = options_concurrency(options);
    server->state = SERVER_PRE_INITIALIZING;
    if (make_all(server, err) != STATUS_OK) {
        server_free(server);
        return NULL;
    }
    return server;
}

struct server *server_new(const struct options *options, struct error *err) {
    return server_make(options, err);
}

/* ---- running ---- */

/* Static clusters that wait for a secret: the cluster manager does not know them yet, routes may name
 * them. */
static void keep_waiting_clusters(struct server *server) {
    struct hash_map waiting;
    hash_map_init(&waiting);
    for (uint32_t i = 0; i < server->settings.static_cluster_count; i++) {
        struct slice name = server->settings.static_clusters[i];
        if (!cluster_manager_has(server->clusters, name)) {
            name = arena_dup_slice(&server->bootstrap_part->arena, name);
            (void)hash_map_put(&waiting, name, server);
        }
    }
    hash_map_deinit(&server->static_clusters);
    server->static_clusters = waiting;
}

/* They are in the managers' hands now; ten thousand clusters as messages are worth 20 MiB. */
static void forget_static_resources(struct server *server) {
    keep_waiting_clusters(server);
    bootstrap_forget_resources(server->bootstrap);
    server->settings.static_clusters = NULL;
    server->settings.static_cluster_count = 0;
    // Keys may have been in it.
    arena_wipe(&server->bootstrap_tree);
    arena_reset(&server->bootstrap_tree);
}

static enum status start(struct server *server, struct error *err) {
    server->signals = signals_new(server->control.loop, &server_signals, server, err);
    if (server->signals == NULL) {
        return STATUS_IO;
    }
    LOG(MAIN, INFO, "initializing: %u workers, %s defaults", server->concurrency,
        server->options->edge_defaults ? "edge" : "envoy");
    TRY(server_start_admin(server, err));
    server_refresh_stats(server);
    timer_arm(server->control.loop, &server->flush_timer, server->settings.stats_flush_interval_ms);
    server_start_overload(server);
    server->state = SERVER_INITIALIZING;
    TRY(xds_start(server->xds, err));
    forget_static_resources(server);
    return STATUS_OK;
}

int server_run(struct server *server) {
    struct error err;
    if (start(server, &err) != STATUS_OK) {
        LOG(MAIN, CRITICAL, "%s", err.message);
        return 1;
    }
    event_loop_run(server->control.loop);
    LOG(MAIN, INFO, "exiting");
    return server->exit_code;
}

static void free_workers(struct server *server) {
    if (server->workers == NULL) {
        return;
    }
    for (uint32_t i = 0; i < server->concurrency; i++) {
        if (server->workers[i] != NULL) {
            worker_stop(server->workers[i]);
        }
    }
    for (uint32_t i = 0; i < server->concurrency; i++) {
        worker_free(server->workers[i]);
    }
    mem_free(server->workers);
}

/* What workers gave back by mail (clusters, parts) arrives in turns of the control loop. */
static void deliver_mail(struct server *server) {
    while (event_loop_run_once(server->control.loop, 0) > 0) {
    }
}

static void free_configuration(struct server *server) {
    xds_free(server->xds);
    grpc_transport_free(server->transport);
    free_workers(server);
    upstream_manager_free(server->upstream);
    cluster_manager_free(server->clusters);
    if (server->store != NULL) {
        config_store_unsubscribe(server->store, &server->control);
        deliver_mail(server);
        hash_map_deinit(&server->static_clusters);
        config_part_unref(server->bootstrap_part);
        arena_wipe(&server->bootstrap_tree);
        arena_deinit(&server->bootstrap_tree);
        config_store_free(server->store);
    }
    listener_manager_free(server->listeners);
    server_registry_deinit(&server->registry);
}

void server_free(struct server *server) {
    if (server == NULL) {
        return;
    }
    signals_free(server->signals);
    admin_free(server->admin);
    if (server->control.loop != NULL) {
        overload_manager_free(server->overload);
        server->overload = NULL; // workers may still ask for a refresh
        timer_cancel(&server->flush_timer);
        timer_cancel(&server->trim_timer);
        timer_cancel(&server->deadline_timer);
        free_configuration(server);
        deliver_mail(server);
        file_writer_free(server->files);
        stats_scope_unref(server->server_scope);
        stats_scope_unref(server->http1_scope);
        stats_scope_unref(server->http2_scope);
        stats_scope_unref(server->stream_resets);
        overload_state_deinit(&server->overload_state);
        stats_registry_free(server->stats);
        io_context_deinit(&server->control);
    }
    mem_free(server);
}

/* ---- validate and compat ---- */

enum status server_validate(const struct options *options, struct error *err) {
    struct server *server = server_make(options, err);
    if (server == NULL) {
        return err->status;
    }
    enum status status = xds_validate(server->xds, err);
    server_free(server);
    return status;
}
