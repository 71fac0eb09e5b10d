// SPDX-License-Identifier: Apache-2.0
#include "src/base/log_line.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "src/base/check.h"

enum { MAX_WIDTH = 64 };

enum pad_side { PAD_NONE, PAD_LEFT, PAD_RIGHT, PAD_BOTH };

struct pattern_flag {
    char flag;
    enum pad_side pad;
    size_t width;
    bool is_truncated;
};

void log_line_init(struct log_line *line) {
    line->data = line->stack;
    line->len = 0;
    line->capacity = sizeof(line->stack);
}

void log_line_deinit(struct log_line *line) {
    if (line->data != line->stack) {
        mem_free(line->data);
    }
    line->data = line->stack;
}

static void grow(struct log_line *line, size_t needed) {
    size_t capacity = line->capacity * 2;
    while (capacity < needed) {
        capacity *= 2;
    }
    bool is_stack = line->data == line->stack;
    char *data = mem_realloc(is_stack ? NULL : line->data, capacity);
    if (is_stack) {
        memcpy(data, line->stack, line->len);
    }
    line->data = data;
    line->capacity = capacity;
}

void log_line_append(struct log_line *line, struct slice text) {
    if (text.len == 0) {
        return;
    }
    if (text.len > line->capacity - line->len) {
        grow(line, line->len + text.len);
    }
    memcpy(line->data + line->len, text.ptr, text.len);
    line->len += text.len;
}

static void append_byte(struct log_line *line, char byte) {
    log_line_append(line, slice_make(&byte, 1));
}

static void append_format(struct log_line *line, const char *format, ...) PRINTF_LIKE(2, 3);
static void append_format(struct log_line *line, const char *format, ...) {
    char text[64];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len > 0) {
        size_t kept = (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1;
        log_line_append(line, slice_make(text, kept));
    }
}

static void append_one_line(struct log_line *line, struct slice message) {
    size_t at;
    while ((at = slice_find_byte(message, '\n')) != SIZE_MAX) {
        log_line_append(line, slice_make(message.ptr, at));
        log_line_append(line, SLICE("\\n"));
        message = slice_make(message.ptr + at + 1, message.len - at - 1);
    }
    log_line_append(line, message);
}

static void append_json_escaped(struct log_line *line, struct slice message) {
    static const char short_forms[32] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    for (size_t i = 0; i < message.len; i++) {
        uint8_t c = message.ptr[i];
        if (c == '"' || c == '\\') {
            append_byte(line, '\\');
            append_byte(line, (char)c);
        } else if (c >= 0x20) {
            append_byte(line, (char)c);
        } else if (short_forms[c] != '\0') {
            append_byte(line, '\\');
            append_byte(line, short_forms[c]);
        } else {
            append_format(line, "\\u%04x", (unsigned)c);
        }
    }
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* Names are English whatever the locale: log readers parse them. */
static const char *const day_names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                        "Thursday", "Friday", "Saturday"};
static const char *const month_names[] = {"January",   "February", "March",    "April",
                                          "May",       "June",     "July",     "August",
                                          "September", "October",  "November", "December"};

static void append_short_name(struct log_line *line, const char *name) {
    log_line_append(line, slice_make(name, 3));
}

static bool append_date_flag(struct log_line *line, char flag, const struct tm *local) {
    switch (flag) {
    case 'a':
        append_short_name(line, day_names[local->tm_wday]);
        return true;
    case 'A':
        log_line_append(line, slice_from_string(day_names[local->tm_wday]));
        return true;
    case 'b':
    case 'h':
        append_short_name(line, month_names[local->tm_mon]);
        return true;
    case 'B':
        log_line_append(line, slice_from_string(month_names[local->tm_mon]));
        return true;
    case 'Y':
        append_format(line, "%d", local->tm_year + 1900);
        return true;
    case 'C':
        append_format(line, "%02d", local->tm_year % 100);
        return true;
    case 'm':
        append_format(line, "%02d", local->tm_mon + 1);
        return true;
    case 'd':
        append_format(line, "%02d", local->tm_mday);
        return true;
    case 'D':
    case 'x':
        append_format(line, "%02d/%02d/%02d", local->tm_mon + 1, local->tm_mday,
                      local->tm_year % 100);
        return true;
    case 'c':
        append_date_flag(line, 'a', local);
        append_byte(line, ' ');
        append_date_flag(line, 'b', local);
        append_format(line, " %d %02d:%02d:%02d %d", local->tm_mday, local->tm_hour, local->tm_min,
                      local->tm_sec, local->tm_year + 1900);
        return true;
    default:
        return false;
    }
}

