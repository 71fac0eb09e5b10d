// SPDX-License-Identifier: Apache-2.0
#include "xds/pgv_text.h"

#include <arpa/inet.h>
#include <inttypes.h>

#include "src/matcher/regex.h"

enum { MAX_HOSTNAME = 253, MAX_LABEL = 63, MAX_ADDRESS_TEXT = 64 };

static uint64_t code_points(struct slice text) {
    uint64_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += (text.ptr[i] & 0xc0) != 0x80 ? 1 : 0;
    }
    return count;
}

struct length_rule {
    bool has_exact, has_min, has_max;
    uint64_t exact, min, max;
    const char *unit;
};

static void check_length(struct pgv_context *context, const struct length_rule *rule,
                         uint64_t len) {
    if (rule->has_exact && len != rule->exact) {
        pgv_fail(context, "value length must be %" PRIu64 " %s", rule->exact, rule->unit);
    }
    bool is_short = rule->has_min && len < rule->min;
    bool is_long = rule->has_max && len > rule->max;
    if (!is_short && !is_long) {
        return;
    }
    if (rule->has_min && rule->has_max) {
        pgv_fail(context, "value length must be between %" PRIu64 " and %" PRIu64 " %s, inclusive",
                 rule->min, rule->max, rule->unit);
    } else if (is_short) {
        pgv_fail(context, "value length must be at least %" PRIu64 " %s", rule->min, rule->unit);
    } else {
        pgv_fail(context, "value length must be at most %" PRIu64 " %s", rule->max, rule->unit);
    }
}

static void check_lengths(struct pgv_context *context, const struct proto_text_rules *rules,
                          struct slice text, bool is_string) {
    uint32_t present = rules->present;
    struct length_rule length = {.has_exact = (present & PROTO_RULE_LEN) != 0,
                                 .has_min = (present & PROTO_RULE_MIN_LEN) != 0,
                                 .has_max = (present & PROTO_RULE_MAX_LEN) != 0,
                                 .exact = rules->len,
                                 .min = rules->min_len,
                                 .max = rules->max_len,
                                 .unit = is_string ? "characters" : "bytes"};
    struct length_rule size = {.has_exact = (present & PROTO_RULE_LEN_BYTES) != 0,
                               .has_min = (present & PROTO_RULE_MIN_BYTES) != 0,
                               .has_max = (present & PROTO_RULE_MAX_BYTES) != 0,
                               .exact = rules->len_bytes,
                               .min = rules->min_bytes,
                               .max = rules->max_bytes,
                               .unit = "bytes"};
    check_length(context, &length, is_string ? code_points(text) : text.len);
    check_length(context, &size, text.len);
}

static struct slice rule_slice(struct proto_rule_text rule) {
    return slice_make(rule.ptr, rule.len);
}

static void check_parts(struct pgv_context *context, const struct proto_text_rules *rules,
                        struct slice text) {
    if ((rules->present & PROTO_RULE_CONST) != 0 &&
        !slice_equal(text, rule_slice(rules->equal_to))) {
        pgv_fail(context, "value must equal %s", rules->equal_to.ptr);
    }
    if (rules->prefix.ptr != NULL && !slice_starts_with(text, rule_slice(rules->prefix))) {
        pgv_fail(context, "value does not have prefix \"%s\"", rules->prefix.ptr);
    }
    if (rules->suffix.ptr != NULL && !slice_ends_with(text, rule_slice(rules->suffix))) {
        pgv_fail(context, "value does not have suffix \"%s\"", rules->suffix.ptr);
    }
    if (rules->contains.ptr != NULL && slice_find(text, rule_slice(rules->contains)) == SIZE_MAX) {
        pgv_fail(context, "value does not contain substring \"%s\"", rules->contains.ptr);
    }
    if (rules->not_contains.ptr != NULL &&
        slice_find(text, rule_slice(rules->not_contains)) != SIZE_MAX) {
        pgv_fail(context, "value contains substring \"%s\"", rules->not_contains.ptr);
    }
}

static bool is_in(struct slice text, const struct proto_rule_text *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(text, rule_slice(list[i]))) {
            return true;
        }
    }
    return false;
}

static const struct regex *find_regex(struct pgv_context *context, const char *pattern) {
    for (uint32_t i = 0; i < context->regex_count; i++) {
        if (context->regexes[i].pattern == pattern) {
            return context->regexes[i].regex;
        }
    }
    if (context->regex_count == PGV_MAX_REGEXES) {
        pgv_context_deinit(context);
    }
    struct pgv_regex *entry = &context->regexes[context->regex_count++];
    entry->pattern = pattern;
    entry->regex = NULL;
    struct error err;
    if (regex_new(slice_from_string(pattern), &entry->regex, &err) != STATUS_OK) {
        entry->regex = NULL;
    }
    return entry->regex;
}

void pgv_context_deinit(struct pgv_context *context) {
    for (uint32_t i = 0; i < context->regex_count; i++) {
        regex_free(context->regexes[i].regex);
    }
    context->regex_count = 0;
}

static void check_pattern(struct pgv_context *context, const char *pattern, struct slice text) {
    const struct regex *regex = find_regex(context, pattern);
    if (regex == NULL || !regex_partial_match(regex, text)) {
        pgv_fail(context, "value does not match regex pattern \"%s\"", pattern);
    }
}

