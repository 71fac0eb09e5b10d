// SPDX-License-Identifier: Apache-2.0
#include "proto/proto_registry.h"

#include <string.h>

#include "proto/proto_tables.h"

size_t proto_message_count(void) {
    return proto_message_table_size;
}

const struct proto_message_info *proto_message_at(size_t index) {
    return &proto_message_table[index];
}

const struct proto_message_info *proto_message_find(struct slice name) {
    size_t low = 0;
    size_t high = proto_message_table_size;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct proto_message_info *info = &proto_message_table[middle];
        int order = slice_compare(name, slice_from_string(info->name));
        if (order == 0) {
            return info;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

const struct proto_message_info *proto_message_find_url(struct slice type_url) {
    size_t slash = slice_rfind_byte(type_url, '/');
    if (slash == SIZE_MAX) {
        return NULL;
    }
    return proto_message_find(slice_sub(type_url, slash + 1, SIZE_MAX));
}

const struct proto_message_info *proto_message_of(const ProtobufCMessageDescriptor *descriptor) {
    const struct proto_message_info *info = proto_message_find(slice_from_string(descriptor->name));
    return info != NULL && info->descriptor == descriptor ? info : NULL;
}

const struct proto_field_info *proto_field_find(const struct proto_message_info *message,
                                                struct slice key) {
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const struct proto_field_info *field = &message->fields[i];
        if (slice_equal(key, slice_from_string(field->name)) ||
            slice_equal(key, slice_from_string(field->json_name))) {
            return field;
        }
    }
    return NULL;
}

const ProtobufCFieldDescriptor *proto_field_descriptor(const struct proto_message_info *message,
                                                       const struct proto_field_info *field) {
    return &message->descriptor->fields[field - message->fields];
}

uint16_t proto_enum_value_flags(const struct proto_enum_info *info, int32_t number) {
    for (size_t i = 0; i < info->marked_count; i++) {
        if (info->marked_values[i].number == number) {
            return info->marked_values[i].flags;
        }
    }
    return 0;
}

const char *proto_api_set(void) {
    return proto_api_set_name;
}
