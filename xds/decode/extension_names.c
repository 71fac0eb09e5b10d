// SPDX-License-Identifier: Apache-2.0
#include "xds/decode/extension_names.h"

#include "src/base/check.h"

/* Istio's own build has them. The ALPN filter tells Istio's sidecars which protocol was spoken; plain
 * ALPN works as well. */
static const char *const telemetry_types[] = {
    "envoy.tcp.metadataexchange.config.MetadataExchange",
    "io.istio.http.peer_metadata.Config",
    "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
    "stats.PluginConfig",
};

bool extension_is_telemetry(struct slice type) {
    for (size_t i = 0; i < ARRAY_LEN(telemetry_types); i++) {
        if (slice_equal(type, slice_from_string(telemetry_types[i]))) {
            return true;
        }
    }
    return false;
}
