// SPDX-License-Identifier: Apache-2.0
/*
 * The face of this folder to the composition root: takes a bootstrap, brings its static resources and
 * what its management servers send into the running system, and says when everything is there for the
 * first time: clusters that discovery itself needs, then the runtime's layers, then CDS and its endpoints,
 * then LDS with its routes and secrets. Control thread.
 */
#ifndef XDS_XDS_H
#define XDS_XDS_H

#include "xds/resource_type.h"
#include "xds/runtime_loader.h"
#include "xds/xds_targets.h"

struct Envoy__Config__Bootstrap__V3__Bootstrap;
struct buffer;
struct io_context;
struct regex;
struct xds;
struct xds_transport;

struct xds_options {
    struct io_context *control;
    const struct decode_context *decode; /* with its store and stats; outlives everything */
    struct xds_targets targets;
    struct xds_transport *transport; /* grpc_transport_new; outlives the xds */
    /* With its node filled in; outlives the xds, except for its static resources: these may be taken
     * out once xds_start has returned. */
    const struct Envoy__Config__Bootstrap__V3__Bootstrap *bootstrap;
    const struct runtime_config *runtime; /* the bootstrap's layers; outlive the xds */
    bool reject_unknown_dynamic_fields;   /* of resource files */
    /* Once, not from within xds_start. */
    void (*on_initialized)(void *arg);
    /* A field that the API does not know; may be NULL. */
    void (*on_unknown_field)(void *arg, bool is_static);
    void *arg;
};

/* NULL with a reason for what Envoy would not start with. Nothing is put anywhere yet. */
struct xds *xds_new(const struct xds_options *options, struct error *err);
/* Before the managers and the store. */
void xds_free(struct xds *xds);

/* Decodes the static resources and lets go of them again: --mode validate. */
enum status xds_validate(struct xds *xds, struct error *err) MUST_USE;
/* Puts the static resources; discovery follows by itself. Errors are fatal to the caller. */
enum status xds_start(struct xds *xds, struct error *err) MUST_USE;

/* Overrides of the admin layer. STATUS_NOT_FOUND: there is none. */
enum status xds_runtime_modify(struct xds *xds, const struct runtime_change *changes,
                               uint32_t count) MUST_USE;

struct xds_dump_query {
    struct slice resource;          /* "dynamic_listeners", …; empty: everything */
    struct slice mask;              /* a field mask of `resource`'s elements, or of each section */
    const struct regex *name_regex; /* NULL: all */
    bool include_eds;
};
/* The document of /config_dump, keys and passwords redacted. STATUS_NOT_FOUND, STATUS_INVALID: `out` says
 * why. */
enum status xds_config_dump(const struct xds *xds, const struct xds_dump_query *query,
                            struct buffer *out) MUST_USE;

#endif
