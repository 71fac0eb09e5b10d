// SPDX-License-Identifier: Apache-2.0
#include "filters/http/jwt_authn/jwt_json.h"

#include <math.h>
#include <stdlib.h>

static bool is_shallow(struct slice text) {
    uint32_t depth = 0;
    bool is_string = false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (is_string) {
            i += c == '\\' ? 1 : 0;
            is_string = c != '"';
        } else if (c == '"') {
            is_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JWT_JSON_MAX_DEPTH) {
                return false;
            }
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return true;
}

json_t *jwt_json_object(struct slice text, size_t max_bytes) {
    if (text.len == 0 || text.len > max_bytes || !is_shallow(text)) {
        return NULL;
    }
    json_error_t err;
    size_t flags = JSON_REJECT_DUPLICATES;
    json_t *root = json_loadb((const char *)text.ptr, text.len, flags, &err);
    if (root == NULL && json_error_code(&err) == json_error_numeric_overflow) {
        flags |= JSON_DECODE_INT_AS_REAL; // a number all the same, as to other readers
        root = json_loadb((const char *)text.ptr, text.len, flags, &err);
    }
    if (root != NULL && !json_is_object(root)) {
        json_decref(root);
        return NULL;
    }
    return root;
}

struct slice jwt_json_text(const json_t *string) {
    return json_is_string(string)
               ? slice_make(json_string_value(string), json_string_length(string))
               : SLICE("");
}

struct slice jwt_json_write(const json_t *value, struct arena *arena) {
    double number = json_is_real(value) ? json_real_value(value) : 0.5;
    if (fabs(number) < 9007199254740992.0 && trunc(number) == number) {
        return arena_printf(arena, "%.0f", number); // 1.0 and 1 are one number to all readers
    }
    size_t flags = JSON_COMPACT | JSON_ENCODE_ANY;
    size_t len = json_dumpb(value, NULL, 0, flags);
    uint8_t *text = arena_alloc_bytes(arena, len + 1);
    return slice_make(text, json_dumpb(value, (char *)text, len, flags));
}

static int digit_of(uint8_t c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

static struct slice without_padding(struct slice text) {
    if (text.len % 4 == 0 && slice_ends_with(text, SLICE("="))) {
        text.len -= slice_ends_with(text, SLICE("==")) ? 2 : 1;
    }
    return text;
}

enum status jwt_base64url(struct slice text, struct arena *arena, struct slice *bytes) {
    text = without_padding(text);
    if (text.len % 4 == 1) {
        return STATUS_INVALID;
    }
    uint8_t *out = arena_alloc_bytes(arena, text.len * 3 / 4 + 1);
    size_t len = 0;
    uint32_t bits = 0;
    unsigned count = 0;
    for (size_t i = 0; i < text.len; i++) {
        int digit = digit_of(text.ptr[i]);
        if (digit < 0) {
            return STATUS_INVALID;
        }
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out[len++] = (uint8_t)(bits >> count);
            bits &= (1u << count) - 1;
        }
    }
    if (bits != 0) {
        return STATUS_INVALID;
    }
    *bytes = slice_make(out, len);
    return STATUS_OK;
}
