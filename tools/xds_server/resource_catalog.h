// SPDX-License-Identifier: Apache-2.0
/*
 * What the server can offer at one moment: resources by type and name, each with a version made of its
 * content. A catalog is immutable once it is published and shares its parts (one file's resources
 * each) with its neighbours in time. Reference counted, main thread only.
 */
#ifndef TOOLS_XDS_SERVER_RESOURCE_CATALOG_H
#define TOOLS_XDS_SERVER_RESOURCE_CATALOG_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/arena.h"
#include "src/base/error.h"
#include "src/base/hash_map.h"
#include "src/base/slice.h"

struct catalog_resource {
    struct slice type_url;
    struct slice name;
    struct slice value;   /* the packed message */
    struct slice version; /* 16 hexadecimal digits of `hash` */
    uint64_t hash;
};

/* The resources of one file; they and their bytes live in `arena`. */
struct resource_part {
    uint32_t refs;
    struct arena arena;
    const char *path;
    struct catalog_resource *resources;
    uint32_t count;
};

struct resource_part *resource_part_new(void);
struct resource_part *resource_part_ref(struct resource_part *part);
void resource_part_unref(struct resource_part *part);

struct catalog_type {
    struct slice type_url;
    struct hash_map by_name;                   /* to struct catalog_resource */
    const struct catalog_resource **resources; /* sorted by name after resource_catalog_finish */
    uint32_t count, capacity;
};

struct resource_catalog {
    uint32_t refs;
    struct resource_part **parts;
    uint32_t part_count;
    struct catalog_type *types;
    uint32_t type_count;
};

struct resource_catalog *resource_catalog_new(void);
struct resource_catalog *resource_catalog_ref(struct resource_catalog *catalog);
void resource_catalog_unref(struct resource_catalog *catalog);

/* Adds all of a part, which the catalog refs. STATUS_INVALID where a name is already there: nothing of
 * the part is added then. */
enum status resource_catalog_add(struct resource_catalog *catalog, struct resource_part *part,
                                 struct error *err) MUST_USE;
/* Sorts; to be called once after the last part. */
void resource_catalog_finish(struct resource_catalog *catalog);

/* NULL: no resource of that type. */
const struct catalog_type *resource_catalog_type(const struct resource_catalog *catalog,
                                                 struct slice type_url);
const struct catalog_resource *catalog_type_find(const struct catalog_type *type,
                                                 struct slice name);

/* The steps of a change that breaks nothing: first what others name comes, then those that name it
 * switch over, at last what nobody names any more goes. */
enum rollout_step {
    ROLLOUT_MAKE,   /* new clusters, endpoints, secrets beside the old; all else as before */
    ROLLOUT_SWITCH, /* the new listeners and routes */
    ROLLOUT_BREAK,  /* all as in the new one */
};

/* What is offered in `step` of the way from `old` to `target`; the caller owns the result. */
struct resource_catalog *resource_catalog_compose(struct resource_catalog *old,
                                                  struct resource_catalog *target,
                                                  enum rollout_step step);
/* Same names and versions for every type. */
bool resource_catalog_equal(const struct resource_catalog *a, const struct resource_catalog *b);

/* The same of the types that name others (listeners, routes): then there is no need for steps. */
bool resource_catalog_names_equally(const struct resource_catalog *a,
                                    const struct resource_catalog *b);

/* Place of a type in the order of sending: clusters, endpoints, secrets, listeners, routes, others. */
unsigned resource_type_rank(struct slice type_url);
/* True for types of which a client that names nothing wants everything. */
bool resource_type_is_wildcard(struct slice type_url);
/* "cds", or the full type name where there is no short one. */
struct slice resource_type_short_name(struct slice type_url);

#endif
