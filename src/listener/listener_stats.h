// SPDX-License-Identifier: Apache-2.0
/*
 * Envoy's statistics of one listener, "listener.<address>.", and of the listener manager.
 */
#ifndef SRC_LISTENER_LISTENER_STATS_H
#define SRC_LISTENER_LISTENER_STATS_H

#include "src/stats/stats.h"

#define LISTENER_STATS(X)                                                                          \
    X(DOWNSTREAM_CX_DESTROY, "downstream_cx_destroy", COUNTER, "connections destroyed")            \
    X(DOWNSTREAM_CX_OVERFLOW, "downstream_cx_overflow", COUNTER,                                   \
      "connections refused by a limit or for want of file descriptors")                            \
    X(DOWNSTREAM_CX_OVERLOAD_REJECT, "downstream_cx_overload_reject", COUNTER,                     \
      "connections refused by overload")                                                           \
    X(DOWNSTREAM_CX_TOTAL, "downstream_cx_total", COUNTER, "connections accepted")                 \
    X(DOWNSTREAM_CX_TRANSPORT_SOCKET_CONNECT_TIMEOUT,                                              \
      "downstream_cx_transport_socket_connect_timeout", COUNTER, "handshake timeouts")             \
    X(DOWNSTREAM_GLOBAL_CX_OVERFLOW, "downstream_global_cx_overflow", COUNTER,                     \
      "connections refused by the process-wide limit")                                             \
    X(DOWNSTREAM_LISTENER_FILTER_ERROR, "downstream_listener_filter_error", COUNTER,               \
      "connections refused by a listener filter")                                                  \
    X(DOWNSTREAM_LISTENER_FILTER_REMOTE_CLOSE, "downstream_listener_filter_remote_close", COUNTER, \
      "connections closed by the client while being inspected")                                    \
    X(DOWNSTREAM_PRE_CX_TIMEOUT, "downstream_pre_cx_timeout", COUNTER, "listener filter timeouts") \
    X(NO_FILTER_CHAIN_MATCH, "no_filter_chain_match", COUNTER, "connections without a chain")      \
    X(DOWNSTREAM_CX_ACTIVE, "downstream_cx_active", GAUGE, "open connections")                     \
    X(DOWNSTREAM_PRE_CX_ACTIVE, "downstream_pre_cx_active", GAUGE, "connections being inspected")  \
    X(DOWNSTREAM_CX_LENGTH_MS, "downstream_cx_length_ms", HISTOGRAM, "connection life")
enum listener_stat {
#define LISTENER_STAT_ENUM(id, name, kind, doc) LISTENER_##id,
    LISTENER_STATS(LISTENER_STAT_ENUM)
#undef LISTENER_STAT_ENUM
};
extern const struct stat_table listener_stat_table;

#define LISTENER_MANAGER_STATS(X)                                                                  \
    X(LISTENER_ADDED, "listener_added", COUNTER, "listeners added")                                \
    X(LISTENER_CREATE_FAILURE, "listener_create_failure", COUNTER, "listeners that failed")        \
    X(LISTENER_CREATE_SUCCESS, "listener_create_success", COUNTER,                                 \
      "listeners started on a worker")                                                             \
    X(LISTENER_IN_PLACE_UPDATED, "listener_in_place_updated", COUNTER,                             \
      "updates that kept the listener")                                                            \
    X(LISTENER_MODIFIED, "listener_modified", COUNTER, "listeners changed")                        \
    X(LISTENER_REMOVED, "listener_removed", COUNTER, "listeners removed")                          \
    X(LISTENER_STOPPED, "listener_stopped", COUNTER, "listeners stopped")                          \
    X(TOTAL_FILTER_CHAINS_DRAINING, "total_filter_chains_draining", GAUGE, "draining chains")      \
    X(TOTAL_LISTENERS_ACTIVE, "total_listeners_active", GAUGE, "listeners in service")             \
    X(TOTAL_LISTENERS_DRAINING, "total_listeners_draining", GAUGE, "draining listeners")           \
    X(TOTAL_LISTENERS_WARMING, "total_listeners_warming", GAUGE, "listeners that wait")            \
    X(WORKERS_STARTED, "workers_started", GAUGE, "1 once all workers accept")
enum listener_manager_stat {
#define LISTENER_MANAGER_STAT_ENUM(id, name, kind, doc) LISTENER_MANAGER_##id,
    LISTENER_MANAGER_STATS(LISTENER_MANAGER_STAT_ENUM)
#undef LISTENER_MANAGER_STAT_ENUM
};
extern const struct stat_table listener_manager_stat_table;

#endif
