// SPDX-License-Identifier: Apache-2.0
/*
 * Proxy-Status (RFC 9209): why the proxy, not the upstream, answered. Made from the response flags by
 * Envoy's mapping; the first flag of its order decides. Pure over its inputs.
 */
#ifndef SRC_STREAM_PROXY_STATUS_H
#define SRC_STREAM_PROXY_STATUS_H

#include "src/access_log/stream_info.h"
#include "src/config/listener_config.h"

/* Appends the field to a response, in whose map's arena it lies; sets the status that the RFC recommends
 * where the configuration wants it. Nothing without a flag that stands for an error. `node_id`: of the
 * bootstrap. */
void proxy_status_add(const struct http_connection_manager_config *config, struct slice node_id,
                      const struct stream_info *info, struct header_map *headers);

#endif
