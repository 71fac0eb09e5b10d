// SPDX-License-Identifier: Apache-2.0
#include "src/net/connection.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/event/timer.h"
#include "src/net/socket.h"
#include "src/overload/overload_timeouts.h"

enum { CONNECTION_MAGIC = 0x434f4e4e, COMPACT_BYTES = 1024 };

enum connection_state {
    STATE_CONNECTING,  /* TCP connect in progress */
    STATE_HANDSHAKING, /* the transport is not ready for bytes */
    STATE_OPEN,
    STATE_FLUSHING,  /* closed by the owner: output still leaves, input is dropped */
    STATE_LINGERING, /* output is gone and our direction shut: waiting for the peer's end */
    STATE_CLOSED,
};

/* A full `struct address` has room for a Unix path; an IP address fills 32 bytes of it. The two kept
 * here are that prefix. A reader goes by `len`; one that copies the whole struct copies bytes of the
 * fields behind, which are part of the same object. */
struct compact_address {
    _Alignas(struct address) uint8_t bytes[sizeof(socklen_t) + sizeof(struct sockaddr_in6)];
};

struct connection {
    struct compact_address compact_local;
    struct compact_address compact_remote;
    struct address *full_local; /* heap; for addresses that do not fit the compact form */
    struct address *full_remote;
    struct buffer input;
    struct buffer output;
    struct event_watch watch;
    struct event_deferred flush;
    struct timer timer; /* connect or handshake limit; once closing, the delayed close */
    uint32_t magic;
    int fd;
    struct io_context *io;
    struct transport *transport;
    const struct connection_callbacks *callbacks;
    void *arg;
    char *failure; /* heap; NULL: none */
    uint64_t id;
    uint64_t bytes_received;
    uint64_t bytes_sent;
    uint32_t buffer_limit_bytes;
    uint32_t delayed_close_ms;
    uint32_t handshake_timeout_ms;
    uint32_t read_disabled; /* count */
    uint16_t depth;         /* callbacks on the stack */
    uint8_t state;
    bool is_freed; /* by the owner, while depth > 0 */
    bool is_above_high;
    bool is_write_blocked; /* the kernel is full: wait for writability */
    bool is_write_failed;
    bool was_reset;
    bool is_end_queued; /* our direction ends after the output */
    bool is_end_sent;
    bool is_read_pending;   /* readiness came while reading was disabled */
    bool is_peer_end_known; /* the kernel told of the peer's FIN */
    bool is_read_ended;     /* ... and it was read */
    bool is_timed_out;
    bool is_delay_over;
    bool lingers; /* STATE_LINGERING follows STATE_FLUSHING */
    bool enable_half_close;
    bool detect_early_close;
};

_Static_assert(sizeof(struct connection) <= 400, "thousands of connections rest");
_Static_assert(sizeof(struct connection) - sizeof(struct compact_address) >= sizeof(struct address),
               "a whole-struct copy of an address stays inside the connection");

static bool is_alive(const struct connection *conn) {
    return !conn->is_freed && conn->state != STATE_CLOSED;
}

static bool is_closing(const struct connection *conn) {
    return conn->state == STATE_FLUSHING || conn->state == STATE_LINGERING;
}

static void set_address(struct compact_address *compact, struct address **full,
                        const struct address *address) {
    size_t len = address == NULL ? 0 : address->len;
    size_t head = offsetof(struct address, any);

    if (len + head <= sizeof(compact->bytes)) {
        memcpy(compact->bytes, &(socklen_t){(socklen_t)len}, sizeof(socklen_t));
        if (len > 0) {
            memcpy(compact->bytes + head, &address->any, len);
        }
        return;
    }
    *full = mem_alloc(sizeof(**full));
    **full = *address;
}

static const struct address *get_address(const struct compact_address *compact,
                                         const struct address *full) {
    return full != NULL ? full : (const struct address *)(const void *)compact->bytes;
}

static void destroy(struct connection *conn) {
    conn->magic = 0;
    conn->transport->ops->free(conn->transport);
    buffer_deinit(&conn->input);
    buffer_deinit(&conn->output);
    mem_free(conn->full_local);
    mem_free(conn->full_remote);
    mem_free(conn->failure);
    mem_free(conn);
}

/* Brackets everything that may call the owner; the connection is not touched after leave(). */
static void enter(struct connection *conn) {
    CHECK_MAGIC(conn, CONNECTION_MAGIC);
    conn->depth++;
}

