// SPDX-License-Identifier: Apache-2.0
#include "src/net/connection.h"

#include <check.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/net/socket.h"

enum { MAX_TURNS = 2000, NO_ACTION = -1 };

/* In which callback the owner does what is under test. */
enum when { AT_NOTHING, AT_CONNECTED, AT_DATA, AT_CLOSE, AT_HIGH, AT_LOW, AT_SENT };
enum what { DO_NOTHING, DO_FREE, DO_CLOSE_NOW, DO_CLOSE_FLUSH, DO_DISABLE };

struct owner {
    struct connection *conn;
    enum when when;
    enum what what;
    bool keeps_input; /* leaves the bytes in the input */
    char got[1024];
    size_t got_len; /* counts all, keeps the first bytes */
    unsigned data_calls, ends, connects, remote_closes, local_closes, highs, lows;
    size_t sent;
};

static struct virtual_clock virtual_time;
static struct io_context io;

static void act(struct owner *owner, enum when when) {
    if (owner->when != when) {
        return;
    }
    owner->when = AT_NOTHING;
    switch (owner->what) {
    case DO_NOTHING:
        break;
    case DO_FREE:
        connection_free(owner->conn);
        owner->conn = NULL;
        break;
    case DO_CLOSE_NOW:
        connection_close(owner->conn, CONNECTION_CLOSE_NOW);
        break;
    case DO_CLOSE_FLUSH:
        connection_close(owner->conn, CONNECTION_CLOSE_FLUSH);
        break;
    case DO_DISABLE:
        connection_read_disable(owner->conn, true);
        break;
    }
}

static void on_data(void *arg, struct buffer *input, bool end_stream) {
    struct owner *owner = arg;
    owner->data_calls++;
    owner->ends += end_stream ? 1 : 0;
    if (!owner->keeps_input) {
        size_t room = owner->got_len < sizeof(owner->got) ? sizeof(owner->got) - owner->got_len : 0;
        size_t kept = input->len < room ? input->len : room;
        if (kept > 0) {
            buffer_copy_out(input, 0, owner->got + owner->got_len, kept);
        }
        owner->got_len += input->len;
        buffer_drain(input, input->len);
    }
    act(owner, AT_DATA);
}

static void on_event(void *arg, enum connection_event event) {
    struct owner *owner = arg;
    switch (event) {
    case CONNECTION_CONNECTED:
        owner->connects++;
        act(owner, AT_CONNECTED);
        return;
    case CONNECTION_REMOTE_CLOSE:
        owner->remote_closes++;
        break;
    case CONNECTION_LOCAL_CLOSE:
        owner->local_closes++;
        break;
    }
    act(owner, AT_CLOSE);
}

static void on_above(void *arg) {
    struct owner *owner = arg;
    owner->highs++;
    act(owner, AT_HIGH);
}

static void on_below(void *arg) {
    struct owner *owner = arg;
    owner->lows++;
    act(owner, AT_LOW);
}

static void on_sent(void *arg, size_t count) {
    struct owner *owner = arg;
    owner->sent += count;
    act(owner, AT_SENT);
}

static const struct connection_callbacks callbacks = {
    .on_data = on_data,
    .on_event = on_event,
    .on_above_high_watermark = on_above,
    .on_below_low_watermark = on_below,
    .on_bytes_sent = on_sent,
};

static void setup(void) {
    virtual_clock_init(&virtual_time, UINT64_C(1700000000000000));
    ck_assert_int_eq(io_context_init(&io, 3, &virtual_time.base, NULL), STATUS_OK);
}

static void teardown(void) {
    io_context_deinit(&io);
}

static void turns(unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        (void)event_loop_run_once(io.loop, 0);
    }
}

#define RUN_UNTIL(condition)                                                                       \
    do {                                                                                           \
        for (unsigned turn_ = 0; turn_ < MAX_TURNS && !(condition); turn_++) {                     \
            (void)event_loop_run_once(io.loop, 0);                                                 \
        }                                                                                          \
        ck_assert(condition);                                                                      \
    } while (0)

static void advance_ms(uint64_t ms) {
    virtual_clock_advance(&virtual_time, ms * 1000);
    turns(3);
}

static struct connection_options options_for(struct owner *owner) {
    return (struct connection_options){
        .io = &io, .transport = raw_transport_new(), .callbacks = &callbacks, .arg = owner};
}

