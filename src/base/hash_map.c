// SPDX-License-Identifier: Apache-2.0
#include "src/base/hash_map.h"

#include <sys/auxv.h>

#include "src/base/check.h"

enum { HASH_EMPTY = 0, HASH_REMOVED = 1, HASH_FIRST = 2, MIN_CAPACITY = 4 };

struct hash_map_entry {
    const uint8_t *key;
    void *value;
    uint32_t key_len;
    uint32_t hash; /* HASH_EMPTY, HASH_REMOVED, or the key's hash raised to at least HASH_FIRST */
};

static struct slice key_of(const struct hash_map_entry *entry) {
    return slice_make(entry->key, entry->key_len);
}

// Peers choose keys, so they must not know the seed. The kernel gives each process 16 random bytes;
// the map's address makes the maps of one process differ.
static uint64_t make_seed(const struct hash_map *map) {
    uint64_t random[2] = {0, 0};
    const void *bytes = (const void *)getauxval(AT_RANDOM); // NOLINT(performance-no-int-to-ptr)
    if (bytes != NULL) {
        memcpy(random, bytes, sizeof(random));
    }
    uint64_t address = (uint64_t)(uintptr_t)map;
    return slice_hash(slice_make(&address, sizeof(address)), random[0]) ^ random[1];
}

void hash_map_init(struct hash_map *map) {
    *map = (struct hash_map){.seed = make_seed(map)};
}

void hash_map_deinit(struct hash_map *map) {
    mem_free(map->entries);
    map->entries = NULL;
    map->capacity = 0;
    map->count = 0;
    map->used = 0;
}

static uint32_t hash_key(const struct hash_map *map, struct slice key) {
    uint32_t hash = (uint32_t)slice_hash(key, map->seed);
    return hash < HASH_FIRST ? hash + HASH_FIRST : hash;
}

static struct hash_map_entry *find(const struct hash_map *map, struct slice key, uint32_t hash) {
    if (map->count == 0) {
        return NULL;
    }
    size_t mask = map->capacity - 1;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        struct hash_map_entry *entry = &map->entries[at];
        if (entry->hash == HASH_EMPTY) {
            return NULL;
        }
        if (entry->hash == hash && slice_equal(key_of(entry), key)) {
            return entry;
        }
    }
}

void *hash_map_get(const struct hash_map *map, struct slice key) {
    struct hash_map_entry *entry = find(map, key, hash_key(map, key));
    return entry == NULL ? NULL : entry->value;
}

static struct hash_map_entry *first_free(const struct hash_map *map, uint32_t hash) {
    size_t mask = map->capacity - 1;
    size_t at = hash & mask;
    while (map->entries[at].hash >= HASH_FIRST) {
        at = (at + 1) & mask;
    }
    return &map->entries[at];
}

// Rebuilds with room for as many again as are there, which also drops what was removed.
static void rehash(struct hash_map *map) {
    struct hash_map_entry *old = map->entries;
    size_t old_capacity = map->capacity;
    size_t capacity = MIN_CAPACITY;
    while (capacity < (map->count + 1) * 2) {
        capacity *= 2;
    }
    map->entries = mem_calloc(capacity, sizeof(struct hash_map_entry));
    map->capacity = capacity;
    map->used = map->count;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].hash >= HASH_FIRST) {
            *first_free(map, old[i].hash) = old[i];
        }
    }
    mem_free(old);
}

void *hash_map_put(struct hash_map *map, struct slice key, void *value) {
    ASSERT(value != NULL);
    CHECK(key.len <= UINT32_MAX);
    uint32_t hash = hash_key(map, key);
    struct hash_map_entry *entry = find(map, key, hash);
    if (entry != NULL) {
        void *replaced = entry->value;
        // The old value owned the old key.
        entry->key = key.ptr;
        entry->value = value;
        return replaced;
    }
    if ((map->used + 1) * 4 > map->capacity * 3) {
        rehash(map);
    }
    entry = first_free(map, hash);
    map->used += entry->hash == HASH_EMPTY;
    map->count++;
    *entry = (struct hash_map_entry){
        .key = key.ptr, .value = value, .key_len = (uint32_t)key.len, .hash = hash};
    return NULL;
}

void *hash_map_remove(struct hash_map *map, struct slice key) {
    struct hash_map_entry *entry = find(map, key, hash_key(map, key));
    if (entry == NULL) {
        return NULL;
    }
    void *value = entry->value;
    *entry = (struct hash_map_entry){.hash = HASH_REMOVED};
    map->count--;
    return value;
}

bool hash_map_next(const struct hash_map *map, size_t *at, struct slice *key, void **value) {
    for (; *at < map->capacity; (*at)++) {
        const struct hash_map_entry *entry = &map->entries[*at];
        if (entry->hash >= HASH_FIRST) {
            *key = key_of(entry);
            *value = entry->value;
            (*at)++;
            return true;
        }
    }
    return false;
}
