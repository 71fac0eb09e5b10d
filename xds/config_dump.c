// SPDX-License-Identifier: Apache-2.0
/* /config_dump: the same messages that Envoy fills, from what the builder and the store know. Resources
 * are shown as they were received, expanded through their types, with sensitive fields redacted. */
#include "envoy/admin/v3/config_dump.pb-c.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "src/base/buffer.h"
#include "src/matcher/regex.h"
#include "xds/bootstrap/proto_json.h"
#include "xds/dump_routes.h"
#include "xds/field_mask.h"
#include "xds/proto_reflect.h"
#include "xds/xds_internal.h"

#define ADMIN(name) Envoy__Admin__V3__##name

struct dump {
    const struct xds *xds;
    const struct xds_dump_query *query;
    struct field_mask mask;
    struct arena *arena;
    const Envoy__Config__Bootstrap__V3__Bootstrap *bootstrap;
    const ProtobufCMessage *sections[8];
    uint32_t section_count;
};

/* ---- pieces ---- */

static bool is_wanted(const struct dump *dump, struct slice name) {
    return dump->query->name_regex == NULL || regex_full_match(dump->query->name_regex, name);
}

static Google__Protobuf__Any *any_of(struct dump *dump, const char *type_url, struct slice raw) {
    Google__Protobuf__Any *any = ARENA_NEW(dump->arena, Google__Protobuf__Any);
    google__protobuf__any__init(any);
    any->type_url = (char *)(uintptr_t)type_url;
    any->value = (ProtobufCBinaryData){raw.len, (uint8_t *)(uintptr_t)raw.ptr};
    return any;
}

static Google__Protobuf__Any *any_of_message(struct dump *dump, const ProtobufCMessage *message) {
    const struct proto_message_info *info = proto_message_of(message->descriptor);
    struct slice url = arena_printf(dump->arena, "type.googleapis.com/%s", info->name);
    return any_of(dump, arena_dup_string(dump->arena, url), proto_pack(message, dump->arena));
}

static Google__Protobuf__Timestamp *timestamp_of(struct dump *dump, uint64_t wall_us) {
    Google__Protobuf__Timestamp *time = ARENA_NEW(dump->arena, Google__Protobuf__Timestamp);
    google__protobuf__timestamp__init(time);
    time->seconds = (int64_t)(wall_us / 1000000);
    // Envoy's times are of milliseconds.
    time->nanos = (int32_t)(wall_us % 1000000 / 1000 * 1000000);
    return time;
}

static char *text_of(struct dump *dump, struct slice text) {
    return arena_dup_string(dump->arena, text);
}

static Google__Protobuf__Any *any_of_part(struct dump *dump, const struct resource_type *type,
                                          const struct config_part *part) {
    return any_of(dump, type->type_url, part->raw);
}

static ADMIN(UpdateFailureState) * failure_of(struct dump *dump, const struct resource_type *type,
                                              struct slice details, struct slice version,
                                              uint64_t wall_us, struct slice raw) {
    if (details.len == 0) {
        return NULL;
    }
    ADMIN(UpdateFailureState) *failure = ARENA_NEW(dump->arena, ADMIN(UpdateFailureState));
    envoy__admin__v3__update_failure_state__init(failure);
    failure->details = text_of(dump, details);
    failure->version_info = text_of(dump, version);
    failure->last_update_attempt = timestamp_of(dump, wall_us);
    if (raw.len > 0) {
        failure->failed_configuration = any_of(dump, type->type_url, raw);
    }
    return failure;
}

/* Appends to a repeated field of messages; the field's array pointer is the first argument. */
#define APPEND(dump, array, count, element)                                                        \
    do {                                                                                           \
        void *grown_ = grow((dump)->arena, (array), (count), sizeof(*(array)));                    \
        (array) = grown_;                                                                          \
        (array)[(count)++] = (element);                                                            \
    } while (0)

// Doubles at powers of two, so that ten thousand elements are copied a few times only.
static void *grow(struct arena *arena, void *array, size_t count, size_t size) {
    if (count > 0 && (count & (count - 1)) != 0) {
        return array;
    }
    uint8_t *grown = arena_calloc(arena, count == 0 ? 1 : count * 2, size);
    if (count > 0) {
        memcpy(grown, array, count * size);
    }
    return grown;
}

