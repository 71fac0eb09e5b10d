// SPDX-License-Identifier: Apache-2.0
#include "src/access_log/json_text.h"

#include "src/base/check.h"

struct json_reader {
    struct slice source;
    size_t at;
    struct arena *arena;
    uint32_t depth;
};

static bool read_value(struct json_reader *r, struct json_text *value);

static int peek(const struct json_reader *r) {
    return r->at < r->source.len ? r->source.ptr[r->at] : -1;
}

static void skip_space(struct json_reader *r) {
    while (peek(r) == ' ' || peek(r) == '\t' || peek(r) == '\n' || peek(r) == '\r') {
        r->at++;
    }
}

static bool take(struct json_reader *r, char c) {
    skip_space(r);
    if (peek(r) != c) {
        return false;
    }
    r->at++;
    return true;
}

static bool take_word(struct json_reader *r, struct slice word) {
    if (!slice_starts_with(slice_sub(r->source, r->at, SIZE_MAX), word)) {
        return false;
    }
    r->at += word.len;
    return true;
}

static size_t put_utf8(uint8_t *to, uint32_t code) {
    if (code < 0x80) {
        to[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (uint8_t)(0xc0 | code >> 6);
        to[1] = (uint8_t)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (uint8_t)(0xe0 | code >> 12);
        to[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        to[2] = (uint8_t)(0x80 | (code & 0x3f));
        return 3;
    }
    to[0] = (uint8_t)(0xf0 | code >> 18);
    to[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
    to[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
    to[3] = (uint8_t)(0x80 | (code & 0x3f));
    return 4;
}

static bool read_hex4(struct json_reader *r, uint32_t *code) {
    uint64_t number;
    struct slice digits = slice_sub(r->source, r->at, 4);
    if (digits.len != 4 || slice_parse_hex64(digits, &number) != STATUS_OK) {
        return false;
    }
    r->at += 4;
    *code = (uint32_t)number;
    return true;
}

// Behind "\u"; a surrogate must come with its other half.
static bool read_code_point(struct json_reader *r, uint32_t *code) {
    if (!read_hex4(r, code) || (*code >= 0xdc00 && *code <= 0xdfff)) {
        return false;
    }
    if (*code < 0xd800 || *code > 0xdbff) {
        return true;
    }
    uint32_t low;
    if (!take_word(r, SLICE("\\u")) || !read_hex4(r, &low) || low < 0xdc00 || low > 0xdfff) {
        return false;
    }
    *code = 0x10000 + ((*code - 0xd800) << 10 | (low - 0xdc00));
    return true;
}

static bool read_escape(struct json_reader *r, uint8_t *to, size_t *used) {
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    int c = peek(r);
    r->at++;
    if (c == 'u') {
        uint32_t code;
        if (!read_code_point(r, &code)) {
            return false;
        }
        *used += put_utf8(to + *used, code);
        return true;
    }
    const char *name = c <= 0 ? NULL : strchr(names, c);
    if (name == NULL) {
        return false;
    }
    to[(*used)++] = (uint8_t)values[name - names];
    return true;
}

static bool read_string(struct json_reader *r, struct slice *text) {
    if (!take(r, '"')) {
        return false;
    }
    size_t end = r->at;
    while (end < r->source.len && r->source.ptr[end] != '"') {
        end += r->source.ptr[end] == '\\' ? 2 : 1;
    }
    if (end >= r->source.len) {
        return false;
    }
    uint8_t *to = arena_alloc_bytes(r->arena, end - r->at + 4);
    size_t used = 0;
    while (r->at < end) {
        uint8_t c = r->source.ptr[r->at++];
        if (c < 0x20) {
            return false;
        }
        if (c != '\\') {
            to[used++] = c;
        } else if (!read_escape(r, to, &used)) {
            return false;
        }
    }
    r->at = end + 1;
    *text = slice_make(to, used);
    return slice_is_utf8(*text);
}

static size_t skip_digits(struct json_reader *r) {
    size_t start = r->at;
    while (peek(r) >= '0' && peek(r) <= '9') {
        r->at++;
    }
    return r->at - start;
}

static bool read_number(struct json_reader *r) {
    if (peek(r) == '-') {
        r->at++;
    }
    bool is_zero = peek(r) == '0';
    size_t digits = skip_digits(r);
    if (digits == 0 || (is_zero && digits > 1)) {
        return false;
    }
    if (peek(r) == '.') {
        r->at++;
        if (skip_digits(r) == 0) {
            return false;
        }
    }
    if (peek(r) == 'e' || peek(r) == 'E') {
        r->at++;
        if (peek(r) == '+' || peek(r) == '-') {
            r->at++;
        }
        return skip_digits(r) > 0;
    }
    return true;
}

static void add_child(struct json_text *parent, struct json_text **last, struct json_text *child) {
    if (*last == NULL) {
        parent->first = child;
    } else {
        (*last)->next = child;
    }
    *last = child;
    parent->count++;
}

static bool read_member(struct json_reader *r, bool is_object, struct json_text *member) {
    if (is_object && (!read_string(r, &member->key) || !take(r, ':'))) {
        return false;
    }
    return read_value(r, member);
}

static bool read_children(struct json_reader *r, struct json_text *parent, bool is_object) {
    struct json_text *last = NULL;
    char close = is_object ? '}' : ']';
    r->at++;
    if (take(r, close)) {
        return true;
    }
    do {
        struct json_text *child = ARENA_NEW(r->arena, struct json_text);
        if (!read_member(r, is_object, child)) {
            return false;
        }
        add_child(parent, &last, child);
    } while (take(r, ','));
    return take(r, close);
}

static bool read_container(struct json_reader *r, struct json_text *value) {
    bool is_object = peek(r) == '{';
    value->kind = is_object ? JSON_OBJECT : JSON_ARRAY;
    if (++r->depth > JSON_MAX_DEPTH) {
        return false;
    }
    bool is_read = read_children(r, value, is_object);
    r->depth--;
    return is_read;
}

static bool read_word(struct json_reader *r, struct json_text *value) {
    if (take_word(r, SLICE("null"))) {
        value->kind = JSON_NULL;
        return true;
    }
    if (take_word(r, SLICE("true"))) {
        value->kind = JSON_TRUE;
        return true;
    }
    value->kind = JSON_FALSE;
    return take_word(r, SLICE("false"));
}

static bool read_value(struct json_reader *r, struct json_text *value) {
    skip_space(r);
    size_t start = r->at;
    bool is_read;
    int c = peek(r);
    if (c == '{' || c == '[') {
        is_read = read_container(r, value);
    } else if (c == '"') {
        value->kind = JSON_STRING;
        is_read = read_string(r, &value->text);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        value->kind = JSON_NUMBER;
        is_read = read_number(r);
        value->text = slice_sub(r->source, start, r->at - start);
    } else {
        is_read = read_word(r, value);
    }
    value->raw = slice_sub(r->source, start, r->at - start);
    return is_read;
}

enum status json_text_parse(struct slice source, struct arena *arena, struct json_text **root,
                            struct error *err) {
    struct json_reader reader = {.source = source, .arena = arena};
    struct json_text *value = ARENA_NEW(arena, struct json_text);
    bool is_read = read_value(&reader, value);
    skip_space(&reader);
    if (!is_read || reader.at != source.len) {
        return error_set(err, STATUS_INVALID, "invalid JSON at byte %zu", reader.at);
    }
    *root = value;
    return STATUS_OK;
}

const struct json_text *json_text_member(const struct json_text *object, struct slice key) {
    const struct json_text *found = NULL;
    if (object == NULL || object->kind != JSON_OBJECT) {
        return NULL;
    }
    for (const struct json_text *child = object->first; child != NULL; child = child->next) {
        if (slice_equal(child->key, key)) {
            found = child;
        }
    }
    return found;
}
