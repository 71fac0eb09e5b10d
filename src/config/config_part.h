// SPDX-License-Identifier: Apache-2.0
/*
 * An immutable piece of configuration: one arena, one reference count, one owner. Built and referenced
 * on the control thread only; workers read it through a snapshot and tell by mail when they let go
 * (config_store). A part names other named things by slot, never by pointer, so that replacing one
 * rebuilds nothing else.
 */
#ifndef SRC_CONFIG_CONFIG_PART_H
#define SRC_CONFIG_CONFIG_PART_H

#include <stdatomic.h>
#include <stdint.h>

#include "src/base/arena.h"
#include "src/config/owner.h"

enum config_kind {
    CONFIG_LISTENER,
    CONFIG_ROUTE, /* RouteConfiguration, of RDS or inline */
    CONFIG_CLUSTER,
    CONFIG_ENDPOINT,
    CONFIG_SECRET,
    CONFIG_TLS,     /* a transport socket's ready context */
    CONFIG_RUNTIME, /* a runtime layer; never in the store */
    CONFIG_KIND_COUNT,
};

#define CONFIG_SLOT_NONE UINT32_MAX

struct config_cleanup;
struct config_slot_use;
struct config_task;

struct config_part {
    enum config_kind kind;
    uint32_t refs;
    struct arena arena; /* the part itself lies in it */
    struct slice name;
    struct slice version;     /* xDS version_info; empty for static */
    uint64_t last_updated_us; /* wall clock */
    struct config_owner owner;
    uint32_t slot;             /* where it was put; CONFIG_SLOT_NONE: nowhere yet */
    bool is_static;            /* of the bootstrap */
    struct slice raw_type_url; /* what config_dump shows: the resource as received; not if static */
    struct slice raw;          /* its serialised bytes */
    struct config_cleanup *cleanups;
    struct config_task *tasks;
    struct config_slot_use *slot_uses; /* slots that it names */
    /* Streams and connections that hold the part, one cell per io_context; NULL for kinds that are
     * never pinned. Each cell is touched by its thread only. */
    struct config_pin_cell *pins;
};

/* On a cache line of its own, since streams of all threads pin one and the same part. */
struct config_pin_cell {
    _Alignas(64) uint32_t count;
    bool is_retained; /* control holds a reference for this thread until count falls to 0 */
};

/* A zeroed object of `size` bytes whose first member is struct config_part, in an arena of its own,
 * with one reference. */
void *config_part_new(enum config_kind kind, size_t size, struct slice name);
/* The same, with room for `more` bytes beside the object without another block. */
void *config_part_new_sized(enum config_kind kind, size_t size, struct slice name, size_t more);
struct config_part *config_part_ref(struct config_part *part);
void config_part_unref(struct config_part *part); /* NULL allowed; the last runs the cleanups */
/* Runs fn(object) when the part is freed, last registered first: for what an arena cannot free. */
void config_part_on_free(struct config_part *part, void (*fn)(void *object), void *object);
/* The same, but already when the part has left the snapshots of all threads, though streams and
 * connections may still pin it: for what only those need that look it up. */
void config_part_on_retire(struct config_part *part, void (*fn)(void *object), void *object);

#endif
