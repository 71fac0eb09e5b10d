// SPDX-License-Identifier: Apache-2.0
#include "xds/xds.h"

#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "src/base/check.h"
#include "src/base/log.h"
#include "src/event/io_context.h"
#include "xds/file_watcher.h"
#include "xds/proto_reflect.h"
#include "xds/xds_internal.h"

/* ---- phases ---- */

static void set_phase(struct xds *xds, enum xds_phase phase) {
    ASSERT(phase == xds->phase + 1);
    xds->phase = phase;
}

static void advance_soon(struct xds *xds) {
    event_loop_defer(xds->options.control->loop, &xds->advance);
}

// Envoy withholds the answers of CDS while clusters warm, once it is live: a control plane can tell from
// them when routes to the new clusters may follow.
static void pace_cds(struct xds *xds) {
    if (xds->phase != XDS_PHASE_LIVE || xds->cds.subscription == NULL) {
        return;
    }
    struct slice type_url = slice_from_string(xds->cds.type->type_url);
    bool is_warming = snapshot_builder_warming(xds->builder, xds->cds.type) > 0;
    if (is_warming && !xds->is_cds_paused) {
        xds->is_cds_paused = true;
        xds_client_pause(xds->client, type_url);
    } else if (!is_warming && xds->is_cds_paused) {
        xds->is_cds_paused = false;
        xds_client_resume(xds->client, type_url);
    }
}

static void on_warming_changed(void *arg) {
    struct xds *xds = arg;
    pace_cds(xds);
    advance_soon(xds);
}

static void on_unknown_field(void *arg, bool is_static) {
    struct xds *xds = arg;
    if (xds->options.on_unknown_field != NULL) {
        xds->options.on_unknown_field(xds->options.arg, is_static);
    }
}

static struct slice on_update(void *arg, const struct discovery_response *response,
                              struct arena *arena) {
    struct wildcard *wildcard = arg;
    const struct snapshot_builder *builder = wildcard->xds->builder;
    uint64_t changes = snapshot_builder_changes(builder);
    struct slice error =
        snapshot_builder_apply(wildcard->xds->builder, wildcard->type, response, arena);
    if (error.len == 0 && snapshot_builder_changes(builder) != changes) {
        xds_subscription_count_reload(wildcard->subscription);
    }
    wildcard->is_settled = true;
    advance_soon(wildcard->xds);
    return error;
}

static void on_given_up(void *arg) {
    struct wildcard *wildcard = arg;
    wildcard->is_settled = true;
    advance_soon(wildcard->xds);
}

static const struct xds_subscription_handler wildcard_handler = {on_update, on_given_up};

static enum status subscribe_all(struct wildcard *wildcard,
                                 const Envoy__Config__Core__V3__ConfigSource *source,
                                 const char *stat_prefix, struct error *err) {
    if (source == NULL) {
        wildcard->is_settled = true;
        return STATUS_OK;
    }
    struct arena arena;
    arena_init_heap(&arena, 0);
    struct xds_subscription_options options = {.type = wildcard->type,
                                               .config_source = proto_pack(&source->base, &arena),
                                               .stat_prefix = slice_from_string(stat_prefix),
                                               .handler = &wildcard_handler,
                                               .arg = wildcard};
    enum status status =
        xds_subscribe(wildcard->xds->client, &options, &wildcard->subscription, err);
    arena_deinit(&arena);
    return status;
}

static const Envoy__Config__Core__V3__ConfigSource *source_of(const struct xds *xds,
                                                              bool is_listeners) {
    const Envoy__Config__Bootstrap__V3__Bootstrap__DynamicResources *dynamic =
        xds->options.bootstrap->dynamic_resources;
    if (dynamic == NULL) {
        return NULL;
    }
    return is_listeners ? dynamic->lds_config : dynamic->cds_config;
}

static void begin_wildcard(struct wildcard *wildcard, bool is_listeners, const char *stat_prefix) {
    struct error err;
    if (subscribe_all(wildcard, source_of(wildcard->xds, is_listeners), stat_prefix, &err) !=
        STATUS_OK) {
        LOG(CONFIG, ERROR, "%s: %s", wildcard->type->short_name, err.message);
        wildcard->is_settled = true;
    }
    advance_soon(wildcard->xds);
}

static void begin_runtime(struct xds *xds) {
    struct error err;
    if (runtime_loader_start(xds->runtime, &err) != STATUS_OK) {
        LOG(CONFIG, ERROR, "RTDS: %s", err.message);
    }
    advance_soon(xds);
}

static bool is_warm(const struct xds *xds, const struct wildcard *wildcard) {
    return wildcard->is_settled && snapshot_builder_warming(xds->builder, wildcard->type) == 0;
}

