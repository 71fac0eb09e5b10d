// SPDX-License-Identifier: Apache-2.0
/*
 * Hosts. `struct host` is the process-wide, long-lived state of one upstream address in one cluster:
 * health, active counts, stats; released on the control thread, read by workers, its counters relaxed
 * atomics on a cache line of their own. `struct host_set` is an immutable grouping of hosts by priority
 * and locality: a configuration part in the cluster's endpoint slot, rebuilt on the control thread when
 * membership, health or weight changes. What a balancer needs of it (loads per priority, panic, tables)
 * is worked out once, at the build.
 */
#ifndef SRC_UPSTREAM_HOST_H
#define SRC_UPSTREAM_HOST_H

#include <stdatomic.h>
#include <stdbool.h>

#include "src/config/cluster_config.h"
#include "src/stats/stats.h"

struct cluster_state;
struct worker_host;

/* Envoy's per-host stats, as /clusters shows them. */
#define HOST_STATS(X)                                                                              \
    X(CX_CONNECT_FAIL, "cx_connect_fail", COUNTER, "connections that failed to establish")         \
    X(CX_TOTAL, "cx_total", COUNTER, "connections opened")                                         \
    X(RQ_ERROR, "rq_error", COUNTER, "requests with a 5xx answer or reset")                        \
    X(RQ_SUCCESS, "rq_success", COUNTER, "requests with an answer below 500")                      \
    X(RQ_TIMEOUT, "rq_timeout", COUNTER, "requests that timed out")                                \
    X(RQ_TOTAL, "rq_total", COUNTER, "requests sent")

enum host_flag {
    HOST_FAILED_ACTIVE_HC = 1 << 0,
    HOST_FAILED_OUTLIER = 1 << 1,
    HOST_FAILED_EDS = 1 << 2, /* UNHEALTHY, DRAINING or TIMEOUT by EDS */
    HOST_DEGRADED_ACTIVE = 1 << 3,
    HOST_DEGRADED_EDS = 1 << 4,
    HOST_PENDING_DYNAMIC_REMOVAL = 1 << 5,
    HOST_PENDING_ACTIVE_HC = 1 << 6,
    HOST_EXCLUDED = 1 << 7,
    HOST_EDS_DRAINING = 1 << 8,
    HOST_REMOVED = 1 << 9, /* left the cluster for good; its pools drain */
};

struct host {
    _Atomic uint32_t refs; /* any thread takes one, the control thread alone gives back */
    uint32_t thread_count; /* of `workers` */
    struct stored_address address;
    struct slice address_text;
    struct slice hostname; /* Endpoint.hostname, or the DNS name resolved */
    struct locality locality;
    struct metadata metadata;
    uint32_t socket_index; /* into cluster_part.sockets, by its metadata */
    /* Control thread. */
    uint32_t priority;
    enum health_status eds_health;
    bool is_seen;                        /* scratch of a membership update */
    void *cluster;                       /* the cluster manager's; NULL once it left */
    void *checker;                       /* active health checker's state; NULL: none */
    void *outlier;                       /* outlier detector's state; NULL: none */
    _Alignas(64) _Atomic uint32_t flags; /* enum host_flag bits */
    _Atomic uint32_t weight;
    _Atomic uint32_t active_requests;
    _Atomic uint32_t active_connections;
    _Atomic uint64_t added_us; /* monotonic; when it joined or became healthy: slow start */
    _Atomic uint64_t stats[6]; /* in HOST_STATS order */
    _Atomic uint32_t outlier_consecutive_5xx, outlier_consecutive_gateway,
        outlier_consecutive_local;
    /* Of the running interval: success rate and failure percentage. */
    _Atomic uint32_t outlier_requests, outlier_successes;
    _Atomic uint32_t outlier_local_requests, outlier_local_successes;
    /* What each io_context keeps for the host (its pools), by io_context.index. What the
     * host's texts and metadata take follows. */
    struct worker_host *workers[];
};

enum host_stat {
#define HOST_STAT_ENUM(id, name, kind, doc) HOST_STAT_##id,
    HOST_STATS(HOST_STAT_ENUM)
#undef HOST_STAT_ENUM
};

static inline void host_count(struct host *host, enum host_stat stat) {
    atomic_fetch_add_explicit(&host->stats[stat], 1, memory_order_relaxed);
}
static inline uint32_t host_flags(const struct host *host) {
    return atomic_load_explicit(&host->flags, memory_order_relaxed);
}

enum host_health { HOST_HEALTHY, HOST_DEGRADED, HOST_UNHEALTHY };
/* By its flags, as balancing sees it. */
enum host_health host_health(const struct host *host);

/* Deep copies of `endpoint` and `locality`; one reference. `address` is the endpoint's or the resolved
 * one. */
struct host *host_new(const struct endpoint_config *endpoint, const struct locality *locality,
                      const struct address *address, uint32_t thread_count);
struct host *host_ref(struct host *host);
void host_unref(struct host *host); /* control thread; NULL allowed */
/* What would make it another host: address, hostname, locality, metadata. */
bool host_matches(const struct host *host, const struct endpoint_config *endpoint,
                  const struct locality *locality, const struct address *address);

struct host_list {
    struct host *const *hosts;
    uint32_t count;
    bool has_equal_weights;
};
struct locality_hosts {
    struct locality locality;
    uint32_t weight; /* 0: unset */
    struct host_list all, healthy, degraded;
    double healthy_weight, degraded_weight; /* scaled by availability */
};
/* One priority. The lists share the hosts; `healthy` etc. are subsets in the same order. */
struct host_priority {
    struct host_list all, healthy, degraded, excluded;
    const struct locality_hosts *localities;
    uint32_t locality_count;
    bool has_locality_weights;
    /* Percent of the requests for its healthy and degraded hosts; 100 over all priorities. */
    uint32_t healthy_load, degraded_load;
    bool is_panic;
    const void *table; /* ring or Maglev table; NULL: none */
};
struct host_set {
    struct config_part part;
    struct cluster_state *state; /* one reference */
    struct host_priority *priorities;
    uint32_t priority_count; /* at least 1 */
    uint32_t host_count;
    uint32_t healthy_count, degraded_count, excluded_count;
    uint32_t overprovisioning_percent;
    uint32_t drop_overload_per_million;
    bool weighted_priority_health;
    uint64_t version;        /* 1, 2, … of its cluster_state */
    uint64_t newest_host_us; /* largest added_us: slow start */
};

#endif
