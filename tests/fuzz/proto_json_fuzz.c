// SPDX-License-Identifier: Apache-2.0
/*
 * Target functions: document_parse_json, proto_json_read, proto_json_write, proto_pack, proto_unpack,
 * wire_check and pgv_validate. The first byte chooses the message type, the rest is the document.
 * Invariants: what was read can be written, and reads back to the same text.
 */
#include "tests/fuzz/proto_fuzz_shared.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct arena arena;
    struct error err;
    const struct document_node *root;
    if (len < 1) {
        return 0;
    }
    arena_init_heap(&arena, 0);
    if (document_parse_json(slice_make(bytes + 1, len - 1), &arena, &root, &err) == STATUS_OK) {
        fuzz_document(fuzz_type(bytes[0]), root, false, &arena);
    }
    arena_deinit(&arena);
    return 0;
}
