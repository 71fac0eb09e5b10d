// SPDX-License-Identifier: Apache-2.0
/* Reader of envoy.config.route.v3.RetryPolicy (decoder.h says how readers behave). */
#ifndef XDS_DECODE_RETRY_POLICY_H
#define XDS_DECODE_RETRY_POLICY_H

#include "envoy/config/route/v3/route_components.pb-c.h"
#include "xds/decode/decoder.h"

bool decode_retry_policy(struct decoder *d, const ROUTE(RetryPolicy) *from,
                         struct retry_policy *out);
/* The value of x-envoy-retry-on and of RetryPolicy.retry_on; unknown words are passed over, as in
 * Envoy. */
uint32_t decode_retry_on(struct slice text);

#endif
