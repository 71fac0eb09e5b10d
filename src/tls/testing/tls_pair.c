// SPDX-License-Identifier: Apache-2.0
#include "src/tls/testing/tls_pair.h"

#include <sys/socket.h>

#include "src/base/check.h"
#include "src/event/event_loop.h"

enum { MAX_TURNS = 20000, QUIET_TURNS = 3 };

static void on_data(void *arg, struct buffer *input, bool end_stream) {
    struct tls_end *end = arg;
    size_t room = end->got < sizeof(end->first) ? sizeof(end->first) - end->got : 0;
    size_t kept = input->len < room ? input->len : room;
    if (kept > 0) {
        buffer_copy_out(input, 0, end->first + end->got, kept);
    }
    end->got += input->len;
    end->has_ended |= end_stream;
    buffer_drain(input, input->len);
}

static void on_event(void *arg, enum connection_event event) {
    struct tls_end *end = arg;
    if (event == CONNECTION_CONNECTED) {
        end->is_connected = true;
    } else {
        end->is_closed = true;
    }
}

static const struct connection_callbacks callbacks = {.on_data = on_data, .on_event = on_event};

void tls_pair_init(struct tls_pair *pair) {
    memset(pair, 0, sizeof(*pair));
    virtual_clock_init(&pair->clock, UINT64_C(1700000000000000));
    CHECK(io_context_init(&pair->io, 0, &pair->clock.base, NULL) == STATUS_OK);
}

void tls_pair_close(struct tls_pair *pair) {
    connection_free(pair->client.conn);
    connection_free(pair->server.conn);
    memset(&pair->client, 0, sizeof(pair->client));
    memset(&pair->server, 0, sizeof(pair->server));
}

void tls_pair_deinit(struct tls_pair *pair) {
    tls_pair_close(pair);
    tls_pair_settle(pair);
    io_context_deinit(&pair->io);
}

void tls_pair_settle(struct tls_pair *pair) {
    unsigned quiet = 0;
    for (unsigned i = 0; i < MAX_TURNS && quiet < QUIET_TURNS; i++) {
        quiet = event_loop_run_once(pair->io.loop, 0) == 0 ? quiet + 1 : 0;
    }
}

static struct connection *open_end(struct tls_pair *pair, struct tls_end *end, int fd,
                                   const struct tls_pair_options *options, bool is_server,
                                   struct buffer *early) {
    struct tls_transport_options tls = {
        .context = is_server ? options->server_context : options->client_context,
        .stats = is_server ? options->server_stats : options->client_stats,
        .sni = options->sni,
        .verify_san = options->verify_san,
    };
    struct connection_options connection = {
        .io = &pair->io,
        .transport = tls_transport_new(&tls),
        .callbacks = &callbacks,
        .arg = end,
        .enable_half_close = options->enable_half_close,
        .buffer_limit_bytes = options->buffer_limit_bytes,
    };
    return is_server ? connection_new_server(&connection, fd, NULL, NULL, early, NULL)
                     : connection_new_client(&connection, fd, NULL, NULL);
}

void tls_pair_open_client(struct tls_pair *pair, const struct tls_pair_options *options, int fd) {
    tls_pair_close(pair);
    pair->client.conn = open_end(pair, &pair->client, fd, options, false, NULL);
    CHECK(pair->client.conn != NULL);
}

void tls_pair_open_server(struct tls_pair *pair, const struct tls_pair_options *options, int fd,
                          struct buffer *early) {
    pair->server.conn = open_end(pair, &pair->server, fd, options, true, early);
    CHECK(pair->server.conn != NULL);
}

void tls_pair_open_fds(struct tls_pair *pair, const struct tls_pair_options *options, int client_fd,
                       int server_fd) {
    tls_pair_open_client(pair, options, client_fd);
    tls_pair_open_server(pair, options, server_fd, NULL);
}

void tls_pair_open(struct tls_pair *pair, const struct tls_pair_options *options) {
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    tls_pair_open_fds(pair, options, fds[0], fds[1]);
}

bool tls_pair_handshake(struct tls_pair *pair, const struct tls_pair_options *options) {
    tls_pair_open(pair, options);
    tls_pair_settle(pair);
    return pair->client.is_connected && pair->server.is_connected && !pair->client.is_closed &&
           !pair->server.is_closed;
}

void tls_pair_send(struct tls_pair *pair, struct tls_end *end, struct slice bytes,
                   bool end_stream) {
    struct buffer data;
    buffer_init(&data, &pair->io.buffers);
    buffer_append(&data, bytes);
    connection_write(end->conn, &data, end_stream);
    buffer_deinit(&data);
}
