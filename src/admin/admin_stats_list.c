// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "src/admin/admin_stats.h"
#include "src/base/check.h"
#include "src/matcher/regex.h"
#include "src/stats/histogram.h"

enum { STATS_ARENA_BLOCK_BYTES = 64 * 1024 };

static bool is_wanted(const struct stats_query *query, const struct stats_visit *visit) {
    if ((query->kinds & (1U << visit->kind)) == 0 || (query->used_only && !visit->used)) {
        return false;
    }
    return query->filter == NULL ||
           regex_partial_match(query->filter, visit->full_name) != query->invert_filter;
}

static uint32_t count_bins(const struct histogram_sum *sum) {
    uint32_t count = sum->zeros != 0 ? 1 : 0;
    for (unsigned decade = 0; decade < HISTOGRAM_DECADES; decade++) {
        for (unsigned bin = 0; bin < HISTOGRAM_DECADE_BINS; bin++) {
            count += sum->bins[decade][bin] != 0 ? 1 : 0;
        }
    }
    return count;
}

/* A decade's bins begin at 1.0, 1.1, … 9.9 times its power of ten. */
static void copy_bins(struct arena *arena, const struct histogram_sum *sum,
                      struct stats_entry_histogram *to) {
    struct stats_bin *bins = ARENA_NEW_ARRAY(arena, count_bins(sum) + 1, struct stats_bin);
    uint32_t count = 0;
    double unit = 1;
    if (sum->zeros != 0) {
        bins[count++].count = sum->zeros;
    }
    for (unsigned decade = 0; decade < HISTOGRAM_DECADES; decade++, unit *= 10) {
        for (unsigned bin = 0; bin < HISTOGRAM_DECADE_BINS; bin++) {
            if (sum->bins[decade][bin] != 0) {
                bins[count++] = (struct stats_bin){
                    .lower = unit * (bin + 10) / 10,
                    .width = unit / 10,
                    .count = sum->bins[decade][bin],
                };
            }
        }
    }
    to->bins = bins;
    to->bin_count = count;
}

static void collect(void *arg, const struct stats_visit *visit) {
    struct stats_list *list = arg;
    if (!is_wanted(list->query, visit)) {
        return;
    }
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 1024 : list->capacity * 2;
        list->items = mem_realloc(list->items, list->capacity * sizeof(list->items[0]));
    }
    struct stats_entry *entry = &list->items[list->count++];
    uint8_t *name = arena_alloc_bytes(&list->arena, visit->full_name.len);
    memcpy(name, visit->full_name.ptr, visit->full_name.len);
    *entry = (struct stats_entry){
        .name = slice_make(name, visit->full_name.len),
        .kind = visit->kind,
        .value = visit->value,
    };
    if (visit->kind == STAT_HISTOGRAM) {
        struct stats_entry_histogram *histogram =
            ARENA_NEW(&list->arena, struct stats_entry_histogram);
        histogram->view = *visit->histogram;
        if (list->query->buckets == STATS_BUCKETS_DETAILED) {
            copy_bins(&list->arena, visit->bins, histogram);
        }
        entry->histogram = histogram;
    }
}

static int compare(const void *a, const void *b) {
    const struct stats_entry *left = a;
    const struct stats_entry *right = b;
    bool left_last = left->kind == STAT_HISTOGRAM;
    bool right_last = right->kind == STAT_HISTOGRAM;
    if (left_last != right_last) {
        return left_last ? 1 : -1;
    }
    return slice_compare(left->name, right->name);
}

void stats_list_init(struct stats_list *list, const struct stats_registry *registry,
                     const struct stats_query *query) {
    *list = (struct stats_list){.query = query};
    arena_init_heap(&list->arena, STATS_ARENA_BLOCK_BYTES);
    stats_visit_all(registry, collect, list);
    if (list->count > 0) {
        qsort(list->items, list->count, sizeof(list->items[0]), compare);
    }
}

void stats_list_deinit(struct stats_list *list) {
    mem_free(list->items);
    arena_deinit(&list->arena);
}
