// SPDX-License-Identifier: Apache-2.0
/*
 * Joins the two halves of the HTTP connection manager, the decoder in xds/ and the data path in
 * src/stream, into one network filter, and gives the registry of all that is built in.
 */
#ifndef SRC_SERVER_HCM_FACTORY_H
#define SRC_SERVER_HCM_FACTORY_H

#include "src/filter_chain/filter_registry.h"

/* The extensions of filters/ and the connection manager. Static storage. */
const struct filter_registry *server_filter_registry(void);

#endif
