// SPDX-License-Identifier: Apache-2.0
/*
 * What the overload manager makes of readings, and the part of it that a worker may do by itself:
 * between two refreshes much memory can be taken, so a worker that has used up its growth budget looks
 * for itself, at once, and before it takes more.
 */
#ifndef SRC_OVERLOAD_OVERLOAD_PROBE_H
#define SRC_OVERLOAD_OVERLOAD_PROBE_H

#include "src/overload/overload_config.h"
#include "src/overload/resource_monitor.h"

/* How far `trigger` is on at this pressure, of OVERLOAD_SATURATED. */
uint32_t overload_trigger_scale(const struct overload_trigger_config *trigger, double pressure);
/* Divides `left_bytes` (UINT64_MAX: no limit) between the workers, as far as it may be used up before
 * the next look. */
void overload_set_growth_budget(struct overload_state *state, uint64_t left_bytes);
/* On any thread: reads the monitors of memory and turns actions up where that asks for it; to turn them
 * down is the manager's. Some ten system calls. */
void overload_probe(struct overload_state *state);

#endif
