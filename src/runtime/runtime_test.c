// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/runtime.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/check.h"
#include "src/runtime/disk_layer.h"
#include "src/runtime/runtime_stats.h"
#include "src/runtime/runtime_unread.h"

static unsigned changes;
static struct runtime *runtime;

static void on_change(void *arg) {
    (void)arg;
    changes++;
}

static void setup(void) {
    changes = 0;
    runtime = runtime_new(on_change, NULL);
}

static void teardown(void) {
    runtime_free(runtime);
}

static void set(struct runtime_layer *layer, const char *key, const char *text) {
    struct slice value = slice_from_string(text);
    runtime_layer_set(layer, slice_from_string(key), value, runtime_value_of_text(value));
}

static void loaded(void) {
    runtime_loaded(runtime, &(struct runtime_load){0});
}

static uint64_t integer_of(uint32_t key) {
    const struct runtime_table *table = runtime_table_ref(runtime);
    uint64_t value = runtime_integer(table, key, 7);
    runtime_table_unref(table);
    return value;
}

START_TEST(runtime_last_layer_wins) {
    uint32_t key = runtime_key(runtime, SLICE("a.b"));
    ck_assert_uint_eq(integer_of(key), 7);
    struct runtime_layer *first = runtime_add_layer(runtime, SLICE("first"));
    struct runtime_layer *second = runtime_add_layer(runtime, SLICE("second"));
    set(first, "a.b", "1");
    loaded();
    ck_assert_uint_eq(changes, 1);
    ck_assert_uint_eq(integer_of(key), 1);
    set(second, "a.b", "2");
    loaded();
    ck_assert_uint_eq(integer_of(key), 2);
    runtime_layer_set_present(second, false);
    loaded();
    ck_assert_uint_eq(integer_of(key), 1);
    runtime_layer_set_present(second, true);
    runtime_layer_remove(second, SLICE("a.b"));
    loaded();
    ck_assert_uint_eq(integer_of(key), 1);
    // A value that is no number hides the one below it.
    set(second, "a.b", "text");
    loaded();
    ck_assert_uint_eq(integer_of(key), 7);
}
END_TEST

START_TEST(runtime_key_is_the_same_number_for_ever) {
    ck_assert_uint_eq(runtime_key(runtime, SLICE("")), RUNTIME_NO_KEY);
    uint32_t first = runtime_key(runtime, SLICE("first"));
    ck_assert_uint_eq(first, RUNTIME_KNOWN_KEYS);
    ck_assert_uint_eq(runtime_key(runtime, SLICE("second")), first + 1);
    ck_assert_uint_eq(runtime_key(runtime, SLICE("first")), first);
    ck_assert_uint_eq(runtime_key(runtime, SLICE("upstream.healthy_panic_threshold")),
                      RUNTIME_HEALTHY_PANIC_THRESHOLD);
    for (unsigned i = 0; i < 1000; i++) {
        char name[16];
        int len = snprintf(name, sizeof(name), "k%u", i);
        ck_assert_uint_eq(runtime_key(runtime, slice_make(name, (size_t)len)), first + 2 + i);
    }
}
END_TEST

START_TEST(runtime_table_of_before_stays_as_it_was) {
    uint32_t key = runtime_key(runtime, SLICE("k"));
    struct runtime_layer *layer = runtime_add_layer(runtime, SLICE("l"));
    set(layer, "k", "1");
    set(layer, "new", "3");
    loaded();
    const struct runtime_table *before = runtime_table_ref(runtime);
    ck_assert(runtime_is_current(runtime, before));
    set(layer, "k", "2");
    loaded();
    ck_assert(!runtime_is_current(runtime, before));
    ck_assert_uint_eq(runtime_integer(before, key, 7), 1);
    ck_assert_uint_eq(integer_of(key), 2);
    // A number that the table does not know yet reads as not set; the next one has it.
    uint32_t late = runtime_key(runtime, SLICE("new"));
    ck_assert_uint_eq(runtime_integer(before, late, 7), 7);
    ck_assert_uint_eq(integer_of(late), 3);
    runtime_table_unref(before);
}
END_TEST

START_TEST(runtime_key_without_a_value_needs_no_other_table) {
    const struct runtime_table *table = runtime_table_ref(runtime);
    (void)runtime_key(runtime, SLICE("nobody sets it"));
    ck_assert(runtime_is_current(runtime, table));
    runtime_table_unref(table);
}
END_TEST

