// SPDX-License-Identifier: Apache-2.0
/*
 * Reads envoy.config.route.v3.RateLimit into the filter's model. What is wrong goes to the context's
 * validation. Control thread; results lie in the context's arena.
 */
#ifndef FILTERS_HTTP_LOCAL_RATELIMIT_RATE_DESCRIPTOR_CONFIG_H
#define FILTERS_HTTP_LOCAL_RATELIMIT_RATE_DESCRIPTOR_CONFIG_H

#include "filters/http/local_ratelimit/rate_descriptor.h"
#include "src/filter_chain/filter_config.h"

struct Envoy__Config__Route__V3__RateLimit;

void rate_limit_parse(struct filter_config_context *context,
                      const struct Envoy__Config__Route__V3__RateLimit *message,
                      struct rate_limit *out);

#endif
