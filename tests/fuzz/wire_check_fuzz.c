// SPDX-License-Identifier: Apache-2.0
/*
 * Target functions: wire_check, protobuf_c_message_unpack behind it, proto_json_write and pgv_validate.
 * The first byte chooses the message type, the rest is the wire form. Invariants: protobuf-c takes what
 * wire_check lets through, and what it unpacked packs to bytes that pass again.
 */
#include "tests/fuzz/proto_fuzz_shared.h"
#include "xds/wire_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_message(const struct proto_message_info *info, struct slice wire,
                          struct arena *arena) {
    struct validation v;
    struct validation again;
    validation_init(&v, arena, SLICE(""));
    validation_init(&again, arena, SLICE(""));
    if (wire_check(info, wire, NULL, NULL, &v) != STATUS_OK) {
        CHECK(!validation_ok(&v));
        return;
    }
    ProtobufCMessage *message = proto_unpack(info, wire, arena, &v);
    CHECK(message != NULL);
    CHECK(proto_unpack(info, proto_pack(message, arena), arena, &again) != NULL);
    struct proto_json_write_options options = {.is_pretty = true, .redact = wire.len % 2 == 0};
    (void)proto_json_text(message, &options, arena);
    pgv_validate(message, NULL, &v);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct arena arena;
    if (len < 1) {
        return 0;
    }
    arena_init_heap(&arena, 0);
    check_message(fuzz_type(bytes[0]), slice_make(bytes + 1, len - 1), &arena);
    arena_deinit(&arena);
    return 0;
}
