// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/cluster_members.h"

#include "src/base/check.h"

void member_inputs_add(struct member_inputs *inputs, const struct endpoint_config *endpoint,
                       const struct locality_config *locality, const struct address *address) {
    if (inputs->count == inputs->capacity) {
        inputs->capacity = inputs->capacity == 0 ? 8 : inputs->capacity * 2;
        inputs->items = mem_realloc(inputs->items, inputs->capacity * sizeof(struct member_input));
    }
    inputs->items[inputs->count++] = (struct member_input){endpoint, locality, *address};
}

void member_inputs_deinit(struct member_inputs *inputs) {
    mem_free(inputs->items);
    *inputs = (struct member_inputs){0};
}

static uint32_t flags_of_eds(enum health_status health) {
    switch (health) {
    case HEALTH_UNKNOWN:
    case HEALTH_HEALTHY:
        return 0;
    case HEALTH_UNHEALTHY:
    case HEALTH_TIMEOUT:
        return HOST_FAILED_EDS;
    case HEALTH_DRAINING:
        return HOST_FAILED_EDS | HOST_EDS_DRAINING;
    case HEALTH_DEGRADED:
        return HOST_DEGRADED_EDS;
    }
    return 0;
}

static bool set_flags(struct host *host, uint32_t mask, uint32_t flags) {
    uint32_t before = host_flags(host);
    uint32_t after = (before & ~mask) | flags;
    if (after == before) {
        return false;
    }
    atomic_fetch_and_explicit(&host->flags, ~mask | flags, memory_order_relaxed);
    atomic_fetch_or_explicit(&host->flags, flags, memory_order_relaxed);
    return true;
}

/* Metadata envoy.transport_socket_match selects the transport socket: each entry that the match asks
 * for must be the endpoint's; the first match wins, [0] is the default. */
static bool socket_matches(const struct metadata *match, const struct metadata *metadata) {
    for (uint32_t i = 0; i < match->count; i++) {
        const struct metadata_entry *wanted = &match->entries[i];
        bool is_found = false;
        for (uint32_t k = 0; k < metadata->count && !is_found; k++) {
            const struct metadata_entry *entry = &metadata->entries[k];
            is_found = slice_equal(entry->filter, SLICE("envoy.transport_socket_match")) &&
                       slice_equal(entry->path, wanted->path) &&
                       slice_equal(entry->value, wanted->value);
        }
        if (!is_found) {
            return false;
        }
    }
    return true;
}

uint32_t cluster_socket_matching(const struct cluster_part *cluster,
                                 const struct metadata *metadata) {
    for (uint32_t i = 1; i < cluster->socket_count; i++) {
        const struct metadata *match = cluster->sockets[i].match;
        if (match != NULL && socket_matches(match, metadata)) {
            return i;
        }
    }
    return 0;
}

static void retire(struct cluster_state *state, struct host *host, member_event_fn *on_event,
                   void *arg) {
    hash_map_remove(&state->hosts, host->address_text);
    if (on_event != NULL) {
        on_event(arg, host, false);
    }
    atomic_fetch_or_explicit(&host->flags, HOST_REMOVED, memory_order_relaxed);
    host_unref(host);
}

static struct host *join(const struct member_update *update, const struct member_input *input) {
    struct host *host = host_new(input->endpoint, &input->locality->locality, &input->address,
                                 update->state->thread_count);
    atomic_store_explicit(&host->added_us, update->now_us, memory_order_relaxed);
    hash_map_put(&update->state->hosts, host->address_text, host);
    stats_inc(update->state->stats, update->thread, CLUSTER_STAT_DEFAULT_TOTAL_MATCH_COUNT);
    return host;
}

/* The input's host, made or kept; NULL for a second endpoint of the same address. */
static struct host *admit(const struct member_update *update, const struct member_input *input,
                          enum member_change *change) {
    char text[ADDRESS_TEXT_BYTES];
    struct slice key = address_to_text(&input->address, text);
    struct host *host = hash_map_get(&update->state->hosts, key);
    if (host != NULL && host->is_seen) {
        return NULL;
    }
    bool is_new = false;
    if (host == NULL ||
        !host_matches(host, input->endpoint, &input->locality->locality, &input->address)) {
        if (host != NULL) {
            retire(update->state, host, update->on_event, update->arg);
        }
        host = join(update, input);
        is_new = true;
        *change = MEMBERS_CHANGED;
    }
    host->is_seen = true;
    host->eds_health = input->endpoint->health;
    bool is_modified = set_flags(host,
                                 HOST_FAILED_EDS | HOST_DEGRADED_EDS | HOST_EDS_DRAINING |
                                     HOST_PENDING_DYNAMIC_REMOVAL,
                                 flags_of_eds(input->endpoint->health));
    uint32_t weight = input->endpoint->weight == 0 ? 1 : input->endpoint->weight;
    is_modified = atomic_exchange_explicit(&host->weight, weight, memory_order_relaxed) != weight ||
                  is_modified;
    uint32_t socket = cluster_socket_matching(update->cluster, &host->metadata);
    if (is_new) {
        host->socket_index = socket;
    }
    is_modified = host->priority != input->locality->priority || is_modified;
    host->priority = input->locality->priority;
    if (is_new && update->on_event != NULL) {
        update->on_event(update->arg, host, true);
    }
    if (is_modified && *change == MEMBERS_SAME) {
        *change = MEMBERS_MODIFIED;
    }
    return host;
}

