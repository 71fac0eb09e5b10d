// SPDX-License-Identifier: Apache-2.0
/*
 * What /stats and /stats/prometheus are asked for, the stats that answer it (copied, sorted by name),
 * and the forms they are written in. Interval values (the last flush's) are not kept: they read as no
 * sample.
 */
#ifndef SRC_ADMIN_ADMIN_STATS_H
#define SRC_ADMIN_ADMIN_STATS_H

#include "src/admin/admin_request.h"
#include "src/stats/stats.h"

struct regex;

enum stats_format {
    STATS_FORMAT_TEXT,
    STATS_FORMAT_JSON,
    STATS_FORMAT_HTML,
    STATS_FORMAT_PROMETHEUS,
};

enum stats_buckets {
    STATS_BUCKETS_UNSET,
    STATS_BUCKETS_SUMMARY, /* quantiles */
    STATS_BUCKETS_CUMULATIVE,
    STATS_BUCKETS_DISJOINT,
    STATS_BUCKETS_DETAILED,
    STATS_BUCKETS_NATIVE,
};

enum { /* bits of stats_query.kinds */
       STATS_COUNTERS = 1 << STAT_COUNTER,
       STATS_GAUGES = 1 << STAT_GAUGE,
       STATS_HISTOGRAMS = 1 << STAT_HISTOGRAM,
       STATS_ALL = STATS_COUNTERS | STATS_GAUGES | STATS_HISTOGRAMS,
};

struct stats_query {
    enum stats_format format;
    enum stats_buckets buckets;
    unsigned kinds;
    bool used_only;
    bool invert_filter;
    struct regex *filter; /* owned; NULL: none */
};

struct stats_bin {
    double lower, width;
    uint64_t count;
};

struct stats_entry_histogram {
    struct stats_histogram_view view;
    const struct stats_bin *bins; /* only for STATS_BUCKETS_DETAILED */
    uint32_t bin_count;
};

struct stats_entry {
    struct slice name;
    enum stat_kind kind;
    uint64_t value;
    const struct stats_entry_histogram *histogram;
};

/* All text and histograms lie in `arena`. */
struct stats_list {
    struct arena arena;
    struct stats_entry *items;
    size_t count, capacity;
    const struct stats_query *query;
};

/* Counters and gauges first, then histograms, each sorted. */
void stats_list_init(struct stats_list *list, const struct stats_registry *registry,
                     const struct stats_query *query);
void stats_list_deinit(struct stats_list *list);

void stats_write_text(const struct stats_list *list, struct buffer *out);
void stats_write_json(const struct stats_list *list, struct buffer *out);
void stats_write_html(const struct stats_list *list, struct buffer *out);
void stats_write_prometheus(struct stats_list *list, struct buffer *out);

#endif
