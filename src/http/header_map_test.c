// SPDX-License-Identifier: Apache-2.0
#include "src/http/header_map.h"

#include <check.h>
#include <stdio.h>

#include "src/base/check.h"
#include "src/base/random.h"

struct fixture {
    struct arena arena;
    struct header_map map;
};

static void setup(struct fixture *f) {
    arena_init_heap(&f->arena, 0);
    header_map_init(&f->map, &f->arena);
}

static void add(struct fixture *f, const char *name, const char *value) {
    ck_assert_int_eq(header_map_add(&f->map, slice_from_string(name), slice_from_string(value)),
                     STATUS_OK);
}

static void assert_text(struct fixture *f, const char *expected) {
    char text[1024];
    size_t used = 0;
    text[0] = '\0';
    uint32_t at = 0;
    const struct header_entry *entry;
    while ((entry = header_map_next(&f->map, &at)) != NULL) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%.*s=%.*s ",
                                 SLICE_ARG(header_entry_name(entry)),
                                 SLICE_ARG(header_entry_value(entry)));
    }
    ck_assert_str_eq(text, expected);
}

START_TEST(header_id_every_name_is_found) {
    for (int id = 1; id < HEADER_ID_COUNT; id++) {
        ck_assert_int_eq(header_id_of(header_id_name((enum header_id)id)), id);
    }
    ck_assert_int_eq(header_id_of(SLICE("x-none")), HEADER_OTHER);
    ck_assert_int_eq(header_id_of(SLICE("")), HEADER_OTHER);
    ck_assert_int_eq(header_id_of(SLICE("Host")), HEADER_OTHER);
    ck_assert_int_eq(header_id_of(SLICE("hos")), HEADER_OTHER);
}
END_TEST

START_TEST(header_map_keeps_order_and_finds_the_first) {
    struct fixture f;
    setup(&f);
    add(&f, "set-cookie", "a");
    add(&f, "x", "1");
    add(&f, "set-cookie", "b");
    add(&f, "x", "2");
    assert_text(&f, "set-cookie=a x=1 set-cookie=b x=2 ");
    ck_assert(slice_equal(header_map_get(&f.map, HEADER_SET_COOKIE), SLICE("a")));
    ck_assert(slice_equal(header_map_get_name(&f.map, SLICE("x")), SLICE("1")));
    ck_assert_uint_eq(header_map_count_name(&f.map, SLICE("set-cookie")), 2);
    ck_assert_uint_eq(header_map_count_name(&f.map, SLICE("x")), 2);
    ck_assert_ptr_null(header_map_get_name(&f.map, SLICE("y")).ptr);
    ck_assert(
        slice_equal(header_map_get_joined(&f.map, SLICE("x"), SLICE(","), &f.arena), SLICE("1,2")));
    arena_deinit(&f.arena);
}
END_TEST

START_TEST(header_map_set_replaces_all_in_the_first_place) {
    struct fixture f;
    setup(&f);
    add(&f, "via", "a");
    add(&f, "x", "1");
    add(&f, "via", "b");
    add(&f, "x", "2");
    header_map_set(&f.map, HEADER_VIA, SLICE("c"));
    header_map_set_name(&f.map, SLICE("x"), SLICE("3"));
    assert_text(&f, "via=c x=3 ");
    add(&f, "via", "d");
    assert_text(&f, "via=c x=3 via=d ");
    header_map_set_uint(&f.map, HEADER_CONTENT_LENGTH, UINT64_MAX);
    assert_text(&f, "via=c x=3 via=d content-length=18446744073709551615 ");
    arena_deinit(&f.arena);
}
END_TEST

START_TEST(header_map_remove_keeps_the_chain) {
    struct fixture f;
    setup(&f);
    for (int i = 0; i < 4; i++) {
        add(&f, "cookie", (const char *[]){"a", "b", "c", "d"}[i]);
    }
    header_map_remove_at(&f.map, 1);
    assert_text(&f, "cookie=a cookie=c cookie=d ");
    header_map_remove_at(&f.map, 3);
    add(&f, "cookie", "e");
    header_map_remove_at(&f.map, 0);
    ck_assert(slice_equal(header_map_get(&f.map, HEADER_COOKIE), SLICE("c")));
    ck_assert_uint_eq(header_map_count_name(&f.map, SLICE("cookie")), 2);
    ck_assert_uint_eq(header_map_remove(&f.map, HEADER_COOKIE), 2);
    ck_assert_uint_eq(header_map_remove(&f.map, HEADER_COOKIE), 0);
    ck_assert_uint_eq(f.map.live, 0);
    ck_assert_uint_eq(f.map.bytes, 0);
    arena_deinit(&f.arena);
}
END_TEST

