// SPDX-License-Identifier: Apache-2.0
#include "src/stats/stats.h"

#include "src/base/check.h"
#include "src/stats/scope.h"

/* Threads beside the io_contexts that may count, with the indexes after theirs. */
enum { SPARE_THREADS = 1 };

struct stats_registry *stats_registry_new(uint32_t threads) {
    struct stats_registry *registry = mem_calloc(1, sizeof(*registry));
    registry->threads = threads + SPARE_THREADS;
    hash_map_init(&registry->scopes);
    CHECK(pthread_mutex_init(&registry->dynamic_lock, NULL) == 0);
    registry->dynamic_seed = registry->scopes.seed;
    return registry;
}

static void free_base(union stats_base *base, enum stat_kind kind) {
    if (kind == STAT_HISTOGRAM) {
        histogram_free(base->histogram);
    }
}

static void free_dynamic_table(struct dynamic_table *table) {
    if (table == NULL) {
        return;
    }
    for (unsigned i = 0; i < DYNAMIC_BUCKETS; i++) {
        struct dynamic_stat *stat = atomic_load_explicit(&table->buckets[i], memory_order_relaxed);
        while (stat != NULL) {
            struct dynamic_stat *next = stat->next;
            free_base(&stat->base, (enum stat_kind)(stat->index >> DYNAMIC_KIND_SHIFT));
            mem_free(stat);
            stat = next;
        }
    }
    mem_free(table);
}

static void free_dynamic_cells(struct stats_block *block, const struct dynamic_table *table) {
    for (unsigned i = 0; table != NULL && i < DYNAMIC_BUCKETS; i++) {
        const struct dynamic_stat *stat =
            atomic_load_explicit(&table->buckets[i], memory_order_relaxed);
        for (; stat != NULL; stat = stat->next) {
            uint32_t position = stat->index & ((1U << DYNAMIC_KIND_SHIFT) - 1);
            const union stats_cell *cell = stats_block_dynamic_cell(block, position);
            if (cell != NULL && stat->index >> DYNAMIC_KIND_SHIFT == STAT_HISTOGRAM) {
                histogram_free(atomic_load_explicit(&cell->histogram, memory_order_relaxed));
            }
        }
    }
    for (unsigned i = 0; i < DYNAMIC_GROUPS; i++) {
        mem_free(atomic_load_explicit(&block->dynamic_groups[i], memory_order_relaxed));
    }
}

static void free_block(const struct stats_scope *scope, struct stats_block *block,
                       const struct dynamic_table *dynamic) {
    if (block == NULL) {
        return;
    }
    for (uint32_t i = 0; i < scope->table->count; i++) {
        const union stats_cell *cell = stats_block_cell(block, i);
        if (cell != NULL && scope->table->defs[i].kind == STAT_HISTOGRAM) {
            histogram_free(atomic_load_explicit(&cell->histogram, memory_order_relaxed));
        }
    }
    for (uint32_t i = 0; i < stats_group_count(scope->table); i++) {
        mem_free(atomic_load_explicit(&block->groups[i], memory_order_relaxed));
    }
    free_dynamic_cells(block, dynamic);
    mem_free(block);
}

static void free_scope(struct stats_scope *scope) {
    struct dynamic_table *dynamic = atomic_load_explicit(&scope->dynamic, memory_order_acquire);
    for (uint32_t i = 0; i < scope->registry->threads; i++) {
        free_block(scope, atomic_load_explicit(&scope->blocks[i], memory_order_acquire), dynamic);
    }
    free_dynamic_table(dynamic);
    for (uint32_t i = 0; scope->base != NULL && i < scope->table->count; i++) {
        free_base(&scope->base[i], scope->table->defs[i].kind);
    }
    mem_free(scope->base);
    mem_free(scope);
}

void stats_registry_free(struct stats_registry *registry) {
    if (registry == NULL) {
        return;
    }
    size_t at = 0;
    struct slice key;
    void *scope;
    while (hash_map_next(&registry->scopes, &at, &key, &scope)) {
        free_scope(scope);
    }
    hash_map_deinit(&registry->scopes);
    pthread_mutex_destroy(&registry->dynamic_lock);
    mem_free(registry);
}

// Writes the key of a scope: the table's address, then the prefix as Envoy sanitises names ("://", ":/"
// and ":" become one underscore, a NUL too). Returns its length, at most the prefix's plus a pointer's.
static size_t make_key(uint8_t *key, struct slice prefix, const struct stat_table *table) {
    memcpy(key, &table, sizeof(table));
    size_t len = sizeof(table);
    for (size_t i = 0; i < prefix.len; i++) {
        uint8_t c = prefix.ptr[i];
        key[len++] = c == ':' || c == '\0' ? '_' : c;
        for (int slashes = 0;
             c == ':' && slashes < 2 && i + 1 < prefix.len && prefix.ptr[i + 1] == '/'; slashes++) {
            i++;
        }
    }
    return len;
}

