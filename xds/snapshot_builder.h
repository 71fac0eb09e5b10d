// SPDX-License-Identifier: Apache-2.0
/*
 * Turns clusters and listeners, static ones and those of CDS and LDS, into the running system: decodes,
 * compares, warms, activates, removes. A resource that is refused leaves its last good version alone and
 * the others of its response unharmed; what is wrong comes back in Envoy's words. Control thread.
 */
#ifndef XDS_SNAPSHOT_BUILDER_H
#define XDS_SNAPSHOT_BUILDER_H

#include "xds/discovery_codec.h"
#include "xds/resource_store.h"

struct ProtobufCMessage;
struct snapshot_builder;

struct snapshot_builder_options {
    struct io_context *control;
    const struct decode_context *decode;
    const struct xds_targets *targets;
    struct resource_store *resources;
    struct stats_registry *stats;
    /* Something became warm or ceased to be so: look at snapshot_builder_warming. */
    void (*on_warming_changed)(void *arg);
    /* A field that the API does not know; may be NULL. */
    void (*on_unknown_field)(void *arg, bool is_static);
    void *arg;
};

struct snapshot_builder *snapshot_builder_new(const struct snapshot_builder_options *options);
/* Before the resource store is freed. */
void snapshot_builder_free(struct snapshot_builder *builder);

/* A resource of the bootstrap: secrets, then clusters, then listeners. Errors are for the caller to end
 * with. */
enum status snapshot_builder_add_static(struct snapshot_builder *builder,
                                        const struct resource_type *type,
                                        const struct ProtobufCMessage *message,
                                        struct error *err) MUST_USE;
/* One response of CDS or LDS; what is refused as text in `arena`, empty: nothing. */
struct slice snapshot_builder_apply(struct snapshot_builder *builder,
                                    const struct resource_type *type,
                                    const struct discovery_response *response, struct arena *arena);

/* How many resources were added or changed so far. */
uint64_t snapshot_builder_changes(const struct snapshot_builder *builder);

/* All clusters of the start are there: tasks of listeners (src/config/config_task.h) may ask them. */
void snapshot_builder_run_tasks(struct snapshot_builder *builder);

/* Clusters or listeners that are not warm yet. */
uint32_t snapshot_builder_warming(const struct snapshot_builder *builder,
                                  const struct resource_type *type);
/* Static clusters that are not warm and do not wait for EDS: what discovery itself may need. */
uint32_t snapshot_builder_primary_warming(const struct snapshot_builder *builder);
/* Of a cluster; NULL: none is known. */
const struct endpoint_part *snapshot_builder_assignment(const struct snapshot_builder *builder,
                                                        struct slice cluster);

/* For config_dump. */
struct record_view {
    const struct resource_type *type;
    struct slice name;
    bool is_static;
    const struct config_part *active, *warming; /* NULL: none */
    struct slice error;                         /* of the last refused version; empty: none */
    struct slice error_version;
    uint64_t error_wall_us;
    struct slice failed_raw; /* the refused resource's bytes */
};
typedef void record_visit_fn(void *arg, const struct record_view *view);
void snapshot_builder_visit(const struct snapshot_builder *builder,
                            const struct resource_type *type, record_visit_fn *fn, void *arg);

#endif
