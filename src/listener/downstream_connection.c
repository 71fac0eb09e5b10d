// SPDX-License-Identifier: Apache-2.0
#include "src/listener/downstream_connection.h"

#include <unistd.h>

#include "src/access_log/access_log.h"
#include "src/base/check.h"
#include "src/base/log.h"
#include "src/config/config_store.h"
#include "src/config/secret_config.h"
#include "src/event/io_context.h"
#include "src/listener/filter_chain_match.h"
#include "src/listener/worker_listener.h"
#include "src/tls/tls_transport.h"

enum { DOWNSTREAM_CONNECTION_MAGIC = 0x64636f6e, DELAYED_CLOSE_MS = 1000 };
/* What one connection costs at the least: its structs here, its socket in the kernel. */
enum { CONNECTION_BYTES = 4096 };
enum { FIRST_TEXT_BYTES = 64, MAX_TEXT_BYTES = 1024 };

static uint64_t now_us(const struct downstream_connection *conn) {
    return event_loop_now_us(conn->io->loop);
}

/* ---- the end ---- */

static void destroy_filters(struct downstream_connection *conn) {
    struct network_filter *filter = conn->chain.first;
    conn->chain.first = NULL;
    while (filter != NULL) {
        struct network_filter *next = filter->next;
        if (filter->ops->on_destroy != NULL) {
            filter->ops->on_destroy(filter);
        }
        filter = next;
    }
}

/* As in Envoy, a connection counts from when it has a filter chain. */
static void count_destroy(const struct downstream_connection *conn) {
    uint32_t thread = conn->io->index;
    stats_inc(conn->config->stats, thread, LISTENER_DOWNSTREAM_CX_DESTROY);
    stats_dec(conn->config->stats, thread, LISTENER_DOWNSTREAM_CX_ACTIVE);
    stats_record(conn->config->stats, thread, LISTENER_DOWNSTREAM_CX_LENGTH_MS,
                 (now_us(conn) - conn->info.accepted_us) / 1000);
}

static void free_connection(void *arg) {
    struct downstream_connection *conn = arg;
    CHECK_MAGIC(conn, DOWNSTREAM_CONNECTION_MAGIC);
    destroy_filters(conn);
    connection_free(conn->connection);
    downstream_inspect_free(conn, true);
    if (conn->filter_chain != NULL) {
        count_destroy(conn);
    }
    if (conn->removal != NULL) {
        timer_cancel(&conn->removal->deadline);
    }
    if (conn->config->open != NULL) {
        atomic_fetch_sub_explicit(&conn->config->open->count, 1, memory_order_relaxed);
    }
    config_unpin(conn->io, &conn->config->part);
    struct worker_listener *listener = conn->listener;
    list_remove(&conn->node);
    worker_listener_closed(listener, conn);
    block_growth_subtract(&conn->io->growth, CONNECTION_BYTES);
    conn->magic = 0;
    arena_deinit(&conn->arena);
    mem_free(conn);
}

static void write_listener_logs(struct downstream_connection *conn) {
    if (conn->config->access_log_count == 0) {
        return;
    }
    struct stream_info info = {
        .arena = &conn->arena,
        .connection = &conn->info,
        .start_us = conn->info.accepted_us,
        .start_wall_us =
            event_loop_wall_us(conn->io->loop) - (now_us(conn) - conn->info.accepted_us),
        .end_us = now_us(conn),
        .downstream_remote = conn->info.remote,
    };
    if (conn->filter_chain == NULL) {
        stream_info_set_flag(&info, RESPONSE_FLAG_NO_ROUTE_FOUND);
        info.response_code_details = slice_from_string(conn->info.termination_details);
    }
    struct log_format_input input = {
        .info = &info,
        .access_log_type = "NotSet",
        .now_us = now_us(conn),
        .now_wall_us = event_loop_wall_us(conn->io->loop),
    };
    for (uint32_t i = 0; i < conn->config->access_log_count; i++) {
        access_log_write(conn->config->access_logs[i], conn->io, &input);
    }
}

static void closed(struct downstream_connection *conn) {
    if (conn->is_closed) {
        return;
    }
    conn->is_closed = true;
    write_listener_logs(conn);
    event_loop_defer(conn->io->loop, &conn->deferred_free);
}