struct stats_scope *stats_scope_get(struct stats_registry *registry, struct slice prefix,
                                    const struct stat_table *table) {
    size_t blocks_bytes = registry->threads * sizeof(_Atomic(struct stats_block *));
    size_t head_bytes = sizeof(struct stats_scope) + blocks_bytes;
    struct stats_scope *scope = mem_calloc(1, head_bytes + sizeof(table) + prefix.len);
    uint8_t *key = (uint8_t *)scope + head_bytes;
    size_t key_len = make_key(key, prefix, table);
    scope->key = slice_make(key, key_len);
    struct stats_scope *existing = hash_map_get(&registry->scopes, scope->key);
    if (existing != NULL) {
        mem_free(scope);
        return stats_scope_ref(existing);
    }
    scope->registry = registry;
    scope->table = table;
    scope->prefix = slice_make(key + sizeof(table), key_len - sizeof(table));
    scope->refs = 1;
    hash_map_put(&registry->scopes, scope->key, scope);
    return scope;
}

struct stats_scope *stats_scope_ref(struct stats_scope *scope) {
    if (scope != NULL) {
        scope->refs++;
    }
    return scope;
}

void stats_scope_unref(struct stats_scope *scope) {
    if (scope == NULL) {
        return;
    }
    CHECK(scope->refs > 0);
    if (--scope->refs == 0) {
        hash_map_remove(&scope->registry->scopes, scope->key);
        free_scope(scope);
    }
}

struct slice stats_scope_prefix(const struct stats_scope *scope) {
    return scope->prefix;
}

static __attribute__((noinline)) struct stats_block *new_block(struct stats_scope *scope,
                                                               uint32_t thread) {
    struct stats_block *block =
        mem_calloc(1, sizeof(*block) + stats_group_count(scope->table) * sizeof(block->groups[0]));
    atomic_store_explicit(&scope->blocks[thread], block, memory_order_release);
    return block;
}

// The owner reads its own pointer: relaxed is enough.
static inline struct stats_block *own_block(struct stats_scope *scope, uint32_t thread) {
    ASSERT(thread < scope->registry->threads);
    struct stats_block *block = atomic_load_explicit(&scope->blocks[thread], memory_order_relaxed);
    return __builtin_expect(block != NULL, 1) ? block : new_block(scope, thread);
}

static __attribute__((noinline)) union stats_cell *new_group(struct stats_block *block,
                                                             uint32_t number) {
    union stats_cell *group = mem_calloc(STATS_GROUP_CELLS, sizeof(*group));
    atomic_store_explicit(&block->groups[number], group, memory_order_release);
    return group;
}

static inline __attribute__((always_inline)) union stats_cell *
own_cell(struct stats_scope *scope, uint32_t thread, uint32_t stat) {
    struct stats_block *block = own_block(scope, thread);
    uint32_t number = stat / STATS_GROUP_CELLS;
    union stats_cell *group = atomic_load_explicit(&block->groups[number], memory_order_relaxed);
    if (__builtin_expect(group == NULL, 0)) {
        group = new_group(block, number);
    }
    return &group[stat % STATS_GROUP_CELLS];
}

// Load and store, not an atomic addition: the cell has one writer. `n` may be negative, modulo 2^63.
static void add_to_cell(union stats_cell *cell, uint64_t n) {
    uint64_t tagged = atomic_load_explicit(&cell->tagged, memory_order_relaxed);
    atomic_store_explicit(&cell->tagged, (tagged + (n << 1)) | 1, memory_order_relaxed);
}

static void record_in_cell(union stats_cell *cell, uint64_t value) {
    struct histogram *histogram = atomic_load_explicit(&cell->histogram, memory_order_relaxed);
    if (histogram == NULL) {
        histogram = histogram_new();
        atomic_store_explicit(&cell->histogram, histogram, memory_order_release);
    }
    histogram_record(histogram, value);
}

void stats_add(struct stats_scope *scope, uint32_t thread, uint32_t stat, uint64_t n) {
    if (scope == NULL) {
        return;
    }
    ASSERT(stat < scope->table->count && scope->table->defs[stat].kind != STAT_HISTOGRAM);
    add_to_cell(own_cell(scope, thread, stat), n);
}

void stats_sub(struct stats_scope *scope, uint32_t thread, uint32_t stat, uint64_t n) {
    stats_add(scope, thread, stat, 0 - n);
}

void stats_set(struct stats_scope *scope, uint32_t thread, uint32_t stat, uint64_t value) {
    if (scope == NULL) {
        return;
    }
    ASSERT(stat < scope->table->count && scope->table->defs[stat].kind == STAT_GAUGE);
    union stats_cell *cell = own_cell(scope, thread, stat);
    atomic_store_explicit(&cell->tagged, value << 1 | 1, memory_order_relaxed);
}

void stats_record(struct stats_scope *scope, uint32_t thread, uint32_t stat, uint64_t value) {
    if (scope == NULL) {
        return;
    }
    ASSERT(stat < scope->table->count && scope->table->defs[stat].kind == STAT_HISTOGRAM);
    record_in_cell(own_cell(scope, thread, stat), value);
}

