// SPDX-License-Identifier: Apache-2.0
#include "src/admin/admin_request.h"
#include "src/base/log.h"

static void write_loggers(struct buffer *out) {
    admin_text(out, "active loggers:\n");
    for (unsigned i = 0; i < LOG_COMPONENT_COUNT; i++) {
        enum log_component component = (enum log_component)i;
        buffer_append_printf(out, "  %s: %s\n", log_component_name(component),
                             log_level_name(log_get_level(component)));
    }
    admin_text(out, "\n");
}

/* "name:level"; changes nothing unless `apply`. NULL: fine, else what is wrong. */
static const char *set_level(struct slice name, struct slice level_name, bool apply) {
    enum log_component component;
    enum log_level level;
    if (name.len == 0 || level_name.len == 0) {
        return "empty logger name or empty logger level";
    }
    if (log_level_parse(level_name, &level) != STATUS_OK) {
        return "unknown logger level";
    }
    if (log_component_parse(name, &component) != STATUS_OK) {
        return "unknown logger name";
    }
    if (apply) {
        log_set_component_level(component, level);
    }
    return NULL;
}

/* All of the list or nothing of it. */
static const char *set_paths(struct slice paths) {
    for (int apply = 0; apply <= 1; apply++) {
        struct slice rest = paths;
        struct slice item;
        while (slice_split(&rest, ',', &item)) {
            struct slice name;
            struct slice level = item;
            (void)slice_split(&level, ':', &name);
            const char *reason = set_level(name, level, apply != 0);
            if (reason != NULL) {
                return reason;
            }
        }
    }
    return NULL;
}

static const char *set_all(struct slice level_name) {
    enum log_level level;
    if (level_name.len == 0) {
        return NULL;
    }
    if (log_level_parse(level_name, &level) != STATUS_OK) {
        return "unknown logger level";
    }
    log_set_level(level);
    LOG(MISC, INFO, "change all log levels: level='%s'", log_level_name(level));
    return NULL;
}

static const char *change(const struct admin_params *params) {
    if (params->count == 0) {
        return NULL;
    }
    if (params->count > 1) {
        return "invalid number of parameters";
    }
    const struct admin_param *param = &params->items[0];
    if (slice_equal(param->name, SLICE("paths"))) {
        return set_paths(param->value);
    }
    if (slice_equal(param->name, SLICE("level"))) {
        return set_all(param->value);
    }
    if (slice_equal(param->name, SLICE("group"))) {
        return "group parameter requires fine-grain logging to be enabled";
    }
    return set_level(param->name, param->value, true);
}

void admin_handle_logging(struct admin_request *request) {
    const char *reason = change(&request->params);
    if (reason != NULL) {
        admin_answer(request, 400, "");
        buffer_append_printf(
            request->body,
            "error: %s\n\n"
            "usage: /logging?<name>=<level> (change single level)\n"
            "usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)\n"
            "usage: /logging?level=<level> (change all levels)\n"
            "usage: /logging?group=<group_name>:<level> (change group of loggers)\n"
            "levels: trace debug info warning error critical off \n",
            reason);
    }
    write_loggers(request->body);
}
