// SPDX-License-Identifier: Apache-2.0
#include "src/http/header_map.h"

#include <string.h>

#include "src/base/check.h"
#include "src/http/header_id_table.h"

enum {
    INITIAL_CAPACITY = 14,     // most heads: with stream and map they fill an arena block
    MAX_ENTRIES = HEADER_NONE, /* indexes are 16 bits, one of them means "none" */
    ENTRY_OVERHEAD_BYTES = 32, /* RFC 9113 §6.5.2 */
    UINT64_TEXT_BYTES = 20,
};

static const struct slice id_names[HEADER_ID_COUNT] = {
#define HEADER_ID_NAME(id, name) [HEADER_##id] = SLICE_INIT(name),
    HEADER_IDS(HEADER_ID_NAME)
#undef HEADER_ID_NAME
};

void header_map_init(struct header_map *map, struct arena *arena) {
    map->arena = arena;
    map->entries = NULL;
    map->count = 0;
    map->live = 0;
    map->capacity = 0;
    memset(map->first, 0xff, sizeof(map->first));
    map->bytes = 0;
    map->max_bytes = 0;
    map->max_count = 0;
    map->reserved_count = 0;
}

void header_map_set_limits(struct header_map *map, uint32_t max_bytes, uint16_t max_count) {
    map->max_bytes = max_bytes;
    map->max_count = max_count;
}

static uint64_t load_word(const uint8_t *text) {
    uint64_t word;
    memcpy(&word, text, sizeof(word));
    return word;
}

static uint32_t load_half(const uint8_t *text) {
    uint32_t half;
    memcpy(&half, text, sizeof(half));
    return half;
}

/* Names are short: a call of memcmp would cost more than the words that they are, the last of which may
 * overlap the one before. `len` is not 0. */
static bool is_same_text(const uint8_t *a, const uint8_t *b, size_t len) {
    if (len >= 8) {
        for (size_t at = 0; at + 8 < len; at += 8) {
            if (load_word(a + at) != load_word(b + at)) {
                return false;
            }
        }
        return load_word(a + len - 8) == load_word(b + len - 8);
    }
    if (len >= 4) {
        return load_half(a) == load_half(b) && load_half(a + len - 4) == load_half(b + len - 4);
    }
    return a[0] == b[0] && a[len / 2] == b[len / 2] && a[len - 1] == b[len - 1];
}

enum header_id header_id_of(struct slice name) {
    if (name.len == 0) {
        return HEADER_OTHER;
    }
    uint8_t id = header_id_slots[header_id_slot(name.ptr, name.len)];
    if (id_names[id].len != name.len || !is_same_text(id_names[id].ptr, name.ptr, name.len)) {
        return HEADER_OTHER;
    }
    return (enum header_id)id;
}

struct slice header_id_name(enum header_id id) {
    return id_names[id];
}

void header_map_reserve(struct header_map *map, uint16_t capacity) {
    if (capacity <= map->capacity) {
        return;
    }
    struct header_entry *entries =
        (struct header_entry *)arena_alloc(map->arena, (size_t)capacity * sizeof(*entries));
    if (map->count > 0) {
        memcpy(entries, map->entries, (size_t)map->count * sizeof(*entries));
    }
    map->entries = entries;
    map->capacity = capacity;
}

static __attribute__((noinline)) void grow(struct header_map *map) {
    CHECK(map->count < MAX_ENTRIES);
    size_t capacity = map->capacity == 0 ? INITIAL_CAPACITY : (size_t)map->capacity * 2;
    header_map_reserve(map, (uint16_t)(capacity > MAX_ENTRIES ? MAX_ENTRIES : capacity));
}

static void make_room(struct header_map *map) {
    if (map->count == map->capacity) {
        grow(map);
    }
}

static uint32_t entry_bytes(struct slice name, struct slice value) {
    return (uint32_t)(name.len + value.len + ENTRY_OVERHEAD_BYTES);
}

static void set_name(struct header_entry *entry, struct slice name) {
    entry->name_ptr = name.ptr;
    entry->name_len = (uint32_t)name.len;
}

/* A present but empty value never has a NULL pointer: that means absent. */
static void set_value(struct header_entry *entry, struct slice value) {
    entry->value_ptr = value.ptr == NULL ? (const uint8_t *)"" : value.ptr;
    entry->value_len = (uint32_t)value.len;
}