static struct slice name_of_message(const char *name) {
    return slice_from_string(name);
}

static void add_section(struct dump *dump, const ProtobufCMessage *message) {
    CHECK(dump->section_count < ARRAY_LEN(dump->sections));
    dump->sections[dump->section_count++] = message;
}

static const Envoy__Config__Bootstrap__V3__Bootstrap__StaticResources *
static_of(const struct dump *dump) {
    return dump->bootstrap->static_resources;
}

// Its message is kept as bytes only, once its resources are put.
static const Envoy__Config__Bootstrap__V3__Bootstrap *bootstrap_of(const struct xds *xds,
                                                                   struct arena *arena) {
    struct validation v;
    validation_init(&v, arena, SLICE("bootstrap"));
    const ProtobufCMessage *message =
        xds->bootstrap_bytes.full_len == 0
            ? NULL
            : proto_unpack(proto_message_of(&envoy__config__bootstrap__v3__bootstrap__descriptor),
                           packed_bytes_get(&xds->bootstrap_bytes, arena), arena, &v);
    return message == NULL ? xds->options.bootstrap
                           : (const Envoy__Config__Bootstrap__V3__Bootstrap *)message;
}

static void dump_bootstrap(struct dump *dump) {
    ADMIN(BootstrapConfigDump) *out = ARENA_NEW(dump->arena, ADMIN(BootstrapConfigDump));
    envoy__admin__v3__bootstrap_config_dump__init(out);
    out->bootstrap = (Envoy__Config__Bootstrap__V3__Bootstrap *)(uintptr_t)dump->bootstrap;
    out->last_updated = timestamp_of(dump, dump->xds->start_wall_us);
    add_section(dump, &out->base);
}

/* ---- clusters ---- */

struct cluster_dump {
    struct dump *dump;
    ADMIN(ClustersConfigDump) * out;
};

static ADMIN(ClustersConfigDump__DynamicCluster) * dynamic_cluster(struct dump *dump,
                                                                   const struct record_view *view,
                                                                   const struct config_part *part) {
    ADMIN(ClustersConfigDump__DynamicCluster) *out =
        ARENA_NEW(dump->arena, ADMIN(ClustersConfigDump__DynamicCluster));
    envoy__admin__v3__clusters_config_dump__dynamic_cluster__init(out);
    out->version_info = text_of(dump, part->version);
    out->cluster = any_of_part(dump, view->type, part);
    out->last_updated = timestamp_of(dump, part->last_updated_us);
    out->error_state = failure_of(dump, view->type, view->error, view->error_version,
                                  view->error_wall_us, view->failed_raw);
    return out;
}

static void visit_cluster(void *arg, const struct record_view *view) {
    struct cluster_dump *clusters = arg;
    ADMIN(ClustersConfigDump) *out = clusters->out;
    if (view->is_static || !is_wanted(clusters->dump, view->name)) {
        return;
    }
    if (view->active != NULL) {
        APPEND(clusters->dump, out->dynamic_active_clusters, out->n_dynamic_active_clusters,
               dynamic_cluster(clusters->dump, view, view->active));
    }
    if (view->warming != NULL) {
        APPEND(clusters->dump, out->dynamic_warming_clusters, out->n_dynamic_warming_clusters,
               dynamic_cluster(clusters->dump, view, view->warming));
    }
}

static char *wildcard_version(struct dump *dump, const struct wildcard *wildcard) {
    return wildcard->subscription == NULL
               ? text_of(dump, SLICE(""))
               : text_of(dump, xds_subscription_version(wildcard->subscription));
}

