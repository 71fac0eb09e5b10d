// SPDX-License-Identifier: Apache-2.0
/*
 * Names and the numbers that stand for them. A slot is a place in its kind's table and the generation of
 * that place: what still has the number of a name that is gone finds nothing, though the place serves
 * another name by then. A slot lives while somebody holds it (a part that names it, above all) or a part
 * lies under it; what has become neither is told, and freed by the store. Control thread.
 *
 * The store and all that parts hold share one object, so that parts may outlive the store.
 */
#ifndef SRC_CONFIG_CONFIG_SLOTS_H
#define SRC_CONFIG_CONFIG_SLOTS_H

#include "src/config/config_part.h"

#define CONFIG_NO_CHANGE UINT32_MAX

struct config_slots;

struct config_slot {
    struct config_slots *slots;
    enum config_kind kind;
    uint32_t number;
    uint32_t change;  /* index in the store's list of changes, or CONFIG_NO_CHANGE */
    uint32_t holders; /* see config_slot_hold */
    uint32_t name_len;
    uint8_t name[];
};

static inline struct slice config_slot_name(const struct config_slot *slot) {
    return slice_make(slot->name, slot->name_len);
}

/* `on_idle` is called when a slot has lost its last holder; one reference. */
struct config_slots *config_slots_new(void (*on_idle)(void *arg), void *arg);
/* The store's end: on_idle is not called any more, and the object goes with its last holder. */
void config_slots_close(struct config_slots *slots);

/* NULL: the name has none. */
struct config_slot *config_slots_find(const struct config_slots *slots, enum config_kind kind,
                                      struct slice name);
/* Makes one where there is none. */
struct config_slot *config_slots_get(struct config_slots *slots, enum config_kind kind,
                                     struct slice name);
/* NULL for a number that stands for nothing, or no longer. */
struct config_slot *config_slots_at(const struct config_slots *slots, enum config_kind kind,
                                    uint32_t number);
/* How many places of the kind have been in use. */
uint32_t config_slots_places(const struct config_slots *slots, enum config_kind kind);
void config_slot_free(struct config_slot *slot);

void config_slot_hold(struct config_slot *slot);
void config_slot_release(struct config_slot *slot);
/* The part holds the slot until it is freed. */
void config_slot_hold_for(struct config_slot *slot, struct config_part *part);
/* From config_part.c: the part is freed. */
void config_slots_release_of(struct config_part *part);

/* What on_idle was called for, by index; NULL: it is gone or has a holder again. Some come twice. */
uint32_t config_slots_idle_count(const struct config_slots *slots);
struct config_slot *config_slots_idle(const struct config_slots *slots, uint32_t index);
void config_slots_forget_idle(struct config_slots *slots);
/* Tells of a slot without a holder once more. */
void config_slots_note_idle(struct config_slot *slot);

#endif