void downstream_connection_abort(struct downstream_connection *conn, const char *details) {
    conn->info.termination_details = details;
    if (conn->inspection != NULL && conn->inspection->socket.fd >= 0) {
        /* The client sees a reset, not an orderly end: nothing was served. */
        struct linger linger = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(conn->inspection->socket.fd, SOL_SOCKET, SO_LINGER, &linger,
                         sizeof(linger));
    }
    closed(conn); /* first: what it logs lies with the inspection */
    downstream_inspect_free(conn, true);
}

void downstream_connection_close_now(struct downstream_connection *conn) {
    if (conn->is_closed) {
        return;
    }
    if (conn->connection != NULL) {
        connection_close(conn->connection, CONNECTION_CLOSE_NOW);
        return;
    }
    downstream_connection_abort(conn, "local_close");
}

/* ---- the transport's callbacks ---- */

static void take_handshake_facts(struct downstream_connection *conn) {
    conn->info.handshake_done_us = now_us(conn);
    if (conn->info.peer == NULL) {
        return;
    }
    conn->info.peer = conn->info.transport->ops->peer(conn->info.transport, &conn->arena);
    if (conn->info.requested_server_name.len == 0) {
        conn->info.requested_server_name = conn->info.peer->sni;
    }
}

static void on_event(void *arg, enum connection_event event) {
    struct downstream_connection *conn = arg;
    CHECK_MAGIC(conn, DOWNSTREAM_CONNECTION_MAGIC);
    if (event == CONNECTION_CONNECTED) {
        take_handshake_facts(conn);
    } else {
        conn->info.transport_failure_reason = connection_failure_reason(conn->connection);
        if (connection_timed_out(conn->connection)) {
            stats_inc(conn->config->stats, conn->io->index,
                      LISTENER_DOWNSTREAM_CX_TRANSPORT_SOCKET_CONNECT_TIMEOUT);
        }
    }
    for (struct network_filter *filter = conn->chain.first; filter != NULL; filter = filter->next) {
        if (filter->ops->on_event != NULL) {
            filter->ops->on_event(filter, event);
        }
    }
    if (event != CONNECTION_CONNECTED) {
        closed(conn);
    }
}

static void on_data(void *arg, struct buffer *input, bool end_stream) {
    struct downstream_connection *conn = arg;
    CHECK_MAGIC(conn, DOWNSTREAM_CONNECTION_MAGIC);
    for (struct network_filter *filter = conn->chain.first; filter != NULL && !conn->is_closed;
         filter = filter->next) {
        if (filter->ops->on_data != NULL &&
            filter->ops->on_data(filter, input, end_stream) == NETWORK_FILTER_STOP) {
            return;
        }
    }
}

static void on_above_high_watermark(void *arg) {
    struct downstream_connection *conn = arg;
    for (struct network_filter *filter = conn->chain.first; filter != NULL; filter = filter->next) {
        if (filter->ops->on_above_high_watermark != NULL) {
            filter->ops->on_above_high_watermark(filter);
        }
    }
}

static void on_below_low_watermark(void *arg) {
    struct downstream_connection *conn = arg;
    for (struct network_filter *filter = conn->chain.first; filter != NULL; filter = filter->next) {
        if (filter->ops->on_below_low_watermark != NULL) {
            filter->ops->on_below_low_watermark(filter);
        }
    }
}

static void on_bytes_sent(void *arg, size_t count) {
    struct downstream_connection *conn = arg;
    for (struct network_filter *filter = conn->chain.first; filter != NULL; filter = filter->next) {
        if (filter->ops->on_bytes_sent != NULL) {
            filter->ops->on_bytes_sent(filter, count);
        }
    }
}

static const struct connection_callbacks callbacks = {
    .on_data = on_data,
    .on_event = on_event,
    .on_above_high_watermark = on_above_high_watermark,
    .on_below_low_watermark = on_below_low_watermark,
    .on_bytes_sent = on_bytes_sent,
};

/* ---- from the socket to the filters ---- */

static struct transport *make_transport(struct downstream_connection *conn) {
    const struct filter_chain_config *chain = conn->filter_chain;
    if (chain->tls == NULL) {
        return raw_transport_new();
    }
    const struct config_part *part =
        config_snapshot_part(conn->io->snapshot, CONFIG_TLS, chain->tls_slot);
    struct tls_context *context =
        part == NULL ? NULL : ((const struct tls_part *)(const void *)part)->context;
    if (context == NULL) {
        return NULL; /* its secret has not come yet */
    }
    struct tls_transport_options options = {
        .context = context,
        .stats = conn->config->tls_stats,
        .thread = conn->io->index,
    };
    return tls_transport_new(&options);
}

