// SPDX-License-Identifier: Apache-2.0
/*
 * One consistent state of the whole configuration: per kind a persistent (chunked, copy-on-write) table
 * slot -> part, plus the list of slots that changed against the predecessor. Immutable once published;
 * each io_context holds one, swaps it between callbacks and does work in proportion to the change list.
 */
#ifndef SRC_CONFIG_CONFIG_SNAPSHOT_H
#define SRC_CONFIG_CONFIG_SNAPSHOT_H

#include "src/config/config_part.h"
#include "src/runtime/runtime_table.h"

enum { CONFIG_CHUNK_SLOTS = 64 };
/* A slot's number: its place in the table, and above it the place's generation. */
enum {
    CONFIG_PLACE_BITS = 22,
    CONFIG_PLACE_MASK = (1 << CONFIG_PLACE_BITS) - 1,
    CONFIG_GENERATION_MASK = (1 << (32 - CONFIG_PLACE_BITS)) - 1,
};

struct config_chunk {
    uint32_t refs;
    struct config_part *parts[CONFIG_CHUNK_SLOTS];
};

struct config_table {
    struct config_chunk **chunks;
    uint32_t chunk_count;
};

struct config_change {
    enum config_kind kind;
    uint32_t slot;
    struct config_part *before; /* NULL: added; referenced until the change list is freed */
    struct config_part *after;  /* NULL: removed */
};

struct config_snapshot {
    uint64_t generation; /* 1, 2, … */
    struct config_table tables[CONFIG_KIND_COUNT];
    const struct config_change *changes;
    uint32_t change_count;
    const struct config_names *names; /* name -> slot, for lookups by a request's text */
    const struct runtime_table *runtime;
};

static inline struct config_part *config_snapshot_part(const struct config_snapshot *snapshot,
                                                       enum config_kind kind, uint32_t slot) {
    const struct config_table *table = &snapshot->tables[kind];
    uint32_t place = slot & CONFIG_PLACE_MASK;
    uint32_t chunk = place / CONFIG_CHUNK_SLOTS;
    if (chunk >= table->chunk_count || table->chunks[chunk] == NULL) {
        return NULL;
    }
    struct config_part *part = table->chunks[chunk]->parts[place % CONFIG_CHUNK_SLOTS];
    return part != NULL && part->slot == slot ? part : NULL;
}
/* CONFIG_SLOT_NONE for a name that has no slot. For cluster_header and the like only. */
uint32_t config_snapshot_find(const struct config_snapshot *snapshot, enum config_kind kind,
                              struct slice name);

#endif