static void advance(void *arg) {
    struct xds *xds = arg;
    switch (xds->phase) {
    case XDS_PHASE_PRIMARY:
        if (snapshot_builder_primary_warming(xds->builder) == 0) {
            set_phase(xds, XDS_PHASE_RUNTIME);
            xds_client_start(xds->client);
            begin_runtime(xds);
        }
        break;
    case XDS_PHASE_RUNTIME:
        if (runtime_loader_is_ready(xds->runtime)) {
            set_phase(xds, XDS_PHASE_CLUSTERS);
            begin_wildcard(&xds->cds, false, "cluster_manager.cds");
        }
        break;
    case XDS_PHASE_CLUSTERS:
        if (is_warm(xds, &xds->cds)) {
            LOG(UPSTREAM, INFO, "cm init: all clusters initialized");
            set_phase(xds, XDS_PHASE_LISTENERS);
            snapshot_builder_run_tasks(xds->builder);
            begin_wildcard(&xds->lds, true, "listener_manager.lds");
        }
        break;
    case XDS_PHASE_LISTENERS:
        if (is_warm(xds, &xds->lds)) {
            set_phase(xds, XDS_PHASE_LIVE);
            xds->options.on_initialized(xds->options.arg);
        }
        break;
    case XDS_PHASE_NEW:
    case XDS_PHASE_LIVE:
    case XDS_PHASE_COUNT:
        break;
    }
}

/* ---- static resources ---- */

typedef enum status static_fn(struct xds *xds, const struct resource_type *type,
                              const ProtobufCMessage *message, struct error *err);

static enum status put_static(struct xds *xds, const struct resource_type *type,
                              const ProtobufCMessage *message, struct error *err) {
    return snapshot_builder_add_static(xds->builder, type, message, err);
}

static enum status check_static(struct xds *xds, const struct resource_type *type,
                                const ProtobufCMessage *message, struct error *err) {
    struct arena arena;
    struct validation v;
    struct decode_result result;
    struct decode_options options = {.is_static = true};
    arena_init_heap(&arena, 0);
    validation_init(&v, &arena, SLICE(""));
    enum status status =
        resource_decode_message(type, xds->options.decode, &options, message, &v, &result);
    if (status == STATUS_OK) {
        decode_result_release(&result);
    } else {
        status = static_resource_error(type, message, &v, &arena, err);
    }
    arena_deinit(&arena);
    return status;
}

// Secrets, clusters, listeners: each may name what is before it.
static enum status each_static(struct xds *xds, static_fn *fn, struct error *err) {
    const Envoy__Config__Bootstrap__V3__Bootstrap__StaticResources *resources =
        xds->options.bootstrap->static_resources;
    if (resources == NULL) {
        return STATUS_OK;
    }
    for (size_t i = 0; i < resources->n_secrets; i++) {
        TRY(fn(xds, &resource_type_secret, &resources->secrets[i]->base, err));
    }
    for (size_t i = 0; i < resources->n_clusters; i++) {
        TRY(fn(xds, &resource_type_cluster, &resources->clusters[i]->base, err));
    }
    for (size_t i = 0; i < resources->n_listeners; i++) {
        TRY(fn(xds, &resource_type_listener, &resources->listeners[i]->base, err));
    }
    return STATUS_OK;
}

enum status xds_validate(struct xds *xds, struct error *err) {
    return each_static(xds, check_static, err);
}

static void pack_bootstrap(struct xds *xds) {
    struct arena arena;
    arena_init_heap(&arena, 0);
    packed_bytes_init(&xds->bootstrap_bytes, proto_pack(&xds->options.bootstrap->base, &arena));
    // Its secrets are in it.
    arena_wipe(&arena);
    arena_deinit(&arena);
}

enum status xds_start(struct xds *xds, struct error *err) {
    TRY(each_static(xds, put_static, err));
    pack_bootstrap(xds);
    set_phase(xds, XDS_PHASE_PRIMARY);
    advance_soon(xds);
    return STATUS_OK;
}

/* ---- construction ---- */

static enum status check_service(const struct xds *xds,
                                 const Envoy__Config__Core__V3__ApiConfigSource *source,
                                 struct error *err) {
    const Envoy__Config__Core__V3__Node *node = xds->options.bootstrap->node;
    if (node == NULL || node->id[0] == '\0' || node->cluster[0] == '\0') {
        return error_set(err, STATUS_INVALID,
                         "node 'id' and 'cluster' are required. Set it either in 'node' config or "
                         "via --service-node and --service-cluster options.");
    }
    if (source->n_grpc_services == 0 ||
        source->grpc_services[0]->target_specifier_case !=
            ENVOY__CONFIG__CORE__V3__GRPC_SERVICE__TARGET_SPECIFIER_ENVOY_GRPC) {
        return STATUS_OK;
    }
    const char *name = source->grpc_services[0]->envoy_grpc->cluster_name;
    const Envoy__Config__Bootstrap__V3__Bootstrap__StaticResources *resources =
        xds->options.bootstrap->static_resources;
    for (size_t i = 0; resources != NULL && i < resources->n_clusters; i++) {
        if (strcmp(resources->clusters[i]->name, name) == 0) {
            return STATUS_OK;
        }
    }
    return error_set(err, STATUS_INVALID, "Unknown gRPC client cluster '%s'", name);
}

