// SPDX-License-Identifier: Apache-2.0
#include "src/net/transport.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "src/base/check.h"

/* 64 runs of a queue leave in one call; more go in the next. */
enum { WRITE_IOVECS = 64, READ_IOVECS = 16, READ_STEP_BYTES = 64 * 1024 };

static enum status raw_handshake(struct transport *transport, struct error *err) {
    (void)transport;
    (void)err;
    return STATUS_OK;
}

/* A first read of one chunk is enough for nearly every request; a reader that fills it is given
 * larger steps. */
static size_t read_step(size_t max, size_t so_far) {
    size_t step = so_far == 0 ? BUFFER_CHUNK_BYTES : READ_STEP_BYTES;
    return max < step ? max : step;
}

static enum status raw_read(struct transport *transport, struct buffer *to, size_t max, size_t *got,
                            struct error *err) {
    size_t total = 0;
    enum status status = STATUS_OK;

    while (total < max && status == STATUS_OK) {
        struct iovec vecs[READ_IOVECS];
        size_t asked = 0;
        int count = buffer_reserve(to, read_step(max - total, total), vecs, READ_IOVECS);
        for (int i = 0; i < count; i++) {
            asked += vecs[i].iov_len;
        }
        ssize_t n = readv(transport->fd, vecs, count);
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
    buffer_trim(to);
    *got = total;
    return status;
}

static enum status raw_write(struct transport *transport, struct buffer *from, struct error *err) {
    while (!buffer_is_empty(from)) {
        struct iovec vecs[WRITE_IOVECS];
        size_t total = 0;
        struct msghdr message = {.msg_iov = vecs};

        message.msg_iovlen = (size_t)buffer_peek_iovecs(from, vecs, WRITE_IOVECS, &total);
        ssize_t n = sendmsg(transport->fd, &message, MSG_NOSIGNAL);
        if (n >= 0) {
            buffer_drain(from, (size_t)n);
            if ((size_t)n < total) {
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

static void raw_peer(struct transport *transport, struct transport_peer *peer) {
    (void)transport;
    memset(peer, 0, sizeof(*peer));
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
    struct transport *transport = mem_calloc(1, sizeof(*transport));
    transport->ops = &raw_ops;
    transport->fd = -1;
    return transport;
}
