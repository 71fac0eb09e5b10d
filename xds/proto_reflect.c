// SPDX-License-Identifier: Apache-2.0
#include "xds/proto_reflect.h"

#include "src/base/check.h"
#include "src/base/hash_map.h"
#include "xds/proto_arena.h"
#include "xds/wire_check.h"

enum { ANY_TYPE_URL = 1, ANY_VALUE = 2 };

struct well_known_name {
    const char *name;
    enum proto_well_known kind;
};

static const struct well_known_name WELL_KNOWN[] = {
    {"Any", PROTO_WELL_KNOWN_ANY},
    {"Duration", PROTO_WELL_KNOWN_DURATION},
    {"Timestamp", PROTO_WELL_KNOWN_TIMESTAMP},
    {"Struct", PROTO_WELL_KNOWN_STRUCT},
    {"Value", PROTO_WELL_KNOWN_VALUE},
    {"ListValue", PROTO_WELL_KNOWN_LIST},
    {"FieldMask", PROTO_WELL_KNOWN_FIELD_MASK},
    {"Empty", PROTO_WELL_KNOWN_EMPTY},
    {"DoubleValue", PROTO_WELL_KNOWN_WRAPPER},
    {"FloatValue", PROTO_WELL_KNOWN_WRAPPER},
    {"Int64Value", PROTO_WELL_KNOWN_WRAPPER},
    {"UInt64Value", PROTO_WELL_KNOWN_WRAPPER},
    {"Int32Value", PROTO_WELL_KNOWN_WRAPPER},
    {"UInt32Value", PROTO_WELL_KNOWN_WRAPPER},
    {"BoolValue", PROTO_WELL_KNOWN_WRAPPER},
    {"StringValue", PROTO_WELL_KNOWN_WRAPPER},
    {"BytesValue", PROTO_WELL_KNOWN_WRAPPER},
};

enum proto_well_known proto_well_known_of(const struct proto_message_info *info) {
    static const char PACKAGE[] = "google.protobuf.";
    if (strncmp(info->name, PACKAGE, sizeof(PACKAGE) - 1) != 0) {
        return PROTO_NOT_WELL_KNOWN;
    }
    const char *name = info->name + sizeof(PACKAGE) - 1;
    for (size_t i = 0; i < ARRAY_LEN(WELL_KNOWN); i++) {
        if (strcmp(WELL_KNOWN[i].name, name) == 0) {
            return WELL_KNOWN[i].kind;
        }
    }
    return PROTO_NOT_WELL_KNOWN;
}

ProtobufCMessage *proto_new(const struct proto_message_info *info, struct arena *arena) {
    ProtobufCMessage *message = arena_calloc(arena, 1, info->descriptor->sizeof_message);
    protobuf_c_message_init(info->descriptor, message);
    return message;
}

static void *at_offset(const ProtobufCMessage *message, unsigned offset) {
    return (void *)((uintptr_t)message + offset);
}

void *proto_member(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
    return at_offset(message, field->offset);
}

static bool is_oneof(const ProtobufCFieldDescriptor *field) {
    return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

static bool is_pointer(const ProtobufCFieldDescriptor *field) {
    return field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE;
}

size_t proto_element_size(ProtobufCType type) {
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_ENUM:
        return 4;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    }
    return 0;
}

struct slice proto_text(const void *member) {
    return slice_from_string(*(const char *const *)member);
}

static bool is_zero(const void *bytes, size_t len) {
    const uint8_t *byte = bytes;
    for (size_t i = 0; i < len; i++) {
        if (byte[i] != 0) {
            return false;
        }
    }
    return true;
}

