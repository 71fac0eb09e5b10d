// SPDX-License-Identifier: Apache-2.0
#include "src/listener/worker_listeners.h"

#include <limits.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include "src/base/check.h"
#include "src/base/log.h"
#include "src/config/config_runtime.h"
#include "src/event/io_context.h"
#include "src/listener/listener_manager.h"
#include "src/listener/worker_listener.h"
#include "src/overload/overload_state.h"
#include "src/runtime/runtime_key.h"

enum {
    ACCEPT_BATCH = 64,    /* connections per readiness, so that one listener cannot starve others */
    ACCEPT_PAUSE_MS = 50, /* out of file descriptors: look again after this */
    /* Clients get all file descriptors but these: the administrator, the management server and the
     * requests of those that are in need some as well. */
    RESERVED_FDS = 64,
    RESERVED_SHARE = 8, /* at most one in so many */
    NEAR_FDS = 64,      /* of the reserve: from here on each accept looks first */
};

struct worker_listeners {
    struct worker_listeners_options options;
    struct list_node active;  /* struct worker_listener */
    struct list_node retired; /* removed, with connections left */
    struct drain_state drain;
    bool health_failed;
    bool is_overloaded; /* accepting is paused, whatever the listener */
    bool is_stopping;   /* drained is to be told */
    uint64_t connection_count;
    int first_reserved_fd;
    int last_fd; /* accepted last */
    struct event_deferred drained;
};

struct io_context *worker_listener_io(const struct worker_listener *listener) {
    return listener->owner->options.io;
}

const struct worker_listeners_options *
worker_listener_options(const struct worker_listener *listener) {
    return &listener->owner->options;
}

const struct drain_state *worker_listener_server_drain(const struct worker_listener *listener) {
    return &listener->owner->drain;
}

const bool *worker_listener_health_failed(const struct worker_listener *listener) {
    return &listener->owner->health_failed;
}

/* ---- accepting ---- */

static int first_reserved_fd(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX) {
        return INT_MAX;
    }
    int all = (int)limit.rlim_cur;
    return all - (all / RESERVED_SHARE < RESERVED_FDS ? all / RESERVED_SHARE : RESERVED_FDS);
}

/* The kernel gives out the lowest free number: one in the reserve says that all others are taken. */
static bool is_short_of_fds(const struct worker_listeners *listeners, int listen_fd) {
    if (listeners->last_fd < listeners->first_reserved_fd - NEAR_FDS) {
        return false;
    }
    int next = socket_next_fd(listen_fd);
    return next < 0 || next >= listeners->first_reserved_fd;
}

static void unwatch_sockets(struct worker_listener *listener) {
    for (uint32_t i = 0; i < listener->watch_count; i++) {
        event_loop_unwatch(worker_listener_io(listener)->loop, &listener->watches[i].watch);
    }
}

static void pause_accepting(struct worker_listener *listener, const char *why) {
    stats_inc(listener->stats, worker_listener_io(listener)->index,
              LISTENER_DOWNSTREAM_CX_OVERFLOW);
    LOG(CONN_HANDLER, WARN, "%s; pausing", why);
    unwatch_sockets(listener);
    listener->is_accept_paused = true;
    timer_arm(worker_listener_io(listener)->loop, &listener->resume_timer, ACCEPT_PAUSE_MS);
}

/* The runtime's limit is for those who have no resource monitor for it. */
static uint64_t max_connections(const struct worker_listener *listener) {
    uint64_t configured = listener->owner->options.limits->max_connections;
    return configured != 0 ? configured
                           : runtime_integer(config_runtime(worker_listener_io(listener)),
                                             RUNTIME_GLOBAL_MAX_CONNECTIONS, UINT64_MAX);
}

static bool take_global_slot(struct worker_listener *listener) {
    struct listener_limits *limits = listener->owner->options.limits;
    uint64_t before = atomic_fetch_add_explicit(&limits->connections, 1, memory_order_relaxed);
    if (before < max_connections(listener) || listener->config->ignore_global_connection_limit) {
        return true;
    }
    atomic_fetch_sub_explicit(&limits->connections, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&limits->refused, 1, memory_order_relaxed);
    return false;
}

static void give_global_slot_back(const struct worker_listener *listener) {
    atomic_fetch_sub_explicit(&listener->owner->options.limits->connections, 1,
                              memory_order_relaxed);
}

/* Given back by the connection (downstream_connection.c). */
static bool take_listener_slot(const struct worker_listener *listener) {
    const struct listener_part *config = listener->config;
    uint64_t limit = runtime_integer(config_runtime(worker_listener_io(listener)),
                                     config->connection_limit_key, UINT64_MAX);
    if (config->open == NULL ||
        atomic_fetch_add_explicit(&config->open->count, 1, memory_order_relaxed) < limit) {
        return true;
    }
    atomic_fetch_sub_explicit(&config->open->count, 1, memory_order_relaxed);
    return false;
}

