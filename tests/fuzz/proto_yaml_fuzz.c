// SPDX-License-Identifier: Apache-2.0
/*
 * Target functions: document_parse_yaml, proto_json_read and what proto_json_fuzz.c names. The first
 * byte chooses the message type, the rest is the document. Documents whose aliases expand to much are
 * read but not taken further, to keep the runs short.
 */
#include "tests/fuzz/proto_fuzz_shared.h"

enum { MAX_NODES = 20000 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct arena arena;
    struct error err;
    const struct document_node *root;
    if (len < 1) {
        return 0;
    }
    arena_init_heap(&arena, 0);
    if (document_parse_yaml(slice_make(bytes + 1, len - 1), &arena, &root, &err) == STATUS_OK &&
        root->weight <= MAX_NODES) {
        fuzz_document(fuzz_type(bytes[0]), root, false, &arena);
    }
    arena_deinit(&arena);
    return 0;
}
