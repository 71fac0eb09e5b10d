// SPDX-License-Identifier: Apache-2.0
/*
 * The overload action reduce_timeouts: how long a timeout is at the scale that a worker goes by. All
 * timers of a worker go by one scale (io_context's timeout_scale); when it changes, those that run are
 * moved, so a deadline always says when its time began.
 */
#ifndef SRC_OVERLOAD_OVERLOAD_TIMEOUTS_H
#define SRC_OVERLOAD_OVERLOAD_TIMEOUTS_H

#include "src/event/io_context.h"
#include "src/overload/overload_config.h"

struct timer;

/* `ms` at `scale`, of OVERLOAD_SATURATED: all of it at 0, the configured minimum at full scale. */
__attribute__((noinline, cold)) uint32_t
overload_scaled_timeout(const struct overload_config *config, enum overload_timer timer,
                        uint32_t scale, uint32_t ms);

/* What of a timeout of `ms` holds now. */
static inline uint32_t overload_timeout(const struct io_context *io, enum overload_timer timer,
                                        uint32_t ms) {
    return io->timeout_scale == 0
               ? ms
               : overload_scaled_timeout(io->overload->config, timer, io->timeout_scale, ms);
}

/* Moves a timer that was armed for `ms` while the scale was `before`; no-op where it is not armed. */
void overload_rescale_timer(const struct io_context *io, struct timer *timer,
                            enum overload_timer kind, uint32_t ms, uint32_t before);

#endif
