// SPDX-License-Identifier: Apache-2.0
#include "xds/decode/overload.h"

#include "envoy/extensions/resource_monitors/cgroup_memory/v3/cgroup_memory.pb-c.h"
#include "envoy/extensions/resource_monitors/cpu_utilization/v3/cpu_utilization.pb-c.h"
#include "envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections.pb-c.h"
#include "envoy/extensions/resource_monitors/fixed_heap/v3/fixed_heap.pb-c.h"
#include "envoy/extensions/resource_monitors/injected_resource/v3/injected_resource.pb-c.h"
#include "src/overload/resource_monitor.h"
#include "xds/decode/ledgers.h"

#define OVERLOAD(name) Envoy__Config__Overload__V3__##name
#define MONITORS "envoy.extensions.resource_monitors."
typedef Envoy__Extensions__ResourceMonitors__DownstreamConnections__V3__DownstreamConnectionsConfig
    DownstreamConnections;
typedef OVERLOAD(ScaleTimersOverloadActionConfig) ScaleTimers;
typedef OVERLOAD(ScaleTimersOverloadActionConfig__ScaleTimer) ScaleTimer;
#define SCALE_TIMERS "envoy.config.overload.v3.ScaleTimersOverloadActionConfig"
#define TIMER_TYPE(name)                                                                           \
    ENVOY__CONFIG__OVERLOAD__V3__SCALE_TIMERS_OVERLOAD_ACTION_CONFIG__TIMER_TYPE__##name
#define SCALE_TIMER_MIN_TIMEOUT                                                                    \
    ENVOY__CONFIG__OVERLOAD__V3__SCALE_TIMERS_OVERLOAD_ACTION_CONFIG__SCALE_TIMER__OVERLOAD_ADJUST_MIN_TIMEOUT
typedef Envoy__Extensions__ResourceMonitors__FixedHeap__V3__FixedHeapConfig FixedHeap;
typedef Envoy__Extensions__ResourceMonitors__CgroupMemory__V3__CgroupMemoryConfig CgroupMemory;
typedef Envoy__Extensions__ResourceMonitors__CpuUtilization__V3__CpuUtilizationConfig
    CpuUtilization;
#define CPU_OF_CONTAINER                                                                           \
    ENVOY__EXTENSIONS__RESOURCE_MONITORS__CPU_UTILIZATION__V3__CPU_UTILIZATION_CONFIG__UTILIZATION_COMPUTE_STRATEGY__CONTAINER
typedef Envoy__Extensions__ResourceMonitors__InjectedResource__V3__InjectedResourceConfig Injected;

/* A burst fills megabytes within a second; a reading is three small files. */
enum { DEFAULT_REFRESH_MS = 1000, EDGE_REFRESH_MS = 250, EDGE_PRESSED_MS = 25 };
/* Whatever a stream holds, it holds in pieces of this size (BUFFER_CHUNK_BYTES). */
enum { EDGE_TRACKED_POWER = 14, EDGE_MIN_IDLE_MS = 1000 };

/* ---- monitors ---- */

struct monitor_list {
    struct resource_monitor_config *monitors;
    uint32_t count;
    uint64_t *max_connections;
};

static struct resource_monitor_config *add_monitor(struct monitor_list *list,
                                                   enum resource_monitor_kind kind) {
    struct resource_monitor_config *monitor = &list->monitors[list->count++];
    monitor->kind = kind;
    return monitor;
}

static void read_connections(const ProtobufCMessage *message, struct monitor_list *list) {
    *list->max_connections =
        (uint64_t)((const DownstreamConnections *)message)->max_active_downstream_connections;
    add_monitor(list, RESOURCE_CONNECTIONS)->max_connections = *list->max_connections;
}

static void read_cpu(const ProtobufCMessage *message, struct monitor_list *list) {
    bool is_container = ((const CpuUtilization *)message)->mode == CPU_OF_CONTAINER;
    (void)add_monitor(list, is_container ? RESOURCE_CPU_CONTAINER : RESOURCE_CPU_HOST);
}

static void read_fixed_heap(const ProtobufCMessage *message, struct monitor_list *list) {
    add_monitor(list, RESOURCE_FIXED_HEAP)->max_bytes =
        ((const FixedHeap *)message)->max_heap_size_bytes;
}

static void read_cgroup_memory(const ProtobufCMessage *message, struct monitor_list *list) {
    add_monitor(list, RESOURCE_CGROUP_MEMORY)->max_bytes =
        ((const CgroupMemory *)message)->max_memory_bytes;
}