/* An overloaded process spends nothing on those it will not serve: no waiting for their last bytes. */
static bool is_rejected(const struct worker_listener *listener, int fd) {
    struct io_context *io = worker_listener_io(listener);
    if (listener->config->bypass_overload ||
        (!load_is_shed(io->overload, LOAD_SHED_TCP_LISTENER_ACCEPT, io) &&
         !overload_hits(io->overload, OVERLOAD_REJECT_INCOMING_CONNECTIONS, &io->random))) {
        return false;
    }
    stats_inc(listener->stats, io->index, LISTENER_DOWNSTREAM_CX_OVERLOAD_REJECT);
    socket_set_reset_on_close(fd);
    (void)close(fd);
    return true;
}

static void on_acceptable(void *arg, unsigned flags) {
    struct accept_watch *watch = arg;
    struct worker_listener *listener = watch->listener;
    struct io_context *io = worker_listener_io(listener);
    const struct listener_sockets *sockets = listener->config->sockets;
    (void)flags;
    uint32_t batch = listener->config->max_connections_per_event;
    batch = batch == 0 || batch > ACCEPT_BATCH ? ACCEPT_BATCH : batch;
    for (uint32_t i = 0; i < batch; i++) {
        int fd = -1;
        struct address remote;
        struct error err;
        if (is_short_of_fds(listener->owner, watch->fd)) {
            pause_accepting(listener, "no file descriptors for clients are left");
            return;
        }
        enum status status = socket_accept(watch->fd, &fd, &remote, &err);
        if (status == STATUS_AGAIN) {
            return;
        }
        if (status == STATUS_CLOSED) {
            // The control thread closed the listener; its order to this worker is under way.
            unwatch_sockets(listener);
            return;
        }
        if (status != STATUS_OK) {
            /* A level-triggered watch would spin while no descriptor is free. */
            pause_accepting(listener, err.message);
            return;
        }
        listener->owner->last_fd = fd;
        if (is_rejected(listener, fd)) {
            continue;
        }
        if (!take_global_slot(listener)) {
            stats_inc(listener->stats, io->index, LISTENER_DOWNSTREAM_GLOBAL_CX_OVERFLOW);
            (void)close(fd);
            continue;
        }
        if (!take_listener_slot(listener)) {
            stats_inc(listener->stats, io->index, LISTENER_DOWNSTREAM_CX_OVERFLOW);
            give_global_slot_back(listener);
            (void)close(fd);
            continue;
        }
        struct address local;
        if (socket_local_address(fd, &local, NULL) != STATUS_OK) {
            local = sockets->bound[watch->address_index];
        }
        listener->connection_count++;
        listener->owner->connection_count++;
        downstream_connection_accept(listener, listener->config, fd, &local, &remote);
    }
}

static void watch_sockets(struct worker_listener *listener) {
    struct io_context *io = worker_listener_io(listener);
    if (listener->owner->is_overloaded && !listener->config->bypass_overload) {
        return;
    }
    for (uint32_t i = 0; i < listener->watch_count; i++) {
        struct accept_watch *watch = &listener->watches[i];
        if (watch->fd >= 0 && event_loop_watch_level(io->loop, &watch->watch, watch->fd,
                                                     on_acceptable, watch) != STATUS_OK) {
            LOG(CONN_HANDLER, ERROR, "cannot watch the socket of listener '%.*s'",
                SLICE_ARG(listener->config->part.name));
        }
    }
}

static void on_resume(void *arg) {
    struct worker_listener *listener = arg;
    for (uint32_t i = 0; i < listener->watch_count; i++) {
        if (listener->watches[i].fd >= 0 &&
            is_short_of_fds(listener->owner, listener->watches[i].fd)) {
            timer_arm(worker_listener_io(listener)->loop, &listener->resume_timer, ACCEPT_PAUSE_MS);
            return;
        }
    }
    listener->is_accept_paused = false;
    watch_sockets(listener);
}

static void stop_accepting(struct worker_listener *listener) {
    timer_cancel(&listener->resume_timer);
    unwatch_sockets(listener);
    mem_free(listener->watches);
    listener->watches = NULL;
    listener->watch_count = 0;
}

static void start_accepting(struct worker_listener *listener) {
    const struct listener_sockets *sockets = listener->config->sockets;
    uint32_t worker = worker_listener_io(listener)->index;
    listener->watch_count = sockets->address_count;
    listener->watches = mem_calloc(sockets->address_count, sizeof(*listener->watches));
    for (uint32_t i = 0; i < sockets->address_count; i++) {
        struct accept_watch *watch = &listener->watches[i];
        watch->watch.fd = -1;
        watch->listener = listener;
        watch->address_index = i;
        watch->fd = sockets->fds[(size_t)i * sockets->worker_count + worker];
    }
    watch_sockets(listener);
}

