// SPDX-License-Identifier: Apache-2.0
/*
 * Below the messages: an allocator over an arena, the check of bytes before they are unpacked, and JSON
 * text of a Value. Worker threads; everything lies in the given arena.
 */
#ifndef FILTERS_HTTP_EXT_AUTHZ_EXT_AUTHZ_WIRE_CONFIG_H
#define FILTERS_HTTP_EXT_AUTHZ_EXT_AUTHZ_WIRE_CONFIG_H

#include <protobuf-c/protobuf-c.h>

#include "src/base/arena.h"

struct Google__Protobuf__Value;

/* Memory from the arena; nothing is given back. */
void authz_wire_allocator(ProtobufCAllocator *allocator, struct arena *arena);

/* STATUS_INVALID unless `bytes` can be unpacked without surprise: well formed, nested at most 100 deep,
 * known text fields without NUL and in UTF-8. */
enum status authz_wire_check(const ProtobufCMessageDescriptor *descriptor,
                             struct slice bytes) MUST_USE;

/* `bytes` behind their length as a varint. */
struct slice authz_wire_prefixed(struct slice bytes, struct arena *arena);

struct slice authz_json_of_value(const struct Google__Protobuf__Value *value, struct arena *arena);

#endif
