// SPDX-License-Identifier: Apache-2.0
// Target functions: authz_message_decode, authz_wire_check behind it, authz_mutate_query.
// Oracle: what is refused is an error and changes nothing; what is taken has text without NUL and in
// UTF-8, names in lower case; twice the same bytes give the same answer.
#include "filters/http/ext_authz/ext_authz.h"
#include "src/base/check.h"

static void check_text(struct slice text) {
    CHECK(slice_find_byte(text, 0) == SIZE_MAX && slice_is_utf8(text));
}

static void check_name(struct slice name) {
    for (size_t i = 0; i < name.len; i++) {
        CHECK(name.ptr[i] < 'A' || name.ptr[i] > 'Z');
    }
}

static void check_headers(const struct authz_headers *headers) {
    for (uint32_t i = 0; i < headers->count; i++) {
        check_name(headers->items[i].name);
        CHECK(headers->items[i].action <= AUTHZ_HEADER_SET_IF_EXISTS);
        (void)authz_header_is_response_safe(&headers->items[i]);
    }
}

static void check_response(const struct authz_response *response, struct arena *arena) {
    check_headers(&response->request);
    check_headers(&response->response);
    check_headers(&response->reply);
    check_text(response->body);
    for (uint32_t i = 0; i < response->remove_count; i++) {
        check_name(response->remove[i]);
    }
    for (uint32_t i = 0; i < response->query_set_count; i++) {
        check_text(response->query_set[i].name);
        check_text(response->query_set[i].value);
    }
    struct slice path = authz_mutate_query(response, SLICE("/p?a=b&c"), arena);
    CHECK(slice_starts_with(path, SLICE("/p")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena arena;
    struct authz_response first, second;
    arena_init_heap(&arena, 0);
    enum status status = authz_message_decode(slice_make(data, size), &arena, &first);
    CHECK(authz_message_decode(slice_make(data, size), &arena, &second) == status);
    CHECK(first.verdict == second.verdict && first.status == second.status);
    if (status == STATUS_OK) {
        check_response(&first, &arena);
    } else {
        CHECK(first.verdict == AUTHZ_VERDICT_ERROR && first.request.count == 0);
    }
    arena_deinit(&arena);
    return 0;
}
