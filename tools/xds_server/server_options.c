// SPDX-License-Identifier: Apache-2.0
#include "tools/xds_server/server_options.h"

#include <getopt.h>
#include <string.h>

const char *server_options_help(void) {
    return "usage: xds_server [options] FOLDER\n"
           "\n"
           "Serves the Envoy resources in FOLDER's files (*.yaml, *.yml, *.json, *.pb, *.pb_text) to\n"
           "proxies over gRPC: aggregated (ADS) and per type, state of the world and delta. The folder\n"
           "is watched; a change is pushed at once, a file with an error keeps its last good content.\n"
           "Sends, ACKs and NACKs are printed, a line each.\n"
           "\n"
           "  --listen ADDRESS     ip:port, [ip]:port or unix:PATH (default 127.0.0.1:18000;\n"
           "                       port 0 takes a free one; the address is printed)\n"
           "  --address-path FILE  write the address that was bound to FILE\n"
           "  --tls-cert FILE      serve TLS with this PEM certificate chain (read again on change)\n"
           "  --tls-key FILE       and this PEM private key\n"
           "  --client-ca FILE     demand client certificates signed by these PEM certificates\n"
           "  --no-validate        serve resources even if they break the API's validation rules\n"
           "  --help               this text\n";
}

enum option_id {
    OPTION_LISTEN = 256,
    OPTION_ADDRESS_PATH,
    OPTION_TLS_CERT,
    OPTION_TLS_KEY,
    OPTION_CLIENT_CA,
    OPTION_NO_VALIDATE,
    OPTION_HELP,
};

static enum status check(const struct server_options *options, struct error *err) {
    if ((options->cert_path == NULL) != (options->key_path == NULL)) {
        return error_set(err, STATUS_INVALID, "--tls-cert and --tls-key go together");
    }
    if (options->client_ca_path != NULL && options->cert_path == NULL) {
        return error_set(err, STATUS_INVALID, "--client-ca needs --tls-cert and --tls-key");
    }
    return STATUS_OK;
}

static void take(struct server_options *options, int option, const char *value) {
    switch (option) {
    case OPTION_LISTEN:
        options->listen = value;
        break;
    case OPTION_ADDRESS_PATH:
        options->address_path = value;
        break;
    case OPTION_TLS_CERT:
        options->cert_path = value;
        break;
    case OPTION_TLS_KEY:
        options->key_path = value;
        break;
    case OPTION_CLIENT_CA:
        options->client_ca_path = value;
        break;
    case OPTION_NO_VALIDATE:
        options->skip_rules = true;
        break;
    default:
        options->wants_help = true;
        break;
    }
}

enum status server_options_parse(int argc, char **argv, struct server_options *options,
                                 struct error *err) {
    static const struct option table[] = {
        {"listen", required_argument, NULL, OPTION_LISTEN},
        {"address-path", required_argument, NULL, OPTION_ADDRESS_PATH},
        {"tls-cert", required_argument, NULL, OPTION_TLS_CERT},
        {"tls-key", required_argument, NULL, OPTION_TLS_KEY},
        {"client-ca", required_argument, NULL, OPTION_CLIENT_CA},
        {"no-validate", no_argument, NULL, OPTION_NO_VALIDATE},
        {"help", no_argument, NULL, OPTION_HELP},
        {NULL, 0, NULL, 0},
    };
    int option;
    *options = (struct server_options){.listen = "127.0.0.1:18000"};
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
        if (option == '?') {
            return error_set(err, STATUS_INVALID, "unknown option %s", argv[optind - 1]);
        }
        if (option == ':') {
            return error_set(err, STATUS_INVALID, "option %s needs a value", argv[optind - 1]);
        }
        take(options, option, optarg);
    }
    if (options->wants_help) {
        return STATUS_OK;
    }
    if (optind + 1 != argc) {
        return error_set(err, STATUS_INVALID, "expected one folder, found %d arguments",
                         argc - optind);
    }
    options->folder = argv[optind];
    return check(options, err);
}
