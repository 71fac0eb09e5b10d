// SPDX-License-Identifier: Apache-2.0
#include "src/overload/overload_manager.h"

#include <stdio.h>

#include "src/base/check.h"
#include "src/base/log.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/event/timer.h"
#include "src/overload/overload_probe.h"
#include "src/overload/overload_stats.h"

struct monitor {
    const struct resource_monitor_config *config;
    struct stats_scope *stats;
    struct resource_usage usage; /* read last */
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

static void read_monitor(struct overload_manager *manager, struct monitor *monitor) {
    struct error err;
    if (resource_monitor_read(monitor->config, &monitor->usage, &err) != STATUS_OK) {
        stats_inc(monitor->stats, thread_of(manager), RESOURCE_STAT_FAILED_UPDATES);
        LOG(MAIN, DEBUG, "resource monitor '%.*s': %s", SLICE_ARG(monitor->config->name),
            err.message);
        return; // what was read last holds
    }
    stats_set(monitor->stats, thread_of(manager), RESOURCE_STAT_PRESSURE,
              (uint64_t)(monitor->usage.pressure * 100));
}

/* ---- actions ---- */

static uint32_t action_scale(const struct overload_manager *manager,
                             const struct overload_action_config *action) {
    uint32_t scale = 0;
    for (uint32_t i = 0; i < action->trigger_count; i++) {
        const struct overload_trigger_config *trigger = &action->triggers[i];
        uint32_t one =
            overload_trigger_scale(trigger, manager->monitors[trigger->monitor].usage.pressure);
        scale = one > scale ? one : scale;
    }
    return scale;
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
        set_action(manager, config->actions[i].action, action_scale(manager, &config->actions[i]));
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
    char prefix[512];
    int len = snprintf(prefix, sizeof(prefix), "overload.%.*s", SLICE_ARG(name));
    size_t used = (size_t)len < sizeof(prefix) ? (size_t)len : sizeof(prefix) - 1;
    struct stats_scope *scope =
        stats_scope_get(manager->options.stats, slice_make(prefix, used), table);
    // Zeros that show what is watched.
    for (uint32_t i = 0; i < table->count; i++) {
        stats_add(scope, thread_of(manager), i, 0);
    }
    return scope;
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