static void leave(struct connection *conn) {
    conn->depth--;
    if (conn->depth == 0 && conn->is_freed) {
        destroy(conn);
    }
}

static void keep_failure(struct connection *conn, struct slice reason) {
    if (conn->failure == NULL && reason.len > 0) {
        conn->failure = mem_dup_string((const char *)reason.ptr, reason.len);
    }
}

static bool was_established(const struct connection *conn) {
    return conn->state == STATE_OPEN || is_closing(conn);
}

/* Releases the kernel's side. Bytes that never left are told to the peer as a reset, so that a cut
 * message cannot pass for a whole one. */
static void release_fd(struct connection *conn) {
    bool has_unsent = !buffer_is_empty(&conn->output) || conn->is_write_blocked;

    timer_cancel(&conn->timer);
    event_loop_defer_cancel(&conn->flush);
    event_loop_unwatch(conn->io->loop, &conn->watch);
    if (conn->fd >= 0) {
        if (has_unsent && was_established(conn)) {
            socket_set_reset_on_close(conn->fd);
        } else if (was_established(conn) && conn->transport->ops->is_record_layer &&
                   !conn->is_end_sent && !conn->is_write_failed) {
            conn->transport->ops->shutdown_write(conn->transport);
        }
        close(conn->fd);
    }
    conn->fd = -1;
    conn->transport->fd = -1;
    conn->state = STATE_CLOSED;
    buffer_clear(&conn->output);
}

static void finish(struct connection *conn, enum connection_event event) {
    if (!is_alive(conn)) {
        return;
    }
    release_fd(conn);
    conn->callbacks->on_event(conn->arg, event);
}

static void arm_timer(struct connection *conn, uint32_t delay_ms) {
    if (delay_ms > 0) {
        timer_arm(conn->io->loop, &conn->timer, delay_ms);
    }
}

static void after_flush(struct connection *conn) {
    if (conn->is_end_queued && !conn->is_end_sent) {
        conn->is_end_sent = true;
        conn->transport->ops->shutdown_write(conn->transport);
    }
    if (conn->state == STATE_OPEN && conn->is_end_sent && conn->is_read_ended) {
        finish(conn, CONNECTION_LOCAL_CLOSE);
    }
    if (conn->state != STATE_FLUSHING) {
        return;
    }
    if (!conn->lingers || conn->delayed_close_ms == 0 || conn->is_read_ended) {
        finish(conn, CONNECTION_LOCAL_CLOSE);
        return;
    }
    conn->state = STATE_LINGERING;
    if (!conn->is_end_sent) {
        conn->is_end_sent = true;
        conn->transport->ops->shutdown_write(conn->transport);
    }
    arm_timer(conn, conn->delayed_close_ms);
}

static void check_low_watermark(struct connection *conn) {
    uint32_t limit = conn->buffer_limit_bytes;

    if (conn->is_above_high && (limit == 0 || conn->output.len <= limit / 2)) {
        conn->is_above_high = false;
        if (conn->state == STATE_OPEN && conn->callbacks->on_below_low_watermark != NULL) {
            conn->callbacks->on_below_low_watermark(conn->arg);
        }
    }
}

static void check_high_watermark(struct connection *conn) {
    if (!conn->is_above_high && conn->buffer_limit_bytes > 0 &&
        conn->output.len > conn->buffer_limit_bytes) {
        conn->is_above_high = true;
        if (conn->callbacks->on_above_high_watermark != NULL) {
            conn->callbacks->on_above_high_watermark(conn->arg);
        }
    }
}

static void count_sent(struct connection *conn, size_t count) {
    if (count == 0) {
        return;
    }
    conn->bytes_sent += count;
    if (conn->state == STATE_FLUSHING) {
        // The limit is on a peer that takes nothing, not on a long queue.
        arm_timer(conn, conn->delayed_close_ms);
    }
    if (conn->callbacks->on_bytes_sent != NULL) {
        conn->callbacks->on_bytes_sent(conn->arg, count);
    }
}

