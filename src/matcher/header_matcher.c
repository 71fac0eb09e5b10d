// SPDX-License-Identifier: Apache-2.0
#include "src/matcher/header_matcher.h"

#include "src/base/check.h"
#include "src/http/path.h"

static bool is_named(const struct header_entry *entry, const struct header_matcher *matcher) {
    return matcher->id != HEADER_OTHER ? entry->id == matcher->id
                                       : slice_equal(header_entry_name(entry), matcher->name);
}

// A whole decimal number with an optional sign, nothing around it.
static bool parse_int64(struct slice text, int64_t *value) {
    bool is_negative = text.len > 0 && text.ptr[0] == '-';
    bool has_sign = is_negative || (text.len > 0 && text.ptr[0] == '+');
    uint64_t magnitude;
    if (slice_parse_uint64(slice_sub(text, has_sign ? 1 : 0, text.len), &magnitude) != STATUS_OK ||
        magnitude > (uint64_t)INT64_MAX + (is_negative ? 1 : 0)) {
        return false;
    }
    *value = is_negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

static bool matches_value(const struct header_matcher *matcher, struct slice value) {
    int64_t number;
    switch (matcher->kind) {
    case HEADER_MATCH_PRESENT:
        return matcher->present;
    case HEADER_MATCH_STRING:
        return string_matcher_matches(&matcher->string, value);
    case HEADER_MATCH_RANGE:
        return parse_int64(value, &number) && number >= matcher->range_start &&
               number < matcher->range_end;
    }
    return false;
}

// Envoy: a missing header matches no rule on values and no inversion of one.
static bool matches_missing(const struct header_matcher *matcher) {
    if (matcher->kind == HEADER_MATCH_PRESENT && !matcher->treat_missing_as_empty) {
        return matcher->present == matcher->invert;
    }
    if (!matcher->treat_missing_as_empty) {
        return false;
    }
    return matches_value(matcher, SLICE("")) != matcher->invert;
}

bool header_matcher_matches(const struct header_matcher *matcher,
                            const struct header_map *headers) {
    if (matcher->id != HEADER_OTHER && !header_map_has(headers, matcher->id)) {
        return matches_missing(matcher);
    }
    bool is_present = false;
    const struct header_entry *entry;
    for (uint32_t at = 0; (entry = header_map_next(headers, &at)) != NULL;) {
        if (!is_named(entry, matcher)) {
            continue;
        }
        if (matches_value(matcher, header_entry_value(entry))) {
            return !matcher->invert;
        }
        is_present = true;
    }
    return is_present ? matcher->invert : matches_missing(matcher);
}

/* Ends at the first value that holds (`wanted`) or does not. */
static bool matches_until(const struct header_matcher *matcher, const struct header_map *headers,
                          bool wanted) {
    bool is_present = false;
    const struct header_entry *entry;
    for (uint32_t at = 0; (entry = header_map_next(headers, &at)) != NULL;) {
        if (!is_named(entry, matcher)) {
            continue;
        }
        if ((matches_value(matcher, header_entry_value(entry)) != matcher->invert) == wanted) {
            return wanted;
        }
        is_present = true;
    }
    return is_present ? !wanted : matches_missing(matcher);
}

bool header_matcher_matches_every(const struct header_matcher *matcher,
                                  const struct header_map *headers) {
    return matches_until(matcher, headers, false);
}

bool header_matcher_matches_some(const struct header_matcher *matcher,
                                 const struct header_map *headers) {
    return matches_until(matcher, headers, true);
}

bool header_matchers_match(const struct header_matcher *matchers, uint32_t count,
                           const struct header_map *headers) {
    for (uint32_t i = 0; i < count; i++) {
        if (!header_matcher_matches(&matchers[i], headers)) {
            return false;
        }
    }
    return true;
}

static bool query_matcher_matches(const struct query_matcher *matcher, struct slice query) {
    struct slice value;
    bool is_present = path_query_get(query, matcher->name, &value);
    if (matcher->is_present_match) {
        return is_present == matcher->present;
    }
    return is_present && string_matcher_matches(&matcher->string, value);
}

bool query_matchers_match(const struct query_matcher *matchers, uint32_t count,
                          struct slice query) {
    for (uint32_t i = 0; i < count; i++) {
        if (!query_matcher_matches(&matchers[i], query)) {
            return false;
        }
    }
    return true;
}
