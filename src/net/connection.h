// SPDX-License-Identifier: Apache-2.0
/*
 * A byte stream with buffers, watermarks and an orderly end, over a transport; client or server side.
 * Owned by its creator, on one io_context's thread. Reads when ready until dry (edge triggered, at most
 * CONNECTION_READ_BUDGET a turn, less where the buffer limit is less), hands the bytes to the owner, and writes everything queued in a turn
 * at its end in one go. An idle connection owns no buffer memory.
 * Flow control: above the high mark of unsent bytes the owner is told to pause its source, at the low
 * mark (half) to resume; reading is paused by counted connection_read_disable calls.
 */
#ifndef SRC_NET_CONNECTION_H
#define SRC_NET_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/buffer.h"
#include "src/net/address.h"
#include "src/net/transport.h"

struct connection;
struct io_context;

enum { CONNECTION_READ_BUDGET = 256 * 1024 };

enum connection_event {
    CONNECTION_CONNECTED,    /* handshake done: bytes may flow */
    CONNECTION_REMOTE_CLOSE, /* the peer closed or reset, or connect, handshake or record failed */
    CONNECTION_LOCAL_CLOSE,  /* closed by connection_close, or by its own timeout */
};

enum connection_close_kind {
    CONNECTION_CLOSE_NOW,   /* drop what is unsent; RST where bytes were left */
    CONNECTION_CLOSE_FLUSH, /* send what is queued, then close */
    /* Send what is queued, shut down our direction, read and drop for up to the delayed-close
     * timeout, then close: the peer gets our last bytes even when it is still sending. */
    CONNECTION_CLOSE_FLUSH_AND_DELAY,
};

struct connection_callbacks {
    /* Bytes arrived (appended to `input`; take what is wanted, the rest stays for the next call) or
     * the peer ended its direction (`end_stream`, once; only where half-close is enabled, else the
     * end is REMOTE_CLOSE). May close the connection. */
    void (*on_data)(void *arg, struct buffer *input, bool end_stream);
    /* After a CLOSE event no further callback comes; the connection is freed by the owner with
     * connection_free, from within the callback or later. */
    void (*on_event)(void *arg, enum connection_event event);
    void (*on_above_high_watermark)(void *arg); /* NULL: not interested */
    void (*on_below_low_watermark)(void *arg);
    /* `count` bytes left to the kernel; NULL: not interested. */
    void (*on_bytes_sent)(void *arg, size_t count);
};

struct connection_options {
    struct io_context *io;
    struct transport *transport; /* taken */
    const struct connection_callbacks *callbacks;
    void *arg;
    uint32_t buffer_limit_bytes; /* high mark of unsent bytes, and of one read; 0: none */
    bool enable_half_close;
    bool
        detect_early_close; /* a peer that goes while reading is disabled is REMOTE_CLOSE at once */
    uint32_t handshake_timeout_ms; /* 0: none */
    uint32_t connect_timeout_ms;   /* client; covers connect and handshake; 0: none */
    uint32_t delayed_close_ms;     /* of CLOSE_FLUSH_AND_DELAY; 0: close at once after the flush */
};

/* Server side over an accepted `fd` (taken). The handshake starts at once; its readiness is first
 * handled in the next turn, or in this one by connection_start. `early`: bytes that listener filters
 * read and left (moved; NULL: none). */
struct connection *connection_new_server(const struct connection_options *options, int fd,
                                         const struct address *local, const struct address *remote,
                                         struct buffer *early, struct error *err);
/* Handles readiness now instead of in the next turn; also how a transport without an fd reports it. */
void connection_start(struct connection *conn);
/* Client side over a connecting `fd` (taken) from socket_connect. */
struct connection *connection_new_client(const struct connection_options *options, int fd,
                                         const struct address *remote, struct error *err);
/* Closes silently when still open. Safe from within any of its callbacks. */
void connection_free(struct connection *conn);

/* Replaces owner and callbacks (a pool hands a connection over). */
void connection_set_callbacks(struct connection *conn, const struct connection_callbacks *callbacks,
                              void *arg);
/* Moves `data` to the output; it leaves at the end of the turn. With `end_stream` our direction is
 * shut down after it. Ignored after a close. */
void connection_write(struct connection *conn, struct buffer *data, bool end_stream);
/* The output queue, for codecs that serialise in place; follow with connection_output_added. */
struct buffer *connection_output(struct connection *conn);
void connection_output_added(struct connection *conn);
/* Sends now instead of at the end of the turn. */
void connection_flush(struct connection *conn);
void connection_close(struct connection *conn, enum connection_close_kind kind);
/* Counted: reading stops at the first disable and resumes, with what is buffered first, when all are
 * undone. */
void connection_read_disable(struct connection *conn, bool disable);
/* How long CLOSE_FLUSH_AND_DELAY waits for the peer; also bounds CLOSE_FLUSH. 0: not at all. */
void connection_set_delayed_close(struct connection *conn, uint32_t timeout_ms);
/* Server side: the thread's scale of timeouts was `before` until now. */
void connection_rescale_handshake(struct connection *conn, uint32_t before);
void connection_set_buffer_limit(struct connection *conn, uint32_t limit_bytes);
bool connection_is_open(const struct connection *conn);
bool connection_is_above_high_watermark(const struct connection *conn);
/* Unsent, and received and not taken. */
size_t connection_held_bytes(const struct connection *conn);
size_t connection_unsent_bytes(const struct connection *conn);

struct transport *connection_transport(struct connection *conn);
int connection_fd(const struct connection *conn);
const struct address *connection_local_address(const struct connection *conn);
const struct address *connection_remote_address(const struct connection *conn);
uint64_t connection_id(const struct connection *conn); /* unique in the process */
uint64_t connection_bytes_received(const struct connection *conn);
uint64_t connection_bytes_sent(const struct connection *conn);
/* Why it failed ("TLS_error:…", "delayed connect error: Connection refused"); empty when it did not. */
struct slice connection_failure_reason(const struct connection *conn);
/* True where it ended by the peer's RST, not by its FIN. */
bool connection_was_reset(const struct connection *conn);
/* True where the failure was the connect timeout (flags, retries). */
bool connection_timed_out(const struct connection *conn);
/* True where the delayed close ended it: the peer did not close in that time. */
bool connection_delay_is_over(const struct connection *conn);

#endif
