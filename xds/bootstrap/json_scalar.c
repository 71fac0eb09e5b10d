// SPDX-License-Identifier: Apache-2.0
#include "xds/bootstrap/json_scalar.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/check.h"

enum { MAX_NUMBER_CHARS = 128, NANOS_DIGITS = 9, NANOS_PER_MILLI = 1000000 };

/* 10,000 years, the range of google.protobuf.Duration. */
static const int64_t MAX_DURATION_SECONDS = INT64_C(315576000000);
/* 0001-01-01 and 9999-12-31T23:59:59, the range of google.protobuf.Timestamp. */
static const int64_t MIN_TIMESTAMP_SECONDS = INT64_C(-62135596800);
static const int64_t MAX_TIMESTAMP_SECONDS = INT64_C(253402300799);

static const char BAD_NUMBER[] = "invalid number";
static const char OUT_OF_RANGE[] = "number is out of range";

struct number_text {
    char text[MAX_NUMBER_CHARS];
    size_t len;
    int base;
    bool is_whole; /* digits only */
};

static bool is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}

static bool is_hex_number(struct slice digits) {
    return digits.len > 2 && digits.ptr[0] == '0' && (digits.ptr[1] | 0x20) == 'x';
}

/* Only what a JSON number could hold: strtod would take spaces, "inf", "nan" and hex floats. */
static const char *scan_number(struct slice text, struct number_text *number) {
    struct slice digits = text.len > 0 && text.ptr[0] == '-' ? slice_sub(text, 1, SIZE_MAX) : text;
    if (digits.len == 0 || text.len >= sizeof(number->text) || !is_digit(digits.ptr[0])) {
        return BAD_NUMBER;
    }
    number->base = is_hex_number(digits) ? 16 : 10;
    number->is_whole = true;
    for (size_t i = 0; number->base == 10 && i < digits.len; i++) {
        uint8_t c = digits.ptr[i];
        if (!is_digit(c)) {
            number->is_whole = false;
            if (strchr(".eE+-", c) == NULL || c == '\0') {
                return "non-number characters in number";
            }
        }
    }
    memcpy(number->text, text.ptr, text.len);
    number->text[text.len] = '\0';
    number->len = text.len;
    return NULL;
}

static const char *scan_real(const struct number_text *number, double *value) {
    char *end;
    errno = 0;
    *value = strtod(number->text, &end);
    if (end != number->text + number->len) {
        return BAD_NUMBER;
    }
    return isfinite(*value) ? NULL : OUT_OF_RANGE;
}

static const char *scan_whole_real(const struct number_text *number, double *value) {
    const char *problem = scan_real(number, value);
    if (problem == NULL && *value != floor(*value)) {
        return "expected integer, but JSON number had fractional part";
    }
    return problem;
}

const char *json_parse_signed(struct slice text, int64_t min, int64_t max, int64_t *value) {
    struct number_text number;
    const char *problem = scan_number(text, &number);
    if (problem != NULL) {
        return problem;
    }
    long long parsed;
    if (number.is_whole) {
        char *end;
        errno = 0;
        parsed = strtoll(number.text, &end, number.base);
        if (end != number.text + number.len) {
            return BAD_NUMBER;
        }
        if (errno != 0) {
            return OUT_OF_RANGE;
        }
    } else {
        double real;
        problem = scan_whole_real(&number, &real);
        if (problem != NULL) {
            return problem;
        }
        if (real < -0x1p63 || real >= 0x1p63) {
            return OUT_OF_RANGE;
        }
        parsed = (long long)real;
    }
    if (parsed < min || parsed > max) {
        return OUT_OF_RANGE;
    }
    *value = parsed;
    return NULL;
}