static void create_filters(struct downstream_connection *conn) {
    const struct filter_chain_config *config = conn->filter_chain;
    struct network_filter **last = &conn->chain.first;
    conn->chain.owner = conn;
    for (uint32_t i = 0; i < config->filter_count; i++) {
        struct network_filter *filter =
            config->filters[i].factory->create(config->filters[i].config, conn->io);
        filter->chain = &conn->chain;
        *last = filter;
        last = &filter->next;
    }
    for (struct network_filter *filter = conn->chain.first; filter != NULL && !conn->is_closed;
         filter = filter->next) {
        if (filter->ops->on_new_connection != NULL &&
            filter->ops->on_new_connection(filter) == NETWORK_FILTER_STOP) {
            break;
        }
    }
}

static const struct address *kept_address(struct downstream_connection *conn,
                                          const struct address *address) {
    struct address *copy = ARENA_NEW(&conn->arena, struct address);
    *copy = *address;
    return copy;
}

/* The candidates, one for each chain of the listener, are not to stay with the connection. */
static const struct filter_chain_config *find_chain(struct downstream_connection *conn) {
    struct arena scratch;
    arena_init(&scratch, &conn->io->arena_blocks);
    struct accepted_socket socket = conn->inspection->socket;
    socket.arena = &scratch;
    const struct filter_chain_config *chain = filter_chain_find(conn->config, &socket, NULL);
    arena_deinit(&scratch);
    return chain;
}

/* The inspection ends: the connection gets its socket and what was read, and holds the addresses from
 * here on. */
static enum status open_connection(struct downstream_connection *conn, struct transport *transport,
                                   struct error *err) {
    struct connection_options options = {
        .io = conn->io,
        .transport = transport,
        .callbacks = &callbacks,
        .arg = conn,
        .buffer_limit_bytes = conn->config->per_connection_buffer_limit_bytes,
        .enable_half_close = true,
        .handshake_timeout_ms = conn->filter_chain->transport_connect_timeout_ms,
        .delayed_close_ms = DELAYED_CLOSE_MS,
    };
    struct accepted_socket socket = conn->inspection->socket;
    conn->inspection->socket.fd = -1;
    struct buffer early;
    buffer_init(&early, &conn->io->buffers);
    buffer_move(&early, &conn->inspection->input);
    downstream_inspect_free(conn, false);
    conn->connection =
        connection_new_server(&options, socket.fd, &socket.local, &socket.remote, &early, err);
    buffer_deinit(&early);
    bool is_open = conn->connection != NULL;
    struct connection_info *info = &conn->info;
    info->local =
        is_open ? connection_local_address(conn->connection) : kept_address(conn, &socket.local);
    info->remote =
        is_open ? connection_remote_address(conn->connection) : kept_address(conn, &socket.remote);
    info->direct_remote = address_equal(&socket.direct_remote, &socket.remote)
                              ? info->remote
                              : kept_address(conn, &socket.direct_remote);
    return is_open ? STATUS_OK : err->status;
}

void downstream_connection_start(struct downstream_connection *conn) {
    conn->info.requested_server_name = conn->inspection->socket.server_name;
    conn->filter_chain = find_chain(conn);
    if (conn->filter_chain == NULL) {
        stats_inc(conn->config->stats, conn->io->index, LISTENER_NO_FILTER_CHAIN_MATCH);
        downstream_connection_abort(conn, "filter_chain_not_found");
        return;
    }
    stats_inc(conn->config->stats, conn->io->index, LISTENER_DOWNSTREAM_CX_TOTAL);
    stats_inc(conn->config->stats, conn->io->index, LISTENER_DOWNSTREAM_CX_ACTIVE);
    conn->info.filter_chain_name = conn->filter_chain->name;
    struct transport *transport = make_transport(conn);
    if (transport == NULL) {
        downstream_connection_abort(conn, "tls_secret_not_ready");
        return;
    }
    struct error err;
    if (open_connection(conn, transport, &err) != STATUS_OK) {
        LOG(CONN_HANDLER, WARN, "cannot serve a connection: %s", err.message);
        closed(conn);
        return;
    }
    conn->info.id = connection_id(conn->connection);
    conn->info.transport = transport;
    if (conn->filter_chain->tls != NULL) {
        conn->info.peer = transport->ops->peer(transport, NULL);
    }
    create_filters(conn);
}

