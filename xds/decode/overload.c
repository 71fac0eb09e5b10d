// SPDX-License-Identifier: Apache-2.0
#include "xds/decode/overload.h"

#include "envoy/extensions/resource_monitors/cgroup_memory/v3/cgroup_memory.pb-c.h"
#include "envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections.pb-c.h"
#include "envoy/extensions/resource_monitors/fixed_heap/v3/fixed_heap.pb-c.h"
#include "envoy/extensions/resource_monitors/injected_resource/v3/injected_resource.pb-c.h"
#include "src/overload/resource_monitor.h"
#include "xds/decode/ledgers.h"

#define OVERLOAD(name) Envoy__Config__Overload__V3__##name
#define MONITORS "envoy.extensions.resource_monitors."
typedef Envoy__Extensions__ResourceMonitors__DownstreamConnections__V3__DownstreamConnectionsConfig
    DownstreamConnections;
typedef Envoy__Extensions__ResourceMonitors__FixedHeap__V3__FixedHeapConfig FixedHeap;
typedef Envoy__Extensions__ResourceMonitors__CgroupMemory__V3__CgroupMemoryConfig CgroupMemory;
typedef Envoy__Extensions__ResourceMonitors__InjectedResource__V3__InjectedResourceConfig Injected;

/* A burst fills megabytes within a second; a reading is three small files. */
enum { DEFAULT_REFRESH_MS = 1000, EDGE_REFRESH_MS = 250, EDGE_PRESSED_MS = 25 };
/* Whatever a stream holds, it holds in pieces of this size (BUFFER_CHUNK_BYTES). */
enum { EDGE_TRACKED_POWER = 14 };

/* ---- monitors ---- */

struct monitor_list {
    struct resource_monitor_config *monitors;
    uint32_t count;
    uint64_t *max_connections;
};

static void read_connections(const ProtobufCMessage *message, struct monitor_list *list) {
    *list->max_connections =
        (uint64_t)((const DownstreamConnections *)message)->max_active_downstream_connections;
}

static struct resource_monitor_config *add_monitor(struct monitor_list *list,
                                                   enum resource_monitor_kind kind) {
    struct resource_monitor_config *monitor = &list->monitors[list->count++];
    monitor->kind = kind;
    return monitor;
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

static bool decode_trigger(struct decoder *d, const char *action, const OVERLOAD(Trigger) * from,
                           const struct monitor_list *list, struct overload_trigger_config *out) {
    struct slice name = slice_from_string(from->name);
    out->monitor = 0;
    while (out->monitor < list->count && !slice_equal(list->monitors[out->monitor].name, name)) {
        out->monitor++;
    }
    if (out->monitor == list->count) {
        return decoder_error(d, "Unknown trigger resource %s for overload action %s", from->name,
                             action);
    }
    if (from->trigger_oneof_case == ENVOY__CONFIG__OVERLOAD__V3__TRIGGER__TRIGGER_ONEOF_SCALED) {
        return decode_scaled(d, from->scaled, out);
    }
    out->scaling_from = from->threshold->value;
    out->saturated_from = from->threshold->value;
    return true;
}

static bool decode_triggers(struct decoder *d, const OVERLOAD(OverloadAction) * from,
                            const struct monitor_list *list, struct overload_action_config *out) {
    struct overload_trigger_config *triggers =
        ARENA_NEW_ARRAY(d->config.arena, from->n_triggers, struct overload_trigger_config);
    out->triggers = triggers;
    out->trigger_count = (uint32_t)from->n_triggers;
    bool is_ok = true;
    for (size_t i = 0; i < from->n_triggers; i++) {
        decoder_push_index(d, "triggers", i);
        is_ok = decode_trigger(d, from->name, from->triggers[i], list, &triggers[i]) && is_ok;
        for (size_t before = 0; is_ok && before < i; before++) {
            if (triggers[before].monitor == triggers[i].monitor) {
                is_ok = decoder_error(d, "Duplicate trigger resource for overload action %s",
                                      from->name);
            }
        }
        decoder_pop_index(d);
    }
    return is_ok;
}

/* Envoy's, and not built. */
static const char *const other_actions[] = {
    "envoy.overload_actions.reduce_timeouts",
    "envoy.overload_actions.close_idle_http_connections",
};

static bool is_other_action(const char *name) {
    for (size_t i = 0; i < ARRAY_LEN(other_actions); i++) {
        if (strcmp(other_actions[i], name) == 0) {
            return true;
        }
    }
    return false;
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
    if (action == OVERLOAD_ACTION_COUNT && !is_other_action(from->name)) {
        return decoder_error(d, "Unknown Overload Manager Action %s", from->name);
    }
    if (action == OVERLOAD_RESET_HIGH_MEMORY_STREAM && out->tracked_power == 0) {
        return decoder_error(d, "Overload action \"%s\" requires buffer_factory_config.",
                             from->name);
    }
    bool is_ok = decode_triggers(d, from, list, to);
    if (action == OVERLOAD_ACTION_COUNT) {
        validation_note(d->config.validation, FINDING_IGNORED, "%s: not built yet", from->name);
        return is_ok;
    }
    for (uint32_t i = 0; i < out->action_count; i++) {
        if (actions[i].action == action) {
            return decoder_error(d, "Duplicate overload action %s", from->name);
        }
    }
    to->action = action;
    out->action_count++;
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
};
static const struct overload_config edge_default = {
    .refresh_interval_ms = EDGE_REFRESH_MS,
    .pressed_interval_ms = EDGE_PRESSED_MS,
    .monitors = edge_monitors,
    .monitor_count = ARRAY_LEN(edge_monitors),
    .actions = edge_actions,
    .action_count = ARRAY_LEN(edge_actions),
    .tracked_power = EDGE_TRACKED_POWER,
};

const struct overload_config *overload_edge_default(void) {
    struct cgroup_memory memory;
    bool is_limited = cgroup_memory_read(CGROUP_ROOT, &memory, NULL) == STATUS_OK &&
                      memory.limit_bytes != UINT64_MAX;
    return is_limited ? &edge_default : NULL;
}

static const struct ledger_field manager_fields[] = {
    LEDGER_OK("resource_monitors"),
    LEDGER_OK("refresh_interval"),
    LEDGER_OK("actions"),
    {"loadshed_points", LEDGER_IGNORED, "no load shedding yet"},
    LEDGER_OK("buffer_factory_config"),
};
static const struct ledger_field action_fields[] = {
    LEDGER_OK("name"),
    LEDGER_OK("triggers"),
    {"typed_config", LEDGER_IGNORED, "of actions that are not built yet"},
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
    LEDGER_MESSAGE("envoy.config.overload.v3.Trigger", all_fields),
    LEDGER_MESSAGE("envoy.config.overload.v3.ThresholdTrigger", all_fields),
    LEDGER_MESSAGE("envoy.config.overload.v3.ScaledTrigger", all_fields),
    LEDGER_MESSAGE(MONITORS "downstream_connections.v3.DownstreamConnectionsConfig", all_fields),
    LEDGER_MESSAGE(MONITORS "fixed_heap.v3.FixedHeapConfig", fixed_heap_fields),
    LEDGER_MESSAGE(MONITORS "cgroup_memory.v3.CgroupMemoryConfig", all_fields),
    LEDGER_MESSAGE(MONITORS "injected_resource.v3.InjectedResourceConfig", all_fields),
};
const uint32_t ledger_overload_count = ARRAY_LEN(ledger_overload);
