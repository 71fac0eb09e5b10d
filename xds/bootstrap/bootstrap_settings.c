// SPDX-License-Identifier: Apache-2.0
#include "xds/decode/decoder.h"

#include "xds/bootstrap/bootstrap_settings.h"

#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "envoy/type/v3/semantic_version.pb-c.h"
#include "sallyport_version.h"
#include "src/filter_chain/http_filter.h"
#include "src/filter_chain/listener_filter.h"
#include "src/filter_chain/network_filter.h"
#include "xds/bootstrap/proto_json.h"
#include "xds/decode/access_log.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/matcher.h"
#include "xds/decode/overload.h"
#include "xds/decode/runtime.h"

#define BOOTSTRAP(name) Envoy__Config__Bootstrap__V3__##name

enum { DEFAULT_STATS_FLUSH_MS = 5000 };

static void set_text(struct arena *arena, char **field, const char *flag) {
    if (flag != NULL && (*field == NULL || **field == '\0')) {
        *field = arena_dup_string(arena, slice_from_string(flag));
    }
}

/* ---- what the program says of itself ---- */

static void add_metadata(Google__Protobuf__Struct *metadata, const char *key, const char *value,
                         struct arena *arena) {
    Google__Protobuf__Struct__FieldsEntry *entry =
        ARENA_NEW(arena, Google__Protobuf__Struct__FieldsEntry);
    google__protobuf__struct__fields_entry__init(entry);
    entry->key = arena_dup_string(arena, slice_from_string(key));
    entry->value = ARENA_NEW(arena, Google__Protobuf__Value);
    google__protobuf__value__init(entry->value);
    entry->value->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE;
    entry->value->string_value = arena_dup_string(arena, slice_from_string(value));
    metadata->fields[metadata->n_fields++] = entry;
}

/* Management servers look at these: the API level is Envoy 1.40's. */
static void set_build_version(CORE(Node) *node, struct arena *arena) {
    CORE(BuildVersion) *build = ARENA_NEW(arena, CORE(BuildVersion));
    envoy__config__core__v3__build_version__init(build);
    build->version = ARENA_NEW(arena, TYPE(SemanticVersion));
    envoy__type__v3__semantic_version__init(build->version);
    build->version->major_number = 1;
    build->version->minor_number = 40;
    build->metadata = ARENA_NEW(arena, Google__Protobuf__Struct);
    google__protobuf__struct__init(build->metadata);
    build->metadata->fields = ARENA_NEW_ARRAY(arena, 4, Google__Protobuf__Struct__FieldsEntry *);
    add_metadata(build->metadata, "build.type", "RELEASE", arena);
    add_metadata(build->metadata, "revision.sha", SALLYPORT_REVISION, arena);
    add_metadata(build->metadata, "revision.status", "Clean", arena);
    add_metadata(build->metadata, "ssl.version", "BoringSSL", arena);
    node->user_agent_name = arena_dup_string(arena, SLICE("envoy"));
    node->user_agent_version_type_case =
        ENVOY__CONFIG__CORE__V3__NODE__USER_AGENT_VERSION_TYPE_USER_AGENT_BUILD_VERSION;
    node->user_agent_build_version = build;
}

static void add_extension(CORE(Node) *node, const char *name, const char *category,
                          const char *type_url, struct arena *arena) {
    CORE(Extension) *extension = ARENA_NEW(arena, CORE(Extension));
    envoy__config__core__v3__extension__init(extension);
    extension->name = arena_dup_string(arena, slice_from_string(name));
    extension->category = arena_dup_string(arena, slice_from_string(category));
    extension->type_urls = ARENA_NEW_ARRAY(arena, 1, char *);
    extension->type_urls[0] = arena_dup_string(arena, slice_from_string(type_url));
    extension->n_type_urls = 1;
    node->extensions[node->n_extensions++] = extension;
}

static void set_extensions(CORE(Node) *node, const struct filter_registry *registry,
                           struct arena *arena) {
    size_t count = 0;
    for (size_t i = 0; registry->http[i] != NULL; i++, count++) {
    }
    for (size_t i = 0; registry->network[i] != NULL; i++, count++) {
    }
    for (size_t i = 0; registry->listener[i] != NULL; i++, count++) {
    }
    node->extensions = ARENA_NEW_ARRAY(arena, count, CORE(Extension) *);
    node->n_extensions = 0;
    for (size_t i = 0; registry->http[i] != NULL; i++) {
        add_extension(node, registry->http[i]->name, "envoy.filters.http",
                      registry->http[i]->type_url, arena);
    }
    for (size_t i = 0; registry->network[i] != NULL; i++) {
        add_extension(node, registry->network[i]->name, "envoy.filters.network",
                      registry->network[i]->type_url, arena);
    }
    for (size_t i = 0; registry->listener[i] != NULL; i++) {
        add_extension(node, registry->listener[i]->name, "envoy.filters.listener",
                      registry->listener[i]->type_url, arena);
    }
}

