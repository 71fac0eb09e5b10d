// SPDX-License-Identifier: Apache-2.0
/* Start order, draining, the end. A first SIGTERM stops accepting and lets requests in flight complete;
 * the process ends after the last one or at the drain time; a second signal ends it at once. */
#include "src/access_log/access_log.h"
#include "src/base/check.h"
#include "src/base/log.h"
#include "src/listener/listener_manager.h"
#include "src/server/server_internal.h"
#include "src/tls/tls_context.h"

void server_refresh_stats(struct server *server) {
    uint64_t now_us = event_loop_now_us(server->control.loop);
    struct server_gauges gauges = {
        .state = server->state,
        .uptime_s = (now_us - server->start_us) / 1000000,
        .connections = atomic_load_explicit(&server->limits.connections, memory_order_relaxed),
        .concurrency = server->concurrency,
        .days_until_first_cert = UINT32_MAX,
    };
    server_stats_refresh(server->server_scope, server->control.index, &gauges);
}

void server_on_initialized(void *arg) {
    struct server *server = arg;
    if (server->state == SERVER_LIVE || server->is_shutting_down) {
        return;
    }
    if (server->options->mode == SERVER_MODE_INIT_ONLY) {
        LOG(MAIN, INFO, "all dependencies initialized. exiting, as --mode init_only says");
        event_loop_stop(server->control.loop);
        return;
    }
    LOG(MAIN, INFO, "all dependencies initialized. starting workers");
    for (uint32_t i = 0; i < server->concurrency; i++) {
        struct error err;
        if (worker_start(server->workers[i], &err) != STATUS_OK) {
            LOG(MAIN, CRITICAL, "%s", err.message);
            server->exit_code = 1;
            event_loop_stop(server->control.loop);
            return;
        }
    }
    server->state = SERVER_LIVE;
    uint64_t took_us = event_loop_now_us(server->control.loop) - server->start_us;
    stats_record(server->server_scope, server->control.index, SERVER_STAT_INITIALIZATION_TIME_MS,
                 took_us / 1000);
    listener_manager_set_workers_started(server->listeners);
    server_refresh_stats(server);
    // What decoding left behind would stay with the process for ever.
    heap_trim_start(&server->heap_trim);
    timer_arm(server->control.loop, &server->trim_timer, IO_TRIM_INTERVAL_MS);
}

/* ---- draining ---- */

static void all_workers_drain(struct server *server, bool immediate, bool inbound_only,
                              bool stop_accepting) {
    for (uint32_t i = 0; i < server->concurrency; i++) {
        worker_drain(server->workers[i], immediate, inbound_only, stop_accepting);
    }
}

static void on_drain_time_over(void *arg) {
    struct server *server = arg;
    if (server->is_shutting_down) {
        LOG(MAIN, WARN, "drain time is over; closing what is left");
        event_loop_stop(server->control.loop);
        return;
    }
    listener_manager_stop(server->listeners, server->drain_inbound_only);
}

void server_drain_listeners(struct server *server, const struct admin_drain *drain) {
    LOG(ADMIN, INFO, "draining listeners%s%s", drain->inbound_only ? ", inbound only" : "",
        drain->graceful ? ", gracefully" : "");
    all_workers_drain(server, server->drain.is_immediate, drain->inbound_only, false);
    if (drain->skip_exit) {
        return;
    }
    server->drain_inbound_only = drain->inbound_only;
    if (drain->graceful) {
        timer_arm(server->control.loop, &server->deadline_timer, server->drain.drain_time_ms);
        return;
    }
    listener_manager_stop(server->listeners, drain->inbound_only);
}

void server_set_health_failed(struct server *server, bool failed) {
    server->health_failed = failed;
    server->state = failed ? SERVER_DRAINING : SERVER_LIVE;
    for (uint32_t i = 0; i < server->concurrency; i++) {
        worker_set_health_failed(server->workers[i], failed);
    }
}

void server_reopen_logs(struct server *server) {
    file_writer_reopen(server->files);
    log_reopen();
}

/* ---- the end ---- */

void server_shutdown(struct server *server, bool at_once) {
    bool nothing_runs = server->state != SERVER_LIVE && server->state != SERVER_DRAINING;
    if (at_once || nothing_runs || server->is_shutting_down) {
        event_loop_stop(server->control.loop);
        return;
    }
    LOG(MAIN, INFO, "draining: %lu connections, at most %u s",
        (unsigned long)atomic_load_explicit(&server->limits.connections, memory_order_relaxed),
        server->drain.drain_time_ms / 1000);
    server->is_shutting_down = true;
    server->state = SERVER_DRAINING;
    timer_arm(server->control.loop, &server->deadline_timer, server->drain.drain_time_ms);
    all_workers_drain(server, true, false, true);
    // New clients are to be refused, or to reach whoever shares the address, not to wait unaccepted.
    listener_manager_stop(server->listeners, false);
}

static void on_terminate(void *arg, int signal) {
    struct server *server = arg;
    LOG(MAIN, INFO, "caught signal %d%s", signal,
        server->is_shutting_down ? " again: ending at once" : "");
    server_shutdown(server, false);
}

static void on_reopen_logs(void *arg) {
    server_reopen_logs(arg);
}

const struct signals_callbacks server_signals = {
    .on_terminate = on_terminate,
    .on_reopen_logs = on_reopen_logs,
};

static void on_stats_flush(void *arg) {
    struct server *server = arg;
    server_refresh_stats(server);
    file_writer_flush(server->files, &server->control);
    timer_arm(server->control.loop, &server->flush_timer, server->settings.stats_flush_interval_ms);
}

static size_t mapped_bytes(const struct server *server) {
    size_t bytes = atomic_load_explicit(&server->control.mapped_bytes, memory_order_relaxed);
    for (uint32_t i = 0; i < server->concurrency; i++) {
        bytes += worker_mapped_bytes(server->workers[i]);
    }
    return bytes;
}

static void on_trim(void *arg) {
    struct server *server = arg;
    io_context_trim_unused(&server->control);
    heap_trim_run(&server->heap_trim, mapped_bytes(server));
    server_shrink_heap(server);
    timer_arm(server->control.loop, &server->trim_timer, IO_TRIM_INTERVAL_MS);
}

void server_life_init(struct server *server) {
    timer_init(&server->flush_timer, on_stats_flush, server);
    timer_init(&server->trim_timer, on_trim, server);
    timer_init(&server->deadline_timer, on_drain_time_over, server);
}

/* On the control thread, once per worker. */
void server_on_worker_drained(void *arg) {
    struct server *server = arg;
    if (++server->workers_drained >= server->concurrency) {
        LOG(MAIN, INFO, "all connections are gone");
        event_loop_stop(server->control.loop);
    }
}
