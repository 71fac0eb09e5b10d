// SPDX-License-Identifier: Apache-2.0
#include "filters/http/ext_authz/ext_authz_check.h"

/* Length of the well-formed sequence at `at`, 0 for none. */
static size_t sequence_len(const uint8_t *at, size_t left) {
    static const size_t lengths[] = {1, 2, 3, 4};
    for (size_t i = 0; i < 4; i++) {
        if (left >= lengths[i] && slice_is_utf8(slice_make(at, lengths[i]))) {
            return lengths[i];
        }
    }
    return 0;
}

struct slice authz_utf8(struct slice text, struct arena *arena) {
    if (slice_is_utf8(text)) {
        return text;
    }
    uint8_t *out = arena_alloc_bytes(arena, text.len);
    for (size_t i = 0; i < text.len;) {
        size_t len = sequence_len(text.ptr + i, text.len - i);
        if (len == 0) {
            out[i++] = '!';
            continue;
        }
        memcpy(out + i, text.ptr + i, len);
        i += len;
    }
    return slice_make(out, text.len);
}

struct slice authz_lower(struct slice text, struct arena *arena) {
    uint8_t *out = arena_alloc_bytes(arena, text.len);
    for (size_t i = 0; i < text.len; i++) {
        out[i] = ascii_lower(text.ptr[i]);
    }
    return slice_make(out, text.len);
}
