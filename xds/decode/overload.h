// SPDX-License-Identifier: Apache-2.0
/* Reader of envoy.config.overload.v3.OverloadManager (decoder.h says how readers behave). */
#ifndef XDS_DECODE_OVERLOAD_H
#define XDS_DECODE_OVERLOAD_H

#include "envoy/config/overload/v3/overload.pb-c.h"
#include "src/overload/overload_config.h"
#include "xds/decode/decoder.h"

/* *out lies in the part's arena. The limit of the monitor
 * envoy.resource_monitors.global_downstream_max_connections, which counts rather than samples, goes to
 * *max_connections. */
bool decode_overload_manager(struct decoder *d,
                             const Envoy__Config__Overload__V3__OverloadManager *from,
                             const struct overload_config **out, uint64_t *max_connections);

/* For a bootstrap that says nothing of overload, under the edge defaults: near the memory limit of the
 * process' control group, the heap is shrunk, connections are not kept and requests are refused. NULL
 * where there is no limit. */
const struct overload_config *overload_edge_default(void);

#endif