bool proto_has(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
    const void *member = proto_member(message, field);
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        return proto_count(message, field) > 0;
    }
    if (is_oneof(field)) {
        uint32_t chosen = *(const uint32_t *)at_offset(message, field->quantifier_offset);
        return chosen == field->id &&
               (field->type != PROTOBUF_C_TYPE_MESSAGE || *(void *const *)member != NULL);
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        return *(void *const *)member != NULL;
    }
    if (field->label == PROTOBUF_C_LABEL_NONE) {
        if (field->type == PROTOBUF_C_TYPE_STRING) {
            return proto_text(member).len > 0;
        }
        if (field->type == PROTOBUF_C_TYPE_BYTES) {
            return ((const ProtobufCBinaryData *)member)->len > 0;
        }
        return !is_zero(member, proto_element_size(field->type));
    }
    if (is_pointer(field)) {
        const void *text = *(void *const *)member;
        return text != NULL && text != field->default_value;
    }
    return *(const protobuf_c_boolean *)at_offset(message, field->quantifier_offset) != 0;
}

void proto_mark_set(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
    if (is_oneof(field)) {
        *(uint32_t *)at_offset(message, field->quantifier_offset) = field->id;
    } else if (field->label == PROTOBUF_C_LABEL_OPTIONAL && !is_pointer(field)) {
        *(protobuf_c_boolean *)at_offset(message, field->quantifier_offset) = 1;
    }
}

bool proto_oneof_is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
    return is_oneof(field) && *(uint32_t *)at_offset(message, field->quantifier_offset) != 0;
}

size_t proto_count(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
    return *(const size_t *)at_offset(message, field->quantifier_offset);
}

void *proto_element(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                    size_t index) {
    uint8_t *array = *(uint8_t **)proto_member(message, field);
    return array + index * proto_element_size(field->type);
}

void *proto_append(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, size_t more,
                   struct arena *arena) {
    size_t *count = at_offset(message, field->quantifier_offset);
    void **array = proto_member(message, field);
    size_t size = proto_element_size(field->type);
    uint8_t *grown = arena_calloc(arena, *count + more, size);
    if (*count > 0) {
        memcpy(grown, *array, *count * size);
    }
    uint8_t *first = grown + *count * size;
    *array = grown;
    *count += more;
    return first;
}

void *proto_member_by_number(const ProtobufCMessage *message, uint32_t number) {
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(message->descriptor, number);
    return field == NULL ? NULL : proto_member(message, field);
}

static struct slice map_key(const ProtobufCMessage *entry) {
    const ProtobufCFieldDescriptor *key = &entry->descriptor->fields[0];
    const void *member = proto_member(entry, key);
    return key->type == PROTOBUF_C_TYPE_STRING ? proto_text(member)
                                               : slice_make(member, proto_element_size(key->type));
}

void proto_map_keep_last(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
    size_t *count = at_offset(message, field->quantifier_offset);
    if (*count < 2) {
        return;
    }
    ProtobufCMessage **entries = proto_element(message, field, 0);
    struct hash_map seen;
    hash_map_init(&seen);
    size_t kept_from = *count; /* from the end, so that the last of a key comes first */
    for (size_t i = *count; i-- > 0;) {
        if (hash_map_get(&seen, map_key(entries[i])) == NULL) {
            (void)hash_map_put(&seen, map_key(entries[i]), entries[i]);
            entries[--kept_from] = entries[i];
        }
    }
    hash_map_deinit(&seen);
    *count -= kept_from;
    memmove(entries, entries + kept_from, *count * sizeof(ProtobufCMessage *));
}

/* Decoders rely on a map entry's message value being there, and on keys being different. */
static void repair_maps(ProtobufCMessage *message, const struct proto_message_info *info,
                        struct arena *arena) {
    bool is_entry = (info->flags & PROTO_MESSAGE_MAP_ENTRY) != 0;
    for (unsigned i = 0; i < info->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &info->descriptor->fields[i];
        if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
            continue;
        }
        void **member = proto_member(message, field);
        if (is_entry && *member == NULL) {
            *member = proto_new(info->fields[i].message, arena);
        }
        if ((info->fields[i].flags & PROTO_FIELD_MAP) != 0) {
            proto_map_keep_last(message, field);
        }
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            for (size_t k = 0; k < proto_count(message, field); k++) {
                ProtobufCMessage **element = proto_element(message, field, k);
                repair_maps(*element, info->fields[i].message, arena);
            }
        } else if (proto_has(message, field)) {
            repair_maps(*member, info->fields[i].message, arena);
        }
    }
}

