// SPDX-License-Identifier: Apache-2.0
/*
 * Server credentials of gRPC from PEM files, which are looked at again before each handshake: a
 * certificate that was renewed is used for the next connection, one that is broken is not.
 */
#ifndef TOOLS_XDS_SERVER_TLS_FILES_H
#define TOOLS_XDS_SERVER_TLS_FILES_H

#include <grpc/grpc_security.h>

#include "src/base/error.h"

struct tls_files;

/* NULL where a file cannot be read. `client_ca_path` may be NULL. */
struct tls_files *tls_files_new(const char *cert_path, const char *key_path,
                                const char *client_ca_path, struct error *err);
/* After the server that uses the credentials is gone. */
void tls_files_free(struct tls_files *files);
/* The caller releases them. */
grpc_server_credentials *tls_files_credentials(struct tls_files *files);

#endif
