// SPDX-License-Identifier: Apache-2.0
/*
 * The layout of struct xds, for xds.c (life) and config_dump.c (looking at it).
 */
#ifndef XDS_XDS_INTERNAL_H
#define XDS_XDS_INTERNAL_H

#include "src/base/packed_bytes.h"
#include "src/event/event_loop.h"
#include "xds/resource_store.h"
#include "xds/snapshot_builder.h"
#include "xds/subscription.h"
#include "xds/xds.h"
#include "xds/xds_client.h"

#define XDS_PHASES(X)                                                                              \
    X(NEW)       /* nothing was put */                                                             \
    X(PRIMARY)   /* static clusters resolve, which discovery may need */                           \
    X(RUNTIME)   /* RTDS was asked */                                                              \
    X(CLUSTERS)  /* CDS was asked, its clusters warm */                                            \
    X(LISTENERS) /* LDS was asked, its listeners warm */                                           \
    X(LIVE)

#define XDS_PHASE_ENUM(name) XDS_PHASE_##name,
enum xds_phase { XDS_PHASES(XDS_PHASE_ENUM) XDS_PHASE_COUNT };

/* CDS or LDS. */
struct wildcard {
    struct xds *xds;
    const struct resource_type *type;
    struct xds_subscription *subscription; /* NULL: not configured, or not yet */
    bool is_settled;
};

struct xds {
    struct xds_options options;
    enum xds_phase phase;
    struct file_watcher *files;
    struct xds_client *client;
    struct resource_store *resources;
    struct snapshot_builder *builder;
    struct runtime_loader *runtime;
    struct wildcard cds, lds;
    bool is_cds_paused;
    struct event_deferred advance; /* looks whether the next phase can begin */
    uint64_t start_wall_us;
    /* The whole bootstrap, from xds_start on: a hundredth of its message. */
    struct packed_bytes bootstrap_bytes;
};

#endif
