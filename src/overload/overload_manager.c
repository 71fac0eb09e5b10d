// SPDX-License-Identifier: Apache-2.0
#include "src/overload/overload_manager.h"

#include "src/base/check.h"
#include "src/base/log.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/event/timer.h"
#include "src/overload/cpu_utilization.h"
#include "src/overload/overload_probe.h"
#include "src/overload/overload_stats.h"

struct monitor {
    const struct resource_monitor_config *config;
    struct stats_scope *stats;
    struct resource_usage usage; /* read last */
    struct cpu_utilization cpu;
    uint64_t refused_seen;
};

struct overload_manager {
    struct overload_manager_options options;
    struct timer refresh;
    struct monitor *monitors;                                /* as in the configuration */
    struct stats_scope *action_stats[OVERLOAD_ACTION_COUNT]; /* NULL: not configured */
    uint32_t shown[OVERLOAD_ACTION_COUNT]; /* scales; a worker may have turned them up since */
    struct stats_scope *shrink_stats;
    struct stats_scope *stats;
    uint64_t refreshed_us; /* 0: not yet */
};

static uint32_t thread_of(const struct overload_manager *manager) {
    return manager->options.control->index;
}

/* ---- reading ---- */

static enum status read_cpu(struct overload_manager *manager, struct monitor *monitor,
                            struct error *err) {
    struct cpu_times times;
    if (monitor->config->kind == RESOURCE_CPU_HOST) {
        TRY(cpu_times_of_host("/proc/stat", &times, err));
    } else {
        uint64_t now_us = event_loop_now_us(manager->options.control->loop);
        TRY(cpu_times_of_group(CGROUP_ROOT, now_us, &times, err));
    }
    TRY(cpu_utilization_add(&monitor->cpu, &times, err));
    monitor->usage =
        (struct resource_usage){.pressure = monitor->cpu.value, .left_bytes = UINT64_MAX};
    return STATUS_OK;
}

static uint64_t load(const _Atomic uint64_t *count) {
    return count == NULL ? 0 : atomic_load_explicit(count, memory_order_relaxed);
}

static void read_connections(struct overload_manager *manager, struct monitor *monitor) {
    uint64_t open = load(manager->options.state->connections);
    uint64_t refused = load(manager->options.state->refused_connections);
    // As Envoy: each connection that is one too many is a failed update.
    stats_add(monitor->stats, thread_of(manager), RESOURCE_STAT_FAILED_UPDATES,
              refused - monitor->refused_seen);
    monitor->refused_seen = refused;
    monitor->usage = (struct resource_usage){
        .pressure = (double)open / (double)monitor->config->max_connections,
        .left_bytes = UINT64_MAX,
    };
}

static enum status read_usage(struct overload_manager *manager, struct monitor *monitor,
                              struct error *err) {
    switch (monitor->config->kind) {
    case RESOURCE_CPU_HOST:
    case RESOURCE_CPU_CONTAINER:
        return read_cpu(manager, monitor, err);
    case RESOURCE_CONNECTIONS:
        read_connections(manager, monitor);
        return STATUS_OK;
    case RESOURCE_FIXED_HEAP:
    case RESOURCE_CGROUP_MEMORY:
    case RESOURCE_INJECTED:
        break;
    }
    return resource_monitor_read(monitor->config, &monitor->usage, err);
}

static void read_monitor(struct overload_manager *manager, struct monitor *monitor) {
    struct error err;
    if (read_usage(manager, monitor, &err) != STATUS_OK) {
        stats_inc(monitor->stats, thread_of(manager), RESOURCE_STAT_FAILED_UPDATES);
        LOG(MAIN, DEBUG, "resource monitor '%.*s': %s", SLICE_ARG(monitor->config->name),
            err.message);
        return; // what was read last holds
    }
    stats_set(monitor->stats, thread_of(manager), RESOURCE_STAT_PRESSURE,
              (uint64_t)(monitor->usage.pressure * 100));
}

/* ---- actions ---- */

static uint32_t triggered_scale(const struct overload_manager *manager,
                                const struct overload_trigger_config *triggers, uint32_t count) {
    uint32_t scale = 0;
    for (uint32_t i = 0; i < count; i++) {
        double pressure = manager->monitors[triggers[i].monitor].usage.pressure;
        uint32_t one = overload_trigger_scale(&triggers[i], pressure);
        scale = one > scale ? one : scale;
    }
    return scale;
}

static void set_point(struct overload_manager *manager, const struct load_shed_config *point) {
    struct overload_state *state = manager->options.state;
    uint32_t scale = triggered_scale(manager, point->triggers, point->trigger_count);
    atomic_store_explicit(&state->shed_scale[point->point], scale, memory_order_relaxed);
    stats_set(state->shed_stats[point->point], thread_of(manager), LOAD_SHED_STAT_SCALE_PERCENT,
              (uint64_t)scale * 100 / OVERLOAD_SATURATED);
}

