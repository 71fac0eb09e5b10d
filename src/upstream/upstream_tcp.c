// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/upstream_tcp.h"

#include "src/base/check.h"
#include "src/upstream/outlier_detector.h"

enum { UPSTREAM_TCP_MAGIC = 0x55544350 };

static struct cluster_state *state_of(const struct upstream_tcp *tcp) {
    return tcp->host->cluster->state;
}

static void count(const struct upstream_tcp *tcp, enum cluster_stat stat) {
    stats_inc(state_of(tcp)->stats, tcp->options.io->index, stat);
}

static void stop_waiting(struct upstream_tcp *tcp) {
    if (tcp->is_waiting) {
        tcp->is_waiting = false;
        circuit_breaker_release(&state_of(tcp)->breakers[0], tcp->options.io->index,
                                BREAKER_PENDING);
    }
}

/* A connection that serves a session serves one request. */
static void count_destroy(const struct upstream_tcp *tcp) {
    bool is_remote = tcp->is_ended_by_peer;
    count(tcp, CLUSTER_STAT_UPSTREAM_CX_DESTROY);
    count(tcp, is_remote ? CLUSTER_STAT_UPSTREAM_CX_DESTROY_REMOTE
                         : CLUSTER_STAT_UPSTREAM_CX_DESTROY_LOCAL);
    if (tcp->is_ready) {
        count(tcp, CLUSTER_STAT_UPSTREAM_CX_DESTROY_WITH_ACTIVE_RQ);
        count(tcp, is_remote ? CLUSTER_STAT_UPSTREAM_CX_DESTROY_REMOTE_WITH_ACTIVE_RQ
                             : CLUSTER_STAT_UPSTREAM_CX_DESTROY_LOCAL_WITH_ACTIVE_RQ);
    }
}

/* Breakers and gauges are given back. Once. */
static void settle(struct upstream_tcp *tcp) {
    if (tcp->is_settled) {
        return;
    }
    tcp->is_settled = true;
    struct io_context *io = tcp->options.io;
    struct stats_scope *stats = state_of(tcp)->stats;
    struct host *host = tcp->host->host;
    stats_dec(stats, io->index, CLUSTER_STAT_UPSTREAM_CX_ACTIVE);
    stats_record(stats, io->index, CLUSTER_STAT_UPSTREAM_CX_LENGTH_MS,
                 (event_loop_now_us(io->loop) - tcp->created_us) / 1000);
    if (tcp->connection != NULL) {
        stats_add(stats, io->index, CLUSTER_STAT_UPSTREAM_CX_RX_BYTES_TOTAL,
                  connection_bytes_received(tcp->connection));
        stats_add(stats, io->index, CLUSTER_STAT_UPSTREAM_CX_TX_BYTES_TOTAL,
                  connection_bytes_sent(tcp->connection));
    }
    count_destroy(tcp);
    atomic_fetch_sub_explicit(&host->active_connections, 1, memory_order_relaxed);
    if (tcp->is_ready) {
        stats_dec(stats, io->index, CLUSTER_STAT_UPSTREAM_RQ_ACTIVE);
        atomic_fetch_sub_explicit(&host->active_requests, 1, memory_order_relaxed);
    }
    stop_waiting(tcp);
    circuit_breaker_release(&state_of(tcp)->breakers[0], io->index, BREAKER_CONNECTIONS);
}

static void tcp_free(struct upstream_tcp *tcp) {
    settle(tcp);
    struct worker_host *host = tcp->host;
    event_loop_defer_cancel(&tcp->deferred);
    connection_free(tcp->connection);
    connect_settings_deinit(&tcp->settings);
    mem_free(tcp->start_error);
    list_remove(&tcp->node);
    tcp->magic = 0;
    mem_free(tcp);
    worker_host_release_if_unused(host);
}

void upstream_tcp_abandon(struct upstream_tcp *tcp) {
    CHECK_MAGIC(tcp, UPSTREAM_TCP_MAGIC);
    tcp_free(tcp);
}

