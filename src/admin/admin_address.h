// SPDX-License-Identifier: Apache-2.0
/*
 * An address in the JSON form of envoy.config.core.v3.Address, as /clusters and /listeners show it: a
 * socket_address or, for Unix sockets, a pipe.
 */
#ifndef SRC_ADMIN_ADMIN_ADDRESS_H
#define SRC_ADMIN_ADMIN_ADDRESS_H

#include "src/admin/json_writer.h"
#include "src/net/address.h"

void admin_write_address(struct json_writer *json, const char *key, const struct address *address);

#endif