/* A host that active checks find healthy stays until they do not, whatever discovery says. */
static bool stays_for_health(const struct member_update *update, const struct host *host) {
    return host->checker != NULL && !update->cluster->ignore_health_on_host_removal &&
           (host_flags(host) & (HOST_FAILED_ACTIVE_HC | HOST_PENDING_ACTIVE_HC)) == 0;
}

static void append(struct cluster_members *members, uint32_t *capacity, struct host *host,
                   uint32_t locality_weight) {
    if (members->count == *capacity) {
        *capacity = *capacity == 0 ? 8 : *capacity * 2;
        members->items = mem_realloc(members->items, *capacity * sizeof(struct cluster_member));
    }
    members->items[members->count++] = (struct cluster_member){host, locality_weight};
}

static void retire_unseen(struct cluster_members *members, uint32_t *capacity,
                          const struct cluster_members *before, const struct member_update *update,
                          enum member_change *change) {
    for (uint32_t i = 0; i < before->count; i++) {
        struct host *host = before->items[i].host;
        if (hash_map_get(&update->state->hosts, host->address_text) != host || host->is_seen) {
            continue;
        }
        if (stays_for_health(update, host)) {
            atomic_fetch_or_explicit(&host->flags, HOST_PENDING_DYNAMIC_REMOVAL,
                                     memory_order_relaxed);
            append(members, capacity, host, before->items[i].locality_weight);
            continue;
        }
        retire(update->state, host, update->on_event, update->arg);
        *change = MEMBERS_CHANGED;
    }
}

static void set_policy(struct cluster_members *members, const struct endpoint_part *assignment) {
    members->overprovisioning_percent =
        assignment == NULL || assignment->overprovisioning_percent == 0
            ? 140
            : assignment->overprovisioning_percent;
    members->drop_overload_per_million =
        assignment == NULL ? 0 : assignment->drop_overload_per_million;
    members->weighted_priority_health = assignment != NULL && assignment->weighted_priority_health;
}

/* Order, localities' weights and the policy: what a rebuild would show beside the hosts. */
static bool same_shape(const struct cluster_members *a, const struct cluster_members *b) {
    if (a->count != b->count || a->overprovisioning_percent != b->overprovisioning_percent ||
        a->drop_overload_per_million != b->drop_overload_per_million ||
        a->weighted_priority_health != b->weighted_priority_health) {
        return false;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        if (a->items[i].host != b->items[i].host ||
            a->items[i].locality_weight != b->items[i].locality_weight) {
            return false;
        }
    }
    return true;
}

enum member_change cluster_members_update(struct cluster_members *members,
                                          const struct member_update *update) {
    enum member_change change = MEMBERS_SAME;
    struct cluster_members before = *members;
    uint32_t capacity = update->inputs->count;
    *members = (struct cluster_members){0};
    if (capacity > 0) {
        members->items = mem_alloc(capacity * sizeof(struct cluster_member));
    }
    // Old host objects may be freed below: `before` keeps them alive until the shapes are compared.
    for (uint32_t i = 0; i < before.count; i++) {
        host_ref(before.items[i].host)->is_seen = false;
    }
    for (uint32_t i = 0; i < update->inputs->count; i++) {
        struct host *host = admit(update, &update->inputs->items[i], &change);
        if (host != NULL) {
            append(members, &capacity, host, update->inputs->items[i].locality->weight);
        }
    }
    retire_unseen(members, &capacity, &before, update, &change);
    set_policy(members, update->assignment);
    if (change == MEMBERS_SAME && !same_shape(&before, members)) {
        change = MEMBERS_MODIFIED;
    }
    for (uint32_t i = 0; i < before.count; i++) {
        host_unref(before.items[i].host);
    }
    mem_free(before.items);
    return change;
}

void cluster_members_clear(struct cluster_members *members, struct cluster_state *state,
                           member_event_fn *on_event, void *arg) {
    for (uint32_t i = 0; i < members->count; i++) {
        retire(state, members->items[i].host, on_event, arg);
    }
    mem_free(members->items);
    *members = (struct cluster_members){0};
}

bool cluster_members_remove(struct cluster_members *members, struct cluster_state *state,
                            struct host *host, member_event_fn *on_event, void *arg) {
    for (uint32_t i = 0; i < members->count; i++) {
        if (members->items[i].host == host) {
            memmove(&members->items[i], &members->items[i + 1],
                    (members->count - i - 1) * sizeof(struct cluster_member));
            members->count--;
            retire(state, host, on_event, arg);
            return true;
        }
    }
    return false;
}
