// SPDX-License-Identifier: Apache-2.0
/*
 * The TLS library's view of the socket. For the time of one operation it works on stack memory of the
 * caller: everything the kernel has is fetched at once, and the records of one flush leave in one send.
 * What is left over at the end of an operation (bytes the kernel did not take, records not asked for
 * yet) is kept on the heap; a connection at rest has neither.
 */
#ifndef SRC_TLS_TLS_IO_H
#define SRC_TLS_TLS_IO_H

#include <openssl/bio.h>
#include <stdbool.h>

#include "src/base/slice.h"
#include "src/base/status.h"

/* Heap bytes between operations. */
struct tls_io_rest {
    uint8_t *bytes; /* NULL: none */
    size_t at;
    size_t len;
};

struct tls_io {
    int fd;
    int failure;         /* errno of a failed call; 0: none */
    bool is_end;         /* the peer's FIN was read */
    bool is_dry;         /* the last fetch was shorter than asked for */
    bool stops_when_dry; /* no further fetch once dry: the operation has something to show */
    uint8_t *in;
    size_t in_at, in_len, in_max;
    uint8_t *out;
    size_t out_len, out_max;
    struct tls_io_rest rest_in;
    struct tls_io_rest rest_out;
};

BIO_METHOD *tls_io_method_new(void);
/* A BIO over `io`, which outlives it. */
BIO *tls_io_bio_new(const BIO_METHOD *method, struct tls_io *io);

/* Brackets each operation. */
void tls_io_begin(struct tls_io *io, uint8_t *in, size_t in_max, uint8_t *out, size_t out_max);
/* Sends what was gathered. STATUS_OK when the kernel took all, STATUS_AGAIN or STATUS_IO else. */
enum status tls_io_end(struct tls_io *io);
/* Sends what is gathered so far, within an operation. */
enum status tls_io_flush(struct tls_io *io);
/* Bytes that come before the socket's. */
void tls_io_unread(struct tls_io *io, struct slice bytes);
void tls_io_deinit(struct tls_io *io);

#endif
