// SPDX-License-Identifier: Apache-2.0
/*
 * The layout of scopes and their cells, shared by the files of this folder only. A thread's block, and
 * each group of cells in it, is allocated by that thread at its first write and published with release;
 * both are freed with the scope. A scope that nobody uses costs its prefix and one pointer per thread;
 * a cluster without requests costs the groups of its gauges.
 */
#ifndef SRC_STATS_SCOPE_H
#define SRC_STATS_SCOPE_H

#include <pthread.h>

#include "src/base/hash_map.h"
#include "src/stats/histogram.h"
#include "src/stats/stats.h"

/* A value cell keeps "was ever written" in its lowest bit and the value, modulo 2^63, above it. */
union stats_cell {
    _Atomic uint64_t tagged;
    _Atomic(struct histogram *) histogram;
};

enum {
    STATS_GROUP_CELLS = 16,
    DYNAMIC_LIMIT = 1024,
    /* Cells of dynamic names come in groups of 16, 32, 64, ...: seven hold 2,032. */
    DYNAMIC_GROUPS = 7,
    DYNAMIC_FIRST_GROUP = 16,
    DYNAMIC_BUCKETS = 32,
    DYNAMIC_KIND_SHIFT = 28,
};

struct stats_block {
    _Atomic(union stats_cell *) dynamic_groups[DYNAMIC_GROUPS];
    _Atomic(union stats_cell *) groups[]; /* of STATS_GROUP_CELLS, in the order of the table */
};

/* What a reset takes away from merged values; touched by the control thread only. */
union stats_base {
    uint64_t value;
    struct histogram *histogram;
};

struct dynamic_stat {
    struct dynamic_stat *next; /* in its bucket; set before publication */
    uint32_t index;            /* kind << DYNAMIC_KIND_SHIFT | position */
    union stats_base base;
    uint32_t name_len;
    uint8_t name[];
};

struct dynamic_table {
    _Atomic uint32_t count; /* written under the registry's lock */
    _Atomic(struct dynamic_stat *) buckets[DYNAMIC_BUCKETS];
};

struct stats_scope {
    struct stats_registry *registry;
    const struct stat_table *table;
    struct slice prefix; /* behind the table's address in `key` */
    struct slice key;
    uint32_t refs;
    _Atomic(struct dynamic_table *) dynamic;
    union stats_base *base; /* one per stat of the table; NULL: never reset */
    _Atomic(struct stats_block *) blocks[];
};

struct stats_registry {
    uint32_t threads;
    struct hash_map scopes;
    /* Taken to add a dynamic name, never to count. */
    pthread_mutex_t dynamic_lock;
    uint64_t dynamic_seed;
};

static inline uint32_t stats_group_count(const struct stat_table *table) {
    return (table->count + STATS_GROUP_CELLS - 1) / STATS_GROUP_CELLS;
}

/* The cells of one stat over all threads; NULL where a thread has none. */
const union stats_cell *stats_block_cell(const struct stats_block *block, uint32_t stat);
const union stats_cell *stats_block_dynamic_cell(const struct stats_block *block,
                                                 uint32_t position);
/* Group and offset of a dynamic name's cell. */
struct dynamic_place {
    uint32_t group;
    uint32_t offset;
};
struct dynamic_place stats_dynamic_place(uint32_t position);

#endif
