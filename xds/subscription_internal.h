// SPDX-License-Identifier: Apache-2.0
/*
 * What subscription.c and xds_client.c share: the layout of a subscription, and how a source's news
 * reach it.
 */
#ifndef XDS_SUBSCRIPTION_INTERNAL_H
#define XDS_SUBSCRIPTION_INTERNAL_H

#include "src/base/hash_map.h"
#include "src/base/list.h"
#include "xds/subscription.h"
#include "xds/xds_client.h"
#include "xds/xds_mux.h"

enum { INITIAL_FETCH_TIMEOUT_MS = 15000 };

struct xds_subscription {
    struct list_node node; /* in xds_client.subscriptions */
    struct xds_client *client;
    const struct resource_type *type;
    struct slice name;     /* owned */
    struct slice type_url; /* static */
    const struct xds_subscription_handler *handler;
    void *arg;
    struct stats_scope *stats;
    struct timer fetch_timer;
    struct slice version;               /* owned */
    struct list_node lives;             /* struct resource_life */
    bool is_settled;                    /* an update was accepted, or the user was told to go on */
    uint32_t busy;                      /* callbacks under way */
    bool is_dead;                       /* freed when the last of them returns */
    struct xds_subscription *same_name; /* next of the client's map; ads only */
    /* Exactly one of these carries it. */
    struct xds_mux *ads; /* the client's; not owned */
    struct xds_mux *mux; /* a stream of its own */
    struct management_server *server;
    struct file_transport *file;
};

/* The part of a response that concerns the subscription is applied; the error's text in `arena`. */
struct slice subscription_update(struct xds_subscription *subscription,
                                 const struct discovery_response *response, struct arena *arena);
/* What is wrong with resources that nobody can be told of, since no name is to be read off them: empty
 * where they are such messages all the same. */
struct slice subscription_nameless_error(const struct resource_type *type,
                                         const struct discovery_response *response,
                                         struct arena *arena);
/* Whether the response has something for it. */
bool subscription_is_concerned(const struct xds_subscription *subscription,
                               const struct discovery_response *response);
/* A stream was lost or a file is not readable. */
void subscription_connection_failed(struct xds_subscription *subscription);
/* In and out of the map of the aggregated stream. */
void xds_client_add(struct xds_client *client, struct xds_subscription *subscription);
void xds_client_drop(struct xds_client *client, struct xds_subscription *subscription);

/* Keeps it in memory over callbacks; it may be dead when they return. */
void subscription_hold(struct xds_subscription *subscription);
void subscription_leave(struct xds_subscription *subscription);

struct xds_client {
    struct xds_client_options options;
    struct list_node subscriptions;
    struct hash_map named[CONFIG_KIND_COUNT]; /* of the aggregated stream; "": wildcards */
    struct management_server *ads_server;
    struct xds_mux *ads;
    bool is_started; /* streams may be opened */
    struct stats_scope *control_plane;
};

#endif
