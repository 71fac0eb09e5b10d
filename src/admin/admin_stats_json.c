// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "src/admin/admin_stats.h"
#include "src/admin/json_writer.h"

static void write_quantile_names(struct json_writer *json, const char *key) {
    json_begin_array(json, key);
    for (unsigned i = 0; i < STATS_QUANTILES; i++) {
        json_double(json, NULL, stats_quantiles[i] * 100);
    }
    json_end_array(json);
}

static void write_quantiles(struct json_writer *json, const char *key,
                            const struct stats_histogram_view *view) {
    json_begin_array(json, key);
    for (unsigned i = 0; i < STATS_QUANTILES; i++) {
        json_begin_object(json, NULL);
        json_double(json, "cumulative", view->quantile[i]);
        json_double(json, "interval", NAN);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_buckets(struct json_writer *json, const struct stats_histogram_view *view,
                          bool is_disjoint) {
    uint64_t below = 0;
    json_begin_array(json, "buckets");
    for (unsigned i = 0; i < STATS_BUCKETS; i++) {
        json_begin_object(json, NULL);
        json_double(json, "upper_bound", stats_bucket_bounds[i]);
        json_uint(json, "interval", 0);
        json_uint(json, "cumulative", view->bucket_cumulative[i] - below);
        json_end_object(json);
        below = is_disjoint ? view->bucket_cumulative[i] : 0;
    }
    json_end_array(json);
}

static void write_details(struct json_writer *json, const struct stats_entry_histogram *histogram) {
    json_begin_array(json, "totals");
    for (uint32_t i = 0; i < histogram->bin_count; i++) {
        json_begin_object(json, NULL);
        json_double(json, "lower_bound", histogram->bins[i].lower);
        json_double(json, "width", histogram->bins[i].width);
        json_uint(json, "count", histogram->bins[i].count);
        json_end_object(json);
    }
    json_end_array(json);
    json_begin_array(json, "intervals");
    json_end_array(json);
    write_quantiles(json, "percentiles", &histogram->view);
}

static void write_histogram(struct json_writer *json, const struct stats_entry *entry,
                            enum stats_buckets buckets) {
    json_begin_object(json, NULL);
    json_string(json, "name", entry->name);
    switch (buckets) {
    case STATS_BUCKETS_UNSET:
    case STATS_BUCKETS_SUMMARY:
    case STATS_BUCKETS_NATIVE:
        write_quantiles(json, "values", &entry->histogram->view);
        break;
    case STATS_BUCKETS_CUMULATIVE:
    case STATS_BUCKETS_DISJOINT:
        write_buckets(json, &entry->histogram->view, buckets == STATS_BUCKETS_DISJOINT);
        break;
    case STATS_BUCKETS_DETAILED:
        write_details(json, entry->histogram);
        break;
    }
    json_end_object(json);
}

/* The element that holds all histograms: a plain list of buckets, or an object that says first which
 * quantiles there are. */
static void write_histograms(struct json_writer *json, const struct stats_list *list,
                             size_t first) {
    enum stats_buckets buckets = list->query->buckets;
    bool is_plain = buckets == STATS_BUCKETS_CUMULATIVE || buckets == STATS_BUCKETS_DISJOINT;
    bool is_detailed = buckets == STATS_BUCKETS_DETAILED;
    json_begin_object(json, NULL);
    if (is_plain) {
        json_begin_array(json, "histograms");
    } else {
        json_begin_object(json, "histograms");
        write_quantile_names(json, is_detailed ? "supported_percentiles" : "supported_quantiles");
        json_begin_array(json, is_detailed ? "details" : "computed_quantiles");
    }
    for (size_t i = first; i < list->count; i++) {
        write_histogram(json, &list->items[i], buckets);
    }
    json_end_array(json);
    if (!is_plain) {
        json_end_object(json);
    }
    json_end_object(json);
}

void stats_write_json(const struct stats_list *list, struct buffer *out) {
    struct json_writer json;
    size_t i = 0;
    json_init(&json, out, false);
    json_begin_object(&json, NULL);
    json_begin_array(&json, "stats");
    for (; i < list->count && list->items[i].kind != STAT_HISTOGRAM; i++) {
        json_begin_object(&json, NULL);
        json_string(&json, "name", list->items[i].name);
        json_uint(&json, "value", list->items[i].value);
        json_end_object(&json);
    }
    if (i < list->count) {
        write_histograms(&json, list, i);
    }
    json_end_array(&json);
    json_end_object(&json);
}
