// SPDX-License-Identifier: Apache-2.0
/*
 * Applies configured header operations (HeaderValueOption lists and removals) to a message, level by
 * level in Envoy's order. Pure but for the map.
 */
#ifndef SRC_ROUTE_HEADER_MUTATION_H
#define SRC_ROUTE_HEADER_MUTATION_H

#include "src/access_log/log_format.h"
#include "src/config/route_config.h"

void header_ops_apply(const struct header_ops *ops, struct header_map *headers,
                      const struct log_format_input *input);

/* Request side: weighted cluster, route, virtual host, route configuration (reversed where the most
 * specific wins). NULL levels are skipped. */
void route_apply_request_headers(const struct route_part *part, const struct virtual_host *vhost,
                                 const struct route *route, const struct weighted_cluster *weighted,
                                 struct header_map *headers, const struct log_format_input *input);
void route_apply_response_headers(const struct route_part *part, const struct virtual_host *vhost,
                                  const struct route *route,
                                  const struct weighted_cluster *weighted,
                                  struct header_map *headers, const struct log_format_input *input);

#endif
