// SPDX-License-Identifier: Apache-2.0
/*
 * Builds the immutable host_set of a cluster from its members: grouping, loads per priority, panic,
 * locality weights, balancer tables. Control thread; pure but for the references it takes.
 */
#ifndef SRC_UPSTREAM_HOST_SET_H
#define SRC_UPSTREAM_HOST_SET_H

#include "src/upstream/host.h"

struct cluster_members;

struct host_set_options {
    struct cluster_state *state;
    struct slice name; /* of the part */
    const struct lb_config *lb;
    const struct cluster_members *members;
    double panic_percent; /* of hosts; 0: no panic */
};
/* A part with one reference. */
struct host_set *host_set_new(const struct host_set_options *options);

#endif
