// SPDX-License-Identifier: Apache-2.0
/*
 * Gives decoded resources to the cluster manager and the listener manager: the functions that xds/ calls,
 * bound to this server's objects. Control thread.
 */
#ifndef SRC_SERVER_SERVER_TARGETS_H
#define SRC_SERVER_SERVER_TARGETS_H

#include "xds/xds_targets.h"

struct server;

struct xds_targets server_targets(struct server *server);

#endif
