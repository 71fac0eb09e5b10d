// SPDX-License-Identifier: Apache-2.0
#include "src/server/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sallyport_version.h"
#include "src/base/check.h"

enum flag_kind {
    FLAG_SWITCH,
    FLAG_TEXT,
    FLAG_NUMBER,
    FLAG_SPECIAL,
    FLAG_NO_EFFECT_SWITCH,
    FLAG_NO_EFFECT_VALUE,
};

typedef enum status flag_fn(struct options *options, const char *value, struct error *err);

struct flag {
    const char *name; /* without "--" */
    char letter;      /* 0: none */
    enum flag_kind kind;
    size_t offset; /* of the member in struct options */
    flag_fn *special;
    const char *argument; /* for help; NULL: takes none */
    const char *help;
};

static enum status take_log_level(struct options *options, const char *value, struct error *err) {
    if (log_level_parse(slice_from_string(value), &options->log_level) != STATUS_OK) {
        return error_set(err, STATUS_INVALID, "error: invalid log level specified '%s'", value);
    }
    return STATUS_OK;
}

static enum status take_component_levels(struct options *options, const char *value,
                                         struct error *err) {
    struct slice rest = slice_from_string(value);
    struct slice item;
    options->component_log_level = value;
    while (slice_split(&rest, ',', &item)) {
        struct slice level_name = item;
        struct slice name;
        enum log_component component;
        enum log_level level;
        if (!slice_split(&level_name, ':', &name) || level_name.len == 0) {
            return error_set(err, STATUS_INVALID,
                             "error: component log level not correctly specified '%.*s'",
                             SLICE_ARG(item));
        }
        if (log_component_parse(name, &component) != STATUS_OK) {
            return error_set(err, STATUS_INVALID, "error: invalid component specified '%.*s'",
                             SLICE_ARG(name));
        }
        if (log_level_parse(level_name, &level) != STATUS_OK) {
            return error_set(err, STATUS_INVALID, "error: invalid log level specified '%.*s'",
                             SLICE_ARG(level_name));
        }
    }
    return STATUS_OK;
}

static enum status take_mode(struct options *options, const char *value, struct error *err) {
    if (strcmp(value, "serve") == 0) {
        options->mode = SERVER_MODE_SERVE;
    } else if (strcmp(value, "validate") == 0) {
        options->mode = SERVER_MODE_VALIDATE;
    } else if (strcmp(value, "init_only") == 0) {
        options->mode = SERVER_MODE_INIT_ONLY;
    } else {
        return error_set(err, STATUS_INVALID, "error: unknown mode '%s'", value);
    }
    return STATUS_OK;
}

static enum status take_drain_strategy(struct options *options, const char *value,
                                       struct error *err) {
    if (strcmp(value, "gradual") != 0 && strcmp(value, "immediate") != 0) {
        return error_set(err, STATUS_INVALID,
                         "error: unknown drain-strategy '%s' (gradual or immediate)", value);
    }
    options->drain_immediate = strcmp(value, "immediate") == 0;
    return STATUS_OK;
}

static enum status take_ip_version(struct options *options, const char *value, struct error *err) {
    if (strcmp(value, "v4") != 0 && strcmp(value, "v6") != 0) {
        return error_set(err, STATUS_INVALID, "error: unknown IP address version '%s'", value);
    }
    options->local_address_v6 = strcmp(value, "v6") == 0;
    return STATUS_OK;
}

static enum status take_defaults(struct options *options, const char *value, struct error *err) {
    if (strcmp(value, "edge") != 0 && strcmp(value, "envoy") != 0) {
        return error_set(err, STATUS_INVALID, "error: unknown defaults '%s' (edge or envoy)",
                         value);
    }
    options->edge_defaults = strcmp(value, "edge") == 0;
    return STATUS_OK;
}

static enum status take_concurrency(struct options *options, const char *value, struct error *err) {
    uint64_t number = 0;
    if (slice_parse_uint64(slice_from_string(value), &number) != STATUS_OK || number > 1024) {
        return error_set(err, STATUS_INVALID,
                         "error: --concurrency wants a number from 0 to 1024, not '%s'", value);
    }
    options->has_concurrency = true;
    options->concurrency = number == 0 ? 1 : (uint32_t)number;
    return STATUS_OK;
}

