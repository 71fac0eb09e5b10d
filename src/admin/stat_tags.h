// SPDX-License-Identifier: Apache-2.0
/*
 * Takes the variable parts out of a stat's name as Envoy's default tag rules do:
 * "cluster.web.upstream_rq_503" is "cluster.upstream_rq" with envoy_cluster_name="web" and
 * envoy_response_code="503". Pure; results lie in the given arena or in the name itself.
 */
#ifndef SRC_ADMIN_STAT_TAGS_H
#define SRC_ADMIN_STAT_TAGS_H

#include "src/base/arena.h"

enum { STAT_TAGS_MAX = 8 };

struct stat_tag {
    struct slice label; /* "envoy_cluster_name" */
    struct slice value;
};
struct stat_tags {
    struct slice base; /* the name without them */
    struct stat_tag tags[STAT_TAGS_MAX];
    uint32_t count; /* in the order of the rules */
};

void stat_tags_extract(struct slice name, struct arena *arena, struct stat_tags *tags);

#endif