static void dump_clusters(struct dump *dump) {
    struct cluster_dump clusters = {dump, ARENA_NEW(dump->arena, ADMIN(ClustersConfigDump))};
    ADMIN(ClustersConfigDump) *out = clusters.out;
    envoy__admin__v3__clusters_config_dump__init(out);
    out->version_info = wildcard_version(dump, &dump->xds->cds);
    for (size_t i = 0; static_of(dump) != NULL && i < static_of(dump)->n_clusters; i++) {
        const Envoy__Config__Cluster__V3__Cluster *cluster = static_of(dump)->clusters[i];
        if (is_wanted(dump, name_of_message(cluster->name))) {
            ADMIN(ClustersConfigDump__StaticCluster) *item =
                ARENA_NEW(dump->arena, ADMIN(ClustersConfigDump__StaticCluster));
            envoy__admin__v3__clusters_config_dump__static_cluster__init(item);
            item->cluster = any_of_message(dump, &cluster->base);
            item->last_updated = timestamp_of(dump, dump->xds->start_wall_us);
            APPEND(dump, out->static_clusters, out->n_static_clusters, item);
        }
    }
    snapshot_builder_visit(dump->xds->builder, &resource_type_cluster, visit_cluster, &clusters);
    add_section(dump, &out->base);
}

/* ---- listeners ---- */

struct listener_dump {
    struct dump *dump;
    ADMIN(ListenersConfigDump) * out;
};

static ADMIN(ListenersConfigDump__DynamicListenerState) *
    listener_state(struct dump *dump, const struct record_view *view,
                   const struct config_part *part) {
    if (part == NULL) {
        return NULL;
    }
    ADMIN(ListenersConfigDump__DynamicListenerState) *out =
        ARENA_NEW(dump->arena, ADMIN(ListenersConfigDump__DynamicListenerState));
    envoy__admin__v3__listeners_config_dump__dynamic_listener_state__init(out);
    out->version_info = text_of(dump, part->version);
    out->listener = any_of_part(dump, view->type, part);
    out->last_updated = timestamp_of(dump, part->last_updated_us);
    return out;
}

static void visit_listener(void *arg, const struct record_view *view) {
    struct listener_dump *listeners = arg;
    struct dump *dump = listeners->dump;
    ADMIN(ListenersConfigDump) *out = listeners->out;
    if (view->is_static || !is_wanted(dump, view->name)) {
        return;
    }
    ADMIN(ListenersConfigDump__DynamicListener) *item =
        ARENA_NEW(dump->arena, ADMIN(ListenersConfigDump__DynamicListener));
    envoy__admin__v3__listeners_config_dump__dynamic_listener__init(item);
    item->name = text_of(dump, view->name);
    item->active_state = listener_state(dump, view, view->active);
    item->warming_state = listener_state(dump, view, view->warming);
    item->error_state = failure_of(dump, view->type, view->error, view->error_version,
                                   view->error_wall_us, view->failed_raw);
    APPEND(dump, out->dynamic_listeners, out->n_dynamic_listeners, item);
}

static void dump_listeners(struct dump *dump) {
    struct listener_dump listeners = {dump, ARENA_NEW(dump->arena, ADMIN(ListenersConfigDump))};
    ADMIN(ListenersConfigDump) *out = listeners.out;
    envoy__admin__v3__listeners_config_dump__init(out);
    out->version_info = wildcard_version(dump, &dump->xds->lds);
    for (size_t i = 0; static_of(dump) != NULL && i < static_of(dump)->n_listeners; i++) {
        const Envoy__Config__Listener__V3__Listener *listener = static_of(dump)->listeners[i];
        if (is_wanted(dump, name_of_message(listener->name))) {
            ADMIN(ListenersConfigDump__StaticListener) *item =
                ARENA_NEW(dump->arena, ADMIN(ListenersConfigDump__StaticListener));
            envoy__admin__v3__listeners_config_dump__static_listener__init(item);
            item->listener = any_of_message(dump, &listener->base);
            item->last_updated = timestamp_of(dump, dump->xds->start_wall_us);
            APPEND(dump, out->static_listeners, out->n_static_listeners, item);
        }
    }
    snapshot_builder_visit(dump->xds->builder, &resource_type_listener, visit_listener, &listeners);
    add_section(dump, &out->base);
}

/* ---- what is fetched by name ---- */

struct fetched_dump {
    struct dump *dump;
    ADMIN(RoutesConfigDump) * routes;
    ADMIN(SecretsConfigDump) * secrets;
    ADMIN(EndpointsConfigDump) * endpoints;
};

