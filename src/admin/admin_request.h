// SPDX-License-Identifier: Apache-2.0
/*
 * One request to the admin interface as its endpoint sees it, and the table of endpoints; for the files
 * of src/admin only. A handler reads the parameters and fills in status, content type and body. It runs
 * to completion; the request lives as long as the call.
 */
#ifndef SRC_ADMIN_ADMIN_REQUEST_H
#define SRC_ADMIN_ADMIN_REQUEST_H

#include "src/admin/admin_params.h"
#include "src/admin/admin_server.h"
#include "src/base/arena.h"

struct admin_request {
    const struct admin_options *options;
    struct arena *arena;
    struct slice method;
    struct slice target; /* path and query, normalised */
    struct slice path;
    struct admin_params params;
    /* The answer. */
    uint32_t status; /* 200 unless set */
    const char *content_type;
    struct buffer *body;
    bool quits; /* the server ends once this was answered */
};

extern const char admin_content_text[];
extern const char admin_content_json[];
extern const char admin_content_html[];

typedef void admin_handler_fn(struct admin_request *request);

struct admin_param_help {
    const char *name; /* NULL ends the list */
    const char *help;
};

struct admin_handler {
    const char *path;
    admin_handler_fn *fn;
    const char *help;
    bool is_mutating;                      /* POST only */
    const struct admin_param_help *params; /* NULL: none */
};

/* Ordered by path. */
extern const struct admin_handler admin_handlers[];
extern const uint32_t admin_handler_count;

/* Finds the endpoint and runs it, or answers 403, 404 or 405. */
void admin_route(struct admin_request *request);
/* "admin commands are:" and the list. */
void admin_write_help(struct buffer *out);
/* Replaces the answer by a text. */
void admin_answer(struct admin_request *request, uint32_t status, const char *text);

/* Appends literal text and slices. */
void admin_text(struct buffer *out, const char *text);
void admin_slice(struct buffer *out, struct slice text);
/* What RE2 says against `pattern`, without regex_new's own words before it. */
struct slice admin_regex_reason(const struct error *err, struct slice pattern);

admin_handler_fn admin_handle_home;
admin_handler_fn admin_handle_help;
admin_handler_fn admin_handle_ready;
admin_handler_fn admin_handle_server_info;
admin_handler_fn admin_handle_hot_restart_version;
admin_handler_fn admin_handle_memory;
admin_handler_fn admin_handle_init_dump;
admin_handler_fn admin_handle_config_dump;
admin_handler_fn admin_handle_clusters;
admin_handler_fn admin_handle_listeners;
admin_handler_fn admin_handle_certs;
admin_handler_fn admin_handle_stats;
admin_handler_fn admin_handle_stats_prometheus;
admin_handler_fn admin_handle_reset_counters;
admin_handler_fn admin_handle_recent_lookups;
admin_handler_fn admin_handle_recent_lookups_change;
admin_handler_fn admin_handle_runtime;
admin_handler_fn admin_handle_runtime_modify;
admin_handler_fn admin_handle_logging;
admin_handler_fn admin_handle_reopen_logs;
admin_handler_fn admin_handle_quit;
admin_handler_fn admin_handle_drain_listeners;
admin_handler_fn admin_handle_health_fail;
admin_handler_fn admin_handle_health_ok;
admin_handler_fn admin_handle_contention;
admin_handler_fn admin_handle_profiler;
admin_handler_fn admin_handle_heap_dump;

#endif
