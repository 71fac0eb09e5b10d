// SPDX-License-Identifier: Apache-2.0
/*
 * The command line, Envoy's flags to the letter plus --defaults. Parsed once at start; text points into
 * argv. Flags that have no effect here are accepted and named in a warning.
 */
#ifndef SRC_SERVER_OPTIONS_H
#define SRC_SERVER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/base/log.h"

enum server_mode { SERVER_MODE_SERVE, SERVER_MODE_VALIDATE, SERVER_MODE_INIT_ONLY };

struct options {
    const char *program; /* argv[0] */
    const char *config_path;
    const char *config_yaml;
    const char *admin_address_path;
    const char *service_node, *service_cluster, *service_zone;
    const char *log_path, *log_format;
    bool log_format_escaped;
    enum log_level log_level;
    const char *component_log_level; /* "a:debug,b:trace"; checked by options_parse */
    enum server_mode mode;
    uint32_t concurrency; /* 0: not given */
    bool has_concurrency;
    uint32_t drain_time_s; /* 600 */
    bool drain_immediate;  /* --drain-strategy immediate */
    uint32_t parent_shutdown_time_s;
    uint32_t file_flush_interval_ms; /* 10,000 */
    uint32_t file_flush_min_size_kb; /* 64 */
    bool allow_unknown_static_fields, reject_unknown_dynamic_fields;
    bool ignore_unknown_dynamic_fields, skip_deprecated_logs;
    bool local_address_v6;
    bool edge_defaults; /* --defaults edge (default) or envoy */
    bool show_version, show_help, show_hot_restart_version;
    const char *without_effect[16]; /* flags given that do nothing yet */
    uint32_t without_effect_count;
};

/* STATUS_INVALID names the argument and what was expected. */
enum status options_parse(struct options *options, int argc, char **argv,
                          struct error *err) MUST_USE;
/* Applies levels, format and path to the application log. */
enum status options_open_log(const struct options *options, struct error *err) MUST_USE;
void options_print_help(const char *program);
void options_print_version(const char *program);
/* --concurrency, or hardware threads, affinity and the cgroup's CPU limit, whichever is least. */
uint32_t options_concurrency(const struct options *options);

#endif
