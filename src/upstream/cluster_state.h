// SPDX-License-Identifier: Apache-2.0
/*
 * What lives across updates of a cluster: its stats scope, breakers and hosts, keyed by its name. Made
 * and freed on the control thread by the cluster manager. References: cluster parts, host sets and each
 * io_context's worker_cluster hold one. Any thread may take one while it holds another or a snapshot
 * that does; only the control thread gives them back (a worker by mail, together with its own state).
 */
#ifndef SRC_UPSTREAM_CLUSTER_STATE_H
#define SRC_UPSTREAM_CLUSTER_STATE_H

#include <stdatomic.h>

#include "src/base/hash_map.h"
#include "src/event/io_context.h"
#include "src/upstream/circuit_breaker.h"
#include "src/upstream/cluster_stats.h"
#include "src/upstream/host.h"

struct cluster_manager;
struct outlier_detector;
struct worker_cluster;

struct cluster_state {
    uint32_t magic;
    _Atomic uint32_t refs;
    struct cluster_manager *manager;
    struct io_context *control;
    struct slice name; /* heap text */
    struct slice stat_name;
    struct stats_scope *stats;
    /* Over tls_stat_table; NULL until a transport socket is TLS, then as long as the state. */
    struct stats_scope *_Atomic ssl_stats;
    /* Likewise of the codecs, once the cluster speaks their protocol. */
    struct stats_scope *_Atomic http1_stats, *_Atomic http2_stats;
    struct outlier_detector *_Atomic outlier; /* NULL: none; freed with the state */
    /* Control thread. */
    struct hash_map hosts; /* address text -> struct host, one reference each */
    uint64_t set_version;
    uint32_t thread_count;
    struct circuit_breaker breakers[2]; /* DEFAULT, HIGH */
    struct worker_cluster *workers[];   /* by io_context.index; each touched by its thread only */
};
enum { CLUSTER_STATE_MAGIC = 0x43535431 };

/* For a codec's options; NULL: none for that protocol. */
static inline struct stats_scope *cluster_state_codec_stats(const struct cluster_state *state,
                                                            bool is_http2) {
    return atomic_load_explicit(is_http2 ? &state->http2_stats : &state->http1_stats,
                                memory_order_acquire);
}

struct cluster_state *cluster_state_ref(struct cluster_state *state);
/* Control thread. */
void cluster_state_unref(struct cluster_state *state);

#endif