const char *json_parse_unsigned(struct slice text, uint64_t max, uint64_t *value) {
    struct number_text number;
    const char *problem = scan_number(text, &number);
    if (problem != NULL) {
        return problem;
    }
    unsigned long long parsed;
    if (number.is_whole) {
        char *end;
        errno = 0;
        parsed = strtoull(number.text, &end, number.base);
        if (end != number.text + number.len) {
            return BAD_NUMBER;
        }
        /* strtoull negates; "-0" is a zero like any other. */
        if (errno != 0 || (number.text[0] == '-' && parsed != 0)) {
            return OUT_OF_RANGE;
        }
    } else {
        double real;
        problem = scan_whole_real(&number, &real);
        if (problem != NULL) {
            return problem;
        }
        if (real < 0 || real >= 0x1p64) {
            return OUT_OF_RANGE;
        }
        parsed = (unsigned long long)real;
    }
    if (parsed > max) {
        return OUT_OF_RANGE;
    }
    *value = parsed;
    return NULL;
}

const char *json_parse_double(struct slice text, double *value) {
    if (slice_equal(text, SLICE("NaN"))) {
        *value = NAN;
        return NULL;
    }
    if (slice_equal(text, SLICE("Infinity")) || slice_equal(text, SLICE("-Infinity"))) {
        *value = text.ptr[0] == '-' ? -INFINITY : INFINITY;
        return NULL;
    }
    struct number_text number;
    const char *problem = scan_number(text, &number);
    if (problem != NULL) {
        return problem;
    }
    return number.base == 16 ? BAD_NUMBER : scan_real(&number, value);
}

const char *json_parse_bool_text(struct slice text, bool *value) {
    static const char *const TRUE_WORDS[] = {"true", "t", "yes", "y", "1"};
    static const char *const FALSE_WORDS[] = {"false", "f", "no", "n", "0"};
    for (size_t i = 0; i < ARRAY_LEN(TRUE_WORDS); i++) {
        if (slice_equal_nocase(text, slice_from_string(TRUE_WORDS[i]))) {
            *value = true;
            return NULL;
        }
        if (slice_equal_nocase(text, slice_from_string(FALSE_WORDS[i]))) {
            *value = false;
            return NULL;
        }
    }
    return "expected 'true' or 'false'";
}

static int base64_digit(uint8_t c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (is_digit(c)) {
        return c - '0' + 52;
    }
    if (c == '+' || c == '-') {
        return 62;
    }
    return c == '/' || c == '_' ? 63 : -1;
}

const char *json_parse_base64(struct slice text, struct arena *arena, struct slice *bytes) {
    size_t padding = 0;
    while (padding < 2 && text.len > 0 && text.ptr[text.len - 1] == '=') {
        text.len--;
        padding++;
    }
    if (text.len % 4 == 1 || (padding > 0 && (text.len + padding) % 4 != 0)) {
        return "corrupt base64";
    }
    uint8_t *out = arena_alloc_bytes(arena, text.len / 4 * 3 + 3);
    size_t len = 0;
    uint32_t bits = 0;
    unsigned bit_count = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = base64_digit(text.ptr[i]);
        if (digit < 0) {
            return "corrupt base64";
        }
        bits = (bits << 6 | (uint32_t)digit) & 0xffff;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            out[len++] = (uint8_t)(bits >> bit_count);
        }
    }
    *bytes = slice_make(out, len);
    return NULL;
}

/* Takes up to `max` digits off *rest; returns how many there were. */
static size_t take_digits(struct slice *rest, size_t max, int64_t *value) {
    size_t count = 0;
    *value = 0;
    while (count < rest->len && count < max && is_digit(rest->ptr[count])) {
        *value = *value * 10 + (rest->ptr[count] - '0');
        count++;
    }
    *rest = slice_sub(*rest, count, SIZE_MAX);
    return count;
}

static bool take_byte(struct slice *rest, uint8_t byte) {
    if (rest->len == 0 || rest->ptr[0] != byte) {
        return false;
    }
    *rest = slice_sub(*rest, 1, SIZE_MAX);
    return true;
}

