// SPDX-License-Identifier: Apache-2.0
#include "src/overload/overload_timeouts.h"

#include "src/event/event_loop.h"
#include "src/event/timer.h"

uint32_t overload_scaled_timeout(const struct overload_config *config, enum overload_timer timer,
                                 uint32_t scale, uint32_t ms) {
    const struct overload_timer_config *limit = &config->timers[timer];
    if (!limit->is_scaled) {
        return ms;
    }
    uint64_t min = limit->has_min_timeout ? limit->min_timeout_ms
                                          : (uint64_t)ms * limit->min_scale / OVERLOAD_SATURATED;
    if (min >= ms) {
        return ms;
    }
    return (uint32_t)(ms - (ms - min) * scale / OVERLOAD_SATURATED);
}

void overload_rescale_timer(const struct io_context *io, struct timer *timer,
                            enum overload_timer kind, uint32_t ms, uint32_t before) {
    if (!timer_is_armed(timer)) {
        return;
    }
    const struct overload_config *config = io->overload->config;
    uint64_t begin_ms = timer->deadline_ms - overload_scaled_timeout(config, kind, before, ms);
    uint64_t end_ms = begin_ms + overload_timeout(io, kind, ms);
    uint64_t now_ms = event_loop_now_ms(io->loop);
    timer_arm(io->loop, timer, end_ms > now_ms ? end_ms - now_ms : 0);
}
