// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of src/config share among themselves: chunked tables, the index from names to slots,
 * and the cells of pins. Everything but a pin's count and retained mark is the control thread's.
 */
#ifndef SRC_CONFIG_CONFIG_INTERNAL_H
#define SRC_CONFIG_CONFIG_INTERNAL_H

#include "src/config/config_snapshot.h"

struct mailbox;

/* ---- tables ---- */

/* Another owner of the same chunks; `to` is overwritten. */
void config_table_share(struct config_table *to, const struct config_table *from);
void config_table_free(struct config_table *table);
/* Writes one slot, cloning the chunk where others share it. Takes over the reference to `part` (NULL:
 * empties the slot) and gives up the table's reference to what was there. */
void config_table_set(struct config_table *table, uint32_t slot, struct config_part *part);
struct config_part *config_table_get(const struct config_table *table, uint32_t slot);
/* Whatever lies at a place, of any generation. */
struct config_part *config_table_at(const struct config_table *table, uint32_t place);

/* ---- names ---- */

/* Of one kind: open addressing over slot numbers; the names are those of the parts in the table. */
struct config_name_table {
    uint32_t refs;
    uint32_t capacity; /* power of two */
    uint32_t used;     /* filled and deleted cells */
    uint32_t count;
    struct config_name_cell *cells;
};
struct config_names {
    struct config_name_table *tables[CONFIG_KIND_COUNT]; /* NULL: no names */
};

void config_names_share(struct config_names *to, const struct config_names *from);
void config_names_free(struct config_names *names);
void config_names_add(struct config_names *names, enum config_kind kind, struct slice name,
                      uint32_t slot);
void config_names_remove(struct config_names *names, enum config_kind kind, struct slice name,
                         uint32_t slot);

/* ---- parts ---- */

/* No thread's snapshot has it any more: runs what config_part_on_retire was given. */
void config_part_retire(struct config_part *part);

/* ---- pins ---- */

/* One cell for each of `threads` io_contexts; each on a cache line of its own. `control` gets the mail
 * that gives a retained reference back. */
struct config_pin_cell *config_pins_new(struct config_part *part, struct mailbox *control,
                                        uint32_t threads);
void config_pins_free(struct config_pin_cell *pins); /* NULL allowed */
/* On the worker's thread: true when the part is held here and nobody keeps a reference for it yet;
 * the caller must then have control take one. */
bool config_pin_retain(struct config_part *part, uint32_t thread);

#endif
