// SPDX-License-Identifier: Apache-2.0
/*
 * The server's end of one discovery stream, state of the world or delta: which names the client wants
 * of each type, what it was sent, what it answered. Pure: bytes come in through
 * discovery_stream_receive, go out through the handler. Main thread only.
 */
#ifndef TOOLS_XDS_SERVER_DISCOVERY_STREAM_H
#define TOOLS_XDS_SERVER_DISCOVERY_STREAM_H

#include "src/base/error.h"
#include "tools/xds_server/resource_catalog.h"

struct discovery_stream;

struct discovery_stream_handler {
    void (*send)(void *arg, struct slice message);
    /* One line without its end; sends, ACKs and NACKs. */
    void (*log)(void *arg, struct slice line);
};

struct discovery_stream_options {
    bool is_delta;
    struct slice type_url; /* what the service serves; empty: aggregated */
    struct slice peer;     /* for log lines */
    const struct discovery_stream_handler *handler;
    void *arg;
};

/* `catalog` is ref'd; the options are copied. */
struct discovery_stream *discovery_stream_new(const struct discovery_stream_options *options,
                                              struct resource_catalog *catalog);
void discovery_stream_free(struct discovery_stream *stream);

/* STATUS_INVALID: the stream is to be ended with `err` as its status. */
enum status discovery_stream_receive(struct discovery_stream *stream, struct slice message,
                                     struct error *err) MUST_USE;
/* Sends what changed, clusters first. */
void discovery_stream_publish(struct discovery_stream *stream, struct resource_catalog *catalog);
/* False while a response has been answered by neither ACK nor NACK. */
bool discovery_stream_is_quiet(const struct discovery_stream *stream);
/* The client's node id; empty before the first request. */
struct slice discovery_stream_node(const struct discovery_stream *stream);

#endif