static void add_route(struct fetched_dump *fetched, const struct resource_view *view) {
    struct dump *dump = fetched->dump;
    ADMIN(RoutesConfigDump__DynamicRouteConfig) *item =
        ARENA_NEW(dump->arena, ADMIN(RoutesConfigDump__DynamicRouteConfig));
    envoy__admin__v3__routes_config_dump__dynamic_route_config__init(item);
    if (view->part == NULL) {
        return; // Envoy shows no route configuration that never came
    }
    item->version_info = text_of(dump, view->part->version);
    item->route_config = any_of_part(dump, view->type, view->part);
    item->last_updated = timestamp_of(dump, view->part->last_updated_us);
    APPEND(dump, fetched->routes->dynamic_route_configs, fetched->routes->n_dynamic_route_configs,
           item);
}

/* Of all listeners: each connection manager with routes of its own has its entry, as in Envoy. */
struct inline_routes {
    struct dump *dump;
    ADMIN(RoutesConfigDump) * out;
    uint64_t wall_us;
};

static void add_inline_route(void *arg, const Envoy__Config__Route__V3__RouteConfiguration *route) {
    struct inline_routes *routes = arg;
    if (!is_wanted(routes->dump, slice_from_string(route->name))) {
        return;
    }
    ADMIN(RoutesConfigDump__StaticRouteConfig) *item =
        ARENA_NEW(routes->dump->arena, ADMIN(RoutesConfigDump__StaticRouteConfig));
    envoy__admin__v3__routes_config_dump__static_route_config__init(item);
    item->route_config = any_of_message(routes->dump, &route->base);
    item->last_updated = timestamp_of(routes->dump, routes->wall_us);
    APPEND(routes->dump, routes->out->static_route_configs, routes->out->n_static_route_configs,
           item);
}

static void visit_routes_of(void *arg, const struct record_view *view) {
    struct inline_routes *routes = arg;
    struct validation v;
    if (view->is_static || view->active == NULL) {
        return;
    }
    validation_init(&v, routes->dump->arena, SLICE(""));
    const ProtobufCMessage *listener =
        proto_unpack(proto_message_of(&envoy__config__listener__v3__listener__descriptor),
                     view->active->raw, routes->dump->arena, &v);
    routes->wall_us = view->active->last_updated_us;
    if (listener != NULL) {
        each_inline_route((const Envoy__Config__Listener__V3__Listener *)listener,
                          routes->dump->arena, add_inline_route, routes);
    }
}

static void add_inline_routes(struct dump *dump, ADMIN(RoutesConfigDump) * out) {
    struct inline_routes routes = {.dump = dump, .out = out, .wall_us = dump->xds->start_wall_us};
    for (size_t i = 0; static_of(dump) != NULL && i < static_of(dump)->n_listeners; i++) {
        each_inline_route(static_of(dump)->listeners[i], dump->arena, add_inline_route, &routes);
    }
    snapshot_builder_visit(dump->xds->builder, &resource_type_listener, visit_routes_of, &routes);
}

static void add_secret(struct fetched_dump *fetched, const struct resource_view *view) {
    struct dump *dump = fetched->dump;
    ADMIN(SecretsConfigDump__DynamicSecret) *item =
        ARENA_NEW(dump->arena, ADMIN(SecretsConfigDump__DynamicSecret));
    envoy__admin__v3__secrets_config_dump__dynamic_secret__init(item);
    item->name = text_of(dump, view->name);
    if (view->part == NULL) {
        item->version_info = text_of(dump, SLICE("uninitialized"));
        APPEND(dump, fetched->secrets->dynamic_warming_secrets,
               fetched->secrets->n_dynamic_warming_secrets, item);
        return;
    }
    item->version_info = text_of(dump, view->part->version);
    item->secret = any_of_part(dump, view->type, view->part);
    item->last_updated = timestamp_of(dump, view->part->last_updated_us);
    APPEND(dump, fetched->secrets->dynamic_active_secrets,
           fetched->secrets->n_dynamic_active_secrets, item);
}

