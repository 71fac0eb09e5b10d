// SPDX-License-Identifier: Apache-2.0
/* Reader of a ClusterLoadAssignment into a part of its own: from EDS or inside a cluster. */
#ifndef XDS_DECODE_ENDPOINT_H
#define XDS_DECODE_ENDPOINT_H

#include "envoy/config/endpoint/v3/endpoint.pb-c.h"
#include "src/config/cluster_config.h"
#include "xds/decode/decoder.h"

/* A new part named `name`, with one reference; errors are in the validation. `dns_allowed`: names are
 * taken in place of addresses. The decoder's part is as before afterwards. */
struct endpoint_part *decode_load_assignment(struct decoder *d,
                                             const ENDPOINT(ClusterLoadAssignment) *from,
                                             struct slice name, bool dns_allowed);

#endif
