// SPDX-License-Identifier: Apache-2.0
#include "src/base/packed_bytes.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

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

START_TEST(packed_bytes_try_keeps_within_its_limit) {
    enum { BYTES = 20000 };
    uint8_t *bytes = mem_alloc(BYTES);
    uint8_t *back = mem_alloc(BYTES);
    struct packer *packer = packer_new();
    for (size_t i = 0; i < BYTES; i++) {
        bytes[i] = (uint8_t)(i % 100 < 80 ? i % 7 : i * i / 100);
    }
    // One after the other: none knows of the one before.
    for (size_t len = BYTES; len > 0; len /= 3) {
        struct packed_bytes packed, refused;
        ck_assert_int_eq(packed_bytes_try(&packed, packer, slice_make(bytes, len), len + 100),
                         STATUS_OK);
        ck_assert_uint_eq(packed.full_len, len);
        ck_assert_int_eq(packed_bytes_try(&refused, packer, slice_make(bytes, len), packed.len - 1),
                         STATUS_LIMIT);
        ck_assert_ptr_null(refused.ptr);
        memset(back, 0xee, BYTES);
        packed_bytes_write(&packed, back);
        ck_assert_mem_eq(back, bytes, len);
        ck_assert(len == BYTES || back[len] == 0xee);
        packed_bytes_deinit(&packed);
    }
    packer_free(packer);
    mem_free(bytes);
    mem_free(back);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("packed_bytes");
    TCase *tcase = tcase_create("packed_bytes");
    tcase_add_test(tcase, packed_bytes_come_back_as_they_were);
    tcase_add_test(tcase, packed_bytes_that_repeat_become_few);
    tcase_add_test(tcase, packed_bytes_try_keeps_within_its_limit);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
