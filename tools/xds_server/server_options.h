// SPDX-License-Identifier: Apache-2.0
/* The command line of xds_server. Strings point into argv. */
#ifndef TOOLS_XDS_SERVER_SERVER_OPTIONS_H
#define TOOLS_XDS_SERVER_SERVER_OPTIONS_H

#include <stdbool.h>

#include "src/base/error.h"

struct server_options {
    const char *listen;
    const char *address_path; /* NULL: none */
    const char *folder;
    const char *cert_path, *key_path, *client_ca_path;
    bool skip_rules;
    bool wants_help;
};

/* STATUS_INVALID: `err` says which argument is wrong. */
enum status server_options_parse(int argc, char **argv, struct server_options *options,
                                 struct error *err) MUST_USE;
const char *server_options_help(void);

#endif
