// SPDX-License-Identifier: Apache-2.0
/* `sallyport compat`: decodes with the server's own decoders, but runs nothing. */
#include <stdio.h>
#include <string.h>

#include "src/access_log/access_log.h"
#include "src/config/config_store.h"
#include "src/event/io_context.h"
#include "src/server/hcm_factory.h"
#include "src/server/server.h"
#include "src/stats/stats.h"
#include "xds/compat.h"

static int usage(void) {
    (void)fprintf(stderr, "usage: sallyport compat FILE...   what of a config_dump, bootstrap or "
                          "resource file is honoured\n"
                          "       sallyport compat --doc     the whole list, as Markdown\n");
    return 1;
}

static uint32_t check_files(int count, char **paths, const struct filter_registry *registry) {
    struct io_context control;
    struct error err;
    if (io_context_init(&control, 0, clock_system(), &err) != STATUS_OK) {
        (void)fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    struct decode_context decode = {
        .store = config_store_new(&control),
        .stats = stats_registry_new(1),
        .registry = registry,
        .edge_defaults = true,
    };
    struct file_writer_options files = {.flush_interval_ms = 1000, .flush_bytes = 1, .threads = 1};
    decode.files = file_writer_new(&files, decode.stats, &err);
    uint32_t errors = 0;
    for (int i = 0; i < count; i++) {
        errors += compat_file(paths[i], &decode);
    }
    config_store_free(decode.store);
    file_writer_free(decode.files);
    stats_registry_free(decode.stats);
    io_context_deinit(&control);
    return errors;
}

int server_compat(int argc, char **argv) {
    if (argc < 1 || (argv[0][0] == '-' && strcmp(argv[0], "--doc") != 0)) {
        return usage();
    }
    struct filter_registry registry;
    server_registry_init(&registry);
    uint32_t errors = 0;
    if (strcmp(argv[0], "--doc") == 0) {
        compat_document(&registry);
    } else {
        errors = check_files(argc, argv, &registry);
    }
    server_registry_deinit(&registry);
    return errors == 0 ? 0 : 1;
}
