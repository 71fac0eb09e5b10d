// SPDX-License-Identifier: Apache-2.0
#include "xds/decode/matcher.h"

#include "envoy/type/v3/range.pb-c.h"
#include "xds/decode/ledgers.h"

static void free_regex(void *object) {
    regex_free(object);
}

bool decode_regex(struct decoder *d, const MATCHER(RegexMatcher) *from, const struct regex **out) {
    struct regex *regex = NULL;
    struct error err = {0};
    if (regex_new(slice_from_string(from->regex), &regex, &err) != STATUS_OK) {
        return decoder_field_error(d, "regex", "%s", err.message);
    }
    config_part_on_free(d->config.part, free_regex, regex);
    *out = regex;
    return true;
}

bool decode_regex_rewrite(struct decoder *d, const MATCHER(RegexMatchAndSubstitute) *from,
                          const struct regex **regex, struct slice *substitution) {
    if (from->pattern == NULL) {
        return decoder_field_error(d, "pattern", "value is required");
    }
    decoder_push(d, "pattern");
    bool is_ok = decode_regex(d, from->pattern, regex);
    decoder_pop(d);
    if (!is_ok) {
        return false;
    }
    struct error err = {0};
    *substitution = decoder_text(d, from->substitution);
    if (regex_check_substitution(*regex, *substitution, &err) != STATUS_OK) {
        return decoder_field_error(d, "substitution", "%s", err.message);
    }
    return true;
}

static bool decode_matcher_regex(struct decoder *d, const MATCHER(RegexMatcher) *from,
                                 struct string_matcher *out) {
    decoder_push(d, "safe_regex");
    out->kind = STRING_MATCH_REGEX;
    bool is_ok = decode_regex(d, from, &out->regex);
    decoder_pop(d);
    return is_ok;
}

static void set_text(struct decoder *d, struct string_matcher *out, enum string_match_kind kind,
                     const char *text) {
    out->kind = kind;
    out->text = out->ignore_case ? decoder_lower(d, text) : decoder_text(d, text);
}

bool decode_string_matcher(struct decoder *d, const MATCHER(StringMatcher) *from,
                           struct string_matcher *out) {
    *out = (struct string_matcher){.ignore_case = from->ignore_case != 0};
    switch ((int)from->match_pattern_case) {
    case ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_EXACT:
        set_text(d, out, STRING_MATCH_EXACT, from->exact);
        return true;
    case ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_PREFIX:
        set_text(d, out, STRING_MATCH_PREFIX, from->prefix);
        return true;
    case ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_SUFFIX:
        set_text(d, out, STRING_MATCH_SUFFIX, from->suffix);
        return true;
    case ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_CONTAINS:
        set_text(d, out, STRING_MATCH_CONTAINS, from->contains);
        return true;
    case ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_SAFE_REGEX:
        if (out->ignore_case) {
            return decoder_error(d, "ignore_case has no effect for safe_regex.");
        }
        return decode_matcher_regex(d, from->safe_regex, out);
    case ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_CUSTOM:
        return decoder_field_error(d, "custom", "custom string matchers are not supported");
    default:
        return decoder_error(d, "a match pattern is required");
    }
}

static bool decode_range(struct decoder *d, const TYPE(Int64Range) *from,
                         struct header_matcher *out) {
    (void)d;
    out->kind = HEADER_MATCH_RANGE;
    out->range_start = from->start;
    out->range_end = from->end;
    return true;
}

static bool header_text(struct decoder *d, struct header_matcher *out, enum string_match_kind kind,
                        const char *text) {
    out->kind = HEADER_MATCH_STRING;
    set_text(d, &out->string, kind, text);
    return true;
}

static bool decode_header_value(struct decoder *d, const ROUTE(HeaderMatcher) *from,
                                struct header_matcher *out) {
    bool is_ok;
    switch ((int)from->header_match_specifier_case) {
    case ENVOY__CONFIG__ROUTE__V3__HEADER_MATCHER__HEADER_MATCH_SPECIFIER_EXACT_MATCH:
        return header_text(d, out, STRING_MATCH_EXACT, from->exact_match);
    case ENVOY__CONFIG__ROUTE__V3__HEADER_MATCHER__HEADER_MATCH_SPECIFIER_PREFIX_MATCH:
        return header_text(d, out, STRING_MATCH_PREFIX, from->prefix_match);
    case ENVOY__CONFIG__ROUTE__V3__HEADER_MATCHER__HEADER_MATCH_SPECIFIER_SUFFIX_MATCH:
        return header_text(d, out, STRING_MATCH_SUFFIX, from->suffix_match);
    case ENVOY__CONFIG__ROUTE__V3__HEADER_MATCHER__HEADER_MATCH_SPECIFIER_CONTAINS_MATCH:
        return header_text(d, out, STRING_MATCH_CONTAINS, from->contains_match);
    case ENVOY__CONFIG__ROUTE__V3__HEADER_MATCHER__HEADER_MATCH_SPECIFIER_SAFE_REGEX_MATCH:
        out->kind = HEADER_MATCH_STRING;
        decoder_push(d, "safe_regex_match");
        out->string.kind = STRING_MATCH_REGEX;
        is_ok = decode_regex(d, from->safe_regex_match, &out->string.regex);
        decoder_pop(d);
        return is_ok;
    case ENVOY__CONFIG__ROUTE__V3__HEADER_MATCHER__HEADER_MATCH_SPECIFIER_STRING_MATCH:
        out->kind = HEADER_MATCH_STRING;
        decoder_push(d, "string_match");
        is_ok = decode_string_matcher(d, from->string_match, &out->string);
        decoder_pop(d);
        return is_ok;
    case ENVOY__CONFIG__ROUTE__V3__HEADER_MATCHER__HEADER_MATCH_SPECIFIER_RANGE_MATCH:
        return decode_range(d, from->range_match, out);
    case ENVOY__CONFIG__ROUTE__V3__HEADER_MATCHER__HEADER_MATCH_SPECIFIER_PRESENT_MATCH:
        out->kind = HEADER_MATCH_PRESENT;
        out->present = from->present_match != 0;
        return true;
    default:
        // Nothing said: presence is asked for.
        out->kind = HEADER_MATCH_PRESENT;
        out->present = true;
        return true;
    }
}