START_TEST(runtime_readings_are_told_apart) {
    uint32_t key = runtime_key(runtime, SLICE("k"));
    struct runtime_layer *layer = runtime_add_layer(runtime, SLICE("l"));
    runtime_layer_set(layer, SLICE("k"), SLICE("true"), runtime_value_of_flag(true));
    const struct runtime_table *table = runtime_table_ref(runtime);
    runtime_table_unref(table);
    loaded();
    table = runtime_table_ref(runtime);
    ck_assert(runtime_flag(table, key, false));
    ck_assert_uint_eq(runtime_fraction(table, key, 5), 5);
    ck_assert_double_eq(runtime_number(table, key, 0.5), 0.5);
    ck_assert_uint_eq(runtime_fraction(NULL, key, 5), 5);
    ck_assert_uint_eq(runtime_fraction(table, RUNTIME_NO_KEY, 5), 5);
    runtime_table_unref(table);
}
END_TEST

START_TEST(runtime_shows_each_key_once_in_order) {
    struct runtime_layer *first = runtime_add_layer(runtime, SLICE("first"));
    struct runtime_layer *gone = runtime_add_layer(runtime, SLICE("gone"));
    struct runtime_layer *second = runtime_add_layer(runtime, SLICE("second"));
    runtime_layer_set_present(gone, false);
    set(gone, "never", "1");
    set(first, "b", "1");
    set(first, "a", "x");
    set(second, "b", "2");
    set(second, "", "empty");
    uint32_t count;
    struct slice *keys = runtime_keys(runtime, &count);
    ck_assert_uint_eq(count, 3);
    ck_assert(slice_equal(keys[0], SLICE("")));
    ck_assert(slice_equal(keys[1], SLICE("a")));
    ck_assert(slice_equal(keys[2], SLICE("b")));
    mem_free(keys);
    ck_assert_uint_eq(runtime_layers(runtime), 2);
    ck_assert(slice_equal(runtime_layer_name(runtime, 1), SLICE("second")));
    ck_assert(slice_equal(runtime_text(runtime, 1, SLICE("b")), SLICE("2")));
    ck_assert_uint_eq(runtime_text(runtime, 1, SLICE("a")).len, 0);
    ck_assert_uint_eq(runtime_text(runtime, 9, SLICE("a")).len, 0);
    ck_assert(runtime_has_prefix(runtime, SLICE("a")));
    ck_assert(!runtime_has_prefix(runtime, SLICE("nev")));
    ck_assert(runtime_find(runtime, SLICE("b"))->integer == 2);
    ck_assert_ptr_null(runtime_find(runtime, SLICE("never")));
}
END_TEST

START_TEST(runtime_counts_loads) {
    struct stats_registry *stats = stats_registry_new(1);
    struct stats_scope *scope = stats_scope_get(stats, SLICE("runtime"), &runtime_stat_table);
    runtime_count_in(runtime, stats, 0);
    struct runtime_layer *layer = runtime_add_layer(runtime, SLICE("l"));
    set(layer, "a", "1");
    runtime_loaded(runtime, &(struct runtime_load){.disk_layers = 1});
    runtime_loaded(runtime, &(struct runtime_load){.disk_layers = 2, .has_error = true});
    runtime_set_admin_active(runtime, true);
    ck_assert_uint_eq(stats_value(scope, RUNTIME_STAT_LOAD_SUCCESS), 1);
    ck_assert_uint_eq(stats_value(scope, RUNTIME_STAT_LOAD_ERROR), 1);
    ck_assert_uint_eq(stats_value(scope, RUNTIME_STAT_OVERRIDE_DIR_EXISTS), 1);
    ck_assert_uint_eq(stats_value(scope, RUNTIME_STAT_OVERRIDE_DIR_NOT_EXISTS), 1);
    ck_assert_uint_eq(stats_value(scope, RUNTIME_STAT_NUM_KEYS), 1);
    ck_assert_uint_eq(stats_value(scope, RUNTIME_STAT_NUM_LAYERS), 1);
    ck_assert_uint_eq(stats_value(scope, RUNTIME_STAT_ADMIN_OVERRIDES_ACTIVE), 1);
    runtime_free(runtime);
    runtime = runtime_new(on_change, NULL);
    stats_scope_unref(scope);
    stats_registry_free(stats);
}
END_TEST

