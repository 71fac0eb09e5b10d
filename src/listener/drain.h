// SPDX-License-Identifier: Apache-2.0
/*
 * How connections are asked to go: at once, or with a probability per response that grows over the drain
 * time (Envoy's gradual strategy). One state per worker for the server as a whole, one per listener
 * version or filter chain that was removed. Read by the connection managers, on the worker.
 */
#ifndef SRC_LISTENER_DRAIN_H
#define SRC_LISTENER_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/random.h"

struct drain_settings {
    uint32_t drain_time_ms; /* --drain-time-s */
    bool is_immediate;      /* --drain-strategy immediate */
};

struct drain_state {
    bool is_draining;
    bool is_immediate;
    uint64_t start_us;
    uint32_t duration_ms;
};

/* No-op when it already drains (immediate overrides gradual). */
void drain_start(struct drain_state *state, const struct drain_settings *settings, bool immediate,
                 uint64_t now_us);
/* Whether one response should carry the farewell. */
bool drain_should_close(const struct drain_state *state, uint64_t now_us, struct random *random);

#endif
