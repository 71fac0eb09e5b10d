// SPDX-License-Identifier: Apache-2.0
/*
 * Timers of an event loop, kept in a hierarchical wheel of 1 ms ticks: arm, re-arm and cancel are O(1).
 * Moving a deadline later only stores it; the node moves when the wheel reaches the old slot, so an
 * idle timer re-armed at every byte costs one store. Storage is the caller's and must be cancelled
 * before it goes away. One thread.
 */
#ifndef SRC_EVENT_TIMER_H
#define SRC_EVENT_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/list.h"

struct event_loop;

typedef void timer_fn(void *arg);

struct timer {
    struct list_node node;
    uint64_t deadline_ms; /* monotonic; 0: not armed */
    uint64_t slot_ms;     /* where the node hangs; <= deadline_ms */
    timer_fn *fn;
    void *arg;
};

void timer_init(struct timer *timer, timer_fn *fn, void *arg);
/* (Re-)arms to fire once, `delay_ms` from the turn's time (0: next turn). */
void timer_arm(struct event_loop *loop, struct timer *timer, uint64_t delay_ms);
void timer_cancel(struct timer *timer); /* no-op when not armed */
static inline bool timer_is_armed(const struct timer *timer) {
    return timer->deadline_ms != 0;
}

#endif