static void read_injected(const ProtobufCMessage *message, struct monitor_list *list) {
    add_monitor(list, RESOURCE_INJECTED)->file =
        slice_from_string(((const Injected *)message)->filename);
}

static const struct {
    const char *type;
    void (*read)(const ProtobufCMessage *message, struct monitor_list *list);
} monitor_types[] = {
    {MONITORS "downstream_connections.v3.DownstreamConnectionsConfig", read_connections},
    {MONITORS "cpu_utilization.v3.CpuUtilizationConfig", read_cpu},
    {MONITORS "fixed_heap.v3.FixedHeapConfig", read_fixed_heap},
    {MONITORS "cgroup_memory.v3.CgroupMemoryConfig", read_cgroup_memory},
    {MONITORS "injected_resource.v3.InjectedResourceConfig", read_injected},
};

static bool decode_monitor(struct decoder *d, const OVERLOAD(ResourceMonitor) * from,
                           struct monitor_list *list) {
    struct any_view view;
    if (!decode_any_type(d, from->typed_config, &view)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(monitor_types); i++) {
        if (!any_is(&view, monitor_types[i].type)) {
            continue;
        }
        const ProtobufCMessage *message = decode_any_open(d, &view);
        if (message == NULL) {
            return false;
        }
        uint32_t before = list->count;
        monitor_types[i].read(message, list);
        if (list->count > before) {
            list->monitors[before].name = decoder_text(d, from->name);
            list->monitors[before].file =
                arena_dup_slice(d->config.arena, list->monitors[before].file);
        }
        return true;
    }
    return decode_unknown_extension(d, from->name, &view);
}

static bool is_second(const OVERLOAD(OverloadManager) * from, size_t index) {
    for (size_t i = 0; i < index; i++) {
        if (strcmp(from->resource_monitors[i]->name, from->resource_monitors[index]->name) == 0) {
            return true;
        }
    }
    return false;
}

static bool decode_monitors(struct decoder *d, const OVERLOAD(OverloadManager) * from,
                            struct monitor_list *list) {
    list->monitors =
        ARENA_NEW_ARRAY(d->config.arena, from->n_resource_monitors, struct resource_monitor_config);
    bool is_ok = true;
    for (size_t i = 0; i < from->n_resource_monitors; i++) {
        decoder_push_index(d, "resource_monitors", i);
        if (is_second(from, i)) {
            is_ok =
                decoder_error(d, "Duplicate resource monitor %s", from->resource_monitors[i]->name);
        } else {
            is_ok = decode_monitor(d, from->resource_monitors[i], list) && is_ok;
        }
        decoder_pop_index(d);
    }
    return is_ok;
}

/* ---- actions ---- */

static bool decode_scaled(struct decoder *d, const OVERLOAD(ScaledTrigger) * from,
                          struct overload_trigger_config *out) {
    if (from->scaling_threshold >= from->saturation_threshold) {
        return decoder_field_error(d, "scaled",
                                   "scaling_threshold must be less than saturation_threshold");
    }
    out->scaling_from = from->scaling_threshold;
    out->saturated_from = from->saturation_threshold;
    return true;
}

static bool decode_trigger(struct decoder *d, const char *owner, const OVERLOAD(Trigger) * from,
                           const struct monitor_list *list, struct overload_trigger_config *out) {
    struct slice name = slice_from_string(from->name);
    out->monitor = 0;
    while (out->monitor < list->count && !slice_equal(list->monitors[out->monitor].name, name)) {
        out->monitor++;
    }
    if (out->monitor == list->count) {
        return decoder_error(d, "Unknown trigger resource %s for %s", from->name, owner);
    }
    if (from->trigger_oneof_case == ENVOY__CONFIG__OVERLOAD__V3__TRIGGER__TRIGGER_ONEOF_SCALED) {
        return decode_scaled(d, from->scaled, out);
    }
    out->scaling_from = from->threshold->value;
    out->saturated_from = from->threshold->value;
    return true;
}

/* `owner`: what they turn on, for errors. */
static bool decode_triggers(struct decoder *d, const char *owner, OVERLOAD(Trigger) *const *from,
                            size_t count, const struct monitor_list *list,
                            const struct overload_trigger_config **out) {
    struct overload_trigger_config *triggers =
        ARENA_NEW_ARRAY(d->config.arena, count, struct overload_trigger_config);
    *out = triggers;
    bool is_ok = true;
    for (size_t i = 0; i < count; i++) {
        decoder_push_index(d, "triggers", i);
        is_ok = decode_trigger(d, owner, from[i], list, &triggers[i]) && is_ok;
        for (size_t before = 0; is_ok && before < i; before++) {
            if (triggers[before].monitor == triggers[i].monitor) {
                is_ok = decoder_error(d, "Duplicate trigger resource for %s", owner);
            }
        }
        decoder_pop_index(d);
    }
    return is_ok;
}

