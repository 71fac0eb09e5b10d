// SPDX-License-Identifier: Apache-2.0
/*
 * The tables in which each decoder says what it does with each field (src/config/ledger.h). A table
 * lies at the end of the file whose decoder it describes.
 */
#ifndef XDS_DECODE_LEDGERS_H
#define XDS_DECODE_LEDGERS_H

#include "src/config/ledger.h"

#define DECODE_LEDGERS(X)                                                                          \
    X(common)                                                                                      \
    X(matcher)                                                                                     \
    X(access_log)                                                                                  \
    X(retry_policy)                                                                                \
    X(rate_limit)                                                                                  \
    X(tls_config)                                                                                  \
    X(secret)                                                                                      \
    X(endpoint)                                                                                    \
    X(cluster)                                                                                     \
    X(cluster_lb)                                                                                  \
    X(cluster_http)                                                                                \
    X(cluster_connection)                                                                          \
    X(health_check)                                                                                \
    X(route)                                                                                       \
    X(route_match)                                                                                 \
    X(route_action)                                                                                \
    X(listener)                                                                                    \
    X(http_connection_manager)                                                                     \
    X(hcm_protocol)                                                                                \
    X(overload)                                                                                    \
    X(runtime)                                                                                     \
    X(bootstrap)

#define DECODE_LEDGER_DECLARE(name)                                                                \
    extern const struct ledger_message ledger_##name[];                                            \
    extern const uint32_t ledger_##name##_count;
DECODE_LEDGERS(DECODE_LEDGER_DECLARE)
#undef DECODE_LEDGER_DECLARE

#endif
