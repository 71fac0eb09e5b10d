// SPDX-License-Identifier: Apache-2.0
/*
 * The sections of a Cluster, a file each: balancing, HTTP protocol options, connections, health checks.
 * Each fills its members of the part (defaults included) and returns false after an error.
 */
#ifndef XDS_DECODE_CLUSTER_PARTS_H
#define XDS_DECODE_CLUSTER_PARTS_H

#include "envoy/config/cluster/v3/cluster.pb-c.h"
#include "src/config/cluster_config.h"
#include "xds/decode/decoder.h"

bool decode_cluster_lb(struct decoder *d, const CLUSTER(Cluster) *from, struct cluster_part *out);
bool decode_cluster_http(struct decoder *d, const CLUSTER(Cluster) *from, struct cluster_part *out);
bool decode_cluster_sockets(struct decoder *d, const CLUSTER(Cluster) *from,
                            struct cluster_part *out);
bool decode_cluster_connections(struct decoder *d, const CLUSTER(Cluster) *from,
                                struct cluster_part *out);
bool decode_cluster_breakers(struct decoder *d, const CLUSTER(Cluster) *from,
                             struct cluster_part *out);
bool decode_cluster_outlier(struct decoder *d, const CLUSTER(Cluster) *from,
                            struct cluster_part *out);
bool decode_cluster_dns(struct decoder *d, const CLUSTER(Cluster) *from, struct cluster_part *out);
/* cluster_type: the extension form; sets the part's type. */
bool decode_cluster_extension(struct decoder *d, const CLUSTER(Cluster) *from,
                              struct cluster_part *out);
bool decode_cluster_health_checks(struct decoder *d, const CLUSTER(Cluster) *from,
                                  struct cluster_part *out);

#endif
