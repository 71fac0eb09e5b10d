// SPDX-License-Identifier: Apache-2.0
#include "tests/support/raw_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "src/net/socket.h"

enum { SLOW_RECEIVE_BYTES = 4096 };

void raw_peer_adopt(struct raw_peer *peer, struct test_stack *stack, int fd) {
    *peer = (struct raw_peer){.fd = fd, .is_reading = true};
    socket_set_nodelay(fd); /* small pieces must not wait for acknowledgements */
    list_push_back(&stack->raw_peers, &peer->node);
}

static void connect_with(struct raw_peer *peer, struct test_stack *stack,
                         const struct address *address, int receive_bytes) {
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    if (receive_bytes > 0) {
        ck_assert_int_eq(
            setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes)), 0);
    }
    int rc = connect(fd, &address->any, address->len);
    ck_assert_msg(rc == 0 || errno == EINPROGRESS, "connect: %d", errno);
    raw_peer_adopt(peer, stack, fd);
}

void raw_peer_connect(struct raw_peer *peer, struct test_stack *stack,
                      const struct address *address) {
    connect_with(peer, stack, address, 0);
}

void raw_peer_connect_slow(struct raw_peer *peer, struct test_stack *stack,
                           const struct address *address) {
    connect_with(peer, stack, address, SLOW_RECEIVE_BYTES);
}

static void flush(struct raw_peer *peer) {
    while (peer->unsent.len > 0) {
        ssize_t sent = send(peer->fd, peer->unsent.bytes, peer->unsent.len, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN) {
                test_text_clear(&peer->unsent);
            }
            return;
        }
        size_t rest = peer->unsent.len - (size_t)sent;
        memmove(peer->unsent.bytes, peer->unsent.bytes + sent, rest);
        peer->unsent.len = rest;
    }
}

void raw_peer_poll(struct raw_peer *peer) {
    char bytes[16384];
    if (peer->fd < 0) {
        return;
    }
    flush(peer);
    while (peer->is_reading && !peer->has_ended && !peer->is_reset) {
        ssize_t got = recv(peer->fd, bytes, sizeof(bytes), 0);
        if (got > 0) {
            test_text_add(&peer->received, bytes, (size_t)got);
        } else if (got == 0) {
            peer->has_ended = true;
        } else {
            peer->is_reset = errno != EAGAIN && errno != EINTR && errno != ENOTCONN;
            return;
        }
    }
}

void raw_peer_send_bytes(struct raw_peer *peer, const void *bytes, size_t len) {
    test_text_add(&peer->unsent, bytes, len);
    flush(peer);
}

void raw_peer_send(struct raw_peer *peer, const char *text) {
    raw_peer_send_bytes(peer, text, strlen(text));
}

void raw_peer_shutdown(struct raw_peer *peer) {
    (void)shutdown(peer->fd, SHUT_WR);
}

void raw_peer_close(struct raw_peer *peer) {
    if (peer->fd < 0) {
        return;
    }
    list_remove(&peer->node);
    (void)close(peer->fd);
    peer->fd = -1;
    test_text_free(&peer->received);
    test_text_free(&peer->unsent);
}

void raw_peer_reset(struct raw_peer *peer) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    raw_peer_close(peer);
}

bool raw_peer_is_over(const struct raw_peer *peer) {
    return peer->has_ended || peer->is_reset;
}

bool raw_peer_got(const struct raw_peer *peer, const char *part) {
    return strstr(test_text_get(&peer->received), part) != NULL;
}

void raw_listener_init(struct raw_listener *listener, struct test_stack *stack) {
    struct error err = {0};
    struct address any;
    *listener = (struct raw_listener){.stack = stack};
    ck_assert_int_eq(address_from_text(&any, SLICE("127.0.0.1:0"), &err), STATUS_OK);
    ck_assert_int_eq(socket_listen(&any, &(struct socket_listen_options){0}, &listener->fd, &err),
                     STATUS_OK);
    ck_assert_int_eq(socket_local_address(listener->fd, &listener->address, &err), STATUS_OK);
}

void raw_listener_deinit(struct raw_listener *listener) {
    if (listener->fd >= 0) {
        (void)close(listener->fd);
        listener->fd = -1;
    }
}

bool raw_listener_accept(struct raw_listener *listener, struct raw_peer *peer) {
    int fd = -1;
    struct address remote;
    struct error err = {0};
    if (socket_accept(listener->fd, &fd, &remote, &err) != STATUS_OK) {
        return false;
    }
    raw_peer_adopt(peer, listener->stack, fd);
    return true;
}
