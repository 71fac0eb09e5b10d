// SPDX-License-Identifier: Apache-2.0
/*
 * How the requests are shared among priorities by the health of their hosts: overprovisioning, spill to
 * the next priority, panic. Integer arithmetic as Envoy's, so that the shares agree to the percent.
 */
#ifndef SRC_UPSTREAM_PRIORITY_LOAD_H
#define SRC_UPSTREAM_PRIORITY_LOAD_H

#include "src/upstream/host.h"

/* Fills in healthy_load, degraded_load and is_panic of each priority from its lists. */
void priority_load_compute(struct host_set *set, double panic_percent);

#endif
