// SPDX-License-Identifier: Apache-2.0
/*
 * Two TLS connections that talk to each other over a socket pair on one loop, with what their owners
 * heard. For tests only.
 */
#ifndef SRC_TLS_TESTING_TLS_PAIR_H
#define SRC_TLS_TESTING_TLS_PAIR_H

#include "src/event/io_context.h"
#include "src/net/connection.h"
#include "src/tls/tls_context.h"
#include "src/tls/tls_transport.h"

struct tls_end {
    struct connection *conn;
    bool is_connected;
    bool is_closed;
    bool has_ended;
    size_t got;
    char first[64]; /* of the bytes that came */
};

struct tls_pair {
    struct virtual_clock clock;
    struct io_context io;
    struct tls_end client;
    struct tls_end server;
};

struct tls_pair_options {
    struct tls_context *client_context;
    struct tls_context *server_context;
    struct slice sni;
    struct slice verify_san;
    struct stats_scope *client_stats;
    struct stats_scope *server_stats;
    bool enable_half_close;
    uint32_t buffer_limit_bytes;
};

void tls_pair_init(struct tls_pair *pair);
void tls_pair_deinit(struct tls_pair *pair);
/* Makes both connections (the ones before are freed). */
void tls_pair_open(struct tls_pair *pair, const struct tls_pair_options *options);
/* The same over two fds of the caller's choice (taken), one each way. */
void tls_pair_open_fds(struct tls_pair *pair, const struct tls_pair_options *options, int client_fd,
                       int server_fd);
/* One side after the other: open_client frees what was before; `early` may be NULL. */
void tls_pair_open_client(struct tls_pair *pair, const struct tls_pair_options *options, int fd);
void tls_pair_open_server(struct tls_pair *pair, const struct tls_pair_options *options, int fd,
                          struct buffer *early);
void tls_pair_close(struct tls_pair *pair);
/* Runs the loop until it has nothing more to do. */
void tls_pair_settle(struct tls_pair *pair);
/* open and settle; true when both sides are connected and open. */
bool tls_pair_handshake(struct tls_pair *pair, const struct tls_pair_options *options);
void tls_pair_send(struct tls_pair *pair, struct tls_end *end, struct slice bytes, bool end_stream);

#endif