/* Dynamic names: found without a lock, since an entry never changes once it is in its bucket. */

static struct dynamic_stat *find_dynamic(const struct dynamic_table *table, unsigned bucket,
                                         struct slice name, enum stat_kind kind) {
    struct dynamic_stat *stat = atomic_load_explicit(&table->buckets[bucket], memory_order_acquire);
    while (stat != NULL && (stat->index >> DYNAMIC_KIND_SHIFT != (uint32_t)kind ||
                            !slice_equal(slice_make(stat->name, stat->name_len), name))) {
        stat = stat->next;
    }
    return stat;
}

static unsigned dynamic_bucket(const struct stats_scope *scope, struct slice name) {
    return (unsigned)(slice_hash(name, scope->registry->dynamic_seed) % DYNAMIC_BUCKETS);
}

static struct dynamic_stat *insert_dynamic(struct dynamic_table *table, unsigned bucket,
                                           struct slice name, enum stat_kind kind) {
    struct dynamic_stat *stat = mem_calloc(1, sizeof(*stat) + name.len);
    uint32_t count = atomic_load_explicit(&table->count, memory_order_relaxed);
    stat->index = (uint32_t)kind << DYNAMIC_KIND_SHIFT | count;
    stat->name_len = (uint32_t)name.len;
    memcpy(stat->name, name.ptr, name.len);
    stat->next = atomic_load_explicit(&table->buckets[bucket], memory_order_relaxed);
    atomic_store_explicit(&table->count, count + 1, memory_order_relaxed);
    atomic_store_explicit(&table->buckets[bucket], stat, memory_order_release);
    return stat;
}

static uint32_t add_dynamic_locked(struct stats_scope *scope, struct slice name,
                                   enum stat_kind kind) {
    struct dynamic_table *table = atomic_load_explicit(&scope->dynamic, memory_order_relaxed);
    if (table == NULL) {
        table = mem_calloc(1, sizeof(*table));
        atomic_store_explicit(&scope->dynamic, table, memory_order_release);
    }
    unsigned bucket = dynamic_bucket(scope, name);
    struct dynamic_stat *stat = find_dynamic(table, bucket, name, kind);
    if (stat == NULL &&
        atomic_load_explicit(&table->count, memory_order_relaxed) >= DYNAMIC_LIMIT) {
        name = SLICE("__overflow");
        bucket = dynamic_bucket(scope, name);
        stat = find_dynamic(table, bucket, name, kind);
    }
    if (stat == NULL) {
        stat = insert_dynamic(table, bucket, name, kind);
    }
    return stat->index;
}

uint32_t stats_dynamic(struct stats_scope *scope, struct slice name, enum stat_kind kind) {
    if (scope == NULL) {
        return 0;
    }
    const struct dynamic_table *table = atomic_load_explicit(&scope->dynamic, memory_order_acquire);
    if (table != NULL) {
        const struct dynamic_stat *stat =
            find_dynamic(table, dynamic_bucket(scope, name), name, kind);
        if (stat != NULL) {
            return stat->index;
        }
    }
    CHECK(pthread_mutex_lock(&scope->registry->dynamic_lock) == 0);
    uint32_t index = add_dynamic_locked(scope, name, kind);
    CHECK(pthread_mutex_unlock(&scope->registry->dynamic_lock) == 0);
    return index;
}

struct dynamic_place stats_dynamic_place(uint32_t position) {
    // Group g starts at 16 * (2^g - 1).
    uint32_t scaled = position / DYNAMIC_FIRST_GROUP + 1;
    uint32_t group = 31 - (uint32_t)__builtin_clz(scaled);
    uint32_t start = DYNAMIC_FIRST_GROUP * ((1U << group) - 1);
    return (struct dynamic_place){group, position - start};
}

static union stats_cell *own_dynamic_cell(struct stats_block *block, uint32_t position) {
    struct dynamic_place place = stats_dynamic_place(position);
    CHECK(place.group < DYNAMIC_GROUPS);
    union stats_cell *group =
        atomic_load_explicit(&block->dynamic_groups[place.group], memory_order_relaxed);
    if (group == NULL) {
        group = mem_calloc((size_t)DYNAMIC_FIRST_GROUP << place.group, sizeof(*group));
        atomic_store_explicit(&block->dynamic_groups[place.group], group, memory_order_release);
    }
    return &group[place.offset];
}

void stats_dynamic_add(struct stats_scope *scope, uint32_t thread, uint32_t index, uint64_t n) {
    if (scope == NULL) {
        return;
    }
    uint32_t position = index & ((1U << DYNAMIC_KIND_SHIFT) - 1);
    union stats_cell *cell = own_dynamic_cell(own_block(scope, thread), position);
    if (index >> DYNAMIC_KIND_SHIFT == STAT_HISTOGRAM) {
        record_in_cell(cell, n);
    } else {
        add_to_cell(cell, n);
    }
}
