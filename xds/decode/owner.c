// SPDX-License-Identifier: Apache-2.0
#include "xds/decode/owner.h"

#include "google/protobuf/struct.pb-c.h"
#include "xds/decode/decoder.h"

static const Google__Protobuf__Value *member(const Google__Protobuf__Struct *object,
                                             const char *key) {
    for (size_t i = 0; object != NULL && i < object->n_fields; i++) {
        if (strcmp(object->fields[i]->key, key) == 0) {
            return object->fields[i]->value;
        }
    }
    return NULL;
}

static struct slice text_member(const Google__Protobuf__Struct *object, const char *key) {
    const Google__Protobuf__Value *value = member(object, key);
    if (value == NULL || value->kind_case != GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE) {
        return SLICE("");
    }
    return slice_from_string(value->string_value);
}

// "/apis/networking.istio.io/v1/namespaces/<ns>/virtual-service/<name>"
static bool owner_of_istio(const Google__Protobuf__Struct *object, struct arena *arena,
                           struct config_owner *out) {
    enum { SPACE = 5, KIND = 6, NAME = 7, PARTS = 8 };
    struct slice path = text_member(object, "config");
    struct slice parts[PARTS], part;
    size_t count = 0;
    while (count < PARTS && slice_split(&path, '/', &part)) {
        parts[count++] = part;
    }
    if (count != PARTS || !slice_equal(parts[1], SLICE("apis")) ||
        !slice_equal(parts[4], SLICE("namespaces"))) {
        return false;
    }
    out->text =
        parts[SPACE].len == 0
            ? arena_printf(arena, "istio %.*s %.*s", SLICE_ARG(parts[KIND]), SLICE_ARG(parts[NAME]))
            : arena_printf(arena, "istio %.*s %.*s/%.*s", SLICE_ARG(parts[KIND]),
                           SLICE_ARG(parts[SPACE]), SLICE_ARG(parts[NAME]));
    return true;
}

static bool owner_of_envoy_gateway(const Google__Protobuf__Struct *object, struct arena *arena,
                                   struct config_owner *out) {
    const Google__Protobuf__Value *list = member(object, "resources");
    if (list == NULL || list->kind_case != GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE ||
        list->list_value->n_values == 0) {
        return false;
    }
    const Google__Protobuf__Value *first = list->list_value->values[0];
    if (first->kind_case != GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE) {
        return false;
    }
    struct slice kind = text_member(first->struct_value, "kind");
    struct slice name = text_member(first->struct_value, "name");
    struct slice space = text_member(first->struct_value, "namespace");
    struct slice section = text_member(first->struct_value, "sectionName");
    if (kind.len == 0 || name.len == 0) {
        return false;
    }
    out->text = arena_printf(arena, "envoy-gateway %.*s %.*s%s%.*s%s%.*s", SLICE_ARG(kind),
                             SLICE_ARG(space), space.len == 0 ? "" : "/", SLICE_ARG(name),
                             section.len == 0 ? "" : "/", SLICE_ARG(section));
    return true;
}

static bool owner_of_kgateway(const Google__Protobuf__Struct *object, struct arena *arena,
                              struct config_owner *out) {
    struct slice source = text_member(object, "route_source");
    if (source.len == 0) {
        return false;
    }
    out->text = arena_printf(arena, "kgateway %.*s", SLICE_ARG(source));
    return true;
}

static bool owner_of_metadata(const Envoy__Config__Core__V3__Metadata *metadata,
                              struct arena *arena, struct config_owner *out) {
    for (size_t i = 0; metadata != NULL && i < metadata->n_filter_metadata; i++) {
        struct slice key = slice_from_string(metadata->filter_metadata[i]->key);
        const Google__Protobuf__Struct *object = metadata->filter_metadata[i]->value;
        bool is_found = false;
        if (slice_equal(key, SLICE("istio"))) {
            is_found = owner_of_istio(object, arena, out);
        } else if (slice_equal(key, SLICE("envoy-gateway"))) {
            is_found = owner_of_envoy_gateway(object, arena, out);
        } else if (slice_ends_with(key, SLICE("kgateway"))) {
            is_found = owner_of_kgateway(object, arena, out);
        }
        if (is_found) {
            out->kind = OWNER_METADATA;
            return true;
        }
    }
    return false;
}

// Kuma: kri_<type>_<mesh>_<zone>_<namespace>_<name>_<section>
static bool owner_of_name(struct slice name, struct arena *arena, struct config_owner *out) {
    enum { TYPE = 1, MESH = 2, SPACE = 4, NAME = 5, PARTS = 7 };
    struct slice parts[PARTS], part;
    size_t count = 0;
    if (!slice_starts_with(name, SLICE("kri_"))) {
        return false;
    }
    while (count < PARTS && slice_split(&name, '_', &part)) {
        parts[count++] = part;
    }
    if (count <= NAME || parts[TYPE].len == 0 || parts[NAME].len == 0) {
        return false;
    }
    out->text = arena_printf(arena, "kuma %.*s %.*s%s%.*s%s%.*s", SLICE_ARG(parts[TYPE]),
                             SLICE_ARG(parts[MESH]), parts[MESH].len == 0 ? "" : "/",
                             SLICE_ARG(parts[SPACE]), parts[SPACE].len == 0 ? "" : "/",
                             SLICE_ARG(parts[NAME]));
    out->kind = OWNER_METADATA;
    return true;
}

struct config_owner owner_find(const struct owner_input *input, struct arena *arena) {
    struct config_owner owner = {.text = SLICE("unknown")};
    if (owner_of_metadata(input->metadata, arena, &owner) ||
        owner_of_name(input->name, arena, &owner)) {
        return owner;
    }
    for (uint32_t i = 0; input->patterns != NULL && i < input->patterns->count; i++) {
        const struct owner_pattern *pattern = &input->patterns->patterns[i];
        if (string_matcher_matches(&pattern->name, input->name)) {
            return (struct config_owner){.kind = OWNER_NAME_PATTERN,
                                         .text = arena_dup_slice(arena, pattern->owner)};
        }
    }
    if (input->fallback != NULL) {
        return *input->fallback;
    }
    if (input->is_static) {
        return (struct config_owner){.kind = OWNER_STATIC, .text = SLICE("bootstrap")};
    }
    return owner;
}

static void own(struct validation *v, const struct config_owner *owner) {
    if (owner->kind == OWNER_METADATA || owner->kind == OWNER_NAME_PATTERN) {
        validation_own(v, owner->text);
    }
}

struct config_owner decode_owner(struct decoder *d, const struct owner_input *input) {
    struct config_owner owner = owner_find(input, d->config.arena);
    own(d->config.validation, &owner);
    return owner;
}

static const Envoy__Config__Core__V3__Metadata *metadata_of(const ProtobufCMessage *resource) {
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(resource->descriptor, "metadata");
    if (field == NULL || field->type != PROTOBUF_C_TYPE_MESSAGE ||
        field->descriptor != &envoy__config__core__v3__metadata__descriptor) {
        return NULL;
    }
    return *(Envoy__Config__Core__V3__Metadata *const *)((const char *)resource + field->offset);
}

void decode_refused_owner(const struct owner_patterns *patterns, struct slice name,
                          const ProtobufCMessage *resource, struct validation *v) {
    struct owner_input input = {
        .metadata = metadata_of(resource), .name = name, .patterns = patterns};
    struct config_owner owner = owner_find(&input, v->arena);
    own(v, &owner);
}
