// SPDX-License-Identifier: Apache-2.0
/*
 * Where decoded resources go: the cluster manager and the listener manager, which lie above this layer
 * and are therefore reached through functions. The composition root fills them in; tests have fakes. The
 * contracts are those of src/upstream/cluster_manager.h and src/listener/listener_manager.h.
 */
#ifndef XDS_XDS_TARGETS_H
#define XDS_XDS_TARGETS_H

#include "src/base/error.h"
#include "src/base/slice.h"

struct cluster_part;
struct endpoint_part;
struct listener_part;

typedef void xds_warm_fn(void *arg, struct slice name);

struct xds_targets {
    void *arg;
    void (*cluster_add)(void *arg, struct cluster_part *part, xds_warm_fn *on_warm, void *warm_arg);
    void (*cluster_remove)(void *arg, struct slice name);
    void (*endpoints_set)(void *arg, struct slice eds_name, struct endpoint_part *part);
    enum status (*listener_put)(void *arg, struct listener_part *part, struct error *err) MUST_USE;
    void (*listener_remove)(void *arg, struct slice name);
    /* How many listeners, or new versions of some, wait for what they name. */
    void (*listeners_warming)(void *arg, uint32_t count);
};

#endif
