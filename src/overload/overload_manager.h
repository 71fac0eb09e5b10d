// SPDX-License-Identifier: Apache-2.0
/*
 * The overload manager: reads the resource monitors at the refresh interval and sets how far each action
 * is on. On the control thread; what it finds is in the shared overload_state, and under
 * "overload.<monitor>." and "overload.<action>." in the statistics, as Envoy's.
 */
#ifndef SRC_OVERLOAD_OVERLOAD_MANAGER_H
#define SRC_OVERLOAD_OVERLOAD_MANAGER_H

#include "src/overload/overload_config.h"

struct io_context;
struct overload_manager;
struct stats_registry;

struct overload_manager_options {
    struct io_context *control;
    const struct overload_config *config; /* outlives the manager; the state's */
    struct overload_state *state;
    struct stats_registry *stats;
    /* Called when an action became saturated or stopped to be. */
    void (*on_change)(void *arg, enum overload_action action, bool is_saturated);
    /* Before the monitors are read, and when all actions have been set. */
    void (*on_refresh)(void *arg);
    void (*on_refreshed)(void *arg);
    void *arg;
};

struct overload_manager *overload_manager_new(const struct overload_manager_options *options);
/* Reads all monitors now and from then on at each interval. */
void overload_manager_start(struct overload_manager *manager);
/* The same before the interval is over: a worker has used up its growth budget, or reset streams. */
void overload_manager_refresh(struct overload_manager *manager);
void overload_manager_free(struct overload_manager *manager);
/* A heap was shrunk: overload.envoy.overload_actions.shrink_heap.shrink_count. */
void overload_manager_count_shrink(struct overload_manager *manager);

#endif
