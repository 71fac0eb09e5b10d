// SPDX-License-Identifier: Apache-2.0
/*
 * Active health checks of one cluster: each host is probed at an interval over HTTP, gRPC or a raw
 * connection; consecutive results set and clear its flags through the cluster manager. Control thread.
 */
#ifndef SRC_UPSTREAM_HEALTH_CHECK_HEALTH_CHECKER_H
#define SRC_UPSTREAM_HEALTH_CHECK_HEALTH_CHECKER_H

#include "src/config/health_check_config.h"
#include "src/upstream/host.h"

struct health_checker;
struct managed_cluster;

/* `part` has health checks; referenced while it lives. Hosts are told with _host_changed. */
struct health_checker *health_checker_new(struct managed_cluster *cluster,
                                          struct cluster_part *part);
void health_checker_free(struct health_checker *checker);
void health_checker_host_changed(struct health_checker *checker, struct host *host, bool is_added);
/* Every host was probed at least once. */
bool health_checker_is_ready(const struct health_checker *checker);

#endif
