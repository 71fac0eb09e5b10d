// SPDX-License-Identifier: Apache-2.0
/*
 * Looks at a connection's first bytes: whether it speaks TLS, for which server name and protocols, so
 * that a filter chain can be chosen (envoy.filters.listener.tls_inspector). Consumes nothing. Private
 * to this folder.
 */
#ifndef FILTERS_LISTENER_TLS_INSPECTOR_TLS_INSPECTOR_H
#define FILTERS_LISTENER_TLS_INSPECTOR_TLS_INSPECTOR_H

#include "src/filter_chain/listener_filter.h"
#include "src/stats/stats.h"

struct tls_inspector_config {
    bool close_on_invalid_hello;
    struct stats_scope *stats;
};

#define TLS_INSPECTOR_STATS(X)                                                                     \
    X(TLS_FOUND, "tls_found", COUNTER, "connections that speak TLS")                               \
    X(TLS_NOT_FOUND, "tls_not_found", COUNTER, "connections that do not")                          \
    X(SNI_FOUND, "sni_found", COUNTER, "server names seen")                                        \
    X(SNI_NOT_FOUND, "sni_not_found", COUNTER, "TLS without a server name")                        \
    X(ALPN_FOUND, "alpn_found", COUNTER, "protocol lists seen")                                    \
    X(ALPN_NOT_FOUND, "alpn_not_found", COUNTER, "TLS without a protocol list")                    \
    X(CLIENT_HELLO_TOO_LARGE, "client_hello_too_large", COUNTER, "hellos over the limit")
enum tls_inspector_stat {
#define TLS_INSPECTOR_STAT_ENUM(id, name, kind, doc) TLS_INSPECTOR_##id,
    TLS_INSPECTOR_STATS(TLS_INSPECTOR_STAT_ENUM)
#undef TLS_INSPECTOR_STAT_ENUM
};
extern const struct stat_table tls_inspector_stat_table;
extern const struct listener_filter_ops tls_inspector_ops;

#endif
