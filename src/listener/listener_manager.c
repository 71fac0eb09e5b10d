// SPDX-License-Identifier: Apache-2.0
#include "src/listener/listener_manager.h"

#include <unistd.h>

#include "src/base/check.h"
#include "src/base/list.h"
#include "src/base/log.h"
#include "src/event/io_context.h"
#include "src/listener/listener_stats.h"
#include "src/tls/tls_transport.h"

/* One address's sockets, shared by every listener (version) that wants it. */
struct bound_socket {
    struct list_node node;
    struct address wanted; /* as configured, port 0 included */
    struct address bound;
    bool reuse_port;
    uint32_t refs;
    struct slice owner; /* listener name: port 0 is each listener's own */
    int *fds;           /* one per worker; all equal when shared */
    uint32_t count;
};

/* What one listener part holds. */
struct held_sockets {
    struct listener_sockets base;
    struct listener_part *part;
    struct bound_socket **sockets;
    int *fds;
    struct address *bound;
};

struct listener_manager {
    struct io_context *io;
    struct config_store *store;
    struct stats_registry *registry;
    struct stats_scope *stats;
    struct list_node sockets;
    uint32_t workers;
    bool is_stopped, is_inbound_stopped;
    bool has_workers_started;
};

static void count(struct listener_manager *manager, uint32_t stat) {
    stats_inc(manager->stats, manager->io->index, stat);
}

struct listener_manager *listener_manager_new(struct io_context *control,
                                              struct config_store *store,
                                              struct stats_registry *stats, uint32_t workers) {
    struct listener_manager *manager = mem_calloc(1, sizeof(*manager));
    manager->io = control;
    manager->store = store;
    manager->workers = workers;
    manager->registry = stats;
    manager->stats =
        stats_scope_get(stats, SLICE("listener_manager"), &listener_manager_stat_table);
    list_init(&manager->sockets);
    return manager;
}

/* ---- sockets ---- */

static void close_fds(const struct bound_socket *socket) {
    for (uint32_t i = 0; i < socket->count; i++) {
        bool is_first = i == 0 || socket->fds[i] != socket->fds[0];
        if (is_first && socket->fds[i] >= 0) {
            (void)close(socket->fds[i]);
        }
    }
}

static void bound_socket_unref(struct bound_socket *socket) {
    if (--socket->refs > 0) {
        return;
    }
    list_remove(&socket->node);
    close_fds(socket);
    if (address_is_unix(&socket->bound) && socket->bound.un.sun_path[0] != '\0') {
        (void)unlink(socket->bound.un.sun_path);
    }
    mem_free(socket->fds);
    mem_free((void *)(uintptr_t)socket->owner.ptr);
    mem_free(socket);
}

static struct bound_socket *find_socket(struct listener_manager *manager,
                                        const struct listener_part *part,
                                        const struct address *address) {
    LIST_FOR_EACH (node, &manager->sockets) {
        struct bound_socket *socket = LIST_ENTRY(node, struct bound_socket, node);
        bool is_any_port = address_is_ip(address) && address_port(address) == 0;
        if (address_equal(&socket->wanted, address) && socket->reuse_port == part->reuse_port &&
            (!is_any_port || slice_equal(socket->owner, part->part.name))) {
            return socket;
        }
    }
    return NULL;
}

static enum status bind_all(struct bound_socket *socket, const struct listener_part *part,
                            struct error *err) {
    struct socket_listen_options options = part->socket;
    options.reuse_port = socket->reuse_port;
    struct address address = socket->wanted;
    for (uint32_t i = 0; i < socket->count; i++) {
        if (i > 0 && !socket->reuse_port) {
            socket->fds[i] = socket->fds[0];
            continue;
        }
        TRY(socket_listen(&address, &options, &socket->fds[i], err));
        if (i == 0) {
            TRY(socket_local_address(socket->fds[0], &socket->bound, err));
            address = socket->bound; /* the port that the first bind got */
        }
    }
    return STATUS_OK;
}