static const struct {
    const char *key, *text;
    bool is_told;
} unread_cases[] = {
    {"my.own.key", "1", false},
    {"upstream.healthy_panic_threshold", "1", false},
    {"outlier_detection.consecutive_5xx", "1", false},
    {"circuit_breakers.a.default.max_requests", "1", false},
    {"re2.max_program_size.error_level", "1", false},
    {"upstream.maintenance_mode.a", "1", true},
    {"outlier_detection.enforcing_local_origin_success_rate", "1", true},
    {"envoy.reloadable_features.nobody_knows_it", "0", true},
    {"envoy.reloadable_features.fixed_heap_use_allocated", "1", false},
    {"envoy.reloadable_features.fixed_heap_use_allocated", "0", true},
    {"envoy.reloadable_features.http_reject_path_with_fragment", "0", false},
    {"envoy.restart_features.other", "1", true},
};

START_TEST(runtime_unread_keys_of_envoys_are_told) {
    for (size_t i = 0; i < ARRAY_LEN(unread_cases); i++) {
        struct runtime_value value = runtime_value_of_text(slice_from_string(unread_cases[i].text));
        const char *reason = runtime_unread_reason(slice_from_string(unread_cases[i].key), &value);
        ck_assert_msg((reason != NULL) == unread_cases[i].is_told, "%s", unread_cases[i].key);
    }
}
END_TEST

/* ---- folders ---- */

static char folder[64];

static void write_file(const char *name, const char *content) {
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(content, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static void make_folder(const char *name) {
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static const struct {
    const char *content, *text;
} file_cases[] = {
    {"42\n", "42"},       {"# a comment\n42 \n", "42"}, {"# only\n", ""},     {"", ""},
    {"a\nb\n\n", "a\nb"}, {"a\n# b\n", "a\n"},          {"no end", "no end"},
};

START_TEST(disk_layer_reads_files_as_keys) {
    (void)snprintf(folder, sizeof(folder), "/tmp/runtime_test_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    make_folder("sub");
    for (size_t i = 0; i < ARRAY_LEN(file_cases); i++) {
        struct error err;
        write_file("sub/key", file_cases[i].content);
        struct runtime_layer *layer = runtime_add_layer(runtime, SLICE("l"));
        ck_assert_int_eq(runtime_disk_read(folder, layer, &err), STATUS_OK);
        ck_assert_uint_eq(runtime_layer_count(layer), 1);
        struct slice text = runtime_text(runtime, (uint32_t)i, SLICE("sub.key"));
        ck_assert_msg(slice_equal(text, slice_from_string(file_cases[i].text)), "%zu: '%.*s'", i,
                      SLICE_ARG(text));
    }
}
END_TEST

START_TEST(disk_layer_is_bounded_in_depth) {
    struct error err;
    char path[256] = "d";
    (void)snprintf(folder, sizeof(folder), "/tmp/runtime_test_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    struct runtime_layer *layer = runtime_add_layer(runtime, SLICE("l"));
    for (unsigned depth = 2; depth <= 17; depth++) {
        ck_assert_int_eq(runtime_disk_read(folder, layer, &err), STATUS_OK);
        make_folder(path);
        size_t len = strlen(path);
        (void)snprintf(path + len, sizeof(path) - len, "/d");
    }
    ck_assert_int_eq(runtime_disk_read(folder, layer, &err), STATUS_LIMIT);
    ck_assert_str_eq(err.message, "Walk recursion depth exceeded 16");
    ck_assert_int_eq(runtime_disk_read("/nonexistent/folder", layer, &err), STATUS_NOT_FOUND);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("runtime");
    TCase *tcase = tcase_create("all");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, runtime_last_layer_wins);
    tcase_add_test(tcase, runtime_key_is_the_same_number_for_ever);
    tcase_add_test(tcase, runtime_table_of_before_stays_as_it_was);
    tcase_add_test(tcase, runtime_key_without_a_value_needs_no_other_table);
    tcase_add_test(tcase, runtime_readings_are_told_apart);
    tcase_add_test(tcase, runtime_shows_each_key_once_in_order);
    tcase_add_test(tcase, runtime_counts_loads);
    tcase_add_test(tcase, runtime_unread_keys_of_envoys_are_told);
    tcase_add_test(tcase, disk_layer_reads_files_as_keys);
    tcase_add_test(tcase, disk_layer_is_bounded_in_depth);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
