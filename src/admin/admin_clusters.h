// SPDX-License-Identifier: Apache-2.0
/*
 * What /clusters' text and JSON forms have in common. Clusters come sorted by name; those that still
 * warm are left out, as in Envoy.
 */
#ifndef SRC_ADMIN_ADMIN_CLUSTERS_H
#define SRC_ADMIN_ADMIN_CLUSTERS_H

#include "src/base/buffer.h"
#include "src/config/cluster_config.h"
#include "src/upstream/host.h"

struct regex;

struct admin_cluster {
    const struct cluster_part *cluster;
    const struct host_set *hosts; /* NULL: none yet */
};
struct admin_cluster_list {
    const struct regex *filter;
    struct admin_cluster *items;
    uint32_t count;
    uint32_t capacity;
};

struct admin_host_flag {
    uint32_t flag;         /* enum host_flag */
    const char *text;      /* of health_flags */
    const char *json_name; /* field of HostHealthStatus; NULL: none */
};
extern const struct admin_host_flag admin_host_flags[];
extern const uint32_t admin_host_flag_count;

/* What is no enum host_stat. */
enum {
    ADMIN_HOST_CX_ACTIVE = -1,
    ADMIN_HOST_RQ_ACTIVE = -2,
    ADMIN_HOST_RQ_PENDING_ACTIVE = -3,
};
uint64_t admin_host_value(const struct host *host, int stat);
bool admin_cluster_has_eds_name(const struct cluster_part *cluster);

/* envoy.admin.v3.Clusters */
void admin_write_clusters_json(const struct admin_cluster_list *list, struct buffer *out);

#endif
