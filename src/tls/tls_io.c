// SPDX-License-Identifier: Apache-2.0
#include "src/tls/tls_io.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "src/base/check.h"

static void rest_clear(struct tls_io_rest *rest) {
    mem_free(rest->bytes);
    *rest = (struct tls_io_rest){NULL, 0, 0};
}

static void rest_add(struct tls_io_rest *rest, const uint8_t *bytes, size_t len) {
    size_t held = rest->len - rest->at;
    if (len == 0) {
        return;
    }
    uint8_t *joined = mem_alloc(held + len);
    if (held > 0) {
        memcpy(joined, rest->bytes + rest->at, held);
    }
    memcpy(joined + held, bytes, len);
    mem_free(rest->bytes);
    *rest = (struct tls_io_rest){joined, 0, held + len};
}

static size_t rest_take(struct tls_io_rest *rest, uint8_t *out, size_t len) {
    size_t held = rest->len - rest->at;
    size_t count = len < held ? len : held;
    memcpy(out, rest->bytes + rest->at, count);
    rest->at += count;
    if (rest->at == rest->len) {
        rest_clear(rest);
    }
    return count;
}

/* Bytes sent; less than `len` when the kernel is full or failed. */
static size_t send_all(struct tls_io *io, const uint8_t *bytes, size_t len) {
    size_t sent = 0;
    while (sent < len && io->failure == 0) {
        ssize_t n = send(io->fd, bytes + sent, len - sent, MSG_NOSIGNAL);
        if (n >= 0) {
            sent += (size_t)n;
        } else if (errno == EAGAIN) {
            break;
        } else if (errno != EINTR) {
            io->failure = errno;
        }
    }
    return sent;
}

static void send_rest(struct tls_io *io) {
    struct tls_io_rest *rest = &io->rest_out;
    if (rest->bytes == NULL) {
        return;
    }
    rest->at += send_all(io, rest->bytes + rest->at, rest->len - rest->at);
    if (rest->at == rest->len) {
        rest_clear(rest);
    }
}

enum status tls_io_flush(struct tls_io *io) {
    size_t sent = 0;

    send_rest(io);
    if (io->rest_out.bytes == NULL) {
        sent = send_all(io, io->out, io->out_len);
    }
    if (sent < io->out_len) {
        rest_add(&io->rest_out, io->out + sent, io->out_len - sent);
    }
    io->out_len = 0;
    if (io->failure != 0) {
        return STATUS_IO;
    }
    return io->rest_out.bytes == NULL ? STATUS_OK : STATUS_AGAIN;
}

void tls_io_begin(struct tls_io *io, uint8_t *in, size_t in_max, uint8_t *out, size_t out_max) {
    io->in = in;
    io->in_max = in_max;
    io->in_at = 0;
    io->in_len = 0;
    io->out = out;
    io->out_max = out_max;
    io->out_len = 0;
    io->is_dry = false;
    io->stops_when_dry = false;
}

enum status tls_io_end(struct tls_io *io) {
    enum status status = tls_io_flush(io);
    rest_add(&io->rest_in, io->in + io->in_at, io->in_len - io->in_at);
    io->in = NULL;
    io->out = NULL;
    io->in_at = 0;
    io->in_len = 0;
    return status;
}

void tls_io_unread(struct tls_io *io, struct slice bytes) {
    rest_add(&io->rest_in, bytes.ptr, bytes.len);
}

void tls_io_deinit(struct tls_io *io) {
    rest_clear(&io->rest_in);
    rest_clear(&io->rest_out);
}

/* True when bytes are there; else is_end, failure or nothing says why not. */
static bool fetch(struct tls_io *io) {
    if (io->is_end || io->failure != 0 || (io->is_dry && io->stops_when_dry)) {
        return false;
    }
    for (;;) {
        ssize_t n = recv(io->fd, io->in, io->in_max, 0);
        if (n > 0) {
            io->in_at = 0;
            io->in_len = (size_t)n;
            io->is_dry = (size_t)n < io->in_max;
            return true;
        }
        if (n == 0) {
            io->is_end = true;
            return false;
        }
        if (errno == EAGAIN) {
            return false;
        }
        if (errno != EINTR) {
            io->failure = errno;
            return false;
        }
    }
}

static int bio_read(BIO *bio, char *out, int len) {
    struct tls_io *io = BIO_get_data(bio);
    size_t wanted = len < 0 ? 0 : (size_t)len;

    BIO_clear_retry_flags(bio);
    if (io->rest_in.bytes != NULL) {
        return (int)rest_take(&io->rest_in, (uint8_t *)out, wanted);
    }
    if (io->in_at == io->in_len && !fetch(io)) {
        if (io->is_end) {
            return 0;
        }
        if (io->failure == 0) {
            BIO_set_retry_read(bio);
        }
        return -1;
    }
    size_t held = io->in_len - io->in_at;
    size_t count = wanted < held ? wanted : held;
    memcpy(out, io->in + io->in_at, count);
    io->in_at += count;
    return (int)count;
}

static int bio_write(BIO *bio, const char *bytes, int len) {
    struct tls_io *io = BIO_get_data(bio);
    size_t left = len < 0 ? 0 : (size_t)len;

    BIO_clear_retry_flags(bio);
    while (left > 0) {
        size_t room = io->out_max - io->out_len;
        size_t count = left < room ? left : room;
        memcpy(io->out + io->out_len, bytes, count);
        io->out_len += count;
        bytes += count;
        left -= count;
        // Room is made by sending; what the kernel refuses waits on the heap.
        if (left > 0 && tls_io_flush(io) == STATUS_IO) {
            return -1;
        }
    }
    return len;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer) {
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static int bio_create(BIO *bio) {
    BIO_set_init(bio, 1);
    return 1;
}

BIO_METHOD *tls_io_method_new(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "tls_io");
    CHECK(method != NULL && BIO_meth_set_read(method, bio_read) &&
          BIO_meth_set_write(method, bio_write) && BIO_meth_set_ctrl(method, bio_ctrl) &&
          BIO_meth_set_create(method, bio_create));
    return method;
}

BIO *tls_io_bio_new(const BIO_METHOD *method, struct tls_io *io) {
    BIO *bio = BIO_new(method);
    CHECK(bio != NULL);
    BIO_set_data(bio, io);
    return bio;
}
