// SPDX-License-Identifier: Apache-2.0
/*
 * What one user wants of a config source: all resources of a type, or one by name. Keeps the statistics
 * that Envoy keeps (update_attempt …), the initial fetch timeout, and the lives of resources that came
 * with a TTL. Control thread.
 */
#ifndef XDS_SUBSCRIPTION_H
#define XDS_SUBSCRIPTION_H

#include "src/event/timer.h"
#include "src/stats/stats.h"
#include "xds/discovery_codec.h"
#include "xds/resource_type.h"

struct ads_session;
struct file_transport;
struct io_context;
struct management_server;
struct xds_client;
struct xds_mux;
struct xds_subscription;

#define SUBSCRIPTION_STATS(X)                                                                      \
    X(UPDATE_ATTEMPT, "update_attempt", COUNTER, "fetches that were begun or answered")            \
    X(UPDATE_SUCCESS, "update_success", COUNTER, "responses accepted")                             \
    X(UPDATE_FAILURE, "update_failure", COUNTER, "streams lost, files not readable")               \
    X(UPDATE_REJECTED, "update_rejected", COUNTER, "responses refused")                            \
    X(INIT_FETCH_TIMEOUT, "init_fetch_timeout", COUNTER, "nothing came in the first fetch's time") \
    X(UPDATE_TIME, "update_time", GAUGE, "wall clock of the last accepted response, ms")           \
    X(VERSION, "version", GAUGE, "hash of the last accepted version's text")                       \
    X(UPDATE_DURATION, "update_duration", HISTOGRAM, "time to apply a response, ms")               \
    X(CONFIG_RELOAD, "config_reload", COUNTER, "clusters, routes: responses that were taken over") \
    X(CONFIG_RELOAD_TIME_MS, "config_reload_time_ms", GAUGE, "wall clock of the last of them")

#define SUBSCRIPTION_STAT_ID(id, name, kind, doc) SUBSCRIPTION_##id,
enum subscription_stat { SUBSCRIPTION_STATS(SUBSCRIPTION_STAT_ID) SUBSCRIPTION_STAT_COUNT };

struct xds_subscription_handler {
    /* The resources of one response that the subscription asked for; without a body: unchanged. What is
     * wrong with them goes back as text in `arena`; empty: accepted. SotW: what a wildcard's response
     * leaves out is gone. The subscription may be ended from within. */
    struct slice (*on_update)(void *arg, const struct discovery_response *response,
                              struct arena *arena);
    /* Nothing came in time, or what came first was refused: go on without. At most once. */
    void (*on_given_up)(void *arg);
};

struct xds_subscription_options {
    const struct resource_type *type;
    struct slice name;          /* empty: all */
    struct slice config_source; /* serialised envoy.config.core.v3.ConfigSource */
    struct slice stat_prefix;   /* "cluster_manager.cds" */
    const struct xds_subscription_handler *handler;
    void *arg;
};

/* Starts at once (ADS: when the client's stream is there). */
enum status xds_subscribe(struct xds_client *client, const struct xds_subscription_options *options,
                          struct xds_subscription **subscription, struct error *err) MUST_USE;
void xds_subscription_free(struct xds_subscription *subscription); /* NULL allowed */

/* A further user of the same name: where the protocol has full requests, it is sent again. */
void xds_subscription_renew(struct xds_subscription *subscription);

/* A response changed something; Envoy counts it for clusters and routes only. NULL allowed. */
void xds_subscription_count_reload(struct xds_subscription *subscription);

/* version_info of the last accepted response; empty before. */
struct slice xds_subscription_version(const struct xds_subscription *subscription);

#endif