static void write_output(struct connection *conn) {
    bool can_write = conn->state == STATE_OPEN || conn->state == STATE_FLUSHING;
    size_t before = conn->output.len;
    bool has_end = conn->is_end_queued && !conn->is_end_sent;

    if (!can_write || conn->is_write_failed ||
        (before == 0 && !conn->is_write_blocked && !has_end && conn->state == STATE_OPEN)) {
        return;
    }
    enum status status = conn->transport->ops->write(conn->transport, &conn->output, NULL);
    size_t sent = before - conn->output.len;
    conn->is_write_blocked = status == STATUS_AGAIN;
    if (status != STATUS_OK && status != STATUS_AGAIN) {
        // The peer may have answered before it went: that is read first, in a turn of its own.
        conn->is_write_failed = true;
        event_loop_activate(conn->io->loop, &conn->watch, EVENT_READ);
        return;
    }
    count_sent(conn, sent);
    if (is_alive(conn)) {
        check_low_watermark(conn);
    }
    if (is_alive(conn) && status == STATUS_OK && buffer_is_empty(&conn->output)) {
        after_flush(conn);
    }
}

/* Gives the owner what was read; the connection may be gone afterwards. */
static void deliver(struct connection *conn, bool end_stream) {
    if (is_closing(conn)) {
        buffer_clear(&conn->input);
        return;
    }
    conn->callbacks->on_data(conn->arg, &conn->input, end_stream);
}

static void read_failed(struct connection *conn) {
    struct slice reason = conn->transport->ops->failure_reason(conn->transport);
    conn->was_reset = reason.len == 0; // else what was read was wrong
    keep_failure(conn, reason);
    conn->is_write_failed = true;
    finish(conn, is_closing(conn) ? CONNECTION_LOCAL_CLOSE : CONNECTION_REMOTE_CLOSE);
}

static void peer_ended(struct connection *conn) {
    if (conn->state == STATE_LINGERING) {
        finish(conn, CONNECTION_LOCAL_CLOSE);
    } else if (conn->state == STATE_OPEN && (!conn->enable_half_close || conn->is_end_sent)) {
        finish(conn, CONNECTION_REMOTE_CLOSE);
    }
}

/* A limited connection is not read far beyond its limit before its owner can stop it. */
static size_t read_budget(const struct connection *conn) {
    size_t limit = conn->buffer_limit_bytes;
    if (limit == 0 || limit > CONNECTION_READ_BUDGET) {
        return CONNECTION_READ_BUDGET;
    }
    return limit < BUFFER_CHUNK_BYTES ? BUFFER_CHUNK_BYTES : limit;
}

/* One round of reading; true when the transport has to be asked again in this turn. */
static bool read_round(struct connection *conn) {
    size_t got = 0;
    enum status status =
        conn->transport->ops->read(conn->transport, &conn->input, read_budget(conn), &got, NULL);
    conn->bytes_received += got;
    bool is_end = status == STATUS_CLOSED;
    bool is_end_told = is_end && conn->enable_half_close;
    bool was_failed = !is_end && status != STATUS_OK && status != STATUS_AGAIN;

    conn->is_read_ended |= is_end;
    if (status == STATUS_OK) {
        event_loop_activate(conn->io->loop, &conn->watch, EVENT_READ);
    }
    if (got > 0 || is_end_told) {
        deliver(conn, is_end_told);
    }
    if (!is_alive(conn)) {
        return false;
    }
    if (was_failed) {
        read_failed(conn);
    } else if (is_end) {
        peer_ended(conn);
    }
    // A short read leaves the peer's FIN unread, and no further edge will tell of it.
    return status == STATUS_AGAIN && got > 0 && conn->is_peer_end_known;
}

static void read_input(struct connection *conn) {
    do {
        if (conn->is_read_ended) {
            return;
        }
        if (conn->read_disabled > 0 && !is_closing(conn)) {
            conn->is_read_pending = true;
            return;
        }
        if (conn->io->holds_reads && !is_closing(conn)) {
            event_loop_activate(conn->io->loop, &conn->watch, EVENT_READ);
            return;
        }
        conn->is_read_pending = false;
    } while (read_round(conn) && is_alive(conn));
    if (is_alive(conn) && conn->input.len > 0 && conn->input.len <= COMPACT_BYTES) {
        buffer_compact(&conn->input); /* a slow client's part of a head holds no whole chunk */
    }
}

/* What an on_data left over, or what came before the transport, when reading is on again. */
static void deliver_rest(struct connection *conn) {
    if (conn->state == STATE_OPEN && conn->read_disabled == 0 && !buffer_is_empty(&conn->input)) {
        deliver(conn, false);
    }
}

static void handshake_failed(struct connection *conn) {
    keep_failure(conn, conn->transport->ops->failure_reason(conn->transport));
    finish(conn, CONNECTION_REMOTE_CLOSE);
}

