// SPDX-License-Identifier: Apache-2.0
/*
 * A unary gRPC call to a cluster over our own HTTP/2 pools. The message is bytes already serialised;
 * framing, deadline and status are here. Called back exactly once, never from within the start, unless
 * cancelled. One io_context.
 */
#ifndef SRC_UPSTREAM_GRPC_CALL_H
#define SRC_UPSTREAM_GRPC_CALL_H

#include "src/upstream/upstream.h"

struct grpc_call;

enum grpc_status {
    GRPC_OK,
    GRPC_CANCELLED,
    GRPC_UNKNOWN,
    GRPC_INVALID_ARGUMENT,
    GRPC_DEADLINE_EXCEEDED,
    GRPC_NOT_FOUND,
    GRPC_ALREADY_EXISTS,
    GRPC_PERMISSION_DENIED,
    GRPC_RESOURCE_EXHAUSTED,
    GRPC_FAILED_PRECONDITION,
    GRPC_ABORTED,
    GRPC_OUT_OF_RANGE,
    GRPC_UNIMPLEMENTED,
    GRPC_INTERNAL,
    GRPC_UNAVAILABLE,
    GRPC_DATA_LOSS,
    GRPC_UNAUTHENTICATED,
};

/* `status` may be a number that is none of the enum's. `message`: the response's bytes with GRPC_OK,
 * else empty; `text`: grpc-message as received (percent-encoded), or ours. All valid during the call. */
typedef void grpc_call_done_fn(void *arg, uint32_t status, struct slice message, struct slice text);

struct grpc_call_metadata {
    struct slice name, value; /* lower case name */
};
struct grpc_call_options {
    struct io_context *io;
    uint32_t cluster_slot;
    struct slice authority;                    /* empty: the cluster's name */
    struct slice path;                         /* "/package.Service/Method" */
    struct slice message;                      /* copied */
    const struct grpc_call_metadata *metadata; /* initial metadata; copied */
    uint32_t metadata_count;
    uint32_t timeout_ms;        /* 0: none; also sent as grpc-timeout */
    uint32_t max_message_bytes; /* of the response; 0: 1 MiB */
    grpc_call_done_fn *done;
    void *arg;
};
struct grpc_call *grpc_call_start(const struct grpc_call_options *options);
/* `done` will not be called. Not from within `done`. (grpc_call_cancel is gRPC core's, in this program.) */
void grpc_call_abandon(struct grpc_call *call);

#endif