/* ---- following the snapshot ---- */

static struct worker_listener *find_listener(struct worker_listeners *listeners, uint32_t slot) {
    LIST_FOR_EACH (node, &listeners->active) {
        struct worker_listener *listener = LIST_ENTRY(node, struct worker_listener, node);
        if (listener->slot == slot) {
            return listener;
        }
    }
    return NULL;
}

static void add_listener(struct worker_listeners *listeners, uint32_t slot,
                         struct listener_part *config) {
    struct worker_listener *listener = mem_calloc(1, sizeof(*listener));
    listener->owner = listeners;
    listener->slot = slot;
    listener->config = config;
    listener->stats = config->stats;
    listener->is_inbound = config->traffic_direction == TRAFFIC_INBOUND;
    list_init(&listener->connections);
    timer_init(&listener->resume_timer, on_resume, listener);
    list_push_back(&listeners->active, &listener->node);
    start_accepting(listener);
}

static bool has_equal_chain(const struct listener_part *config,
                            const struct filter_chain_config *chain) {
    for (uint32_t i = 0; i < config->chain_count; i++) {
        if (config->chains[i]->hash == chain->hash) {
            return true;
        }
    }
    return config->default_chain != NULL && config->default_chain->hash == chain->hash;
}

static void update_listener(struct worker_listener *listener, struct listener_part *config) {
    bool is_shell_equal = listener->config->shell_hash == config->shell_hash;
    stop_accepting(listener);
    listener->config = config;
    listener->stats = config->stats;
    listener->is_inbound = config->traffic_direction == TRAFFIC_INBOUND;
    start_accepting(listener);
    /* In place: only what serves a changed chain goes. Another setting of the listener itself reaches
     * all its connections only by their renewal. */
    LIST_FOR_EACH_SAFE (node, &listener->connections) {
        struct downstream_connection *conn = LIST_ENTRY(node, struct downstream_connection, node);
        if (conn->filter_chain != NULL &&
            (!is_shell_equal || !has_equal_chain(config, conn->filter_chain))) {
            downstream_connection_drain(conn, listener->owner->options.drain, false);
        }
    }
}

static void free_listener(struct worker_listener *listener) {
    stop_accepting(listener);
    list_remove(&listener->node);
    mem_free(listener);
}

static void remove_listener(struct worker_listener *listener) {
    struct worker_listeners *listeners = listener->owner;
    stop_accepting(listener);
    listener->config = NULL;
    list_remove(&listener->node);
    list_push_back(&listeners->retired, &listener->node);
    LIST_FOR_EACH_SAFE (node, &listener->connections) {
        downstream_connection_drain(LIST_ENTRY(node, struct downstream_connection, node),
                                    listeners->options.drain, false);
    }
    if (listener->connection_count == 0) {
        free_listener(listener);
    }
}

void worker_listeners_on_snapshot(void *arg, const struct config_snapshot *previous,
                                  const struct config_snapshot *current) {
    struct worker_listeners *listeners = arg;
    (void)previous;
    for (uint32_t i = 0; i < current->change_count; i++) {
        const struct config_change *change = &current->changes[i];
        if (change->kind != CONFIG_LISTENER) {
            continue;
        }
        struct worker_listener *listener = find_listener(listeners, change->slot);
        struct listener_part *config = (struct listener_part *)(void *)change->after;
        if (config == NULL && listener != NULL) {
            remove_listener(listener);
        } else if (config != NULL && listener != NULL) {
            update_listener(listener, config);
        } else if (config != NULL) {
            add_listener(listeners, change->slot, config);
        }
    }
}

/* ---- draining and the end ---- */

static void tell_drained(void *arg) {
    struct worker_listeners *listeners = arg;
    if (listeners->is_stopping && listeners->connection_count == 0) {
        listeners->is_stopping = false;
        if (listeners->options.on_drained != NULL) {
            listeners->options.on_drained(listeners->options.arg);
        }
    }
}

void worker_listener_closed(struct worker_listener *listener, struct downstream_connection *conn) {
    struct worker_listeners *listeners = listener->owner;
    (void)conn;
    listener->connection_count--;
    listeners->connection_count--;
    give_global_slot_back(listener);
    if (listener->config == NULL && listener->connection_count == 0) {
        free_listener(listener);
    }
    if (listeners->is_stopping && listeners->connection_count == 0) {
        event_loop_defer(listeners->options.io->loop, &listeners->drained);
    }
}

