// SPDX-License-Identifier: Apache-2.0
/*
 * protobuf-c's allocator over an arena: what unpack makes dies with the arena, free is a no-op. Never
 * call protobuf_c_message_free_unpacked on such a message. The arena must outlive the allocator.
 * Single thread, as the arena.
 */
#ifndef XDS_PROTO_ARENA_H
#define XDS_PROTO_ARENA_H

#include <protobuf-c/protobuf-c.h>

#include "src/base/arena.h"

ProtobufCAllocator proto_arena_allocator(struct arena *arena);

#endif