static enum status set_ads(struct xds *xds, struct error *err) {
    const Envoy__Config__Bootstrap__V3__Bootstrap__DynamicResources *dynamic =
        xds->options.bootstrap->dynamic_resources;
    if (dynamic == NULL || dynamic->ads_config == NULL) {
        return STATUS_OK;
    }
    TRY(check_service(xds, dynamic->ads_config, err));
    return xds_client_set_ads(xds->client, dynamic->ads_config, err);
}

static enum status check_source(const struct xds *xds, bool is_listeners, struct error *err) {
    const Envoy__Config__Core__V3__ConfigSource *source = source_of(xds, is_listeners);
    if (source == NULL ||
        source->config_source_specifier_case !=
            ENVOY__CONFIG__CORE__V3__CONFIG_SOURCE__CONFIG_SOURCE_SPECIFIER_API_CONFIG_SOURCE) {
        return STATUS_OK;
    }
    return check_service(xds, source->api_config_source, err);
}

static const struct endpoint_part *assignment(void *arg, struct slice cluster) {
    const struct xds *xds = arg;
    return snapshot_builder_assignment(xds->builder, cluster);
}

static void make_client(struct xds *xds) {
    struct xds_client_options client = {.control = xds->options.control,
                                        .stats = xds->options.decode->stats,
                                        .files = xds->files,
                                        .servers = {.transport = xds->options.transport,
                                                    .store = xds->options.decode->store,
                                                    .assignment = assignment,
                                                    .arg = xds},
                                        .node = xds->options.bootstrap->node,
                                        .reject_unknown =
                                            xds->options.reject_unknown_dynamic_fields};
    xds->client = xds_client_new(&client);
    struct resource_store_options resources = {.control = xds->options.control,
                                               .decode = xds->options.decode,
                                               .client = xds->client,
                                               .files = xds->files,
                                               .targets = &xds->options.targets};
    xds->resources = resource_store_new(&resources);
    struct snapshot_builder_options builder = {.control = xds->options.control,
                                               .decode = xds->options.decode,
                                               .targets = &xds->options.targets,
                                               .resources = xds->resources,
                                               .on_warming_changed = on_warming_changed,
                                               .on_unknown_field = on_unknown_field,
                                               .arg = xds};
    xds->builder = snapshot_builder_new(&builder);
}

static void on_runtime_ready(void *arg) {
    advance_soon(arg);
}

static struct runtime_loader *make_runtime(struct xds *xds, struct error *err) {
    static const struct runtime_config none;
    const struct runtime_config *config = xds->options.runtime;
    struct runtime_loader_options options = {.decode = xds->options.decode,
                                             .config = config == NULL ? &none : config,
                                             .files = xds->files,
                                             .client = xds->client,
                                             .on_ready = on_runtime_ready,
                                             .arg = xds};
    return runtime_loader_new(&options, err);
}

enum status xds_runtime_modify(struct xds *xds, const struct runtime_change *changes,
                               uint32_t count) {
    return runtime_loader_modify(xds->runtime, changes, count);
}

struct xds *xds_new(const struct xds_options *options, struct error *err) {
    struct xds *xds = mem_calloc(1, sizeof(*xds));
    xds->options = *options;
    xds->cds = (struct wildcard){.xds = xds, .type = &resource_type_cluster};
    xds->lds = (struct wildcard){.xds = xds, .type = &resource_type_listener};
    xds->start_wall_us = event_loop_wall_us(options->control->loop);
    event_deferred_init(&xds->advance, advance, xds);
    xds->files = file_watcher_new(options->control->loop, err);
    if (xds->files == NULL) {
        mem_free(xds);
        return NULL;
    }
    make_client(xds);
    xds->runtime = make_runtime(xds, err);
    if (xds->runtime == NULL || check_source(xds, false, err) != STATUS_OK ||
        check_source(xds, true, err) != STATUS_OK || set_ads(xds, err) != STATUS_OK) {
        xds_free(xds);
        return NULL;
    }
    return xds;
}

void xds_free(struct xds *xds) {
    if (xds == NULL) {
        return;
    }
    event_loop_defer_cancel(&xds->advance);
    xds_subscription_free(xds->lds.subscription);
    xds_subscription_free(xds->cds.subscription);
    snapshot_builder_free(xds->builder);
    resource_store_free(xds->resources);
    runtime_loader_free(xds->runtime);
    xds_client_free(xds->client);
    file_watcher_free(xds->files);
    packed_bytes_deinit(&xds->bootstrap_bytes);
    mem_free(xds);
}