bool decode_header_matcher(struct decoder *d, const ROUTE(HeaderMatcher) *from,
                           struct header_matcher *out) {
    *out =
        (struct header_matcher){.name = decoder_lower(d, from->name),
                                .invert = from->invert_match != 0,
                                .treat_missing_as_empty = from->treat_missing_header_as_empty != 0};
    out->id = header_id_of(out->name);
    return decode_header_value(d, from, out);
}

bool decode_header_matchers(struct decoder *d, const char *field, ROUTE(HeaderMatcher) *const *from,
                            size_t count, const struct header_matcher **out, uint32_t *out_count) {
    bool is_ok = true;
    struct header_matcher *matchers =
        count == 0 ? NULL : ARENA_NEW_ARRAY(d->config.arena, count, struct header_matcher);
    for (size_t i = 0; i < count; i++) {
        decoder_push_index(d, field, i);
        is_ok = decode_header_matcher(d, from[i], &matchers[i]) && is_ok;
        decoder_pop_index(d);
    }
    *out = matchers;
    *out_count = (uint32_t)count;
    return is_ok;
}

bool decode_query_matcher(struct decoder *d, const ROUTE(QueryParameterMatcher) *from,
                          struct query_matcher *out) {
    *out = (struct query_matcher){.name = decoder_text(d, from->name)};
    bool is_ok;
    switch ((int)from->query_parameter_match_specifier_case) {
    case ENVOY__CONFIG__ROUTE__V3__QUERY_PARAMETER_MATCHER__QUERY_PARAMETER_MATCH_SPECIFIER_STRING_MATCH:
        decoder_push(d, "string_match");
        is_ok = decode_string_matcher(d, from->string_match, &out->string);
        decoder_pop(d);
        return is_ok;
    case ENVOY__CONFIG__ROUTE__V3__QUERY_PARAMETER_MATCHER__QUERY_PARAMETER_MATCH_SPECIFIER_PRESENT_MATCH:
        out->is_present_match = true;
        out->present = from->present_match != 0;
        return true;
    default:
        out->is_present_match = true;
        out->present = true;
        return true;
    }
}

bool decode_cidr(struct decoder *d, const CORE(CidrRange) *from, struct cidr *out) {
    struct error err = {0};
    uint32_t bits = VALUE_OR(from->prefix_len, 0);
    if (cidr_init(out, slice_from_string(from->address_prefix), bits, &err) != STATUS_OK) {
        return decoder_error(d, "%s", err.message);
    }
    return true;
}

bool decode_cidrs(struct decoder *d, const char *field, CORE(CidrRange) *const *from, size_t count,
                  const struct cidr **out, uint32_t *out_count) {
    bool is_ok = true;
    struct cidr *ranges = count == 0 ? NULL : ARENA_NEW_ARRAY(d->config.arena, count, struct cidr);
    for (size_t i = 0; i < count; i++) {
        decoder_push_index(d, field, i);
        is_ok = decode_cidr(d, from[i], &ranges[i]) && is_ok;
        decoder_pop_index(d);
    }
    *out = ranges;
    *out_count = (uint32_t)count;
    return is_ok;
}

static const struct ledger_field string_matcher_fields[] = {
    LEDGER_OK("exact"),
    LEDGER_OK("prefix"),
    LEDGER_OK("suffix"),
    LEDGER_OK("safe_regex"),
    LEDGER_OK("contains"),
    LEDGER_OK("ignore_case"),
    {"custom", LEDGER_REFUSED, "custom string matchers are not built in"},
};
static const struct ledger_field regex_fields[] = {
    LEDGER_OK("regex"),
    {"google_re2", LEDGER_HARMLESS, "RE2 is the only engine"},
};
static const struct ledger_field all_fields[] = {LEDGER_OK("*")};

const struct ledger_message ledger_matcher[] = {
    LEDGER_MESSAGE("envoy.type.matcher.v3.StringMatcher", string_matcher_fields),
    LEDGER_MESSAGE("envoy.type.matcher.v3.RegexMatcher", regex_fields),
    LEDGER_MESSAGE("envoy.type.matcher.v3.RegexMatchAndSubstitute", all_fields),
    LEDGER_MESSAGE("envoy.config.route.v3.HeaderMatcher", all_fields),
    LEDGER_MESSAGE("envoy.config.route.v3.QueryParameterMatcher", all_fields),
};
const uint32_t ledger_matcher_count = ARRAY_LEN(ledger_matcher);
