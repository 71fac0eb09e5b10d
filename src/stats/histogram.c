// SPDX-License-Identifier: Apache-2.0
#include "src/stats/histogram.h"

#include <math.h>
#include <string.h>

#include "src/base/check.h"

const double stats_quantiles[STATS_QUANTILES] = {0,    0.25, 0.5,   0.75,  0.9,
                                                 0.95, 0.99, 0.995, 0.999, 1};
const double stats_bucket_bounds[STATS_BUCKETS] = {
    0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 1e4, 3e4, 6e4, 3e5, 6e5, 1.8e6, 3.6e6,
};

static const uint64_t powers_of_ten[HISTOGRAM_DECADES] = {
    UINT64_C(1),
    UINT64_C(10),
    UINT64_C(100),
    UINT64_C(1000),
    UINT64_C(10000),
    UINT64_C(100000),
    UINT64_C(1000000),
    UINT64_C(10000000),
    UINT64_C(100000000),
    UINT64_C(1000000000),
    UINT64_C(10000000000),
    UINT64_C(100000000000),
    UINT64_C(1000000000000),
    UINT64_C(10000000000000),
    UINT64_C(100000000000000),
    UINT64_C(1000000000000000),
    UINT64_C(10000000000000000),
    UINT64_C(100000000000000000),
    UINT64_C(1000000000000000000),
    UINT64_C(10000000000000000000),
};

struct bin_position {
    unsigned decade;
    unsigned bin;
};

static struct bin_position find_bin(uint64_t value) {
    // 1233/4096 is just above log10(2): right or one too many.
    unsigned bits = 64 - (unsigned)__builtin_clzll(value);
    unsigned decade = bits * 1233 >> 12;
    if (decade >= HISTOGRAM_DECADES || value < powers_of_ten[decade]) {
        decade--;
    }
    unsigned leading =
        decade == 0 ? (unsigned)value * 10 : (unsigned)(value / powers_of_ten[decade - 1]);
    return (struct bin_position){decade, leading - 10};
}

struct histogram *histogram_new(void) {
    return mem_calloc(1, sizeof(struct histogram));
}

void histogram_free(struct histogram *histogram) {
    if (histogram == NULL) {
        return;
    }
    for (unsigned i = 0; i < HISTOGRAM_DECADES; i++) {
        mem_free(atomic_load_explicit(&histogram->decades[i], memory_order_relaxed));
    }
    mem_free(histogram);
}

// Load and store, not an atomic addition: the cell has one writer.
static void add_to_cell(_Atomic uint64_t *cell, uint64_t n) {
    uint64_t value = atomic_load_explicit(cell, memory_order_relaxed);
    atomic_store_explicit(cell, value + n, memory_order_relaxed);
}

static struct histogram_decade *get_decade(struct histogram *histogram, unsigned index) {
    struct histogram_decade *decade =
        atomic_load_explicit(&histogram->decades[index], memory_order_relaxed);
    if (decade == NULL) {
        decade = mem_calloc(1, sizeof(*decade));
        atomic_store_explicit(&histogram->decades[index], decade, memory_order_release);
    }
    return decade;
}

void histogram_record(struct histogram *histogram, uint64_t value) {
    if (value == 0) {
        add_to_cell(&histogram->zeros, 1);
        return;
    }
    struct bin_position at = find_bin(value);
    add_to_cell(&get_decade(histogram, at.decade)->bins[at.bin], 1);
    add_to_cell(&histogram->sum, value);
}

void histogram_sum_clear(struct histogram_sum *sum) {
    memset(sum, 0, sizeof(*sum));
}

// sum += sign * histogram, in wrapping arithmetic.
static void combine(struct histogram_sum *sum, const struct histogram *histogram, uint64_t sign) {
    uint64_t zeros = atomic_load_explicit(&histogram->zeros, memory_order_relaxed);
    sum->zeros += sign * zeros;
    sum->count += sign * zeros;
    sum->sum += sign * atomic_load_explicit(&histogram->sum, memory_order_relaxed);
    for (unsigned i = 0; i < HISTOGRAM_DECADES; i++) {
        const struct histogram_decade *decade =
            atomic_load_explicit(&histogram->decades[i], memory_order_acquire);
        if (decade == NULL) {
            continue;
        }
        for (unsigned bin = 0; bin < HISTOGRAM_DECADE_BINS; bin++) {
            uint64_t count = atomic_load_explicit(&decade->bins[bin], memory_order_relaxed);
            sum->bins[i][bin] += sign * count;
            sum->count += sign * count;
        }
    }
}