static const char *owner_text(struct decoder *d, const char *kind, const char *name) {
    return (const char *)arena_printf(d->config.arena, "%s %s%c", kind, name, '\0').ptr;
}

/* ---- actions with a configuration of their own ---- */

static bool find_timer(int number, enum overload_timer *timer) {
    switch (number) {
    case TIMER_TYPE(HTTP_DOWNSTREAM_CONNECTION_IDLE):
        *timer = OVERLOAD_TIMER_CONNECTION_IDLE;
        return true;
    case TIMER_TYPE(HTTP_DOWNSTREAM_STREAM_IDLE):
        *timer = OVERLOAD_TIMER_STREAM_IDLE;
        return true;
    case TIMER_TYPE(TRANSPORT_SOCKET_CONNECT):
        *timer = OVERLOAD_TIMER_TRANSPORT_CONNECT;
        return true;
    case TIMER_TYPE(HTTP_DOWNSTREAM_CONNECTION_MAX):
        *timer = OVERLOAD_TIMER_CONNECTION_MAX;
        return true;
    default:
        return false;
    }
}

static bool decode_timer(struct decoder *d, const ScaleTimer *from,
                         struct overload_timer_config timers[OVERLOAD_TIMER_COUNT]) {
    enum overload_timer timer;
    if (!find_timer((int)from->timer, &timer)) {
        validation_note(d->config.validation, FINDING_IGNORED,
                        "timer: there is none of this type to be reduced");
        return true;
    }
    struct overload_timer_config *to = &timers[timer];
    if (to->is_scaled) {
        return decoder_error(d, "Found duplicate entry for timer type %d", (int)from->timer);
    }
    to->is_scaled = true;
    to->has_min_timeout = from->overload_adjust_case == SCALE_TIMER_MIN_TIMEOUT;
    if (to->has_min_timeout) {
        return decode_duration(d, "min_timeout", from->min_timeout, &to->min_timeout_ms);
    }
    to->min_scale = (uint32_t)(from->min_scale->value / 100 * OVERLOAD_SATURATED);
    return true;
}

static bool decode_timers(struct decoder *d, const OVERLOAD(OverloadAction) * from,
                          struct overload_config *out) {
    if (from->typed_config == NULL) {
        return decoder_error(d, "Overload action \"%s\" requires typed_config", from->name);
    }
    struct any_view view;
    if (!decode_any_type(d, from->typed_config, &view)) {
        return false;
    }
    if (!any_is(&view, SCALE_TIMERS)) {
        return decode_unknown_extension(d, from->name, &view);
    }
    const ScaleTimers *config = (const ScaleTimers *)decode_any_open(d, &view);
    if (config == NULL) {
        return false;
    }
    bool is_ok = true;
    for (size_t i = 0; i < config->n_timer_scale_factors; i++) {
        decoder_push_index(d, "timer_scale_factors", i);
        is_ok = decode_timer(d, config->timer_scale_factors[i], out->timers) && is_ok;
        decoder_pop_index(d);
    }
    return is_ok;
}

static bool decode_action_config(struct decoder *d, const OVERLOAD(OverloadAction) * from,
                                 enum overload_action action, struct overload_config *out) {
    if (action == OVERLOAD_REDUCE_TIMEOUTS) {
        return decode_timers(d, from, out);
    }
    if (from->typed_config != NULL && action != OVERLOAD_SHRINK_HEAP) {
        return decoder_error(
            d, "Overload action \"%s\" has an unexpected value for the typed_config field",
            from->name);
    }
    return true;
}

static bool decode_action(struct decoder *d, const OVERLOAD(OverloadAction) * from,
                          const struct monitor_list *list, struct overload_config *out,
                          struct overload_action_config *actions) {
    enum overload_action action = 0;
    while (action < OVERLOAD_ACTION_COUNT &&
           strcmp(overload_action_names[action], from->name) != 0) {
        action++;
    }
    struct overload_action_config *to = &actions[out->action_count];
    if (action == OVERLOAD_ACTION_COUNT) {
        return decoder_error(d, "Unknown Overload Manager Action %s", from->name);
    }
    if (action == OVERLOAD_RESET_HIGH_MEMORY_STREAM && out->tracked_power == 0) {
        return decoder_error(d, "Overload action \"%s\" requires buffer_factory_config.",
                             from->name);
    }
    bool is_ok = decode_triggers(d, owner_text(d, "overload action", from->name), from->triggers,
                                 from->n_triggers, list, &to->triggers) &&
                 decode_action_config(d, from, action, out);
    to->trigger_count = (uint32_t)from->n_triggers;
    for (uint32_t i = 0; i < out->action_count; i++) {
        if (actions[i].action == action) {
            return decoder_error(d, "Duplicate overload action %s", from->name);
        }
    }
    to->action = action;
    out->action_count++;
    return is_ok;
}

