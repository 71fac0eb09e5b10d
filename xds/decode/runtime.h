// SPDX-License-Identifier: Apache-2.0
/* The decoder of the runtime's layers (decoder.h says how readers behave). */
#ifndef XDS_DECODE_RUNTIME_H
#define XDS_DECODE_RUNTIME_H

#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "src/config/runtime_config.h"
#include "xds/decode/decoder.h"

/* NULL is no layer. `cluster`: the node's, for append_service_cluster. */
bool decode_layered_runtime(struct decoder *d,
                            const Envoy__Config__Bootstrap__V3__LayeredRuntime *from,
                            struct slice cluster, struct runtime_config *out);

#endif