static void continue_handshake(struct connection *conn) {
    enum status status = conn->transport->ops->handshake(conn->transport, NULL);
    if (status == STATUS_AGAIN) {
        return;
    }
    if (status != STATUS_OK) {
        handshake_failed(conn);
        return;
    }
    timer_cancel(&conn->timer);
    conn->state = STATE_OPEN;
    conn->callbacks->on_event(conn->arg, CONNECTION_CONNECTED);
    if (is_alive(conn)) {
        deliver_rest(conn);
    }
    if (is_alive(conn)) {
        write_output(conn);
    }
}

static void finish_connect(struct connection *conn, unsigned flags) {
    char text[160];
    int failure = conn->fd < 0 ? 0 : socket_error(conn->fd);

    if (failure != 0) {
        int len = snprintf(text, sizeof(text), "delayed connect error: %s", strerror(failure));
        keep_failure(conn, slice_make(text, (size_t)len));
        finish(conn, CONNECTION_REMOTE_CLOSE);
        return;
    }
    // Before the connect is done epoll may report a hang-up of the fresh socket, never writability.
    if ((flags & EVENT_WRITE) == 0) {
        return;
    }
    conn->state = STATE_HANDSHAKING;
    // The connect limit, where there is one, covers the handshake too.
    if (!timer_is_armed(&conn->timer)) {
        arm_timer(conn, conn->handshake_timeout_ms);
    }
}

/* The peer went while nobody reads from it. */
static bool is_socket_failed(struct connection *conn, unsigned flags) {
    if ((flags & EVENT_ERROR) == 0 || conn->fd < 0 || socket_error(conn->fd) == 0) {
        return false;
    }
    conn->was_reset = true;
    return true;
}

static bool is_early_close(struct connection *conn, unsigned flags) {
    if (conn->state != STATE_OPEN || conn->read_disabled == 0) {
        return false;
    }
    if (is_socket_failed(conn, flags)) {
        return true;
    }
    return conn->detect_early_close && !conn->enable_half_close &&
           (flags & (EVENT_READ_END | EVENT_ERROR)) != 0;
}

/* With the peer's end read, no read will tell that it reset our direction. */
static bool is_reset_after_end(struct connection *conn, unsigned flags) {
    return conn->is_read_ended && is_socket_failed(conn, flags);
}

static void handle_ready(struct connection *conn, unsigned flags) {
    conn->is_peer_end_known |= (flags & (EVENT_READ_END | EVENT_ERROR)) != 0;
    if (conn->state == STATE_CONNECTING) {
        finish_connect(conn, flags);
    }
    if (conn->state == STATE_HANDSHAKING) {
        continue_handshake(conn);
        // The last flight of the handshake may have brought bytes of the application along.
        flags |= conn->transport->ops->is_record_layer ? EVENT_READ : 0U;
    }
    if (!is_alive(conn) || !was_established(conn)) {
        return;
    }
    if (is_early_close(conn, flags) || is_reset_after_end(conn, flags)) {
        finish(conn, is_closing(conn) ? CONNECTION_LOCAL_CLOSE : CONNECTION_REMOTE_CLOSE);
        return;
    }
    // A transport may need writability to read on, or the reverse: both are tried.
    if ((flags & (EVENT_READ | EVENT_READ_END | EVENT_ERROR)) != 0) {
        read_input(conn);
    }
    if (is_alive(conn) && conn->is_write_failed) {
        read_failed(conn);
    }
    if (is_alive(conn) && (flags & EVENT_WRITE) != 0 && conn->is_write_blocked) {
        write_output(conn);
    }
}

/* Flags a connection activates itself with when reading is enabled again: the rest comes first. */
enum { EVENT_RESUME = 0x100 };

static void on_ready(void *arg, unsigned flags) {
    struct connection *conn = arg;
    enter(conn);
    if ((flags & EVENT_RESUME) != 0) {
        deliver_rest(conn);
        if (is_alive(conn) && conn->is_read_pending) {
            flags |= EVENT_READ;
        }
    }
    if (is_alive(conn)) {
        handle_ready(conn, flags & ~(unsigned)EVENT_RESUME);
    }
    leave(conn);
}

static void on_flush(void *arg) {
    struct connection *conn = arg;
    enter(conn);
    // While the kernel is full only its readiness is worth a try.
    if (!conn->is_write_blocked) {
        write_output(conn);
    }
    leave(conn);
}

static void on_timer(void *arg) {
    struct connection *conn = arg;
    enter(conn);
    conn->is_timed_out = !is_closing(conn);
    conn->is_delay_over = !conn->is_timed_out;
    finish(conn, CONNECTION_LOCAL_CLOSE);
    leave(conn);
}

