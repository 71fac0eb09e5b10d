// SPDX-License-Identifier: Apache-2.0
#include "src/access_log/log_time.h"

#include <stdio.h>
#include <time.h>

#include "src/base/check.h"

enum { US_PER_SECOND = 1000000, RFC3339_LEN = 20, NANO_DIGITS = 9 };

struct time_writer {
    char *text;
    size_t used;
    size_t capacity;
    struct tm tm;
    uint64_t seconds;
    uint32_t micros;
    bool is_local;
};

static void put(struct time_writer *w, const char *text, size_t len) {
    size_t room = w->capacity - w->used;
    len = len < room ? len : room;
    memcpy(w->text + w->used, text, len);
    w->used += len;
}

static char *put_digits(char *at, uint32_t value, int digits) {
    for (int i = digits - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + digits;
}

// The line of every request: no format is read for it.
static void put_default(struct time_writer *w) {
    char text[] = "0000-00-00T00:00:00.000Z";
    put_digits(text, (uint32_t)(w->tm.tm_year + 1900), 4);
    put_digits(text + 5, (uint32_t)(w->tm.tm_mon + 1), 2);
    put_digits(text + 8, (uint32_t)w->tm.tm_mday, 2);
    put_digits(text + 11, (uint32_t)w->tm.tm_hour, 2);
    put_digits(text + 14, (uint32_t)w->tm.tm_min, 2);
    put_digits(text + 17, (uint32_t)w->tm.tm_sec, 2);
    put_digits(text + 20, w->micros / 1000, 3);
    put(w, text, sizeof(text) - 1);
}

static void put_fraction(struct time_writer *w, size_t digits) {
    char text[NANO_DIGITS];
    put_digits(text, w->micros * 1000, NANO_DIGITS);
    put(w, text, digits < sizeof(text) ? digits : sizeof(text));
}

// Seconds with all significant digits of the fraction, none and no point where it is zero.
static void put_trimmed_seconds(struct time_writer *w) {
    char text[2 + 1 + 6];
    put_digits(text, (uint32_t)w->tm.tm_sec, 2);
    text[2] = '.';
    put_digits(text + 3, w->micros, 6);
    size_t len = sizeof(text);
    while (text[len - 1] == '0' && len > 3) {
        len--;
    }
    put(w, text, len == 3 ? 2 : len);
}

static void put_offset(struct time_writer *w, bool has_colon, bool has_seconds) {
    long offset = w->is_local ? w->tm.tm_gmtoff : 0;
    uint32_t amount = (uint32_t)(offset < 0 ? -offset : offset);
    char text[sizeof("+00:00:00")];
    char *at = text;
    *at++ = offset < 0 ? '-' : '+';
    at = put_digits(at, amount / 3600, 2);
    if (has_colon) {
        *at++ = ':';
    }
    at = put_digits(at, amount / 60 % 60, 2);
    if (has_seconds) {
        *at++ = ':';
        at = put_digits(at, amount % 60, 2);
    }
    put(w, text, (size_t)(at - text));
}

static void put_number(struct time_writer *w, uint64_t number) {
    char text[32];
    int len = snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    put(w, text, (size_t)len);
}

// The conversions whose text strftime would take from elsewhere. False: not one of them.
static bool put_own(struct time_writer *w, char c) {
    switch (c) {
    case 'f':
        put_fraction(w, NANO_DIGITS);
        return true;
    case 's':
        put_number(w, w->seconds);
        return true;
    case 'z':
        put_offset(w, false, false);
        return true;
    case 'Z':
        if (w->is_local) {
            return false;
        }
        put(w, "UTC", 3);
        return true;
    case '%':
        put(w, "%", 1);
        return true;
    default:
        return false;
    }
}

// absl's "%E…"; returns how many bytes of `spec` (behind the '%') were understood, 0: none.
static size_t put_extended(struct time_writer *w, struct slice spec) {
    if (slice_starts_with(spec, SLICE("E*S"))) {
        put_trimmed_seconds(w);
        return 3;
    }
    if (slice_starts_with(spec, SLICE("E*f"))) {
        put_fraction(w, 6);
        return 3;
    }
    if (slice_starts_with(spec, SLICE("E*z"))) {
        put_offset(w, true, true);
        return 3;
    }
    if (slice_starts_with(spec, SLICE("Ez"))) {
        put_offset(w, true, false);
        return 2;
    }
    if (slice_starts_with(spec, SLICE("E4Y"))) {
        put_number(w, (uint64_t)(w->tm.tm_year + 1900));
        return 3;
    }
    bool has_digit =
        spec.len >= 3 && spec.ptr[0] == 'E' && spec.ptr[1] >= '0' && spec.ptr[1] <= '9';
    if (has_digit && spec.ptr[2] == 'S') {
        char text[2];
        put_digits(text, (uint32_t)w->tm.tm_sec, 2);
        put(w, text, sizeof(text));
        put(w, ".", spec.ptr[1] == '0' ? 0 : 1);
        put_fraction(w, (size_t)(spec.ptr[1] - '0'));
        return 3;
    }
    if (has_digit && spec.ptr[2] == 'f') {
        put_fraction(w, (size_t)(spec.ptr[1] - '0'));
        return 3;
    }
    return 0;
}

static void put_strftime(struct time_writer *w, char c) {
    // The leading space tells an empty result ("%p" in some locales) from one that did not fit.
    char format[] = {' ', '%', c, '\0'};
    char text[128];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    size_t len = strftime(text, sizeof(text), format, &w->tm);
#pragma GCC diagnostic pop
    if (len > 0) {
        put(w, text + 1, len - 1);
    }
}

// `spec` begins behind a '%'; returns how much of it was used.
static size_t put_conversion(struct time_writer *w, struct slice spec) {
    if (spec.len == 0) {
        put(w, "%", 1);
        return 0;
    }
    char c = (char)spec.ptr[0];
    if (c >= '1' && c <= '9' && spec.len >= 2 && spec.ptr[1] == 'f') {
        put_fraction(w, (size_t)(c - '0'));
        return 2;
    }
    size_t used = put_extended(w, spec);
    if (used > 0 || put_own(w, c)) {
        return used > 0 ? used : 1;
    }
    bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!is_letter || c == 'E' || c == 'O') {
        put(w, "%", 1);
        return 0;
    }
    put_strftime(w, c);
    return 1;
}

