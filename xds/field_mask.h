// SPDX-License-Identifier: Apache-2.0
/*
 * google.protobuf.FieldMask over messages of any type, as /config_dump takes it: dotted paths of field
 * names, which go neither into lists nor, but for one step of a resource, through an Any. Memory is the
 * caller's arena; single thread.
 */
#ifndef XDS_FIELD_MASK_H
#define XDS_FIELD_MASK_H

#include <protobuf-c/protobuf-c.h>

#include "src/base/arena.h"

struct field_mask {
    const struct slice *paths;
    uint32_t count; /* 0: everything is kept */
};

/* "a.b,c"; what is empty between commas is left out. */
struct field_mask field_mask_parse(struct slice text, struct arena *arena);
/* Each path names a field. */
bool field_mask_fits(const struct field_mask *mask, const ProtobufCMessageDescriptor *type);
/* Unsets in place what the mask, which fits, does not name. */
void field_mask_trim(const struct field_mask *mask, ProtobufCMessage *message);

/* The same for a message with a resource in an Any: a path that begins with the Any's name goes on in the
 * resource. False where a path names no field, or the Any alone; the message is then half done. */
bool field_mask_trim_resource(const struct field_mask *mask, ProtobufCMessage *message,
                              struct arena *arena);

#endif
