// SPDX-License-Identifier: Apache-2.0
#include "xds/typed_config.h"

#include "xds/bootstrap/document.h"
#include "xds/bootstrap/proto_json.h"
#include "xds/proto_reflect.h"

enum { TYPED_STRUCT_TYPE_URL = 1, TYPED_STRUCT_VALUE = 2 };

bool typed_config_is_typed_struct(const struct proto_message_info *info) {
    return strcmp(info->name, "xds.type.v3.TypedStruct") == 0 ||
           strcmp(info->name, "udpa.type.v1.TypedStruct") == 0;
}

/* By way of JSON: that is how a TypedStruct is defined. */
static ProtobufCMessage *read_struct(const struct proto_message_info *info,
                                     const ProtobufCMessage *content, struct arena *arena,
                                     struct arena *scratch, struct validation *v) {
    static const struct proto_json_write_options WRITE = {.is_pretty = false};
    static const struct proto_json_read_options READ = {.unknown_is_error = false};
    const struct document_node *root;
    struct error err;
    struct slice text = proto_json_text(content, &WRITE, scratch);
    if (document_parse_json(text, scratch, &root, &err) != STATUS_OK) {
        validation_error(v, "%s", err.message);
        return NULL;
    }
    uint32_t errors_before = v->error_count;
    ProtobufCMessage *message = proto_json_read(info, root, &READ, arena, v);
    return v->error_count == errors_before ? message : NULL;
}

ProtobufCMessage *typed_config_from_struct(const ProtobufCMessage *typed_struct,
                                           struct arena *arena,
                                           const struct proto_message_info **info,
                                           struct validation *v) {
    struct slice type_url = proto_text(proto_member_by_number(typed_struct, TYPED_STRUCT_TYPE_URL));
    const ProtobufCMessage *content =
        *(ProtobufCMessage **)proto_member_by_number(typed_struct, TYPED_STRUCT_VALUE);
    const struct proto_message_info *found = proto_message_find_url(type_url);
    if (found == NULL) {
        return NULL;
    }
    if (content == NULL) {
        *info = found;
        return proto_new(found, arena);
    }
    struct arena scratch;
    arena_init_heap(&scratch, 0);
    ProtobufCMessage *message = read_struct(found, content, arena, &scratch, v);
    arena_deinit(&scratch);
    if (message != NULL) {
        *info = found;
    }
    return message;
}

ProtobufCMessage *typed_config_open(const ProtobufCMessage *any, struct arena *arena,
                                    const struct proto_message_info **info, struct slice *type_url,
                                    struct validation *v) {
    if (type_url != NULL) {
        *type_url = proto_any_view(any).type_url;
    }
    ProtobufCMessage *message = proto_any_unpack(any, arena, info, v);
    if (message == NULL || !typed_config_is_typed_struct(*info)) {
        return message;
    }
    if (type_url != NULL) {
        *type_url = proto_text(proto_member_by_number(message, TYPED_STRUCT_TYPE_URL));
    }
    uint32_t errors_before = v->error_count;
    ProtobufCMessage *meant = typed_config_from_struct(message, arena, info, v);
    if (meant == NULL && v->error_count == errors_before) {
        return message;
    }
    return meant;
}
