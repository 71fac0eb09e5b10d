// SPDX-License-Identifier: Apache-2.0
/*
 * All discovery of the process: the aggregated stream, streams of single subscriptions, files. It knows
 * sources and transports; what resources mean is the subscribers' matter. Control thread.
 */
#ifndef XDS_XDS_CLIENT_H
#define XDS_XDS_CLIENT_H

#include "src/base/error.h"
#include "src/base/slice.h"
#include "xds/management_server.h"

struct Envoy__Config__Core__V3__ApiConfigSource;
struct Envoy__Config__Core__V3__Node;
struct file_watcher;
struct io_context;
struct stats_registry;
struct xds_client;

struct xds_client_options {
    struct io_context *control;
    struct stats_registry *stats;
    struct file_watcher *files;
    struct management_context servers;
    const struct Envoy__Config__Core__V3__Node *node; /* outlives the client */
    bool reject_unknown;                              /* unknown fields of files refuse them */
};

struct xds_client *xds_client_new(const struct xds_client_options *options);
void xds_client_free(struct xds_client *client); /* its subscriptions are gone */

/* bootstrap.dynamic_resources.ads_config; its stream opens with xds_client_start. */
enum status xds_client_set_ads(struct xds_client *client,
                               const struct Envoy__Config__Core__V3__ApiConfigSource *source,
                               struct error *err) MUST_USE;
/* Opens streams from here on: the clusters that they go to are there. */
void xds_client_start(struct xds_client *client);

/* Holds the aggregated stream's requests of a type back; counted. No-op without such a stream. */
void xds_client_pause(struct xds_client *client, struct slice type_url);
void xds_client_resume(struct xds_client *client, struct slice type_url);

#endif
