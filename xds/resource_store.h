// SPDX-License-Identifier: Apache-2.0
/*
 * What clusters and listeners fetch by name: route configurations, endpoints, secrets. One entry per
 * kind and slot, shared by all its users and subscribed to as long as there are any; each accepted
 * version goes where it belongs (the config store, the cluster manager), the last good one stays. Files
 * that a secret was read from are watched. Control thread.
 */
#ifndef XDS_RESOURCE_STORE_H
#define XDS_RESOURCE_STORE_H

#include "src/base/list.h"
#include "xds/resource_type.h"
#include "xds/xds_targets.h"

struct file_watcher;
struct io_context;
struct resource_store;
struct stored_resource;
struct xds_client;

enum resource_state {
    RESOURCE_WAITING, /* nothing came yet */
    RESOURCE_READY,
    RESOURCE_MISSING, /* given up: the first fetch timed out or was refused */
};

/* Storage is the user's, from resource_store_want to resource_store_release. */
struct resource_user {
    struct list_node node;
    struct stored_resource *resource;
    /* The state left WAITING, or a new version is there. May release any user. */
    void (*on_change)(struct resource_user *user);
};

struct resource_store_options {
    struct io_context *control;
    const struct decode_context *decode;
    struct xds_client *client;
    struct file_watcher *files;
    const struct xds_targets *targets;
};

struct resource_store *resource_store_new(const struct resource_store_options *options);
/* From here on nothing is put anywhere; users may still be released. */
void resource_store_close(struct resource_store *store);
void resource_store_free(struct resource_store *store);

/* `kind` is ROUTE, ENDPOINT or SECRET. `stat_prefix` of the first user counts. */
enum status resource_store_want(struct resource_store *store,
                                const struct resource_dependency *dependency,
                                struct slice stat_prefix, struct resource_user *user,
                                struct error *err) MUST_USE;
void resource_store_release(struct resource_user *user);

enum resource_state resource_user_state(const struct resource_user *user);
enum config_kind resource_user_kind(const struct resource_user *user);
/* Tells the cluster manager again what is known of an ENDPOINT resource. */
void resource_user_repeat(const struct resource_user *user);
/* ENDPOINT: the last accepted part, for config_dump; NULL before. */
const struct config_part *resource_user_part(const struct resource_user *user);

/* What a decode had against a static resource, as an error that names it. */
enum status static_resource_error(const struct resource_type *type,
                                  const struct ProtobufCMessage *message,
                                  const struct validation *v, struct arena *arena,
                                  struct error *err);
void log_findings(const struct validation *v, const char *type, struct slice name);

/* Visits every fetched resource. */
struct resource_view {
    const struct resource_type *type;
    struct slice name;
    enum resource_state state;
    const struct config_part *part; /* NULL: none was accepted */
    struct slice error;             /* of the last refused version; empty: it was not refused */
    struct slice error_version;
    uint64_t error_wall_us;
};
typedef void resource_visit_fn(void *arg, const struct resource_view *view);
void resource_store_visit(const struct resource_store *store, resource_visit_fn *fn, void *arg);

#endif
