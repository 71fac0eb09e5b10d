// SPDX-License-Identifier: Apache-2.0
/*
 * Hosts. `struct host` is the process-wide, long-lived state of one upstream address in one cluster:
 * health, active counts, stats; created and released on the control thread, read by workers, its
 * counters relaxed atomics on a cache line of their own. `struct host_set` is an immutable grouping of
 * hosts by priority and locality, rebuilt when membership, health or weight changes and published to the
 * workers through cluster_state.
 */
#ifndef SRC_UPSTREAM_HOST_H
#define SRC_UPSTREAM_HOST_H

#include <stdatomic.h>

#include "src/config/cluster_config.h"
#include "src/stats/stats.h"

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
    HOST_FAILED_EDS = 1 << 2,     /* UNHEALTHY, DRAINING or TIMEOUT by EDS */
    HOST_DEGRADED_ACTIVE = 1 << 3,
    HOST_DEGRADED_EDS = 1 << 4,
    HOST_PENDING_DYNAMIC_REMOVAL = 1 << 5,
    HOST_PENDING_ACTIVE_HC = 1 << 6,
    HOST_EXCLUDED = 1 << 7,
    HOST_EDS_DRAINING = 1 << 8,
};

struct host {
    uint32_t refs; /* control thread */
    struct address address;
    struct slice hostname;        /* Endpoint.hostname, or the DNS name resolved */
    struct locality locality;
    uint32_t priority;
    uint32_t weight;
    struct metadata metadata;
    uint32_t socket_index;        /* into cluster_part.sockets, by its metadata */
    enum health_status eds_health;
    struct slice canary_or_text;  /* address as text, for logs */
    void *control;                /* health checker's, outlier's state; control thread */
    _Alignas(64) _Atomic uint32_t flags; /* enum host_flag bits */
    _Atomic uint32_t active_requests;
    _Atomic uint32_t active_connections;
    _Atomic uint64_t stats[6];    /* in HOST_STATS order */
    _Atomic uint32_t outlier_consecutive_5xx, outlier_consecutive_gateway, outlier_consecutive_local;
};

enum host_stat {
#define HOST_STAT_ENUM(id, name, kind, doc) HOST_STAT_##id,
    HOST_STATS(HOST_STAT_ENUM)
#undef HOST_STAT_ENUM
};

/* One priority. The lists share the hosts; `healthy` etc. are subsets in the same order. */
struct host_list {
    struct host *const *hosts;
    uint32_t count;
};
struct locality_hosts {
    struct locality locality;
    uint32_t weight; /* 0: unset */
    struct host_list all, healthy, degraded;
};
struct host_priority {
    struct host_list all, healthy, degraded, excluded;
    const struct locality_hosts *localities;
    uint32_t locality_count;
};
struct host_set {
    uint32_t refs; /* control thread; each worker's use is acknowledged by the snapshot protocol */
    struct host_priority *priorities;
    uint32_t priority_count;
    uint32_t overprovisioning_percent;
    uint64_t version;
    const void *lb_table; /* ring or Maglev table built once on the control thread; NULL: none */
};

#endif
