// SPDX-License-Identifier: Apache-2.0
/* The JSON half of document.h: RFC 8259 with the leniency that Envoy's parser has. */
#include "src/base/check.h"
#include "xds/bootstrap/document.h"

struct json_parser {
    struct slice text;
    size_t at;
    uint32_t line;
    size_t line_start;
    uint32_t depth;
    struct arena *arena;
    struct error *err;
};

static enum status parse_value(struct json_parser *p, struct document_node **out);

#define JSON_FAIL(p, format, ...)                                                                  \
    error_set((p)->err, STATUS_INVALID, "near %u:%zu: " format, (p)->line,                         \
              (p)->at - (p)->line_start + 1, __VA_ARGS__)

static int peek(const struct json_parser *p) {
    return p->at < p->text.len ? p->text.ptr[p->at] : -1;
}

static void skip_space(struct json_parser *p) {
    for (int c = peek(p); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = peek(p)) {
        p->at++;
        if (c == '\n') {
            p->line++;
            p->line_start = p->at;
        }
    }
}

static enum status fail_unexpected(struct json_parser *p, const char *expected) {
    int c = peek(p);
    if (c < 0) {
        return error_set(p->err, STATUS_INVALID, "unexpected EOF; expected %s", expected);
    }
    if (c < 0x20 || c >= 0x7f) {
        return JSON_FAIL(p, "unexpected character: 0x%02x; expected %s", (unsigned)c, expected);
    }
    return JSON_FAIL(p, "unexpected character: '%c'; expected %s", c, expected);
}

static enum status parse_hex4(struct json_parser *p, uint32_t *value) {
    uint64_t parsed = 0;
    struct slice digits = slice_sub(p->text, p->at, 4);
    if (digits.len != 4 || slice_parse_hex64(digits, &parsed) != STATUS_OK) {
        return JSON_FAIL(p, "%s", "\\u needs four hexadecimal digits");
    }
    p->at += 4;
    *value = (uint32_t)parsed;
    return STATUS_OK;
}

static enum status parse_unicode_escape(struct json_parser *p, uint32_t *code_point) {
    uint32_t high;
    TRY(parse_hex4(p, &high));
    if (high == 0) {
        return JSON_FAIL(p, "%s", "string holds a NUL character");
    }
    if (high < 0xd800 || high > 0xdfff) {
        *code_point = high;
        return STATUS_OK;
    }
    uint32_t low = 0;
    if (high <= 0xdbff && slice_equal(slice_sub(p->text, p->at, 2), SLICE("\\u"))) {
        p->at += 2;
        TRY(parse_hex4(p, &low));
    }
    if (low < 0xdc00 || low > 0xdfff) {
        return JSON_FAIL(p, "%s", "unpaired surrogate in string");
    }
    *code_point = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    return STATUS_OK;
}

static size_t put_utf8(uint8_t *out, uint32_t c) {
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xc0 | (c >> 6));
        out[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (uint8_t)(0xe0 | (c >> 12));
        out[1] = (uint8_t)(0x80 | ((c >> 6) & 0x3f));
        out[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | (c >> 18));
    out[1] = (uint8_t)(0x80 | ((c >> 12) & 0x3f));
    out[2] = (uint8_t)(0x80 | ((c >> 6) & 0x3f));
    out[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}

static enum status parse_escape(struct json_parser *p, uint8_t *out, size_t *len) {
    static const char NAMES[] = "\"\\/'bfnrt";
    static const char VALUES[] = "\"\\/'\b\f\n\r\t";
    int c = peek(p);
    if (c == 'u') {
        uint32_t code_point = 0;
        p->at++;
        TRY(parse_unicode_escape(p, &code_point));
        *len += put_utf8(out + *len, code_point);
        return STATUS_OK;
    }
    const char *found = c > 0 ? strchr(NAMES, c) : NULL;
    if (found == NULL) {
        return fail_unexpected(p, "an escape character");
    }
    out[(*len)++] = (uint8_t)VALUES[found - NAMES];
    p->at++;
    return STATUS_OK;
}

/* Length of the raw string up to its closing quote; SIZE_MAX where there is none. An escape never
 * decodes to more bytes than it took. */
static size_t raw_string_len(const struct json_parser *p, uint8_t quote, bool *has_escape) {
    *has_escape = false;
    for (size_t i = p->at; i < p->text.len; i++) {
        if (p->text.ptr[i] == quote) {
            return i - p->at;
        }
        if (p->text.ptr[i] == '\\') {
            *has_escape = true;
            i++;
        }
    }
    return SIZE_MAX;
}

static enum status unescape(struct json_parser *p, size_t raw_len, struct slice *text) {
    uint8_t *out = arena_alloc_bytes(p->arena, raw_len);
    size_t len = 0;
    size_t end = p->at + raw_len;
    while (p->at < end) {
        uint8_t c = p->text.ptr[p->at++];
        if (c != '\\') {
            out[len++] = c;
        } else {
            TRY(parse_escape(p, out, &len));
        }
    }
    *text = slice_make(out, len);
    return STATUS_OK;
}

static enum status parse_string(struct json_parser *p, struct slice *text) {
    uint8_t quote = p->text.ptr[p->at++];
    bool has_escape;
    size_t raw_len = raw_string_len(p, quote, &has_escape);
    if (raw_len == SIZE_MAX) {
        return JSON_FAIL(p, "%s", "string is not closed");
    }
    struct slice raw = slice_sub(p->text, p->at, raw_len);
    if (!slice_is_utf8(raw) || slice_find_byte(raw, 0) != SIZE_MAX) {
        return JSON_FAIL(p, "%s", "Invalid UTF-8 string");
    }
    if (has_escape) {
        TRY(unescape(p, raw_len, text));
    } else {
        *text = raw;
        p->at += raw_len;
    }
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.ptr[i] == '\n') {
            p->line++;
            p->line_start = (size_t)(raw.ptr - p->text.ptr) + i + 1;
        }
    }
    p->at++;
    return STATUS_OK;
}