/* A server connection; returns the peer's blocking-free fd. */
static int open_with(struct owner *owner, struct connection_options options) {
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    owner->conn = connection_new_server(&options, fds[0], NULL, NULL, NULL, NULL);
    ck_assert_ptr_nonnull(owner->conn);
    return fds[1];
}

static int open_pair(struct owner *owner) {
    int fd = open_with(owner, options_for(owner));
    turns(2);
    ck_assert(owner->conn == NULL || owner->connects == 1);
    return fd;
}

static void write_text(struct owner *owner, const char *text, bool end_stream) {
    struct buffer data;
    buffer_init(&data, &io.buffers);
    buffer_append(&data, slice_from_string(text));
    connection_write(owner->conn, &data, end_stream);
    buffer_deinit(&data);
}

static void write_many(struct owner *owner, size_t len) {
    struct buffer data;
    uint8_t block[1000];
    memset(block, 'x', sizeof(block));
    buffer_init(&data, &io.buffers);
    while (data.len < len) {
        size_t part = len - data.len < sizeof(block) ? len - data.len : sizeof(block);
        buffer_append(&data, slice_make(block, part));
    }
    connection_write(owner->conn, &data, false);
    buffer_deinit(&data);
}

static ssize_t peer_read_all(int fd) {
    char bytes[65536];
    ssize_t total = 0;
    ssize_t n;
    while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
        total += n;
    }
    return total;
}

static void expect_no_memory(void) {
    ck_assert_uint_eq(io.buffers.chunks.live_count, 0);
    ck_assert_uint_eq(io.buffers.fragments.live_count, 0);
}

START_TEST(connection_server_connects_reads_and_writes) {
    struct owner owner = {0};
    char reply[16];
    int peer = open_pair(&owner);

    ck_assert_uint_eq(owner.connects, 1);
    expect_no_memory();
    ck_assert_int_eq(write(peer, "hello", 5), 5);
    RUN_UNTIL(owner.got_len == 5);
    ck_assert_mem_eq(owner.got, "hello", 5);
    write_text(&owner, "wor", false);
    write_text(&owner, "ld", false);
    ck_assert_int_eq(read(peer, reply, sizeof(reply)), -1);
    turns(1);
    ck_assert_int_eq(read(peer, reply, sizeof(reply)), 5);
    ck_assert_mem_eq(reply, "world", 5);
    ck_assert_uint_eq(owner.sent, 5);
    ck_assert_uint_eq(connection_bytes_received(owner.conn), 5);
    ck_assert_uint_eq(connection_bytes_sent(owner.conn), 5);
    expect_no_memory();
    close(peer);
    RUN_UNTIL(owner.remote_closes == 1);
    ck_assert(!connection_is_open(owner.conn));
    ck_assert_uint_eq(connection_failure_reason(owner.conn).len, 0);
    connection_free(owner.conn);
}
END_TEST

START_TEST(connection_data_before_an_end_is_delivered_first) {
    struct owner owner = {0};
    int peer = open_with(&owner, options_for(&owner));
    ck_assert_int_eq(write(peer, "bye", 3), 3);
    close(peer);
    RUN_UNTIL(owner.remote_closes == 1);
    ck_assert_uint_eq(owner.got_len, 3);
    ck_assert_uint_eq(owner.ends, 0);
    connection_free(owner.conn);
}
END_TEST

