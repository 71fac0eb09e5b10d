// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "src/base/log.h"
#include "src/server/server.h"
#include "src/server/signals.h"

static int fail(const struct error *err) {
    (void)fprintf(stderr, "%s\n", err->message);
    return 1;
}

static int validate(const struct options *options) {
    struct error err;
    const char *name = options->config_path != NULL ? options->config_path : "";
    if (server_validate(options, &err) != STATUS_OK) {
        (void)fprintf(stderr, "error initializing configuration '%s': %s\n", name, err.message);
        return 1;
    }
    printf("configuration '%s' OK\n", name);
    return 0;
}

static int serve(const struct options *options) {
    struct error err;
    struct server *server = server_new(options, &err);
    if (server == NULL) {
        LOG(MAIN, CRITICAL, "error `%s` initializing config '%s'", err.message,
            options->config_path != NULL ? options->config_path : "");
        return fail(&err);
    }
    int code = server_run(server);
    server_free(server);
    return code;
}

static void warn_without_effect(const struct options *options) {
    for (uint32_t i = 0; i < options->without_effect_count; i++) {
        LOG(MAIN, WARN, "--%s is accepted but has no effect", options->without_effect[i]);
    }
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "compat") == 0) {
        return server_compat(argc - 2, argv + 2);
    }
    struct options options;
    struct error err;
    if (options_parse(&options, argc, argv, &err) != STATUS_OK) {
        return fail(&err);
    }
    if (options.show_help) {
        options_print_help(options.program);
        return 0;
    }
    if (options.show_version) {
        options_print_version(options.program);
        return 0;
    }
    if (options.show_hot_restart_version) {
        printf("disabled\n");
        return 0;
    }
    if (options.config_path == NULL && options.config_yaml == NULL) {
        (void)fprintf(stderr,
                      "At least one of --config-path or --config-yaml or Options::configProto() "
                      "should be non-empty\n");
        return 1;
    }
    signals_block();
    if (options_open_log(&options, &err) != STATUS_OK) {
        return fail(&err);
    }
    warn_without_effect(&options);
    return options.mode == SERVER_MODE_VALIDATE ? validate(&options) : serve(&options);
}
