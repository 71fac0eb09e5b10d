// SPDX-License-Identifier: Apache-2.0
// Target functions: all of header_map.h.
// Oracle: a list of name and value numbers, kept by the simplest code.
#include <stdlib.h>

#include "src/base/check.h"
#include "src/http/header_map.h"

enum { MAX_MODEL = 400 };

static const char *const names[] = {"via",     "x-a",          "cookie",           "x-b", ":path",
                                    ":scheme", "x-envoy-none", "x-envoy-internal", "te"};

struct pair {
    uint8_t name, value;
};

struct model {
    struct pair pairs[MAX_MODEL];
    size_t count;
};

static void insert(struct model *model, struct pair pair) {
    size_t at = model->count;
    if (names[pair.name][0] == ':') {
        at = 0;
        while (at < model->count && names[model->pairs[at].name][0] == ':') {
            at++;
        }
    }
    memmove(&model->pairs[at + 1], &model->pairs[at], (model->count - at) * sizeof(pair));
    model->pairs[at] = pair;
    model->count++;
}

static void take(struct model *model, size_t at) {
    model->count--;
    memmove(&model->pairs[at], &model->pairs[at + 1],
            (model->count - at) * sizeof(model->pairs[0]));
}

static size_t remove_all(struct model *model, uint8_t name, size_t from) {
    size_t removed = 0;
    for (size_t i = from; i < model->count;) {
        if (model->pairs[i].name == name) {
            take(model, i);
            removed++;
        } else {
            i++;
        }
    }
    return removed;
}

static void set(struct model *model, struct pair pair) {
    for (size_t i = 0; i < model->count; i++) {
        if (model->pairs[i].name == pair.name) {
            model->pairs[i].value = pair.value;
            (void)remove_all(model, pair.name, i + 1);
            return;
        }
    }
    insert(model, pair);
}

static struct slice value_text(uint8_t value) {
    static const char text[] = "0123456789abcdef";
    return slice_make(text + value % 16, 1);
}

static void compare(const struct header_map *map, const struct model *model) {
    uint32_t at = 0;
    uint32_t bytes = 0;
    const struct header_entry *entry;
    for (size_t i = 0; i < model->count; i++) {
        entry = header_map_next(map, &at);
        CHECK(entry != NULL);
        CHECK(
            slice_equal(header_entry_name(entry), slice_from_string(names[model->pairs[i].name])));
        CHECK(slice_equal(header_entry_value(entry), value_text(model->pairs[i].value)));
        bytes += (uint32_t)header_entry_name(entry).len + 33;
    }
    CHECK(header_map_next(map, &at) == NULL);
    CHECK(map->live == model->count && map->bytes == bytes);
    for (uint8_t name = 0; name < ARRAY_LEN(names); name++) {
        struct slice text = slice_from_string(names[name]);
        uint32_t count = 0;
        struct slice first = {NULL, 0};
        for (size_t i = 0; i < model->count; i++) {
            if (model->pairs[i].name == name) {
                first = count == 0 ? value_text(model->pairs[i].value) : first;
                count++;
            }
        }
        CHECK(header_map_count_name(map, text) == count);
        CHECK(slice_equal(header_map_get_name(map, text), first));
    }
}

/* Index in the map of the model's n-th entry. */
static uint32_t map_index(const struct header_map *map, size_t n) {
    uint32_t at = 0;
    for (size_t i = 0; i <= n; i++) {
        CHECK(header_map_next(map, &at) != NULL);
    }
    return at - 1;
}

static void remove_prefix(struct header_map *map, struct model *model) {
    size_t removed = remove_all(model, 6, 0) + remove_all(model, 7, 0);
    CHECK(header_map_remove_prefix(map, SLICE("x-envoy-")) == removed);
}

static void apply(struct header_map *map, struct model *model, uint8_t op, struct pair pair) {
    struct slice name = slice_from_string(names[pair.name]);
    struct slice value = value_text(pair.value);
    switch (op % 6) {
    case 0:
        CHECK(header_map_add(map, name, value) == STATUS_OK);
        insert(model, pair);
        break;
    case 1:
        header_map_append_name(map, name, value);
        insert(model, pair);
        break;
    case 2:
        header_map_set_name(map, name, value);
        set(model, pair);
        break;
    case 3:
        CHECK(header_map_remove_name(map, name) == remove_all(model, pair.name, 0));
        break;
    case 4:
        if (model->count > 0) {
            size_t at = pair.value % model->count;
            header_map_remove_at(map, map_index(map, at));
            take(model, at);
        }
        break;
    default:
        if (pair.value % 4 == 0) {
            remove_prefix(map, model);
        } else {
            header_map_reserve_pseudo(map);
        }
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena;
    arena_init_heap(&arena, 0);
    struct header_map map;
    header_map_init(&map, &arena);
    struct model *model = (struct model *)calloc(1, sizeof(*model));
    CHECK(model != NULL);
    for (size_t i = 0; i + 1 < size && model->count < MAX_MODEL - 1; i += 2) {
        struct pair pair = {(uint8_t)(data[i] / 6 % ARRAY_LEN(names)), data[i + 1]};
        apply(&map, model, data[i], pair);
        compare(&map, model);
    }
    struct header_map copy;
    header_map_copy(&copy, &map, &arena);
    compare(&copy, model);
    free(model);
    arena_deinit(&arena);
    return 0;
}