static enum status new_socket(struct listener_manager *manager, const struct listener_part *part,
                              const struct address *address, struct bound_socket **out,
                              struct error *err) {
    struct bound_socket *socket = mem_calloc(1, sizeof(*socket));
    socket->wanted = *address;
    socket->bound = *address;
    socket->reuse_port = part->reuse_port && address_is_ip(address);
    socket->refs = 1;
    socket->count = manager->workers;
    socket->fds = mem_calloc(socket->count, sizeof(int));
    socket->owner =
        slice_make(mem_dup_string((const char *)part->part.name.ptr, part->part.name.len),
                   part->part.name.len);
    for (uint32_t i = 0; i < socket->count; i++) {
        socket->fds[i] = -1;
    }
    list_push_back(&manager->sockets, &socket->node);
    enum status status = part->bind_to_port ? bind_all(socket, part, err) : STATUS_OK;
    if (status != STATUS_OK) {
        char text[ADDRESS_TEXT_BYTES];
        struct slice where = address_to_text(address, text);
        (void)error_prefix(err, "cannot bind '%.*s'", SLICE_ARG(where));
        bound_socket_unref(socket);
        return status;
    }
    *out = socket;
    return STATUS_OK;
}

static void release_sockets(void *object) {
    struct held_sockets *held = object;
    for (uint32_t i = 0; i < held->base.address_count; i++) {
        bound_socket_unref(held->sockets[i]);
    }
    held->part->sockets = NULL;
    mem_free(held->sockets);
    mem_free(held->fds);
    mem_free(held->bound);
    mem_free(held);
}

static enum status hold_sockets(struct listener_manager *manager, struct listener_part *part,
                                struct error *err) {
    struct held_sockets *held = mem_calloc(1, sizeof(*held));
    held->part = part;
    held->sockets = mem_calloc(part->address_count, sizeof(*held->sockets));
    held->fds = mem_calloc((size_t)part->address_count * manager->workers, sizeof(int));
    held->bound = mem_calloc(part->address_count, sizeof(struct address));
    held->base.worker_count = manager->workers;
    for (uint32_t i = 0; i < part->address_count; i++) {
        struct bound_socket *socket = find_socket(manager, part, &part->addresses[i]);
        if (socket != NULL) {
            socket->refs++;
        } else {
            enum status status = new_socket(manager, part, &part->addresses[i], &socket, err);
            if (status != STATUS_OK) {
                release_sockets(held);
                return status;
            }
        }
        held->sockets[i] = socket;
        held->bound[i] = socket->bound;
        memcpy(&held->fds[(size_t)i * manager->workers], socket->fds,
               manager->workers * sizeof(int));
        held->base.address_count = i + 1;
    }
    held->base.fds = held->fds;
    held->base.bound = held->bound;
    part->sockets = &held->base;
    // Not with its last connection: nobody accepts any more, so nobody may be let wait.
    config_part_on_retire(&part->part, release_sockets, held);
    return STATUS_OK;
}

/* ---- listeners ---- */

static void release_stats(void *scope) {
    stats_scope_unref(scope);
}

static void attach_stats(struct listener_manager *manager, struct listener_part *part) {
    struct slice prefix =
        arena_printf(&part->part.arena, "listener.%.*s", SLICE_ARG(part->stat_prefix));
    part->stats = stats_scope_get(manager->registry, prefix, &listener_stat_table);
    config_part_on_free(&part->part, release_stats, part->stats);
    prefix = arena_printf(&part->part.arena, "%.*s.ssl", SLICE_ARG(prefix));
    part->tls_stats = stats_scope_get(manager->registry, prefix, &tls_stat_table);
    config_part_on_free(&part->part, release_stats, part->tls_stats);
}

static bool is_out_of_service(const struct listener_manager *manager,
                              const struct listener_part *part) {
    return manager->is_stopped ||
           (manager->is_inbound_stopped && part->traffic_direction == TRAFFIC_INBOUND);
}

