// SPDX-License-Identifier: Apache-2.0
/*
 * One version of a cluster or listener on its way into the running system: decoded, waiting for what it
 * names, ready, and at last given up. Ready means that its routes and secrets are there (or were given
 * up), that its extensions' tasks have what they are awaited for, and that its TLS contexts are built;
 * from then on they are built anew with each new secret. It lives, and its tasks run, until the last user
 * of its part (a draining connection) is gone. Control thread.
 */
#ifndef XDS_WARMING_H
#define XDS_WARMING_H

#include "src/event/event_loop.h"
#include "xds/resource_store.h"

struct warm_item;

struct warm_context {
    struct resource_store *resources;
    const struct decode_context *decode;
    const struct xds_targets *targets;
    struct io_context *control;
    bool runs_tasks;             /* see warm_context_run_tasks */
    bool is_closed;              /* the end: nothing is put anywhere */
    struct list_node items;      /* all of them */
    struct event_deferred reap;  /* frees items whose parts are gone */
    struct event_deferred tasks; /* starts those that may start, and looks which have done */
};

void warm_context_init(struct warm_context *context);
/* From now on tasks are started, those of all items so far too: the clusters that they ask are there. */
void warm_context_run_tasks(struct warm_context *context);

/* The item is ready; maybe from within warm_item_start. It may be retired from within. */
typedef void warm_ready_fn(void *arg, struct warm_item *item);

/* Takes over the result's references. */
struct warm_item *warm_item_new(struct warm_context *context, struct decode_result *result,
                                warm_ready_fn *on_ready, void *arg);
/* Begins to fetch. On failure nothing is fetched and the item is still to be retired. */
enum status warm_item_start(struct warm_item *item, struct error *err) MUST_USE;
/* No callback any more; it goes when its part does. */
void warm_item_retire(struct warm_item *item);
/* At the end: frees what is left, whoever still holds the parts. */
void warm_context_close(struct warm_context *context);

bool warm_item_is_ready(const struct warm_item *item);
/* With a reference of its own. */
struct config_part *warm_item_part(const struct warm_item *item);
const struct config_part *warm_item_borrow(const struct warm_item *item);
struct slice warm_item_version(const struct warm_item *item);
/* Whether endpoints or secrets of it come from a config source. */
bool warm_item_has_discovery(const struct warm_item *item);
uint64_t warm_item_hash(const struct warm_item *item);
/* Puts the parts that came with the resource (inline routes) where they belong. */
void warm_item_put_extras(struct warm_item *item);
/* Says again what is known of its endpoints, after the cluster was added. */
void warm_item_repeat_endpoints(struct warm_item *item);
/* The inline assignment of a cluster; NULL: none. */
const struct endpoint_part *warm_item_assignment(const struct warm_item *item);

#endif