/* ".123" as nanoseconds; nothing there is 0. */
static bool take_fraction(struct slice *rest, int32_t *nanos) {
    *nanos = 0;
    if (!take_byte(rest, '.')) {
        return true;
    }
    int64_t value;
    size_t digits = take_digits(rest, NANOS_DIGITS, &value);
    for (size_t i = digits; i < NANOS_DIGITS; i++) {
        value *= 10;
    }
    *nanos = (int32_t)value;
    return digits > 0 && (rest->len == 0 || !is_digit(rest->ptr[0]));
}

const char *json_parse_duration(struct slice text, int64_t *seconds, int32_t *nanos) {
    struct slice rest = text;
    bool is_negative = take_byte(&rest, '-');
    int64_t whole;
    int32_t fraction;
    if (text.len == 0 || text.ptr[text.len - 1] != 's') {
        return "duration must end with a single 's'";
    }
    if (take_digits(&rest, 15, &whole) == 0) {
        return "duration must start with an integer";
    }
    if (whole > MAX_DURATION_SECONDS) {
        return "duration out of range";
    }
    if (!take_fraction(&rest, &fraction)) {
        return "duration had bad nanoseconds";
    }
    if (!slice_equal(rest, SLICE("s"))) {
        return "duration must end with a single 's'";
    }
    *seconds = is_negative ? -whole : whole;
    *nanos = is_negative ? -fraction : fraction;
    return NULL;
}

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar; years begin in March, so that
 * the leap day is the last. */
