// SPDX-License-Identifier: Apache-2.0
#include "src/http/packed_headers.h"

#include <check.h>
#include <stdlib.h>

static struct arena arena;
static struct header_map map;

static void setup(void) {
    arena_init_heap(&arena, 0);
    header_map_init(&map, &arena);
}

static void teardown(void) {
    arena_deinit(&arena);
}

static struct slice repeated(uint8_t byte, size_t len) {
    uint8_t *text = arena_alloc_bytes(&arena, len);
    memset(text, byte, len);
    return slice_make(text, len);
}

/* Packs, gives the map's memory up, unpacks, and compares with a copy that was kept. */
static void assert_survives(void) {
    struct arena kept;
    arena_init_heap(&kept, 0);
    struct header_map expected;
    header_map_copy(&expected, &map, &kept);
    struct packed_headers *packed = packed_headers_new(&map);
    arena_reset(&arena);
    struct header_map *got = packed_headers_unpack(packed, &arena);
    ck_assert_uint_eq(got->live, expected.live);
    ck_assert_uint_eq(got->bytes, expected.bytes);
    uint32_t at = 0;
    uint32_t expected_at = 0;
    const struct header_entry *entry;
    while ((entry = header_map_next(got, &at)) != NULL) {
        const struct header_entry *other = header_map_next(&expected, &expected_at);
        ck_assert_uint_eq(entry->id, other->id);
        ck_assert(slice_equal(header_entry_name(entry), header_entry_name(other)));
        ck_assert(slice_equal(header_entry_value(entry), header_entry_value(other)));
    }
    arena_reset(&arena);
    packed_headers_free(packed);
    arena_deinit(&kept);
}

START_TEST(packed_headers_keep_names_values_and_order) {
    header_map_append(&map, HEADER_METHOD, SLICE("GET"));
    header_map_append(&map, HEADER_PATH, SLICE("/chat"));
    header_map_append_name(&map, SLICE("sec-websocket-key"), SLICE("AAAAAAAAAAAAAAAAAAAAAA=="));
    header_map_append(&map, HEADER_VIA, SLICE("a"));
    header_map_append_name(&map, SLICE("x"), SLICE(""));
    header_map_append(&map, HEADER_VIA, SLICE("b"));
    assert_survives();
}
END_TEST

START_TEST(packed_headers_leave_out_what_was_removed) {
    header_map_append(&map, HEADER_METHOD, SLICE("GET"));
    header_map_reserve_pseudo(&map);
    header_map_append(&map, HEADER_VIA, SLICE("a"));
    header_map_append_name(&map, SLICE("x"), SLICE("1"));
    (void)header_map_remove(&map, HEADER_VIA);
    assert_survives();
}
END_TEST

static const size_t lengths[] = {0, 1, 127, 128, 129, 16383, 16384, 300000};

START_TEST(packed_headers_keep_texts_of_any_length) {
    header_map_append(&map, HEADER_COOKIE, repeated('v', lengths[_i]));
    header_map_append_name(&map, repeated('n', lengths[_i] + 1), repeated('w', lengths[_i]));
    assert_survives();
}
END_TEST

START_TEST(packed_headers_of_an_empty_map_are_an_empty_map) {
    assert_survives();
}
END_TEST

START_TEST(packed_headers_of_no_map_are_none) {
    ck_assert_ptr_null(packed_headers_new(NULL));
    ck_assert_ptr_null(packed_headers_unpack(NULL, &arena));
    packed_headers_free(NULL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("packed_headers");
    TCase *tests = tcase_create("packed_headers");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, packed_headers_keep_names_values_and_order);
    tcase_add_test(tests, packed_headers_leave_out_what_was_removed);
    tcase_add_loop_test(tests, packed_headers_keep_texts_of_any_length, 0,
                        (int)(sizeof(lengths) / sizeof(lengths[0])));
    tcase_add_test(tests, packed_headers_of_an_empty_map_are_an_empty_map);
    tcase_add_test(tests, packed_headers_of_no_map_are_none);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
