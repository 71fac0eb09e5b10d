// SPDX-License-Identifier: Apache-2.0
/*
 * What one client wants and has of one resource type. Shared by both variants of the protocol; of use
 * to discovery_stream.c, discovery_sotw.c and discovery_delta.c only. Main thread.
 */
#ifndef TOOLS_XDS_SERVER_DISCOVERY_WATCH_H
#define TOOLS_XDS_SERVER_DISCOVERY_WATCH_H

#include "src/base/list.h"
#include "tools/xds_server/discovery_stream.h"

struct Envoy__Service__Discovery__V3__DiscoveryRequest;
struct Envoy__Service__Discovery__V3__DeltaDiscoveryRequest;

/* One name. It exists while it is subscribed or the client has something of that name. */
struct watched_name {
    struct slice name; /* owned */
    bool is_subscribed;
    bool is_sent;    /* delta: the client has the version `hash`, or was told of the absence */
    bool is_absent;  /* delta: what it was told */
    bool is_touched; /* SotW: seen in the request at hand */
    uint64_t hash;
};

struct type_watch {
    struct list_node node; /* in order of sending */
    struct slice type_url; /* owned */
    struct hash_map names; /* to struct watched_name */
    bool is_wildcard;
    bool has_named;       /* the client has named something once */
    bool has_requested;   /* its first request was seen */
    bool awaits_answer;   /* of the response with `nonce` */
    bool was_refused;     /* the last answer was a NACK */
    bool must_send;       /* the client waits for a response, even an empty one */
    uint64_t nonce;       /* of the last response; 0: none */
    uint64_t sent_hash;   /* SotW: of all that was sent last */
    struct slice version; /* owned; of the last response, for log lines */
};

struct discovery_stream {
    struct discovery_stream_options options; /* its slices are owned */
    struct resource_catalog *catalog;
    struct list_node watches;
    struct slice node_id; /* owned */
};

struct watched_name *type_watch_name(struct type_watch *watch, struct slice name);
void type_watch_drop(struct type_watch *watch, struct watched_name *name);

/* The watch of a request's type, made at need. */
struct type_watch *discovery_stream_watch(struct discovery_stream *stream, struct slice type_url);
/* What the answer to the response with `nonce` says; false for an answer to an older one. */
struct discovery_answer {
    struct slice nonce;
    struct slice error; /* of a NACK */
    bool is_refusal;
};
bool type_watch_answered(struct discovery_stream *stream, struct type_watch *watch,
                         const struct discovery_answer *answer);
/* Notes that a response went out, and logs it. */
void type_watch_sent(struct discovery_stream *stream, struct type_watch *watch,
                     struct slice version, uint32_t resources, uint32_t removed);
/* The nonce of the next response, in `text`. */
enum { NONCE_TEXT_BYTES = 24 };
void type_watch_next_nonce(struct type_watch *watch, char text[NONCE_TEXT_BYTES]);

void sotw_receive(struct discovery_stream *stream, struct type_watch *watch,
                  const struct Envoy__Service__Discovery__V3__DiscoveryRequest *request);
void sotw_publish(struct discovery_stream *stream, struct type_watch *watch);
void delta_receive(struct discovery_stream *stream, struct type_watch *watch,
                   const struct Envoy__Service__Discovery__V3__DeltaDiscoveryRequest *request);
void delta_publish(struct discovery_stream *stream, struct type_watch *watch);

#endif
