// SPDX-License-Identifier: Apache-2.0
#include "src/admin/admin_request.h"
#include "src/base/check.h"
#include "src/matcher/string_matcher.h"

static const struct admin_param_help enable_params[] = {
    {"enable", "switch it on or off; One of (y, n)"},
    {NULL, NULL},
};
static const struct admin_param_help clusters_params[] = {
    {"filter", "regular expression that cluster names have to match"},
    {"format", "One of (text, json)"},
    {NULL, NULL},
};
static const struct admin_param_help config_dump_params[] = {
    {"resource", "only the elements of this repeated field"},
    {"mask", "field mask applied to what is dumped"},
    {"name_regex", "only resources whose whole name matches"},
    {"include_eds", "endpoints too"},
    {NULL, NULL},
};
static const struct admin_param_help drain_params[] = {
    {"graceful", "stop listening only when the drain time is over"},
    {"skip_exit", "tell connections to go but keep listening"},
    {"inboundonly", "listeners with inbound traffic_direction only"},
    {NULL, NULL},
};
static const struct admin_param_help init_dump_params[] = {
    {"mask", "what to look at, for example listener"},
    {NULL, NULL},
};
static const struct admin_param_help listeners_params[] = {
    {"format", "One of (text, json)"},
    {NULL, NULL},
};
static const struct admin_param_help logging_params[] = {
    {"paths", "levels of several loggers: <name1>:<level1>,<name2>:<level2>"},
    {"level", "level of all loggers; One of (, trace, debug, info, warning, error, critical, off)"},
    {NULL, NULL},
};
static const struct admin_param_help stats_params[] = {
    {"usedonly", "only stats that were written since the start"},
    {"filter", "regular expression to be found in the name"},
    {"invert_filter", "only what the filter does not find"},
    {"format", "One of (html, active-html, text, json, prometheus)"},
    {"type", "One of (All, Counters, Histograms, Gauges, TextReadouts)"},
    {"histogram_buckets", "One of (cumulative, disjoint, detailed, summary)"},
    {NULL, NULL},
};
static const struct admin_param_help prometheus_params[] = {
    {"usedonly", "only stats that were written since the start"},
    {"text_readouts", "text readouts as gauges of value 0"},
    {"filter", "regular expression to be found in the name"},
    {"invert_filter", "only what the filter does not find"},
    {"histogram_buckets", "One of (cumulative, summary)"},
    {NULL, NULL},
};

const struct admin_handler admin_handlers[] = {
    {"/", admin_handle_home, "the list of commands as a page", false, NULL},
    {"/allocprofiler", admin_handle_profiler, "allocation profiler (not in this build)", true,
     enable_params},
    {"/certs", admin_handle_certs, "certificates in use", false, NULL},
    {"/clusters", admin_handle_clusters, "upstream clusters and their hosts", false,
     clusters_params},
    {"/config_dump", admin_handle_config_dump, "the configuration in force", false,
     config_dump_params},
    {"/contention", admin_handle_contention, "mutex contention (not in this build)", false, NULL},
    {"/cpuprofiler", admin_handle_profiler, "CPU profiler (not in this build)", true,
     enable_params},
    {"/drain_listeners", admin_handle_drain_listeners, "drain the listeners", true, drain_params},
    {"/healthcheck/fail", admin_handle_health_fail, "fail health checks from now on", true, NULL},
    {"/healthcheck/ok", admin_handle_health_ok, "pass health checks again", true, NULL},
    {"/heap_dump", admin_handle_heap_dump, "heap dump (not in this build)", false, NULL},
    {"/heapprofiler", admin_handle_profiler, "heap profiler (not in this build)", true,
     enable_params},
    {"/help", admin_handle_help, "this list", false, NULL},
    {"/hot_restart_version", admin_handle_hot_restart_version, "hot restart compatibility version",
     false, NULL},
    {"/init_dump", admin_handle_init_dump, "what initialisation waits for", false,
     init_dump_params},
    {"/listeners", admin_handle_listeners, "listeners and their addresses", false,
     listeners_params},
    {"/logging", admin_handle_logging, "show or change log levels", true, logging_params},
    {"/memory", admin_handle_memory, "memory of the process", false, NULL},
    {"/memory/tcmalloc", admin_handle_heap_dump, "allocator figures (not in this build)", false,
     NULL},
    {"/peak_heap_dump", admin_handle_heap_dump, "heap dump (not in this build)", false, NULL},
    {"/quitquitquit", admin_handle_quit, "end the server", true, NULL},
    {"/ready", admin_handle_ready, "the server's state; 200 if LIVE, else 503", false, NULL},
    {"/reopen_logs", admin_handle_reopen_logs, "open log files anew", true, NULL},
    {"/reset_counters", admin_handle_reset_counters, "set counters and histograms to zero", true,
     NULL},
    {"/runtime", admin_handle_runtime, "runtime layers and values", false, NULL},
    {"/runtime_modify", admin_handle_runtime_modify,
     "set runtime values: ?key1=value1&key2=value2; an empty value takes an override back", true,
     NULL},
    {"/server_info", admin_handle_server_info, "version, state, command line and node", false,
     NULL},
    {"/stats", admin_handle_stats, "stats", false, stats_params},
    {"/stats/prometheus", admin_handle_stats_prometheus, "stats in the Prometheus text format",
     false, prometheus_params},
    {"/stats/recentlookups", admin_handle_recent_lookups, "stat name lookups (not counted)", false,
     NULL},
    {"/stats/recentlookups/clear", admin_handle_recent_lookups_change, "without effect", true,
     NULL},
    {"/stats/recentlookups/disable", admin_handle_recent_lookups_change, "without effect", true,
     NULL},
    {"/stats/recentlookups/enable", admin_handle_recent_lookups_change, "without effect", true,
     NULL},
};
const uint32_t admin_handler_count = (uint32_t)ARRAY_LEN(admin_handlers);

