// SPDX-License-Identifier: Apache-2.0
/*
 * envoy.type.matcher.v3.StringMatcher and the value matchers over it, immutable and pure; part of a
 * configuration part's arena.
 */
#ifndef SRC_MATCHER_STRING_MATCHER_H
#define SRC_MATCHER_STRING_MATCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/slice.h"

struct regex;

enum string_match_kind {
    STRING_MATCH_EXACT,
    STRING_MATCH_PREFIX,
    STRING_MATCH_SUFFIX,
    STRING_MATCH_CONTAINS,
    STRING_MATCH_REGEX, /* full match; ignore_case does not apply */
};

struct string_matcher {
    enum string_match_kind kind;
    bool ignore_case;
    struct slice text;         /* kept in lower case where ignore_case */
    const struct regex *regex; /* REGEX only; freed with the owning part */
};

bool string_matcher_matches(const struct string_matcher *matcher, struct slice value);
/* Same with an untyped first argument, for tables of matchers (TLS SANs). */
bool string_matcher_matches_untyped(const void *matcher, struct slice value);

#endif
