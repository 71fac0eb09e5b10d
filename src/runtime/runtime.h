// SPDX-License-Identifier: Apache-2.0
/*
 * The runtime: layers of key and value, of which the last that has a key wins, and the numbers that stand
 * for keys. Who fills the layers (the bootstrap, a folder, the admin interface, a management server) tells
 * of it with runtime_loaded; the table for the data path is then made anew. Owned by the configuration
 * store, which publishes the table with its snapshots. Control thread.
 */
#ifndef SRC_RUNTIME_RUNTIME_H
#define SRC_RUNTIME_RUNTIME_H

#include "src/runtime/runtime_key.h"
#include "src/runtime/runtime_table.h"

struct runtime;
struct runtime_layer;
struct stats_registry;

/* `on_change` is called when another table is to be published. */
struct runtime *runtime_new(void (*on_change)(void *arg), void *arg);
void runtime_free(struct runtime *runtime);
/* Counts under "runtime." from here on, in the cells of `thread`. */
void runtime_count_in(struct runtime *runtime, struct stats_registry *stats, uint32_t thread);

/* ---- keys ---- */

/* The number of a key, given at first use and never taken back; RUNTIME_NO_KEY for empty text. */
uint32_t runtime_key(struct runtime *runtime, struct slice name);
/* What the layers say of a key that has no number: for readers on the control thread. NULL: not set. */
const struct runtime_value *runtime_find(const struct runtime *runtime, struct slice name);
/* Some layer has a key that begins so. */
bool runtime_has_prefix(const struct runtime *runtime, struct slice prefix);

/* The table of now, with a reference for the caller. */
const struct runtime_table *runtime_table_ref(struct runtime *runtime);
void runtime_table_unref(const struct runtime_table *table);
/* The table of now is the one given. */
bool runtime_is_current(struct runtime *runtime, const struct runtime_table *table);

/* ---- layers ---- */

/* Behind those that are there; `name` is copied. The runtime's. */
struct runtime_layer *runtime_add_layer(struct runtime *runtime, struct slice name);
/* A layer that is not there (a folder that does not exist) is left out of /runtime. */
void runtime_layer_set_present(struct runtime_layer *layer, bool is_present);
/* Empties it. */
void runtime_layer_clear(struct runtime_layer *layer);
/* `text` is what /runtime shows. Both are copied. */
void runtime_layer_set(struct runtime_layer *layer, struct slice key, struct slice text,
                       struct runtime_value value);
void runtime_layer_remove(struct runtime_layer *layer, struct slice key);
uint32_t runtime_layer_count(const struct runtime_layer *layer);

/* How filling the layers went, for the statistics. */
struct runtime_load {
    uint32_t disk_layers; /* that were read */
    bool has_error;
};
/* After changes to layers: publishes. */
void runtime_loaded(struct runtime *runtime, const struct runtime_load *load);
/* The gauge admin_overrides_active. */
void runtime_set_admin_active(struct runtime *runtime, bool is_active);

/* ---- looking at it ---- */

/* Layers that are present, in order. */
uint32_t runtime_layers(const struct runtime *runtime);
struct slice runtime_layer_name(const struct runtime *runtime, uint32_t layer);
/* All keys of all present layers, sorted, each once: a heap array for mem_free, which borrows the text. */
struct slice *runtime_keys(const struct runtime *runtime, uint32_t *count);
/* Empty: the layer does not have it. */
struct slice runtime_text(const struct runtime *runtime, uint32_t layer, struct slice key);

#endif
