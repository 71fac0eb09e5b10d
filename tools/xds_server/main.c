// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "tools/xds_server/server_options.h"
#include "tools/xds_server/xds_server.h"

int main(int argc, char **argv) {
    struct server_options options;
    struct error err = {0};
    if (server_options_parse(argc, argv, &options, &err) != STATUS_OK) {
        fprintf(stderr, "xds_server: %s (--help shows what there is)\n", err.message);
        return 1;
    }
    if (options.wants_help) {
        fputs(server_options_help(), stdout);
        return 0;
    }
    if (xds_server_run(&options, &err) != STATUS_OK) {
        fprintf(stderr, "xds_server: %s\n", err.message);
        return 1;
    }
    return 0;
}
