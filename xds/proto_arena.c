// SPDX-License-Identifier: Apache-2.0
#include "xds/proto_arena.h"

static void *proto_arena_alloc(void *arg, size_t size) {
    return arena_alloc(arg, size);
}

static void proto_arena_free(void *arg, void *ptr) {
    (void)arg;
    (void)ptr;
}

ProtobufCAllocator proto_arena_allocator(struct arena *arena) {
    return (ProtobufCAllocator){
        .alloc = proto_arena_alloc, .free = proto_arena_free, .allocator_data = arena};
}
