// SPDX-License-Identifier: Apache-2.0
/*
 * Reading and building messages of any type through their descriptors: presence, repeated elements,
 * unpacking (wire_check first), Any, and merging. Memory is the caller's arena; single thread.
 */
#ifndef XDS_PROTO_REFLECT_H
#define XDS_PROTO_REFLECT_H

#include "proto/proto_registry.h"
#include "src/base/arena.h"
#include "src/config/validation.h"

/* Types whose JSON form (and partly whose rules) differ from their fields. */
enum proto_well_known {
    PROTO_NOT_WELL_KNOWN,
    PROTO_WELL_KNOWN_ANY,
    PROTO_WELL_KNOWN_DURATION,
    PROTO_WELL_KNOWN_TIMESTAMP,
    PROTO_WELL_KNOWN_STRUCT,
    PROTO_WELL_KNOWN_VALUE,
    PROTO_WELL_KNOWN_LIST,
    PROTO_WELL_KNOWN_FIELD_MASK,
    PROTO_WELL_KNOWN_WRAPPER, /* DoubleValue … BytesValue: one field, "value" */
    PROTO_WELL_KNOWN_EMPTY,
};

/* The parts of google.protobuf.Any, whatever file its struct was generated into. */
struct proto_any {
    struct slice type_url;
    struct slice value;
};

enum proto_well_known proto_well_known_of(const struct proto_message_info *info);

/* An empty message with its defaults. */
ProtobufCMessage *proto_new(const struct proto_message_info *info, struct arena *arena);

/* Address of the member that holds the field (or the array pointer of a repeated one). */
void *proto_member(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);

/* True where the field would be written: set, not the default of a field without presence, or not
 * empty. */
bool proto_has(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);

/* Makes `field` the one that is set (oneof case, has_ flag); its member is then to be written. */
void proto_mark_set(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);

/* True where the field is in a oneof of which some member is set. */
bool proto_oneof_is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);

/* Size in bytes of one element of the field's type. */
size_t proto_element_size(ProtobufCType type);
size_t proto_count(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);
/* Address of element `index` of a repeated field. */
void *proto_element(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                    size_t index);
/* Grows a repeated field by `more` zeroed elements; returns the first of them. */
void *proto_append(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, size_t more,
                   struct arena *arena);

/* Text of a string field's member (its `char *` may be NULL). */
struct slice proto_text(const void *member);

/* The value of field `number`, of the type that the caller knows (int64_t, int32_t, …); NULL if the
 * message type has no such field. */
void *proto_member_by_number(const ProtobufCMessage *message, uint32_t number);

/* Of the entries of a map field whose keys are equal only the last one stays, as protobuf says. */
void proto_map_keep_last(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);

/* wire_check, then unpack into `arena`; map entries without a value get an empty one. NULL and errors
 * in `v` (at its current path) where the bytes are refused. */
ProtobufCMessage *proto_unpack(const struct proto_message_info *info, struct slice bytes,
                               struct arena *arena, struct validation *v);
/* The message as bytes in `arena`. */
struct slice proto_pack(const ProtobufCMessage *message, struct arena *arena);

/* `message` must be a google.protobuf.Any. */
struct proto_any proto_any_view(const ProtobufCMessage *message);
/* Unpacks an Any whose type the registry knows. NULL without an error in `v` where it does not. */
ProtobufCMessage *proto_any_unpack(const ProtobufCMessage *any, struct arena *arena,
                                   const struct proto_message_info **info, struct validation *v);

/* MergeFrom: set scalars of `from` win, messages merge, repeated fields append, map entries of the
 * same key are replaced. `from` is copied shallowly: it must live as long as `to`. */
void proto_merge(ProtobufCMessage *to, const ProtobufCMessage *from, struct arena *arena);

#endif