// gmtime_r takes the process's time zone lock, and with it all other workers. Days to date as in the
// proleptic Gregorian calendar, eras of 400 years that begin in March.
static void split_utc(uint64_t seconds, struct tm *tm) {
    enum { DAYS_PER_ERA = 146097, EPOCH_DAYS = 719468 };
    uint64_t days = seconds / 86400;
    uint32_t of_day = (uint32_t)(seconds % 86400);
    uint64_t shifted = days + EPOCH_DAYS;
    uint32_t of_era = (uint32_t)(shifted % DAYS_PER_ERA);
    uint32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint32_t of_year = of_era - (365 * year + year / 4 - year / 100);
    uint32_t month = (5 * of_year + 2) / 153; // 0: March
    tm->tm_mday = (int)(of_year - (153 * month + 2) / 5 + 1);
    tm->tm_mon = (int)(month < 10 ? month + 2 : month - 10);
    tm->tm_year = (int)(year + shifted / DAYS_PER_ERA * 400 + (month >= 10 ? 1 : 0)) - 1900;
    tm->tm_hour = (int)(of_day / 3600);
    tm->tm_min = (int)(of_day / 60 % 60);
    tm->tm_sec = (int)(of_day % 60);
}

size_t log_time_format(struct slice format, uint64_t wall_us, bool is_local, char *text,
                       size_t capacity) {
    struct time_writer w = {
        .text = text,
        .capacity = capacity,
        .seconds = wall_us / US_PER_SECOND,
        .micros = (uint32_t)(wall_us % US_PER_SECOND),
        .is_local = is_local,
    };
    time_t seconds = (time_t)w.seconds;
    if (format.len == 0 && !is_local) {
        split_utc(w.seconds, &w.tm);
        put_default(&w);
        return w.used;
    }
    if (is_local) {
        localtime_r(&seconds, &w.tm);
    } else {
        gmtime_r(&seconds, &w.tm);
    }
    if (format.len == 0) {
        put_default(&w);
        return w.used;
    }
    for (size_t i = 0; i < format.len; i++) {
        if (format.ptr[i] == '%') {
            i += put_conversion(&w, slice_sub(format, i + 1, SIZE_MAX));
        } else {
            put(&w, (const char *)format.ptr + i, 1);
        }
    }
    return w.used;
}

bool log_time_has_newline(struct slice format) {
    for (size_t i = 0; i < format.len; i++) {
        if (format.ptr[i] != '%') {
            continue;
        }
        size_t at = i + 1;
        while (at < format.len && memchr("-_0^#", format.ptr[at], 5) != NULL) {
            at++;
        }
        while (at < format.len && format.ptr[at] >= '1' && format.ptr[at] <= '9') {
            at++;
        }
        if (at < format.len && (format.ptr[at] == 'E' || format.ptr[at] == 'O')) {
            at++;
        }
        if (at < format.len && format.ptr[at] == 'n') {
            return true;
        }
    }
    return false;
}

static bool read_digits(struct slice text, size_t at, size_t len, int *value) {
    uint64_t number;
    if (slice_parse_uint64(slice_sub(text, at, len), &number) != STATUS_OK) {
        return false;
    }
    *value = (int)number;
    return true;
}

bool log_time_parse_rfc3339(struct slice text, uint64_t *wall_us) {
    struct tm tm = {0};
    bool is_read = text.len >= RFC3339_LEN && read_digits(text, 0, 4, &tm.tm_year) &&
                   read_digits(text, 5, 2, &tm.tm_mon) && read_digits(text, 8, 2, &tm.tm_mday) &&
                   read_digits(text, 11, 2, &tm.tm_hour) && read_digits(text, 14, 2, &tm.tm_min) &&
                   read_digits(text, 17, 2, &tm.tm_sec);
    if (!is_read) {
        return false;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    time_t seconds = timegm(&tm);
    if (seconds < 0) {
        return false;
    }
    *wall_us = (uint64_t)seconds * US_PER_SECOND;
    return true;
}
