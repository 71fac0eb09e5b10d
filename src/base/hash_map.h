// SPDX-License-Identifier: Apache-2.0
/*
 * Intrusive-free hash map from slice keys to pointers, open addressing, seeded hash. Keys are borrowed:
 * the value keeps its own key alive. Single thread; iteration order is not stable.
 */
#ifndef SRC_BASE_HASH_MAP_H
#define SRC_BASE_HASH_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/slice.h"

struct hash_map_entry;

struct hash_map {
    struct hash_map_entry *entries; /* NULL while empty */
    size_t capacity;                /* power of two or 0 */
    size_t count;
    size_t used; /* count plus tombstones */
    uint64_t seed;
};

void hash_map_init(struct hash_map *map);
void hash_map_deinit(struct hash_map *map);
/* NULL when absent. */
void *hash_map_get(const struct hash_map *map, struct slice key);
/* Stores `value` (not NULL) under `key`; returns the value replaced, or NULL. */
void *hash_map_put(struct hash_map *map, struct slice key, void *value);
/* Removes and returns the value, NULL when absent. */
void *hash_map_remove(struct hash_map *map, struct slice key);
/* Iteration: `size_t at = 0; while (hash_map_next(&map, &at, &key, &value))`. Removing the current
 * key is allowed, adding is not. */
bool hash_map_next(const struct hash_map *map, size_t *at, struct slice *key, void **value);

#endif
