// SPDX-License-Identifier: Apache-2.0
#include "xds/bootstrap/bootstrap_loader.h"

#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "envoy/service/discovery/v3/discovery.pb-c.h"
#include "src/base/check.h"
#include "xds/pgv_validate.h"
#include "xds/proto_reflect.h"

static bool has_path(const struct bootstrap_source *source) {
    return source->config_path != NULL && source->config_path[0] != '\0';
}

static const struct proto_message_info *bootstrap_info(void) {
    const struct proto_message_info *info =
        proto_message_of(&envoy__config__bootstrap__v3__bootstrap__descriptor);
    CHECK(info != NULL);
    return info;
}

static enum status load_file(const struct bootstrap_source *source, struct arena *arena,
                             ProtobufCMessage **message, struct validation *v, struct error *err) {
    struct arena bytes;
    struct slice content;
    arena_init_heap(&bytes, 0);
    enum status status =
        config_file_read(source->config_path, BOOTSTRAP_MAX_BYTES, &bytes, &content, err);
    if (status == STATUS_OK) {
        struct config_document document = {.info = bootstrap_info(),
                                           .name = slice_from_string(source->config_path),
                                           .content = content,
                                           .unknown_is_error =
                                               !source->allow_unknown_static_fields};
        status = config_document_parse(&document, arena, message, v, err);
    }
    arena_deinit(&bytes);
    return status;
}

static enum status load_text(const struct bootstrap_source *source, struct arena *arena,
                             ProtobufCMessage **message, struct validation *v, struct error *err) {
    struct config_document document = {.info = bootstrap_info(),
                                       .name = SLICE("--config-yaml.yaml"),
                                       .content = source->config_yaml,
                                       .unknown_is_error = !source->allow_unknown_static_fields};
    return config_document_parse(&document, arena, message, v, err);
}

static enum status load_merged(const struct bootstrap_source *source, struct arena *arena,
                               ProtobufCMessage **message, struct validation *v,
                               struct error *err) {
    if (!has_path(source) && source->config_yaml.len == 0) {
        return error_set(err, STATUS_INVALID,
                         "At least one of --config-path or --config-yaml or "
                         "Options::configProto() should be non-empty");
    }
    ProtobufCMessage *overlay = NULL;
    *message = NULL;
    if (has_path(source)) {
        TRY(load_file(source, arena, message, v, err));
    }
    if (source->config_yaml.len > 0) {
        TRY(load_text(source, arena, &overlay, v, err));
    }
    if (*message == NULL) {
        *message = overlay;
    } else if (overlay != NULL) {
        proto_merge(*message, overlay, arena);
    }
    return STATUS_OK;
}

enum status bootstrap_load(const struct bootstrap_source *source, struct arena *arena,
                           struct Envoy__Config__Bootstrap__V3__Bootstrap **bootstrap,
                           struct validation *v, struct error *err) {
    ProtobufCMessage *message;
    TRY(load_merged(source, arena, &message, v, err));
    struct pgv_options options = {.allow_disallowed = source->allow_disallowed_deprecated,
                                  .skip_deprecated_notes = source->skip_deprecated_notes};
    pgv_validate(message, &options, v);
    TRY(validation_result(v, err));
    *bootstrap = (Envoy__Config__Bootstrap__V3__Bootstrap *)message;
    return STATUS_OK;
}

struct Envoy__Config__Bootstrap__V3__Bootstrap *
bootstrap_split(struct Envoy__Config__Bootstrap__V3__Bootstrap *read, struct arena *arena,
                struct validation *v) {
    Envoy__Config__Bootstrap__V3__Bootstrap__StaticResources *resources = read->static_resources;
    struct arena scratch;
    arena_init_heap(&scratch, 0);
    read->static_resources = NULL;
    Envoy__Config__Bootstrap__V3__Bootstrap *copy =
        (Envoy__Config__Bootstrap__V3__Bootstrap *)proto_unpack(
            bootstrap_info(), proto_pack(&read->base, &scratch), arena, v);
    read->static_resources = resources;
    if (copy != NULL) {
        copy->static_resources = resources;
    }
    arena_deinit(&scratch);
    return copy;
}

void bootstrap_forget_resources(struct Envoy__Config__Bootstrap__V3__Bootstrap *bootstrap) {
    bootstrap->static_resources = NULL;
}

static bool is_wrapper(struct slice type_url) {
    return proto_message_find_url(type_url) ==
           proto_message_of(&envoy__service__discovery__v3__resource__descriptor);
}

static void take_any(struct resource_entry *entry, const Google__Protobuf__Any *any) {
    entry->type_url = slice_from_string(any->type_url);
    entry->value = slice_make(any->value.data, any->value.len);
}

static void take_resource(struct resource_entry *entry, const Google__Protobuf__Any *any,
                          struct arena *arena, struct validation *v) {
    take_any(entry, any);
    if (!is_wrapper(entry->type_url)) {
        return;
    }
    ProtobufCMessage *message =
        proto_unpack(proto_message_of(&envoy__service__discovery__v3__resource__descriptor),
                     entry->value, arena, v);
    if (message == NULL) {
        return;
    }
    const Envoy__Service__Discovery__V3__Resource *wrapper =
        (const Envoy__Service__Discovery__V3__Resource *)message;
    entry->name = slice_from_string(wrapper->name);
    if (wrapper->resource != NULL) {
        take_any(entry, wrapper->resource);
    } else {
        validation_error(v, "the Resource holds no resource");
    }
}

static void take_resources(const Envoy__Service__Discovery__V3__DiscoveryResponse *response,
                           struct arena *arena, struct resource_file *file, struct validation *v) {
    file->version = slice_from_string(response->version_info);
    file->count = (uint32_t)response->n_resources;
    file->entries = ARENA_NEW_ARRAY(arena, response->n_resources, struct resource_entry);
    for (uint32_t i = 0; i < file->count; i++) {
        validation_push(v, "resources");
        validation_push_index(v, i);
        take_resource(&file->entries[i], response->resources[i], arena, v);
        validation_pop(v);
        validation_pop(v);
    }
}

enum status resource_file_load(const char *path, bool reject_unknown, struct arena *arena,
                               struct resource_file *file, struct validation *v,
                               struct error *err) {
    struct slice content;
    ProtobufCMessage *message = NULL;
    struct resource_file loaded;
    const struct proto_message_info *info =
        proto_message_of(&envoy__service__discovery__v3__discovery_response__descriptor);
    CHECK(info != NULL);
    TRY(config_file_read(path, BOOTSTRAP_MAX_BYTES, arena, &content, err));
    struct config_document document = {.info = info,
                                       .name = slice_from_string(path),
                                       .content = content,
                                       .unknown_is_error = reject_unknown};
    TRY(config_document_parse(&document, arena, &message, v, err));
    take_resources((const Envoy__Service__Discovery__V3__DiscoveryResponse *)message, arena,
                   &loaded, v);
    TRY(validation_result(v, err));
    *file = loaded;
    return STATUS_OK;
}