static void drain_listener(struct worker_listener *listener, bool immediate, bool stop) {
    struct worker_listeners *listeners = listener->owner;
    drain_start(&listener->drain, listeners->options.drain, immediate,
                event_loop_now_us(listeners->options.io->loop));
    if (stop) {
        stop_accepting(listener);
    }
    LIST_FOR_EACH_SAFE (node, &listener->connections) {
        downstream_connection_notify_drain(LIST_ENTRY(node, struct downstream_connection, node),
                                           listener->drain.is_immediate);
    }
}

void worker_listeners_drain(struct worker_listeners *listeners, bool immediate, bool inbound_only,
                            bool stop_accepting_now) {
    LIST_FOR_EACH_SAFE (node, &listeners->active) {
        struct worker_listener *listener = LIST_ENTRY(node, struct worker_listener, node);
        if (!inbound_only || listener->is_inbound) {
            drain_listener(listener, immediate, stop_accepting_now);
        }
    }
    LIST_FOR_EACH_SAFE (retired, &listeners->retired) {
        drain_listener(LIST_ENTRY(retired, struct worker_listener, node), immediate, false);
    }
    if (stop_accepting_now && !inbound_only) {
        listeners->is_stopping = true;
        drain_start(&listeners->drain, listeners->options.drain, immediate,
                    event_loop_now_us(listeners->options.io->loop));
        event_loop_defer(listeners->options.io->loop, &listeners->drained);
    }
}

void worker_listeners_set_health_failed(struct worker_listeners *listeners, bool failed) {
    listeners->health_failed = failed;
}

void worker_listeners_pause_accepting(struct worker_listeners *listeners, bool pause) {
    listeners->is_overloaded = pause;
    LIST_FOR_EACH (node, &listeners->active) {
        struct worker_listener *listener = LIST_ENTRY(node, struct worker_listener, node);
        if (listener->config->bypass_overload || listener->is_accept_paused) {
            continue; // the latter looks for itself when its timer fires
        }
        if (pause) {
            unwatch_sockets(listener);
        } else {
            watch_sockets(listener);
        }
    }
}

static void visit_list(const struct list_node *head,
                       void (*visit)(void *arg, struct network_filter *filter), void *arg) {
    LIST_FOR_EACH (node, head) {
        struct worker_listener *listener = LIST_ENTRY(node, struct worker_listener, node);
        LIST_FOR_EACH_SAFE (at, &listener->connections) {
            downstream_connection_visit(LIST_ENTRY(at, struct downstream_connection, node), visit,
                                        arg);
        }
    }
}

void worker_listeners_visit(struct worker_listeners *listeners,
                            void (*visit)(void *arg, struct network_filter *filter), void *arg) {
    visit_list(&listeners->active, visit, arg);
    visit_list(&listeners->retired, visit, arg);
}

void worker_listeners_rescale_timeouts(struct worker_listeners *listeners, uint32_t before) {
    LIST_FOR_EACH (node, &listeners->active) {
        struct worker_listener *listener = LIST_ENTRY(node, struct worker_listener, node);
        LIST_FOR_EACH (at, &listener->connections) {
            struct downstream_connection *conn = LIST_ENTRY(at, struct downstream_connection, node);
            if (conn->connection != NULL) {
                connection_rescale_handshake(conn->connection, before);
            }
        }
    }
}

uint64_t worker_listeners_connection_count(const struct worker_listeners *listeners) {
    return listeners->connection_count;
}

struct worker_listeners *worker_listeners_new(const struct worker_listeners_options *options) {
    struct worker_listeners *listeners = mem_calloc(1, sizeof(*listeners));
    listeners->options = *options;
    list_init(&listeners->active);
    list_init(&listeners->retired);
    listeners->first_reserved_fd = first_reserved_fd();
    event_deferred_init(&listeners->drained, tell_drained, listeners);
    return listeners;
}

static void close_all(struct list_node *head) {
    LIST_FOR_EACH_SAFE (node, head) {
        struct worker_listener *listener = LIST_ENTRY(node, struct worker_listener, node);
        stop_accepting(listener);
        LIST_FOR_EACH_SAFE (conn, &listener->connections) {
            downstream_connection_close_now(LIST_ENTRY(conn, struct downstream_connection, node));
        }
    }
}

void worker_listeners_free(struct worker_listeners *listeners) {
    if (listeners == NULL) {
        return;
    }
    close_all(&listeners->active);
    close_all(&listeners->retired);
    /* Closed connections are freed at the end of a turn. */
    while (listeners->connection_count > 0) {
        (void)event_loop_run_once(listeners->options.io->loop, 0);
    }
    LIST_FOR_EACH_SAFE (node, &listeners->active) {
        free_listener(LIST_ENTRY(node, struct worker_listener, node));
    }
    event_loop_defer_cancel(&listeners->drained);
    mem_free(listeners);
}