static void complete_node(BOOTSTRAP(Bootstrap) * bootstrap,
                          const struct bootstrap_node_flags *flags, struct arena *arena) {
    if (bootstrap->node == NULL) {
        bootstrap->node = ARENA_NEW(arena, CORE(Node));
        envoy__config__core__v3__node__init(bootstrap->node);
    }
    CORE(Node) *node = bootstrap->node;
    set_text(arena, &node->id, flags->id);
    set_text(arena, &node->cluster, flags->cluster);
    if (flags->zone != NULL) {
        if (node->locality == NULL) {
            node->locality = ARENA_NEW(arena, CORE(Locality));
            envoy__config__core__v3__locality__init(node->locality);
        }
        set_text(arena, &node->locality->zone, flags->zone);
    }
}

static void read_admin(struct decoder *d, const BOOTSTRAP(Admin) * admin,
                       struct bootstrap_settings *settings) {
    if (admin == NULL || admin->address == NULL) {
        return;
    }
    decoder_push(d, "admin");
    decoder_push(d, "address");
    settings->has_admin = decode_address(d, admin->address, &settings->admin_address);
    decoder_pop(d);
    if (admin->address->address_case == ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_PIPE) {
        settings->admin_unix_mode = admin->address->pipe->mode;
    }
    struct string_matcher *paths =
        ARENA_NEW_ARRAY(d->config.arena, admin->n_allow_paths, struct string_matcher);
    for (size_t i = 0; i < admin->n_allow_paths; i++) {
        decoder_push_index(d, "allow_paths", i);
        (void)decode_string_matcher(d, admin->allow_paths[i], &paths[i]);
        decoder_pop_index(d);
    }
    settings->admin_allow_paths = paths;
    settings->admin_allow_path_count = (uint32_t)admin->n_allow_paths;
    (void)decode_access_logs(d, admin->access_log, admin->n_access_log,
                             &settings->admin_access_logs, &settings->admin_access_log_count);
    decoder_pop(d);
}

static void read_overload(struct decoder *d, const BOOTSTRAP(Bootstrap) * bootstrap,
                          struct bootstrap_settings *settings) {
    if (bootstrap->overload_manager == NULL) {
        settings->overload = d->context->edge_defaults ? overload_edge_default() : NULL;
        return;
    }
    decoder_push(d, "overload_manager");
    (void)decode_overload_manager(d, bootstrap->overload_manager, &settings->overload,
                                  &settings->max_downstream_connections);
    decoder_pop(d);
}

static void read_log_format(struct decoder *d, const BOOTSTRAP(Bootstrap) * bootstrap,
                            struct bootstrap_settings *settings) {
    if (bootstrap->application_log_config == NULL ||
        bootstrap->application_log_config->log_format == NULL) {
        return;
    }
    const BOOTSTRAP(Bootstrap__ApplicationLogConfig__LogFormat) *format =
        bootstrap->application_log_config->log_format;
    if (format->log_format_case ==
        ENVOY__CONFIG__BOOTSTRAP__V3__BOOTSTRAP__APPLICATION_LOG_CONFIG__LOG_FORMAT__LOG_FORMAT_TEXT_FORMAT) {
        settings->log_format = decoder_text(d, format->text_format);
        settings->has_log_format = true;
    }
}

static void read_static_clusters(struct decoder *d, const BOOTSTRAP(Bootstrap) * bootstrap,
                                 struct bootstrap_settings *settings) {
    if (bootstrap->static_resources == NULL) {
        return;
    }
    size_t count = bootstrap->static_resources->n_clusters;
    struct slice *names = ARENA_NEW_ARRAY(d->config.arena, count, struct slice);
    for (size_t i = 0; i < count; i++) {
        names[i] = slice_from_string(bootstrap->static_resources->clusters[i]->name);
    }
    settings->static_clusters = names;
    settings->static_cluster_count = (uint32_t)count;
}

void bootstrap_settings_read(struct Envoy__Config__Bootstrap__V3__Bootstrap *bootstrap,
                             const struct bootstrap_node_flags *flags,
                             const struct decode_context *context, struct config_part *owner,
                             struct validation *v, struct bootstrap_settings *settings) {
    *settings = (struct bootstrap_settings){.stats_flush_interval_ms = DEFAULT_STATS_FLUSH_MS};
    struct arena scratch;
    arena_init_heap(&scratch, 0);
    struct decode_options options = {.is_static = true};
    struct decoder d;
    decoder_init(&d, context, &options, &scratch, v);
    decoder_use_part(&d, owner);
    complete_node(bootstrap, flags, &owner->arena);
    set_build_version(bootstrap->node, &owner->arena);
    set_extensions(bootstrap->node, context->registry, &owner->arena);
    settings->node_id = slice_from_string(bootstrap->node->id);
    settings->node_cluster = slice_from_string(bootstrap->node->cluster);
    struct proto_json_write_options json = {.is_pretty = true, .redact = true};
    settings->node_json = proto_json_text(&bootstrap->node->base, &json, &owner->arena);
    read_admin(&d, bootstrap->admin, settings);
    read_overload(&d, bootstrap, settings);
    decoder_push(&d, "layered_runtime");
    (void)decode_layered_runtime(&d, bootstrap->layered_runtime, settings->node_cluster,
                                 &settings->runtime);
    decoder_pop(&d);
    read_log_format(&d, bootstrap, settings);
    read_static_clusters(&d, bootstrap, settings);
    (void)decode_optional_duration(&d, "stats_flush_interval", bootstrap->stats_flush_interval,
                                   &settings->stats_flush_interval_ms);
    decoder_deinit(&d);
    arena_deinit(&scratch);
}