/* Writes an entry at a free place and links it behind the entries of its id. */
static inline __attribute__((always_inline)) void place(struct header_map *map, uint16_t at,
                                                        enum header_id id, struct slice name,
                                                        struct slice value) {
    struct header_entry *entry = &map->entries[at];
    set_name(entry, name);
    set_value(entry, value);
    entry->id = (uint16_t)id;
    entry->next = HEADER_NONE;
    entry->last = at;
    entry->flags = 0;
    map->live++;
    map->bytes += entry_bytes(name, value);
    if (id == HEADER_OTHER) {
        return;
    }
    uint16_t first = map->first[id];
    if (first == HEADER_NONE) {
        map->first[id] = at;
    } else {
        map->entries[map->entries[first].last].next = at;
        map->entries[first].last = at;
    }
}

static bool is_pseudo(const struct header_entry *entry) {
    return entry->name_len > 0 && entry->name_ptr[0] == ':';
}

static void shift_index(uint16_t *index, uint16_t from) {
    if (*index != HEADER_NONE && *index >= from) {
        (*index)++;
    }
}

/* Opens a gap at `at`, moving that entry and all after it up by one. */
static void open_gap(struct header_map *map, uint16_t at) {
    make_room(map);
    memmove(&map->entries[at + 1], &map->entries[at],
            (size_t)(map->count - at) * sizeof(map->entries[0]));
    map->count++;
    for (uint32_t id = 1; id < HEADER_ID_COUNT; id++) {
        shift_index(&map->first[id], at);
    }
    for (uint32_t i = 0; i < map->count; i++) {
        if (i != at && !header_entry_is_removed(&map->entries[i])) {
            shift_index(&map->entries[i].next, at);
            shift_index(&map->entries[i].last, at);
        }
    }
}

/* Where the next pseudo header goes: a free place behind the others, else one made there. */
static __attribute__((noinline)) uint16_t pseudo_place(struct header_map *map) {
    uint16_t at = 0; // behind the last pseudo header
    for (uint16_t i = 0; i < map->count; i++) {
        if (is_pseudo(&map->entries[i])) {
            at = (uint16_t)(i + 1);
        } else if (!header_entry_is_removed(&map->entries[i])) {
            break;
        }
    }
    if (at == map->count) {
        make_room(map);
        map->count++;
    } else if (!header_entry_is_removed(&map->entries[at])) {
        open_gap(map, at);
    }
    return at;
}

/* True where all entries so far are pseudo headers, as while a start line is read. */
static bool ends_with_pseudo(const struct header_map *map) {
    return map->count == 0 || is_pseudo(&map->entries[map->count - 1]);
}

static inline __attribute__((always_inline)) void append(struct header_map *map, enum header_id id,
                                                         struct slice name, struct slice value) {
    uint16_t at;
    bool goes_first = id == HEADER_OTHER ? name.len > 0 && name.ptr[0] == ':' : id <= HEADER_STATUS;
    if (goes_first && map->reserved_count > 0) {
        map->reserved_count--;
        at = map->reserved_at++;
    } else if (goes_first && !ends_with_pseudo(map)) {
        at = pseudo_place(map);
    } else {
        make_room(map);
        at = map->count++;
    }
    place(map, at, id, name, value);
}

void header_map_reserve_pseudo(struct header_map *map) {
    make_room(map);
    if (map->reserved_count > 0 ? map->reserved_at + map->reserved_count == map->count
                                : ends_with_pseudo(map)) {
        map->reserved_at = (uint16_t)(map->count - map->reserved_count);
        map->reserved_count++;
    }
    struct header_entry *hole = &map->entries[map->count++];
    memset(hole, 0, sizeof(*hole));
    hole->next = HEADER_NONE;
    hole->last = HEADER_NONE;
}

enum status header_map_add_id(struct header_map *map, enum header_id id, struct slice name,
                              struct slice value) {
    if (map->max_count != 0 && map->live >= map->max_count) {
        return STATUS_LIMIT;
    }
    if (map->count >= MAX_ENTRIES - 1) {
        return STATUS_LIMIT;
    }
    uint64_t limit = map->max_bytes == 0 ? UINT32_MAX : map->max_bytes;
    uint64_t total = (uint64_t)map->bytes + name.len + value.len + ENTRY_OVERHEAD_BYTES;
    if (name.len > UINT32_MAX || value.len > UINT32_MAX || total > limit) {
        return STATUS_LIMIT;
    }
    append(map, id, name, value);
    return STATUS_OK;
}

