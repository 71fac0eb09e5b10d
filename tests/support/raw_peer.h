// SPDX-License-Identifier: Apache-2.0
/*
 * A peer made of a plain non-blocking socket, for exact bytes: as client it connects, as server it is
 * accepted from a raw_listener. Polled at each turn of its stack; what was received is kept as text.
 */
#ifndef TESTS_SUPPORT_RAW_PEER_H
#define TESTS_SUPPORT_RAW_PEER_H

#include "tests/support/test_stack.h"

struct raw_peer {
    struct list_node node;
    int fd; /* -1: closed by us */
    struct test_text received;
    struct test_text unsent;
    bool has_ended; /* the other side's FIN came */
    bool is_reset;
    bool is_reading; /* false: leaves bytes in the kernel (a slow reader) */
};

void raw_peer_connect(struct raw_peer *peer, struct test_stack *stack,
                      const struct address *address);
/* The same with a small receive buffer. */
void raw_peer_connect_slow(struct raw_peer *peer, struct test_stack *stack,
                           const struct address *address);
/* Takes the fd. */
void raw_peer_adopt(struct raw_peer *peer, struct test_stack *stack, int fd);
void raw_peer_poll(struct raw_peer *peer);
void raw_peer_send(struct raw_peer *peer, const char *text);
void raw_peer_send_bytes(struct raw_peer *peer, const void *bytes, size_t len);
void raw_peer_shutdown(struct raw_peer *peer); /* FIN */
void raw_peer_reset(struct raw_peer *peer);    /* RST; the peer is closed */
/* Closes and takes it off the stack; the received text is freed. Idempotent. */
void raw_peer_close(struct raw_peer *peer);
bool raw_peer_is_over(const struct raw_peer *peer);
bool raw_peer_got(const struct raw_peer *peer, const char *part);

struct raw_listener {
    struct test_stack *stack;
    int fd;
    struct address address;
};
void raw_listener_init(struct raw_listener *listener, struct test_stack *stack);
/* Stops listening: connects are refused from then on. */
void raw_listener_deinit(struct raw_listener *listener);
/* False when nobody waits. */
bool raw_listener_accept(struct raw_listener *listener, struct raw_peer *peer);

#endif
