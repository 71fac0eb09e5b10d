// SPDX-License-Identifier: Apache-2.0
#include "src/net/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEFAULT_BACKLOG = 1024 };

static void set_int(int fd, int level, int name, int value) {
    // Advisory options: a kernel without one still gives a working socket.
    (void)setsockopt(fd, level, name, &value, sizeof(value));
}

static enum status require_int(int fd, int level, int name, const char *what, struct error *err) {
    int one = 1;
    if (setsockopt(fd, level, name, &one, sizeof(one)) != 0) {
        return error_set(err, STATUS_IO, "setsockopt %s: %s", what, strerror(errno));
    }
    return STATUS_OK;
}

static enum status open_socket(const struct address *address, int *fd, struct error *err) {
    int result = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (result < 0) {
        bool is_limit = errno == EMFILE || errno == ENFILE;
        return error_set(err, is_limit ? STATUS_LIMIT : STATUS_IO, "socket: %s", strerror(errno));
    }
    *fd = result;
    return STATUS_OK;
}

static enum status apply_option(int fd, const struct socket_option *option, struct error *err) {
    int int_value = option->int_value;
    const void *value = option->is_int ? (const void *)&int_value : option->bytes.ptr;
    socklen_t len = option->is_int ? (socklen_t)sizeof(int_value) : (socklen_t)option->bytes.len;

    if (setsockopt(fd, option->level, option->name, value, len) != 0) {
        return error_set(err, STATUS_IO, "setsockopt level %d name %d: %s", option->level,
                         option->name, strerror(errno));
    }
    return STATUS_OK;
}

static enum status apply_options(int fd, const struct socket_option *options, uint32_t count,
                                 int state, struct error *err) {
    for (uint32_t i = 0; i < count; i++) {
        if ((int)options[i].state == state) {
            TRY(apply_option(fd, &options[i], err));
        }
    }
    return STATUS_OK;
}

static enum status prepare_listener(int fd, const struct address *address,
                                    const struct socket_listen_options *options,
                                    struct error *err) {
    bool is_v6 = address->any.sa_family == AF_INET6;

    if (address_is_ip(address)) {
        // Accepted sockets inherit it, which saves a call for each.
        socket_set_nodelay(fd);
        TRY(require_int(fd, SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR", err));
        if (options->reuse_port) {
            TRY(require_int(fd, SOL_SOCKET, SO_REUSEPORT, "SO_REUSEPORT", err));
        }
        if (options->freebind) {
            TRY(require_int(fd, IPPROTO_IP, IP_FREEBIND, "IP_FREEBIND", err));
        }
        if (options->transparent) {
            TRY(require_int(fd, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP,
                            is_v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, "IP_TRANSPARENT", err));
        }
    }
    if (is_v6) {
        set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, options->v6_only ? 1 : 0);
    }
    return apply_options(fd, options->options, options->option_count, SOCKET_OPTION_PREBIND, err);
}

/* A socket file that nobody listens on is left over from a process that is gone. */
static bool remove_stale_unix(const struct address *address) {
    struct stat info;
    int probe = -1;
    bool is_stale = false;

    if (!address_is_unix(address) || address->un.sun_path[0] == '\0' ||
        lstat(address->un.sun_path, &info) != 0 || !S_ISSOCK(info.st_mode) ||
        open_socket(address, &probe, NULL) != STATUS_OK) {
        return false;
    }
    is_stale = connect(probe, &address->any, address->len) != 0 && errno == ECONNREFUSED;
    close(probe);
    return is_stale && unlink(address->un.sun_path) == 0;
}

static enum status bind_listener(int fd, const struct address *address, struct error *err) {
    char text[ADDRESS_TEXT_BYTES];

    if (bind(fd, &address->any, address->len) == 0) {
        return STATUS_OK;
    }
    int failure = errno;
    if (failure == EADDRINUSE && remove_stale_unix(address)) {
        if (bind(fd, &address->any, address->len) == 0) {
            return STATUS_OK;
        }
        failure = errno;
    }
    struct slice name = address_to_text(address, text);
    return error_set(err, STATUS_IO, "cannot bind '%.*s': %s", SLICE_ARG(name), strerror(failure));
}

static enum status start_listening(int fd, const struct address *address,
                                   const struct socket_listen_options *options, struct error *err) {
    bool has_path = address_is_unix(address) && address->un.sun_path[0] != '\0';
    uint32_t backlog = options->backlog == 0 ? DEFAULT_BACKLOG : options->backlog;

    TRY(prepare_listener(fd, address, options, err));
    TRY(bind_listener(fd, address, err));
    if (has_path && options->unix_mode != 0 &&
        chmod(address->un.sun_path, (mode_t)options->unix_mode) != 0) {
        return error_set(err, STATUS_IO, "chmod '%s': %s", address->un.sun_path, strerror(errno));
    }
    TRY(apply_options(fd, options->options, options->option_count, SOCKET_OPTION_BOUND, err));
    if (listen(fd, backlog > INT32_MAX ? INT32_MAX : (int)backlog) != 0) {
        return error_set(err, STATUS_IO, "listen: %s", strerror(errno));
    }
    return apply_options(fd, options->options, options->option_count, SOCKET_OPTION_LISTENING, err);
}

enum status socket_listen(const struct address *address,
                          const struct socket_listen_options *options, int *fd, struct error *err) {
    int result = -1;

    TRY(open_socket(address, &result, err));
    enum status status = start_listening(result, address, options, err);
    if (status != STATUS_OK) {
        close(result);
        return status;
    }
    *fd = result;
    return STATUS_OK;
}

static enum status start_connecting(int fd, const struct address *address,
                                    const struct socket_connect_options *options,
                                    struct error *err) {
    TRY(apply_options(fd, options->options, options->option_count, SOCKET_OPTION_PREBIND, err));
    if (address_is_ip(address)) {
        socket_set_nodelay(fd);
        if (options->keepalive) {
            socket_set_keepalive(fd, options->keepalive_probes, options->keepalive_time_s,
                                 options->keepalive_interval_s);
        }
    }
    if (options->source != NULL && options->source->len != 0) {
        // The port is chosen at connect, so that two targets may share one source port.
        set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
        if (bind(fd, &options->source->any, options->source->len) != 0) {
            return error_set(err, STATUS_IO, "failed to bind to source: %s", strerror(errno));
        }
    }
    TRY(apply_options(fd, options->options, options->option_count, SOCKET_OPTION_BOUND, err));
    if (connect(fd, &address->any, address->len) != 0 && errno != EINPROGRESS) {
        return error_set(err, STATUS_IO, "immediate connect error: %s", strerror(errno));
    }
    return STATUS_OK;
}

enum status socket_connect(const struct address *address,
                           const struct socket_connect_options *options, int *fd,
                           struct error *err) {
    static const struct socket_connect_options defaults;
    int result = -1;

    TRY(open_socket(address, &result, err));
    enum status status =
        start_connecting(result, address, options == NULL ? &defaults : options, err);
    if (status != STATUS_OK) {
        close(result);
        return status;
    }
    *fd = result;
    return STATUS_OK;
}

/* A dual-stack socket shows IPv4 peers as ::ffff:a.b.c.d; everything above means IPv4 then. */
static void unmap_v4(struct address *address) {
    if (address->any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr)) {
        return;
    }
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = address->v6.sin6_port};
    memcpy(&v4.sin_addr, &address->v6.sin6_addr.s6_addr[12], sizeof(v4.sin_addr));
    address->v4 = v4;
    address->len = sizeof(v4);
}

