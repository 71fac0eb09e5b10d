// SPDX-License-Identifier: Apache-2.0
#include "src/base/slice.h"

struct slice slice_sub(struct slice s, size_t from, size_t len) {
    if (from >= s.len) {
        return slice_make(NULL, 0);
    }
    size_t left = s.len - from;
    return slice_make(s.ptr + from, len < left ? len : left);
}

static bool equal_nocase(const uint8_t *a, const uint8_t *b, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (a[i] != b[i] && ascii_lower(a[i]) != ascii_lower(b[i])) {
            return false;
        }
    }
    return true;
}

bool slice_equal_nocase(struct slice a, struct slice b) {
    return a.len == b.len && equal_nocase(a.ptr, b.ptr, a.len);
}

bool slice_starts_with(struct slice s, struct slice prefix) {
    return prefix.len == 0 || (s.len >= prefix.len && memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

bool slice_ends_with(struct slice s, struct slice suffix) {
    return suffix.len == 0 ||
           (s.len >= suffix.len && memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

bool slice_starts_with_nocase(struct slice s, struct slice prefix) {
    return s.len >= prefix.len && equal_nocase(s.ptr, prefix.ptr, prefix.len);
}

bool slice_ends_with_nocase(struct slice s, struct slice suffix) {
    return suffix.len == 0 || (s.len >= suffix.len &&
                               equal_nocase(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len));
}

int slice_compare(struct slice a, struct slice b) {
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);
    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

size_t slice_find_byte(struct slice s, uint8_t byte) {
    const uint8_t *at = s.len == 0 ? NULL : memchr(s.ptr, byte, s.len);
    return at == NULL ? SIZE_MAX : (size_t)(at - s.ptr);
}

size_t slice_rfind_byte(struct slice s, uint8_t byte) {
    const uint8_t *at = s.len == 0 ? NULL : memrchr(s.ptr, byte, s.len);
    return at == NULL ? SIZE_MAX : (size_t)(at - s.ptr);
}

size_t slice_find(struct slice s, struct slice needle) {
    if (needle.len == 0) {
        return 0;
    }
    if (s.len < needle.len) {
        return SIZE_MAX;
    }
    const uint8_t *at = memmem(s.ptr, s.len, needle.ptr, needle.len);
    return at == NULL ? SIZE_MAX : (size_t)(at - s.ptr);
}

static bool is_blank(uint8_t c) {
    return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice s) {
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

bool slice_split(struct slice *rest, uint8_t separator, struct slice *part) {
    if (rest->len == 0) {
        return false;
    }
    size_t at = slice_find_byte(*rest, separator);
    if (at == SIZE_MAX) {
        *part = *rest;
        *rest = slice_make(NULL, 0);
        return true;
    }
    *part = slice_make(rest->ptr, at);
    *rest = slice_make(rest->ptr + at + 1, rest->len - at - 1);
    return true;
}

enum status slice_parse_uint64(struct slice s, uint64_t *value) {
    if (s.len == 0) {
        return STATUS_INVALID;
    }
    uint64_t sum = 0;
    bool is_overflow = false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return STATUS_INVALID;
        }
        is_overflow |= __builtin_mul_overflow(sum, UINT64_C(10), &sum);
        is_overflow |= __builtin_add_overflow(sum, (uint64_t)(s.ptr[i] - '0'), &sum);
    }
    if (is_overflow) {
        return STATUS_LIMIT;
    }
    *value = sum;
    return STATUS_OK;
}

enum status slice_parse_hex64(struct slice s, uint64_t *value) {
    if (s.len == 0) {
        return STATUS_INVALID;
    }
    uint64_t sum = 0;
    bool is_overflow = false;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = ascii_lower(s.ptr[i]);
        unsigned digit;
        if (c >= '0' && c <= '9') {
            digit = (unsigned)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            digit = (unsigned)(c - 'a') + 10;
        } else {
            return STATUS_INVALID;
        }
        is_overflow |= (sum >> 60) != 0;
        sum = sum << 4 | digit;
    }
    if (is_overflow) {
        return STATUS_LIMIT;
    }
    *value = sum;
    return STATUS_OK;
}

// Length of the well-formed sequence of two to four bytes at `p`, 0 when there is none. The bounds of
// the second byte exclude overlong forms, surrogates and code points above U+10FFFF (RFC 3629 §4).
static size_t utf8_sequence_len(const uint8_t *p, size_t left) {
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    size_t len;
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        len = 2;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        len = 3;
        low = p[0] == 0xe0 ? 0xa0 : low;
        high = p[0] == 0xed ? 0x9f : high;
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        len = 4;
        low = p[0] == 0xf0 ? 0x90 : low;
        high = p[0] == 0xf4 ? 0x8f : high;
    } else {
        return 0;
    }
    if (left < len || p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

bool slice_is_utf8(struct slice s) {
    size_t i = 0;
    while (i < s.len) {
        if (s.len - i >= 8) {
            uint64_t word;
            memcpy(&word, s.ptr + i, sizeof(word));
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                i += 8;
                continue;
            }
        }
        if (s.ptr[i] < 0x80) {
            i++;
            continue;
        }
        size_t len = utf8_sequence_len(s.ptr + i, s.len - i);
        if (len == 0) {
            return false;
        }
        i += len;
    }
    return true;
}
