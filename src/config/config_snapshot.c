// SPDX-License-Identifier: Apache-2.0
#include "src/config/config_snapshot.h"

#include "src/base/check.h"
#include "src/config/config_internal.h"

/* The upper half of the name's hash saves most comparisons. */
struct config_name_cell {
    uint32_t tag;
    uint32_t slot; /* NAME_FREE, NAME_DELETED or a slot */
};

#define NAME_FREE UINT32_MAX
#define NAME_DELETED (UINT32_MAX - 1)
enum { NAMES_MIN_CAPACITY = 16 };

/* Fixed: names come from the control plane, which can do worse than slow look-ups. */
static const uint64_t name_seed = 0x9e3779b97f4a7c15U;

static void chunk_unref(struct config_chunk *chunk) {
    if (chunk == NULL || --chunk->refs > 0) {
        return;
    }
    for (size_t i = 0; i < CONFIG_CHUNK_SLOTS; i++) {
        config_part_unref(chunk->parts[i]);
    }
    mem_free(chunk);
}

static struct config_chunk *chunk_clone(const struct config_chunk *from) {
    struct config_chunk *chunk = mem_calloc(1, sizeof(*chunk));
    chunk->refs = 1;
    for (size_t i = 0; i < CONFIG_CHUNK_SLOTS && from != NULL; i++) {
        chunk->parts[i] = from->parts[i] == NULL ? NULL : config_part_ref(from->parts[i]);
    }
    return chunk;
}

void config_table_share(struct config_table *to, const struct config_table *from) {
    *to = (struct config_table){.chunk_count = from->chunk_count};
    if (from->chunk_count == 0) {
        return;
    }
    to->chunks = mem_calloc(from->chunk_count, sizeof(struct config_chunk *));
    for (uint32_t i = 0; i < from->chunk_count; i++) {
        to->chunks[i] = from->chunks[i];
        if (to->chunks[i] != NULL) {
            to->chunks[i]->refs++;
        }
    }
}

void config_table_free(struct config_table *table) {
    for (uint32_t i = 0; i < table->chunk_count; i++) {
        chunk_unref(table->chunks[i]);
    }
    mem_free(table->chunks);
    *table = (struct config_table){0};
}

static void table_grow(struct config_table *table, uint32_t chunk_count) {
    table->chunks = mem_realloc(table->chunks, chunk_count * sizeof(struct config_chunk *));
    for (uint32_t i = table->chunk_count; i < chunk_count; i++) {
        table->chunks[i] = NULL;
    }
    table->chunk_count = chunk_count;
}

void config_table_set(struct config_table *table, uint32_t slot, struct config_part *part) {
    uint32_t at = (slot & CONFIG_PLACE_MASK) / CONFIG_CHUNK_SLOTS;
    if (at >= table->chunk_count) {
        if (part == NULL) {
            return;
        }
        table_grow(table, at + 1);
    }
    struct config_chunk *chunk = table->chunks[at];
    if (chunk == NULL || chunk->refs > 1) {
        struct config_chunk *own = chunk_clone(chunk);
        chunk_unref(chunk);
        table->chunks[at] = own;
        chunk = own;
    }
    struct config_part **place = &chunk->parts[slot % CONFIG_CHUNK_SLOTS];
    struct config_part *before = *place;
    *place = part;
    config_part_unref(before);
}

struct config_part *config_table_at(const struct config_table *table, uint32_t place) {
    uint32_t at = place / CONFIG_CHUNK_SLOTS;
    if (at >= table->chunk_count || table->chunks[at] == NULL) {
        return NULL;
    }
    return table->chunks[at]->parts[place % CONFIG_CHUNK_SLOTS];
}

struct config_part *config_table_get(const struct config_table *table, uint32_t slot) {
    struct config_part *part = config_table_at(table, slot & CONFIG_PLACE_MASK);
    return part != NULL && part->slot == slot ? part : NULL;
}

static void name_table_unref(struct config_name_table *table) {
    if (table != NULL && --table->refs == 0) {
        mem_free(table->cells);
        mem_free(table);
    }
}