enum status listener_manager_put(struct listener_manager *manager, struct listener_part *part,
                                 struct error *err) {
    if (is_out_of_service(manager, part)) {
        LOG(CONFIG, DEBUG, "listener '%.*s' comes after the end of listening",
            SLICE_ARG(part->part.name));
        config_part_unref(&part->part);
        return STATUS_OK;
    }
    uint32_t slot = config_store_slot(manager->store, CONFIG_LISTENER, part->part.name);
    const struct config_part *present = config_store_get(manager->store, CONFIG_LISTENER, slot);
    bool is_update = present != NULL;
    bool is_in_place =
        is_update &&
        ((const struct listener_part *)(const void *)present)->shell_hash == part->shell_hash;
    enum status status = hold_sockets(manager, part, err);
    if (status != STATUS_OK) {
        count(manager, LISTENER_MANAGER_LISTENER_CREATE_FAILURE);
        config_part_unref(&part->part);
        return status;
    }
    attach_stats(manager, part);
    count(manager,
          is_update ? LISTENER_MANAGER_LISTENER_MODIFIED : LISTENER_MANAGER_LISTENER_ADDED);
    count(manager, LISTENER_MANAGER_LISTENER_CREATE_SUCCESS);
    if (is_in_place) {
        count(manager, LISTENER_MANAGER_LISTENER_IN_PLACE_UPDATED);
    }
    if (!is_update) {
        count(manager, LISTENER_MANAGER_TOTAL_LISTENERS_ACTIVE);
    }
    LOG(CONFIG, INFO, "%s listener '%.*s'", is_update ? "update" : "add",
        SLICE_ARG(part->part.name));
    config_store_put(manager->store, CONFIG_LISTENER, slot, &part->part);
    return STATUS_OK;
}

void listener_manager_remove(struct listener_manager *manager, struct slice name) {
    uint32_t slot = config_store_find_slot(manager->store, CONFIG_LISTENER, name);
    if (config_store_get(manager->store, CONFIG_LISTENER, slot) == NULL) {
        return;
    }
    LOG(CONFIG, INFO, "remove listener '%.*s'", SLICE_ARG(name));
    count(manager, LISTENER_MANAGER_LISTENER_REMOVED);
    stats_dec(manager->stats, manager->io->index, LISTENER_MANAGER_TOTAL_LISTENERS_ACTIVE);
    config_store_put(manager->store, CONFIG_LISTENER, slot, NULL);
}

/* The part may live on; whoever connects from now on is refused, not left waiting. */
static void stop_listening(const struct listener_part *listener) {
    const struct listener_sockets *sockets = listener->sockets;
    for (uint32_t i = 0; sockets != NULL && i < sockets->address_count * sockets->worker_count;
         i++) {
        (void)shutdown(sockets->fds[i], SHUT_RD);
    }
}

void listener_manager_stop(struct listener_manager *manager, bool inbound_only) {
    manager->is_inbound_stopped = true;
    manager->is_stopped = manager->is_stopped || !inbound_only;
    uint32_t slot = 0;
    for (struct config_part *part = config_store_next(manager->store, CONFIG_LISTENER, &slot);
         part != NULL; part = config_store_next(manager->store, CONFIG_LISTENER, &slot)) {
        const struct listener_part *listener = (const struct listener_part *)(const void *)part;
        if (!inbound_only || listener->traffic_direction == TRAFFIC_INBOUND) {
            count(manager, LISTENER_MANAGER_LISTENER_STOPPED);
            stop_listening(listener);
            listener_manager_remove(manager, part->name);
        }
    }
}

void listener_manager_set_workers_started(struct listener_manager *manager) {
    manager->has_workers_started = true;
    stats_set(manager->stats, manager->io->index, LISTENER_MANAGER_WORKERS_STARTED, 1);
}

void listener_manager_set_warming(struct listener_manager *manager, uint32_t count) {
    if (manager->has_workers_started) {
        stats_set(manager->stats, manager->io->index, LISTENER_MANAGER_TOTAL_LISTENERS_WARMING,
                  count);
    }
}

struct stats_scope *listener_manager_stats(struct listener_manager *manager) {
    return manager->stats;
}

void listener_manager_free(struct listener_manager *manager) {
    if (manager == NULL) {
        return;
    }
    ASSERT(list_is_empty(&manager->sockets));
    stats_scope_unref(manager->stats);
    mem_free(manager);
}