static struct connection *create(const struct connection_options *options, int fd,
                                 enum connection_state state) {
    struct io_context *io = options->io;
    struct connection *conn = mem_calloc(1, sizeof(*conn));

    conn->magic = CONNECTION_MAGIC;
    conn->fd = fd;
    conn->io = io;
    conn->state = (uint8_t)state;
    conn->transport = options->transport;
    conn->transport->fd = fd;
    conn->callbacks = options->callbacks;
    conn->arg = options->arg;
    conn->id = ++io->connection_count << 10 | (io->index & 0x3ff);
    conn->buffer_limit_bytes = options->buffer_limit_bytes;
    conn->delayed_close_ms = options->delayed_close_ms;
    conn->handshake_timeout_ms = options->handshake_timeout_ms;
    conn->enable_half_close = options->enable_half_close;
    conn->detect_early_close = options->detect_early_close;
    buffer_init(&conn->input, &io->buffers);
    buffer_init(&conn->output, &io->buffers);
    timer_init(&conn->timer, on_timer, conn);
    event_deferred_init(&conn->flush, on_flush, conn);
    return conn;
}

static struct connection *start(struct connection *conn, uint32_t timeout_ms, struct error *err) {
    if (event_loop_watch(conn->io->loop, &conn->watch, conn->fd, on_ready, conn) != STATUS_OK) {
        (void)error_set(err, STATUS_IO, "cannot watch the socket");
        connection_free(conn);
        return NULL;
    }
    arm_timer(conn, timeout_ms);
    return conn;
}

struct connection *connection_new_server(const struct connection_options *options, int fd,
                                         const struct address *local, const struct address *remote,
                                         struct buffer *early, struct error *err) {
    struct connection *conn = create(options, fd, STATE_HANDSHAKING);
    set_address(&conn->compact_local, &conn->full_local, local);
    set_address(&conn->compact_remote, &conn->full_remote, remote);
    if (early != NULL && !buffer_is_empty(early)) {
        conn->bytes_received = early->len;
        if (conn->transport->ops->take_early != NULL) {
            conn->transport->ops->take_early(conn->transport, early);
        } else {
            buffer_move(&conn->input, early);
        }
    }
    return start(
        conn,
        overload_timeout(conn->io, OVERLOAD_TIMER_TRANSPORT_CONNECT, options->handshake_timeout_ms),
        err);
}

struct connection *connection_new_client(const struct connection_options *options, int fd,
                                         const struct address *remote, struct error *err) {
    struct connection *conn = create(options, fd, STATE_CONNECTING);
    set_address(&conn->compact_local, &conn->full_local, NULL);
    set_address(&conn->compact_remote, &conn->full_remote, remote);
    return start(conn, options->connect_timeout_ms, err);
}

void connection_start(struct connection *conn) {
    if (conn->state != STATE_CONNECTING || conn->fd < 0) {
        on_ready(conn, EVENT_READ | EVENT_WRITE);
    }
}

void connection_free(struct connection *conn) {
    if (conn == NULL) {
        return;
    }
    CHECK_MAGIC(conn, CONNECTION_MAGIC);
    ASSERT(!conn->is_freed);
    if (conn->state != STATE_CLOSED) {
        release_fd(conn);
    }
    conn->is_freed = true;
    if (conn->depth == 0) {
        destroy(conn);
    }
}

void connection_set_callbacks(struct connection *conn, const struct connection_callbacks *callbacks,
                              void *arg) {
    conn->callbacks = callbacks;
    conn->arg = arg;
}

void connection_output_added(struct connection *conn) {
    if (conn->state == STATE_CLOSED) {
        buffer_clear(&conn->output);
        return;
    }
    if (is_closing(conn)) {
        return;
    }
    enter(conn);
    event_loop_defer(conn->io->loop, &conn->flush);
    check_high_watermark(conn);
    leave(conn);
}

void connection_write(struct connection *conn, struct buffer *data, bool end_stream) {
    if (conn->state == STATE_CLOSED || is_closing(conn) || conn->is_end_queued) {
        buffer_clear(data);
        return;
    }
    buffer_move(&conn->output, data);
    conn->is_end_queued = end_stream;
    connection_output_added(conn);
}

struct buffer *connection_output(struct connection *conn) {
    return &conn->output;
}

void connection_flush(struct connection *conn) {
    event_loop_defer_cancel(&conn->flush);
    on_flush(conn);
}