static void fail(struct upstream_tcp *tcp, struct slice reason, bool timed_out) {
    count(tcp, CLUSTER_STAT_UPSTREAM_CX_CONNECT_FAIL);
    if (timed_out) {
        count(tcp, CLUSTER_STAT_UPSTREAM_CX_CONNECT_TIMEOUT);
    }
    count(tcp, CLUSTER_STAT_UPSTREAM_RQ_PENDING_FAILURE_EJECT);
    host_count(tcp->host->host, HOST_STAT_CX_CONNECT_FAIL);
    tcp->is_ended_by_peer = !timed_out;
    settle(tcp);
    tcp->options.callbacks->on_failure(tcp->options.arg, reason, timed_out);
}

static void on_start_failed(void *arg) {
    struct upstream_tcp *tcp = arg;
    CHECK_MAGIC(tcp, UPSTREAM_TCP_MAGIC);
    fail(tcp, slice_from_string(tcp->start_error->message), false);
}

static void ready(struct upstream_tcp *tcp) {
    struct io_context *io = tcp->options.io;
    struct host *host = tcp->host->host;
    struct stats_scope *stats = state_of(tcp)->stats;
    tcp->is_ready = true;
    stop_waiting(tcp);
    stats_record(stats, io->index, CLUSTER_STAT_UPSTREAM_CX_CONNECT_MS,
                 (event_loop_now_us(io->loop) - tcp->created_us) / 1000);
    count(tcp, CLUSTER_STAT_UPSTREAM_RQ_TOTAL);
    count(tcp, CLUSTER_STAT_UPSTREAM_RQ_ACTIVE);
    host_count(host, HOST_STAT_RQ_TOTAL);
    atomic_fetch_add_explicit(&host->active_requests, 1, memory_order_relaxed);
    struct upstream_info *info = tcp->options.info;
    if (info != NULL) {
        info->pool_ready_us = event_loop_now_us(io->loop);
        info->connection_id = connection_id(tcp->connection);
        const struct address *local = connection_local_address(tcp->connection);
        info->local = local == NULL ? (struct stored_address){.len = 0}
                                    : stored_address_keep(local, tcp->options.arena);
    }
    tcp->options.callbacks->on_ready(tcp->options.arg, tcp->connection);
}

static void on_data(void *arg, struct buffer *input, bool end_stream) {
    // Before the owner has taken over there is nobody to read for: the bytes stay where they are.
    (void)arg;
    (void)input;
    (void)end_stream;
}

static void on_event(void *arg, enum connection_event event) {
    struct upstream_tcp *tcp = arg;
    CHECK_MAGIC(tcp, UPSTREAM_TCP_MAGIC);
    if (event == CONNECTION_CONNECTED) {
        ready(tcp);
        return;
    }
    fail(tcp, connection_failure_reason(tcp->connection), connection_timed_out(tcp->connection));
}

static const struct connection_callbacks connecting_callbacks = {
    .on_data = on_data,
    .on_event = on_event,
};

/* After the owner let go: what is left to send goes out, what still comes is dropped. */
static void on_late_data(void *arg, struct buffer *input, bool end_stream) {
    (void)arg;
    (void)end_stream;
    buffer_clear(input);
}

static void on_late_event(void *arg, enum connection_event event) {
    if (event != CONNECTION_CONNECTED) {
        struct upstream_tcp *tcp = arg;
        CHECK_MAGIC(tcp, UPSTREAM_TCP_MAGIC);
        tcp_free(tcp);
    }
}

static const struct connection_callbacks late_callbacks = {
    .on_data = on_late_data,
    .on_event = on_late_event,
};