/* ---- load shed points ---- */

static bool decode_point(struct decoder *d, const OVERLOAD(LoadShedPoint) * from,
                         const struct monitor_list *list, struct overload_config *out,
                         struct load_shed_config *points) {
    struct load_shed_config *to = &points[out->point_count];
    if (!decode_triggers(d, owner_text(d, "loadshed point", from->name), from->triggers,
                         from->n_triggers, list, &to->triggers)) {
        return false;
    }
    to->trigger_count = (uint32_t)from->n_triggers;
    for (uint32_t i = 0; i < to->trigger_count; i++) {
        if (list->monitors[to->triggers[i].monitor].kind == RESOURCE_CONNECTIONS) {
            return decoder_error(d, "Unknown trigger resource %s for loadshed point %s",
                                 from->triggers[i]->name, from->name);
        }
    }
    to->point = 0;
    while (to->point < LOAD_SHED_POINT_COUNT &&
           strcmp(load_shed_point_names[to->point], from->name) != 0) {
        to->point++;
    }
    if (to->point == LOAD_SHED_POINT_COUNT) {
        validation_note(d->config.validation, FINDING_IGNORED, "no load is shed at %s", from->name);
        return true;
    }
    for (uint32_t i = 0; i < out->point_count; i++) {
        if (points[i].point == to->point) {
            return decoder_error(d, "Duplicate loadshed point %s", from->name);
        }
    }
    out->point_count++;
    return true;
}

static bool decode_points(struct decoder *d, const OVERLOAD(OverloadManager) * from,
                          const struct monitor_list *list, struct overload_config *out) {
    struct load_shed_config *points =
        ARENA_NEW_ARRAY(d->config.arena, from->n_loadshed_points, struct load_shed_config);
    out->points = points;
    bool is_ok = true;
    for (size_t i = 0; is_ok && i < from->n_loadshed_points; i++) {
        decoder_push_index(d, "loadshed_points", i);
        is_ok = decode_point(d, from->loadshed_points[i], list, out, points);
        decoder_pop_index(d);
    }
    return is_ok;
}

bool decode_overload_manager(struct decoder *d, const OVERLOAD(OverloadManager) * from,
                             const struct overload_config **out, uint64_t *max_connections) {
    struct arena *arena = d->config.arena;
    struct overload_config *config = ARENA_NEW(arena, struct overload_config);
    struct monitor_list list = {.max_connections = max_connections};
    config->refresh_interval_ms = DEFAULT_REFRESH_MS;
    bool is_ok = decode_optional_duration(d, "refresh_interval", from->refresh_interval,
                                          &config->refresh_interval_ms);
    is_ok = decode_monitors(d, from, &list) && is_ok;
    config->pressed_interval_ms = config->refresh_interval_ms;
    if (from->buffer_factory_config != NULL) {
        config->tracked_power = from->buffer_factory_config->minimum_account_to_track_power_of_two;
    }
    config->monitors = list.monitors;
    config->monitor_count = list.count;
    struct overload_action_config *actions =
        ARENA_NEW_ARRAY(arena, from->n_actions, struct overload_action_config);
    config->actions = actions;
    // A monitor that is refused would show again in each trigger that names it.
    for (size_t i = 0; is_ok && i < from->n_actions; i++) {
        decoder_push_index(d, "actions", i);
        is_ok = decode_action(d, from->actions[i], &list, config, actions);
        decoder_pop_index(d);
    }
    is_ok = is_ok && decode_points(d, from, &list, config);
    *out = config;
    return is_ok;
}

/* ---- without configuration ---- */