static void add_endpoints(struct fetched_dump *fetched, const struct resource_view *view) {
    struct dump *dump = fetched->dump;
    if (view->part == NULL) {
        return;
    }
    ADMIN(EndpointsConfigDump__DynamicEndpointConfig) *item =
        ARENA_NEW(dump->arena, ADMIN(EndpointsConfigDump__DynamicEndpointConfig));
    envoy__admin__v3__endpoints_config_dump__dynamic_endpoint_config__init(item);
    item->version_info = text_of(dump, view->part->version);
    item->endpoint_config = any_of_part(dump, view->type, view->part);
    item->last_updated = timestamp_of(dump, view->part->last_updated_us);
    APPEND(dump, fetched->endpoints->dynamic_endpoint_configs,
           fetched->endpoints->n_dynamic_endpoint_configs, item);
}

static void visit_fetched(void *arg, const struct resource_view *view) {
    struct fetched_dump *fetched = arg;
    if (!is_wanted(fetched->dump, view->name)) {
        return;
    }
    if (view->type->kind == CONFIG_ROUTE) {
        add_route(fetched, view);
    } else if (view->type->kind == CONFIG_SECRET) {
        add_secret(fetched, view);
    } else if (fetched->dump->query->include_eds) {
        add_endpoints(fetched, view);
    }
}

static void add_static_secrets(struct fetched_dump *fetched) {
    struct dump *dump = fetched->dump;
    for (size_t i = 0; static_of(dump) != NULL && i < static_of(dump)->n_secrets; i++) {
        const Envoy__Extensions__TransportSockets__Tls__V3__Secret *secret =
            static_of(dump)->secrets[i];
        if (is_wanted(dump, name_of_message(secret->name))) {
            ADMIN(SecretsConfigDump__StaticSecret) *item =
                ARENA_NEW(dump->arena, ADMIN(SecretsConfigDump__StaticSecret));
            envoy__admin__v3__secrets_config_dump__static_secret__init(item);
            item->name = secret->name;
            item->secret = any_of_message(dump, &secret->base);
            item->last_updated = timestamp_of(dump, dump->xds->start_wall_us);
            APPEND(dump, fetched->secrets->static_secrets, fetched->secrets->n_static_secrets,
                   item);
        }
    }
}

static struct fetched_dump gather_fetched(struct dump *dump) {
    struct fetched_dump fetched = {.dump = dump,
                                   .routes = ARENA_NEW(dump->arena, ADMIN(RoutesConfigDump)),
                                   .secrets = ARENA_NEW(dump->arena, ADMIN(SecretsConfigDump)),
                                   .endpoints = ARENA_NEW(dump->arena, ADMIN(EndpointsConfigDump))};
    envoy__admin__v3__routes_config_dump__init(fetched.routes);
    envoy__admin__v3__secrets_config_dump__init(fetched.secrets);
    envoy__admin__v3__endpoints_config_dump__init(fetched.endpoints);
    add_static_secrets(&fetched);
    add_inline_routes(dump, fetched.routes);
    resource_store_visit(dump->xds->resources, visit_fetched, &fetched);
    return fetched;
}

/* ---- the document ---- */

static const ProtobufCFieldDescriptor *field_named(const ProtobufCMessage *message,
                                                   struct slice name) {
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (slice_equal(slice_from_string(field->name), name)) {
            return field;
        }
    }
    return NULL;
}

// Each path as a line, as a message's debug text would have it.
static void refuse_mask(const struct dump *dump, struct buffer *out) {
    buffer_append(out, SLICE("FieldMask "));
    for (uint32_t i = 0; i < dump->mask.count; i++) {
        buffer_append_printf(out, "paths: \"%.*s\"\n", SLICE_ARG(dump->mask.paths[i]));
    }
    buffer_append(out, SLICE(" could not be successfully used."));
}

