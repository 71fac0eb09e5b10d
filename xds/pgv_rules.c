// SPDX-License-Identifier: Apache-2.0
#include "xds/pgv_rules.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "src/base/check.h"
#include "xds/pgv_text.h"
#include "xds/proto_reflect.h"

enum { TEXT_BYTES = 64, LIST_BYTES = 256 };

/* How values of one rule's kind compare and print; three-way, unordered (NaN) as 2. */
typedef int compare_fn(const void *left, const void *right);
typedef void print_fn(const void *value, char out[TEXT_BYTES]);

struct range_rule {
    uint32_t present;
    const void *equal_to, *lt, *lte, *gt, *gte;
    compare_fn *compare;
    print_fn *print;
};

static void pascal_case(const char *snake, char *out, size_t size) {
    size_t len = 0;
    bool is_upper = true;
    for (; *snake != '\0' && len + 1 < size; snake++) {
        if (*snake == '_') {
            is_upper = true;
            continue;
        }
        bool is_letter = *snake >= 'a' && *snake <= 'z';
        out[len++] = is_upper && is_letter ? (char)(*snake - 0x20) : *snake;
        is_upper = false;
    }
    out[len] = '\0';
}

void pgv_fail(struct pgv_context *context, const char *format, ...) {
    char text[512];
    char field[128];
    char index[24] = "";
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    pascal_case(context->field_name, field, sizeof(field));
    if (context->index >= 0) {
        snprintf(index, sizeof(index), "[%" PRId64 "]", context->index);
    }
    validation_error(context->v, "Proto constraint validation failed (%sValidationError.%s%s: %s)",
                     context->message_name, field, index, text);
}

static void fail_bound(struct pgv_context *context, const struct range_rule *rule,
                       const char *relation, const void *bound) {
    char text[TEXT_BYTES];
    rule->print(bound, text);
    pgv_fail(context, "value must be %s %s", relation, text);
}

static bool is_below(const struct range_rule *rule, const void *value) {
    if (rule->lt != NULL) {
        return rule->compare(value, rule->lt) == -1;
    }
    int order = rule->compare(value, rule->lte);
    return order == -1 || order == 0;
}

static bool is_above(const struct range_rule *rule, const void *value) {
    if (rule->gt != NULL) {
        return rule->compare(value, rule->gt) == 1;
    }
    int order = rule->compare(value, rule->gte);
    return order == 1 || order == 0;
}

static void check_two_bounds(struct pgv_context *context, const struct range_rule *rule,
                             const void *value) {
    const void *low = rule->gt != NULL ? rule->gt : rule->gte;
    const void *high = rule->lt != NULL ? rule->lt : rule->lte;
    bool is_inside = rule->compare(low, high) == -1;
    bool ok = is_inside ? is_below(rule, value) && is_above(rule, value)
                        : is_below(rule, value) || is_above(rule, value);
    if (ok) {
        return;
    }
    char low_text[TEXT_BYTES];
    char high_text[TEXT_BYTES];
    rule->print(low, low_text);
    rule->print(high, high_text);
    if (is_inside) {
        pgv_fail(context, "value must be inside range %c%s, %s%c", rule->gt != NULL ? '(' : '[',
                 low_text, high_text, rule->lt != NULL ? ')' : ']');
    } else {
        pgv_fail(context, "value must be outside range %c%s, %s%c", rule->lt != NULL ? '[' : '(',
                 high_text, low_text, rule->gt != NULL ? ']' : ')');
    }
}

static void check_range(struct pgv_context *context, const struct range_rule *rule,
                        const void *value) {
    bool has_upper = rule->lt != NULL || rule->lte != NULL;
    bool has_lower = rule->gt != NULL || rule->gte != NULL;
    if (rule->equal_to != NULL && rule->compare(value, rule->equal_to) != 0) {
        char text[TEXT_BYTES];
        rule->print(rule->equal_to, text);
        pgv_fail(context, "value must equal %s", text);
    }
    if (has_upper && has_lower) {
        check_two_bounds(context, rule, value);
    } else if (has_upper && !is_below(rule, value)) {
        fail_bound(context, rule, rule->lt != NULL ? "less than" : "less than or equal to",
                   rule->lt != NULL ? rule->lt : rule->lte);
    } else if (has_lower && !is_above(rule, value)) {
        fail_bound(context, rule, rule->gt != NULL ? "greater than" : "greater than or equal to",
                   rule->gt != NULL ? rule->gt : rule->gte);
    }
}

static bool is_listed(const struct range_rule *rule, const void *value, const void *list,
                      size_t count, size_t size) {
    for (size_t i = 0; i < count; i++) {
        if (rule->compare(value, (const uint8_t *)list + i * size) == 0) {
            return true;
        }
    }
    return false;
}

