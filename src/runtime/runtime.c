// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/runtime.h"

#include <stdlib.h>

#include "src/base/check.h"
#include "src/base/hash_map.h"
#include "src/runtime/runtime_stats.h"

struct runtime_entry {
    struct runtime_value value;
    uint32_t key_len, text_len;
    uint8_t bytes[]; /* the key, then the text */
};

struct runtime_layer {
    char *name;
    size_t name_len;
    bool is_present;
    struct hash_map entries; /* struct runtime_entry */
};

/* A key that something reads. */
struct known_key {
    uint32_t number;
    uint32_t len;
    uint8_t text[];
};

struct runtime {
    void (*on_change)(void *arg);
    void *arg;
    struct stats_scope *stats; /* NULL: not counted */
    uint32_t thread;
    struct runtime_layer **layers;
    uint32_t layer_count;
    struct hash_map keys;     /* struct known_key */
    struct known_key **names; /* by number, from 1 on */
    uint32_t key_count, key_capacity;
    struct runtime_table *table; /* NULL: to be made */
};

static struct slice key_of(const struct runtime_entry *entry) {
    return slice_make(entry->bytes, entry->key_len);
}

static struct slice text_of(const struct runtime_entry *entry) {
    return slice_make(entry->bytes + entry->key_len, entry->text_len);
}

/* ---- life ---- */

struct runtime *runtime_new(void (*on_change)(void *arg), void *arg) {
    static const struct slice known[] = {
#define RUNTIME_KEY_TEXT(id, name) SLICE_INIT(name),
        RUNTIME_KEYS(RUNTIME_KEY_TEXT)
#undef RUNTIME_KEY_TEXT
    };
    struct runtime *runtime = mem_calloc(1, sizeof(*runtime));
    runtime->on_change = on_change;
    runtime->arg = arg;
    runtime->key_count = 1; // RUNTIME_NO_KEY
    hash_map_init(&runtime->keys);
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        CHECK(runtime_key(runtime, known[i]) == i + 1);
    }
    return runtime;
}

static void layer_free(struct runtime_layer *layer) {
    runtime_layer_clear(layer);
    hash_map_deinit(&layer->entries);
    mem_free(layer->name);
    mem_free(layer);
}

void runtime_free(struct runtime *runtime) {
    if (runtime == NULL) {
        return;
    }
    for (uint32_t i = 0; i < runtime->layer_count; i++) {
        layer_free(runtime->layers[i]);
    }
    for (uint32_t i = 1; i < runtime->key_count; i++) {
        mem_free(runtime->names[i]);
    }
    hash_map_deinit(&runtime->keys);
    runtime_table_unref(runtime->table);
    stats_scope_unref(runtime->stats);
    mem_free(runtime->layers);
    mem_free(runtime->names);
    mem_free(runtime);
}

void runtime_count_in(struct runtime *runtime, struct stats_registry *stats, uint32_t thread) {
    ASSERT(runtime->stats == NULL);
    runtime->stats = stats_scope_get(stats, SLICE("runtime"), &runtime_stat_table);
    runtime->thread = thread;
}

/* ---- keys ---- */

// What was published stays with those that have it.
static void forget_table(struct runtime *runtime) {
    runtime_table_unref(runtime->table);
    runtime->table = NULL;
}

uint32_t runtime_key(struct runtime *runtime, struct slice name) {
    if (name.len == 0) {
        return RUNTIME_NO_KEY;
    }
    const struct known_key *found = hash_map_get(&runtime->keys, name);
    if (found != NULL) {
        return found->number;
    }
    if (runtime->key_count >= runtime->key_capacity) {
        runtime->key_capacity = runtime->key_capacity == 0 ? 64 : runtime->key_capacity * 2;
        runtime->names =
            mem_realloc(runtime->names, runtime->key_capacity * sizeof(struct known_key *));
    }
    struct known_key *key = mem_alloc(sizeof(*key) + name.len);
    *key = (struct known_key){.number = runtime->key_count, .len = (uint32_t)name.len};
    memcpy(key->text, name.ptr, name.len);
    runtime->names[runtime->key_count++] = key;
    (void)hash_map_put(&runtime->keys, slice_make(key->text, key->len), key);
    // A key of which the layers say nothing reads the same without a place in the table.
    if (runtime_find(runtime, name) != NULL) {
        forget_table(runtime);
    }
    return key->number;
}

