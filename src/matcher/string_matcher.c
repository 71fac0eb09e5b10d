// SPDX-License-Identifier: Apache-2.0
#include "src/matcher/string_matcher.h"

#include "src/base/check.h"
#include "src/matcher/regex.h"

// `lower` is in lower case already.
static bool contains_nocase(struct slice value, struct slice lower) {
    for (size_t at = 0; at + lower.len <= value.len; at++) {
        if (slice_equal_nocase(slice_sub(value, at, lower.len), lower)) {
            return true;
        }
    }
    return false;
}

static bool matches_nocase(const struct string_matcher *matcher, struct slice value) {
    switch (matcher->kind) {
    case STRING_MATCH_EXACT:
        return slice_equal_nocase(value, matcher->text);
    case STRING_MATCH_PREFIX:
        return slice_starts_with_nocase(value, matcher->text);
    case STRING_MATCH_SUFFIX:
        return slice_ends_with_nocase(value, matcher->text);
    case STRING_MATCH_CONTAINS:
        return contains_nocase(value, matcher->text);
    case STRING_MATCH_REGEX:
        return regex_full_match(matcher->regex, value);
    }
    return false;
}

bool string_matcher_matches(const struct string_matcher *matcher, struct slice value) {
    if (matcher->ignore_case) {
        return matches_nocase(matcher, value);
    }
    switch (matcher->kind) {
    case STRING_MATCH_EXACT:
        return slice_equal(value, matcher->text);
    case STRING_MATCH_PREFIX:
        return slice_starts_with(value, matcher->text);
    case STRING_MATCH_SUFFIX:
        return slice_ends_with(value, matcher->text);
    case STRING_MATCH_CONTAINS:
        return slice_find(value, matcher->text) != SIZE_MAX;
    case STRING_MATCH_REGEX:
        return regex_full_match(matcher->regex, value);
    }
    return false;
}

bool string_matcher_matches_untyped(const void *matcher, struct slice value) {
    return string_matcher_matches(matcher, value);
}