#define AT(member) offsetof(struct options, member)
static const struct flag flags[] = {
    {"config-path", 'c', FLAG_TEXT, AT(config_path), NULL, "PATH", "bootstrap file"},
    {"config-yaml", 0, FLAG_TEXT, AT(config_yaml), NULL, "YAML",
     "bootstrap text, merged over the file"},
    {"mode", 0, FLAG_SPECIAL, 0, take_mode, "serve|validate|init_only", "what to do"},
    {"defaults", 0, FLAG_SPECIAL, 0, take_defaults, "edge|envoy",
     "defaults for what the configuration leaves open (edge)"},
    {"service-node", 0, FLAG_TEXT, AT(service_node), NULL, "ID", "node id"},
    {"service-cluster", 0, FLAG_TEXT, AT(service_cluster), NULL, "NAME", "node cluster"},
    {"service-zone", 0, FLAG_TEXT, AT(service_zone), NULL, "ZONE", "node zone"},
    {"concurrency", 0, FLAG_SPECIAL, 0, take_concurrency, "N", "worker threads"},
    {"log-level", 'l', FLAG_SPECIAL, 0, take_log_level, "LEVEL",
     "trace, debug, info, warning, error, critical, off"},
    {"component-log-level", 0, FLAG_SPECIAL, 0, take_component_levels, "A:LEVEL,...",
     "levels per component"},
    {"log-format", 0, FLAG_TEXT, AT(log_format), NULL, "FORMAT", "log line format (spdlog)"},
    {"log-format-escaped", 0, FLAG_SWITCH, AT(log_format_escaped), NULL, NULL,
     "escape control characters in log messages"},
    {"log-path", 0, FLAG_TEXT, AT(log_path), NULL, "PATH", "log file instead of stderr"},
    {"admin-address-path", 0, FLAG_TEXT, AT(admin_address_path), NULL, "PATH",
     "file that gets the admin listener's address"},
    {"drain-time-s", 0, FLAG_NUMBER, AT(drain_time_s), NULL, "SECONDS", "drain time (600)"},
    {"drain-strategy", 0, FLAG_SPECIAL, 0, take_drain_strategy, "gradual|immediate",
     "how connections are asked to go"},
    {"parent-shutdown-time-s", 0, FLAG_NUMBER, AT(parent_shutdown_time_s), NULL, "SECONDS",
     "hot restart: life of the parent (900)"},
    {"file-flush-interval-msec", 0, FLAG_NUMBER, AT(file_flush_interval_ms), NULL, "MS",
     "access log flush interval (10000)"},
    {"file-flush-min-size-kb", 0, FLAG_NUMBER, AT(file_flush_min_size_kb), NULL, "KB",
     "access log flush size (64)"},
    {"local-address-ip-version", 0, FLAG_SPECIAL, 0, take_ip_version, "v4|v6",
     "IP version of the local address"},
    {"allow-unknown-static-fields", 0, FLAG_SWITCH, AT(allow_unknown_static_fields), NULL, NULL,
     "accept unknown fields in the bootstrap"},
    {"allow-unknown-fields", 0, FLAG_SWITCH, AT(allow_unknown_static_fields), NULL, NULL,
     "the same, by its old name"},
    {"reject-unknown-dynamic-fields", 0, FLAG_SWITCH, AT(reject_unknown_dynamic_fields), NULL, NULL,
     "refuse unknown fields of xDS resources"},
    {"ignore-unknown-dynamic-fields", 0, FLAG_SWITCH, AT(ignore_unknown_dynamic_fields), NULL, NULL,
     "do not warn of unknown fields of xDS resources"},
    {"skip-deprecated-logs", 0, FLAG_SWITCH, AT(skip_deprecated_logs), NULL, NULL,
     "do not warn of deprecated fields"},
    {"version", 0, FLAG_SWITCH, AT(show_version), NULL, NULL, "print the version"},
    {"help", 'h', FLAG_SWITCH, AT(show_help), NULL, NULL, "print this help"},
    {"hot-restart-version", 0, FLAG_SWITCH, AT(show_hot_restart_version), NULL, NULL,
     "print the hot restart version"},
    {"disable-hot-restart", 0, FLAG_NO_EFFECT_SWITCH, 0, NULL, NULL, "hot restart is off"},
    {"base-id", 0, FLAG_NO_EFFECT_VALUE, 0, NULL, "ID", "hot restart"},
    {"use-dynamic-base-id", 0, FLAG_NO_EFFECT_SWITCH, 0, NULL, NULL, "hot restart"},
    {"base-id-path", 0, FLAG_NO_EFFECT_VALUE, 0, NULL, "PATH", "hot restart"},
    {"restart-epoch", 0, FLAG_NO_EFFECT_VALUE, 0, NULL, "N", "hot restart"},
    {"socket-path", 0, FLAG_NO_EFFECT_VALUE, 0, NULL, "PATH", "hot restart"},
    {"socket-mode", 0, FLAG_NO_EFFECT_VALUE, 0, NULL, "MODE", "hot restart"},
    {"skip-hot-restart-on-no-parent", 0, FLAG_NO_EFFECT_SWITCH, 0, NULL, NULL, "hot restart"},
    {"skip-hot-restart-parent-stats", 0, FLAG_NO_EFFECT_SWITCH, 0, NULL, NULL, "hot restart"},
    {"enable-mutex-tracing", 0, FLAG_NO_EFFECT_SWITCH, 0, NULL, NULL, "no mutexes to trace"},
    {"cpuset-threads", 0, FLAG_NO_EFFECT_SWITCH, 0, NULL, NULL, "affinity is always looked at"},
    {"disable-extensions", 0, FLAG_NO_EFFECT_VALUE, 0, NULL, "LIST", "extensions are built in"},
    {"enable-fine-grain-logging", 0, FLAG_NO_EFFECT_SWITCH, 0, NULL, NULL, "per-file loggers"},
    {"enable-core-dump", 0, FLAG_NO_EFFECT_SWITCH, 0, NULL, NULL, "core dumps"},
    {"log-stacktrace-single-entry", 0, FLAG_NO_EFFECT_SWITCH, 0, NULL, NULL, "stack traces"},
    {"stats-tag", 0, FLAG_NO_EFFECT_VALUE, 0, NULL, "K:V", "a tag on all stats"},
};
#undef AT

