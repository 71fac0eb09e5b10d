// SPDX-License-Identifier: Apache-2.0
/* The listener-filter stage: bytes are read once into the inspection's buffer, filters look at them in
 * order, and what they leave is where the transport starts. */
#include <errno.h>
#include <unistd.h>

#include "src/base/check.h"
#include "src/event/io_context.h"
#include "src/listener/downstream_connection.h"
#include "src/listener/listener_filter_match.h"
#include "src/listener/worker_listener.h"

static void count(struct downstream_connection *conn, uint32_t stat) {
    stats_inc(conn->config->stats, conn->io->index, stat);
}

void downstream_inspect_free(struct downstream_connection *conn, bool close_fd) {
    struct inspection *inspection = conn->inspection;
    if (inspection == NULL) {
        return;
    }
    event_loop_unwatch(conn->io->loop, &inspection->watch);
    timer_cancel(&inspection->timeout);
    buffer_deinit(&inspection->input);
    if (close_fd && inspection->socket.fd >= 0) {
        (void)close(inspection->socket.fd);
    }
    stats_dec(conn->config->stats, conn->io->index, LISTENER_DOWNSTREAM_PRE_CX_ACTIVE);
    conn->inspection = NULL;
    mem_free(inspection);
}

static const struct listener_filter_config *
current_filter(const struct downstream_connection *conn) {
    uint32_t index = conn->inspection->filter_index;
    return index < conn->config->listener_filter_count ? &conn->config->listener_filters[index]
                                                       : NULL;
}

static void begin_filter(struct downstream_connection *conn) {
    const struct listener_filter_config *filter = current_filter(conn);
    while (filter != NULL && filter->disabled_predicate != NULL &&
           listener_filter_match(filter->disabled_predicate, &conn->inspection->socket.local)) {
        conn->inspection->filter_index++;
        filter = current_filter(conn);
    }
    if (filter != NULL) {
        size_t bytes = filter->factory->state_bytes;
        conn->inspection->filter_state = bytes == 0 ? NULL : arena_calloc(&conn->arena, 1, bytes);
    }
}

/* Runs filters until one wants more bytes. False when the connection was given up. */
static bool run_filters(struct downstream_connection *conn) {
    struct inspection *inspection = conn->inspection;
    for (const struct listener_filter_config *filter = current_filter(conn); filter != NULL;
         filter = current_filter(conn)) {
        enum listener_filter_verdict verdict = filter->factory->ops->inspect(
            filter->config, inspection->filter_state, &inspection->socket, &inspection->input,
            inspection->ended);
        if (verdict == LISTENER_FILTER_MORE && !inspection->ended) {
            return true;
        }
        if (verdict == LISTENER_FILTER_CLOSE) {
            count(conn, LISTENER_DOWNSTREAM_LISTENER_FILTER_ERROR);
            downstream_connection_abort(conn, "listener_filter_error");
            return false;
        }
        if (verdict == LISTENER_FILTER_MORE) {
            count(conn, LISTENER_DOWNSTREAM_LISTENER_FILTER_REMOTE_CLOSE);
            downstream_connection_abort(conn, "listener_filter_remote_close");
            return false;
        }
        inspection->filter_index++;
        begin_filter(conn);
    }
    downstream_connection_start(conn);
    return false;
}

static uint32_t wanted_bytes(const struct downstream_connection *conn) {
    const struct listener_filter_config *filter = current_filter(conn);
    return filter == NULL ? 0 : filter->factory->max_read_bytes;
}

static void on_readable(void *arg, unsigned flags) {
    struct downstream_connection *conn = arg;
    struct inspection *inspection = conn->inspection;
    (void)flags;
    while (inspection->input.len < wanted_bytes(conn)) {
        struct iovec vec;
        size_t want = wanted_bytes(conn) - inspection->input.len;
        if (buffer_reserve(&inspection->input, want, &vec, 1) == 0) {
            break;
        }
        size_t room = vec.iov_len < want ? vec.iov_len : want;
        ssize_t got = read(inspection->socket.fd, vec.iov_base, room);
        buffer_commit(&inspection->input, got > 0 ? (size_t)got : 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0 && errno != EAGAIN) {
            count(conn, LISTENER_DOWNSTREAM_LISTENER_FILTER_REMOTE_CLOSE);
            downstream_connection_abort(conn, "listener_filter_remote_close");
            return;
        }
        inspection->ended = got == 0;
        if (got < 0) {
            return;
        }
        if (!run_filters(conn)) {
            return;
        }
        inspection = conn->inspection;
    }
    /* The filter asked for no more than this and is still undecided: it will not be. */
    if (inspection->input.len >= wanted_bytes(conn)) {
        inspection->ended = true;
        (void)run_filters(conn);
    }
}

static void on_timeout(void *arg) {
    struct downstream_connection *conn = arg;
    count(conn, LISTENER_DOWNSTREAM_PRE_CX_TIMEOUT);
    if (conn->config->continue_on_listener_filters_timeout) {
        downstream_connection_start(conn);
        return;
    }
    downstream_connection_abort(conn, "listener_filter_timeout");
}

void downstream_inspect_start(struct downstream_connection *conn, int fd,
                              const struct address *local, const struct address *remote) {
    struct inspection *inspection = mem_calloc(1, sizeof(*inspection));
    conn->inspection = inspection;
    inspection->socket = (struct accepted_socket){
        .arena = &conn->arena,
        .io = conn->io,
        .fd = fd,
        .local = *local,
        .remote = *remote,
        .direct_remote = *remote,
    };
    conn->info.local = &inspection->socket.local;
    conn->info.remote = &inspection->socket.remote;
    conn->info.direct_remote = &inspection->socket.direct_remote;
    inspection->watch.fd = -1;
    buffer_init(&inspection->input, &conn->io->buffers);
    timer_init(&inspection->timeout, on_timeout, conn);
    stats_inc(conn->config->stats, conn->io->index, LISTENER_DOWNSTREAM_PRE_CX_ACTIVE);
    begin_filter(conn);
    if (!run_filters(conn)) {
        return;
    }
    if (conn->config->listener_filters_timeout_ms != 0) {
        timer_arm(conn->io->loop, &inspection->timeout, conn->config->listener_filters_timeout_ms);
    }
    if (event_loop_watch(conn->io->loop, &inspection->watch, fd, on_readable, conn) != STATUS_OK) {
        downstream_connection_abort(conn, "internal_error");
    }
}
