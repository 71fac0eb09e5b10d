// SPDX-License-Identifier: Apache-2.0
#include "xds/field_mask.h"

#include "google/protobuf/any.pb-c.h"
#include "src/base/check.h"
#include "src/config/validation.h"
#include "xds/proto_reflect.h"

struct field_mask field_mask_parse(struct slice text, struct arena *arena) {
    struct slice *paths = ARENA_NEW_ARRAY(arena, text.len / 2 + 1, struct slice);
    uint32_t count = 0;
    struct slice path;
    while (slice_split(&text, ',', &path)) {
        if (path.len > 0) {
            paths[count++] = path;
        }
    }
    return (struct field_mask){.paths = paths, .count = count};
}

// The first name of a path and what stands behind it; `has_rest` false where nothing does.
static struct slice first_name(struct slice path, struct slice *rest, bool *has_rest) {
    size_t dot = slice_find_byte(path, '.');
    *has_rest = dot != SIZE_MAX;
    *rest = *has_rest ? slice_sub(path, dot + 1, SIZE_MAX) : (struct slice){0};
    return *has_rest ? slice_sub(path, 0, dot) : path;
}

static const ProtobufCFieldDescriptor *field_of(const ProtobufCMessageDescriptor *type,
                                                struct slice name) {
    for (unsigned i = 0; type != NULL && i < type->n_fields; i++) {
        if (slice_equal(slice_from_string(type->fields[i].name), name)) {
            return &type->fields[i];
        }
    }
    return NULL;
}

// What a path can go on in; NULL: nothing.
static const ProtobufCMessageDescriptor *inside(const ProtobufCFieldDescriptor *field) {
    return field->label != PROTOBUF_C_LABEL_REPEATED && field->type == PROTOBUF_C_TYPE_MESSAGE
               ? field->descriptor
               : NULL;
}

static bool path_fits(struct slice path, const ProtobufCMessageDescriptor *type) {
    bool has_rest = true;
    while (has_rest) {
        const ProtobufCFieldDescriptor *field = field_of(type, first_name(path, &path, &has_rest));
        if (field == NULL) {
            return false;
        }
        type = inside(field);
    }
    return true;
}

bool field_mask_fits(const struct field_mask *mask, const ProtobufCMessageDescriptor *type) {
    for (uint32_t i = 0; i < mask->count; i++) {
        if (!path_fits(mask->paths[i], type)) {
            return false;
        }
    }
    return true;
}

static void unset(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
    uint8_t *base = (uint8_t *)message;
    if (!proto_has(message, field)) {
        return; // of a oneof another member may be set
    }
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        *(size_t *)(void *)(base + field->quantifier_offset) = 0;
        return;
    }
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        *(uint32_t *)(void *)(base + field->quantifier_offset) = 0;
        return;
    }
    memset(proto_member(message, field), 0, proto_element_size(field->type));
    if (field->quantifier_offset != 0) {
        *(protobuf_c_boolean *)(void *)(base + field->quantifier_offset) = 0;
    }
}

enum reach { REACH_NONE, REACH_WHOLE, REACH_INSIDE };

/* How far the paths reach into a field; `inner` gets what they say about its inside. */
static enum reach reach_of(const struct field_mask *mask, const char *field,
                           struct slice *inner_paths, struct field_mask *inner) {
    *inner = (struct field_mask){.paths = inner_paths};
    enum reach reach = REACH_NONE;
    for (uint32_t i = 0; i < mask->count; i++) {
        struct slice rest;
        bool has_rest;
        struct slice name = first_name(mask->paths[i], &rest, &has_rest);
        if (!slice_equal(name, slice_from_string(field))) {
            continue;
        }
        if (!has_rest) {
            return REACH_WHOLE; // whatever other paths say of its inside
        }
        reach = REACH_INSIDE;
        inner_paths[inner->count++] = rest;
    }
    return reach;
}

void field_mask_trim(const struct field_mask *mask, ProtobufCMessage *message) {
    if (mask->count == 0) {
        return;
    }
    struct slice *inner_paths = mem_calloc(mask->count, sizeof(*inner_paths));
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        struct field_mask inner;
        switch (reach_of(mask, field->name, inner_paths, &inner)) {
        case REACH_NONE:
            unset(message, field);
            break;
        case REACH_WHOLE:
            break;
        case REACH_INSIDE:
            if (proto_has(message, field)) {
                field_mask_trim(&inner, *(ProtobufCMessage **)proto_member(message, field));
            }
            break;
        }
    }
    mem_free(inner_paths);
}

/* ---- through an Any ---- */

static const ProtobufCFieldDescriptor *any_field(const ProtobufCMessage *message,
                                                 struct slice name) {
    const ProtobufCFieldDescriptor *field = field_of(message->descriptor, name);
    return field != NULL && inside(field) == &google__protobuf__any__descriptor ? field : NULL;
}

static bool trim_any(const struct field_mask *mask, Google__Protobuf__Any *any,
                     struct arena *arena) {
    struct validation v;
    const struct proto_message_info *info;
    validation_init(&v, arena, SLICE(""));
    ProtobufCMessage *resource = proto_any_unpack(&any->base, arena, &info, &v);
    if (resource == NULL || !field_mask_fits(mask, resource->descriptor)) {
        return false;
    }
    field_mask_trim(mask, resource);
    struct slice packed = proto_pack(resource, arena);
    any->value = (ProtobufCBinaryData){packed.len, (uint8_t *)(uintptr_t)packed.ptr};
    return true;
}

bool field_mask_trim_resource(const struct field_mask *mask, ProtobufCMessage *message,
                              struct arena *arena) {
    struct slice *paths = ARENA_NEW_ARRAY(arena, 2 * (size_t)mask->count, struct slice);
    struct field_mask outer = {.paths = paths};
    struct field_mask inner = {.paths = paths + mask->count};
    const ProtobufCFieldDescriptor *any = NULL;
    for (uint32_t i = 0; i < mask->count; i++) {
        struct slice rest;
        bool has_rest;
        struct slice name = first_name(mask->paths[i], &rest, &has_rest);
        const ProtobufCFieldDescriptor *field = any_field(message, name);
        any = field != NULL ? field : any;
        paths[outer.count++] = field != NULL ? name : mask->paths[i];
        if (field != NULL) {
            paths[mask->count + inner.count++] = rest; // empty: the Any alone, which names no field
        }
    }
    if (any != NULL && proto_has(message, any) &&
        !trim_any(&inner, *(Google__Protobuf__Any **)proto_member(message, any), arena)) {
        return false;
    }
    if (!field_mask_fits(&outer, message->descriptor)) {
        return false;
    }
    field_mask_trim(&outer, message);
    return true;
}