void downstream_connection_accept(struct worker_listener *listener, struct listener_part *config,
                                  int fd, const struct address *local,
                                  const struct address *remote) {
    struct io_context *io = worker_listener_io(listener);
    struct downstream_connection *conn = mem_calloc(1, sizeof(*conn));
    conn->magic = DOWNSTREAM_CONNECTION_MAGIC;
    conn->listener = listener;
    conn->config = config;
    conn->io = io;
    arena_init_growing(&conn->arena, arena_block_overhead() + FIRST_TEXT_BYTES, MAX_TEXT_BYTES);
    event_deferred_init(&conn->deferred_free, free_connection, conn);
    conn->info = (struct connection_info){
        .listener_name = config->part.name,
        .traffic_direction = config->traffic_direction,
        .accepted_us = event_loop_now_us(io->loop),
    };
    block_growth_add(&io->growth, CONNECTION_BYTES);
    config_pin(io, &config->part);
    list_push_back(&listener->connections, &conn->node);
    downstream_inspect_start(conn, fd, local, remote);
}

/* ---- draining ---- */

static void on_drain_deadline(void *arg) {
    struct downstream_connection *conn = arg;
    CHECK_MAGIC(conn, DOWNSTREAM_CONNECTION_MAGIC);
    downstream_connection_close_now(conn);
}

void downstream_connection_notify_drain(struct downstream_connection *conn, bool immediate) {
    for (struct network_filter *filter = conn->chain.first; filter != NULL && !conn->is_closed;
         filter = filter->next) {
        if (filter->ops->on_drain != NULL) {
            filter->ops->on_drain(filter, immediate);
        }
    }
}

void downstream_connection_visit(struct downstream_connection *conn,
                                 void (*visit)(void *arg, struct network_filter *filter),
                                 void *arg) {
    for (struct network_filter *filter = conn->chain.first; filter != NULL && !conn->is_closed;
         filter = filter->next) {
        visit(arg, filter);
    }
}

void downstream_connection_drain(struct downstream_connection *conn,
                                 const struct drain_settings *settings, bool immediate) {
    if (conn->removal != NULL || conn->is_closed) {
        return;
    }
    conn->removal = ARENA_NEW(&conn->arena, struct connection_removal);
    drain_start(&conn->removal->drain, settings, immediate, now_us(conn));
    timer_init(&conn->removal->deadline, on_drain_deadline, conn);
    timer_arm(conn->io->loop, &conn->removal->deadline, settings->drain_time_ms);
    downstream_connection_notify_drain(conn, conn->removal->drain.is_immediate);
}

/* ---- services for network filters ---- */

struct connection *network_filter_connection(const struct network_filter *f) {
    return f->chain->owner->connection;
}

struct connection_info *network_filter_connection_info(const struct network_filter *f) {
    return &f->chain->owner->info;
}

struct io_context *network_filter_io(const struct network_filter *f) {
    return f->chain->owner->io;
}

const struct listener_part *network_filter_listener(const struct network_filter *f) {
    return f->chain->owner->config;
}

void network_filter_continue(struct network_filter *f) {
    struct downstream_connection *conn = f->chain->owner;
    /* The bytes are still in the connection's input: reading on offers them to the chain again. */
    connection_read_disable(conn->connection, true);
    connection_read_disable(conn->connection, false);
}

bool network_filter_is_draining(const struct network_filter *f) {
    const struct downstream_connection *conn = f->chain->owner;
    return conn->removal != NULL || conn->listener->drain.is_draining ||
           worker_listener_server_drain(conn->listener)->is_draining;
}

bool network_filter_should_close_for_drain(const struct network_filter *f) {
    const struct downstream_connection *conn = f->chain->owner;
    uint64_t now = now_us(conn);
    struct random *random = &conn->io->random;
    if (*worker_listener_health_failed(conn->listener) && !conn->config->drain_modify_only) {
        return true;
    }
    return (conn->removal != NULL && drain_should_close(&conn->removal->drain, now, random)) ||
           drain_should_close(&conn->listener->drain, now, random) ||
           drain_should_close(worker_listener_server_drain(conn->listener), now, random);
}
