// SPDX-License-Identifier: Apache-2.0
/*
 * Joins the two halves of the HTTP connection manager, the decoder in xds/ and the data path in
 * src/stream, into one network filter, and with the extensions of filters/ into the registry of all that
 * is built in.
 */
#ifndef SRC_SERVER_HCM_FACTORY_H
#define SRC_SERVER_HCM_FACTORY_H

#include "src/filter_chain/filter_registry.h"

extern const struct network_filter_factory http_connection_manager_factory;

/* `registry` borrows the generated tables; the network table is copied to add the connection manager. */
void server_registry_init(struct filter_registry *registry);
void server_registry_deinit(struct filter_registry *registry);

#endif
