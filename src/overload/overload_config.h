// SPDX-License-Identifier: Apache-2.0
/*
 * The overload manager's configuration (envoy.config.overload.v3.OverloadManager) as a plain model.
 * Immutable; belongs to whoever read the bootstrap.
 */
#ifndef SRC_OVERLOAD_OVERLOAD_CONFIG_H
#define SRC_OVERLOAD_OVERLOAD_CONFIG_H

#include "src/base/slice.h"
#include "src/overload/overload_state.h"

enum resource_monitor_kind {
    RESOURCE_FIXED_HEAP,    /* private memory of the process in `max_bytes` */
    RESOURCE_CGROUP_MEMORY, /* memory of the process' cgroup in its limit or `max_bytes` */
    RESOURCE_INJECTED,      /* the number in `file` */
    RESOURCE_CPU_HOST,      /* what the machine's processors do */
    RESOURCE_CPU_CONTAINER, /* what the process' cgroup does, in what it may */
    RESOURCE_CONNECTIONS,   /* downstream connections in `max_connections` */
};

struct resource_monitor_config {
    struct slice name;
    enum resource_monitor_kind kind;
    uint64_t max_bytes; /* RESOURCE_CGROUP_MEMORY: 0 is the cgroup's limit alone */
    struct slice file;
    uint64_t max_connections;
};

/* On from `scaling_from` (excluded) in proportion, fully from `saturated_from` (included). A threshold
 * has both equal. */
struct overload_trigger_config {
    uint32_t monitor; /* index */
    double scaling_from, saturated_from;
};

struct overload_action_config {
    enum overload_action action;
    const struct overload_trigger_config *triggers; /* the one that is furthest on decides */
    uint32_t trigger_count;
};

struct load_shed_config {
    enum load_shed_point point;
    const struct overload_trigger_config *triggers; /* the one that is furthest on decides */
    uint32_t trigger_count;
};

/* What reduce_timeouts may shorten, and how far. */
enum overload_timer {
    OVERLOAD_TIMER_CONNECTION_IDLE,
    OVERLOAD_TIMER_STREAM_IDLE,
    OVERLOAD_TIMER_TRANSPORT_CONNECT,
    OVERLOAD_TIMER_CONNECTION_MAX,
    OVERLOAD_TIMER_COUNT
};
struct overload_timer_config {
    bool is_scaled; /* else it stays as it is */
    bool has_min_timeout;
    uint32_t min_timeout_ms; /* has_min_timeout */
    uint32_t min_scale;      /* else: share of the timeout, of OVERLOAD_SATURATED */
};

struct overload_config {
    uint32_t refresh_interval_ms;
    uint32_t pressed_interval_ms; /* the same while any action is on to some extent */
    const struct resource_monitor_config *monitors;
    uint32_t monitor_count;
    const struct overload_action_config *actions; /* each action once */
    uint32_t action_count;
    const struct load_shed_config *points; /* each point once */
    uint32_t point_count;
    struct overload_timer_config timers[OVERLOAD_TIMER_COUNT];
    /* Streams that hold 2^tracked_power bytes or more may be reset; 0: none. */
    uint32_t tracked_power;
};

#endif
