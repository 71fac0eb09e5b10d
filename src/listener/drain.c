// SPDX-License-Identifier: Apache-2.0
#include "src/listener/drain.h"

void drain_start(struct drain_state *state, const struct drain_settings *settings, bool immediate,
                 uint64_t now_us) {
    bool at_once = immediate || settings->is_immediate;
    if (state->is_draining) {
        state->is_immediate = state->is_immediate || at_once;
        return;
    }
    *state = (struct drain_state){
        .is_draining = true,
        .is_immediate = at_once,
        .start_us = now_us,
        .duration_ms = settings->drain_time_ms,
    };
}

bool drain_should_close(const struct drain_state *state, uint64_t now_us, struct random *random) {
    if (!state->is_draining) {
        return false;
    }
    uint64_t elapsed_ms = (now_us - state->start_us) / 1000;
    if (state->is_immediate || elapsed_ms >= state->duration_ms) {
        return true;
    }
    return random_below(random, state->duration_ms) < elapsed_ms;
}
