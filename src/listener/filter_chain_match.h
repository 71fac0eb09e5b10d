// SPDX-License-Identifier: Apache-2.0
/*
 * Chooses the filter chain of an accepted socket by Envoy's rules: nine criteria in a fixed order, at
 * each the most specific one that matches, no way back (envoy.config.listener.v3.FilterChainMatch).
 * Pure over the socket's facts; an optional recorder is told which criterion ruled a chain out.
 */
#ifndef SRC_LISTENER_FILTER_CHAIN_MATCH_H
#define SRC_LISTENER_FILTER_CHAIN_MATCH_H

#include "src/config/listener_config.h"
#include "src/filter_chain/listener_filter.h"

struct filter_chain_recorder {
    void (*on_ruled_out)(void *arg, const struct filter_chain_config *chain, const char *criterion);
    void *arg;
};

/* NULL: no chain matches and there is no default one. */
const struct filter_chain_config *filter_chain_find(const struct listener_part *listener,
                                                    const struct accepted_socket *socket,
                                                    const struct filter_chain_recorder *recorder);

#endif