static void fail_list(struct pgv_context *context, const struct range_rule *rule, const char *what,
                      const void *list, size_t count, size_t size) {
    char text[LIST_BYTES] = "";
    size_t len = 0;
    for (size_t i = 0; i < count && len + TEXT_BYTES + 2 < sizeof(text); i++) {
        char item[TEXT_BYTES];
        rule->print((const uint8_t *)list + i * size, item);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i > 0 ? " " : "", item);
    }
    pgv_fail(context, "value must %s list [%s]", what, text);
}

static int compare_signed(const void *left, const void *right) {
    int64_t a = ((const union proto_number *)left)->i;
    int64_t b = ((const union proto_number *)right)->i;
    return a < b ? -1 : a > b;
}

static int compare_unsigned(const void *left, const void *right) {
    uint64_t a = ((const union proto_number *)left)->u;
    uint64_t b = ((const union proto_number *)right)->u;
    return a < b ? -1 : a > b;
}

static int compare_float(const void *left, const void *right) {
    double a = ((const union proto_number *)left)->d;
    double b = ((const union proto_number *)right)->d;
    if (isnan(a) || isnan(b)) {
        return 2;
    }
    return a < b ? -1 : a > b;
}

static int compare_span(const void *left, const void *right) {
    const struct proto_span *a = left;
    const struct proto_span *b = right;
    if (a->seconds != b->seconds) {
        return a->seconds < b->seconds ? -1 : 1;
    }
    return a->nanos < b->nanos ? -1 : a->nanos > b->nanos;
}

static void print_signed(const void *value, char out[TEXT_BYTES]) {
    snprintf(out, TEXT_BYTES, "%" PRId64, ((const union proto_number *)value)->i);
}

static void print_unsigned(const void *value, char out[TEXT_BYTES]) {
    snprintf(out, TEXT_BYTES, "%" PRIu64, ((const union proto_number *)value)->u);
}

static void print_float(const void *value, char out[TEXT_BYTES]) {
    snprintf(out, TEXT_BYTES, "%g", ((const union proto_number *)value)->d);
}

/* As absl prints durations: "1ms", "5m0s", "1.5s". */
static void print_span(const void *value, char out[TEXT_BYTES]) {
    const struct proto_span *span = value;
    if (span->seconds == 0 && span->nanos != 0 && span->nanos % 1000000 == 0) {
        snprintf(out, TEXT_BYTES, "%dms", span->nanos / 1000000);
        return;
    }
    int64_t minutes = span->seconds / 60;
    int len = 0;
    if (minutes >= 60) {
        len = snprintf(out, TEXT_BYTES, "%" PRId64 "h%" PRId64 "m", minutes / 60, minutes % 60);
    } else if (minutes > 0) {
        len = snprintf(out, TEXT_BYTES, "%" PRId64 "m", minutes);
    }
    snprintf(out + len, TEXT_BYTES - (size_t)len, "%.9gs",
             (double)(span->seconds % 60) + span->nanos / 1e9);
}

static const union proto_number *bound_if(const struct proto_number_rules *rules, uint32_t bit,
                                          const union proto_number *bound) {
    return (rules->present & bit) != 0 ? bound : NULL;
}

static void check_number(struct pgv_context *context, const struct proto_number_rules *rules,
                         union proto_number value, compare_fn *compare, print_fn *print) {
    struct range_rule range = {.equal_to = bound_if(rules, PROTO_RULE_CONST, &rules->equal_to),
                               .lt = bound_if(rules, PROTO_RULE_LT, &rules->lt),
                               .lte = bound_if(rules, PROTO_RULE_LTE, &rules->lte),
                               .gt = bound_if(rules, PROTO_RULE_GT, &rules->gt),
                               .gte = bound_if(rules, PROTO_RULE_GTE, &rules->gte),
                               .compare = compare,
                               .print = print};
    check_range(context, &range, &value);
    size_t size = sizeof(value);
    if (rules->in_count > 0 && !is_listed(&range, &value, rules->in, rules->in_count, size)) {
        fail_list(context, &range, "be in", rules->in, rules->in_count, size);
    }
    if (is_listed(&range, &value, rules->not_in, rules->not_in_count, size)) {
        fail_list(context, &range, "not be in", rules->not_in, rules->not_in_count, size);
    }
}

static void check_enum(struct pgv_context *context, const struct proto_enum_rules *rules,
                       const ProtobufCEnumDescriptor *descriptor, int32_t value) {
    if ((rules->present & PROTO_RULE_CONST) != 0 && value != rules->equal_to) {
        pgv_fail(context, "value must equal %d", rules->equal_to);
    }
    if ((rules->present & PROTO_RULE_DEFINED_ONLY) != 0 &&
        protobuf_c_enum_descriptor_get_value(descriptor, value) == NULL) {
        pgv_fail(context, "value must be one of the defined enum values");
    }
    bool is_found = rules->in_count == 0;
    for (size_t i = 0; i < rules->in_count; i++) {
        is_found = is_found || rules->in[i] == value;
    }
    for (size_t i = 0; i < rules->not_in_count; i++) {
        if (rules->not_in[i] == value) {
            pgv_fail(context, "value must not be %d", value);
        }
    }
    if (!is_found) {
        pgv_fail(context, "value %d is not in the allowed list", value);
    }
}

