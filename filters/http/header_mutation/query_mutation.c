// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "filters/http/header_mutation/header_mutation.h"
#include "src/base/check.h"

struct parameter {
    struct slice key;   /* decoded, for comparisons */
    struct slice name;  /* as it is sent */
    struct slice value; /* as it is sent */
    size_t index;       /* keeps parameters of one name in order */
};
struct parameter_list {
    struct parameter *items;
    size_t count;
};

static bool is_alphanumeric(uint8_t c) {
    return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

// RFC 3986 §2.3
static bool is_unreserved(uint8_t c) {
    return is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static int hex_value(uint8_t c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    uint8_t lower = ascii_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The byte of the escape at `at`, -1 where there is none.
static int escape_at(struct slice s, size_t at) {
    if (s.ptr[at] != '%' || s.len - at < 3) {
        return -1;
    }
    int high = hex_value(s.ptr[at + 1]);
    int low = hex_value(s.ptr[at + 2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static struct slice unescape(struct slice s, bool only_unreserved, struct arena *arena) {
    if (slice_find_byte(s, '%') == SIZE_MAX) {
        return s;
    }
    uint8_t *out = arena_alloc_bytes(arena, s.len);
    size_t used = 0;
    for (size_t i = 0; i < s.len; i++) {
        int byte = escape_at(s, i);
        if (byte >= 0 && (!only_unreserved || is_unreserved((uint8_t)byte))) {
            out[used++] = (uint8_t)byte;
            i += 2;
        } else {
            out[used++] = s.ptr[i];
        }
    }
    return slice_make(out, used);
}

// The set that Envoy leaves as it is.
static bool needs_no_escape(uint8_t c) {
    return is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '*';
}

static struct slice escape(struct slice s, struct arena *arena) {
    static const char digits[] = "0123456789ABCDEF";
    uint8_t *out = arena_alloc_bytes(arena, s.len * 3 + 1);
    size_t used = 0;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        if (needs_no_escape(c)) {
            out[used++] = c;
        } else {
            out[used++] = '%';
            out[used++] = (uint8_t)digits[c >> 4];
            out[used++] = (uint8_t)digits[c & 15];
        }
    }
    return slice_make(out, used);
}

static size_t count_parts(struct slice query) {
    size_t count = 1;
    for (size_t i = 0; i < query.len; i++) {
        count += query.ptr[i] == '&' ? 1 : 0;
    }
    return count;
}

static void parse_query(struct slice query, struct parameter_list *list, struct arena *arena) {
    struct slice part;
    while (query.len > 0 && slice_split(&query, '&', &part)) {
        size_t equals = slice_find_byte(part, '=');
        size_t name_len = equals == SIZE_MAX ? part.len : equals;
        struct slice name = slice_sub(part, 0, name_len);
        struct slice value =
            equals == SIZE_MAX ? SLICE("") : slice_sub(part, equals + 1, part.len - equals - 1);
        list->items[list->count] = (struct parameter){
            .key = unescape(name, false, arena),
            .name = unescape(name, true, arena),
            .value = unescape(value, true, arena),
            .index = list->count,
        };
        list->count++;
    }
}

static bool has_key(const struct parameter_list *list, struct slice key) {
    for (size_t i = 0; i < list->count; i++) {
        if (slice_equal(list->items[i].key, key)) {
            return true;
        }
    }
    return false;
}

static void remove_key(struct parameter_list *list, struct slice key) {
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (!slice_equal(list->items[i].key, key)) {
            list->items[kept++] = list->items[i];
        }
    }
    list->count = kept;
}

static void apply_one(const struct query_mutation *mutation, struct parameter_list *list,
                      const struct log_format_input *input, struct arena *arena) {
    if (mutation->is_remove) {
        remove_key(list, mutation->key);
        return;
    }
    bool exists = has_key(list, mutation->key);
    switch (mutation->action) {
    case HEADER_OP_APPEND_IF_EXISTS_OR_ADD:
        break;
    case HEADER_OP_ADD_IF_ABSENT:
        if (exists) {
            return;
        }
        break;
    case HEADER_OP_OVERWRITE_IF_EXISTS:
        if (!exists) {
            return;
        }
        remove_key(list, mutation->key);
        break;
    case HEADER_OP_OVERWRITE_IF_EXISTS_OR_ADD:
        remove_key(list, mutation->key);
        break;
    }
    size_t index = list->count == 0 ? 0 : list->items[list->count - 1].index + 1;
    list->items[list->count++] = (struct parameter){
        .key = mutation->key,
        .name = escape(mutation->key, arena),
        .value = escape(log_format_text(mutation->value, input, arena), arena),
        .index = index,
    };
}

static int compare(const void *left, const void *right) {
    const struct parameter *a = left;
    const struct parameter *b = right;
    int order = slice_compare(a->key, b->key);
    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

static size_t put(uint8_t *out, size_t used, struct slice text) {
    if (text.len > 0) {
        memcpy(out + used, text.ptr, text.len);
    }
    return used + text.len;
}

static struct slice join(struct slice path, const struct parameter_list *list,
                         struct arena *arena) {
    size_t len = path.len;
    for (size_t i = 0; i < list->count; i++) {
        len += list->items[i].name.len + list->items[i].value.len + 2;
    }
    uint8_t *out = arena_alloc_bytes(arena, len + 1);
    size_t used = put(out, 0, path);
    for (size_t i = 0; i < list->count; i++) {
        out[used++] = i == 0 ? '?' : '&';
        used = put(out, used, list->items[i].name);
        out[used++] = '=';
        used = put(out, used, list->items[i].value);
    }
    return slice_make(out, used);
}

struct slice query_mutations_apply(const struct query_mutation *mutations, uint32_t count,
                                   struct slice path, const struct log_format_input *input,
                                   struct arena *arena) {
    size_t mark = slice_find_byte(path, '?');
    struct slice base = slice_sub(path, 0, mark == SIZE_MAX ? path.len : mark);
    struct slice query =
        mark == SIZE_MAX ? SLICE("") : slice_sub(path, mark + 1, path.len - mark - 1);
    struct parameter_list list = {0};
    list.items = ARENA_NEW_ARRAY(arena, count_parts(query) + count, struct parameter);
    parse_query(query, &list, arena);
    for (uint32_t i = 0; i < count; i++) {
        apply_one(&mutations[i], &list, input, arena);
    }
    if (list.count > 1) {
        qsort(list.items, list.count, sizeof(list.items[0]), compare);
    }
    return join(base, &list, arena);
}
