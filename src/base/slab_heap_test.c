// SPDX-License-Identifier: Apache-2.0
#include "src/base/slab_heap.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/check.h"

enum { BLOCKS = 4000 };

static const size_t sizes[] = {0,   1,   8,   9,    40,   127,  128,  129,  160,  161,  200,
                               256, 257, 511, 1024, 1025, 2049, 3584, 4095, 4096, 4097, 20000};

static void fill(uint8_t *block, size_t size, size_t seed) {
    memset(block, (int)(seed & 0xff), size);
}

static void check_filled(const uint8_t *block, size_t size, size_t seed) {
    for (size_t i = 0; i < size; i++) {
        CHECK(block[i] == (seed & 0xff));
    }
}

START_TEST(slab_heap_blocks_of_all_sizes_do_not_overlap) {
    struct slab_heap heap;
    uint8_t *blocks[BLOCKS];
    slab_heap_init(&heap);
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t size = sizes[i % ARRAY_LEN(sizes)];
        blocks[i] = slab_alloc(&heap, size);
        ck_assert_uint_eq((uintptr_t)blocks[i] % (size > 128 ? 16 : 8), 0);
        fill(blocks[i], size, i);
    }
    ck_assert_uint_eq(heap.live_count, BLOCKS);
    // Every second one leaves and another comes in its place.
    for (size_t i = 0; i < BLOCKS; i += 2) {
        slab_free(&heap, blocks[i]);
        blocks[i] = slab_alloc(&heap, sizes[i / 2 % ARRAY_LEN(sizes)]);
        fill(blocks[i], sizes[i / 2 % ARRAY_LEN(sizes)], i);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        check_filled(blocks[i], sizes[(i % 2 == 0 ? i / 2 : i) % ARRAY_LEN(sizes)], i);
        slab_free(&heap, blocks[i]);
    }
    ck_assert_uint_eq(heap.live_count, 0);
    slab_heap_deinit(&heap);
    ck_assert_uint_eq(heap.slab_count, 0);
}
END_TEST

START_TEST(slab_heap_small_blocks_carry_no_header) {
    struct slab_heap heap;
    slab_heap_init(&heap);
    const uint8_t *first = slab_alloc(&heap, 40);
    const uint8_t *second = slab_alloc(&heap, 33);
    ck_assert_int_eq(second - first, 40);
    slab_free(&heap, (void *)(uintptr_t)first);
    ck_assert_ptr_eq(slab_alloc(&heap, 40), first);
    slab_free(&heap, (void *)(uintptr_t)first);
    slab_free(&heap, (void *)(uintptr_t)second);
    slab_free(&heap, NULL);
    slab_heap_deinit(&heap);
}
END_TEST

START_TEST(slab_heap_empty_slabs_go_but_for_one) {
    struct slab_heap heap;
    void *blocks[500];
    slab_heap_init(&heap);
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
        blocks[i] = slab_alloc(&heap, 1024);
    }
    ck_assert_uint_ge(heap.slab_count, 8);
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
        slab_free(&heap, blocks[i]);
    }
    ck_assert_uint_eq(heap.slab_count, 1);
    slab_heap_trim(&heap);
    ck_assert_uint_eq(heap.slab_count, 0);
    blocks[0] = slab_alloc(&heap, 1024);
    slab_heap_trim(&heap);
    ck_assert_uint_eq(heap.slab_count, 1);
    slab_free(&heap, blocks[0]);
    slab_heap_deinit(&heap);
}
END_TEST

START_TEST(slab_heap_blocks_tell_what_they_have_room_for) {
    struct slab_heap heap;
    slab_heap_init(&heap);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        uint8_t *block = slab_alloc(&heap, sizes[i]);
        ck_assert_uint_ge(slab_block_bytes(block), sizes[i]);
        fill(block, slab_block_bytes(block), i);
        slab_free(&heap, block);
    }
    slab_heap_deinit(&heap);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("slab_heap");
    TCase *tcase = tcase_create("slab_heap");
    tcase_add_test(tcase, slab_heap_blocks_of_all_sizes_do_not_overlap);
    tcase_add_test(tcase, slab_heap_small_blocks_carry_no_header);
    tcase_add_test(tcase, slab_heap_empty_slabs_go_but_for_one);
    tcase_add_test(tcase, slab_heap_blocks_tell_what_they_have_room_for);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
