// SPDX-License-Identifier: Apache-2.0
#include "src/admin/admin_server.h"

#include <unistd.h>

#include "src/admin/admin_connection.h"
#include "src/base/check.h"
#include "src/base/log.h"
#include "src/event/io_context.h"
#include "src/listener/listener_stats.h"
#include "src/stream/http_connection_stats.h"

enum { ADMIN_MAGIC = 0x61646d6e, ADMIN_ACCEPTS_PER_TURN = 16 };

static void on_acceptable(void *arg, unsigned flags);

static void watch(struct admin *admin) {
    struct event_loop *loop = admin->options.control->loop;
    enum status status =
        event_loop_watch_level(loop, &admin->watch, admin->fd, on_acceptable, admin);
    if (status != STATUS_OK) {
        timer_arm(loop, &admin->accept_timer, ADMIN_ACCEPT_PAUSE_MS);
    }
}

static void on_accept_timer(void *arg) {
    struct admin *admin = arg;
    CHECK_MAGIC(admin, ADMIN_MAGIC);
    watch(admin);
}

static void accept_one(struct admin *admin, int fd, const struct address *remote) {
    uint32_t thread = admin->options.control->index;
    if (admin->connection_count >= ADMIN_MAX_CONNECTIONS) {
        stats_inc(admin->listener_stats, thread, LISTENER_DOWNSTREAM_CX_OVERFLOW);
        (void)close(fd);
        return;
    }
    admin_connection_accept(admin, fd, remote);
}

static void on_acceptable(void *arg, unsigned flags) {
    struct admin *admin = arg;
    CHECK_MAGIC(admin, ADMIN_MAGIC);
    (void)flags;
    for (unsigned i = 0; i < ADMIN_ACCEPTS_PER_TURN; i++) {
        struct address remote;
        struct error err;
        int fd = -1;
        enum status status = socket_accept(admin->fd, &fd, &remote, &err);
        if (status == STATUS_OK) {
            accept_one(admin, fd, &remote);
            continue;
        }
        if (status == STATUS_LIMIT) { /* level triggered: look again when some may be free */
            event_loop_unwatch(admin->options.control->loop, &admin->watch);
            timer_arm(admin->options.control->loop, &admin->accept_timer, ADMIN_ACCEPT_PAUSE_MS);
        }
        return;
    }
}

static void on_quit_timer(void *arg) {
    struct admin *admin = arg;
    CHECK_MAGIC(admin, ADMIN_MAGIC);
    if (admin->options.callbacks->quit != NULL) {
        admin->options.callbacks->quit(admin->options.arg);
    }
}

void admin_schedule_quit(struct admin *admin) {
    timer_arm(admin->options.control->loop, &admin->quit_timer, 0);
}

static enum status listen_on(struct admin *admin, struct error *err) {
    const struct admin_options *options = &admin->options;
    const struct socket_listen_options listen = {
        .unix_mode = options->unix_mode,
        .options = options->socket_options,
        .option_count = options->socket_option_count,
    };
    TRY(socket_listen(&options->address, &listen, &admin->fd, err));
    return socket_local_address(admin->fd, &admin->bound, err);
}

struct admin *admin_new(const struct admin_options *options, struct error *err) {
    struct admin *admin = mem_calloc(1, sizeof(*admin));
    admin->magic = ADMIN_MAGIC;
    admin->options = *options;
    admin->fd = -1;
    list_init(&admin->connections);
    timer_init(&admin->accept_timer, on_accept_timer, admin);
    timer_init(&admin->quit_timer, on_quit_timer, admin);
    if (listen_on(admin, err) != STATUS_OK) {
        (void)error_prefix(err, "admin");
        if (admin->fd >= 0) {
            (void)close(admin->fd);
        }
        mem_free(admin);
        return NULL;
    }
    if (options->stats != NULL) {
        admin->http_stats = stats_scope_get(options->stats, SLICE("http.admin"), &hcm_stat_table);
        admin->listener_stats =
            stats_scope_get(options->stats, SLICE("listener.admin"), &listener_stat_table);
    }
    watch(admin);
    char text[ADDRESS_TEXT_BYTES];
    LOG(ADMIN, INFO, "admin address: %.*s", SLICE_ARG(address_to_text(&admin->bound, text)));
    return admin;
}

void admin_free(struct admin *admin) {
    if (admin == NULL) {
        return;
    }
    CHECK_MAGIC(admin, ADMIN_MAGIC);
    LIST_FOR_EACH_SAFE (node, &admin->connections) {
        admin_connection_free(LIST_ENTRY(node, struct admin_connection, node));
    }
    timer_cancel(&admin->accept_timer);
    timer_cancel(&admin->quit_timer);
    event_loop_unwatch(admin->options.control->loop, &admin->watch);
    (void)close(admin->fd);
    if (address_is_unix(&admin->bound) && admin->bound.un.sun_path[0] != '\0') {
        (void)unlink(admin->bound.un.sun_path);
    }
    stats_scope_unref(admin->http_stats);
    stats_scope_unref(admin->listener_stats);
    admin->magic = 0;
    mem_free(admin);
}

const struct address *admin_address(const struct admin *admin) {
    return &admin->bound;
}