static bool append_hour_flag(struct log_line *line, char flag, const struct tm *local) {
    int half_day_hour = local->tm_hour % 12 == 0 ? 12 : local->tm_hour % 12;
    const char *half_day = local->tm_hour < 12 ? "AM" : "PM";
    switch (flag) {
    case 'H':
        append_format(line, "%02d", local->tm_hour);
        return true;
    case 'I':
        append_format(line, "%02d", half_day_hour);
        return true;
    case 'M':
        append_format(line, "%02d", local->tm_min);
        return true;
    case 'S':
        append_format(line, "%02d", local->tm_sec);
        return true;
    case 'p':
        append_format(line, "%s", half_day);
        return true;
    case 'r':
        append_format(line, "%02d:%02d:%02d %s", half_day_hour, local->tm_min, local->tm_sec,
                      half_day);
        return true;
    case 'R':
        append_format(line, "%02d:%02d", local->tm_hour, local->tm_min);
        return true;
    case 'T':
    case 'X':
        append_format(line, "%02d:%02d:%02d", local->tm_hour, local->tm_min, local->tm_sec);
        return true;
    case 'z': {
        long minutes = local->tm_gmtoff / 60;
        long size = minutes < 0 ? -minutes : minutes;
        append_format(line, "%c%02ld:%02ld", minutes < 0 ? '-' : '+', size / 60, size % 60);
        return true;
    }
    default:
        return false;
    }
}

static bool append_instant_flag(struct log_line *line, char flag, const struct log_record *record) {
    unsigned long long elapsed_ns = record->elapsed_ns;
    switch (flag) {
    case 'e':
        append_format(line, "%03u", record->wall_ns / 1000000);
        return true;
    case 'f':
        append_format(line, "%06u", record->wall_ns / 1000);
        return true;
    case 'F':
        append_format(line, "%09u", record->wall_ns);
        return true;
    case 'E':
        append_format(line, "%lld", (long long)record->wall_s);
        return true;
    case 'u':
        append_format(line, "%llu", elapsed_ns);
        return true;
    case 'i':
        append_format(line, "%llu", elapsed_ns / 1000);
        return true;
    case 'o':
        append_format(line, "%llu", elapsed_ns / 1000000);
        return true;
    case 'O':
        append_format(line, "%llu", elapsed_ns / 1000000000);
        return true;
    default:
        return false;
    }
}

static bool append_message_flag(struct log_line *line, char flag, const struct log_record *record) {
    switch (flag) {
    case 'v':
        log_line_append(line, record->message);
        return true;
    case '_':
        append_one_line(line, record->message);
        return true;
    case 'j':
    case '+':
        append_json_escaped(line, record->message);
        return true;
    case '*': // tags: messages carry none
    case '!': // function: places are told by file and line
    case '^': // colours: never
    case '$':
        return true;
    case '%':
        append_byte(line, '%');
        return true;
    default:
        return false;
    }
}

static bool append_origin_flag(struct log_line *line, char flag, const struct log_record *record) {
    switch (flag) {
    case 'n':
        log_line_append(line, slice_from_string(record->component));
        return true;
    case 'l':
        log_line_append(line, slice_from_string(record->level));
        return true;
    case 'L':
        append_byte(line, (char)(record->level[0] - 'a' + 'A'));
        return true;
    case 'N':
        log_line_append(line, slice_from_string(record->version));
        return true;
    case 't':
        append_format(line, "%d", (int)gettid());
        return true;
    case 'P':
        append_format(line, "%d", (int)getpid());
        return true;
    case 's':
        log_line_append(line, slice_from_string(base_name(record->file)));
        return true;
    case 'g':
        log_line_append(line, slice_from_string(record->file));
        return true;
    case '#':
        append_format(line, "%d", record->line);
        return true;
    case '@':
        log_line_append(line, slice_from_string(record->file));
        append_format(line, ":%d", record->line);
        return true;
    default:
        return false;
    }
}

