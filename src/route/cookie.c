// SPDX-License-Identifier: Apache-2.0
#include "src/route/cookie.h"

static struct slice without_leading_spaces(struct slice text) {
    size_t at = 0;
    while (at < text.len && text.ptr[at] == ' ') {
        at++;
    }
    return slice_sub(text, at, SIZE_MAX);
}

static struct slice unquoted(struct slice value) {
    if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"') {
        return slice_sub(value, 1, value.len - 2);
    }
    return value;
}

static bool find_in_line(struct slice line, struct slice name, struct slice *value) {
    struct slice pair;
    while (slice_split(&line, ';', &pair)) {
        pair = without_leading_spaces(pair);
        size_t equals = slice_find_byte(pair, '=');
        if (equals != SIZE_MAX && slice_equal(slice_sub(pair, 0, equals), name)) {
            *value = unquoted(slice_sub(pair, equals + 1, SIZE_MAX));
            return true;
        }
    }
    return false;
}

bool cookie_get(const struct header_map *headers, struct slice name, struct slice *value) {
    if (!header_map_has(headers, HEADER_COOKIE)) {
        return false;
    }
    const struct header_entry *entry;
    for (uint32_t at = 0; (entry = header_map_next(headers, &at)) != NULL;) {
        if (entry->id == HEADER_COOKIE && find_in_line(header_entry_value(entry), name, value)) {
            return true;
        }
    }
    return false;
}