static const struct runtime_entry *find_entry(const struct runtime *runtime, struct slice name) {
    for (uint32_t i = runtime->layer_count; i > 0; i--) {
        const struct runtime_layer *layer = runtime->layers[i - 1];
        const struct runtime_entry *entry =
            layer->is_present ? hash_map_get(&layer->entries, name) : NULL;
        if (entry != NULL) {
            return entry;
        }
    }
    return NULL;
}

const struct runtime_value *runtime_find(const struct runtime *runtime, struct slice name) {
    const struct runtime_entry *entry = find_entry(runtime, name);
    return entry == NULL ? NULL : &entry->value;
}

bool runtime_has_prefix(const struct runtime *runtime, struct slice prefix) {
    for (uint32_t i = 0; i < runtime->layer_count; i++) {
        struct slice key;
        void *entry;
        size_t at = 0;
        while (runtime->layers[i]->is_present &&
               hash_map_next(&runtime->layers[i]->entries, &at, &key, &entry)) {
            if (slice_starts_with(key, prefix)) {
                return true;
            }
        }
    }
    return false;
}

/* ---- the table ---- */

static struct runtime_table *table_new(const struct runtime *runtime) {
    uint32_t count = runtime->key_count;
    struct runtime_table *table =
        mem_calloc(1, sizeof(*table) + count * sizeof(struct runtime_value));
    table->refs = 1;
    table->count = count;
    for (uint32_t i = 1; i < count; i++) {
        const struct known_key *key = runtime->names[i];
        const struct runtime_value *value = runtime_find(runtime, slice_make(key->text, key->len));
        if (value != NULL) {
            table->values[i] = *value;
        }
    }
    return table;
}

const struct runtime_table *runtime_table_ref(struct runtime *runtime) {
    if (runtime->table == NULL) {
        runtime->table = table_new(runtime);
    }
    runtime->table->refs++;
    return runtime->table;
}

void runtime_table_unref(const struct runtime_table *table) {
    // Readers see it as const; who counts made it.
    struct runtime_table *counted = (struct runtime_table *)(uintptr_t)table;
    if (counted != NULL && --counted->refs == 0) {
        mem_free(counted);
    }
}

bool runtime_is_current(struct runtime *runtime, const struct runtime_table *table) {
    return runtime->table != NULL && runtime->table == table;
}

/* ---- layers ---- */

struct runtime_layer *runtime_add_layer(struct runtime *runtime, struct slice name) {
    struct runtime_layer *layer = mem_calloc(1, sizeof(*layer));
    layer->name = mem_dup_string((const char *)name.ptr, name.len);
    layer->name_len = name.len;
    layer->is_present = true;
    hash_map_init(&layer->entries);
    runtime->layers =
        mem_realloc(runtime->layers, (runtime->layer_count + 1) * sizeof(struct runtime_layer *));
    runtime->layers[runtime->layer_count++] = layer;
    return layer;
}

void runtime_layer_set_present(struct runtime_layer *layer, bool is_present) {
    layer->is_present = is_present;
}

void runtime_layer_clear(struct runtime_layer *layer) {
    struct slice key;
    void *entry;
    size_t at = 0;
    while (hash_map_next(&layer->entries, &at, &key, &entry)) {
        (void)hash_map_remove(&layer->entries, key);
        mem_free(entry);
    }
}

void runtime_layer_remove(struct runtime_layer *layer, struct slice key) {
    mem_free(hash_map_remove(&layer->entries, key));
}

