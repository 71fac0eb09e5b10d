// SPDX-License-Identifier: Apache-2.0
#include "src/net/transport.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "src/base/check.h"

/* 64 runs of a queue leave in one call; more go in the next. */
enum { WRITE_IOVECS = 64, READ_IOVECS = 6, READ_STEP_BYTES = 64 * 1024 };

struct raw_transport {
    struct transport base;
    bool reads_much; /* the last read filled its first step: the next begins with a large one */
};

const struct transport_peer transport_peer_plain;

static enum status raw_handshake(struct transport *transport, struct error *err) {
    (void)transport;
    (void)err;
    return STATUS_OK;
}

/* One chunk is enough for nearly every request; a reader that fills it is given larger steps. */
static size_t read_step(size_t max, bool is_large) {
    size_t step = is_large ? READ_STEP_BYTES : BUFFER_CHUNK_CAPACITY;
    return max < step ? max : step;
}

/* One system call; *asked: what there was room for. */
static ssize_t receive(int fd, struct buffer *to, size_t want, size_t *asked) {
    struct iovec vecs[READ_IOVECS];
    int count = buffer_reserve(to, want, vecs, READ_IOVECS);
    *asked = 0;
    for (int i = 0; i < count; i++) {
        *asked += vecs[i].iov_len;
    }
    return count == 1 ? recv(fd, vecs[0].iov_base, vecs[0].iov_len, 0) : readv(fd, vecs, count);
}

static enum status raw_read(struct transport *transport, struct buffer *to, size_t max, size_t *got,
                            struct error *err) {
    struct raw_transport *raw = (struct raw_transport *)(void *)transport;
    size_t total = 0;
    enum status status = STATUS_OK;

    while (total < max && status == STATUS_OK) {
        size_t asked;
        size_t step = read_step(max - total, raw->reads_much || total > 0);
        ssize_t n = receive(transport->fd, to, step, &asked);
        if (n > 0) {
            buffer_commit(to, (size_t)n);
            total += (size_t)n;
            /* A short read is a dry socket: no second call to be told so. */
            status = (size_t)n < asked ? STATUS_AGAIN : STATUS_OK;
        } else if (n == 0) {
            status = STATUS_CLOSED;
        } else if (errno == EAGAIN) {
            status = STATUS_AGAIN;
        } else if (errno != EINTR) {
            status = error_set(err, STATUS_IO, "%s", strerror(errno));
        }
    }
    raw->reads_much = total >= BUFFER_CHUNK_CAPACITY;
    buffer_trim(to);
    *got = total;
    return status;
}

/* Apart from its caller, which would clear the array for each message that is one run. */
static __attribute__((noinline)) ssize_t send_runs(int fd, const struct buffer *from,
                                                   size_t *offered) {
    struct iovec vecs[WRITE_IOVECS];
    struct msghdr message = {.msg_iov = vecs};
    message.msg_iovlen = (size_t)buffer_peek_iovecs(from, vecs, WRITE_IOVECS, offered);
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static ssize_t send_some(int fd, const struct buffer *from, size_t *offered) {
    struct slice front = buffer_front(from);
    if (front.len < from->len) {
        return send_runs(fd, from, offered);
    }
    *offered = front.len;
    return send(fd, front.ptr, front.len, MSG_NOSIGNAL);
}

static enum status raw_write(struct transport *transport, struct buffer *from, struct error *err) {
    while (!buffer_is_empty(from)) {
        size_t offered = 0;
        ssize_t n = send_some(transport->fd, from, &offered);
        if (n >= 0) {
            buffer_drain(from, (size_t)n);
            if ((size_t)n < offered) {
                return STATUS_AGAIN;
            }
        } else if (errno == EAGAIN) {
            return STATUS_AGAIN;
        } else if (errno != EINTR) {
            return error_set(err, STATUS_IO, "%s", strerror(errno));
        }
    }
    return STATUS_OK;
}

static void raw_shutdown_write(struct transport *transport) {
    (void)shutdown(transport->fd, SHUT_WR);
}

static const struct transport_peer *raw_peer(struct transport *transport, struct arena *arena) {
    (void)transport;
    (void)arena;
    return &transport_peer_plain;
}

static struct slice raw_failure_reason(struct transport *transport) {
    (void)transport;
    return slice_make(NULL, 0);
}

static void raw_free(struct transport *transport) {
    mem_free(transport);
}

static const struct transport_ops raw_ops = {
    .handshake = raw_handshake,
    .read = raw_read,
    .write = raw_write,
    .shutdown_write = raw_shutdown_write,
    .peer = raw_peer,
    .failure_reason = raw_failure_reason,
    .free = raw_free,
};

struct transport *raw_transport_new(void) {
    struct raw_transport *raw = mem_calloc(1, sizeof(*raw));
    raw->base.ops = &raw_ops;
    raw->base.fd = -1;
    return &raw->base;
}
