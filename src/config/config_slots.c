// SPDX-License-Identifier: Apache-2.0
#include "src/config/config_slots.h"

#include "src/base/check.h"
#include "src/base/hash_map.h"
#include "src/config/config_snapshot.h"

enum {
    /* So many places lie free before one is used again: numbers come back late, if ever. */
    REST_PLACES = 256,
    FIRST_CAPACITY = CONFIG_CHUNK_SLOTS,
};

/* A place without a slot: where the next free one is, and the generation that follows. Told from a
 * pointer by its lowest bit. */
#define PLACE_FREE UINT64_C(1)
#define NO_PLACE UINT32_MAX

struct place_table {
    struct hash_map by_name; /* struct config_slot */
    uint64_t *places;        /* a struct config_slot's address, or a free place's numbers */
    uint32_t count, capacity;
    uint32_t first_free, last_free, free_count; /* a queue */
};

struct idle_slot {
    enum config_kind kind;
    uint32_t number;
};

struct config_slots {
    struct place_table kinds[CONFIG_KIND_COUNT];
    struct idle_slot *idle;
    uint32_t idle_count, idle_capacity;
    uint32_t refs; /* the store's, and one for each hold */
    void (*on_idle)(void *arg);
    void *arg;
};

/* In the part's arena. */
struct config_slot_use {
    struct config_slot_use *next;
    struct config_slot *slot;
};

static uint64_t free_place(uint32_t generation, uint32_t next) {
    return (uint64_t)generation << 33 | (uint64_t)next << 1 | PLACE_FREE;
}

static struct config_slot *slot_at(const struct place_table *table, uint32_t place) {
    uint64_t cell = table->places[place];
    return (cell & PLACE_FREE) != 0 ? NULL : (struct config_slot *)(uintptr_t)cell;
}

struct config_slots *config_slots_new(void (*on_idle)(void *arg), void *arg) {
    struct config_slots *slots = mem_calloc(1, sizeof(*slots));
    for (size_t kind = 0; kind < CONFIG_KIND_COUNT; kind++) {
        hash_map_init(&slots->kinds[kind].by_name);
        slots->kinds[kind].first_free = NO_PLACE;
        slots->kinds[kind].last_free = NO_PLACE;
    }
    slots->refs = 1;
    slots->on_idle = on_idle;
    slots->arg = arg;
    return slots;
}

static void unref(struct config_slots *slots) {
    if (--slots->refs > 0) {
        return;
    }
    for (size_t kind = 0; kind < CONFIG_KIND_COUNT; kind++) {
        struct place_table *table = &slots->kinds[kind];
        for (uint32_t i = 0; i < table->count; i++) {
            mem_free(slot_at(table, i));
        }
        mem_free(table->places);
        hash_map_deinit(&table->by_name);
    }
    mem_free(slots->idle);
    mem_free(slots);
}

void config_slots_close(struct config_slots *slots) {
    slots->on_idle = NULL;
    unref(slots);
}

struct config_slot *config_slots_find(const struct config_slots *slots, enum config_kind kind,
                                      struct slice name) {
    return hash_map_get(&slots->kinds[kind].by_name, name);
}

/* The number of a place for a new slot. */
static uint32_t take_place(struct place_table *table) {
    if (table->free_count > REST_PLACES) {
        uint32_t place = table->first_free;
        uint64_t cell = table->places[place];
        table->first_free = (uint32_t)(cell >> 1);
        table->free_count--;
        return (uint32_t)(cell >> 33) << CONFIG_PLACE_BITS | place;
    }
    // The last place of the last generation would be CONFIG_SLOT_NONE.
    CHECK(table->count < CONFIG_PLACE_MASK);
    if (table->count == table->capacity) {
        table->capacity = table->capacity == 0 ? FIRST_CAPACITY : table->capacity * 2;
        table->places = mem_realloc(table->places, table->capacity * sizeof(table->places[0]));
    }
    return table->count++;
}

