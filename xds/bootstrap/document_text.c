// SPDX-License-Identifier: Apache-2.0
/*
 * Protobuf's text format as a document (document.h). A field that is given several times becomes one
 * list; the content of an expanded Any is a member whose key is its type URL in brackets.
 */
#include "src/base/check.h"
#include "src/base/hash_map.h"
#include "xds/bootstrap/document.h"

struct text_parser {
    struct slice text;
    size_t at;
    uint32_t line;
    uint32_t depth;
    struct arena *arena;
    struct error *err;
};

static enum status parse_fields(struct text_parser *p, int close, struct document_node *object);

static int peek(const struct text_parser *p) {
    return p->at < p->text.len ? p->text.ptr[p->at] : -1;
}

static enum status fail(struct text_parser *p, const char *what) {
    return error_set(p->err, STATUS_INVALID, "line %u: %s", p->line, what);
}

static void skip_space(struct text_parser *p) {
    bool is_comment = false;
    for (int c = peek(p); c >= 0; c = peek(p)) {
        is_comment = c == '#' || (is_comment && c != '\n');
        bool is_space = c == ' ' || (c >= '\t' && c <= '\r');
        if (!is_comment && !is_space) {
            return;
        }
        p->line += c == '\n' ? 1 : 0;
        p->at++;
    }
}

static bool take(struct text_parser *p, int c) {
    skip_space(p);
    if (peek(p) != c) {
        return false;
    }
    p->at++;
    return true;
}

static bool is_word_byte(int c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '+' || c == '-';
}

static struct slice take_word(struct text_parser *p) {
    size_t start = p->at;
    while (is_word_byte(peek(p))) {
        p->at++;
    }
    return slice_sub(p->text, start, p->at - start);
}

static int digit_of(int c, int base) {
    int value = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : base;
    return value < base ? value : -1;
}

/* Up to `max` digits of an escape as one byte. */
static enum status take_byte_digits(struct text_parser *p, int base, int max, uint8_t *byte) {
    int value = 0;
    int count = 0;
    for (int d = digit_of(peek(p), base); count < max && d >= 0; d = digit_of(peek(p), base)) {
        value = value * base + d;
        count++;
        p->at++;
    }
    if (count == 0 || value > UINT8_MAX) {
        return fail(p, "bad escape in string");
    }
    *byte = (uint8_t)value;
    return STATUS_OK;
}

static enum status take_escape(struct text_parser *p, uint8_t *byte) {
    static const char NAMES[] = "abfnrtv\\'\"?";
    static const char VALUES[] = "\a\b\f\n\r\t\v\\'\"?";
    int c = peek(p);
    if (c >= '0' && c <= '7') {
        return take_byte_digits(p, 8, 3, byte);
    }
    p->at++;
    if (c == 'x' || c == 'X') {
        return take_byte_digits(p, 16, 2, byte);
    }
    const char *found = c > 0 ? strchr(NAMES, c) : NULL;
    if (found == NULL) {
        return fail(p, "bad escape in string");
    }
    *byte = (uint8_t)VALUES[found - NAMES];
    return STATUS_OK;
}

/* One quoted piece, appended to `out`. */
static enum status take_quoted(struct text_parser *p, uint8_t *out, size_t *len) {
    int quote = peek(p);
    p->at++;
    for (int c = peek(p); c != quote; c = peek(p)) {
        if (c < 0 || c == '\n') {
            return fail(p, "string is not closed");
        }
        p->at++;
        uint8_t byte = (uint8_t)c;
        if (c == '\\') {
            TRY(take_escape(p, &byte));
        }
        out[(*len)++] = byte;
    }
    p->at++;
    return STATUS_OK;
}

/* Room for the pieces at the cursor: they never decode to more than lies up to their last quote. */
static size_t quoted_bound(const struct text_parser *p) {
    struct text_parser scan = *p;
    while (peek(&scan) == '"' || peek(&scan) == '\'') {
        int quote = peek(&scan);
        scan.at++;
        while (peek(&scan) >= 0 && peek(&scan) != quote && peek(&scan) != '\n') {
            scan.at += peek(&scan) == '\\' ? 2 : 1;
        }
        scan.at++;
        skip_space(&scan);
    }
    return (scan.at < p->text.len ? scan.at : p->text.len) - p->at;
}

static enum status parse_string(struct text_parser *p, struct document_node *node) {
    uint8_t *out = arena_alloc_bytes(p->arena, quoted_bound(p) + 1);
    size_t len = 0;
    while (peek(p) == '"' || peek(p) == '\'') {
        TRY(take_quoted(p, out, &len));
        skip_space(p);
    }
    node->kind = DOCUMENT_STRING;
    node->text = slice_make(out, len);
    return STATUS_OK;
}

