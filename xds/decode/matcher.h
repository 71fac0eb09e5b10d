// SPDX-License-Identifier: Apache-2.0
/*
 * Readers of the API's matchers (decoder.h says how readers behave). Regular expressions are freed with
 * the part that is being decoded.
 */
#ifndef XDS_DECODE_MATCHER_H
#define XDS_DECODE_MATCHER_H

#include "envoy/config/core/v3/address.pb-c.h"
#include "envoy/config/route/v3/route_components.pb-c.h"
#include "envoy/type/matcher/v3/regex.pb-c.h"
#include "envoy/type/matcher/v3/string.pb-c.h"
#include "src/matcher/header_matcher.h"
#include "src/matcher/regex.h"
#include "src/net/address.h"
#include "xds/decode/decoder.h"

bool decode_regex(struct decoder *d, const MATCHER(RegexMatcher) *from, const struct regex **out);
/* Pattern and substitution, checked against each other. */
bool decode_regex_rewrite(struct decoder *d, const MATCHER(RegexMatchAndSubstitute) *from,
                          const struct regex **regex, struct slice *substitution);
bool decode_string_matcher(struct decoder *d, const MATCHER(StringMatcher) *from,
                           struct string_matcher *out);
bool decode_header_matcher(struct decoder *d, const ROUTE(HeaderMatcher) *from,
                           struct header_matcher *out);
/* All of a repeated field, whose name gives the paths. */
bool decode_header_matchers(struct decoder *d, const char *field, ROUTE(HeaderMatcher) *const *from,
                            size_t count, const struct header_matcher **out, uint32_t *out_count);
bool decode_query_matcher(struct decoder *d, const ROUTE(QueryParameterMatcher) *from,
                          struct query_matcher *out);
bool decode_cidr(struct decoder *d, const CORE(CidrRange) *from, struct cidr *out);
bool decode_cidrs(struct decoder *d, const char *field, CORE(CidrRange) *const *from, size_t count,
                  const struct cidr **out, uint32_t *out_count);

#endif
