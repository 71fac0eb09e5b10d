// SPDX-License-Identifier: Apache-2.0
#include "src/overload/resource_monitor.h"

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "src/base/check.h"

static char folder[] = "/tmp/resource_monitor.XXXXXX";

static void setup(void) {
    (void)memcpy(folder + sizeof(folder) - sizeof("XXXXXX"), "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void teardown(void) {
    char command[PATH_MAX];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static void put(const char *name, const char *text) {
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    (void)fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

/* ---- control groups ---- */

START_TEST(cgroup_v2_counts_without_what_can_be_dropped) {
    put("memory.max", "134217728\n");
    put("memory.current", "100000000\n");
    put("memory.stat", "anon 5\ninactive_anon 7\ninactive_file 40000000\nactive_file 9\n");
    struct cgroup_memory memory;
    ck_assert_int_eq(cgroup_memory_read(folder, &memory, NULL), STATUS_OK);
    ck_assert_uint_eq(memory.limit_bytes, 134217728);
    ck_assert_uint_eq(memory.used_bytes, 60000000);
}
END_TEST

START_TEST(cgroup_v2_max_is_no_limit) {
    put("memory.max", "max\n");
    put("memory.current", "1\n");
    struct cgroup_memory memory;
    ck_assert_int_eq(cgroup_memory_read(folder, &memory, NULL), STATUS_OK);
    ck_assert_uint_eq(memory.limit_bytes, UINT64_MAX);
    ck_assert_uint_eq(memory.used_bytes, 1);
}
END_TEST

START_TEST(cgroup_v1_is_read_where_there_is_no_v2) {
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/memory", folder);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    put("memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("memory/memory.usage_in_bytes", "5000\n");
    put("memory/memory.stat", "inactive_file 1\ntotal_inactive_file 6000\n");
    struct cgroup_memory memory;
    ck_assert_int_eq(cgroup_memory_read(folder, &memory, NULL), STATUS_OK);
    ck_assert_uint_eq(memory.limit_bytes, UINT64_MAX);
    ck_assert_uint_eq(memory.used_bytes, 0);
    put("memory/memory.limit_in_bytes", "10000\n");
    ck_assert_int_eq(cgroup_memory_read(folder, &memory, NULL), STATUS_OK);
    ck_assert_uint_eq(memory.limit_bytes, 10000);
}
END_TEST

START_TEST(no_cgroup_is_said) {
    struct cgroup_memory memory;
    struct error err;
    ck_assert_int_eq(cgroup_memory_read(folder, &memory, &err), STATUS_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.message, folder));
}
END_TEST

/* ---- monitors ---- */

static struct resource_monitor_config injected(char path[PATH_MAX]) {
    (void)snprintf(path, PATH_MAX, "%s/pressure", folder);
    return (struct resource_monitor_config){
        .name = SLICE("r"), .kind = RESOURCE_INJECTED, .file = slice_from_string(path)};
}

START_TEST(injected_takes_numbers_from_0_to_1_only) {
    static const struct {
        const char *text;
        bool is_ok;
        double value;
    } cases[] = {
        {"0", true, 0},     {"1\n", true, 1},  {" 0.25\n", true, 0.25},
        {"", false, 0},     {"x", false, 0},   {"1.01", false, 0},
        {"-0.1", false, 0}, {"nan", false, 0}, {"inf", false, 0},
    };
    char path[PATH_MAX];
    struct resource_monitor_config config = injected(path);
    struct resource_usage usage = {.pressure = 7};
    ck_assert_int_ne(resource_monitor_read(&config, &usage, NULL), STATUS_OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        put("pressure", cases[i].text);
        struct error err;
        usage.pressure = 7;
        enum status status = resource_monitor_read(&config, &usage, &err);
        ck_assert_msg((status == STATUS_OK) == cases[i].is_ok, "'%s'", cases[i].text);
        ck_assert_double_eq(usage.pressure, cases[i].is_ok ? cases[i].value : 7);
    }
}
END_TEST

START_TEST(fixed_heap_grows_with_memory_that_is_touched) {
    enum { BYTES = 32 << 20 };
    struct resource_monitor_config config = {
        .name = SLICE("h"), .kind = RESOURCE_FIXED_HEAP, .max_bytes = BYTES};
    struct resource_usage before, after;
    ck_assert_int_eq(resource_monitor_read(&config, &before, NULL), STATUS_OK);
    void *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(memory, MAP_FAILED);
    (void)memset(memory, 1, BYTES);
    ck_assert_int_eq(resource_monitor_read(&config, &after, NULL), STATUS_OK);
    (void)munmap(memory, BYTES);
    ck_assert_double_ge(after.pressure - before.pressure, 0.9);
    ck_assert_uint_lt(after.left_bytes, before.left_bytes);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("resource_monitor");
    TCase *tests = tcase_create("resource_monitor");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, cgroup_v2_counts_without_what_can_be_dropped);
    tcase_add_test(tests, cgroup_v2_max_is_no_limit);
    tcase_add_test(tests, cgroup_v1_is_read_where_there_is_no_v2);
    tcase_add_test(tests, no_cgroup_is_said);
    tcase_add_test(tests, injected_takes_numbers_from_0_to_1_only);
    tcase_add_test(tests, fixed_heap_grows_with_memory_that_is_touched);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
