// SPDX-License-Identifier: Apache-2.0
/*
 * Counters, gauges and histograms under Envoy's names. A scope is a name prefix plus a const table of
 * stats; its values are blocks of per-thread cells, allocated at a thread's first use and merged on
 * read, so that a write is one relaxed load and store by the owner. Scopes live in the registry, keyed
 * by prefix and table, reference counted by the runtime objects that use them (not by configuration,
 * so they survive updates), and are created and released on the control thread only.
 * Text of a stat's name: prefix + "." + table name ("cluster.web.upstream_rq_total").
 */
#ifndef SRC_STATS_STATS_H
#define SRC_STATS_STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/slice.h"

enum stat_kind { STAT_COUNTER, STAT_GAUGE, STAT_HISTOGRAM };

struct stat_def {
    const char *name; /* "upstream_rq_total" */
    enum stat_kind kind;
    const char *doc; /* one line; docs/stats.md is generated from it */
};

/* All stats of one kind of object; const. */
struct stat_table {
    const char *title; /* "cluster", for the generated document */
    const struct stat_def *defs;
    uint32_t count;
};

struct stats_registry;
struct stats_scope;

/* `threads`: number of io_contexts (workers + control). Indexes up to `threads` inclusive may count: one
 * more than there are, for a thread without an io_context. */
struct stats_registry *stats_registry_new(uint32_t threads);
void stats_registry_free(struct stats_registry *registry);

/* Finds or makes the scope `prefix` over `table`; holds a reference. The prefix is copied and
 * sanitised (':' to '_', as Envoy). Control thread. */
struct stats_scope *stats_scope_get(struct stats_registry *registry, struct slice prefix,
                                    const struct stat_table *table);
struct stats_scope *stats_scope_ref(struct stats_scope *scope);
void stats_scope_unref(struct stats_scope *scope);
struct slice stats_scope_prefix(const struct stats_scope *scope);

/* Any thread, own `thread` index (io_context.index). A NULL scope is allowed and does nothing, so
 * that tests need no registry. Gauges go down with stats_sub, on whatever thread; a negative sum reads
 * as zero. Values are kept modulo 2^63. */
void stats_add(struct stats_scope *scope, uint32_t thread, uint32_t stat, uint64_t n);
void stats_sub(struct stats_scope *scope, uint32_t thread, uint32_t stat, uint64_t n);
static inline void stats_inc(struct stats_scope *scope, uint32_t thread, uint32_t stat) {
    stats_add(scope, thread, stat, 1);
}
static inline void stats_dec(struct stats_scope *scope, uint32_t thread, uint32_t stat) {
    stats_sub(scope, thread, stat, 1);
}
/* A gauge that one thread alone owns gets an absolute value. */
void stats_set(struct stats_scope *scope, uint32_t thread, uint32_t stat, uint64_t value);
/* Adds a sample to a histogram (kept to two significant digits, its sum exactly); the unit is part of its name (milliseconds without one). */
void stats_record(struct stats_scope *scope, uint32_t thread, uint32_t stat, uint64_t value);

/* Names known only at run time (status codes, ciphers, gRPC methods): found or made in a table of the
 * scope with at most 1,024 names per scope; further names count under "__overflow". Any
 * thread, a lock is taken only to add a name; `stats_dynamic_add` on a histogram records a sample. The
 * returned index is for stats_dynamic_* and may be cached for the scope's life. */
uint32_t stats_dynamic(struct stats_scope *scope, struct slice name, enum stat_kind kind);
void stats_dynamic_add(struct stats_scope *scope, uint32_t thread, uint32_t index, uint64_t n);

/* Merged reads; control thread. Never-used cells read as zero. */
uint64_t stats_value(const struct stats_scope *scope, uint32_t stat);

enum { STATS_QUANTILES = 10 }; /* P0 P25 P50 P75 P90 P95 P99 P99.5 P99.9 P100 */
extern const double stats_quantiles[STATS_QUANTILES];
/* Envoy's default bucket bounds for the Prometheus form, ascending. */
enum { STATS_BUCKETS = 19 };
extern const double stats_bucket_bounds[STATS_BUCKETS];

struct histogram_sum; /* src/stats/histogram.h */

struct stats_histogram_view {
    uint64_t count;
    double sum;
    double quantile[STATS_QUANTILES];          /* NaN where count is 0 */
    uint64_t bucket_cumulative[STATS_BUCKETS]; /* samples <= bound, by bins of two digits */
};
void stats_histogram_read(const struct stats_scope *scope, uint32_t stat,
                          struct stats_histogram_view *view);

/* Visits every stat of every scope, unsorted. `used` is false for a stat never written. */
struct stats_visit {
    const struct stats_scope *scope;
    uint32_t stat;          /* index in the scope's table; UINT32_MAX for dynamic names */
    struct slice full_name; /* valid during the call */
    enum stat_kind kind;
    uint64_t value; /* counters and gauges */
    bool used;
    const struct stats_histogram_view *histogram; /* histograms only */
    const struct histogram_sum *bins;             /* likewise: the counts behind the view */
};
typedef void stats_visit_fn(void *arg, const struct stats_visit *visit);
void stats_visit_all(const struct stats_registry *registry, stats_visit_fn *fn, void *arg);
/* Zeroes counters and histograms as of now (POST /reset_counters): remembers the merged values as a
 * base, so that no thread's cell is touched by another. */
void stats_reset(struct stats_registry *registry);

/* Declares a stat list once: `#define FOO_STATS(X) X(RQ_TOTAL, "rq_total", COUNTER, "doc")`. */
#define STAT_ENUM(prefix, id) prefix##_##id
#define STAT_DEF(id, name, kind, doc) {name, STAT_##kind, doc},

#endif
