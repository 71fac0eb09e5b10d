// SPDX-License-Identifier: Apache-2.0
/* Reader of envoy.config.route.v3.RateLimit (decoder.h says how readers behave). */
#ifndef XDS_DECODE_RATE_LIMIT_H
#define XDS_DECODE_RATE_LIMIT_H

#include "envoy/config/route/v3/route_components.pb-c.h"
#include "src/config/rate_limit_config.h"
#include "xds/decode/decoder.h"

bool decode_rate_limit(struct decoder *d, const ROUTE(RateLimit) *from, struct rate_limit *out);
/* The field `rate_limits`; *out is left alone where there are none. */
bool decode_rate_limits(struct decoder *d, ROUTE(RateLimit) *const *from, size_t count,
                        const struct rate_limit_policy **out);

#endif
