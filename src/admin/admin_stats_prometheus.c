// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdlib.h>

#include "src/admin/admin_stats.h"
#include "src/admin/json_writer.h"
#include "src/admin/stat_tags.h"
#include "src/base/check.h"
#include "src/base/hash_map.h"

struct prometheus_entry {
    struct prometheus_entry *next; /* in its group, in the order of the names */
    const struct stats_entry *entry;
    struct slice base;   /* the name without tags */
    struct slice labels; /* `a="b",c="d"` */
};

/* What is one metric: all stats of a kind that have the same name without tags. A group instead of a sort
 * of all stats by that name: there are some hundred of them, in a million stats. */
struct prometheus_group {
    struct slice base;
    enum stat_kind kind;
    struct prometheus_entry *first, *last;
};
struct prometheus_groups {
    struct hash_map by_base[STAT_HISTOGRAM + 1]; /* by kind */
    struct prometheus_group **items;
    size_t count, capacity;
};

static size_t escaped_len(struct slice text) {
    size_t len = text.len;
    for (size_t i = 0; i < text.len; i++) {
        len += text.ptr[i] == '"' || text.ptr[i] == '\\' || text.ptr[i] == '\n';
    }
    return len;
}

static uint8_t *put(uint8_t *to, struct slice text) {
    if (text.len > 0) {
        memcpy(to, text.ptr, text.len);
    }
    return to + text.len;
}

static uint8_t *put_escaped(uint8_t *to, struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c == '"' || c == '\\' || c == '\n') {
            *to++ = '\\';
            c = c == '\n' ? 'n' : c;
        }
        *to++ = c;
    }
    return to;
}

static struct slice make_labels(const struct stat_tags *tags, struct arena *arena) {
    size_t len = 0;
    for (uint32_t i = 0; i < tags->count; i++) {
        len += tags->tags[i].label.len + escaped_len(tags->tags[i].value) + sizeof(",=\"\"") - 1;
    }
    uint8_t *text = arena_alloc_bytes(arena, len);
    uint8_t *at = text;
    for (uint32_t i = 0; i < tags->count; i++) {
        at = i == 0 ? at : put(at, SLICE(","));
        at = put(at, tags->tags[i].label);
        at = put(at, SLICE("=\""));
        at = put_escaped(at, tags->tags[i].value);
        at = put(at, SLICE("\""));
    }
    return slice_make(text, (size_t)(at - text));
}

static int compare(const void *a, const void *b) {
    const struct prometheus_group *left = *(struct prometheus_group *const *)a;
    const struct prometheus_group *right = *(struct prometheus_group *const *)b;
    if (left->kind != right->kind) { /* counters, gauges, histograms */
        return left->kind < right->kind ? -1 : 1;
    }
    return slice_compare(left->base, right->base);
}

static void groups_init(struct prometheus_groups *groups) {
    *groups = (struct prometheus_groups){.count = 0};
    for (size_t i = 0; i < ARRAY_LEN(groups->by_base); i++) {
        hash_map_init(&groups->by_base[i]);
    }
}

static void groups_deinit(struct prometheus_groups *groups) {
    for (size_t i = 0; i < ARRAY_LEN(groups->by_base); i++) {
        hash_map_deinit(&groups->by_base[i]);
    }
    mem_free(groups->items);
}

static void groups_add(struct prometheus_groups *groups, struct prometheus_entry *item,
                       struct arena *arena) {
    struct hash_map *map = &groups->by_base[item->entry->kind];
    struct prometheus_group *group = hash_map_get(map, item->base);
    if (group != NULL) {
        group->last->next = item;
        group->last = item;
        return;
    }
    group = ARENA_NEW(arena, struct prometheus_group);
    *group = (struct prometheus_group){
        .base = item->base, .kind = item->entry->kind, .first = item, .last = item};
    (void)hash_map_put(map, group->base, group);
    if (groups->count == groups->capacity) {
        groups->capacity = groups->capacity == 0 ? 256 : groups->capacity * 2;
        groups->items =
            mem_realloc(groups->items, groups->capacity * sizeof(struct prometheus_group *));
    }
    groups->items[groups->count++] = group;
}

