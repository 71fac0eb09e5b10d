// SPDX-License-Identifier: Apache-2.0
#include "src/base/clock.h"

#include <time.h>

#include "src/base/check.h"

static uint64_t read_clock_us(clockid_t id) {
    struct timespec now;
    CHECK(clock_gettime(id, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t system_monotonic_us(struct clock *clock) {
    (void)clock;
    return read_clock_us(CLOCK_MONOTONIC);
}

static uint64_t system_wall_us(struct clock *clock) {
    (void)clock;
    return read_clock_us(CLOCK_REALTIME);
}

struct clock *clock_system(void) {
    // Never written; not const only because a clock with state is passed the same way.
    static struct clock system_clock = {system_monotonic_us, system_wall_us};
    return &system_clock;
}

static uint64_t virtual_monotonic_us(struct clock *clock) {
    return CONTAINER_OF(clock, struct virtual_clock, base)->monotonic_now_us;
}

static uint64_t virtual_wall_us(struct clock *clock) {
    return CONTAINER_OF(clock, struct virtual_clock, base)->wall_now_us;
}

void virtual_clock_init(struct virtual_clock *clock, uint64_t wall_us) {
    *clock = (struct virtual_clock){
        .base = {virtual_monotonic_us, virtual_wall_us},
        .monotonic_now_us = 1000000,
        .wall_now_us = wall_us,
    };
}

void virtual_clock_advance(struct virtual_clock *clock, uint64_t us) {
    clock->monotonic_now_us += us;
    clock->wall_now_us += us;
}
