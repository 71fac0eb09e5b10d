// SPDX-License-Identifier: Apache-2.0
/* Readers of a listener's filter chains and listener filters (decoder.h). */
#ifndef XDS_DECODE_FILTER_CHAIN_H
#define XDS_DECODE_FILTER_CHAIN_H

#include "envoy/config/listener/v3/listener_components.pb-c.h"
#include "src/config/listener_config.h"
#include "xds/decode/decoder.h"

/* `index`: in the listener, for names; `is_default`: default_filter_chain. */
bool decode_filter_chain(struct decoder *d, const LISTENER(FilterChain) *from, size_t index,
                         bool is_default, struct filter_chain_config *out);
bool decode_listener_filters(struct decoder *d, LISTENER(ListenerFilter) *const *from, size_t count,
                             const struct listener_filter_config **out, uint32_t *out_count);

#endif
