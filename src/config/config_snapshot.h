// SPDX-License-Identifier: Apache-2.0
/*
 * One consistent state of the whole configuration: per kind a persistent (chunked, copy-on-write) table
 * slot -> part, plus the list of slots that changed against the predecessor. Immutable once published;
 * each io_context holds one, swaps it between callbacks and does work in proportion to the change list.
 */
#ifndef SRC_CONFIG_CONFIG_SNAPSHOT_H
#define SRC_CONFIG_CONFIG_SNAPSHOT_H

#include "src/config/config_part.h"

enum { CONFIG_CHUNK_SLOTS = 64 };

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
};

static inline struct config_part *config_snapshot_part(const struct config_snapshot *snapshot,
                                                       enum config_kind kind, uint32_t slot) {
    const struct config_table *table = &snapshot->tables[kind];
    uint32_t chunk = slot / CONFIG_CHUNK_SLOTS;
    if (chunk >= table->chunk_count || table->chunks[chunk] == NULL) {
        return NULL;
    }
    return table->chunks[chunk]->parts[slot % CONFIG_CHUNK_SLOTS];
}
/* CONFIG_SLOT_NONE for a name that has no slot. For cluster_header and the like only. */
uint32_t config_snapshot_find(const struct config_snapshot *snapshot, enum config_kind kind,
                              struct slice name);

#endif