/* [a-zA-Z0-9_] stay, "envoy_" comes first. */
static void append_metric(struct buffer *out, struct slice base) {
    char text[256];
    size_t len = 0;
    admin_text(out, "envoy_");
    for (size_t i = 0; i < base.len; i++) {
        uint8_t c = base.ptr[i];
        bool is_kept = (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') || (c >= '0' && c <= '9');
        text[len++] = is_kept ? (char)c : '_';
        if (len == sizeof(text)) {
            buffer_append(out, slice_make(text, len));
            len = 0;
        }
    }
    buffer_append(out, slice_make(text, len));
}

static void begin_sample(struct buffer *out, const struct prometheus_entry *item,
                         const char *suffix) {
    append_metric(out, item->base);
    buffer_append_printf(out, "%s{", suffix);
    admin_slice(out, item->labels);
}

/* `le="0.5"} 3` with a comma before it where there are labels. */
static void end_bucket(struct buffer *out, const struct prometheus_entry *item, const char *label,
                       struct slice bound) {
    buffer_append_printf(out, "%s%s=\"%.*s\"} ", item->labels.len == 0 ? "" : ",", label,
                         SLICE_ARG(bound));
}

static void write_sum_and_count(struct buffer *out, const struct prometheus_entry *item) {
    const struct stats_histogram_view *view = &item->entry->histogram->view;
    begin_sample(out, item, "_sum");
    buffer_append_printf(out, "} %.32g\n", view->sum);
    begin_sample(out, item, "_count");
    buffer_append_printf(out, "} %" PRIu64 "\n", view->count);
}

static void write_histogram(struct buffer *out, const struct prometheus_entry *item) {
    const struct stats_histogram_view *view = &item->entry->histogram->view;
    char text[DOUBLE_TEXT_BYTES];
    for (unsigned i = 0; i < STATS_BUCKETS; i++) {
        begin_sample(out, item, "_bucket");
        end_bucket(out, item, "le", double_to_text(stats_bucket_bounds[i], false, text));
        buffer_append_printf(out, "%" PRIu64 "\n", view->bucket_cumulative[i]);
    }
    begin_sample(out, item, "_bucket");
    end_bucket(out, item, "le", SLICE("+Inf"));
    buffer_append_printf(out, "%" PRIu64 "\n", view->count);
    write_sum_and_count(out, item);
}

static void write_summary(struct buffer *out, const struct prometheus_entry *item) {
    const struct stats_histogram_view *view = &item->entry->histogram->view;
    char text[DOUBLE_TEXT_BYTES];
    for (unsigned i = 0; i < STATS_QUANTILES; i++) {
        begin_sample(out, item, "");
        end_bucket(out, item, "quantile", double_to_text(stats_quantiles[i], false, text));
        admin_slice(out, double_to_text(view->quantile[i], false, text));
        admin_text(out, "\n");
    }
    write_sum_and_count(out, item);
}

static void write_item(struct buffer *out, const struct prometheus_entry *item, bool is_summary) {
    if (item->entry->kind != STAT_HISTOGRAM) {
        begin_sample(out, item, "");
        buffer_append_printf(out, "} %" PRIu64 "\n", item->entry->value);
    } else if (is_summary) {
        write_summary(out, item);
    } else {
        write_histogram(out, item);
    }
}

static const char *type_name(enum stat_kind kind, bool is_summary) {
    switch (kind) {
    case STAT_COUNTER:
        return "counter";
    case STAT_GAUGE:
        return "gauge";
    case STAT_HISTOGRAM:
        break;
    }
    return is_summary ? "summary" : "histogram";
}

static struct prometheus_entry *make_item(const struct stats_entry *entry, struct arena *arena) {
    struct prometheus_entry *item = ARENA_NEW(arena, struct prometheus_entry);
    struct stat_tags tags;
    stat_tags_extract(entry->name, arena, &tags);
    *item = (struct prometheus_entry){
        .entry = entry, .base = tags.base, .labels = make_labels(&tags, arena)};
    return item;
}

void stats_write_prometheus(struct stats_list *list, struct buffer *out) {
    bool is_summary = list->query->buckets == STATS_BUCKETS_SUMMARY;
    struct prometheus_groups groups;
    groups_init(&groups);
    for (size_t i = 0; i < list->count; i++) {
        groups_add(&groups, make_item(&list->items[i], &list->arena), &list->arena);
    }
    if (groups.count > 0) {
        qsort(groups.items, groups.count, sizeof(struct prometheus_group *), compare);
    }
    for (size_t i = 0; i < groups.count; i++) {
        const struct prometheus_group *group = groups.items[i];
        admin_text(out, "# TYPE ");
        append_metric(out, group->base);
        buffer_append_printf(out, " %s\n", type_name(group->kind, is_summary));
        for (const struct prometheus_entry *item = group->first; item != NULL; item = item->next) {
            write_item(out, item, is_summary);
        }
    }
    groups_deinit(&groups);
}