static int64_t days_of_date(int64_t year, int64_t month, int64_t day) {
    int64_t shifted_year = month <= 2 ? year - 1 : year;
    int64_t era = shifted_year / 400;
    int64_t year_of_era = shifted_year - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_of_days(int64_t days, int64_t *year, int64_t *month, int64_t *day) {
    int64_t shifted = days + 719468;
    int64_t era = shifted / 146097; /* not negative within the range of Timestamp */
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    *day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    *month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    *year = year_of_era + era * 400 + (*month <= 2 ? 1 : 0);
}

static bool take_two(struct slice *rest, uint8_t separator, int64_t max, int64_t *value) {
    if (separator != 0 && !take_byte(rest, separator)) {
        return false;
    }
    return take_digits(rest, 2, value) == 2 && *value <= max;
}

static bool take_date(struct slice *rest, int64_t *days) {
    int64_t year;
    int64_t month;
    int64_t day;
    if (take_digits(rest, 4, &year) != 4 || year == 0 || !take_two(rest, '-', 12, &month) ||
        !take_two(rest, '-', 31, &day) || month == 0 || day == 0) {
        return false;
    }
    *days = days_of_date(year, month, day);
    int64_t back_year;
    int64_t back_month;
    int64_t back_day;
    date_of_days(*days, &back_year, &back_month, &back_day);
    return back_day == day && back_month == month;
}

static bool take_offset(struct slice *rest, int64_t *offset_seconds) {
    *offset_seconds = 0;
    if (take_byte(rest, 'Z')) {
        return true;
    }
    bool is_negative = rest->len > 0 && rest->ptr[0] == '-';
    int64_t hours;
    int64_t minutes;
    if (!take_two(rest, is_negative ? '-' : '+', 23, &hours) ||
        !take_two(rest, ':', 59, &minutes)) {
        return false;
    }
    *offset_seconds = (hours * 3600 + minutes * 60) * (is_negative ? -1 : 1);
    return true;
}

const char *json_parse_timestamp(struct slice text, int64_t *seconds, int32_t *nanos) {
    static const char BAD[] = "expected a timestamp as 2026-01-31T12:00:00Z";
    struct slice rest = text;
    int64_t days;
    int64_t hour;
    int64_t minute;
    int64_t second;
    int64_t offset;
    if (!take_date(&rest, &days) || !take_byte(&rest, 'T') || !take_two(&rest, 0, 23, &hour) ||
        !take_two(&rest, ':', 59, &minute) || !take_two(&rest, ':', 59, &second) ||
        !take_fraction(&rest, nanos) || !take_offset(&rest, &offset) || rest.len > 0) {
        return BAD;
    }
    *seconds = days * 86400 + hour * 3600 + minute * 60 + second - offset;
    if (*seconds < MIN_TIMESTAMP_SECONDS || *seconds > MAX_TIMESTAMP_SECONDS) {
        return "timestamp out of range";
    }
    return NULL;
}

static size_t checked_len(int written) {
    CHECK(written > 0 && written < JSON_SCALAR_TEXT_BYTES);
    return (size_t)written;
}

static size_t format_special(double value, char *out) {
    const char *name = isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
    return checked_len(snprintf(out, JSON_SCALAR_TEXT_BYTES, "%s", name));
}

size_t json_format_double(double value, char *out) {
    if (!isfinite(value)) {
        return format_special(value, out);
    }
    int len = snprintf(out, JSON_SCALAR_TEXT_BYTES, "%.15g", value);
    if (strtod(out, NULL) < value || strtod(out, NULL) > value) {
        len = snprintf(out, JSON_SCALAR_TEXT_BYTES, "%.17g", value);
    }
    return checked_len(len);
}

size_t json_format_float(float value, char *out) {
    if (!isfinite(value)) {
        return format_special((double)value, out);
    }
    int len = snprintf(out, JSON_SCALAR_TEXT_BYTES, "%.6g", (double)value);
    if (strtof(out, NULL) < value || strtof(out, NULL) > value) {
        len = snprintf(out, JSON_SCALAR_TEXT_BYTES, "%.9g", (double)value);
    }
    return checked_len(len);
}

/* ".5" in three, six or nine digits; nothing for 0. */
static void format_fraction(int32_t nanos, char out[16]) {
    if (nanos == 0) {
        out[0] = '\0';
    } else if (nanos % NANOS_PER_MILLI == 0) {
        snprintf(out, 16, ".%03d", nanos / NANOS_PER_MILLI);
    } else if (nanos % 1000 == 0) {
        snprintf(out, 16, ".%06d", nanos / 1000);
    } else {
        snprintf(out, 16, ".%09d", nanos);
    }
}

size_t json_format_duration(int64_t seconds, int32_t nanos, char *out) {
    char fraction[16];
    bool is_negative = seconds < 0 || nanos < 0;
    uint64_t whole = seconds < 0 ? 0 - (uint64_t)seconds : (uint64_t)seconds;
    /* Out of range nanos are cut rather than printed as nonsense. */
    int32_t part = nanos % 1000000000;
    format_fraction(part < 0 ? -part : part, fraction);
    return checked_len(snprintf(out, JSON_SCALAR_TEXT_BYTES, "%s%" PRIu64 "%ss",
                                is_negative ? "-" : "", whole, fraction));
}

size_t json_format_timestamp(int64_t seconds, int32_t nanos, char *out) {
    int64_t bounded = seconds < MIN_TIMESTAMP_SECONDS   ? MIN_TIMESTAMP_SECONDS
                      : seconds > MAX_TIMESTAMP_SECONDS ? MAX_TIMESTAMP_SECONDS
                                                        : seconds;
    int64_t days = bounded / 86400;
    int64_t second = bounded % 86400;
    if (second < 0) {
        second += 86400;
        days--;
    }
    int64_t year;
    int64_t month;
    int64_t day;
    date_of_days(days, &year, &month, &day);
    char fraction[16];
    format_fraction(nanos < 0 || nanos > 999999999 ? 0 : nanos, fraction);
    int len = snprintf(out, JSON_SCALAR_TEXT_BYTES,
                       "%04" PRId64 "-%02" PRId64 "-%02" PRId64 "T%02" PRId64 ":%02" PRId64
                       ":%02" PRId64 "%sZ",
                       year, month, day, second / 3600, second / 60 % 60, second % 60, fraction);
    return checked_len(len);
}
