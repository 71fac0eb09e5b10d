// SPDX-License-Identifier: Apache-2.0
/* What the runtime says of a cluster's breakers: circuit_breakers.<cluster>.<priority>.<limit>. Control thread. */
#ifndef SRC_UPSTREAM_BREAKER_RUNTIME_H
#define SRC_UPSTREAM_BREAKER_RUNTIME_H

#include "src/config/cluster_config.h"

struct runtime;

/* Some key is about breakers. */
bool breaker_runtime_is_used(const struct runtime *runtime);
/* The thresholds with the runtime's in their place. */
struct circuit_breaker_thresholds
breaker_thresholds_now(const struct runtime *runtime, struct slice cluster, bool is_high,
                       const struct circuit_breaker_thresholds *configured);

#endif
