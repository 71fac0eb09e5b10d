// SPDX-License-Identifier: Apache-2.0
// Target functions: client_hello_parse.
// Oracle: every prefix of the bytes is asked in turn, as they would arrive; once the answer is not
// "more", later bytes do not change it, nor what was found.
#include "filters/listener/tls_inspector/client_hello.h"
#include "src/base/check.h"

static void check_same(const struct client_hello *a, const struct client_hello *b) {
    CHECK(slice_equal(a->server_name, b->server_name));
    CHECK(a->protocol_count == b->protocol_count);
    CHECK(a->protocol_count <= CLIENT_HELLO_MAX_PROTOCOLS);
    for (uint32_t i = 0; i < a->protocol_count; i++) {
        CHECK(a->protocols[i].len > 0);
        CHECK(slice_equal(a->protocols[i], b->protocols[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 4096) {
        return 0;
    }
    struct arena arena;
    arena_init_heap(&arena, 0);
    struct client_hello whole;
    enum client_hello_result result = client_hello_parse(slice_make(data, size), &arena, &whole);
    bool is_decided = false;
    for (size_t len = 1; len <= size && !is_decided; len++) {
        struct client_hello part;
        enum client_hello_result so_far = client_hello_parse(slice_make(data, len), &arena, &part);
        is_decided = so_far != CLIENT_HELLO_MORE;
        if (is_decided) {
            CHECK(so_far == result);
        }
        if (so_far == CLIENT_HELLO_FOUND) {
            check_same(&part, &whole);
        }
    }
    CHECK(is_decided == (result != CLIENT_HELLO_MORE) || size == 0);
    arena_deinit(&arena);
    return 0;
}
