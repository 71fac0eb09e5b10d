// SPDX-License-Identifier: Apache-2.0
/*
 * Reads envoy.type.matcher.v3.MetadataMatcher and AddressMatcher into the filter's model. What is wrong
 * goes to the context's validation. Control thread; results lie in the context's arena.
 */
#ifndef FILTERS_HTTP_RBAC_RBAC_VALUE_CONFIG_H
#define FILTERS_HTTP_RBAC_RBAC_VALUE_CONFIG_H

#include "filters/http/rbac/rbac.h"
#include "src/filter_chain/filter_config.h"

struct Envoy__Type__Matcher__V3__AddressMatcher;
struct Envoy__Type__Matcher__V3__MetadataMatcher;

const struct rbac_metadata_rule *
rbac_parse_metadata(struct filter_config_context *context,
                    const struct Envoy__Type__Matcher__V3__MetadataMatcher *message,
                    bool from_route);
/* Fills cidrs and invert. */
void rbac_parse_addresses(struct filter_config_context *context,
                          const struct Envoy__Type__Matcher__V3__AddressMatcher *message,
                          struct rbac_rule *rule);

#endif
