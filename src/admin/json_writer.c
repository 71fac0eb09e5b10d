// SPDX-License-Identifier: Apache-2.0
#include "src/admin/json_writer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void json_init(struct json_writer *json, struct buffer *out, bool is_indented) {
    *json = (struct json_writer){.out = out, .is_indented = is_indented, .is_empty = true};
}

static void append(struct json_writer *json, const char *text) {
    buffer_append(json->out, slice_from_string(text));
}

static void new_line(struct json_writer *json) {
    static const char spaces[] = "                                ";
    if (!json->is_indented) {
        return;
    }
    append(json, "\n");
    for (unsigned left = json->depth; left > 0;) {
        unsigned step = left < sizeof(spaces) - 1 ? left : (unsigned)sizeof(spaces) - 1;
        buffer_append(json->out, slice_make(spaces, step));
        left -= step;
    }
}

static void begin_value(struct json_writer *json, const char *key) {
    if (!json->is_empty) {
        append(json, ",");
    }
    if (json->depth > 0) {
        new_line(json);
    }
    json->is_empty = false;
    if (key != NULL) {
        append(json, "\"");
        append(json, key);
        append(json, json->is_indented ? "\": " : "\":");
    }
}

static void begin(struct json_writer *json, const char *key, const char *bracket) {
    begin_value(json, key);
    append(json, bracket);
    json->depth++;
    json->is_empty = true;
}

static void end(struct json_writer *json, const char *bracket) {
    json->depth--;
    if (!json->is_empty) {
        new_line(json);
    }
    append(json, bracket);
    json->is_empty = false;
}

void json_begin_object(struct json_writer *json, const char *key) {
    begin(json, key, "{");
}

void json_end_object(struct json_writer *json) {
    end(json, "}");
}

void json_begin_array(struct json_writer *json, const char *key) {
    begin(json, key, "[");
}

void json_end_array(struct json_writer *json) {
    end(json, "]");
}

static void append_escape(struct buffer *out, uint8_t c) {
    static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (size_t i = 0; i + 1 < sizeof(named); i += 2) {
        if ((uint8_t)named[i] == c) {
            char text[2] = {'\\', named[i + 1]};
            buffer_append(out, slice_make(text, sizeof(text)));
            return;
        }
    }
    buffer_append_printf(out, "\\u%04x", c);
}

/* The length of the well-formed character at the front; 0: none. */
static size_t character_len(struct slice text) {
    for (size_t len = 1; len <= 4 && len <= text.len; len++) {
        if (slice_is_utf8(slice_sub(text, 0, len))) {
            return len;
        }
    }
    return 0;
}

void json_append_string(struct buffer *out, struct slice text) {
    bool is_utf8 = slice_is_utf8(text);
    buffer_append(out, SLICE("\""));
    for (size_t start = 0, i = 0; start < text.len; start = i) {
        while (i < text.len && text.ptr[i] >= 0x20 && text.ptr[i] != '"' && text.ptr[i] != '\\' &&
               (text.ptr[i] < 0x80 || is_utf8)) {
            i++;
        }
        buffer_append(out, slice_sub(text, start, i - start));
        if (i == text.len) {
            break;
        }
        size_t len = character_len(slice_sub(text, i, SIZE_MAX));
        if (len > 1) {
            buffer_append(out, slice_sub(text, i, len));
        } else if (len == 1) {
            append_escape(out, text.ptr[i]);
        } else {
            buffer_append(out, SLICE("\xef\xbf\xbd"));
        }
        i += len == 0 ? 1 : len;
    }
    buffer_append(out, SLICE("\""));
}

void json_string(struct json_writer *json, const char *key, struct slice value) {
    begin_value(json, key);
    json_append_string(json->out, value);
}

void json_uint(struct json_writer *json, const char *key, uint64_t value) {
    begin_value(json, key);
    buffer_append_printf(json->out, "%" PRIu64, value);
}

void json_uint_text(struct json_writer *json, const char *key, uint64_t value) {
    begin_value(json, key);
    buffer_append_printf(json->out, "\"%" PRIu64 "\"", value);
}

void json_double(struct json_writer *json, const char *key, double value) {
    char text[DOUBLE_TEXT_BYTES];
    begin_value(json, key);
    buffer_append(json->out, isnan(value) ? SLICE("null") : double_to_text(value, true, text));
}

void json_bool(struct json_writer *json, const char *key, bool value) {
    begin_value(json, key);
    append(json, value ? "true" : "false");
}

void json_document(struct json_writer *json, const char *key, const char *text) {
    struct slice rest = slice_trim(slice_from_string(text));
    struct slice line;
    begin_value(json, key);
    bool is_first = true;
    while (slice_split(&rest, '\n', &line)) {
        if (!is_first) {
            new_line(json);
        }
        is_first = false;
        buffer_append(json->out, line);
    }
}

struct slice double_to_text(double value, bool prefer_short, char text[DOUBLE_TEXT_BYTES]) {
    int len = 0;
    if (isnan(value)) {
        len = snprintf(text, DOUBLE_TEXT_BYTES, "nan");
        return slice_make(text, (size_t)len);
    }
    for (int precision = 1; precision <= 17; precision++) {
        len = snprintf(text, DOUBLE_TEXT_BYTES, "%.*g", precision, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    if (value == floor(value) && fabs(value) < 1e16) {
        char whole[DOUBLE_TEXT_BYTES];
        int whole_len = snprintf(whole, sizeof(whole), "%.0f", value);
        if (!prefer_short || whole_len <= len) {
            memcpy(text, whole, (size_t)whole_len + 1);
            len = whole_len;
        }
    }
    return slice_make(text, (size_t)len);
}