enum status header_map_add(struct header_map *map, struct slice name, struct slice value) {
    return header_map_add_id(map, header_id_of(name), name, value);
}

void header_map_append(struct header_map *map, enum header_id id, struct slice value) {
    append(map, id, id_names[id], value);
}

void header_map_append_name(struct header_map *map, struct slice name, struct slice value) {
    append(map, header_id_of(name), name, value);
}

static void erase(struct header_map *map, struct header_entry *entry) {
    map->live--;
    map->bytes -= entry->name_len + entry->value_len + ENTRY_OVERHEAD_BYTES;
    entry->name_ptr = entry->value_ptr = NULL;
    entry->name_len = entry->value_len = 0;
}

static void replace_value(struct header_map *map, struct header_entry *entry, struct slice value) {
    map->bytes = map->bytes - entry->value_len + (uint32_t)value.len;
    set_value(entry, value);
}

/* Erases the entries that follow `entry` in its id's chain. */
static uint32_t erase_chain(struct header_map *map, uint16_t at) {
    uint32_t erased = 0;
    while (at != HEADER_NONE) {
        struct header_entry *entry = &map->entries[at];
        at = entry->next;
        erase(map, entry);
        erased++;
    }
    return erased;
}

void header_map_set(struct header_map *map, enum header_id id, struct slice value) {
    uint16_t at = map->first[id];
    if (at == HEADER_NONE) {
        append(map, id, id_names[id], value);
        return;
    }
    struct header_entry *entry = &map->entries[at];
    (void)erase_chain(map, entry->next);
    entry->next = HEADER_NONE;
    entry->last = at;
    replace_value(map, entry, value);
}

/* Index of the first live entry at or after `from` with a name that is not well known. */
static uint32_t find_other(const struct header_map *map, struct slice name, uint32_t from) {
    for (uint32_t i = from; i < map->count; i++) {
        const struct header_entry *entry = &map->entries[i];
        if (entry->id == HEADER_OTHER && !header_entry_is_removed(entry) &&
            slice_equal(header_entry_name(entry), name)) {
            return i;
        }
    }
    return HEADER_NONE;
}

void header_map_set_name(struct header_map *map, struct slice name, struct slice value) {
    enum header_id id = header_id_of(name);
    if (id != HEADER_OTHER) {
        header_map_set(map, id, value);
        return;
    }
    uint32_t at = find_other(map, name, 0);
    if (at == HEADER_NONE) {
        append(map, id, name, value);
        return;
    }
    replace_value(map, &map->entries[at], value);
    while ((at = find_other(map, name, at + 1)) != HEADER_NONE) {
        erase(map, &map->entries[at]);
    }
}

void header_map_set_copy(struct header_map *map, enum header_id id, struct slice value) {
    header_map_set(map, id, arena_dup_slice(map->arena, value));
}