static bool is_token_byte(uint8_t c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+,-.^_|~`", c) != NULL);
}

/* RFC 9110 §5.1 names, with the colon of pseudo headers in front. */
static bool is_header_name(struct slice text) {
    size_t start = text.len > 0 && text.ptr[0] == ':' ? 1 : 0;
    for (size_t i = start; i < text.len; i++) {
        if (!is_token_byte(text.ptr[i])) {
            return false;
        }
    }
    return text.len > start;
}

static bool is_header_value(struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

/* The lax form of both: nothing that ends a line or a string. */
static bool is_header_safe(struct slice text) {
    return slice_find_byte(text, 0) == SIZE_MAX && slice_find_byte(text, '\n') == SIZE_MAX &&
           slice_find_byte(text, '\r') == SIZE_MAX;
}

static bool is_ip(struct slice text, int family) {
    char copy[MAX_ADDRESS_TEXT];
    struct in6_addr address;
    if (text.len == 0 || text.len >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return inet_pton(family, copy, &address) == 1;
}

static bool is_label(struct slice label) {
    if (label.len == 0 || label.len > MAX_LABEL || label.ptr[0] == '-' ||
        label.ptr[label.len - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < label.len; i++) {
        uint8_t c = ascii_lower(label.ptr[i]);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) {
            return false;
        }
    }
    return true;
}

/* RFC 1034 §3.5, a final dot allowed. */
static bool is_hostname(struct slice text) {
    struct slice rest = slice_ends_with(text, SLICE(".")) ? slice_sub(text, 0, text.len - 1) : text;
    struct slice label;
    if (rest.len == 0 || rest.len > MAX_HOSTNAME || slice_ends_with(rest, SLICE("."))) {
        return false;
    }
    while (slice_split(&rest, '.', &label)) {
        if (!is_label(label)) {
            return false;
        }
    }
    return true;
}

static bool is_email(struct slice text) {
    size_t at = slice_rfind_byte(text, '@');
    return at != SIZE_MAX && at > 0 && at <= MAX_LABEL + 1 &&
           is_hostname(slice_sub(text, at + 1, SIZE_MAX));
}

static bool is_uri_text(struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= 0x20 || text.ptr[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

/* RFC 3986 §3.1: an absolute URI begins with a scheme. */
static bool is_uri(struct slice text) {
    size_t colon = slice_find_byte(text, ':');
    if (colon == SIZE_MAX || colon == 0) {
        return false;
    }
    for (size_t i = 0; i < colon; i++) {
        uint8_t c = ascii_lower(text.ptr[i]);
        bool is_letter = c >= 'a' && c <= 'z';
        bool is_later = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (!is_letter && (i == 0 || !is_later)) {
            return false;
        }
    }
    return is_uri_text(text);
}

static bool is_uuid(struct slice text) {
    enum { UUID_CHARS = 36 };
    if (text.len != UUID_CHARS) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = ascii_lower(text.ptr[i]);
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (is_dash ? c != '-' : !is_hex) {
            return false;
        }
    }
    return true;
}

static const char *format_problem(const struct proto_text_rules *rules, struct slice text) {
    switch (rules->format) {
    case PROTO_STRING_ANY:
        return NULL;
    case PROTO_STRING_EMAIL:
        return is_email(text) ? NULL : "value must be a valid email address";
    case PROTO_STRING_HOSTNAME:
        return is_hostname(text) ? NULL : "value must be a valid hostname";
    case PROTO_STRING_IP:
        return is_ip(text, AF_INET) || is_ip(text, AF_INET6) ? NULL
                                                             : "value must be a valid IP address";
    case PROTO_STRING_IPV4:
        return is_ip(text, AF_INET) ? NULL : "value must be a valid IPv4 address";
    case PROTO_STRING_IPV6:
        return is_ip(text, AF_INET6) ? NULL : "value must be a valid IPv6 address";
    case PROTO_STRING_URI:
        return is_uri(text) ? NULL : "value must be a valid URI";
    case PROTO_STRING_URI_REF:
        return is_uri_text(text) ? NULL : "value must be a valid URI reference";
    case PROTO_STRING_ADDRESS:
        return is_hostname(text) || is_ip(text, AF_INET) || is_ip(text, AF_INET6)
                   ? NULL
                   : "value must be a valid hostname or IP address";
    case PROTO_STRING_UUID:
        return is_uuid(text) ? NULL : "value must be a valid UUID";
    case PROTO_STRING_HTTP_HEADER_NAME:
        return (rules->is_strict ? is_header_name(text) : is_header_safe(text))
                   ? NULL
                   : "value is not a valid header name";
    case PROTO_STRING_HTTP_HEADER_VALUE:
        return (rules->is_strict ? is_header_value(text) : is_header_safe(text))
                   ? NULL
                   : "value is not a valid header value";
    }
    return NULL;
}

void pgv_check_text(struct pgv_context *context, const struct proto_text_rules *rules,
                    struct slice text, bool is_string) {
    if (text.len == 0 && (rules->present & PROTO_RULE_IGNORE_EMPTY) != 0) {
        return;
    }
    check_lengths(context, rules, text, is_string);
    check_parts(context, rules, text);
    if (rules->in_count > 0 && !is_in(text, rules->in, rules->in_count)) {
        pgv_fail(context, "value is not in the allowed list");
    }
    if (is_in(text, rules->not_in, rules->not_in_count)) {
        pgv_fail(context, "value is in the refused list");
    }
    const char *problem = format_problem(rules, text);
    if (problem != NULL) {
        pgv_fail(context, "%s", problem);
    }
    if (rules->pattern.ptr != NULL) {
        check_pattern(context, rules->pattern.ptr, text);
    }
}
