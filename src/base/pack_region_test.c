// SPDX-License-Identifier: Apache-2.0
#include "src/base/pack_region.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/check.h"

enum { BLOCKS = 200, PAGE_BYTES = 4096 };

static const size_t sizes[] = {0, 1, 8, 9, 47, 80, 127, 128, 129, 160, 200, 257, 700, 1024};

static _Atomic size_t resident_bytes;
static struct pack_regions regions;
static struct pack_region region;
static struct packer *packer;

static void setup(void) {
    pack_regions_init(&regions, &resident_bytes);
    pack_region_init(&region, &regions);
    packer = packer_new();
}

static void teardown(void) {
    packer_free(packer);
    pack_region_deinit(&region, &regions);
    pack_regions_deinit(&regions);
    ck_assert_uint_eq(resident_bytes, 0);
}

/* A block and what was written into it. */
struct block {
    uint8_t *bytes;
    size_t size;
    uint8_t seed;
};

static void take(struct block *block, size_t size, size_t seed) {
    block->bytes = pack_region_alloc(&region, size);
    ck_assert_ptr_nonnull(block->bytes);
    ck_assert(pack_region_holds(&region, block->bytes));
    ck_assert_uint_eq((uintptr_t)block->bytes % 8, 0);
    ck_assert_uint_ge(pack_region_block_bytes(block->bytes), size);
    block->size = size;
    block->seed = (uint8_t)seed;
    memset(block->bytes, block->seed, size);
}

static void check_and_give_back(struct block *block) {
    for (size_t i = 0; i < block->size; i++) {
        CHECK(block->bytes[i] == block->seed);
    }
    pack_region_free(&region, block->bytes);
    block->bytes = NULL;
}

/* The kernel's count, which is the region's own. */
static bool is_resident(void) {
    unsigned char pages[PACK_REGION_BYTES / PAGE_BYTES];
    uint8_t *start = (uint8_t *)((uintptr_t)region.head & ~(uintptr_t)(PAGE_BYTES - 1));
    CHECK(mincore(start, PACK_REGION_BYTES, pages) == 0);
    size_t resident = 0;
    for (size_t i = 0; i < sizeof(pages); i++) {
        resident += pages[i] & 1;
    }
    ck_assert_uint_eq(resident_bytes, resident * PAGE_BYTES);
    return resident > 0;
}

START_TEST(pack_region_blocks_come_back_where_and_as_they_were) {
    struct block blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        take(&blocks[i], sizes[i % ARRAY_LEN(sizes)], i);
    }
    for (int round = 0; round < 3; round++) {
        ck_assert(is_resident());
        ck_assert_int_eq(pack_region_pack(&region, packer), STATUS_OK);
        ck_assert(pack_region_is_packed(&region) && !is_resident());
        ck_assert_uint_lt(region.packed.len, region.packed.full_len / 4);
        pack_region_unpack(&region);
        ck_assert(!pack_region_is_packed(&region));
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        check_and_give_back(&blocks[i]);
    }
}
END_TEST

START_TEST(pack_region_survives_coming_and_going) {
    struct block blocks[BLOCKS] = {{NULL, 0, 0}};
    uint32_t random = 1;
    for (size_t step = 0; step < 10000; step++) {
        random = random * 1664525 + 1013904223;
        struct block *block = &blocks[(random >> 8) % BLOCKS];
        if (block->bytes != NULL) {
            check_and_give_back(block);
        } else if ((random >> 20) % 3 > 0) {
            take(block, sizes[(random >> 16) % ARRAY_LEN(sizes)] / 2, step);
        }
        if (step % 100 == 99) {
            ck_assert_int_eq(pack_region_pack(&region, packer), STATUS_OK);
            pack_region_unpack(&region);
        }
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        if (blocks[i].bytes != NULL) {
            check_and_give_back(&blocks[i]);
        }
    }
}
END_TEST

static size_t fill(struct block *blocks, size_t size) {
    size_t count = 0;
    for (; count < PACK_REGION_BYTES / 16; count++) {
        blocks[count] = (struct block){pack_region_alloc(&region, size), size, (uint8_t)count};
        if (blocks[count].bytes == NULL) {
            break;
        }
        memset(blocks[count].bytes, blocks[count].seed, size);
    }
    return count;
}

/* Without a gap, with one, with a rest too small for a block, and up to the last byte. */
START_TEST(pack_region_joins_what_lies_free) {
    static const size_t small[] = {24, 40, 120, 56};
    struct block blocks[PACK_REGION_BYTES / 16];
    size_t count = fill(blocks, small[_i]);
    ck_assert_uint_gt(count * (small[_i] + 8), 60000);
    ck_assert_ptr_null(pack_region_alloc(&region, small[_i]));
    // All but the last, which keeps the top where it is: no block is as large as the next ones.
    for (size_t i = 0; i + 1 < count; i++) {
        check_and_give_back(&blocks[i]);
    }
    ck_assert_ptr_null(pack_region_alloc(&region, 1024));
    ck_assert_int_eq(pack_region_pack(&region, packer), STATUS_OK);
    pack_region_unpack(&region);
    struct block large[PACK_REGION_BYTES / 16];
    size_t large_count = fill(large, 1024);
    ck_assert_uint_gt(large_count, 55);
    check_and_give_back(&blocks[count - 1]);
    for (size_t i = 0; i < large_count; i++) {
        check_and_give_back(&large[i]);
    }
    ck_assert_int_eq(pack_region_pack(&region, packer), STATUS_OK);
    ck_assert_uint_lt(region.packed.full_len, 512);
}
END_TEST