void header_map_set_uint(struct header_map *map, enum header_id id, uint64_t value) {
    uint8_t text[UINT64_TEXT_BYTES];
    size_t at = sizeof(text);
    do {
        text[--at] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    header_map_set_copy(map, id, slice_make(text + at, sizeof(text) - at));
}

uint32_t header_map_remove_present(struct header_map *map, enum header_id id) {
    uint16_t at = map->first[id];
    map->first[id] = HEADER_NONE;
    return erase_chain(map, at);
}

uint32_t header_map_remove_name(struct header_map *map, struct slice name) {
    enum header_id id = header_id_of(name);
    if (id != HEADER_OTHER) {
        return header_map_remove(map, id);
    }
    uint32_t erased = 0;
    uint32_t at = 0;
    while ((at = find_other(map, name, at)) != HEADER_NONE) {
        erase(map, &map->entries[at]);
        erased++;
    }
    return erased;
}

static void unlink_entry(struct header_map *map, uint16_t at) {
    struct header_entry *entry = &map->entries[at];
    uint16_t first = map->first[entry->id];
    if (first == at) {
        map->first[entry->id] = entry->next;
        if (entry->next != HEADER_NONE) {
            map->entries[entry->next].last = entry->last;
        }
        return;
    }
    uint16_t before = first;
    while (map->entries[before].next != at) {
        before = map->entries[before].next;
    }
    map->entries[before].next = entry->next;
    if (map->entries[first].last == at) {
        map->entries[first].last = before;
    }
}

void header_map_remove_at(struct header_map *map, uint32_t index) {
    ASSERT(index < map->count);
    struct header_entry *entry = &map->entries[index];
    if (header_entry_is_removed(entry)) {
        return;
    }
    if (entry->id != HEADER_OTHER) {
        unlink_entry(map, (uint16_t)index);
    }
    erase(map, entry);
}

uint32_t header_map_remove_prefix(struct header_map *map, struct slice prefix) {
    uint32_t erased = 0;
    for (uint32_t i = 0; i < map->count; i++) {
        if (!header_entry_is_removed(&map->entries[i]) &&
            slice_starts_with(header_entry_name(&map->entries[i]), prefix)) {
            header_map_remove_at(map, i);
            erased++;
        }
    }
    return erased;
}

struct slice header_map_get_name(const struct header_map *map, struct slice name) {
    enum header_id id = header_id_of(name);
    if (id != HEADER_OTHER) {
        return header_map_get(map, id);
    }
    uint32_t at = find_other(map, name, 0);
    return at == HEADER_NONE ? (struct slice){NULL, 0} : header_entry_value(&map->entries[at]);
}

/* Walks the entries of one name: *at is HEADER_NONE after the last. */
static uint32_t first_of_name(const struct header_map *map, enum header_id id, struct slice name) {
    return id != HEADER_OTHER ? map->first[id] : find_other(map, name, 0);
}

static uint32_t next_of_name(const struct header_map *map, enum header_id id, struct slice name,
                             uint32_t at) {
    return id != HEADER_OTHER ? map->entries[at].next : find_other(map, name, at + 1);
}

uint32_t header_map_count_name(const struct header_map *map, struct slice name) {
    enum header_id id = header_id_of(name);
    uint32_t count = 0;
    uint32_t at = first_of_name(map, id, name);
    while (at != HEADER_NONE) {
        count++;
        at = next_of_name(map, id, name, at);
    }
    return count;
}

struct slice header_map_get_joined(const struct header_map *map, struct slice name,
                                   struct slice separator, struct arena *arena) {
    enum header_id id = header_id_of(name);
    uint32_t first = first_of_name(map, id, name);
    if (first == HEADER_NONE) {
        return (struct slice){NULL, 0};
    }
    if (next_of_name(map, id, name, first) == HEADER_NONE) {
        return header_entry_value(&map->entries[first]);
    }
    size_t len = 0;
    for (uint32_t at = first; at != HEADER_NONE; at = next_of_name(map, id, name, at)) {
        len += header_entry_value(&map->entries[at]).len + (at == first ? 0 : separator.len);
    }
    uint8_t *text = arena_alloc_bytes(arena, len);
    size_t used = 0;
    for (uint32_t at = first; at != HEADER_NONE; at = next_of_name(map, id, name, at)) {
        struct slice value = header_entry_value(&map->entries[at]);
        if (at != first && separator.len > 0) {
            memcpy(text + used, separator.ptr, separator.len);
            used += separator.len;
        }
        if (value.len > 0) {
            memcpy(text + used, value.ptr, value.len);
            used += value.len;
        }
    }
    return slice_make(text, len);
}

const struct header_entry *header_map_next(const struct header_map *map, uint32_t *at) {
    while (*at < map->count) {
        const struct header_entry *entry = &map->entries[(*at)++];
        if (!header_entry_is_removed(entry)) {
            return entry;
        }
    }
    return NULL;
}

void header_map_copy(struct header_map *to, const struct header_map *from, struct arena *arena) {
    header_map_init(to, arena);
    header_map_set_limits(to, from->max_bytes, from->max_count);
    if (from->live > 0) {
        header_map_reserve(to, from->live);
    }
    uint32_t at = 0;
    const struct header_entry *entry;
    while ((entry = header_map_next(from, &at)) != NULL) {
        struct slice name = entry->id != HEADER_OTHER
                                ? id_names[entry->id]
                                : arena_dup_slice(arena, header_entry_name(entry));
        uint16_t flags = entry->flags;
        append(to, (enum header_id)entry->id, name,
               arena_dup_slice(arena, header_entry_value(entry)));
        to->entries[to->count - 1].flags = flags;
    }
}
