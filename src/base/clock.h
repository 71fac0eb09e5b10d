// SPDX-License-Identifier: Apache-2.0
/*
 * Time sources behind a small vtable, so that tests run on virtual time. Timers and durations use the
 * monotonic clock; wall time is for logs, headers and certificate validity only.
 */
#ifndef SRC_BASE_CLOCK_H
#define SRC_BASE_CLOCK_H

#include <stdint.h>

struct clock {
    uint64_t (*monotonic_us)(struct clock *clock);
    uint64_t (*wall_us)(struct clock *clock); /* since the Unix epoch */
};

/* The kernel's clocks; static, shared by all threads. */
struct clock *clock_system(void);

/* Starts at monotonic 1 s and the given wall time; moves only by virtual_clock_advance. */
struct virtual_clock {
    struct clock base;
    uint64_t monotonic_now_us;
    uint64_t wall_now_us;
};
void virtual_clock_init(struct virtual_clock *clock, uint64_t wall_us);
void virtual_clock_advance(struct virtual_clock *clock, uint64_t us);

#endif
