// SPDX-License-Identifier: Apache-2.0
#include "src/access_log/stream_info.h"

#include "src/base/check.h"

struct flag_text {
    struct slice short_text;
    struct slice long_text;
};

static const struct flag_text flag_texts[RESPONSE_FLAG_COUNT] = {
#define RESPONSE_FLAG_TEXT(id, text, long_text) {SLICE_INIT(text), SLICE_INIT(long_text)},
    RESPONSE_FLAGS(RESPONSE_FLAG_TEXT)
#undef RESPONSE_FLAG_TEXT
};

static struct slice flag_text(int flag, bool long_form) {
    return long_form ? flag_texts[flag].long_text : flag_texts[flag].short_text;
}

/* Takes the next flag out of the set. Envoy tells them in the order in which they were set: for a
 * request, that tries were used up comes before the reason of the last one. */
static int take_flag(uint64_t *left, uint64_t first) {
    uint64_t next = (*left & first) != 0 ? *left & first : *left & -*left;
    *left &= ~next;
    return __builtin_ctzll(next);
}

const struct upstream_info upstream_info_none;

static struct slice join_flags(const struct stream_info *info, uint64_t flags, bool long_form) {
    uint64_t first =
        info->response_code == 0 ? 0 : UINT64_C(1) << RESPONSE_FLAG_UPSTREAM_RETRY_LIMIT_EXCEEDED;
    size_t len = 0;
    for (uint64_t left = flags; left != 0;) {
        len += flag_text(take_flag(&left, first), long_form).len + 1;
    }
    uint8_t *text = arena_alloc_bytes(info->arena, len);
    size_t used = 0;
    for (uint64_t left = flags; left != 0;) {
        struct slice one = flag_text(take_flag(&left, first), long_form);
        memcpy(text + used, one.ptr, one.len);
        used += one.len;
        text[used++] = ',';
    }
    return slice_make(text, len - 1);
}

struct slice stream_info_flags_text(const struct stream_info *info, bool long_form) {
    uint64_t flags = info->response_flags & ((UINT64_C(1) << RESPONSE_FLAG_COUNT) - 1);
    if (flags == 0) {
        return SLICE("-");
    }
    if ((flags & (flags - 1)) == 0) {
        return flag_text(__builtin_ctzll(flags), long_form);
    }
    return join_flags(info, flags, long_form);
}

static struct info_entry *find_entry(struct info_entry *list, struct slice space,
                                     struct slice key) {
    for (struct info_entry *entry = list; entry != NULL; entry = entry->next) {
        if (slice_equal(entry->space, space) && slice_equal(entry->key, key)) {
            return entry;
        }
    }
    return NULL;
}

static void set_entry(struct arena *arena, struct info_entry **list, struct slice space,
                      struct slice key, struct slice value, bool is_string) {
    struct info_entry *entry = find_entry(*list, space, key);
    if (entry == NULL) {
        entry = ARENA_NEW(arena, struct info_entry);
        entry->space = arena_dup_slice(arena, space);
        entry->key = arena_dup_slice(arena, key);
        entry->next = *list;
        *list = entry;
    }
    entry->value = arena_dup_slice(arena, value);
    entry->is_string = is_string;
}

void stream_info_set_metadata(struct stream_info *info, struct slice space, struct slice key,
                              struct slice value, bool is_string) {
    set_entry(info->arena, &info->dynamic_metadata, space, key, value, is_string);
}

const struct info_entry *stream_info_metadata(const struct stream_info *info, struct slice space,
                                              struct slice key) {
    return find_entry(info->dynamic_metadata, space, key);
}

void stream_info_set_state(struct stream_info *info, struct slice key, struct slice value) {
    set_entry(info->arena, &info->filter_state, key, SLICE(""), value, true);
}

const struct info_entry *stream_info_state(const struct stream_info *info, struct slice key) {
    return find_entry(info->filter_state, key, SLICE(""));
}