static const struct resource_monitor_config edge_monitors[] = {
    {.name = SLICE_INIT("envoy.resource_monitors.cgroup_memory"), .kind = RESOURCE_CGROUP_MEMORY},
};
static const struct overload_trigger_config edge_triggers[] = {
    {.scaling_from = 0.80, .saturated_from = 0.80},
    {.scaling_from = 0.90, .saturated_from = 0.90},
    {.scaling_from = 0.95, .saturated_from = 0.95},
    {.scaling_from = 0.85, .saturated_from = 0.95},
};
static const struct overload_action_config edge_actions[] = {
    {OVERLOAD_SHRINK_HEAP, &edge_triggers[0], 1},
    {OVERLOAD_DISABLE_HTTP_KEEPALIVE, &edge_triggers[1], 1},
    {OVERLOAD_STOP_ACCEPTING_REQUESTS, &edge_triggers[2], 1},
    {OVERLOAD_RESET_HIGH_MEMORY_STREAM, &edge_triggers[3], 1},
    {OVERLOAD_REDUCE_TIMEOUTS, &edge_triggers[3], 1},
    {OVERLOAD_REJECT_INCOMING_CONNECTIONS, &edge_triggers[2], 1},
};
static const struct overload_config edge_default = {
    .refresh_interval_ms = EDGE_REFRESH_MS,
    .pressed_interval_ms = EDGE_PRESSED_MS,
    .monitors = edge_monitors,
    .monitor_count = ARRAY_LEN(edge_monitors),
    .actions = edge_actions,
    .action_count = ARRAY_LEN(edge_actions),
    .timers = {[OVERLOAD_TIMER_CONNECTION_IDLE] = {.is_scaled = true,
                                                   .has_min_timeout = true,
                                                   .min_timeout_ms = EDGE_MIN_IDLE_MS}},
    .tracked_power = EDGE_TRACKED_POWER,
};

const struct overload_config *overload_edge_default(void) {
    struct cgroup_memory memory;
    bool is_limited = cgroup_memory_read(CGROUP_ROOT, &memory, NULL) == STATUS_OK &&
                      memory.limit_bytes != UINT64_MAX;
    return is_limited ? &edge_default : NULL;
}

static const struct ledger_field manager_fields[] = {
    LEDGER_OK("resource_monitors"), LEDGER_OK("refresh_interval"),      LEDGER_OK("actions"),
    LEDGER_OK("loadshed_points"),   LEDGER_OK("buffer_factory_config"),
};
static const struct ledger_field action_fields[] = {
    LEDGER_OK("name"),
    LEDGER_OK("triggers"),
    LEDGER_OK("typed_config"),
};
static const struct ledger_field shrink_heap_fields[] = {
    {"timer_interval", LEDGER_IGNORED, "the heap is shrunk every five seconds"},
    {"max_unfreed_memory_bytes", LEDGER_IGNORED, "all that is free is given back"},
};
static const struct ledger_field fixed_heap_fields[] = {
    LEDGER_OK("max_heap_size_bytes"),
    {"max_heap_size_bytes_runtime", LEDGER_IGNORED, "no runtime overrides yet: its default holds"},
};
static const struct ledger_field all_fields[] = {{"*", LEDGER_HONOURED, NULL}};

const struct ledger_message ledger_overload[] = {
    LEDGER_MESSAGE("envoy.config.overload.v3.OverloadManager", manager_fields),
    LEDGER_MESSAGE("envoy.config.overload.v3.BufferFactoryConfig", all_fields),
    LEDGER_MESSAGE("envoy.config.overload.v3.ResourceMonitor", all_fields),
    LEDGER_MESSAGE("envoy.config.overload.v3.OverloadAction", action_fields),
    LEDGER_MESSAGE(SCALE_TIMERS, all_fields),
    LEDGER_MESSAGE(SCALE_TIMERS ".ScaleTimer", all_fields),
    LEDGER_MESSAGE("envoy.config.overload.v3.ShrinkHeapConfig", shrink_heap_fields),
    LEDGER_MESSAGE("envoy.config.overload.v3.LoadShedPoint", all_fields),
    LEDGER_MESSAGE("envoy.config.overload.v3.Trigger", all_fields),
    LEDGER_MESSAGE("envoy.config.overload.v3.ThresholdTrigger", all_fields),
    LEDGER_MESSAGE("envoy.config.overload.v3.ScaledTrigger", all_fields),
    LEDGER_MESSAGE(MONITORS "downstream_connections.v3.DownstreamConnectionsConfig", all_fields),
    LEDGER_MESSAGE(MONITORS "cpu_utilization.v3.CpuUtilizationConfig", all_fields),
    LEDGER_MESSAGE(MONITORS "fixed_heap.v3.FixedHeapConfig", fixed_heap_fields),
    LEDGER_MESSAGE(MONITORS "cgroup_memory.v3.CgroupMemoryConfig", all_fields),
    LEDGER_MESSAGE(MONITORS "injected_resource.v3.InjectedResourceConfig", all_fields),
};
const uint32_t ledger_overload_count = ARRAY_LEN(ledger_overload);
