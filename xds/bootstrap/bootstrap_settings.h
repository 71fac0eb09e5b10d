// SPDX-License-Identifier: Apache-2.0
/*
 * What the server itself needs of the bootstrap, as a plain model without protobuf: the admin interface,
 * limits, flush interval, node. Filled once at start on the control thread; lies in the given arena.
 */
#ifndef XDS_BOOTSTRAP_BOOTSTRAP_SETTINGS_H
#define XDS_BOOTSTRAP_BOOTSTRAP_SETTINGS_H

#include "src/config/runtime_config.h"
#include "src/matcher/string_matcher.h"
#include "src/net/address.h"
#include "xds/resource_type.h"

struct Envoy__Config__Bootstrap__V3__Bootstrap;
struct access_log;
struct overload_config;

struct bootstrap_settings {
    bool has_admin;
    struct address admin_address;
    uint32_t admin_unix_mode; /* 0: 0600 */
    const struct string_matcher *admin_allow_paths;
    uint32_t admin_allow_path_count;
    struct access_log *const *admin_access_logs;
    uint32_t admin_access_log_count;
    uint32_t stats_flush_interval_ms;       /* 5,000 */
    uint64_t max_downstream_connections;    /* of the overload manager's monitor; 0: none */
    const struct overload_config *overload; /* NULL: nothing is watched */
    struct runtime_config runtime;          /* layered_runtime */
    struct slice log_format;                /* application_log_config.text_format; empty: none */
    bool has_log_format;
    struct slice node_id, node_cluster;
    struct slice node_json;              /* for /server_info */
    const struct slice *static_clusters; /* names */
    uint32_t static_cluster_count;
};

/* What flags say about the node; NULL members: nothing. */
struct bootstrap_node_flags {
    const char *id, *cluster, *zone;
};

/* Fills the node of `bootstrap` with the flags (a flag wins over an empty field only) and with what the
 * program says of itself, then reads the settings. Errors go to `v` with their paths. The access logs
 * belong to `owner`, which the caller keeps. */
void bootstrap_settings_read(struct Envoy__Config__Bootstrap__V3__Bootstrap *bootstrap,
                             const struct bootstrap_node_flags *flags,
                             const struct decode_context *context, struct config_part *owner,
                             struct validation *v, struct bootstrap_settings *settings);

#endif