START_TEST(header_map_remove_prefix_takes_known_and_other_names) {
    struct fixture f;
    setup(&f);
    add(&f, "x-envoy-internal", "1");
    add(&f, "x-envoy-none", "1");
    add(&f, "x-e", "1");
    ck_assert_uint_eq(header_map_remove_prefix(&f.map, SLICE("x-envoy-")), 2);
    assert_text(&f, "x-e=1 ");
    arena_deinit(&f.arena);
}
END_TEST

START_TEST(header_map_limits_are_charged_before_storing) {
    struct fixture f;
    setup(&f);
    header_map_set_limits(&f.map, 70, 2);
    add(&f, "a", "1");
    ck_assert_int_eq(header_map_add(&f.map, SLICE("b"), SLICE("12345")), STATUS_LIMIT);
    ck_assert_uint_eq(f.map.live, 1);
    add(&f, "b", "123");
    ck_assert_uint_eq(f.map.bytes, 70);
    ck_assert_int_eq(header_map_add(&f.map, SLICE(""), SLICE("")), STATUS_LIMIT);
    header_map_append(&f.map, HEADER_VIA, SLICE("made by the proxy"));
    ck_assert_uint_eq(f.map.live, 3);
    arena_deinit(&f.arena);
}
END_TEST

START_TEST(header_map_pseudo_headers_come_first) {
    struct fixture f;
    setup(&f);
    header_map_append(&f.map, HEADER_METHOD, SLICE("GET"));
    header_map_reserve_pseudo(&f.map);
    add(&f, "via", "a");
    add(&f, "x", "1");
    add(&f, "via", "b");
    header_map_set(&f.map, HEADER_PATH, SLICE("/"));
    header_map_set(&f.map, HEADER_SCHEME, SLICE("http"));
    assert_text(&f, ":method=GET :path=/ :scheme=http via=a x=1 via=b ");
    ck_assert_uint_eq(header_map_count_name(&f.map, SLICE("via")), 2);
    add(&f, "via", "c");
    header_map_remove(&f.map, HEADER_VIA);
    assert_text(&f, ":method=GET :path=/ :scheme=http x=1 ");
    arena_deinit(&f.arena);
}
END_TEST

START_TEST(header_map_copy_is_deep) {
    struct fixture f;
    setup(&f);
    char value[] = "1";
    add(&f, "x", value);
    add(&f, "via", value);
    f.map.entries[0].flags = HEADER_FLAG_SENSITIVE;
    struct fixture copy;
    arena_init_heap(&copy.arena, 0);
    header_map_copy(&copy.map, &f.map, &copy.arena);
    value[0] = '2';
    arena_deinit(&f.arena);
    assert_text(&copy, "x=1 via=1 ");
    ck_assert_uint_eq(copy.map.entries[0].flags, HEADER_FLAG_SENSITIVE);
    arena_deinit(&copy.arena);
}
END_TEST

START_TEST(header_map_empty_value_is_present) {
    struct fixture f;
    setup(&f);
    header_map_append(&f.map, HEADER_VIA, (struct slice){NULL, 0});
    ck_assert(header_map_has(&f.map, HEADER_VIA));
    ck_assert_ptr_nonnull(header_map_get(&f.map, HEADER_VIA).ptr);
    arena_deinit(&f.arena);
}
END_TEST

START_TEST(header_map_holds_no_more_than_its_indexes) {
    struct fixture f;
    setup(&f);
    uint32_t added = 0;
    while (header_map_add(&f.map, SLICE("via"), SLICE("a")) == STATUS_OK) {
        added++;
    }
    ck_assert_uint_eq(added, 0xfffe);
    ck_assert_uint_eq(header_map_count_name(&f.map, SLICE("via")), added);
    arena_deinit(&f.arena);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("header_map");
    TCase *tcase = tcase_create("header_map");
    tcase_add_test(tcase, header_id_every_name_is_found);
    tcase_add_test(tcase, header_map_keeps_order_and_finds_the_first);
    tcase_add_test(tcase, header_map_set_replaces_all_in_the_first_place);
    tcase_add_test(tcase, header_map_remove_keeps_the_chain);
    tcase_add_test(tcase, header_map_remove_prefix_takes_known_and_other_names);
    tcase_add_test(tcase, header_map_limits_are_charged_before_storing);
    tcase_add_test(tcase, header_map_pseudo_headers_come_first);
    tcase_add_test(tcase, header_map_copy_is_deep);
    tcase_add_test(tcase, header_map_empty_value_is_present);
    tcase_add_test(tcase, header_map_holds_no_more_than_its_indexes);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