static bool is_digit(int c) {
    return c >= '0' && c <= '9';
}

static bool is_bare(int c, bool is_first) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' ||
           (!is_first && is_digit(c));
}

static size_t skip_digits(struct json_parser *p) {
    size_t start = p->at;
    while (is_digit(peek(p))) {
        p->at++;
    }
    return p->at - start;
}

static enum status parse_number(struct json_parser *p, struct slice *text) {
    size_t start = p->at;
    if (peek(p) == '-') {
        p->at++;
    }
    bool has_zero = peek(p) == '0';
    size_t digits = skip_digits(p);
    if (digits == 0) {
        return fail_unexpected(p, "a digit");
    }
    if (has_zero && digits > 1) {
        return JSON_FAIL(p, "%s", "number cannot have extraneous leading zero");
    }
    if (peek(p) == '.') {
        p->at++;
        if (skip_digits(p) == 0) {
            return fail_unexpected(p, "a digit");
        }
    }
    if (peek(p) == 'e' || peek(p) == 'E') {
        p->at++;
        if (peek(p) == '+' || peek(p) == '-') {
            p->at++;
        }
        if (skip_digits(p) == 0) {
            return fail_unexpected(p, "a digit");
        }
    }
    *text = slice_sub(p->text, start, p->at - start);
    return STATUS_OK;
}

static struct slice parse_bare(struct json_parser *p) {
    size_t start = p->at;
    while (is_bare(peek(p), p->at == start)) {
        p->at++;
    }
    return slice_sub(p->text, start, p->at - start);
}

static enum status parse_key(struct json_parser *p, struct slice *key) {
    int c = peek(p);
    if (c == '"' || c == '\'') {
        return parse_string(p, key);
    }
    *key = parse_bare(p);
    return key->len > 0 ? STATUS_OK : fail_unexpected(p, "'\"' or '}'");
}

static enum status parse_member(struct json_parser *p, struct document_node *object) {
    struct slice key = {0};
    TRY(parse_key(p, &key));
    skip_space(p);
    if (peek(p) != ':') {
        return fail_unexpected(p, "':'");
    }
    p->at++;
    struct document_node *value;
    TRY(parse_value(p, &value));
    value->key = key;
    document_add(object, value);
    return STATUS_OK;
}

static enum status parse_element(struct json_parser *p, struct document_node *array) {
    struct document_node *value;
    TRY(parse_value(p, &value));
    document_add(array, value);
    return STATUS_OK;
}

/* Members or elements up to the closing bracket; a comma may stand before it. */
static enum status parse_children(struct json_parser *p, struct document_node *node) {
    bool is_object = node->kind == DOCUMENT_OBJECT;
    int close = is_object ? '}' : ']';
    p->at++;
    for (;;) {
        skip_space(p);
        if (peek(p) == close) {
            p->at++;
            return STATUS_OK;
        }
        TRY(is_object ? parse_member(p, node) : parse_element(p, node));
        skip_space(p);
        if (peek(p) == ',') {
            p->at++;
        } else if (peek(p) != close) {
            return fail_unexpected(p, is_object ? "',' or '}'" : "',' or ']'");
        }
    }
}

static enum status parse_collection(struct json_parser *p, enum document_kind kind,
                                    struct document_node **out) {
    if (p->depth >= DOCUMENT_MAX_DEPTH) {
        return JSON_FAIL(p, "nested deeper than %d", DOCUMENT_MAX_DEPTH);
    }
    struct document_node *node = document_new(p->arena, kind, p->line);
    p->depth++;
    TRY(parse_children(p, node));
    p->depth--;
    if (kind == DOCUMENT_OBJECT) {
        document_mark_shadowed(node);
    }
    *out = node;
    return STATUS_OK;
}

static enum status parse_word(struct json_parser *p, struct document_node **out) {
    size_t start = p->at;
    struct slice word = parse_bare(p);
    struct document_node *node = document_new(p->arena, DOCUMENT_BOOL, p->line);
    if (slice_equal(word, SLICE("true"))) {
        node->boolean = true;
    } else if (slice_equal(word, SLICE("null"))) {
        node->kind = DOCUMENT_NULL;
    } else if (!slice_equal(word, SLICE("false"))) {
        p->at = start;
        return fail_unexpected(p, "a value");
    }
    *out = node;
    return STATUS_OK;
}

static enum status parse_value(struct json_parser *p, struct document_node **out) {
    skip_space(p);
    int c = peek(p);
    if (c == '{') {
        return parse_collection(p, DOCUMENT_OBJECT, out);
    }
    if (c == '[') {
        return parse_collection(p, DOCUMENT_ARRAY, out);
    }
    if (c == '"' || c == '\'') {
        *out = document_new(p->arena, DOCUMENT_STRING, p->line);
        return parse_string(p, &(*out)->text);
    }
    if (c == '-' || is_digit(c)) {
        *out = document_new(p->arena, DOCUMENT_NUMBER, p->line);
        return parse_number(p, &(*out)->text);
    }
    return parse_word(p, out);
}

enum status document_parse_json(struct slice text, struct arena *arena,
                                const struct document_node **root, struct error *err) {
    struct json_parser parser = {.text = text, .line = 1, .arena = arena, .err = err};
    struct document_node *node;
    TRY(parse_value(&parser, &node));
    skip_space(&parser);
    if (parser.at < text.len) {
        return error_set(err, STATUS_INVALID, "extraneous characters after end of JSON object");
    }
    *root = node;
    return STATUS_OK;
}
