// SPDX-License-Identifier: Apache-2.0
/*
 * Log-linear histogram cells: bins of two significant decimal digits (10..99 times a power of ten), as
 * in circllhist, so that quantiles come out as Envoy's. A decade's bins are allocated at its first
 * sample. One thread writes a cell; any thread may merge it into its own struct histogram_sum.
 */
#ifndef SRC_STATS_HISTOGRAM_H
#define SRC_STATS_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#include "src/stats/stats.h"

enum {
    HISTOGRAM_DECADES = 20, /* 1..9 up to 10^19 */
    HISTOGRAM_DECADE_BINS = 90,
};

struct histogram_decade {
    _Atomic uint64_t bins[HISTOGRAM_DECADE_BINS];
};

struct histogram {
    _Atomic uint64_t zeros;
    _Atomic uint64_t sum;
    _Atomic(struct histogram_decade *) decades[HISTOGRAM_DECADES];
};

struct histogram *histogram_new(void);
void histogram_free(struct histogram *histogram);
/* Owner thread. */
void histogram_record(struct histogram *histogram, uint64_t value);

/* Merged counts; plain memory of the reader (14 KiB: one per pass, not one per stat). */
struct histogram_sum {
    uint64_t count;
    uint64_t sum;
    uint64_t zeros;
    uint64_t bins[HISTOGRAM_DECADES][HISTOGRAM_DECADE_BINS];
};

void histogram_sum_clear(struct histogram_sum *sum);
void histogram_sum_add(struct histogram_sum *sum, const struct histogram *histogram);
/* Takes away what an earlier sum of the same histogram held. */
void histogram_sum_subtract(struct histogram_sum *sum, const struct histogram *base);
/* Raises `base` to what `sum` holds above it, so that subtracting it leaves nothing. */
void histogram_accumulate(struct histogram *base, const struct histogram_sum *sum);
void histogram_sum_view(const struct histogram_sum *sum, struct stats_histogram_view *view);

#endif