static void set_action(struct overload_manager *manager, enum overload_action action,
                       uint32_t scale) {
    const struct overload_manager_options *options = &manager->options;
    atomic_store_explicit(&options->state->scale[action], scale, memory_order_relaxed);
    uint32_t before = manager->shown[action];
    if (scale == before) {
        return;
    }
    manager->shown[action] = scale;
    bool is_saturated = scale == OVERLOAD_SATURATED;
    struct stats_scope *stats = manager->action_stats[action];
    stats_set(stats, thread_of(manager), OVERLOAD_STAT_ACTIVE, is_saturated);
    stats_set(stats, thread_of(manager), OVERLOAD_STAT_SCALE_PERCENT,
              (uint64_t)scale * 100 / OVERLOAD_SATURATED);
    if (is_saturated != (before == OVERLOAD_SATURATED)) {
        LOG(MAIN, WARN, "overload: %s is %s", overload_action_names[action],
            is_saturated ? "active" : "over");
        options->on_change(options->arg, action, is_saturated);
    }
}

static void record_delay(struct overload_manager *manager) {
    uint64_t now_us = event_loop_now_us(manager->options.control->loop);
    if (manager->refreshed_us != 0) {
        stats_record(manager->stats, thread_of(manager),
                     OVERLOAD_MANAGER_STAT_REFRESH_INTERVAL_DELAY,
                     (now_us - manager->refreshed_us) / 1000);
    }
    manager->refreshed_us = now_us;
}

static uint64_t least_left(const struct overload_manager *manager) {
    uint64_t left = UINT64_MAX;
    for (uint32_t i = 0; i < manager->options.config->monitor_count; i++) {
        uint64_t one = manager->monitors[i].usage.left_bytes;
        left = one < left ? one : left;
    }
    return left;
}

static bool is_pressed(const struct overload_manager *manager) {
    for (uint32_t i = 0; i < OVERLOAD_ACTION_COUNT; i++) {
        if (overload_scale(manager->options.state, i) > 0) {
            return true;
        }
    }
    return false;
}

void overload_manager_refresh(struct overload_manager *manager) {
    const struct overload_manager_options *options = &manager->options;
    const struct overload_config *config = options->config;
    atomic_store_explicit(&options->state->is_refresh_asked, false, memory_order_relaxed);
    options->on_refresh(options->arg);
    record_delay(manager);
    for (uint32_t i = 0; i < config->monitor_count; i++) {
        read_monitor(manager, &manager->monitors[i]);
    }
    for (uint32_t i = 0; i < config->action_count; i++) {
        const struct overload_action_config *action = &config->actions[i];
        set_action(manager, action->action,
                   triggered_scale(manager, action->triggers, action->trigger_count));
    }
    for (uint32_t i = 0; i < config->point_count; i++) {
        set_point(manager, &config->points[i]);
    }
    overload_set_growth_budget(options->state, least_left(manager));
    timer_arm(options->control->loop, &manager->refresh,
              is_pressed(manager) ? config->pressed_interval_ms : config->refresh_interval_ms);
    options->on_refreshed(options->arg);
}

static void on_timer(void *arg) {
    overload_manager_refresh(arg);
}

/* ---- life ---- */

static struct stats_scope *make_scope(const struct overload_manager *manager, struct slice name,
                                      const struct stat_table *table) {
    return overload_scope_get(manager->options.stats, name, table);
}

static void make_scopes(struct overload_manager *manager) {
    const struct overload_config *config = manager->options.config;
    for (uint32_t i = 0; i < config->monitor_count; i++) {
        manager->monitors[i].config = &config->monitors[i];
        manager->monitors[i].stats =
            make_scope(manager, config->monitors[i].name, &resource_stat_table);
    }
    for (uint32_t i = 0; i < config->action_count; i++) {
        enum overload_action action = config->actions[i].action;
        struct slice name = slice_from_string(overload_action_names[action]);
        manager->action_stats[action] = make_scope(manager, name, &overload_action_stat_table);
        if (action == OVERLOAD_SHRINK_HEAP) {
            manager->shrink_stats = make_scope(manager, name, &shrink_heap_stat_table);
        }
    }
}

struct overload_manager *overload_manager_new(const struct overload_manager_options *options) {
    struct overload_manager *manager = mem_calloc(1, sizeof(*manager));
    manager->options = *options;
    timer_init(&manager->refresh, on_timer, manager);
    manager->monitors = mem_calloc(options->config->monitor_count, sizeof(*manager->monitors));
    manager->stats =
        stats_scope_get(options->stats, SLICE("overload"), &overload_manager_stat_table);
    make_scopes(manager);
    return manager;
}

void overload_manager_start(struct overload_manager *manager) {
    overload_manager_refresh(manager);
}

void overload_manager_count_shrink(struct overload_manager *manager) {
    stats_inc(manager->shrink_stats, thread_of(manager), SHRINK_HEAP_STAT_SHRINK_COUNT);
}

void overload_manager_free(struct overload_manager *manager) {
    if (manager == NULL) {
        return;
    }
    timer_cancel(&manager->refresh);
    for (uint32_t i = 0; i < manager->options.config->monitor_count; i++) {
        stats_scope_unref(manager->monitors[i].stats);
    }
    for (uint32_t i = 0; i < OVERLOAD_ACTION_COUNT; i++) {
        stats_scope_unref(manager->action_stats[i]);
    }
    stats_scope_unref(manager->shrink_stats);
    stats_scope_unref(manager->stats);
    mem_free(manager->monitors);
    mem_free(manager);
}