ProtobufCMessage *proto_unpack(const struct proto_message_info *info, struct slice bytes,
                               struct arena *arena, struct validation *v) {
    struct wire_report report;
    if (wire_check(info, bytes, NULL, &report, v) != STATUS_OK) {
        return NULL;
    }
    ProtobufCAllocator allocator = proto_arena_allocator(arena);
    static const uint8_t NOTHING = 0;
    ProtobufCMessage *message = protobuf_c_message_unpack(info->descriptor, &allocator, bytes.len,
                                                          bytes.len > 0 ? bytes.ptr : &NOTHING);
    if (message == NULL) {
        validation_error(v, "malformed %s", info->name);
        return NULL;
    }
    if (report.has_sparse_map_entry || report.has_larger_map) {
        repair_maps(message, info, arena);
    }
    return message;
}

struct slice proto_pack(const ProtobufCMessage *message, struct arena *arena) {
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = arena_alloc_bytes(arena, len > 0 ? len : 1);
    protobuf_c_message_pack(message, bytes);
    return slice_make(bytes, len);
}

struct proto_any proto_any_view(const ProtobufCMessage *message) {
    const ProtobufCBinaryData *value = proto_member_by_number(message, ANY_VALUE);
    return (struct proto_any){
        .type_url = proto_text(proto_member_by_number(message, ANY_TYPE_URL)),
        .value = slice_make(value->data, value->len),
    };
}

ProtobufCMessage *proto_any_unpack(const ProtobufCMessage *any, struct arena *arena,
                                   const struct proto_message_info **info, struct validation *v) {
    struct proto_any view = proto_any_view(any);
    const struct proto_message_info *found = proto_message_find_url(view.type_url);
    if (found == NULL) {
        return NULL;
    }
    ProtobufCMessage *message = proto_unpack(found, view.value, arena, v);
    if (message != NULL) {
        *info = found;
    }
    return message;
}

static bool replace_map_entry(ProtobufCMessage *to, const ProtobufCFieldDescriptor *field,
                              ProtobufCMessage *entry, size_t count) {
    for (size_t i = 0; i < count; i++) {
        ProtobufCMessage **present = proto_element(to, field, i);
        if (slice_equal(map_key(*present), map_key(entry))) {
            *present = entry;
            return true;
        }
    }
    return false;
}

static void merge_map(ProtobufCMessage *to, const ProtobufCMessage *from,
                      const ProtobufCFieldDescriptor *field, struct arena *arena) {
    size_t count = proto_count(to, field);
    for (size_t i = 0; i < proto_count(from, field); i++) {
        ProtobufCMessage *entry = *(ProtobufCMessage **)proto_element(from, field, i);
        if (!replace_map_entry(to, field, entry, count)) {
            *(ProtobufCMessage **)proto_append(to, field, 1, arena) = entry;
        }
    }
}

static void merge_singular(ProtobufCMessage *to, const ProtobufCMessage *from,
                           const ProtobufCFieldDescriptor *field, struct arena *arena) {
    void *target = proto_member(to, field);
    const void *source = proto_member(from, field);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE && proto_has(to, field)) {
        proto_merge(*(ProtobufCMessage **)target, *(ProtobufCMessage *const *)source, arena);
        return;
    }
    proto_mark_set(to, field);
    memcpy(target, source, proto_element_size(field->type));
}

void proto_merge(ProtobufCMessage *to, const ProtobufCMessage *from, struct arena *arena) {
    const struct proto_message_info *info = proto_message_of(to->descriptor);
    CHECK(to->descriptor == from->descriptor && info != NULL);
    for (unsigned i = 0; i < to->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &to->descriptor->fields[i];
        if (!proto_has(from, field)) {
            continue;
        }
        if ((info->fields[i].flags & PROTO_FIELD_MAP) != 0) {
            merge_map(to, from, field, arena);
        } else if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t count = proto_count(from, field);
            void *added = proto_append(to, field, count, arena);
            memcpy(added, proto_element(from, field, 0), count * proto_element_size(field->type));
        } else {
            merge_singular(to, from, field, arena);
        }
    }
}