static struct upstream_tcp *tcp_new(const struct upstream_tcp_options *options,
                                    const struct cluster_part *part, struct worker_host *host) {
    struct upstream_tcp *tcp = mem_calloc(1, sizeof(*tcp));
    tcp->magic = UPSTREAM_TCP_MAGIC;
    tcp->options = *options;
    tcp->host = host;
    tcp->is_waiting = true;
    count(tcp, CLUSTER_STAT_UPSTREAM_RQ_PENDING_TOTAL);
    tcp->created_us = event_loop_now_us(options->io->loop);
    connect_settings_init(&tcp->settings, part, host->host, options->sni_override);
    list_push_back(&host->tcp, &tcp->node);
    count(tcp, CLUSTER_STAT_UPSTREAM_CX_TOTAL);
    count(tcp, CLUSTER_STAT_UPSTREAM_CX_ACTIVE);
    host_count(host->host, HOST_STAT_CX_TOTAL);
    atomic_fetch_add_explicit(&host->host->active_connections, 1, memory_order_relaxed);
    event_deferred_init(&tcp->deferred, on_start_failed, tcp);
    struct connect_request request = {
        .io = options->io,
        .settings = &tcp->settings,
        .host = host->host,
        .ssl_stats = atomic_load_explicit(&state_of(tcp)->ssl_stats, memory_order_acquire),
        .callbacks = &connecting_callbacks,
        .arg = tcp,
        .enable_half_close = true,
    };
    struct error err;
    tcp->connection = upstream_connect(&request, &err);
    if (tcp->connection == NULL) {
        tcp->start_error = mem_alloc(sizeof(err));
        *tcp->start_error = err;
        event_loop_defer(options->io->loop, &tcp->deferred);
    }
    return tcp;
}

struct upstream_tcp *upstream_tcp_start(const struct upstream_tcp_options *options,
                                        enum upstream_failure *failure) {
    struct io_context *io = options->io;
    *failure = UPSTREAM_FAILURE_NONE;
    const struct cluster_part *part = upstream_cluster_part(io, options->cluster_slot);
    if (part == NULL) {
        *failure = UPSTREAM_FAILURE_NO_CLUSTER;
        return NULL;
    }
    struct worker_cluster *cluster = worker_cluster_get(io->upstream, part);
    struct circuit_breaker *breaker = &cluster->state->breakers[0];
    if (!circuit_breaker_try(breaker, io->index, BREAKER_CONNECTIONS)) {
        stats_inc(cluster->state->stats, io->index, CLUSTER_STAT_UPSTREAM_CX_OVERFLOW);
        *failure = UPSTREAM_FAILURE_OVERFLOW;
        return NULL;
    }
    struct worker_host *host = worker_cluster_choose_host(cluster, part, &options->lb, failure);
    if (host == NULL) {
        circuit_breaker_release(breaker, io->index, BREAKER_CONNECTIONS);
        return NULL;
    }
    if (!circuit_breaker_try(breaker, io->index, BREAKER_PENDING)) {
        stats_inc(cluster->state->stats, io->index, CLUSTER_STAT_UPSTREAM_RQ_PENDING_OVERFLOW);
        circuit_breaker_release(breaker, io->index, BREAKER_CONNECTIONS);
        worker_host_release_if_unused(host);
        *failure = UPSTREAM_FAILURE_PENDING;
        return NULL;
    }
    if (options->info != NULL) {
        options->info->host = stored_address_dup(&host->host->address, options->arena);
    }
    return tcp_new(options, part, host);
}

void upstream_tcp_ended_by_peer(struct upstream_tcp *tcp) {
    CHECK_MAGIC(tcp, UPSTREAM_TCP_MAGIC);
    tcp->is_ended_by_peer = true;
}

void upstream_tcp_end(struct upstream_tcp *tcp, bool flush) {
    CHECK_MAGIC(tcp, UPSTREAM_TCP_MAGIC);
    bool has_to_flush = flush && tcp->connection != NULL && tcp->is_ready &&
                        connection_is_open(tcp->connection) &&
                        connection_unsent_bytes(tcp->connection) > 0;
    if (!has_to_flush) {
        tcp_free(tcp);
        return;
    }
    connection_set_callbacks(tcp->connection, &late_callbacks, tcp);
    connection_close(tcp->connection, CONNECTION_CLOSE_FLUSH);
}
