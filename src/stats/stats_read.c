// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "src/base/check.h"
#include "src/stats/scope.h"
#include "src/stats/stats.h"

/* One stat of a scope, of its table or dynamic. */
struct stat_ref {
    const struct stats_scope *scope;
    enum stat_kind kind;
    bool is_dynamic;
    uint32_t position;
    const union stats_base *base; /* NULL: never reset */
};

struct merged_value {
    uint64_t value;
    bool used;
};

const union stats_cell *stats_block_cell(const struct stats_block *block, uint32_t stat) {
    if (block == NULL) {
        return NULL;
    }
    const union stats_cell *group =
        atomic_load_explicit(&block->groups[stat / STATS_GROUP_CELLS], memory_order_acquire);
    return group == NULL ? NULL : &group[stat % STATS_GROUP_CELLS];
}

const union stats_cell *stats_block_dynamic_cell(const struct stats_block *block,
                                                 uint32_t position) {
    if (block == NULL) {
        return NULL;
    }
    struct dynamic_place place = stats_dynamic_place(position);
    const union stats_cell *group =
        atomic_load_explicit(&block->dynamic_groups[place.group], memory_order_acquire);
    return group == NULL ? NULL : &group[place.offset];
}

static const union stats_cell *cell_of(const struct stat_ref *ref, uint32_t thread) {
    const struct stats_block *block =
        atomic_load_explicit(&ref->scope->blocks[thread], memory_order_acquire);
    return ref->is_dynamic ? stats_block_dynamic_cell(block, ref->position)
                           : stats_block_cell(block, ref->position);
}

// The sum over all threads, before what a reset takes away; modulo 2^63.
static struct merged_value merge_raw(const struct stat_ref *ref) {
    struct merged_value merged = {0, false};
    for (uint32_t i = 0; i < ref->scope->registry->threads; i++) {
        const union stats_cell *cell = cell_of(ref, i);
        if (cell != NULL) {
            uint64_t tagged = atomic_load_explicit(&cell->tagged, memory_order_relaxed);
            merged.value += tagged >> 1;
            merged.used |= (tagged & 1) != 0;
        }
    }
    merged.value &= INT64_MAX;
    return merged;
}

static struct merged_value merge_value(const struct stat_ref *ref) {
    struct merged_value merged = merge_raw(ref);
    if (ref->kind == STAT_COUNTER && ref->base != NULL) {
        merged.value = (merged.value - ref->base->value) & INT64_MAX;
    }
    // A gauge read while it moves from one thread's cell to another's may look negative.
    if (ref->kind == STAT_GAUGE && merged.value >> 62 != 0) {
        merged.value = 0;
    }
    return merged;
}

// Returns whether any thread ever recorded a sample.
static bool merge_histogram(const struct stat_ref *ref, struct histogram_sum *sum) {
    bool used = false;
    histogram_sum_clear(sum);
    for (uint32_t i = 0; i < ref->scope->registry->threads; i++) {
        const union stats_cell *cell = cell_of(ref, i);
        const struct histogram *histogram =
            cell == NULL ? NULL : atomic_load_explicit(&cell->histogram, memory_order_acquire);
        if (histogram != NULL) {
            used = true;
            histogram_sum_add(sum, histogram);
        }
    }
    if (used && ref->base != NULL && ref->base->histogram != NULL) {
        histogram_sum_subtract(sum, ref->base->histogram);
    }
    return used;
}

static struct stat_ref table_stat(const struct stats_scope *scope, uint32_t stat) {
    ASSERT(stat < scope->table->count);
    return (struct stat_ref){
        .scope = scope,
        .kind = scope->table->defs[stat].kind,
        .position = stat,
        .base = scope->base == NULL ? NULL : &scope->base[stat],
    };
}

static struct stat_ref dynamic_stat_ref(const struct stats_scope *scope,
                                        const struct dynamic_stat *stat) {
    return (struct stat_ref){
        .scope = scope,
        .kind = (enum stat_kind)(stat->index >> DYNAMIC_KIND_SHIFT),
        .is_dynamic = true,
        .position = stat->index & ((1U << DYNAMIC_KIND_SHIFT) - 1),
        .base = &stat->base,
    };
}

uint64_t stats_value(const struct stats_scope *scope, uint32_t stat) {
    if (scope == NULL) {
        return 0;
    }
    struct stat_ref ref = table_stat(scope, stat);
    ASSERT(ref.kind != STAT_HISTOGRAM);
    return merge_value(&ref).value;
}

void stats_histogram_read(const struct stats_scope *scope, uint32_t stat,
                          struct stats_histogram_view *view) {
    struct histogram_sum *sum = mem_calloc(1, sizeof(*sum));
    if (scope != NULL) {
        struct stat_ref ref = table_stat(scope, stat);
        ASSERT(ref.kind == STAT_HISTOGRAM);
        merge_histogram(&ref, sum);
    }
    histogram_sum_view(sum, view);
    mem_free(sum);
}

/* One pass over everything; its buffers are shared by all stats of the pass. */
struct visitor {
    stats_visit_fn *fn;
    void *arg;
    struct histogram_sum *sum;
    uint8_t *name;
    size_t name_capacity;
};

