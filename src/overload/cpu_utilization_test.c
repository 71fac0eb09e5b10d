// SPDX-License-Identifier: Apache-2.0
#include "src/overload/cpu_utilization.h"

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/check.h"

static char folder[] = "/tmp/cpu_utilization.XXXXXX";
static const char *const files[] = {"stat",
                                    "cpu.stat",
                                    "cpu.max",
                                    "cpuset.cpus.effective",
                                    "cpu/cpu.shares",
                                    "cpu/cpuacct.usage",
                                    "cpuacct/cpuacct.usage"};

static const char *path_of(const char *name) {
    static char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text) {
    FILE *file = fopen(path_of(name), "we");
    ck_assert_ptr_nonnull(file);
    (void)fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

static void setup(void) {
    (void)memcpy(folder + sizeof(folder) - sizeof("XXXXXX"), "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(mkdir(path_of("cpu"), 0700), 0);
    ck_assert_int_eq(mkdir(path_of("cpuacct"), 0700), 0);
}

static void teardown(void) {
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        (void)unlink(path_of(files[i]));
    }
    (void)rmdir(path_of("cpu"));
    (void)rmdir(path_of("cpuacct"));
    (void)rmdir(folder);
}

START_TEST(host_counts_user_nice_and_system_as_work) {
    struct cpu_times times;
    put("stat", "cpu  10 20 30 40 50 60\ncpu0 1 2 3 4\n");
    ck_assert_int_eq(cpu_times_of_host(path_of("stat"), &times, NULL), STATUS_OK);
    ck_assert_double_eq(times.work, 60);
    ck_assert_double_eq(times.total, 100);
    ck_assert_double_eq(times.cores, 1);
}
END_TEST

START_TEST(host_in_another_form_is_refused) {
    static const char *const texts[] = {"", "cpu0 1 2 3 4\n", "cpu  1 2 3\n", "cpu  a b c d\n"};
    struct cpu_times times;
    ck_assert_int_eq(cpu_times_of_host(path_of("stat"), &times, NULL), STATUS_NOT_FOUND);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        put("stat", texts[i]);
        ck_assert_int_eq(cpu_times_of_host(path_of("stat"), &times, NULL), STATUS_INVALID);
    }
}
END_TEST

START_TEST(group_v2_has_the_lesser_of_quota_and_processors) {
    static const struct {
        const char *max, *cpus;
        double cores;
    } cases[] = {
        {"max 100000\n", "0-3,5\n", 5},  {"150000 100000\n", "0-3\n", 1.5},
        {"800000 100000\n", "0-1\n", 2}, {"50000 100000\n", "", 0.5},
        {"max 100000\n", "", 1},
    };
    put("cpu.stat", "usage_usec 1234\nuser_usec 1000\n");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cpu_times times;
        put("cpu.max", cases[i].max);
        put("cpuset.cpus.effective", cases[i].cpus);
        ck_assert_int_eq(cpu_times_of_group(folder, 77, &times, NULL), STATUS_OK);
        ck_assert_double_eq(times.cores, cases[i].cores);
        ck_assert_double_eq(times.work, 1234);
        ck_assert_double_eq(times.total, 77);
    }
}
END_TEST

START_TEST(group_v1_takes_shares_for_thousandths_of_a_core) {
    static const char *const usages[] = {"cpuacct/cpuacct.usage", "cpu/cpuacct.usage"};
    struct cpu_times times;
    ck_assert_int_ne(cpu_times_of_group(folder, 77, &times, NULL), STATUS_OK);
    put("cpu/cpu.shares", "2000\n");
    for (size_t i = 0; i < ARRAY_LEN(usages); i++) {
        put(usages[i], "5000000\n");
        ck_assert_int_eq(cpu_times_of_group(folder, 77, &times, NULL), STATUS_OK);
        ck_assert_double_eq(times.work, 5000);
        ck_assert_double_eq(times.cores, 2);
    }
}
END_TEST

START_TEST(value_follows_slowly) {
    struct cpu_utilization cpu = {0};
    struct cpu_times times = {.work = 100, .total = 1000, .cores = 2};
    ck_assert_int_eq(cpu_utilization_add(&cpu, &times, NULL), STATUS_OK);
    ck_assert_double_eq(cpu.value, 0);
    times = (struct cpu_times){.work = 300, .total = 1200, .cores = 2};
    ck_assert_int_eq(cpu_utilization_add(&cpu, &times, NULL), STATUS_OK);
    ck_assert_double_eq_tol(cpu.value, 0.5 * 0.05, 1e-9);
    times = (struct cpu_times){.work = 9000, .total = 1300, .cores = 2};
    ck_assert_int_eq(cpu_utilization_add(&cpu, &times, NULL), STATUS_OK);
    ck_assert_double_eq_tol(cpu.value, 0.05 + 0.025 * 0.95, 1e-9);
}
END_TEST

START_TEST(times_that_go_back_change_nothing) {
    struct cpu_utilization cpu = {
        .has_previous = true, .previous = {.work = 100, .total = 1000, .cores = 1}, .value = 0.5};
    struct cpu_times same = {.work = 100, .total = 1000, .cores = 1};
    struct cpu_times back = {.work = 99, .total = 1001, .cores = 1};
    ck_assert_int_eq(cpu_utilization_add(&cpu, &same, NULL), STATUS_INVALID);
    ck_assert_int_eq(cpu_utilization_add(&cpu, &back, NULL), STATUS_INVALID);
    ck_assert_double_eq(cpu.value, 0.5);
    ck_assert_double_eq(cpu.previous.work, 100);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cpu_utilization");
    TCase *tests = tcase_create("cpu_utilization");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, host_counts_user_nice_and_system_as_work);
    tcase_add_test(tests, host_in_another_form_is_refused);
    tcase_add_test(tests, group_v2_has_the_lesser_of_quota_and_processors);
    tcase_add_test(tests, group_v1_takes_shares_for_thousandths_of_a_core);
    tcase_add_test(tests, value_follows_slowly);
    tcase_add_test(tests, times_that_go_back_change_nothing);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
