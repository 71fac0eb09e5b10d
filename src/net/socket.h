// SPDX-License-Identifier: Apache-2.0
/*
 * Sockets: creation, options, bind, connect, accept. Every fd is non-blocking and close-on-exec. No
 * state of its own.
 */
#ifndef SRC_NET_SOCKET_H
#define SRC_NET_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "src/net/address.h"

/* One setsockopt of the configuration (envoy.config.core.v3.SocketOption). */
struct socket_option {
    int level;
    int name;
    enum { SOCKET_OPTION_PREBIND, SOCKET_OPTION_BOUND, SOCKET_OPTION_LISTENING } state;
    bool is_int;
    int int_value;
    struct slice bytes;
};

struct socket_listen_options {
    bool reuse_port;
    bool transparent;
    bool freebind;
    bool v6_only;       /* IPV6_V6ONLY (false: ipv4_compat) */
    uint32_t backlog;   /* 0: 1024 */
    uint32_t unix_mode; /* chmod of a Unix socket's path; 0: leave */
    const struct socket_option *options;
    uint32_t option_count;
};

/* Binds and listens; a stale Unix socket file is replaced only when nobody answers on it. */
enum status socket_listen(const struct address *address,
                          const struct socket_listen_options *options, int *fd,
                          struct error *err) MUST_USE;

struct socket_connect_options {
    const struct address *source; /* NULL: any */
    const struct socket_option *options;
    uint32_t option_count;
    uint32_t keepalive_probes, keepalive_time_s, keepalive_interval_s; /* 0: kernel's */
    bool keepalive;
};
/* Starts connecting; STATUS_OK also while in progress (writable readiness, then socket_error). */
enum status socket_connect(const struct address *address,
                           const struct socket_connect_options *options, int *fd,
                           struct error *err) MUST_USE;
/* STATUS_AGAIN when none waits, STATUS_LIMIT when out of file descriptors, STATUS_CLOSED when the socket
 * has been shut down. */
enum status socket_accept(int listen_fd, int *fd, struct address *remote,
                          struct error *err) MUST_USE;
/* The number that the next file descriptor would have (the lowest that is free), below 0 when there is
 * none. `fd` is any open one. */
int socket_next_fd(int fd);
/* SO_ERROR as errno value, 0 when the connect went through. */
int socket_error(int fd);
void socket_set_nodelay(int fd);
/* Closing it is a reset: what is queued is dropped, the peer sees an error. */
void socket_set_reset_on_close(int fd);
void socket_set_keepalive(int fd, uint32_t probes, uint32_t time_s, uint32_t interval_s);
enum status socket_local_address(int fd, struct address *address, struct error *err) MUST_USE;
/* SO_ORIGINAL_DST; STATUS_NOT_FOUND where the connection was not redirected. */
enum status socket_original_dst(int fd, struct address *address) MUST_USE;
/* Smoothed round-trip time in µs from TCP_INFO, 0 when unknown. */
uint32_t socket_rtt_us(int fd);

#endif
