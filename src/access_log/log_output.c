// SPDX-License-Identifier: Apache-2.0
#include "src/access_log/log_output.h"

#include "src/base/check.h"

enum { NUMBER_TEXT_BYTES = 20, ESCAPE_BYTES = 6 };

static const char hex_digits[] = "0123456789abcdef";

void log_output_init(struct log_output *out, uint8_t *scratch, size_t capacity,
                     struct buffer *buffer, struct arena *arena) {
    *out = (struct log_output){scratch, 0, capacity, buffer, arena};
}

void log_output_finish(struct log_output *out) {
    if (out->buffer != NULL && out->used > 0) {
        buffer_append(out->buffer, slice_make(out->ptr, out->used));
        out->used = 0;
    }
}

static void grow(struct log_output *out, size_t more) {
    size_t capacity = 2 * (out->capacity + more);
    uint8_t *ptr = arena_alloc_bytes(out->arena, capacity);
    memcpy(ptr, out->ptr, out->used);
    out->ptr = ptr;
    out->capacity = capacity;
}

void log_output_bytes(struct log_output *out, struct slice bytes) {
    if (bytes.len > out->capacity - out->used) {
        if (out->buffer == NULL) {
            grow(out, bytes.len);
        } else {
            log_output_finish(out);
            if (bytes.len > out->capacity) {
                buffer_append(out->buffer, bytes);
                return;
            }
        }
    }
    if (bytes.len > 0) {
        memcpy(out->ptr + out->used, bytes.ptr, bytes.len);
        out->used += bytes.len;
    }
}

void log_output_number(struct log_output *out, uint64_t number) {
    char text[NUMBER_TEXT_BYTES];
    size_t at = sizeof(text);
    do {
        text[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    log_output_bytes(out, slice_make(text + at, sizeof(text) - at));
}

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

// Non-zero where a byte of `word` is `value`; neighbours above it may be named with it.
static uint64_t has_byte(uint64_t word, uint64_t value) {
    uint64_t zeroed = word ^ EACH_BYTE(value);
    return (zeroed - EACH_BYTE(1)) & ~zeroed & EACH_BYTE(0x80);
}

static uint64_t has_control(uint64_t word) {
    return ((word - EACH_BYTE(0x20)) & ~word & EACH_BYTE(0x80)) | has_byte(word, 0x7f);
}

// How many bytes from `at` on can go out as they are without looking at each; a multiple of eight.
static size_t skip_words(struct slice text, size_t at, bool is_json) {
    size_t start = at;
    while (text.len - at >= sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, text.ptr + at, sizeof(word));
        uint64_t found = has_control(word);
        if (is_json) {
            found |= has_byte(word, '"') | has_byte(word, '\\') | (word & EACH_BYTE(0x80));
        }
        if (found != 0) {
            break;
        }
        at += sizeof(word);
    }
    return at - start;
}

static bool breaks_line(uint8_t c) {
    return (c < 0x20 && c != '\t') || c == 0x7f;
}

void log_output_one_line(struct log_output *out, struct slice text) {
    size_t start = 0;
    for (size_t i = skip_words(text, 0, false); i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (breaks_line(c)) {
            log_output_bytes(out, slice_sub(text, start, i - start));
            char escape[] = {'\\', 'x', hex_digits[c >> 4], hex_digits[c & 15]};
            log_output_bytes(out, slice_make(escape, sizeof(escape)));
            start = i + 1;
        }
    }
    log_output_bytes(out, slice_sub(text, start, SIZE_MAX));
}

void log_output_document(struct log_output *out, struct slice json) {
    size_t start = 0;
    for (size_t i = 0; i < json.len; i++) {
        if (breaks_line(json.ptr[i])) {
            log_output_bytes(out, slice_sub(json, start, i - start));
            log_output_bytes(out, SLICE(" "));
            start = i + 1;
        }
    }
    log_output_bytes(out, slice_sub(json, start, SIZE_MAX));
}

// The two-character form of JSON (RFC 8259 §7), 0: none.
static char short_escape(uint8_t c) {
    switch (c) {
    case '"':
        return '"';
    case '\\':
        return '\\';
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

static bool is_plain(uint8_t c, bool is_utf8) {
    return c >= 0x20 && c != '"' && c != '\\' && (c < 0x7f || is_utf8);
}

static size_t escape_byte(uint8_t c, bool is_utf8, char escape[ESCAPE_BYTES]) {
    escape[0] = '\\';
    escape[1] = is_utf8 ? short_escape(c) : 0;
    if (escape[1] != 0) {
        return 2;
    }
    memcpy(escape + 1, "u00", 3);
    escape[4] = hex_digits[c >> 4];
    escape[5] = hex_digits[c & 15];
    return ESCAPE_BYTES;
}

static bool is_all_plain(struct slice text) {
    for (size_t i = skip_words(text, 0, true); i < text.len; i++) {
        if (!is_plain(text.ptr[i], false)) {
            return false;
        }
    }
    return true;
}

void log_output_json(struct log_output *out, struct slice text) {
    if (is_all_plain(text)) {
        log_output_bytes(out, text);
        return;
    }
    bool is_utf8 = slice_is_utf8(text);
    size_t start = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (is_plain(text.ptr[i], is_utf8)) {
            continue;
        }
        log_output_bytes(out, slice_sub(text, start, i - start));
        char escape[ESCAPE_BYTES];
        size_t len = escape_byte(text.ptr[i], is_utf8, escape);
        log_output_bytes(out, slice_make(escape, len));
        start = i + 1;
    }
    log_output_bytes(out, slice_sub(text, start, SIZE_MAX));
}