/* Numbers may end in f and be octal; everything else is an identifier, which reads as text. */
static enum status parse_word(struct text_parser *p, struct document_node *node) {
    struct slice word = take_word(p);
    if (word.len == 0) {
        return fail(p, "expected a value");
    }
    bool has_sign = word.ptr[0] == '-';
    struct slice digits = has_sign ? slice_sub(word, 1, SIZE_MAX) : word;
    bool is_number = digits.len > 0 && digit_of(digits.ptr[0], 10) >= 0;
    bool is_hex = digits.len > 1 && digits.ptr[0] == '0' && ascii_lower(digits.ptr[1]) == 'x';
    bool is_float = slice_ends_with_nocase(word, SLICE("f")) && !is_hex;
    node->kind = is_number ? DOCUMENT_NUMBER : DOCUMENT_STRING;
    node->text = is_number && is_float ? slice_sub(word, 0, word.len - 1) : word;
    if (slice_equal_nocase(digits, SLICE("inf")) || slice_equal_nocase(digits, SLICE("infinity"))) {
        node->text = has_sign ? SLICE("-Infinity") : SLICE("Infinity");
    } else if (slice_equal_nocase(digits, SLICE("nan"))) {
        node->text = SLICE("NaN");
    }
    return STATUS_OK;
}

static enum status parse_message(struct text_parser *p, struct document_node *node) {
    int close = peek(p) == '{' ? '}' : '>';
    if (p->depth >= DOCUMENT_MAX_DEPTH) {
        return fail(p, "nested too deep");
    }
    p->at++;
    p->depth++;
    node->kind = DOCUMENT_OBJECT;
    TRY(parse_fields(p, close, node));
    p->depth--;
    return STATUS_OK;
}

static enum status parse_single(struct text_parser *p, struct document_node *node) {
    skip_space(p);
    int c = peek(p);
    if (c == '{' || c == '<') {
        return parse_message(p, node);
    }
    if (c == '"' || c == '\'') {
        return parse_string(p, node);
    }
    return parse_word(p, node);
}

static enum status parse_list(struct text_parser *p, struct document_node *node) {
    node->kind = DOCUMENT_ARRAY;
    if (take(p, ']')) {
        return STATUS_OK;
    }
    do {
        struct document_node *child = document_new(p->arena, DOCUMENT_NULL, p->line);
        TRY(parse_single(p, child));
        document_add(node, child);
    } while (take(p, ','));
    return take(p, ']') ? STATUS_OK : fail(p, "expected ',' or ']'");
}

static enum status parse_key(struct text_parser *p, struct slice *key) {
    size_t start = p->at;
    if (peek(p) != '[') {
        *key = take_word(p);
        return key->len > 0 ? STATUS_OK : fail(p, "expected a field name");
    }
    while (peek(p) >= 0 && peek(p) != ']' && peek(p) != '\n') {
        p->at++;
    }
    if (peek(p) != ']') {
        return fail(p, "expected ']'");
    }
    p->at++;
    *key = slice_sub(p->text, start, p->at - start);
    return STATUS_OK;
}

/* A later occurrence of a field joins the first one's list. */
static void add_field(struct text_parser *p, struct hash_map *seen, struct document_node *object,
                      struct document_node *value) {
    struct document_node *first = hash_map_get(seen, value->key);
    if (first == NULL) {
        (void)hash_map_put(seen, value->key, value);
        document_add(object, value);
        return;
    }
    if (first->kind != DOCUMENT_ARRAY) {
        struct document_node *element = document_new(p->arena, first->kind, first->line);
        *element = *first;
        element->next = NULL;
        first->kind = DOCUMENT_ARRAY;
        first->count = 0;
        first->first = NULL;
        first->last = NULL;
        document_add(first, element);
    }
    if (value->kind != DOCUMENT_ARRAY) {
        document_add(first, value);
        return;
    }
    for (struct document_node *child = value->first; child != NULL;) {
        struct document_node *next = child->next;
        child->next = NULL;
        document_add(first, child);
        child = next;
    }
}

static enum status parse_field(struct text_parser *p, struct hash_map *seen,
                               struct document_node *object) {
    struct slice key = {0};
    struct document_node *value = document_new(p->arena, DOCUMENT_NULL, p->line);
    TRY(parse_key(p, &key));
    bool has_colon = take(p, ':');
    skip_space(p);
    if (!has_colon && peek(p) != '{' && peek(p) != '<') {
        return fail(p, "expected ':'");
    }
    TRY(take(p, '[') ? parse_list(p, value) : parse_single(p, value));
    if (!take(p, ',')) {
        (void)take(p, ';');
    }
    value->key = key;
    add_field(p, seen, object, value);
    return STATUS_OK;
}

static enum status parse_fields_into(struct text_parser *p, int close, struct hash_map *seen,
                                     struct document_node *object) {
    for (;;) {
        skip_space(p);
        if (peek(p) == close) {
            p->at += close < 0 ? 0 : 1;
            return STATUS_OK;
        }
        TRY(parse_field(p, seen, object));
    }
}

static enum status parse_fields(struct text_parser *p, int close, struct document_node *object) {
    struct hash_map seen;
    hash_map_init(&seen);
    enum status status = parse_fields_into(p, close, &seen, object);
    hash_map_deinit(&seen);
    return status;
}

enum status document_parse_text(struct slice text, struct arena *arena,
                                const struct document_node **root, struct error *err) {
    struct text_parser parser = {.text = text, .line = 1, .arena = arena, .err = err};
    struct document_node *node = document_new(arena, DOCUMENT_OBJECT, 1);
    TRY(parse_fields(&parser, -1, node));
    *root = node;
    return STATUS_OK;
}
