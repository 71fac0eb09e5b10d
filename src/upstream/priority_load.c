// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/priority_load.h"

#include "src/base/check.h"

static uint64_t weight_sum(const struct host_list *list) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        sum += atomic_load_explicit(&list->hosts[i]->weight, memory_order_relaxed);
    }
    return sum;
}

static uint32_t percent_of(uint64_t part, uint64_t whole, uint32_t overprovisioning) {
    if (whole == 0) {
        return 0;
    }
    uint64_t percent = overprovisioning * part / whole;
    return percent > 100 ? 100 : (uint32_t)percent;
}

/* First the availability of each priority, 0 to 100, into the load fields. Returns the capped sum. */
static uint32_t compute_availability(struct host_set *set, uint32_t *healthy, uint32_t *degraded) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < set->priority_count; i++) {
        const struct host_priority *p = &set->priorities[i];
        uint64_t good = p->healthy.count;
        uint64_t poor = p->degraded.count;
        uint64_t all = p->all.count - p->excluded.count;
        if (set->weighted_priority_health) {
            good = weight_sum(&p->healthy);
            poor = weight_sum(&p->degraded);
            all = weight_sum(&p->all) - weight_sum(&p->excluded);
        }
        healthy[i] = percent_of(good, all, set->overprovisioning_percent);
        degraded[i] = percent_of(poor, all, set->overprovisioning_percent);
        sum += healthy[i] + degraded[i];
    }
    return sum > 100 ? 100 : sum;
}

static uint32_t take_share(uint32_t available, uint32_t total, uint32_t *left) {
    uint32_t share = available * 100 / total;
    share = share > *left ? *left : share;
    *left -= share;
    return share;
}

static void distribute(struct host_set *set, const uint32_t *healthy, const uint32_t *degraded,
                       uint32_t total) {
    uint32_t left = 100;
    struct host_priority *first_healthy = NULL;
    struct host_priority *first_degraded = NULL;
    for (uint32_t i = 0; i < set->priority_count; i++) {
        struct host_priority *p = &set->priorities[i];
        p->healthy_load = take_share(healthy[i], total, &left);
        first_healthy = first_healthy == NULL && healthy[i] > 0 ? p : first_healthy;
    }
    for (uint32_t i = 0; i < set->priority_count; i++) {
        struct host_priority *p = &set->priorities[i];
        p->degraded_load = take_share(degraded[i], total, &left);
        first_degraded = first_degraded == NULL && degraded[i] > 0 ? p : first_degraded;
    }
    // What rounding left goes to the first that can take it.
    if (first_healthy != NULL) {
        first_healthy->healthy_load += left;
    } else if (first_degraded != NULL) {
        first_degraded->degraded_load += left;
    }
}

static bool is_in_panic(const struct host_priority *p, double threshold) {
    uint32_t count = p->all.count - p->excluded.count;
    double available =
        count == 0 ? 0.0 : 100.0 * (double)(p->healthy.count + p->degraded.count) / count;
    return available < threshold;
}

/* Where every priority is in panic, health says nothing: by the number of hosts. */
static void distribute_by_size(struct host_set *set) {
    uint32_t left = 100;
    struct host_priority *first = NULL;
    for (uint32_t i = 0; i < set->priority_count; i++) {
        struct host_priority *p = &set->priorities[i];
        p->degraded_load = 0;
        p->healthy_load = (uint32_t)(100 * (uint64_t)p->all.count / set->host_count);
        left -= p->healthy_load;
        first = first == NULL && p->all.count != 0 ? p : first;
    }
    first->healthy_load += left;
}

void priority_load_compute(struct host_set *set, double panic_percent) {
    uint32_t *healthy = mem_calloc(2 * (size_t)set->priority_count, sizeof(uint32_t));
    uint32_t *degraded = healthy + set->priority_count;
    uint32_t total = compute_availability(set, healthy, degraded);
    if (total > 0) {
        distribute(set, healthy, degraded, total);
    }
    mem_free(healthy);
    double threshold = panic_percent > 100 ? 100 : panic_percent;
    if (set->host_count == 0 || (threshold <= 0 && total == 0)) {
        set->priorities[0].healthy_load = 100;
        for (uint32_t i = 0; i < set->priority_count; i++) {
            set->priorities[i].is_panic = threshold > 0;
        }
        return;
    }
    bool is_total = true;
    for (uint32_t i = 0; i < set->priority_count; i++) {
        struct host_priority *p = &set->priorities[i];
        // With enough hosts over all priorities, one that is poor serves its healthy ones only.
        p->is_panic = total != 100 && is_in_panic(p, threshold);
        is_total = is_total && p->is_panic;
    }
    if (is_total) {
        distribute_by_size(set);
    }
}
