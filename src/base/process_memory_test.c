// SPDX-License-Identifier: Apache-2.0
#include "src/base/process_memory.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "src/base/check.h"

enum { MIB = 1 << 20 };

START_TEST(process_memory_counts_written_pages) {
    struct process_memory before = process_memory_read();
    ck_assert_uint_gt(before.resident_bytes, before.private_bytes);
    ck_assert_uint_gt(before.private_bytes, 0);
    uint8_t *block = mem_alloc(8 * MIB);
    memset(block, 1, 8 * MIB);
    struct process_memory after = process_memory_read();
    ck_assert_uint_ge(after.private_bytes, before.private_bytes + 7 * MIB);
    ck_assert_uint_ge(after.resident_bytes, before.resident_bytes + 7 * MIB);
    mem_free(block);
}
END_TEST

#ifndef __SANITIZE_ADDRESS__ /* its allocator has no trim */
enum { BLOCK_BYTES = 16384, BLOCKS = 1024 };

/* 16 MiB come and go, with a block that stays at the end of the heap, so that free alone returns
 * nothing. */
static void *burst(void) {
    void *blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = mem_alloc(BLOCK_BYTES);
        memset(blocks[i], 1, BLOCK_BYTES);
    }
    void *stays = mem_alloc(BLOCK_BYTES);
    memset(stays, 1, BLOCK_BYTES);
    for (size_t i = 0; i < BLOCKS; i++) {
        mem_free(blocks[i]);
    }
    return stays;
}

START_TEST(heap_trim_returns_each_burst) {
    struct heap_trim trim;
    heap_trim_start(&trim);
    size_t rest = process_memory_read().private_bytes;
    // The second one takes pages that were returned before, and leaves as much free as the first did.
    for (int i = 0; i < 2; i++) {
        void *stays = burst();
        ck_assert_uint_gt(process_memory_read().private_bytes, rest + 12 * MIB);
        heap_trim_run(&trim, 0);
        ck_assert_uint_lt(process_memory_read().private_bytes, rest + 2 * MIB);
        mem_free(stays);
    }
}
END_TEST

START_TEST(heap_trim_is_not_for_what_others_mapped) {
    struct heap_trim trim;
    heap_trim_start(&trim);
    void *mapped = mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(mapped != MAP_FAILED);
    memset(mapped, 1, 8 * MIB);
    heap_trim_run(&trim, 8 * MIB);
    ck_assert_uint_lt(trim.kept_bytes, 4 * MIB);
    heap_trim_run(&trim, 0); // tried, and found to be fruitless
    ck_assert_uint_gt(trim.kept_bytes, 7 * MIB);
    (void)munmap(mapped, 8 * MIB);
}
END_TEST

START_TEST(heap_trim_fruitless_is_not_repeated) {
    struct heap_trim trim;
    heap_trim_start(&trim);
    // Half a page each stays: nothing can be returned, though half of it is free.
    enum { PIECES = 8192, PIECE_BYTES = 2032 };
    static void *pieces[PIECES];
    for (size_t i = 0; i < PIECES; i++) {
        pieces[i] = mem_alloc(PIECE_BYTES);
        memset(pieces[i], 1, PIECE_BYTES);
    }
    for (size_t i = 0; i < PIECES; i += 2) {
        mem_free(pieces[i]);
    }
    heap_trim_run(&trim, 0);
    size_t kept = trim.kept_bytes;
    ck_assert_uint_gt(kept, PIECES / 2 * PIECE_BYTES / 2);
    heap_trim_run(&trim, 0);
    ck_assert_uint_ge(kept + MIB, trim.kept_bytes);
    // Once all is free it counts again.
    for (size_t i = 1; i < PIECES; i += 2) {
        mem_free(pieces[i]);
    }
    size_t before = process_memory_read().private_bytes;
    heap_trim_run(&trim, 0);
    ck_assert_uint_lt(process_memory_read().private_bytes,
                      before - (size_t)PIECES / 2 * PIECE_BYTES);
}
END_TEST

/* What a trim could not return while blocks in use lay between, it returns when those are gone, though
 * no more is unused than then: the upper half goes back by itself, the lower one stays behind a block. */
START_TEST(heap_trim_is_tried_again_when_much_was_freed) {
    struct heap_trim trim;
    heap_trim_start(&trim);
    enum { PIECES = 8192, PIECE_BYTES = 2032, HALF_BYTES = PIECES / 2 * PIECE_BYTES };
    static void *pieces[PIECES];
    void *stays = NULL;
    for (size_t i = 0; i < PIECES; i++) {
        pieces[i] = mem_alloc(PIECE_BYTES);
        memset(pieces[i], 1, PIECE_BYTES);
        if (i == PIECES / 2) {
            stays = mem_alloc(PIECE_BYTES);
        }
    }
    for (size_t i = 0; i < PIECES; i += 2) {
        mem_free(pieces[i]);
    }
    heap_trim_run(&trim, 0);
    ck_assert_uint_gt(trim.fruitless_in_use_bytes, HALF_BYTES / 2);
    for (size_t i = 1; i < PIECES; i += 2) {
        mem_free(pieces[i]);
    }
    size_t before = process_memory_read().private_bytes;
    heap_trim_run(&trim, 0);
    ck_assert_uint_lt(process_memory_read().private_bytes, before - HALF_BYTES / 2);
    mem_free(stays);
}
END_TEST
#endif

int main(void) {
    Suite *suite = suite_create("process_memory");
    TCase *tcase = tcase_create("all");
    tcase_add_test(tcase, process_memory_counts_written_pages);
#ifndef __SANITIZE_ADDRESS__
    tcase_add_test(tcase, heap_trim_returns_each_burst);
    tcase_add_test(tcase, heap_trim_is_not_for_what_others_mapped);
    tcase_add_test(tcase, heap_trim_fruitless_is_not_repeated);
    tcase_add_test(tcase, heap_trim_is_tried_again_when_much_was_freed);
#endif
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
