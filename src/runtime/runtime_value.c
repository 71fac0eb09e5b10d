// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/runtime_value.h"

#include <limits.h>
#include <stdlib.h>

enum { PERCENT_SCALE = RUNTIME_MILLION / 100, NUMBER_BYTES = 64 };

static uint32_t capped(uint64_t per_million) {
    return per_million > RUNTIME_MILLION ? RUNTIME_MILLION : (uint32_t)per_million;
}

struct runtime_value runtime_value_of_number(double number) {
    const double limit = 18446744073709551616.0; /* 2^64 */
    struct runtime_value value = {.readings = RUNTIME_HAS_NUMBER, .number = number};
    // Outside of these bounds a cast would be undefined; NaN is within none.
    if (number >= INT_MIN && number < INT_MAX && (double)(int)number == number) {
        value.readings |= RUNTIME_HAS_FLAG;
        value.flag = (int)number != 0;
    }
    if (number >= 0 && number < limit) {
        value.readings |= RUNTIME_HAS_INTEGER | RUNTIME_HAS_FRACTION;
        value.integer = (uint64_t)number;
        value.per_million =
            value.integer > 100 ? RUNTIME_MILLION : capped(value.integer * PERCENT_SCALE);
    }
    return value;
}

struct runtime_value runtime_value_of_flag(bool flag) {
    return (struct runtime_value){.readings = RUNTIME_HAS_FLAG, .flag = flag};
}

struct runtime_value runtime_value_of_text(struct slice text) {
    char copy[NUMBER_BYTES];
    struct slice trimmed = slice_trim(text);
    bool is_hex =
        slice_find_byte(trimmed, 'x') != SIZE_MAX || slice_find_byte(trimmed, 'X') != SIZE_MAX;
    if (trimmed.len == 0 || trimmed.len >= sizeof(copy) || is_hex ||
        slice_find_byte(trimmed, '\0') != SIZE_MAX) {
        return (struct runtime_value){0};
    }
    memcpy(copy, trimmed.ptr, trimmed.len);
    copy[trimmed.len] = '\0';
    char *end;
    double number = strtod(copy, &end);
    return end == copy + trimmed.len ? runtime_value_of_number(number) : (struct runtime_value){0};
}

struct runtime_value runtime_value_of_fraction(double numerator, uint32_t scale) {
    struct runtime_value value = {.readings = RUNTIME_HAS_FRACTION};
    if (numerator >= RUNTIME_MILLION) {
        value.per_million = RUNTIME_MILLION;
    } else if (numerator > 0) {
        value.per_million = capped((uint64_t)numerator * scale);
    }
    return value;
}