static bool takes_value(const struct flag *flag) {
    return flag->argument != NULL;
}

/* Switches that only say what is so anyway are not worth a warning. */
static bool is_worth_warning(const struct flag *flag) {
    return strcmp(flag->name, "disable-hot-restart") != 0 &&
           strcmp(flag->name, "cpuset-threads") != 0;
}

static void note_without_effect(struct options *options, const struct flag *flag) {
    if (is_worth_warning(flag) &&
        options->without_effect_count < ARRAY_LEN(options->without_effect)) {
        options->without_effect[options->without_effect_count++] = flag->name;
    }
}

static enum status apply(struct options *options, const struct flag *flag, const char *value,
                         struct error *err) {
    void *member = (char *)options + flag->offset;
    uint64_t number = 0;
    switch (flag->kind) {
    case FLAG_SWITCH:
        *(bool *)member = true;
        return STATUS_OK;
    case FLAG_TEXT:
        *(const char **)member = value;
        return STATUS_OK;
    case FLAG_NUMBER:
        if (slice_parse_uint64(slice_from_string(value), &number) != STATUS_OK ||
            number > UINT32_MAX / 1000) {
            return error_set(err, STATUS_INVALID, "error: --%s wants a number, not '%s'",
                             flag->name, value);
        }
        *(uint32_t *)member = (uint32_t)number;
        return STATUS_OK;
    case FLAG_SPECIAL:
        return flag->special(options, value, err);
    case FLAG_NO_EFFECT_SWITCH:
    case FLAG_NO_EFFECT_VALUE:
        note_without_effect(options, flag);
        return STATUS_OK;
    }
    return STATUS_INTERNAL;
}

