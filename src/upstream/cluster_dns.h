// SPDX-License-Identifier: Apache-2.0
/*
 * Keeps the addresses of a DNS cluster's endpoints up to date: one query per name, again at the refresh
 * rate (or TTL, with jitter), after a failure by back-off while the last good answer stays. One
 * configuration of one cluster; control thread.
 */
#ifndef SRC_UPSTREAM_CLUSTER_DNS_H
#define SRC_UPSTREAM_CLUSTER_DNS_H

#include "src/upstream/cluster_members.h"

struct cluster_dns;

struct cluster_dns_options {
    struct io_context *io;
    struct cluster_state *state;
    const struct cluster_part *cluster; /* outlives it, with the assignment */
    const struct endpoint_part *assignment;
    /* Something changed, or the last of the first answers arrived. Never from within _new. */
    void (*on_change)(void *arg);
    void *arg;
};
struct cluster_dns *cluster_dns_new(const struct cluster_dns_options *options);
void cluster_dns_free(struct cluster_dns *dns);
/* Every name was answered or failed at least once. */
bool cluster_dns_is_ready(const struct cluster_dns *dns);
/* All endpoints with an address, in the order of the assignment. */
void cluster_dns_collect(const struct cluster_dns *dns, struct member_inputs *inputs);

#endif