// One list of one section, each element a document of its own. STATUS_INVALID: `text` says why.
static enum status take_resource(struct dump *dump, ADMIN(ConfigDump) * out, struct buffer *text) {
    struct slice name = dump->query->resource;
    for (uint32_t i = 0; i < dump->section_count; i++) {
        const ProtobufCFieldDescriptor *field =
            field_named(dump->sections[i], dump->query->resource);
        if (field == NULL) {
            continue;
        }
        if (field->label != PROTOBUF_C_LABEL_REPEATED || field->type != PROTOBUF_C_TYPE_MESSAGE) {
            buffer_append_printf(
                text, "%.*s is not a repeated field. Use ?mask=%.*s to get only this field",
                SLICE_ARG(name), SLICE_ARG(name));
            return STATUS_INVALID;
        }
        for (size_t j = 0; j < proto_count(dump->sections[i], field); j++) {
            ProtobufCMessage *const *element = proto_element(dump->sections[i], field, j);
            if (!field_mask_trim_resource(&dump->mask, *element, dump->arena)) {
                refuse_mask(dump, text);
                return STATUS_INVALID;
            }
            APPEND(dump, out->configs, out->n_configs, any_of_message(dump, *element));
        }
        return STATUS_OK;
    }
    buffer_append_printf(text, "%.*s not found in config dump", SLICE_ARG(name));
    return STATUS_NOT_FOUND;
}

static void write_piece(void *arg, struct slice text) {
    buffer_append(arg, text);
}

static void write_document(const ADMIN(ConfigDump) * document, struct buffer *out) {
    struct proto_json_write_options options = {.is_pretty = true, .redact = true};
    proto_json_write(&document->base, &options, write_piece, out);
    buffer_append(out, SLICE("\n"));
}

static enum status write_resource(struct dump *dump, ADMIN(ConfigDump) * document,
                                  struct buffer *out) {
    enum status status = take_resource(dump, document, out);
    if (status == STATUS_OK) {
        write_document(document, out);
    }
    return status;
}

// A copy is trimmed: parts of the bootstrap's section are the process'.
static const ProtobufCMessage *trimmed(struct dump *dump, const ProtobufCMessage *section) {
    struct validation v;
    if (dump->mask.count == 0) {
        return section;
    }
    validation_init(&v, dump->arena, SLICE(""));
    ProtobufCMessage *copy = proto_unpack(proto_message_of(section->descriptor),
                                          proto_pack(section, dump->arena), dump->arena, &v);
    if (copy != NULL) {
        field_mask_trim(&dump->mask, copy);
    }
    return copy;
}

// Sections that the mask does not fit are left out.
static enum status write_all(struct dump *dump, ADMIN(ConfigDump) * document, struct buffer *out) {
    for (uint32_t i = 0; i < dump->section_count; i++) {
        const ProtobufCMessage *section = dump->sections[i];
        if (field_mask_fits(&dump->mask, section->descriptor)) {
            section = trimmed(dump, section);
            if (section != NULL) {
                APPEND(dump, document->configs, document->n_configs, any_of_message(dump, section));
            }
        }
    }
    if (document->n_configs == 0 && dump->query->mask.len > 0) {
        buffer_append_printf(out,
                             "FieldMask %.*s could not be successfully applied to any configs.",
                             SLICE_ARG(dump->query->mask));
        return STATUS_INVALID;
    }
    write_document(document, out);
    return STATUS_OK;
}

static void gather(struct dump *dump) {
    struct fetched_dump fetched = gather_fetched(dump);
    dump_bootstrap(dump);
    dump_clusters(dump);
    if (dump->query->include_eds) {
        add_section(dump, &fetched.endpoints->base);
    }
    dump_listeners(dump);
    ADMIN(ScopedRoutesConfigDump) *scoped = ARENA_NEW(dump->arena, ADMIN(ScopedRoutesConfigDump));
    envoy__admin__v3__scoped_routes_config_dump__init(scoped);
    add_section(dump, &scoped->base);
    add_section(dump, &fetched.routes->base);
    add_section(dump, &fetched.secrets->base);
}

enum status xds_config_dump(const struct xds *xds, const struct xds_dump_query *query,
                            struct buffer *out) {
    struct arena arena;
    ADMIN(ConfigDump) document;
    envoy__admin__v3__config_dump__init(&document);
    arena_init_heap(&arena, 64 * 1024);
    struct dump dump = {.xds = xds, .query = query, .arena = &arena};
    dump.mask = field_mask_parse(query->mask, &arena);
    dump.bootstrap = bootstrap_of(xds, &arena);
    gather(&dump);
    enum status status = query->resource.len == 0 ? write_all(&dump, &document, out)
                                                  : write_resource(&dump, &document, out);
    // Private keys passed through it.
    arena_wipe(&arena);
    arena_deinit(&arena);
    return status;
}
