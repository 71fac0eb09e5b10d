// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>

#include "src/admin/admin_html.h"
#include "src/admin/admin_stats.h"
#include "src/admin/json_writer.h"

static void append_double(struct buffer *out, double value) {
    char text[DOUBLE_TEXT_BYTES];
    buffer_append(out, double_to_text(value, false, text));
}

static void write_quantiles(const struct stats_histogram_view *view, struct buffer *out) {
    for (unsigned i = 0; i < STATS_QUANTILES; i++) {
        buffer_append_printf(out, "%sP%g(nan,", i == 0 ? "" : " ", stats_quantiles[i] * 100);
        append_double(out, view->quantile[i]);
        admin_text(out, ")");
    }
}

static void write_buckets(const struct stats_histogram_view *view, bool is_disjoint,
                          struct buffer *out) {
    uint64_t below = 0;
    for (unsigned i = 0; i < STATS_BUCKETS; i++) {
        uint64_t count = view->bucket_cumulative[i] - below;
        below = is_disjoint ? view->bucket_cumulative[i] : 0;
        buffer_append_printf(out, "%sB%g(0,%" PRIu64 ")", i == 0 ? "" : " ", stats_bucket_bounds[i],
                             count);
    }
}

static void write_details(const struct stats_entry_histogram *histogram, struct buffer *out) {
    admin_text(out, "\n  totals=");
    for (uint32_t i = 0; i < histogram->bin_count; i++) {
        const struct stats_bin *bin = &histogram->bins[i];
        admin_text(out, i == 0 ? "" : " ");
        append_double(out, bin->lower);
        admin_text(out, ",");
        append_double(out, bin->width);
        buffer_append_printf(out, ":%" PRIu64, bin->count);
    }
    admin_text(out, "\n  intervals=\n  summary=");
    write_quantiles(&histogram->view, out);
}

static void write_histogram(const struct stats_entry_histogram *histogram,
                            enum stats_buckets buckets, struct buffer *out) {
    if (histogram->view.count == 0) {
        admin_text(out, " No recorded values");
        return;
    }
    if (buckets == STATS_BUCKETS_DETAILED) {
        write_details(histogram, out);
        return;
    }
    admin_text(out, " ");
    if (buckets == STATS_BUCKETS_CUMULATIVE || buckets == STATS_BUCKETS_DISJOINT) {
        write_buckets(&histogram->view, buckets == STATS_BUCKETS_DISJOINT, out);
    } else {
        write_quantiles(&histogram->view, out);
    }
}

static void write_entry(const struct stats_entry *entry, enum stats_buckets buckets,
                        struct buffer *out) {
    if (entry->kind == STAT_HISTOGRAM) {
        admin_text(out, ":");
        write_histogram(entry->histogram, buckets, out);
        admin_text(out, "\n");
    } else {
        buffer_append_printf(out, ": %" PRIu64 "\n", entry->value);
    }
}

void stats_write_text(const struct stats_list *list, struct buffer *out) {
    for (size_t i = 0; i < list->count; i++) {
        admin_slice(out, list->items[i].name);
        write_entry(&list->items[i], list->query->buckets, out);
    }
}

void stats_write_html(const struct stats_list *list, struct buffer *out) {
    admin_html_begin(out);
    admin_text(out, "<pre>\n");
    for (size_t i = 0; i < list->count; i++) {
        admin_html_escape(out, list->items[i].name);
        write_entry(&list->items[i], list->query->buckets, out);
    }
    admin_text(out, "</pre>\n");
    admin_html_end(out);
}
