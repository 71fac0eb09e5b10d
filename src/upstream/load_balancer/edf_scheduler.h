// SPDX-License-Identifier: Apache-2.0
/*
 * Earliest-deadline-first schedule over the indexes of a list: each pick takes the entry with the
 * smallest deadline and puts it back 1/weight later, which spreads an entry's turns evenly. Equal
 * deadlines go in the order of insertion. One thread.
 */
#ifndef SRC_UPSTREAM_LOAD_BALANCER_EDF_SCHEDULER_H
#define SRC_UPSTREAM_LOAD_BALANCER_EDF_SCHEDULER_H

#include <stdint.h>

struct edf_entry;

/* Zeroed: empty. */
struct edf_scheduler {
    struct edf_entry *entries; /* a heap */
    uint32_t count;
    uint32_t capacity;
    double now;
    uint64_t next_order;
};

void edf_scheduler_deinit(struct edf_scheduler *edf);
void edf_scheduler_clear(struct edf_scheduler *edf);
/* `weight` over 0. */
void edf_scheduler_add(struct edf_scheduler *edf, uint32_t index, double weight);
/* Index whose turn it is; follow with edf_scheduler_put_back. The schedule is not empty. */
uint32_t edf_scheduler_next(const struct edf_scheduler *edf);
/* Ends the turn of that entry; `weight` is what holds until its next one. */
void edf_scheduler_put_back(struct edf_scheduler *edf, double weight);

#endif
