// SPDX-License-Identifier: Apache-2.0
/*
 * Who is in a cluster now: its hosts in the order of the assignment, each with its locality. An update
 * keeps the host objects that stay, makes the new ones and marks those that left. Control thread.
 */
#ifndef SRC_UPSTREAM_CLUSTER_MEMBERS_H
#define SRC_UPSTREAM_CLUSTER_MEMBERS_H

#include "src/upstream/cluster_state.h"

/* One endpoint of an assignment with the address that it has (of DNS, maybe several per endpoint). */
struct member_input {
    const struct endpoint_config *endpoint;
    const struct locality_config *locality;
    struct address address;
};
struct member_inputs {
    struct member_input *items;
    uint32_t count, capacity;
};
void member_inputs_add(struct member_inputs *inputs, const struct endpoint_config *endpoint,
                       const struct locality_config *locality, const struct address *address);
void member_inputs_deinit(struct member_inputs *inputs);

struct cluster_member {
    struct host *host; /* referenced by state->hosts */
    uint32_t locality_weight;
};
struct cluster_members {
    struct cluster_member *items;
    uint32_t count;
    uint32_t overprovisioning_percent;
    uint32_t drop_overload_per_million;
    bool weighted_priority_health;
};

/* The transport socket whose match these criteria satisfy; 0, the default, where none. */
uint32_t cluster_socket_matching(const struct cluster_part *cluster,
                                 const struct metadata *criteria);

/* How hosts come and go, for health checks and outlier detection. */
typedef void member_event_fn(void *arg, struct host *host, bool is_added);
struct member_update {
    struct cluster_state *state;
    const struct cluster_part *cluster;
    const struct endpoint_part *assignment; /* policy; NULL: defaults */
    const struct member_inputs *inputs;
    uint64_t now_us;
    uint32_t thread; /* of the statistics */
    member_event_fn *on_event;
    void *arg;
};
/* What changed. */
enum member_change { MEMBERS_SAME, MEMBERS_MODIFIED /* weight, health, policy */, MEMBERS_CHANGED };
enum member_change cluster_members_update(struct cluster_members *members,
                                          const struct member_update *update);
/* All hosts leave. */
void cluster_members_clear(struct cluster_members *members, struct cluster_state *state,
                           member_event_fn *on_event, void *arg);
/* One host that was kept for its health leaves; false where it is not a member. */
bool cluster_members_remove(struct cluster_members *members, struct cluster_state *state,
                            struct host *host, member_event_fn *on_event, void *arg);

#endif
