// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "proto/proto_registry.h"
#include "xds/decode/decoder.h"
#include "xds/proto_reflect.h"

/* Seeds that keep kinds of input apart. */
enum { SEED_FIELD = 1, SEED_BYTES = 2, SEED_ANY = 3 };

enum { HASH_MAX_ANY_DEPTH = 16 };

struct hashing {
    struct arena *arena;
    uint32_t any_depth;
};

static uint64_t hash_message(struct hashing *h, const ProtobufCMessage *message);

static uint64_t mix(uint64_t hash, uint64_t value) {
    uint64_t both[2] = {hash, value};
    return slice_xxhash64(slice_make(both, sizeof(both)), SEED_FIELD);
}

static uint64_t hash_element(struct hashing *h, const ProtobufCFieldDescriptor *field,
                             const void *element) {
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return slice_xxhash64(proto_text(element), SEED_BYTES);
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *bytes = element;
        return slice_xxhash64(slice_make(bytes->data, bytes->len), SEED_BYTES);
    }
    case PROTOBUF_C_TYPE_MESSAGE: {
        const ProtobufCMessage *const *child = element;
        return *child == NULL ? 0 : hash_message(h, *child);
    }
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
        return slice_xxhash64(slice_make(element, proto_element_size(field->type)), SEED_BYTES);
    }
    return 0;
}

static bool is_map(const ProtobufCMessage *message, unsigned index) {
    const struct proto_message_info *info = proto_message_of(message->descriptor);
    return info != NULL && (info->fields[index].flags & PROTO_FIELD_MAP) != 0;
}

static uint64_t hash_repeated(struct hashing *h, const ProtobufCMessage *message, unsigned index) {
    const ProtobufCFieldDescriptor *field = &message->descriptor->fields[index];
    size_t count = proto_count(message, field);
    // Entries of a map add up, whatever their order; a list's are chained.
    bool is_unordered = is_map(message, index);
    uint64_t hash = count;
    for (size_t i = 0; i < count; i++) {
        uint64_t element = hash_element(h, field, proto_element(message, field, i));
        hash = is_unordered ? hash + mix(SEED_FIELD, element) : mix(hash, element);
    }
    return hash;
}

static uint64_t hash_any(struct hashing *h, const ProtobufCMessage *message) {
    struct proto_any any = proto_any_view(message);
    uint64_t hash = slice_xxhash64(any.type_url, SEED_ANY);
    const struct proto_message_info *info = NULL;
    struct validation v;
    const ProtobufCMessage *inner = NULL;
    if (h->any_depth < HASH_MAX_ANY_DEPTH) {
        validation_init(&v, h->arena, SLICE(""));
        inner = proto_any_unpack(message, h->arena, &info, &v);
    }
    if (inner == NULL) {
        return mix(hash, slice_xxhash64(any.value, SEED_BYTES));
    }
    h->any_depth++;
    hash = mix(hash, hash_message(h, inner));
    h->any_depth--;
    return hash;
}

static uint64_t hash_message(struct hashing *h, const ProtobufCMessage *message) {
    if (message->descriptor == &google__protobuf__any__descriptor) {
        return hash_any(h, message);
    }
    uint64_t hash = SEED_FIELD;
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (!proto_has(message, field)) {
            continue;
        }
        uint64_t value = field->label == PROTOBUF_C_LABEL_REPEATED
                             ? hash_repeated(h, message, i)
                             : hash_element(h, field, proto_member(message, field));
        hash = mix(mix(hash, field->id), value);
    }
    return hash;
}

uint64_t canonical_hash(const ProtobufCMessage *message, struct arena *scratch) {
    struct hashing h = {.arena = scratch};
    return hash_message(&h, message);
}
