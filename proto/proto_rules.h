// SPDX-License-Identifier: Apache-2.0
/*
 * The constraints that the API's authors wrote beside each field (validate.rules), as constant
 * tables. Who applies them is elsewhere; this header says only what they are. A member of `present`
 * tells whether the constraint of that name was written: a limit of 0 is a limit.
 *
 * Semantics are protoc-gen-validate's: a rule on a scalar holds for its default value as well,
 * unless ignore_empty; a rule on an unset message, wrapper, Duration or Any holds only as `required`.
 */
#ifndef PROTO_PROTO_RULES_H
#define PROTO_PROTO_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum proto_rules_kind {
    PROTO_RULES_NONE,   /* only `required` or `skip` */
    PROTO_RULES_SIGNED, /* int32, int64, sint, sfixed: proto_number.i */
    PROTO_RULES_UNSIGNED,
    PROTO_RULES_FLOAT, /* float and double: proto_number.d */
    PROTO_RULES_BOOL,
    PROTO_RULES_STRING,
    PROTO_RULES_BYTES,
    PROTO_RULES_ENUM,
    PROTO_RULES_REPEATED,
    PROTO_RULES_MAP,
    PROTO_RULES_ANY,
    PROTO_RULES_DURATION,
    PROTO_RULES_TIMESTAMP,
};

/* Bits of `present`, shared by the kinds that have a constraint of the name. */
enum proto_rule_bit {
    PROTO_RULE_CONST = 1U << 0,
    PROTO_RULE_LT = 1U << 1,
    PROTO_RULE_LTE = 1U << 2,
    PROTO_RULE_GT = 1U << 3,
    PROTO_RULE_GTE = 1U << 4,
    PROTO_RULE_LEN = 1U << 5,
    PROTO_RULE_MIN_LEN = 1U << 6,
    PROTO_RULE_MAX_LEN = 1U << 7,
    PROTO_RULE_LEN_BYTES = 1U << 8,
    PROTO_RULE_MIN_BYTES = 1U << 9,
    PROTO_RULE_MAX_BYTES = 1U << 10,
    PROTO_RULE_MIN_ITEMS = 1U << 11, /* repeated and map (min_pairs) */
    PROTO_RULE_MAX_ITEMS = 1U << 12,
    PROTO_RULE_UNIQUE = 1U << 13,
    PROTO_RULE_DEFINED_ONLY = 1U << 14,
    PROTO_RULE_IGNORE_EMPTY = 1U << 15,
    PROTO_RULE_NO_SPARSE = 1U << 16,
    PROTO_RULE_LT_NOW = 1U << 17,
    PROTO_RULE_GT_NOW = 1U << 18,
    PROTO_RULE_WITHIN = 1U << 19,
};

enum proto_string_format {
    PROTO_STRING_ANY,
    PROTO_STRING_EMAIL,
    PROTO_STRING_HOSTNAME,
    PROTO_STRING_IP,
    PROTO_STRING_IPV4,
    PROTO_STRING_IPV6,
    PROTO_STRING_URI,
    PROTO_STRING_URI_REF,
    PROTO_STRING_ADDRESS, /* hostname or IP */
    PROTO_STRING_UUID,
    PROTO_STRING_HTTP_HEADER_NAME,  /* strictness: is_strict */
    PROTO_STRING_HTTP_HEADER_VALUE, /* strictness: is_strict */
};

union proto_number {
    int64_t i;
    uint64_t u;
    double d;
};

/* Bytes of a rule; for strings also NUL-terminated. ptr is NULL where the constraint is absent. */
struct proto_rule_text {
    const char *ptr;
    size_t len;
};

/* Of gt(e) and lt(e): if the lower bound lies above the upper one, the range is the outside. */
struct proto_number_rules {
    uint32_t present; /* CONST LT LTE GT GTE IGNORE_EMPTY */
    union proto_number equal_to, lt, lte, gt, gte;
    const union proto_number *in, *not_in;
    size_t in_count, not_in_count;
};

struct proto_bool_rules {
    uint32_t present; /* CONST */
    bool equal_to;
};

/* Strings count code points in `len`, bytes in `len_bytes`; bytes fields use `len` for bytes. */
struct proto_text_rules {
    uint32_t present; /* CONST LEN* MIN_* MAX_* IGNORE_EMPTY */
    uint64_t len, min_len, max_len, len_bytes, min_bytes, max_bytes;
    struct proto_rule_text equal_to, prefix, suffix, contains, not_contains;
    struct proto_rule_text pattern; /* RE2 syntax, matched anywhere in the text */
    const struct proto_rule_text *in, *not_in;
    size_t in_count, not_in_count;
    enum proto_string_format format;
    bool is_strict; /* of the HTTP header formats: RFC tokens, else only no NUL, CR, LF */
};

struct proto_enum_rules {
    uint32_t present; /* CONST DEFINED_ONLY */
    int32_t equal_to;
    const int32_t *in, *not_in;
    size_t in_count, not_in_count;
};

struct proto_repeated_rules {
    uint32_t present; /* MIN_ITEMS MAX_ITEMS UNIQUE IGNORE_EMPTY */
    uint64_t min_items, max_items;
    const struct proto_field_rules *items; /* of each element; NULL: none */
};

struct proto_map_rules {
    uint32_t present; /* MIN_ITEMS MAX_ITEMS NO_SPARSE IGNORE_EMPTY */
    uint64_t min_items, max_items;
    const struct proto_field_rules *keys, *values; /* NULL: none */
};

struct proto_any_rules {
    const struct proto_rule_text *in, *not_in; /* type URLs */
    size_t in_count, not_in_count;
};

struct proto_span {
    int64_t seconds;
    int32_t nanos;
};

/* Duration and Timestamp. */
struct proto_span_rules {
    uint32_t present; /* CONST LT LTE GT GTE; of timestamps also LT_NOW GT_NOW WITHIN */
    struct proto_span equal_to, lt, lte, gt, gte, within;
    const struct proto_span *in, *not_in;
    size_t in_count, not_in_count;
};

struct proto_field_rules {
    enum proto_rules_kind kind;
    bool is_required; /* message, Duration, Timestamp, Any, wrapper: must be set */
    bool is_skipped;  /* message: do not look into it */
    union {
        const struct proto_number_rules *number; /* SIGNED UNSIGNED FLOAT */
        const struct proto_bool_rules *boolean;
        const struct proto_text_rules *text; /* STRING BYTES */
        const struct proto_enum_rules *enumeration;
        const struct proto_repeated_rules *repeated;
        const struct proto_map_rules *map;
        const struct proto_any_rules *any;
        const struct proto_span_rules *span; /* DURATION TIMESTAMP */
    } as;
};

#endif