static union proto_number number_of(ProtobufCType type, const void *member) {
    union proto_number number = {.u = 0};
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        number.i = *(const int32_t *)member;
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        number.u = *(const uint32_t *)member;
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        number.d = (double)*(const float *)member;
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        number.d = *(const double *)member;
        break;
    default:
        number.u = *(const uint64_t *)member;
        break;
    }
    return number;
}

static bool is_zero_ignored(uint32_t present, const ProtobufCFieldDescriptor *field,
                            const void *member) {
    static const uint8_t ZERO[8] = {0};
    return (present & PROTO_RULE_IGNORE_EMPTY) != 0 &&
           memcmp(member, ZERO, proto_element_size(field->type)) == 0;
}

static struct slice bytes_of(const ProtobufCFieldDescriptor *field, const void *member) {
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        return proto_text(member);
    }
    const ProtobufCBinaryData *data = member;
    return slice_make(data->data, data->len);
}

void pgv_check_scalar(struct pgv_context *context, const struct proto_field_rules *rules,
                      const ProtobufCFieldDescriptor *field, const void *member) {
    switch (rules->kind) {
    case PROTO_RULES_SIGNED:
        if (!is_zero_ignored(rules->as.number->present, field, member)) {
            check_number(context, rules->as.number, number_of(field->type, member), compare_signed,
                         print_signed);
        }
        break;
    case PROTO_RULES_UNSIGNED:
        if (!is_zero_ignored(rules->as.number->present, field, member)) {
            check_number(context, rules->as.number, number_of(field->type, member),
                         compare_unsigned, print_unsigned);
        }
        break;
    case PROTO_RULES_FLOAT:
        if (!is_zero_ignored(rules->as.number->present, field, member)) {
            check_number(context, rules->as.number, number_of(field->type, member), compare_float,
                         print_float);
        }
        break;
    case PROTO_RULES_BOOL:
        if ((rules->as.boolean->present & PROTO_RULE_CONST) != 0 &&
            (*(const protobuf_c_boolean *)member != 0) != rules->as.boolean->equal_to) {
            pgv_fail(context, "value must equal %s",
                     rules->as.boolean->equal_to ? "true" : "false");
        }
        break;
    case PROTO_RULES_STRING:
    case PROTO_RULES_BYTES:
        pgv_check_text(context, rules->as.text, bytes_of(field, member),
                       rules->kind == PROTO_RULES_STRING);
        break;
    case PROTO_RULES_ENUM:
        check_enum(context, rules->as.enumeration, field->descriptor, *(const int32_t *)member);
        break;
    case PROTO_RULES_NONE:
    case PROTO_RULES_REPEATED:
    case PROTO_RULES_MAP:
    case PROTO_RULES_ANY:
    case PROTO_RULES_DURATION:
    case PROTO_RULES_TIMESTAMP:
        break;
    }
}

static const struct proto_span *span_if(const struct proto_span_rules *rules, uint32_t bit,
                                        const struct proto_span *bound) {
    return (rules->present & bit) != 0 ? bound : NULL;
}

void pgv_check_span(struct pgv_context *context, const struct proto_field_rules *field_rules,
                    struct proto_span span) {
    const struct proto_span_rules *rules = field_rules->as.span;
    struct range_rule range = {.equal_to = span_if(rules, PROTO_RULE_CONST, &rules->equal_to),
                               .lt = span_if(rules, PROTO_RULE_LT, &rules->lt),
                               .lte = span_if(rules, PROTO_RULE_LTE, &rules->lte),
                               .gt = span_if(rules, PROTO_RULE_GT, &rules->gt),
                               .gte = span_if(rules, PROTO_RULE_GTE, &rules->gte),
                               .compare = compare_span,
                               .print = print_span};
    check_range(context, &range, &span);
    if (rules->in_count > 0 &&
        !is_listed(&range, &span, rules->in, rules->in_count, sizeof(span))) {
        fail_list(context, &range, "be in", rules->in, rules->in_count, sizeof(span));
    }
    if (is_listed(&range, &span, rules->not_in, rules->not_in_count, sizeof(span))) {
        fail_list(context, &range, "not be in", rules->not_in, rules->not_in_count, sizeof(span));
    }
}

void pgv_check_any(struct pgv_context *context, const struct proto_any_rules *rules,
                   struct slice type_url) {
    bool is_found = rules->in_count == 0;
    for (size_t i = 0; i < rules->in_count; i++) {
        is_found =
            is_found || slice_equal(type_url, slice_make(rules->in[i].ptr, rules->in[i].len));
    }
    for (size_t i = 0; i < rules->not_in_count; i++) {
        if (slice_equal(type_url, slice_make(rules->not_in[i].ptr, rules->not_in[i].len))) {
            pgv_fail(context, "type URL must not be %.*s", SLICE_ARG(type_url));
        }
    }
    if (!is_found) {
        pgv_fail(context, "type URL %.*s is not in the allowed list", SLICE_ARG(type_url));
    }
}