void runtime_layer_set(struct runtime_layer *layer, struct slice key, struct slice text,
                       struct runtime_value value) {
    // The map borrows the key of what it holds.
    runtime_layer_remove(layer, key);
    struct runtime_entry *entry = mem_alloc(sizeof(*entry) + key.len + text.len);
    *entry = (struct runtime_entry){
        .value = value, .key_len = (uint32_t)key.len, .text_len = (uint32_t)text.len};
    if (key.len > 0) {
        memcpy(entry->bytes, key.ptr, key.len);
    }
    if (text.len > 0) {
        memcpy(entry->bytes + key.len, text.ptr, text.len);
    }
    (void)hash_map_put(&layer->entries, key_of(entry), entry);
}

uint32_t runtime_layer_count(const struct runtime_layer *layer) {
    return (uint32_t)layer->entries.count;
}

/* ---- loads ---- */

static void count(const struct runtime *runtime, enum runtime_stat stat) {
    stats_inc(runtime->stats, runtime->thread, stat);
}

void runtime_loaded(struct runtime *runtime, const struct runtime_load *load) {
    uint32_t keys;
    mem_free(runtime_keys(runtime, &keys));
    count(runtime, load->has_error ? RUNTIME_STAT_LOAD_ERROR : RUNTIME_STAT_LOAD_SUCCESS);
    count(runtime, load->disk_layers > 1 ? RUNTIME_STAT_OVERRIDE_DIR_EXISTS
                                         : RUNTIME_STAT_OVERRIDE_DIR_NOT_EXISTS);
    stats_set(runtime->stats, runtime->thread, RUNTIME_STAT_NUM_KEYS, keys);
    stats_set(runtime->stats, runtime->thread, RUNTIME_STAT_NUM_LAYERS, runtime_layers(runtime));
    forget_table(runtime);
    runtime->on_change(runtime->arg);
}

void runtime_set_admin_active(struct runtime *runtime, bool is_active) {
    stats_set(runtime->stats, runtime->thread, RUNTIME_STAT_ADMIN_OVERRIDES_ACTIVE, is_active);
}

/* ---- looking at it ---- */

static const struct runtime_layer *layer_at(const struct runtime *runtime, uint32_t layer) {
    for (uint32_t i = 0; i < runtime->layer_count; i++) {
        if (runtime->layers[i]->is_present && layer-- == 0) {
            return runtime->layers[i];
        }
    }
    return NULL;
}

uint32_t runtime_layers(const struct runtime *runtime) {
    uint32_t layers = 0;
    for (uint32_t i = 0; i < runtime->layer_count; i++) {
        layers += runtime->layers[i]->is_present;
    }
    return layers;
}

struct slice runtime_layer_name(const struct runtime *runtime, uint32_t layer) {
    const struct runtime_layer *found = layer_at(runtime, layer);
    return found == NULL ? (struct slice){0} : slice_make(found->name, found->name_len);
}

struct slice runtime_text(const struct runtime *runtime, uint32_t layer, struct slice key) {
    const struct runtime_layer *found = layer_at(runtime, layer);
    const struct runtime_entry *entry = found == NULL ? NULL : hash_map_get(&found->entries, key);
    return entry == NULL ? (struct slice){0} : text_of(entry);
}

static int compare_keys(const void *a, const void *b) {
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static uint32_t keep_each_once(struct slice *keys, uint32_t found) {
    uint32_t kept = 0;
    qsort(keys, found, sizeof(*keys), compare_keys);
    for (uint32_t i = 0; i < found; i++) {
        if (kept == 0 || !slice_equal(keys[kept - 1], keys[i])) {
            keys[kept++] = keys[i];
        }
    }
    return kept;
}

struct slice *runtime_keys(const struct runtime *runtime, uint32_t *count) {
    size_t room = 1;
    for (uint32_t i = 0; i < runtime->layer_count; i++) {
        room += runtime->layers[i]->entries.count;
    }
    struct slice *keys = mem_calloc(room, sizeof(*keys));
    uint32_t found = 0;
    for (uint32_t i = 0; i < runtime->layer_count; i++) {
        const struct runtime_layer *layer = runtime->layers[i];
        void *entry;
        size_t at = 0;
        while (layer->is_present && hash_map_next(&layer->entries, &at, &keys[found], &entry)) {
            found++;
        }
    }
    *count = keep_each_once(keys, found);
    return keys;
}