static struct config_name_table *name_table_new(uint32_t capacity) {
    struct config_name_table *table = mem_calloc(1, sizeof(*table));
    table->refs = 1;
    table->capacity = capacity;
    table->cells = mem_alloc(capacity * sizeof(struct config_name_cell));
    for (uint32_t i = 0; i < capacity; i++) {
        table->cells[i] = (struct config_name_cell){.slot = NAME_FREE};
    }
    return table;
}

static void name_table_insert(struct config_name_table *table, uint32_t tag, uint32_t slot) {
    uint32_t at = tag & (table->capacity - 1);
    while (table->cells[at].slot != NAME_FREE) {
        at = (at + 1) & (table->capacity - 1);
    }
    table->cells[at] = (struct config_name_cell){.tag = tag, .slot = slot};
    table->used++;
    table->count++;
}

// A table of its own for the writer, with room for one more name.
static struct config_name_table *name_table_own(struct config_name_table *table) {
    if (table == NULL) {
        return name_table_new(NAMES_MIN_CAPACITY);
    }
    bool is_full = (table->used + 1) * 4 > table->capacity * 3;
    if (table->refs == 1 && !is_full) {
        return table;
    }
    uint32_t capacity = NAMES_MIN_CAPACITY;
    while ((table->count + 1) * 2 > capacity) {
        capacity *= 2;
    }
    struct config_name_table *own = name_table_new(capacity);
    for (uint32_t i = 0; i < table->capacity; i++) {
        if (table->cells[i].slot < NAME_DELETED) {
            name_table_insert(own, table->cells[i].tag, table->cells[i].slot);
        }
    }
    name_table_unref(table);
    return own;
}

static uint32_t name_tag(struct slice name) {
    return (uint32_t)(slice_hash(name, name_seed) >> 32);
}

void config_names_add(struct config_names *names, enum config_kind kind, struct slice name,
                      uint32_t slot) {
    names->tables[kind] = name_table_own(names->tables[kind]);
    name_table_insert(names->tables[kind], name_tag(name), slot);
}

void config_names_remove(struct config_names *names, enum config_kind kind, struct slice name,
                         uint32_t slot) {
    struct config_name_table *table = name_table_own(names->tables[kind]);
    names->tables[kind] = table;
    uint32_t at = name_tag(name) & (table->capacity - 1);
    for (; table->cells[at].slot != NAME_FREE; at = (at + 1) & (table->capacity - 1)) {
        if (table->cells[at].slot == slot) {
            table->cells[at].slot = NAME_DELETED;
            table->count--;
            return;
        }
    }
}

void config_names_share(struct config_names *to, const struct config_names *from) {
    *to = *from;
    for (size_t kind = 0; kind < CONFIG_KIND_COUNT; kind++) {
        if (to->tables[kind] != NULL) {
            to->tables[kind]->refs++;
        }
    }
}

void config_names_free(struct config_names *names) {
    for (size_t kind = 0; kind < CONFIG_KIND_COUNT; kind++) {
        name_table_unref(names->tables[kind]);
        names->tables[kind] = NULL;
    }
}

uint32_t config_snapshot_find(const struct config_snapshot *snapshot, enum config_kind kind,
                              struct slice name) {
    const struct config_name_table *table = snapshot->names->tables[kind];
    if (table == NULL) {
        return CONFIG_SLOT_NONE;
    }
    uint32_t tag = name_tag(name);
    uint32_t at = tag & (table->capacity - 1);
    for (; table->cells[at].slot != NAME_FREE; at = (at + 1) & (table->capacity - 1)) {
        const struct config_name_cell *cell = &table->cells[at];
        if (cell->tag != tag || cell->slot == NAME_DELETED) {
            continue;
        }
        const struct config_part *part = config_snapshot_part(snapshot, kind, cell->slot);
        if (part != NULL && slice_equal(part->name, name)) {
            return cell->slot;
        }
    }
    return CONFIG_SLOT_NONE;
}
