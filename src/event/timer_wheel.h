// SPDX-License-Identifier: Apache-2.0
/*
 * The wheel behind the timers of one event loop; nobody else includes this. Seven levels of 64 slots: a
 * slot of level n spans 64^n ticks of 1 ms. A timer hangs at the level of the highest base-64 digit in
 * which its deadline differs from the wheel's time, so all slots in use lie ahead of the time's own
 * digit, and the first slot in use of the lowest level is what happens next.
 */
#ifndef SRC_EVENT_TIMER_WHEEL_H
#define SRC_EVENT_TIMER_WHEEL_H

#include <stdint.h>

#include "src/base/list.h"
#include "src/event/timer.h"

enum { TIMER_LEVELS = 7, TIMER_LEVEL_BITS = 6, TIMER_SLOTS = 1 << TIMER_LEVEL_BITS };

struct timer_wheel {
    uint64_t now_ms;               /* all deadlines up to here were taken out */
    struct list_node expired;      /* taken out of their slots in this turn, to be fired */
    struct list_node due;          /* armed without a delay: fires in the next turn */
    uint64_t in_use[TIMER_LEVELS]; /* a bit per slot; may be set for a slot that cancels emptied */
    struct list_node slots[TIMER_LEVELS][TIMER_SLOTS];
};

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ms);
/* Hangs `timer` up by its deadline_ms. */
void timer_wheel_insert(struct timer_wheel *wheel, struct timer *timer);
/* When timer_wheel_advance has something to do next, at or before the first deadline; UINT64_MAX: never. */
uint64_t timer_wheel_next_ms(struct timer_wheel *wheel);
/* At the start of a turn: takes out what is due, in the order of deadlines. What callbacks arm from now
 * on without a delay is due in the next turn. */
void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ms);
/* Fires what timer_wheel_advance took out and nobody cancelled or moved since; returns how many. */
unsigned timer_wheel_fire(struct timer_wheel *wheel);

#endif
