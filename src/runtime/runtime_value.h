// SPDX-License-Identifier: Apache-2.0
/*
 * What one runtime entry says, read once when it is set: as a fraction, an integer, a number, a flag, as
 * far as it can be read as such. A plain integer is a fraction too, of a hundred. Pure.
 */
#ifndef SRC_RUNTIME_RUNTIME_VALUE_H
#define SRC_RUNTIME_RUNTIME_VALUE_H

#include "src/base/slice.h"

enum { RUNTIME_MILLION = 1000000 };

enum runtime_reading {
    RUNTIME_HAS_FRACTION = 1 << 0,
    RUNTIME_HAS_INTEGER = 1 << 1,
    RUNTIME_HAS_NUMBER = 1 << 2,
    RUNTIME_HAS_FLAG = 1 << 3,
};

/* All zero: an entry that says nothing, or none. */
struct runtime_value {
    uint32_t readings;    /* enum runtime_reading bits: which members count */
    uint32_t per_million; /* at most RUNTIME_MILLION */
    uint64_t integer;     /* rounded down */
    double number;
    bool flag;
};

struct runtime_value runtime_value_of_number(double number);
struct runtime_value runtime_value_of_flag(bool flag);
/* Numbers only: neither "true" nor the JSON of a fraction is read as more than text. */
struct runtime_value runtime_value_of_text(struct slice text);
/* `scale`: 10,000 of a hundred, 100 of ten thousand, 1 of a million. */
struct runtime_value runtime_value_of_fraction(double numerator, uint32_t scale);

#endif