START_TEST(connection_budget_yields_between_turns_and_loses_nothing) {
    struct owner owner = {0};
    struct connection_options options = options_for(&owner);
    int fds[2];
    int size = 4 << 20;
    static uint8_t block[300 * 1024];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    ck_assert_int_eq(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
    size_t queued = 0;
    ssize_t n;
    while (queued < 3 * sizeof(block) && (n = write(fds[1], block, sizeof(block))) > 0) {
        queued += (size_t)n;
    }
    close(fds[1]);
    owner.conn = connection_new_server(&options, fds[0], NULL, NULL, NULL, NULL);
    RUN_UNTIL(owner.data_calls == 1);
    if (queued > CONNECTION_READ_BUDGET * 2) {
        ck_assert_uint_lt(owner.got_len, queued);
    }
    RUN_UNTIL(owner.remote_closes == 1);
    ck_assert_uint_eq(owner.got_len, queued);
    connection_free(owner.conn);
    expect_no_memory();
}
END_TEST

START_TEST(connection_limited_reads_no_more_than_its_limit_at_once) {
    struct owner owner = {0};
    struct connection_options options = options_for(&owner);
    static uint8_t block[100 * 1024];
    options.buffer_limit_bytes = 32 * 1024;
    int peer = open_with(&owner, options);
    int size = 4 << 20;
    ck_assert_int_eq(setsockopt(peer, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
    ck_assert_int_eq(write(peer, block, sizeof(block)), sizeof(block));
    RUN_UNTIL(owner.data_calls == 1);
    ck_assert_uint_le(owner.got_len, 32 * 1024 + BUFFER_CHUNK_BYTES);
    connection_read_disable(owner.conn, true);
    turns(5);
    ck_assert_uint_le(owner.got_len, 32 * 1024 + BUFFER_CHUNK_BYTES);
    connection_read_disable(owner.conn, false);
    RUN_UNTIL(owner.got_len == sizeof(block));
    ck_assert_uint_ge(owner.data_calls, 3);
    close(peer);
    RUN_UNTIL(owner.remote_closes == 1);
    connection_free(owner.conn);
    expect_no_memory();
}
END_TEST

START_TEST(connection_half_close_works_both_ways) {
    struct owner owner = {0};
    struct connection_options options = options_for(&owner);
    char reply[8];
    options.enable_half_close = true;
    int peer = open_with(&owner, options);
    ck_assert_int_eq(write(peer, "ab", 2), 2);
    ck_assert_int_eq(shutdown(peer, SHUT_WR), 0);
    RUN_UNTIL(owner.ends == 1);
    ck_assert_uint_eq(owner.got_len, 2);
    ck_assert(connection_is_open(owner.conn));
    turns(5);
    ck_assert_uint_eq(owner.ends, 1);
    write_text(&owner, "late", true);
    RUN_UNTIL(owner.local_closes == 1);
    ck_assert_int_eq(read(peer, reply, sizeof(reply)), 4);
    ck_assert_int_eq(read(peer, reply, sizeof(reply)), 0);
    ck_assert_uint_eq(owner.remote_closes, 0);
    connection_free(owner.conn);
    close(peer);
}
END_TEST

START_TEST(connection_own_end_first_then_peers_is_remote_close) {
    struct owner owner = {0};
    struct connection_options options = options_for(&owner);
    char reply[8];
    options.enable_half_close = true;
    int peer = open_with(&owner, options);
    turns(2);
    write_text(&owner, "x", true);
    turns(2);
    ck_assert_int_eq(read(peer, reply, sizeof(reply)), 1);
    ck_assert_int_eq(read(peer, reply, sizeof(reply)), 0);
    ck_assert_int_eq(write(peer, "more", 4), 4);
    RUN_UNTIL(owner.got_len == 4);
    close(peer);
    RUN_UNTIL(owner.remote_closes == 1);
    ck_assert_uint_eq(owner.ends, 1);
    connection_free(owner.conn);
}
END_TEST

START_TEST(connection_watermarks_fire_once_each_way) {
    struct owner owner = {0};
    struct connection_options options = options_for(&owner);
    options.buffer_limit_bytes = 100000;
    int peer = open_with(&owner, options);
    turns(2);
    write_many(&owner, 100000);
    ck_assert_uint_eq(owner.highs, 0);
    write_many(&owner, 3000000);
    write_many(&owner, 1000);
    ck_assert_uint_eq(owner.highs, 1);
    ck_assert(connection_is_above_high_watermark(owner.conn));
    turns(2);
    ck_assert_uint_eq(owner.lows, 0);
    ck_assert_uint_gt(connection_unsent_bytes(owner.conn), 100000);
    ssize_t total = 0;
    for (unsigned i = 0; i < MAX_TURNS && total < 3101000; i++) {
        total += peer_read_all(peer);
        turns(1);
    }
    ck_assert_int_eq(total, 3101000);
    ck_assert_uint_eq(owner.lows, 1);
    ck_assert_uint_eq(owner.highs, 1);
    ck_assert_uint_eq(connection_unsent_bytes(owner.conn), 0);
    ck_assert_uint_eq(owner.sent, 3101000);
    write_many(&owner, 90000);
    connection_set_buffer_limit(owner.conn, 50000);
    ck_assert_uint_eq(owner.highs, 2);
    connection_set_buffer_limit(owner.conn, 0);
    ck_assert_uint_eq(owner.lows, 2);
    connection_free(owner.conn);
    close(peer);
    expect_no_memory();
}
END_TEST

START_TEST(connection_read_disable_counts_and_resumes_with_the_rest) {
    struct owner owner = {.keeps_input = true};
    int peer = open_pair(&owner);
    connection_read_disable(owner.conn, true);
    connection_read_disable(owner.conn, true);
    ck_assert_int_eq(write(peer, "one", 3), 3);
    turns(5);
    ck_assert_uint_eq(owner.data_calls, 0);
    connection_read_disable(owner.conn, false);
    turns(5);
    ck_assert_uint_eq(owner.data_calls, 0);
    connection_read_disable(owner.conn, false);
    RUN_UNTIL(owner.data_calls == 1);
    // Left in the input: it comes again, with nothing new on the wire.
    connection_read_disable(owner.conn, true);
    owner.keeps_input = false;
    connection_read_disable(owner.conn, false);
    RUN_UNTIL(owner.got_len == 3);
    ck_assert_mem_eq(owner.got, "one", 3);
    close(peer);
    RUN_UNTIL(owner.remote_closes == 1);
    connection_free(owner.conn);
}
END_TEST

START_TEST(connection_end_while_disabled_waits_unless_detected) {
    for (int detects = 0; detects < 2; detects++) {
        struct owner owner = {0};
        struct connection_options options = options_for(&owner);
        options.detect_early_close = detects == 1;
        int peer = open_with(&owner, options);
        turns(2);
        connection_read_disable(owner.conn, true);
        ck_assert_int_eq(write(peer, "data", 4), 4);
        close(peer);
        turns(5);
        ck_assert_uint_eq(owner.remote_closes, (unsigned)detects);
        if (detects == 0) {
            connection_read_disable(owner.conn, false);
            RUN_UNTIL(owner.remote_closes == 1);
            ck_assert_uint_eq(owner.got_len, 4);
        }
        connection_free(owner.conn);
    }
}
END_TEST

START_TEST(connection_close_flush_sends_everything_first) {
    struct owner owner = {0};
    int peer = open_pair(&owner);
    write_many(&owner, 2000000);
    connection_close(owner.conn, CONNECTION_CLOSE_FLUSH);
    write_text(&owner, "ignored", false);
    ck_assert(!connection_is_open(owner.conn));
    ck_assert_uint_eq(owner.local_closes, 0);
    ssize_t total = 0;
    for (unsigned i = 0; i < MAX_TURNS && owner.local_closes == 0; i++) {
        turns(1);
        total += peer_read_all(peer);
    }
    total += peer_read_all(peer);
    ck_assert_int_eq(total, 2000000);
    ck_assert_uint_eq(owner.local_closes, 1);
    connection_free(owner.conn);
    close(peer);
}
END_TEST

START_TEST(connection_close_flush_with_nothing_queued_is_at_once) {
    struct owner owner = {0};
    int peer = open_pair(&owner);
    connection_close(owner.conn, CONNECTION_CLOSE_FLUSH);
    ck_assert_uint_eq(owner.local_closes, 1);
    connection_close(owner.conn, CONNECTION_CLOSE_NOW);
    ck_assert_uint_eq(owner.local_closes, 1);
    connection_free(owner.conn);
    close(peer);
}
END_TEST

static int open_delayed(struct owner *owner, uint32_t delay_ms) {
    struct connection_options options = options_for(owner);
    options.delayed_close_ms = delay_ms;
    int peer = open_with(owner, options);
    turns(2);
    return peer;
}

START_TEST(connection_delayed_close_waits_for_the_peers_end) {
    struct owner owner = {0};
    char reply[8];
    int peer = open_delayed(&owner, 1000);
    write_text(&owner, "end", false);
    connection_close(owner.conn, CONNECTION_CLOSE_FLUSH_AND_DELAY);
    turns(3);
    ck_assert_int_eq(read(peer, reply, sizeof(reply)), 3);
    ck_assert_int_eq(read(peer, reply, sizeof(reply)), 0);
    ck_assert_int_eq(write(peer, "still sending", 13), 13);
    turns(3);
    ck_assert_uint_eq(owner.local_closes, 0);
    ck_assert_uint_eq(owner.data_calls, 0);
    close(peer);
    RUN_UNTIL(owner.local_closes == 1);
    connection_free(owner.conn);
}
END_TEST

START_TEST(connection_delayed_close_ends_by_its_timer) {
    struct owner owner = {0};
    int peer = open_delayed(&owner, 1000);
    write_text(&owner, "end", false);
    connection_close(owner.conn, CONNECTION_CLOSE_FLUSH_AND_DELAY);
    advance_ms(900);
    ck_assert_uint_eq(owner.local_closes, 0);
    advance_ms(1100);
    ck_assert_uint_eq(owner.local_closes, 1);
    ck_assert(!connection_timed_out(owner.conn));
    connection_free(owner.conn);
    close(peer);
}
END_TEST

START_TEST(connection_flush_to_a_stalled_peer_ends_by_the_timer) {
    struct owner owner = {0};
    int peer = open_delayed(&owner, 500);
    write_many(&owner, 3000000);
    connection_close(owner.conn, CONNECTION_CLOSE_FLUSH);
    turns(3);
    ck_assert_uint_eq(owner.local_closes, 0);
    advance_ms(501);
    ck_assert_uint_eq(owner.local_closes, 1);
    connection_free(owner.conn);
    close(peer);
    expect_no_memory();
}
END_TEST

START_TEST(connection_reads_the_answer_of_a_peer_that_is_gone) {
    struct owner owner = {0};
    int peer = open_pair(&owner);
    connection_read_disable(owner.conn, true);
    ck_assert_int_eq(write(peer, "413", 3), 3);
    close(peer);
    connection_read_disable(owner.conn, false);
    write_many(&owner, 100000);
    connection_flush(owner.conn);
    ck_assert_uint_eq(owner.remote_closes, 0);
    RUN_UNTIL(owner.remote_closes == 1);
    ck_assert_mem_eq(owner.got, "413", 3);
    connection_free(owner.conn);
    expect_no_memory();
}
END_TEST

START_TEST(connection_freed_in_each_callback_is_safe) {
    static const enum when whens[] = {AT_CONNECTED, AT_DATA, AT_CLOSE, AT_HIGH, AT_LOW, AT_SENT};
    for (size_t i = 0; i < ARRAY_LEN(whens); i++) {
        for (int what = DO_FREE; what <= DO_CLOSE_FLUSH; what++) {
            struct owner owner = {.when = whens[i], .what = (enum what)what};
            struct connection_options options = options_for(&owner);
            options.buffer_limit_bytes = 1000;
            int peer = open_with(&owner, options);
            turns(2);
            if (owner.conn != NULL && connection_is_open(owner.conn)) {
                ck_assert_int_eq(write(peer, "data", 4), 4);
                turns(2);
            }
            if (owner.conn != NULL) {
                write_many(&owner, 500000);
            }
            for (int round = 0; round < 50; round++) {
                (void)peer_read_all(peer);
                turns(1);
            }
            close(peer);
            turns(3);
            ck_assert_int_eq(owner.when, AT_NOTHING);
            ck_assert_msg((owner.conn == NULL) == (what == DO_FREE), "when %d", (int)whens[i]);
            ck_assert_uint_le(owner.local_closes + owner.remote_closes, 1);
            connection_free(owner.conn);
            expect_no_memory();
        }
    }
}
END_TEST

START_TEST(connection_freed_with_pending_work_leaves_nothing) {
    struct owner owner = {0};
    int peer = open_pair(&owner);
    write_text(&owner, "never sent", false);
    ck_assert_int_eq(write(peer, "never read", 10), 10);
    connection_free(owner.conn);
    turns(3);
    ck_assert_uint_eq(owner.data_calls + owner.local_closes + owner.remote_closes, 0);
    expect_no_memory();
    close(peer);
}
END_TEST

START_TEST(connection_early_bytes_come_first) {
    struct owner owner = {0};
    struct connection_options options = options_for(&owner);
    struct buffer early;
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    buffer_init(&early, &io.buffers);
    buffer_append(&early, SLICE("GET "));
    owner.conn = connection_new_server(&options, fds[0], NULL, NULL, &early, NULL);
    ck_assert(buffer_is_empty(&early));
    ck_assert_int_eq(write(fds[1], "/", 1), 1);
    connection_start(owner.conn);
    ck_assert_uint_eq(owner.connects, 1);
    RUN_UNTIL(owner.got_len == 5);
    ck_assert_mem_eq(owner.got, "GET /", 5);
    ck_assert_uint_eq(connection_bytes_received(owner.conn), 5);
    connection_free(owner.conn);
    close(fds[1]);
}
END_TEST

/* A listener on loopback, accepting by hand. */
static int listen_loopback(struct address *address) {
    struct socket_listen_options options = {.reuse_port = true};
    int fd = -1;
    ck_assert_int_eq(address_from_text(address, SLICE("127.0.0.1:0"), NULL), STATUS_OK);
    ck_assert_int_eq(socket_listen(address, &options, &fd, NULL), STATUS_OK);
    ck_assert_int_eq(socket_local_address(fd, address, NULL), STATUS_OK);
    return fd;
}

static void connect_client(struct owner *owner, const struct address *to, uint32_t timeout_ms) {
    struct connection_options options = options_for(owner);
    int fd = -1;
    options.connect_timeout_ms = timeout_ms;
    ck_assert_int_eq(socket_connect(to, NULL, &fd, NULL), STATUS_OK);
    owner->conn = connection_new_client(&options, fd, to, NULL);
    ck_assert_ptr_nonnull(owner->conn);
}

START_TEST(connection_client_over_tcp_talks_and_knows_its_addresses) {
    struct address address, peer_address;
    struct owner client = {0}, server = {0};
    int accepted = -1;
    int listener = listen_loopback(&address);
    connect_client(&client, &address, 5000);
    write_text(&client, "early", false);
    RUN_UNTIL(client.connects == 1);
    ck_assert_int_eq(socket_accept(listener, &accepted, &peer_address, NULL), STATUS_OK);
    ck_assert_int_eq(socket_accept(listener, &accepted, &peer_address, NULL), STATUS_AGAIN);
    struct connection_options options = options_for(&server);
    server.conn = connection_new_server(&options, accepted, &address, &peer_address, NULL, NULL);
    RUN_UNTIL(server.got_len == 5);
    ck_assert(address_equal(connection_local_address(client.conn), &peer_address));
    ck_assert(address_equal(connection_remote_address(client.conn), &address));
    ck_assert(address_equal(connection_local_address(server.conn), &address));
    ck_assert(address_equal(connection_remote_address(server.conn), &peer_address));
    struct address copy = *connection_local_address(server.conn);
    ck_assert(address_equal(&copy, &address));
    ck_assert_uint_ne(connection_id(client.conn), connection_id(server.conn));
    int nodelay = 0;
    socklen_t len = sizeof(nodelay);
    ck_assert_int_eq(
        getsockopt(connection_fd(server.conn), IPPROTO_TCP, TCP_NODELAY, &nodelay, &len), 0);
    ck_assert_int_ne(nodelay, 0);
    connection_free(client.conn);
    RUN_UNTIL(server.remote_closes == 1);
    connection_free(server.conn);
    close(listener);
}
END_TEST

START_TEST(connection_refused_has_envoys_reason) {
    struct address address;
    struct owner client = {0};
    close(listen_loopback(&address));
    connect_client(&client, &address, 5000);
    RUN_UNTIL(client.remote_closes == 1);
    struct slice reason = connection_failure_reason(client.conn);
    ck_assert(slice_equal(reason, SLICE("delayed connect error: Connection refused")));
    ck_assert(!connection_timed_out(client.conn));
    ck_assert_uint_eq(client.connects, 0);
    connection_free(client.conn);
}
END_TEST

START_TEST(connection_unsent_bytes_at_close_reset_the_peer) {
    struct address address, peer_address;
    struct owner owner = {0};
    int accepted = -1;
    char bytes[1024];
    ssize_t n = 0;
    int listener = listen_loopback(&address);
    int peer = -1;
    ck_assert_int_eq(socket_connect(&address, NULL, &peer, NULL), STATUS_OK);
    ck_assert_int_eq(socket_accept(listener, &accepted, &peer_address, NULL), STATUS_OK);
    struct connection_options options = options_for(&owner);
    owner.conn = connection_new_server(&options, accepted, NULL, &peer_address, NULL, NULL);
    turns(2);
    write_many(&owner, 20000000);
    connection_flush(owner.conn);
    ck_assert_uint_gt(connection_unsent_bytes(owner.conn), 0);
    connection_close(owner.conn, CONNECTION_CLOSE_NOW);
    ck_assert_uint_eq(owner.local_closes, 1);
    while ((n = read(peer, bytes, sizeof(bytes))) > 0) {
    }
    ck_assert_int_eq(n, -1);
    ck_assert_int_eq(errno, ECONNRESET);
    connection_free(owner.conn);
    close(peer);
    close(listener);
}
END_TEST

/* A transport whose handshake never ends. */
static enum status endless_handshake(struct transport *transport, struct error *err) {
    (void)transport;
    (void)err;
    return STATUS_AGAIN;
}

static void endless_free(struct transport *transport) {
    mem_free(transport);
}

static const struct transport_ops endless_ops = {.handshake = endless_handshake,
                                                 .free = endless_free};

START_TEST(connection_handshake_timeout_closes) {
    struct owner owner = {0};
    struct connection_options options = options_for(&owner);
    options.transport->ops->free(options.transport);
    options.transport = mem_calloc(1, sizeof(*options.transport));
    options.transport->ops = &endless_ops;
    options.handshake_timeout_ms = 700;
    int peer = open_with(&owner, options);
    advance_ms(600);
    ck_assert_uint_eq(owner.local_closes, 0);
    advance_ms(101);
    ck_assert_uint_eq(owner.local_closes, 1);
    ck_assert(connection_timed_out(owner.conn));
    ck_assert_uint_eq(owner.connects, 0);
    connection_free(owner.conn);
    close(peer);
}
END_TEST

START_TEST(connection_callbacks_can_move_to_another_owner) {
    struct owner first = {0}, second = {0};
    int peer = open_pair(&first);
    connection_set_callbacks(first.conn, &callbacks, &second);
    ck_assert_int_eq(write(peer, "x", 1), 1);
    RUN_UNTIL(second.got_len == 1);
    ck_assert_uint_eq(first.data_calls, 0);
    connection_free(first.conn);
    close(peer);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("connection");
    TCase *tests = tcase_create("connection");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, connection_server_connects_reads_and_writes);
    tcase_add_test(tests, connection_data_before_an_end_is_delivered_first);
    tcase_add_test(tests, connection_budget_yields_between_turns_and_loses_nothing);
    tcase_add_test(tests, connection_limited_reads_no_more_than_its_limit_at_once);
    tcase_add_test(tests, connection_half_close_works_both_ways);
    tcase_add_test(tests, connection_own_end_first_then_peers_is_remote_close);
    tcase_add_test(tests, connection_watermarks_fire_once_each_way);
    tcase_add_test(tests, connection_read_disable_counts_and_resumes_with_the_rest);
    tcase_add_test(tests, connection_end_while_disabled_waits_unless_detected);
    tcase_add_test(tests, connection_close_flush_sends_everything_first);
    tcase_add_test(tests, connection_close_flush_with_nothing_queued_is_at_once);
    tcase_add_test(tests, connection_delayed_close_waits_for_the_peers_end);
    tcase_add_test(tests, connection_delayed_close_ends_by_its_timer);
    tcase_add_test(tests, connection_flush_to_a_stalled_peer_ends_by_the_timer);
    tcase_add_test(tests, connection_reads_the_answer_of_a_peer_that_is_gone);
    tcase_add_test(tests, connection_freed_in_each_callback_is_safe);
    tcase_add_test(tests, connection_freed_with_pending_work_leaves_nothing);
    tcase_add_test(tests, connection_early_bytes_come_first);
    tcase_add_test(tests, connection_client_over_tcp_talks_and_knows_its_addresses);
    tcase_add_test(tests, connection_refused_has_envoys_reason);
    tcase_add_test(tests, connection_unsent_bytes_at_close_reset_the_peer);
    tcase_add_test(tests, connection_handshake_timeout_closes);
    tcase_add_test(tests, connection_callbacks_can_move_to_another_owner);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
