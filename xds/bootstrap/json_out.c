// SPDX-License-Identifier: Apache-2.0
#include "xds/bootstrap/json_out.h"

#include <stdio.h>

#include "src/base/check.h"

struct code_point_range {
    uint32_t first, last;
};

/* Written as \u escapes: controls, invisible and direction characters, and what HTML gives meaning. */
static const struct code_point_range ESCAPED[] = {
    {0x00, 0x1f},       {'<', '<'},         {'>', '>'},         {0x7f, 0x9f},
    {0xad, 0xad},       {0x600, 0x605},     {0x61c, 0x61c},     {0x6dd, 0x6dd},
    {0x70f, 0x70f},     {0x17b4, 0x17b5},   {0x180e, 0x180e},   {0x200b, 0x200f},
    {0x2028, 0x202e},   {0x2060, 0x2064},   {0x2066, 0x206f},   {0xfeff, 0xfeff},
    {0xfff9, 0xfffb},   {0x110bd, 0x110bd}, {0x1d173, 0x1d17a}, {0xe0001, 0xe0001},
    {0xe0020, 0xe007f},
};

void json_out_init(struct json_out *out, proto_json_sink_fn *sink, void *arg, bool is_pretty) {
    out->sink = sink;
    out->sink_arg = arg;
    out->len = 0;
    out->level = 0;
    out->is_pretty = is_pretty;
    out->is_first = true;
}

void json_out_flush(struct json_out *out) {
    if (out->len > 0) {
        out->sink(out->sink_arg, slice_make(out->text, out->len));
        out->len = 0;
    }
}

void json_out_raw(struct json_out *out, struct slice text) {
    if (text.len > sizeof(out->text) - out->len) {
        json_out_flush(out);
    }
    if (text.len > sizeof(out->text)) {
        out->sink(out->sink_arg, text);
    } else if (text.len > 0) {
        memcpy(out->text + out->len, text.ptr, text.len);
        out->len += text.len;
    }
}

static void out_char(struct json_out *out, char c) {
    json_out_raw(out, slice_make(&c, 1));
}

static bool is_escaped(uint32_t c) {
    for (size_t i = 0; i < ARRAY_LEN(ESCAPED); i++) {
        if (c >= ESCAPED[i].first && c <= ESCAPED[i].last) {
            return true;
        }
    }
    return false;
}

static void out_escape_unit(struct json_out *out, uint32_t unit) {
    char text[16];
    int len = snprintf(text, sizeof(text), "\\u%04x", unit & 0xffff);
    json_out_raw(out, slice_make(text, (size_t)len));
}

static void out_escape(struct json_out *out, uint32_t c) {
    static const char NAMED[] = "\b\f\n\r\t";
    static const char LETTERS[] = "bfnrt";
    const char *named = c != 0 && c < 0x20 ? strchr(NAMED, (int)c) : NULL;
    if (named != NULL) {
        out_char(out, '\\');
        out_char(out, LETTERS[named - NAMED]);
    } else if (c >= 0x10000) {
        out_escape_unit(out, 0xd800 + ((c - 0x10000) >> 10));
        out_escape_unit(out, 0xdc00 + ((c - 0x10000) & 0x3ff));
    } else {
        out_escape_unit(out, c);
    }
}

/* Length of the sequence at the start of `text` and its code point; what is no UTF-8 (bytes of a Struct
 * of ours never are) counts as one byte of U+FFFD. */
static size_t decode_utf8(struct slice text, uint32_t *code_point) {
    uint8_t lead = text.ptr[0];
    size_t len = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (!slice_is_utf8(slice_sub(text, 0, len)) || text.len < len) {
        *code_point = 0xfffd;
        return 1;
    }
    static const uint8_t LEAD_MASK[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t value = lead & LEAD_MASK[len];
    for (size_t i = 1; i < len; i++) {
        value = value << 6 | (text.ptr[i] & 0x3fU);
    }
    *code_point = value;
    return len;
}

static bool is_plain(uint8_t c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>';
}

static size_t out_special(struct json_out *out, struct slice rest) {
    uint32_t code_point;
    if (rest.ptr[0] == '"' || rest.ptr[0] == '\\') {
        out_char(out, '\\');
        out_char(out, (char)rest.ptr[0]);
        return 1;
    }
    size_t len = decode_utf8(rest, &code_point);
    if (code_point == 0xfffd && len == 1) {
        json_out_raw(out, SLICE("\xef\xbf\xbd"));
    } else if (is_escaped(code_point)) {
        out_escape(out, code_point);
    } else {
        json_out_raw(out, slice_sub(rest, 0, len));
    }
    return len;
}

void json_out_string(struct json_out *out, struct slice text) {
    out_char(out, '"');
    size_t at = 0;
    while (at < text.len) {
        size_t start = at;
        while (at < text.len && is_plain(text.ptr[at])) {
            at++;
        }
        json_out_raw(out, slice_sub(text, start, at - start));
        if (at < text.len) {
            at += out_special(out, slice_sub(text, at, SIZE_MAX));
        }
    }
    out_char(out, '"');
}

void json_out_base64(struct json_out *out, struct slice bytes) {
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out_char(out, '"');
    for (size_t at = 0; at < bytes.len; at += 3) {
        size_t count = bytes.len - at < 3 ? bytes.len - at : 3;
        uint32_t bits = (uint32_t)bytes.ptr[at] << 16;
        bits |= count > 1 ? (uint32_t)bytes.ptr[at + 1] << 8 : 0;
        bits |= count > 2 ? bytes.ptr[at + 2] : 0;
        char quad[4] = {DIGITS[bits >> 18], DIGITS[bits >> 12 & 0x3f],
                        count > 1 ? DIGITS[bits >> 6 & 0x3f] : '=',
                        count > 2 ? DIGITS[bits & 0x3f] : '='};
        json_out_raw(out, slice_make(quad, sizeof(quad)));
    }
    out_char(out, '"');
}

static void out_line_break(struct json_out *out) {
    if (!out->is_pretty) {
        return;
    }
    out_char(out, '\n');
    for (uint32_t i = 0; i < out->level; i++) {
        out_char(out, ' ');
    }
}

void json_out_begin(struct json_out *out, char bracket) {
    out_char(out, bracket);
    out->level++;
    out->is_first = true;
}

void json_out_end(struct json_out *out, char bracket) {
    out->level--;
    if (!out->is_first) {
        out_line_break(out);
    }
    out_char(out, bracket);
    out->is_first = false;
}

void json_out_element(struct json_out *out) {
    if (!out->is_first) {
        out_char(out, ',');
    }
    out->is_first = false;
    out_line_break(out);
}

void json_out_key(struct json_out *out, struct slice key) {
    json_out_element(out);
    json_out_string(out, key);
    json_out_raw(out, out->is_pretty ? SLICE(": ") : SLICE(":"));
}