START_TEST(pack_region_that_would_not_shrink_stays) {
    enum { BYTES = 4000 };
    struct block free_one;
    take(&free_one, 64, 1);
    uint8_t *block = pack_region_alloc(&region, BYTES);
    uint8_t copy[BYTES];
    uint32_t random = 7;
    for (size_t i = 0; i < BYTES; i++) {
        random = random * 1664525 + 1013904223;
        block[i] = copy[i] = (uint8_t)(random >> 24);
    }
    check_and_give_back(&free_one);
    ck_assert_int_eq(pack_region_pack(&region, packer), STATUS_LIMIT);
    ck_assert(!pack_region_is_packed(&region));
    ck_assert_mem_eq(block, copy, BYTES);
    take(&free_one, 64, 2);
    ck_assert(free_one.bytes < block);
    check_and_give_back(&free_one);
    pack_region_free(&region, block);
}
END_TEST

START_TEST(pack_region_gives_out_no_large_block) {
    ck_assert_ptr_null(pack_region_alloc(&region, 4097));
    ck_assert(!pack_region_holds(&region, &region));
    ck_assert(!pack_region_holds(&region, NULL));
}
END_TEST

START_TEST(pack_region_without_address_space_gives_out_nothing) {
    struct pack_region none = {.head = NULL};
    ck_assert_ptr_null(pack_region_alloc(&none, 8));
    ck_assert(!pack_region_holds(&none, NULL) && !pack_region_holds(&none, &none));
    ck_assert_int_eq(pack_region_pack(&none, packer), STATUS_LIMIT);
    pack_region_deinit(&none, &regions);
}
END_TEST

START_TEST(pack_regions_are_few_mappings_and_go) {
    enum { REGIONS = 100 };
    struct pack_region many[REGIONS];
    for (size_t i = 0; i < REGIONS; i++) {
        pack_region_init(&many[i], &regions);
        for (size_t other = 0; other < i; other++) {
            ck_assert(!pack_region_holds(&many[other], many[i].head));
        }
        uint8_t *block = pack_region_alloc(&many[i], 100);
        ck_assert_ptr_nonnull(block);
        memset(block, (int)i, 100);
        if (i % 3 == 0) {
            ck_assert_int_eq(pack_region_pack(&many[i], packer), STATUS_OK);
        }
    }
    ck_assert_uint_eq(regions.chunk_count, 4);
    for (size_t i = 0; i < REGIONS; i++) {
        pack_region_deinit(&many[i], &regions);
    }
    pack_regions_trim(&regions);
    ck_assert_uint_eq(regions.chunk_count, 1);
}
END_TEST

START_TEST(pack_regions_trim_gives_back_what_closed_ones_left) {
    struct pack_region first;
    pack_region_init(&first, &regions);
    uint8_t *left = pack_region_alloc(&first, 100);
    uint8_t *page = (uint8_t *)((uintptr_t)left & ~(uintptr_t)(PAGE_BYTES - 1));
    unsigned char state;
    memset(left, 1, 100);
    pack_region_deinit(&first, &regions);
    CHECK(mincore(page, PAGE_BYTES, &state) == 0);
    ck_assert_uint_eq(state & 1, 1); // the next one finds it warm
    pack_regions_trim(&regions);
    CHECK(mincore(page, PAGE_BYTES, &state) == 0);
    ck_assert_uint_eq(state & 1, 0);
}
END_TEST

#ifdef NDEBUG
enum { IS_GUARDED = false };
#else
enum { IS_GUARDED = true };
#endif

START_TEST(pack_region_at_rest_must_not_be_touched) {
    const volatile uint8_t *block = pack_region_alloc(&region, 100);
    ck_assert_int_eq(pack_region_pack(&region, packer), STATUS_OK);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        (void)close(STDERR_FILENO);
        _exit(block[0]);
    }
    int state;
    ck_assert_int_eq(waitpid(child, &state, 0), child);
    ck_assert_int_eq(state == 0, !IS_GUARDED);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("pack_region");
    TCase *tcase = tcase_create("pack_region");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, pack_region_blocks_come_back_where_and_as_they_were);
    tcase_add_test(tcase, pack_region_survives_coming_and_going);
    tcase_add_loop_test(tcase, pack_region_joins_what_lies_free, 0, 4);
    tcase_add_test(tcase, pack_region_that_would_not_shrink_stays);
    tcase_add_test(tcase, pack_region_gives_out_no_large_block);
    tcase_add_test(tcase, pack_region_without_address_space_gives_out_nothing);
    tcase_add_test(tcase, pack_regions_are_few_mappings_and_go);
    tcase_add_test(tcase, pack_regions_trim_gives_back_what_closed_ones_left);
    tcase_add_test(tcase, pack_region_at_rest_must_not_be_touched);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