/* Failures of one connection that was in the queue, not of the listener. */
static bool is_lost_connection(int failure) {
    return failure == ECONNABORTED || failure == EPROTO || failure == ENETDOWN ||
           failure == EHOSTDOWN || failure == EHOSTUNREACH || failure == ENETUNREACH ||
           failure == ETIMEDOUT || failure == ENONET || failure == ENOPROTOOPT ||
           failure == EOPNOTSUPP || failure == EINTR;
}

enum status socket_accept(int listen_fd, int *fd, struct address *remote, struct error *err) {
    for (;;) {
        struct address peer;
        peer.len = sizeof(struct sockaddr_un);
        int result = accept4(listen_fd, &peer.any, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (result >= 0) {
            unmap_v4(&peer);
            *remote = peer;
            *fd = result;
            return STATUS_OK;
        }
        if (errno == EAGAIN) {
            return STATUS_AGAIN;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            return error_set(err, STATUS_LIMIT, "accept: %s", strerror(errno));
        }
        if (errno == EINVAL) {
            return error_set(err, STATUS_CLOSED, "accept: the socket no longer listens");
        }
        if (!is_lost_connection(errno)) {
            return error_set(err, STATUS_IO, "accept: %s", strerror(errno));
        }
    }
}

int socket_next_fd(int fd) {
    int next = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (next >= 0) {
        (void)close(next);
    }
    return next;
}

int socket_error(int fd) {
    int failure = 0;
    socklen_t len = sizeof(failure);
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len) == 0 ? failure : errno;
}

void socket_set_reset_on_close(int fd) {
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

void socket_set_nodelay(int fd) {
    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

static void set_nonzero(int fd, int name, uint32_t value) {
    if (value != 0) {
        set_int(fd, IPPROTO_TCP, name, value > INT32_MAX ? INT32_MAX : (int)value);
    }
}

void socket_set_keepalive(int fd, uint32_t probes, uint32_t time_s, uint32_t interval_s) {
    set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_nonzero(fd, TCP_KEEPCNT, probes);
    set_nonzero(fd, TCP_KEEPIDLE, time_s);
    set_nonzero(fd, TCP_KEEPINTVL, interval_s);
}

enum status socket_local_address(int fd, struct address *address, struct error *err) {
    struct address result;
    result.len = sizeof(struct sockaddr_un);
    if (getsockname(fd, &result.any, &result.len) != 0) {
        return error_set(err, STATUS_IO, "getsockname: %s", strerror(errno));
    }
    unmap_v4(&result);
    *address = result;
    return STATUS_OK;
}

enum status socket_original_dst(int fd, struct address *address) {
    struct address result;

    result.len = sizeof(result.v4);
    if (getsockopt(fd, SOL_IP, SO_ORIGINAL_DST, &result.any, &result.len) == 0) {
        *address = result;
        return STATUS_OK;
    }
    result.len = sizeof(result.v6);
    if (getsockopt(fd, SOL_IPV6, IP6T_SO_ORIGINAL_DST, &result.any, &result.len) == 0) {
        unmap_v4(&result);
        *address = result;
        return STATUS_OK;
    }
    return STATUS_NOT_FOUND;
}

uint32_t socket_rtt_us(int fd) {
    struct tcp_info info;
    socklen_t len = sizeof(info);

    memset(&info, 0, sizeof(info));
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 ? info.tcpi_rtt : 0;
}