static void begin_close(struct connection *conn, bool lingers) {
    bool was_reading = conn->read_disabled == 0;

    conn->state = STATE_FLUSHING;
    conn->lingers = lingers;
    buffer_clear(&conn->input);
    arm_timer(conn, conn->delayed_close_ms);
    if (conn->is_read_pending || !was_reading) {
        event_loop_activate(conn->io->loop, &conn->watch, EVENT_READ);
    }
    if (conn->is_write_blocked) {
        return;
    }
    if (conn->output.len == 0 && !(conn->is_end_queued && !conn->is_end_sent)) {
        after_flush(conn);
    } else {
        event_loop_defer(conn->io->loop, &conn->flush);
    }
}

void connection_close(struct connection *conn, enum connection_close_kind kind) {
    if (!is_alive(conn)) {
        return;
    }
    enter(conn);
    if (kind == CONNECTION_CLOSE_NOW || conn->is_write_failed || !was_established(conn)) {
        finish(conn, CONNECTION_LOCAL_CLOSE);
    } else if (!is_closing(conn)) {
        begin_close(conn, kind == CONNECTION_CLOSE_FLUSH_AND_DELAY);
    }
    leave(conn);
}

void connection_read_disable(struct connection *conn, bool disable) {
    if (disable) {
        conn->read_disabled++;
        return;
    }
    ASSERT(conn->read_disabled > 0);
    conn->read_disabled--;
    if (conn->read_disabled == 0 && is_alive(conn) &&
        (conn->is_read_pending || !buffer_is_empty(&conn->input))) {
        event_loop_activate(conn->io->loop, &conn->watch, EVENT_RESUME);
    }
}

void connection_set_delayed_close(struct connection *conn, uint32_t timeout_ms) {
    conn->delayed_close_ms = timeout_ms;
}

void connection_rescale_handshake(struct connection *conn, uint32_t before) {
    if (conn->state == STATE_HANDSHAKING) {
        overload_rescale_timer(conn->io, &conn->timer, OVERLOAD_TIMER_TRANSPORT_CONNECT,
                               conn->handshake_timeout_ms, before);
    }
}

void connection_set_buffer_limit(struct connection *conn, uint32_t limit_bytes) {
    conn->buffer_limit_bytes = limit_bytes;
    enter(conn);
    if (is_alive(conn)) {
        check_low_watermark(conn);
    }
    if (is_alive(conn)) {
        check_high_watermark(conn);
    }
    leave(conn);
}

bool connection_is_open(const struct connection *conn) {
    return conn->state != STATE_CLOSED && !is_closing(conn);
}

bool connection_is_above_high_watermark(const struct connection *conn) {
    return conn->is_above_high;
}

size_t connection_held_bytes(const struct connection *conn) {
    return conn->input.len + conn->output.len;
}

size_t connection_unsent_bytes(const struct connection *conn) {
    return conn->output.len;
}

struct transport *connection_transport(struct connection *conn) {
    return conn->transport;
}

int connection_fd(const struct connection *conn) {
    return conn->fd;
}

/* A client's own address is asked for when somebody wants it: most never do. */
static void learn_local_address(struct connection *conn) {
    struct address local;
    if (conn->fd >= 0 && socket_local_address(conn->fd, &local, NULL) == STATUS_OK) {
        set_address(&conn->compact_local, &conn->full_local, &local);
    }
}

const struct address *connection_local_address(const struct connection *conn) {
    if (get_address(&conn->compact_local, conn->full_local)->len == 0) {
        // A cache: a connection is never a const object.
        learn_local_address((struct connection *)(uintptr_t)conn);
    }
    return get_address(&conn->compact_local, conn->full_local);
}

const struct address *connection_remote_address(const struct connection *conn) {
    return get_address(&conn->compact_remote, conn->full_remote);
}

uint64_t connection_id(const struct connection *conn) {
    return conn->id;
}

uint64_t connection_bytes_received(const struct connection *conn) {
    return conn->bytes_received;
}

uint64_t connection_bytes_sent(const struct connection *conn) {
    return conn->bytes_sent;
}

struct slice connection_failure_reason(const struct connection *conn) {
    return slice_from_string(conn->failure);
}

bool connection_was_reset(const struct connection *conn) {
    return conn->was_reset;
}

bool connection_timed_out(const struct connection *conn) {
    return conn->is_timed_out;
}

bool connection_delay_is_over(const struct connection *conn) {
    return conn->is_delay_over;
}