void admin_text(struct buffer *out, const char *text) {
    buffer_append(out, slice_from_string(text));
}

void admin_slice(struct buffer *out, struct slice text) {
    buffer_append(out, text);
}

struct slice admin_regex_reason(const struct error *err, struct slice pattern) {
    const struct slice quote = SLICE("'");
    struct slice message = slice_from_string(err->message);
    size_t opening = slice_find(message, quote);
    if (opening == SIZE_MAX || opening + pattern.len + sizeof("'': ") - 1 > message.len) {
        return message;
    }
    return slice_sub(message, opening + pattern.len + sizeof("'': ") - 1, SIZE_MAX);
}

void admin_answer(struct admin_request *request, uint32_t status, const char *text) {
    buffer_clear(request->body);
    request->status = status;
    request->content_type = admin_content_text;
    admin_text(request->body, text);
}

void admin_write_help(struct buffer *out) {
    admin_text(out, "admin commands are:\n");
    for (uint32_t i = 0; i < admin_handler_count; i++) {
        const struct admin_handler *handler = &admin_handlers[i];
        buffer_append_printf(out, "  %s%s: %s\n", handler->path,
                             handler->is_mutating ? " (POST)" : "", handler->help);
        for (const struct admin_param_help *param = handler->params;
             param != NULL && param->name != NULL; param++) {
            buffer_append_printf(out, "      %s: %s\n", param->name, param->help);
        }
    }
}

static bool is_allowed(const struct admin_request *request) {
    const struct admin_options *options = request->options;
    for (uint32_t i = 0; i < options->allow_path_count; i++) {
        if (string_matcher_matches(&options->allow_paths[i], request->target)) {
            return true;
        }
    }
    return options->allow_path_count == 0;
}

static const struct admin_handler *find_handler(struct slice path) {
    for (uint32_t i = 0; i < admin_handler_count; i++) {
        if (slice_equal(path, slice_from_string(admin_handlers[i].path))) {
            return &admin_handlers[i];
        }
    }
    return NULL;
}

void admin_route(struct admin_request *request) {
    if (!is_allowed(request)) {
        admin_answer(request, 403, "request to path ");
        admin_slice(request->body, request->target);
        admin_text(request->body, " not allowed");
        return;
    }
    const struct admin_handler *handler = find_handler(request->path);
    if (handler == NULL) {
        admin_answer(request, 404, "invalid path. ");
        admin_write_help(request->body);
        return;
    }
    if (handler->is_mutating && !slice_equal(request->method, SLICE("POST"))) {
        admin_answer(request, 405, "Method ");
        admin_slice(request->body, request->method);
        admin_text(request->body, " not allowed, POST required.");
        return;
    }
    handler->fn(request);
}
