// SPDX-License-Identifier: Apache-2.0
#include "src/event/timer.h"

#include "src/base/check.h"
#include "src/event/event_loop_internal.h"
#include "src/event/timer_wheel.h"

/* The digits of seven levels hold 42 bits of milliseconds: 139 years. */
#define MAX_DEADLINE_MS ((UINT64_C(1) << (TIMER_LEVELS * TIMER_LEVEL_BITS)) - 1)

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ms) {
    wheel->now_ms = now_ms;
    list_init(&wheel->expired);
    list_init(&wheel->due);
    for (unsigned level = 0; level < TIMER_LEVELS; level++) {
        wheel->in_use[level] = 0;
        for (unsigned slot = 0; slot < TIMER_SLOTS; slot++) {
            list_init(&wheel->slots[level][slot]);
        }
    }
}

void timer_wheel_insert(struct timer_wheel *wheel, struct timer *timer) {
    timer->slot_ms = timer->deadline_ms;
    if (timer->deadline_ms <= wheel->now_ms) {
        list_push_back(&wheel->due, &timer->node);
        return;
    }
    unsigned top_bit = 63 - (unsigned)__builtin_clzll(timer->deadline_ms ^ wheel->now_ms);
    unsigned level = top_bit / TIMER_LEVEL_BITS;
    unsigned slot = timer->deadline_ms >> (level * TIMER_LEVEL_BITS) & (TIMER_SLOTS - 1);
    list_push_back(&wheel->slots[level][slot], &timer->node);
    wheel->in_use[level] |= UINT64_C(1) << slot;
}

struct slot_position {
    unsigned level;
    unsigned slot;
    uint64_t start_ms;
};

// The slot in use that starts first. Slots that cancels emptied are forgotten on the way.
static bool find_next_slot(struct timer_wheel *wheel, struct slot_position *found) {
    for (unsigned level = 0; level < TIMER_LEVELS; level++) {
        while (wheel->in_use[level] != 0) {
            unsigned slot = (unsigned)__builtin_ctzll(wheel->in_use[level]);
            if (list_is_empty(&wheel->slots[level][slot])) {
                wheel->in_use[level] &= wheel->in_use[level] - 1;
                continue;
            }
            unsigned shift = level * TIMER_LEVEL_BITS;
            uint64_t above = wheel->now_ms >> (shift + TIMER_LEVEL_BITS);
            found->level = level;
            found->slot = slot;
            found->start_ms = above << (shift + TIMER_LEVEL_BITS) | (uint64_t)slot << shift;
            return true;
        }
    }
    return false;
}

uint64_t timer_wheel_next_ms(struct timer_wheel *wheel) {
    if (!list_is_empty(&wheel->due)) {
        return wheel->now_ms;
    }
    struct slot_position next;
    return find_next_slot(wheel, &next) ? next.start_ms : UINT64_MAX;
}

// Empties one slot whose time has come: what is due is taken out, the rest (deeper digits, or
// deadlines moved later meanwhile) hangs up again nearer to its deadline.
static void cascade(struct timer_wheel *wheel, const struct slot_position *position) {
    struct list_node moving;
    list_init(&moving);
    list_splice(&moving, &wheel->slots[position->level][position->slot]);
    wheel->in_use[position->level] &= ~(UINT64_C(1) << position->slot);
    wheel->now_ms = position->start_ms;
    while (!list_is_empty(&moving)) {
        struct list_node *node = moving.next;
        struct timer *timer = LIST_ENTRY(node, struct timer, node);
        list_remove(node);
        if (timer->deadline_ms <= wheel->now_ms) {
            list_push_back(&wheel->expired, node);
        } else {
            timer_wheel_insert(wheel, timer);
        }
    }
}

void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ms) {
    list_splice(&wheel->expired, &wheel->due);
    struct slot_position next;
    while (find_next_slot(wheel, &next) && next.start_ms <= now_ms) {
        cascade(wheel, &next);
    }
    if (now_ms > wheel->now_ms) {
        wheel->now_ms = now_ms;
    }
}

unsigned timer_wheel_fire(struct timer_wheel *wheel) {
    unsigned fired = 0;
    while (!list_is_empty(&wheel->expired)) {
        struct timer *timer = LIST_ENTRY(wheel->expired.next, struct timer, node);
        list_remove(&timer->node);
        if (timer->deadline_ms > wheel->now_ms) {
            // A callback of this turn moved the deadline.
            timer_wheel_insert(wheel, timer);
            continue;
        }
        timer->deadline_ms = 0;
        fired++;
        timer->fn(timer->arg);
    }
    return fired;
}

void timer_init(struct timer *timer, timer_fn *fn, void *arg) {
    *timer = (struct timer){.fn = fn, .arg = arg};
    list_init(&timer->node);
}

static uint64_t deadline_after(uint64_t now_us, uint64_t delay_ms) {
    // Rounded up, so that a timer never fires early; without a delay it is simply due.
    uint64_t now_ms = delay_ms == 0 ? now_us / 1000 : (now_us + 999) / 1000;
    uint64_t deadline_ms = now_ms == 0 ? 1 : now_ms;
    if (__builtin_add_overflow(deadline_ms, delay_ms, &deadline_ms)) {
        return MAX_DEADLINE_MS;
    }
    return deadline_ms < MAX_DEADLINE_MS ? deadline_ms : MAX_DEADLINE_MS;
}

void timer_arm(struct event_loop *loop, struct timer *timer, uint64_t delay_ms) {
    uint64_t deadline_ms = deadline_after(event_loop_now_us(loop), delay_ms);
    bool is_later = timer->deadline_ms != 0 && timer->slot_ms <= deadline_ms;
    timer->deadline_ms = deadline_ms;
    if (is_later) {
        return;
    }
    if (list_is_linked(&timer->node)) {
        list_remove(&timer->node);
    }
    timer_wheel_insert(&loop->timers, timer);
}

void timer_cancel(struct timer *timer) {
    if (timer->deadline_ms != 0) {
        timer->deadline_ms = 0;
        list_remove(&timer->node);
    }
}
