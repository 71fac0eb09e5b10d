// SPDX-License-Identifier: Apache-2.0
/*
 * Reads envoy.config.rbac.v3.Policy into the filter's model. What is wrong goes to the context's
 * validation. Control thread; results lie in the context's arena.
 */
#ifndef FILTERS_HTTP_RBAC_RBAC_RULES_CONFIG_H
#define FILTERS_HTTP_RBAC_RBAC_RULES_CONFIG_H

#include "filters/http/rbac/rbac.h"
#include "src/filter_chain/filter_config.h"

struct Envoy__Config__Rbac__V3__Policy;

/* Fills permissions and principals. */
void rbac_parse_policy(struct filter_config_context *context,
                       const struct Envoy__Config__Rbac__V3__Policy *message,
                       struct rbac_policy *policy);

#endif
