// SPDX-License-Identifier: Apache-2.0
#include "src/base/packed_bytes.h"

#include <check.h>
#include <stdlib.h>

#include "src/base/arena.h"
#include "src/base/check.h"

static void check_round_trip(struct slice bytes) {
    struct packed_bytes packed;
    struct arena arena;
    arena_init_heap(&arena, 0);
    packed_bytes_init(&packed, bytes);
    ck_assert_uint_eq(packed.full_len, bytes.len);
    // A copy of its own, as often as it is asked for.
    for (int i = 0; i < 2; i++) {
        struct slice got = packed_bytes_get(&packed, &arena);
        ck_assert(slice_equal(got, bytes));
    }
    packed_bytes_deinit(&packed);
    arena_deinit(&arena);
}

START_TEST(packed_bytes_come_back_as_they_were) {
    enum { BYTES = 300000 };
    uint8_t *bytes = mem_alloc(BYTES);
    uint32_t state = 1;
    for (size_t i = 0; i < BYTES; i++) {
        state = state * 1664525 + 1013904223; // nothing to be gained: the kept form is longer
        bytes[i] = (uint8_t)(state >> 24);
    }
    static const size_t lengths[] = {0, 1, 2, 100, 65535, 65536, BYTES};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        check_round_trip(slice_make(bytes, lengths[i]));
    }
    mem_free(bytes);
}
END_TEST

START_TEST(packed_bytes_that_repeat_become_few) {
    enum { BYTES = 1 << 20 };
    const struct slice word = SLICE("cluster");
    uint8_t *bytes = mem_alloc(BYTES);
    for (size_t i = 0; i < BYTES; i++) {
        bytes[i] = (uint8_t)(word.ptr[i % word.len] + i / 5000 % 3);
    }
    struct packed_bytes packed;
    packed_bytes_init(&packed, slice_make(bytes, BYTES));
    ck_assert_uint_lt(packed.len, BYTES / 20);
    packed_bytes_deinit(&packed);
    check_round_trip(slice_make(bytes, BYTES));
    mem_free(bytes);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("packed_bytes");
    TCase *tcase = tcase_create("packed_bytes");
    tcase_add_test(tcase, packed_bytes_come_back_as_they_were);
    tcase_add_test(tcase, packed_bytes_that_repeat_become_few);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