static struct slice make_full_name(struct visitor *visitor, struct slice prefix,
                                   struct slice name) {
    size_t needed = prefix.len + 1 + name.len;
    if (needed > visitor->name_capacity) {
        visitor->name_capacity = needed * 2;
        visitor->name = mem_realloc(visitor->name, visitor->name_capacity);
    }
    size_t len = 0;
    if (prefix.len > 0) {
        memcpy(visitor->name, prefix.ptr, prefix.len);
        len = prefix.len;
        visitor->name[len++] = '.';
    }
    if (name.len > 0) {
        memcpy(visitor->name + len, name.ptr, name.len);
    }
    return slice_make(visitor->name, len + name.len);
}

static void visit_stat(struct visitor *visitor, const struct stat_ref *ref, struct slice name) {
    struct stats_visit visit = {
        .scope = ref->scope,
        .stat = ref->is_dynamic ? UINT32_MAX : ref->position,
        .full_name = make_full_name(visitor, ref->scope->prefix, name),
        .kind = ref->kind,
    };
    struct stats_histogram_view view;
    if (ref->kind == STAT_HISTOGRAM) {
        visit.used = merge_histogram(ref, visitor->sum);
        histogram_sum_view(visitor->sum, &view);
        visit.histogram = &view;
        visit.bins = visitor->sum;
    } else {
        struct merged_value merged = merge_value(ref);
        visit.value = merged.value;
        visit.used = merged.used;
    }
    visitor->fn(visitor->arg, &visit);
}

static void visit_scope(struct visitor *visitor, const struct stats_scope *scope) {
    for (uint32_t i = 0; i < scope->table->count; i++) {
        struct stat_ref ref = table_stat(scope, i);
        visit_stat(visitor, &ref, slice_from_string(scope->table->defs[i].name));
    }
    const struct dynamic_table *dynamic =
        atomic_load_explicit(&scope->dynamic, memory_order_acquire);
    for (unsigned i = 0; dynamic != NULL && i < DYNAMIC_BUCKETS; i++) {
        const struct dynamic_stat *stat =
            atomic_load_explicit(&dynamic->buckets[i], memory_order_acquire);
        for (; stat != NULL; stat = stat->next) {
            struct stat_ref ref = dynamic_stat_ref(scope, stat);
            visit_stat(visitor, &ref, slice_make(stat->name, stat->name_len));
        }
    }
}

void stats_visit_all(const struct stats_registry *registry, stats_visit_fn *fn, void *arg) {
    struct visitor visitor = {.fn = fn, .arg = arg, .sum = mem_alloc(sizeof(*visitor.sum))};
    size_t at = 0;
    struct slice key;
    void *scope;
    while (hash_map_next(&registry->scopes, &at, &key, &scope)) {
        visit_scope(&visitor, scope);
    }
    mem_free(visitor.name);
    mem_free(visitor.sum);
}

static void raise_base(const struct stat_ref *ref, union stats_base *base,
                       struct histogram_sum *sum) {
    if (ref->kind == STAT_COUNTER) {
        base->value = merge_raw(ref).value;
    } else if (ref->kind == STAT_HISTOGRAM && merge_histogram(ref, sum)) {
        if (base->histogram == NULL) {
            base->histogram = histogram_new();
        }
        histogram_accumulate(base->histogram, sum);
    }
}

static bool has_blocks(const struct stats_scope *scope) {
    for (uint32_t i = 0; i < scope->registry->threads; i++) {
        if (atomic_load_explicit(&scope->blocks[i], memory_order_acquire) != NULL) {
            return true;
        }
    }
    return false;
}

static void reset_scope(struct stats_scope *scope, struct histogram_sum *sum) {
    // Nothing was ever written, so there is nothing to remember.
    if (!has_blocks(scope)) {
        return;
    }
    if (scope->base == NULL) {
        scope->base = mem_calloc(scope->table->count, sizeof(*scope->base));
    }
    for (uint32_t i = 0; i < scope->table->count; i++) {
        struct stat_ref ref = table_stat(scope, i);
        raise_base(&ref, &scope->base[i], sum);
    }
    struct dynamic_table *dynamic = atomic_load_explicit(&scope->dynamic, memory_order_acquire);
    for (unsigned i = 0; dynamic != NULL && i < DYNAMIC_BUCKETS; i++) {
        struct dynamic_stat *stat =
            atomic_load_explicit(&dynamic->buckets[i], memory_order_acquire);
        for (; stat != NULL; stat = stat->next) {
            struct stat_ref ref = dynamic_stat_ref(scope, stat);
            raise_base(&ref, &stat->base, sum);
        }
    }
}

void stats_reset(struct stats_registry *registry) {
    struct histogram_sum *sum = mem_alloc(sizeof(*sum));
    size_t at = 0;
    struct slice key;
    void *scope;
    while (hash_map_next(&registry->scopes, &at, &key, &scope)) {
        reset_scope(scope, sum);
    }
    mem_free(sum);
}
