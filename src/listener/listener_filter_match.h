// SPDX-License-Identifier: Apache-2.0
/*
 * Whether a listener filter is left out for a connection (ListenerFilter.filter_disabled): a predicate
 * over the port that the connection came to. Immutable configuration alone; any thread.
 */
#ifndef SRC_LISTENER_LISTENER_FILTER_MATCH_H
#define SRC_LISTENER_LISTENER_FILTER_MATCH_H

#include "src/config/listener_config.h"

/* True where `predicate` holds for the local address. One without ports is in no range. */
bool listener_filter_match(const struct listener_filter_predicate *predicate,
                           const struct address *local);

#endif