/* Finds the flag of "--name", "--name=value" or "-n"; *value is set for the form with '='. */
static const struct flag *find_flag(const char *arg, const char **value) {
    *value = NULL;
    if (arg[0] != '-' || arg[1] == '\0') {
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (arg[1] != '-') {
            if (arg[1] == flags[i].letter && arg[2] == '\0') {
                return &flags[i];
            }
            continue;
        }
        size_t len = strlen(flags[i].name);
        if (strncmp(arg + 2, flags[i].name, len) == 0 &&
            (arg[2 + len] == '\0' || arg[2 + len] == '=')) {
            *value = arg[2 + len] == '=' ? arg + 3 + len : NULL;
            return &flags[i];
        }
    }
    return NULL;
}

static bool ends_options(const char *arg) {
    return strcmp(arg, "--") == 0 || strcmp(arg, "--ignore_rest") == 0;
}

static void set_defaults(struct options *options, const char *program) {
    const char *defaults = getenv("SALLYPORT_DEFAULTS");
    *options = (struct options){
        .program = program,
        .log_level = LOG_INFO,
        .drain_time_s = 600,
        .parent_shutdown_time_s = 900,
        .file_flush_interval_ms = 10000,
        .file_flush_min_size_kb = 64,
        .edge_defaults = defaults == NULL || strcmp(defaults, "envoy") != 0,
    };
}

enum status options_parse(struct options *options, int argc, char **argv, struct error *err) {
    set_defaults(options, argv[0]);
    for (int i = 1; i < argc && !ends_options(argv[i]); i++) {
        const char *value = NULL;
        const struct flag *flag = find_flag(argv[i], &value);
        if (flag == NULL) {
            return error_set(err, STATUS_INVALID,
                             "PARSE ERROR: Argument: %s\n             Couldn't find match for "
                             "argument",
                             argv[i]);
        }
        if (takes_value(flag) && value == NULL) {
            if (i + 1 >= argc) {
                return error_set(err, STATUS_INVALID,
                                 "PARSE ERROR: Argument: --%s\n             Missing a value for "
                                 "this argument!",
                                 flag->name);
            }
            value = argv[++i];
        }
        if (!takes_value(flag) && value != NULL) {
            return error_set(err, STATUS_INVALID, "error: --%s takes no value", flag->name);
        }
        TRY(apply(options, flag, value, err));
    }
    return STATUS_OK;
}

enum status options_open_log(const struct options *options, struct error *err) {
    TRY(log_open(options->log_path, options->log_format, options->log_format_escaped, err));
    log_set_level(options->log_level);
    struct slice rest = slice_from_string(options->component_log_level);
    struct slice item;
    while (slice_split(&rest, ',', &item)) {
        struct slice level_name = item;
        struct slice name;
        enum log_component component;
        enum log_level level;
        if (slice_split(&level_name, ':', &name) &&
            log_component_parse(name, &component) == STATUS_OK &&
            log_level_parse(level_name, &level) == STATUS_OK) {
            log_set_component_level(component, level);
        }
    }
    return STATUS_OK;
}

void options_print_help(const char *program) {
    printf("usage: %s [options] [-- ignored]\n\n"
           "An Envoy-compatible, xDS-driven edge proxy. Also: %s compat FILE... prints what of a\n"
           "configuration is honoured and what is not.\n\n",
           program, program);
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        const struct flag *flag = &flags[i];
        char name[80];
        (void)snprintf(name, sizeof(name), "%c%c%s--%s%s%s", flag->letter != 0 ? '-' : ' ',
                       flag->letter != 0 ? flag->letter : ' ', flag->letter != 0 ? ", " : "  ",
                       flag->name, flag->argument != NULL ? " " : "",
                       flag->argument != NULL ? flag->argument : "");
        bool has_no_effect =
            flag->kind == FLAG_NO_EFFECT_SWITCH || flag->kind == FLAG_NO_EFFECT_VALUE;
        printf("  %-44s %s%s\n", name, flag->help, has_no_effect ? " (no effect)" : "");
    }
    printf("  %-44s %s\n", "--, --ignore_rest", "what follows is not read");
}

void options_print_version(const char *program) {
    printf("\n%s  version: %s/%s/Clean/RELEASE/BoringSSL\n\n", program, SALLYPORT_REVISION,
           "1.40.0");
    printf("sallyport %s (%s)\n", SALLYPORT_VERSION, SALLYPORT_BUILD_TYPE);
}