struct config_slot *config_slots_get(struct config_slots *slots, enum config_kind kind,
                                     struct slice name) {
    struct config_slot *slot = config_slots_find(slots, kind, name);
    if (slot != NULL) {
        return slot;
    }
    struct place_table *table = &slots->kinds[kind];
    slot = mem_alloc(sizeof(*slot) + name.len);
    *slot = (struct config_slot){
        .slots = slots,
        .kind = kind,
        .number = take_place(table),
        .change = CONFIG_NO_CHANGE,
        .name_len = (uint32_t)name.len,
    };
    if (name.len > 0) {
        memcpy(slot->name, name.ptr, name.len);
    }
    table->places[slot->number & CONFIG_PLACE_MASK] = (uintptr_t)slot;
    hash_map_put(&table->by_name, config_slot_name(slot), slot);
    return slot;
}

struct config_slot *config_slots_at(const struct config_slots *slots, enum config_kind kind,
                                    uint32_t number) {
    const struct place_table *table = &slots->kinds[kind];
    uint32_t place = number & CONFIG_PLACE_MASK;
    struct config_slot *slot = place < table->count ? slot_at(table, place) : NULL;
    return slot != NULL && slot->number == number ? slot : NULL;
}

uint32_t config_slots_places(const struct config_slots *slots, enum config_kind kind) {
    return slots->kinds[kind].count;
}

void config_slot_free(struct config_slot *slot) {
    CHECK(slot->holders == 0 && slot->change == CONFIG_NO_CHANGE);
    struct place_table *table = &slot->slots->kinds[slot->kind];
    uint32_t place = slot->number & CONFIG_PLACE_MASK;
    uint32_t generation = (slot->number >> CONFIG_PLACE_BITS) + 1;
    hash_map_remove(&table->by_name, config_slot_name(slot));
    table->places[place] = free_place(generation & CONFIG_GENERATION_MASK, NO_PLACE);
    if (table->free_count++ == 0) {
        table->first_free = place;
    } else {
        uint64_t last = table->places[table->last_free];
        table->places[table->last_free] = free_place((uint32_t)(last >> 33), place);
    }
    table->last_free = place;
    mem_free(slot);
}

void config_slot_hold(struct config_slot *slot) {
    slot->holders++;
    slot->slots->refs++;
}

void config_slots_note_idle(struct config_slot *slot) {
    struct config_slots *slots = slot->slots;
    if (slots->idle_count == slots->idle_capacity) {
        slots->idle_capacity = slots->idle_capacity == 0 ? 16 : slots->idle_capacity * 2;
        slots->idle = mem_realloc(slots->idle, slots->idle_capacity * sizeof(slots->idle[0]));
    }
    slots->idle[slots->idle_count++] =
        (struct idle_slot){.kind = slot->kind, .number = slot->number};
    if (slots->on_idle != NULL) {
        slots->on_idle(slots->arg);
    }
}

void config_slot_release(struct config_slot *slot) {
    struct config_slots *slots = slot->slots;
    CHECK(slot->holders > 0);
    if (--slot->holders == 0 && slots->on_idle != NULL) {
        config_slots_note_idle(slot);
    }
    unref(slots);
}

void config_slot_hold_for(struct config_slot *slot, struct config_part *part) {
    struct config_slot_use *use = ARENA_NEW(&part->arena, struct config_slot_use);
    *use = (struct config_slot_use){.next = part->slot_uses, .slot = slot};
    part->slot_uses = use;
    config_slot_hold(slot);
}

void config_slots_release_of(struct config_part *part) {
    for (struct config_slot_use *use = part->slot_uses; use != NULL; use = use->next) {
        config_slot_release(use->slot);
    }
    part->slot_uses = NULL;
}

uint32_t config_slots_idle_count(const struct config_slots *slots) {
    return slots->idle_count;
}

struct config_slot *config_slots_idle(const struct config_slots *slots, uint32_t index) {
    CHECK(index < slots->idle_count);
    struct idle_slot idle = slots->idle[index];
    struct config_slot *slot = config_slots_at(slots, idle.kind, idle.number);
    return slot != NULL && slot->holders == 0 ? slot : NULL;
}

void config_slots_forget_idle(struct config_slots *slots) {
    slots->idle_count = 0;
}
