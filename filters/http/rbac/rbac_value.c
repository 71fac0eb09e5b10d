// SPDX-License-Identifier: Apache-2.0
/* Values of metadata are scalars, or JSON text for lists. A list is read here one element at a time. */
#include <stdlib.h>
#include <string.h>

#include "filters/http/rbac/rbac.h"

enum { NUMBER_BYTES = 64, ELEMENT_BYTES = 1024 };

static bool parse_number(struct slice text, double *value) {
    char copy[NUMBER_BYTES];
    bool starts_well =
        text.len > 0 && (text.ptr[0] == '-' || (text.ptr[0] >= '0' && text.ptr[0] <= '9'));
    if (!starts_well || text.len >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    char *end;
    *value = strtod(copy, &end);
    return end == copy + text.len;
}

/* One element of a JSON list of scalars. */
struct element {
    bool is_string;
    struct slice text;
    uint8_t storage[ELEMENT_BYTES];
};

static size_t put_utf8(uint8_t *out, uint32_t code) {
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xc0 | (code >> 6));
        out[1] = (uint8_t)(0x80 | (code & 0x3f));
        return 2;
    }
    out[0] = (uint8_t)(0xe0 | (code >> 12));
    out[1] = (uint8_t)(0x80 | ((code >> 6) & 0x3f));
    out[2] = (uint8_t)(0x80 | (code & 0x3f));
    return 3;
}

/* The character after a backslash at `*at`; false for what is no escape or no character by itself. */
static bool take_escape(struct slice list, size_t *at, uint8_t *out, size_t *used) {
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    uint8_t c = *at < list.len ? list.ptr[(*at)++] : 0;
    const char *found = c == 0 ? NULL : strchr(names, c);
    if (found != NULL) {
        out[(*used)++] = (uint8_t)values[found - names];
        return true;
    }
    uint64_t code;
    if (c != 'u' || list.len - *at < 4 ||
        slice_parse_hex64(slice_sub(list, *at, 4), &code) != STATUS_OK ||
        (code >= 0xd800 && code < 0xe000)) {
        return false;
    }
    *at += 4;
    *used += put_utf8(out + *used, (uint32_t)code);
    return true;
}

/* From behind the opening quote; ends behind the closing one. */
static bool take_string(struct slice list, size_t *at, struct element *element) {
    size_t used = 0;
    while (*at < list.len && used + 4 < sizeof(element->storage)) {
        uint8_t c = list.ptr[(*at)++];
        if (c == '"') {
            element->is_string = true;
            element->text = slice_make(element->storage, used);
            return true;
        }
        if (c != '\\') {
            element->storage[used++] = c;
        } else if (!take_escape(list, at, element->storage, &used)) {
            return false;
        }
    }
    return false;
}

static void skip_space(struct slice list, size_t *at) {
    while (*at < list.len && (list.ptr[*at] == ' ' || list.ptr[*at] == '\n' ||
                              list.ptr[*at] == '\r' || list.ptr[*at] == '\t')) {
        (*at)++;
    }
}

/* False at the end of the list, and at anything but a scalar. */
static bool take_element(struct slice list, size_t *at, struct element *element) {
    skip_space(list, at);
    if (*at >= list.len || list.ptr[*at] == ']' || list.ptr[*at] == '[' || list.ptr[*at] == '{') {
        return false;
    }
    if (list.ptr[*at] == '"') {
        (*at)++;
        if (!take_string(list, at, element)) {
            return false;
        }
    } else {
        size_t from = *at;
        while (*at < list.len && list.ptr[*at] != ',' && list.ptr[*at] != ']') {
            (*at)++;
        }
        element->is_string = false;
        element->text = slice_trim(slice_sub(list, from, *at - from));
    }
    skip_space(list, at);
    if (*at < list.len && list.ptr[*at] == ',') {
        (*at)++;
    }
    return true;
}

static bool list_matches(const struct rbac_value_matcher *matcher, struct slice text) {
    if (text.len == 0 || text.ptr[0] != '[') {
        return false;
    }
    struct element element;
    for (size_t at = 1; take_element(text, &at, &element);) {
        if (rbac_value_matches(matcher->children, element.text, element.is_string)) {
            return true;
        }
    }
    return false;
}

static bool is_text(struct slice text, bool is_string, const char *expected) {
    return !is_string && slice_equal(text, slice_from_string(expected));
}

bool rbac_value_matches(const struct rbac_value_matcher *matcher, struct slice text,
                        bool is_string) {
    double number;
    switch (matcher->kind) {
    case RBAC_VALUE_NULL:
        return is_text(text, is_string, "null");
    case RBAC_VALUE_DOUBLE_EXACT:
        return !is_string && parse_number(text, &number) && number >= matcher->start &&
               number <= matcher->start;
    case RBAC_VALUE_DOUBLE_RANGE:
        return !is_string && parse_number(text, &number) && number >= matcher->start &&
               number < matcher->end;
    case RBAC_VALUE_STRING:
        return is_string && string_matcher_matches(&matcher->string, text);
    case RBAC_VALUE_BOOL:
        return is_text(text, is_string, matcher->boolean ? "true" : "false");
    case RBAC_VALUE_PRESENT:
        return matcher->boolean;
    case RBAC_VALUE_LIST:
        return !is_string && list_matches(matcher, text);
    case RBAC_VALUE_OR:
        for (uint32_t i = 0; i < matcher->child_count; i++) {
            if (rbac_value_matches(&matcher->children[i], text, is_string)) {
                return true;
            }
        }
        return false;
    }
    return false;
}
