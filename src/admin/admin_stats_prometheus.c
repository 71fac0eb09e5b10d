// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdlib.h>

#include "src/admin/admin_stats.h"
#include "src/admin/json_writer.h"
#include "src/admin/stat_tags.h"
#include "src/base/check.h"

struct prometheus_entry {
    const struct stats_entry *entry;
    struct slice base;   /* the name without tags */
    struct slice labels; /* `a="b",c="d"` */
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
    const struct prometheus_entry *left = a;
    const struct prometheus_entry *right = b;
    if (left->entry->kind != right->entry->kind) { /* counters, gauges, histograms */
        return left->entry->kind < right->entry->kind ? -1 : 1;
    }
    int order = slice_compare(left->base, right->base);
    return order != 0 ? order : slice_compare(left->entry->name, right->entry->name);
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

void stats_write_prometheus(struct stats_list *list, struct buffer *out) {
    bool is_summary = list->query->buckets == STATS_BUCKETS_SUMMARY;
    struct prometheus_entry *items = mem_calloc(list->count + 1, sizeof(items[0]));
    for (size_t i = 0; i < list->count; i++) {
        struct stat_tags tags;
        stat_tags_extract(list->items[i].name, &list->arena, &tags);
        items[i] = (struct prometheus_entry){
            .entry = &list->items[i],
            .base = tags.base,
            .labels = make_labels(&tags, &list->arena),
        };
    }
    qsort(items, list->count, sizeof(items[0]), compare);
    for (size_t i = 0; i < list->count; i++) {
        bool is_same = i > 0 && items[i].entry->kind == items[i - 1].entry->kind &&
                       slice_equal(items[i].base, items[i - 1].base);
        if (!is_same) {
            admin_text(out, "# TYPE ");
            append_metric(out, items[i].base);
            buffer_append_printf(out, " %s\n", type_name(items[i].entry->kind, is_summary));
        }
        write_item(out, &items[i], is_summary);
    }
    mem_free(items);
}