// Parses what follows a '%': [-|=][width][!]flag. Returns the position after it.
static const char *parse_flag(const char *at, struct pattern_flag *parsed) {
    *parsed = (struct pattern_flag){.pad = PAD_NONE};
    enum pad_side side = PAD_LEFT;
    if (*at == '-' || *at == '=') {
        side = *at == '-' ? PAD_RIGHT : PAD_BOTH;
        at++;
    }
    if (*at >= '0' && *at <= '9') {
        for (; *at >= '0' && *at <= '9'; at++) {
            size_t width = parsed->width * 10 + (size_t)(*at - '0');
            parsed->width = width < MAX_WIDTH ? width : MAX_WIDTH;
        }
        parsed->pad = side;
        if (*at == '!' && at[1] != '\0') {
            parsed->is_truncated = true;
            at++;
        }
    }
    parsed->flag = *at;
    return *at == '\0' ? at : at + 1;
}

// Brings what was appended from `start` on to the flag's width.
static void pad(struct log_line *line, size_t start, const struct pattern_flag *flag) {
    size_t len = line->len - start;
    if (len >= flag->width) {
        line->len = flag->is_truncated ? start + flag->width : line->len;
        return;
    }
    size_t missing = flag->width - len;
    size_t before = flag->pad == PAD_LEFT ? missing : 0;
    before = flag->pad == PAD_BOTH ? missing / 2 : before;
    char spaces[MAX_WIDTH];
    memset(spaces, ' ', sizeof(spaces));
    log_line_append(line, slice_make(spaces, missing));
    memmove(line->data + start + before, line->data + start, len);
    memset(line->data + start, ' ', before);
    memset(line->data + start + before + len, ' ', missing - before);
}

void log_line_format(struct log_line *line, const char *pattern, const struct log_record *record) {
    struct tm local;
    time_t seconds = (time_t)record->wall_s;
    localtime_r(&seconds, &local);
    const char *at = pattern;
    while (*at != '\0') {
        const char *percent = strchrnul(at, '%');
        log_line_append(line, slice_make(at, (size_t)(percent - at)));
        if (*percent == '\0') {
            return;
        }
        struct pattern_flag flag;
        at = parse_flag(percent + 1, &flag);
        size_t start = line->len;
        if (append_message_flag(line, flag.flag, record) ||
            append_origin_flag(line, flag.flag, record) ||
            append_date_flag(line, flag.flag, &local) ||
            append_hour_flag(line, flag.flag, &local) ||
            append_instant_flag(line, flag.flag, record)) {
            if (flag.pad != PAD_NONE) {
                pad(line, start, &flag);
            }
        } else {
            log_line_append(line, slice_make(percent, (size_t)(at - percent)));
        }
    }
}

static void append_c_escaped(struct log_line *line, uint8_t c) {
    static const char short_forms[128] = {
        ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't', ['"'] = '"', ['\''] = '\'', ['\\'] = '\\'};
    if (c < sizeof(short_forms) && short_forms[c] != '\0') {
        append_byte(line, '\\');
        append_byte(line, short_forms[c]);
    } else if (c < 0x20 || c >= 0x7f) {
        append_format(line, "\\%03o", (unsigned)c);
    } else {
        append_byte(line, (char)c);
    }
}

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

void log_line_escape(struct log_line *line) {
    size_t text_len = line->len;
    while (text_len > 0 && is_space(line->data[text_len - 1])) {
        text_len--;
    }
    struct log_line escaped;
    log_line_init(&escaped);
    for (size_t i = 0; i < text_len; i++) {
        append_c_escaped(&escaped, (uint8_t)line->data[i]);
    }
    log_line_append(&escaped, slice_make(line->data + text_len, line->len - text_len));
    line->len = 0;
    log_line_append(line, slice_make(escaped.data, escaped.len));
    log_line_deinit(&escaped);
}
