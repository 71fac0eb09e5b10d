// SPDX-License-Identifier: Apache-2.0
/*
 * The control thread's master copy: gives out slots, takes parts, and publishes snapshots to all
 * io_contexts. Changes made in one loop turn are published together at its end. Pinning lets a stream
 * keep its route configuration (and a connection its listener part) after both left the snapshot.
 */
#ifndef SRC_CONFIG_CONFIG_STORE_H
#define SRC_CONFIG_CONFIG_STORE_H

#include "src/config/config_snapshot.h"

struct config_store;
struct io_context;
struct runtime;

/* Called on the subscriber's own thread after io->snapshot was swapped. `previous` is NULL for one who
 * subscribed after the first publication: look at the tables then, not at the list of changes. */
typedef void config_swap_fn(void *arg, const struct config_snapshot *previous,
                            const struct config_snapshot *current);

/* `control->index` is the highest index of all io_contexts that will ever subscribe. */
struct config_store *config_store_new(struct io_context *control);
/* All subscribers are gone and every pin is undone. Mail of theirs may still be on its way; it must be
 * delivered (by freeing the control context's mailbox at the latest). */
void config_store_free(struct config_store *store);

/* Registers a thread before it runs; the index is io->index, and io->snapshot is set from here on (an
 * empty one of generation 0 before the first publication). The control context subscribes too; its
 * swap is made at publication. Several functions may be added per thread; they run in order. */
void config_store_subscribe(struct config_store *store, struct io_context *io, config_swap_fn *swap,
                            void *arg);
/* The thread has ended (or is the caller): no function of it is called any more, and snapshots that
 * are still in its mailbox are given back as they are delivered. io->snapshot is NULL afterwards. */
void config_store_unsubscribe(struct config_store *store, struct io_context *io);

/* The name's slot, made at first use. It is the name's as long as anybody holds it or a part lies there;
 * afterwards the number finds nothing any more, and the name may get another. One that was never held nor
 * filled stays. */
uint32_t config_store_slot(struct config_store *store, enum config_kind kind, struct slice name);
/* The same, held until `part` is freed, which has the number in it. */
uint32_t config_store_slot_for(struct config_store *store, struct config_part *part,
                               enum config_kind kind, struct slice name);
/* In pairs, for those who keep a number otherwise. */
void config_store_hold_slot(struct config_store *store, enum config_kind kind, uint32_t slot);
void config_store_release_slot(struct config_store *store, enum config_kind kind, uint32_t slot);
/* CONFIG_SLOT_NONE: the name has none. */
uint32_t config_store_find_slot(const struct config_store *store, enum config_kind kind,
                                struct slice name);
struct slice config_store_slot_name(const struct config_store *store, enum config_kind kind,
                                    uint32_t slot);
/* Puts `part` (reference taken over) under its name, always the same one; NULL removes what is there. A
 * TLS context is removed by itself when nobody holds its slot any more. */
void config_store_put(struct config_store *store, enum config_kind kind, uint32_t slot,
                      struct config_part *part);
/* What will be in the next snapshot. */
struct config_part *config_store_get(const struct config_store *store, enum config_kind kind,
                                     uint32_t slot);
/* Publishes pending changes now; otherwise it happens at the end of the turn. Changes made by a swap
 * function of the control context go into the next snapshot. */
void config_store_publish(struct config_store *store);
const struct config_snapshot *config_store_current(const struct config_store *store);
/* The store's: gives numbers to the keys that parts name; its table comes with the next snapshot. */
struct runtime *config_store_runtime(const struct config_store *store);
/* Small integers for text compared at request time (filter names); never given back. */
uint32_t config_store_intern(struct config_store *store, struct slice text);
struct slice config_store_interned(const struct config_store *store, uint32_t id);
/* Iterates the parts of a kind; `*at` starts at 0. NULL at the end. */
struct config_part *config_store_next(const struct config_store *store, enum config_kind kind,
                                      uint32_t *at);

/* How many threads may subscribe; their indexes are below. */
uint32_t config_store_threads(const struct config_store *store);
/* Control: runs fn(arg, io) once on the thread of each subscriber, between callbacks (control's within
 * the call, with threads that ended not at all), then done(arg) on the control thread. What is told
 * arrives in order. `part` is referenced meanwhile: what lies in it may be written to, each thread its
 * own. */
typedef void config_tell_fn(void *arg, struct io_context *io);
void config_store_tell(struct config_store *store, struct config_part *part, config_tell_fn *fn,
                       void (*done)(void *arg), void *arg);

/* On the holder's own thread, in pairs; the part must be in io->snapshot at the pin. */
void config_pin(struct io_context *io, struct config_part *part);
void config_unpin(struct io_context *io, struct config_part *part);

#endif
