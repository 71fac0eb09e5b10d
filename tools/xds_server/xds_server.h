// SPDX-License-Identifier: Apache-2.0
/*
 * The file-driven management server as a whole: folder, gRPC listener and the streams between them. A
 * change of the folder is rolled out in steps, so that no proxy sees a route to a cluster that is not
 * there. Main thread.
 */
#ifndef TOOLS_XDS_SERVER_XDS_SERVER_H
#define TOOLS_XDS_SERVER_XDS_SERVER_H

#include "tools/xds_server/server_options.h"

/* Runs until SIGTERM or SIGINT. */
enum status xds_server_run(const struct server_options *options, struct error *err) MUST_USE;

#endif
