// SPDX-License-Identifier: Apache-2.0
/*
 * envoy.config.route.v3.HeaderMatcher and QueryParameterMatcher: immutable, pure over a header map. Of a
 * header of several values each is matched by itself and one that matches is enough, as Envoy does since
 * 1.39; `invert` turns the outcome of all of them round. A header that is not there matches no rule on
 * values, nor the inversion of one.
 */
#ifndef SRC_MATCHER_HEADER_MATCHER_H
#define SRC_MATCHER_HEADER_MATCHER_H

#include "src/http/header_map.h"
#include "src/matcher/string_matcher.h"

enum header_match_kind { HEADER_MATCH_PRESENT, HEADER_MATCH_STRING, HEADER_MATCH_RANGE };

struct header_matcher {
    struct slice name; /* lower case */
    enum header_id id;
    enum header_match_kind kind;
    bool invert;
    bool treat_missing_as_empty;
    bool present; /* PRESENT: present_match: false wants absence */
    struct string_matcher string;
    int64_t range_start, range_end; /* RANGE: start <= value < end */
};
bool header_matcher_matches(const struct header_matcher *matcher, const struct header_map *headers);
/* For rules of access: the matcher, its inversion included, holds for every value of the header, or for
 * some value. Of one value, and of a missing header, both are header_matcher_matches. */
bool header_matcher_matches_every(const struct header_matcher *matcher,
                                  const struct header_map *headers);
bool header_matcher_matches_some(const struct header_matcher *matcher,
                                 const struct header_map *headers);
/* All of `count` match (true for none). */
bool header_matchers_match(const struct header_matcher *matchers, uint32_t count,
                           const struct header_map *headers);

struct query_matcher {
    struct slice name;
    bool is_present_match; /* else `string` */
    bool present;
    struct string_matcher string;
};
bool query_matchers_match(const struct query_matcher *matchers, uint32_t count, struct slice query);

#endif
