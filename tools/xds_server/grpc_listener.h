// SPDX-License-Identifier: Apache-2.0
/*
 * gRPC core's server side, cut down to calls of whole messages: the only file here that knows gRPC. One
 * thread takes completions and mails them; everything else, callbacks included, is on the main thread.
 */
#ifndef TOOLS_XDS_SERVER_GRPC_LISTENER_H
#define TOOLS_XDS_SERVER_GRPC_LISTENER_H

#include "src/base/error.h"
#include "src/base/slice.h"

struct grpc_listener;
struct grpc_stream;
struct mailbox;

enum { GRPC_CODE_OK = 0, GRPC_CODE_INVALID_ARGUMENT = 3, GRPC_CODE_UNIMPLEMENTED = 12 };

struct grpc_listener_handler {
    /* A call begins. What is returned is the `call` of the other callbacks; NULL refuses it as
     * unimplemented. */
    void *(*on_call)(void *arg, struct grpc_stream *stream, struct slice method, struct slice peer);
    void (*on_message)(void *call, struct slice message);
    /* The client sends no more. */
    void (*on_half_close)(void *call);
    /* The last callback. `stream` is no longer to be used. */
    void (*on_closed)(void *call);
};

struct grpc_listener_options {
    const char *address;   /* "127.0.0.1:0", "[::1]:18000", "unix:/run/xds" */
    const char *cert_path; /* NULL: plaintext */
    const char *key_path;
    const char *client_ca_path; /* not NULL: clients must present a certificate */
    const struct grpc_listener_handler *handler;
    void *arg;
};

/* Listens. The certificate files are read again when they change. */
struct grpc_listener *grpc_listener_new(struct mailbox *mailbox,
                                        const struct grpc_listener_options *options,
                                        struct error *err);
/* The address with the port that was bound. */
const char *grpc_listener_address(const struct grpc_listener *listener);
/* Cancels all calls; on_drained comes when the last is closed and the listener may be freed. */
void grpc_listener_shutdown(struct grpc_listener *listener, void (*on_drained)(void *arg),
                            void *arg);
void grpc_listener_free(struct grpc_listener *listener);

void grpc_stream_send(struct grpc_stream *stream, struct slice message);
/* Ends the call after what was sent; on_closed follows. `text` may be NULL. */
void grpc_stream_finish(struct grpc_stream *stream, int code, const char *text);

#endif