void histogram_sum_add(struct histogram_sum *sum, const struct histogram *histogram) {
    combine(sum, histogram, 1);
}

void histogram_sum_subtract(struct histogram_sum *sum, const struct histogram *base) {
    combine(sum, base, UINT64_MAX);
}

void histogram_accumulate(struct histogram *base, const struct histogram_sum *sum) {
    add_to_cell(&base->zeros, sum->zeros);
    add_to_cell(&base->sum, sum->sum);
    for (unsigned i = 0; i < HISTOGRAM_DECADES; i++) {
        for (unsigned bin = 0; bin < HISTOGRAM_DECADE_BINS; bin++) {
            if (sum->bins[i][bin] != 0) {
                add_to_cell(&get_decade(base, i)->bins[bin], sum->bins[i][bin]);
            }
        }
    }
}

/* A walk over the bins that hold something, in ascending order. */
struct bin_cursor {
    unsigned next; /* 0: zeros, then decades and bins in one row */
    double left;
    double width;
    uint64_t count;
};

static bool next_bin(const struct histogram_sum *sum, struct bin_cursor *cursor) {
    const unsigned last = HISTOGRAM_DECADES * HISTOGRAM_DECADE_BINS;
    while (cursor->next <= last) {
        unsigned at = cursor->next++;
        if (at == 0) {
            cursor->left = 0;
            cursor->width = 0;
            cursor->count = sum->zeros;
        } else {
            unsigned decade = (at - 1) / HISTOGRAM_DECADE_BINS;
            unsigned bin = (at - 1) % HISTOGRAM_DECADE_BINS;
            double unit = (double)powers_of_ten[decade];
            cursor->left = unit * (bin + 10) / 10;
            cursor->width = unit / 10;
            cursor->count = sum->bins[decade][bin];
        }
        if (cursor->count != 0) {
            return true;
        }
    }
    return false;
}

// The sample of rank ceil(q * count), with the samples of a bin taken as spread evenly over it: a lone
// one lies in the middle (Envoy 1.40 gives P100 1050 for the single sample 1000).
static void fill_quantiles(const struct histogram_sum *sum, double *quantile) {
    struct bin_cursor bin = {0};
    uint64_t below = 0;
    next_bin(sum, &bin);
    for (unsigned i = 0; i < STATS_QUANTILES; i++) {
        double exact_rank = stats_quantiles[i] * (double)sum->count;
        uint64_t rank = (uint64_t)exact_rank;
        rank += rank == 0 || (double)rank < exact_rank;
        rank = rank < sum->count ? rank : sum->count;
        while (below + bin.count < rank) {
            below += bin.count;
            if (!next_bin(sum, &bin)) {
                ASSERT(false);
                return;
            }
        }
        quantile[i] = bin.left + bin.width * (double)(rank - below) / ((double)bin.count + 1);
    }
}

// A bin counts from its lower edge on: a bound's own bin is in (Envoy 1.40: 251 is below le="250").
static void fill_buckets(const struct histogram_sum *sum, uint64_t *cumulative) {
    struct bin_cursor bin = {0};
    bool has_bin = next_bin(sum, &bin);
    uint64_t below = 0;
    for (unsigned i = 0; i < STATS_BUCKETS; i++) {
        while (has_bin && bin.left <= stats_bucket_bounds[i]) {
            below += bin.count;
            has_bin = next_bin(sum, &bin);
        }
        cumulative[i] = below;
    }
}

void histogram_sum_view(const struct histogram_sum *sum, struct stats_histogram_view *view) {
    view->count = sum->count;
    view->sum = (double)sum->sum;
    if (sum->count == 0) {
        for (unsigned i = 0; i < STATS_QUANTILES; i++) {
            view->quantile[i] = NAN;
        }
        memset(view->bucket_cumulative, 0, sizeof(view->bucket_cumulative));
        return;
    }
    fill_quantiles(sum, view->quantile);
    fill_buckets(sum, view->bucket_cumulative);
}
