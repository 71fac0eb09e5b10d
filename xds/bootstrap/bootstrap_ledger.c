// SPDX-License-Identifier: Apache-2.0
/* What becomes of the bootstrap's own fields; the resources in it have their decoders' tables. */
#include "src/base/check.h"
#include "xds/decode/ledgers.h"

static const struct ledger_field bootstrap_fields[] = {
    LEDGER_OK("node"),
    LEDGER_OK("static_resources"),
    LEDGER_OK("dynamic_resources"),
    LEDGER_OK("admin"),
    LEDGER_OK("cluster_manager"),
    LEDGER_OK("overload_manager"),
    LEDGER_OK("stats_flush_interval"),
    LEDGER_OK("application_log_config"),
    {"stats_config", LEDGER_HARMLESS, "telemetry: all stats are kept, with Envoy's default tags"},
    {"stats_sinks", LEDGER_HARMLESS, "telemetry: stats are read from the admin interface only"},
    {"stats_flush_on_admin", LEDGER_HARMLESS, "telemetry"},
    {"stats_eviction_interval", LEDGER_HARMLESS, "telemetry"},
    {"stats_server_version_override", LEDGER_HARMLESS, "telemetry"},
    {"deferred_stat_options", LEDGER_HARMLESS, "stats are always allocated at first use"},
    {"enable_dispatcher_stats", LEDGER_HARMLESS, "telemetry"},
    {"tracing", LEDGER_HARMLESS, "telemetry: no tracer"},
    {"watchdog", LEDGER_HARMLESS, "no watchdog"},
    {"watchdogs", LEDGER_HARMLESS, "no watchdog"},
    LEDGER_OK("layered_runtime"),
    {"hds_config", LEDGER_IGNORED, "no health discovery service yet"},
    {"bootstrap_extensions", LEDGER_IGNORED, "none is built in"},
    {"fatal_actions", LEDGER_HARMLESS, "crash handling"},
    {"flags_path", LEDGER_HARMLESS, "not used by the API any more"},
    {"typed_dns_resolver_config", LEDGER_IGNORED, "each cluster's own settings hold"},
    {"dns_resolution_config", LEDGER_IGNORED, "each cluster's own settings hold"},
    {"use_tcp_for_dns_lookups", LEDGER_IGNORED, "each cluster's own settings hold"},
    {"default_regex_engine", LEDGER_HARMLESS, "RE2 is the only engine, as the API's default"},
    {"default_socket_interface", LEDGER_HARMLESS, "the kernel's sockets"},
    {"memory_allocator_manager", LEDGER_HARMLESS, "allocator internals"},
    {"enable_worker_cpu_affinity", LEDGER_HARMLESS, "a hint"},
    {"perf_tracing_file_path", LEDGER_HARMLESS, "telemetry"},
    {"node_context_params", LEDGER_IGNORED, "no xdstp names yet"},
    {"config_sources", LEDGER_IGNORED, "no xdstp names yet"},
    {"default_config_source", LEDGER_IGNORED, "no xdstp names yet"},
    {"header_prefix", LEDGER_REFUSED, "x-envoy headers would keep their names and be trusted"},
    {"inline_headers", LEDGER_HARMLESS, "an optimisation"},
    {"certificate_provider_instances", LEDGER_REFUSED, "certificates would be missing"},
    {"xds_delegate_extension", LEDGER_IGNORED, "none is built in"},
    {"xds_config_tracker_extension", LEDGER_HARMLESS, "telemetry"},
    {"listener_manager", LEDGER_HARMLESS, "there is one"},
    {"grpc_async_client_manager_config", LEDGER_HARMLESS, "an optimisation"},
};
static const struct ledger_field static_fields[] = {
    LEDGER_OK("listeners"),
    LEDGER_OK("clusters"),
    LEDGER_OK("secrets"),
};
static const struct ledger_field dynamic_fields[] = {
    LEDGER_OK("lds_config"),
    LEDGER_OK("cds_config"),
    LEDGER_OK("ads_config"),
    {"lds_resources_locator", LEDGER_IGNORED, "no xdstp names yet"},
    {"cds_resources_locator", LEDGER_IGNORED, "no xdstp names yet"},
};
static const struct ledger_field admin_fields[] = {
    LEDGER_OK("address"),
    LEDGER_OK("access_log"),
    LEDGER_OK("allow_paths"),
    {"access_log_path", LEDGER_HARMLESS, "deprecated; telemetry"},
    {"profile_path", LEDGER_HARMLESS, "no profiler"},
    {"socket_options", LEDGER_IGNORED, "the admin socket has none"},
    {"ignore_global_conn_limit", LEDGER_HARMLESS, "the admin listener is never limited"},
};
static const struct ledger_field manager_fields[] = {
    {"local_cluster_name", LEDGER_IGNORED, "no zone-aware routing yet"},
    {"outlier_detection", LEDGER_HARMLESS, "telemetry: no event log"},
    {"upstream_bind_config", LEDGER_IGNORED, "clusters bind by their own configuration"},
    {"load_stats_config", LEDGER_HARMLESS, "telemetry: no load reports"},
    {"enable_deferred_cluster_creation", LEDGER_HARMLESS, "an optimisation"},
};
static const struct ledger_field node_fields[] = {{"*", LEDGER_HONOURED, NULL}};
static const struct ledger_field log_config_fields[] = {LEDGER_OK("log_format")};
static const struct ledger_field log_format_fields[] = {
    LEDGER_OK("text_format"),
    {"json_format", LEDGER_HARMLESS, "telemetry: the application log stays text"},
};

const struct ledger_message ledger_bootstrap[] = {
    LEDGER_MESSAGE("envoy.config.bootstrap.v3.Bootstrap", bootstrap_fields),
    LEDGER_MESSAGE("envoy.config.bootstrap.v3.Bootstrap.StaticResources", static_fields),
    LEDGER_MESSAGE("envoy.config.bootstrap.v3.Bootstrap.DynamicResources", dynamic_fields),
    LEDGER_MESSAGE("envoy.config.bootstrap.v3.Bootstrap.ApplicationLogConfig", log_config_fields),
    LEDGER_MESSAGE("envoy.config.bootstrap.v3.Bootstrap.ApplicationLogConfig.LogFormat",
                   log_format_fields),
    LEDGER_MESSAGE("envoy.config.bootstrap.v3.Admin", admin_fields),
    LEDGER_MESSAGE("envoy.config.bootstrap.v3.ClusterManager", manager_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.Node", node_fields),
};
const uint32_t ledger_bootstrap_count = ARRAY_LEN(ledger_bootstrap);
