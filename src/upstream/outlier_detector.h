// SPDX-License-Identifier: Apache-2.0
/*
 * Ejects hosts that fail: after consecutive errors at once, by success rate and failure percentage at
 * each interval. Workers count in the host's atomics and tell the control thread by mail when a run of
 * errors reaches its threshold; ejecting and returning hosts happens on the control thread alone.
 */
#ifndef SRC_UPSTREAM_OUTLIER_DETECTOR_H
#define SRC_UPSTREAM_OUTLIER_DETECTOR_H

#include "src/upstream/cluster_state.h"

struct managed_cluster;
struct outlier_detector;

/* Control thread. The detector lives with its state; NULL `config` stops it and returns all hosts. */
void outlier_detector_configure(struct managed_cluster *cluster, struct cluster_state *state,
                                const struct outlier_config *config);
void outlier_detector_free(struct outlier_detector *detector);
/* A host of the cluster came or left. */
void outlier_detector_host_changed(struct cluster_state *state, struct host *host, bool is_added);
/* Control thread: an active check succeeded and the host is healthy by it: it is ejected no longer,
 * unless the configuration says that it waits for its time. */
void outlier_detector_host_checked(struct cluster_state *state, struct host *host);

enum outlier_event {
    OUTLIER_RESPONSE,      /* with its status */
    OUTLIER_LOCAL_SUCCESS, /* a connection was made */
    OUTLIER_LOCAL_FAILURE, /* no connection, or reset */
    OUTLIER_LOCAL_TIMEOUT,
};
/* Any thread: one result of a request or connection. `config` is the cluster part's; NULL: no-op. */
void outlier_detector_report(struct io_context *io, struct cluster_state *state,
                             const struct outlier_config *config, struct host *host,
                             enum outlier_event event, uint32_t status);

#endif
