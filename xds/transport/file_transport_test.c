// SPDX-License-Identifier: Apache-2.0
/* A folder of the test's own, files renamed into place, a loop that turns until the news are there. */
#include "xds/transport/file_transport.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/clock.h"
#include "src/event/event_loop.h"
#include "xds/file_watcher.h"

enum { PATH_BYTES = 256, TURN_MS = 50, TURNS_MAX = 200 };

struct fixture {
    char folder[PATH_BYTES];
    char path[PATH_BYTES];
    struct event_loop *loop;
    struct file_watcher *watcher;
    struct file_transport *transport;
    unsigned responses, failures;
    enum status status;
    char version[PATH_BYTES];
    uint32_t count;
};

static void on_response(void *arg, const struct discovery_response *response) {
    struct fixture *f = arg;
    f->responses++;
    f->count = response->resource_count;
    snprintf(f->version, sizeof(f->version), "%.*s", SLICE_ARG(response->version));
}

static void on_failure(void *arg, const struct error *err) {
    struct fixture *f = arg;
    f->failures++;
    f->status = err->status;
}

static const struct file_transport_handler handler = {on_response, on_failure};

static void put(struct fixture *f, const char *name, const char *text) {
    char path[PATH_BYTES + 16];
    char temporary[PATH_BYTES + 16];
    snprintf(path, sizeof(path), "%s/%s", f->folder, name);
    snprintf(temporary, sizeof(temporary), "%s/.new", f->folder);
    FILE *file = fopen(temporary, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(rename(temporary, path), 0);
}

static void setup(struct fixture *f, const char *text, bool by_directory) {
    struct error err;
    memset(f, 0, sizeof(*f));
    snprintf(f->folder, sizeof(f->folder), "/tmp/sp_file_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(f->folder));
    snprintf(f->path, sizeof(f->path), "%.200s/lds.yaml", f->folder);
    if (text != NULL) {
        put(f, "lds.yaml", text);
    }
    f->loop = event_loop_new(clock_system(), &err);
    f->watcher = file_watcher_new(f->loop, &err);
    ck_assert_ptr_nonnull(f->watcher);
    struct file_transport_options options = {.watcher = f->watcher,
                                             .path = slice_from_string(f->path),
                                             .watched_directory =
                                                 slice_from_string(by_directory ? f->folder : NULL),
                                             .handler = &handler,
                                             .arg = f};
    ck_assert_int_eq(file_transport_new(&options, &f->transport, &err), STATUS_OK);
    file_transport_read(f->transport);
}

static void teardown(struct fixture *f) {
    file_transport_free(f->transport);
    file_watcher_free(f->watcher);
    event_loop_free(f->loop);
    (void)unlink(f->path);
    char other[PATH_BYTES + 16];
    snprintf(other, sizeof(other), "%s/other", f->folder);
    (void)unlink(other);
    ck_assert_int_eq(rmdir(f->folder), 0);
}

static void wait_for(struct fixture *f, unsigned news) {
    for (int i = 0; i < TURNS_MAX && f->responses + f->failures < news; i++) {
        event_loop_run_once(f->loop, TURN_MS);
    }
    ck_assert_uint_ge(f->responses + f->failures, news);
}

#define ONE                                                                                        \
    "version_info: '1'\nresources:\n- '@type': "                                                   \
    "type.googleapis.com/envoy.config.listener.v3.Listener\n  name: l\n"

START_TEST(file_transport_reads_and_follows_renames) {
    struct fixture f;
    setup(&f, ONE, false);
    ck_assert_uint_eq(f.responses, 1);
    ck_assert_uint_eq(f.count, 1);
    ck_assert_str_eq(f.version, "1");
    put(&f, "other", "not ours");
    put(&f, "lds.yaml", "version_info: '2'\n");
    wait_for(&f, 2);
    ck_assert_uint_eq(f.responses, 2);
    ck_assert_uint_eq(f.failures, 0);
    ck_assert_str_eq(f.version, "2");
    ck_assert_uint_eq(f.count, 0);
    teardown(&f);
}
END_TEST

START_TEST(file_transport_bad_file_is_reported_and_the_next_taken) {
    struct fixture f;
    setup(&f, ONE, false);
    put(&f, "lds.yaml", "resources: {not: a list");
    wait_for(&f, 2);
    ck_assert_uint_eq(f.failures, 1);
    ck_assert_int_eq(f.status, STATUS_INVALID);
    put(&f, "lds.yaml", ONE);
    wait_for(&f, 3);
    ck_assert_uint_eq(f.responses, 2);
    teardown(&f);
}
END_TEST

START_TEST(file_transport_missing_file_may_come_later) {
    struct fixture f;
    setup(&f, NULL, false);
    ck_assert_uint_eq(f.failures, 1);
    ck_assert(f.status == STATUS_NOT_FOUND || f.status == STATUS_IO);
    put(&f, "lds.yaml", ONE);
    wait_for(&f, 2);
    ck_assert_uint_eq(f.responses, 1);
    teardown(&f);
}
END_TEST

START_TEST(file_transport_watched_directory_hears_of_any_move) {
    struct fixture f;
    setup(&f, ONE, true);
    put(&f, "other", "as a symlink of a secret volume");
    wait_for(&f, 2);
    ck_assert_uint_eq(f.responses, 2);
    teardown(&f);
}
END_TEST

START_TEST(file_transport_missing_directory_is_an_error) {
    struct error err;
    struct event_loop *loop = event_loop_new(clock_system(), &err);
    struct file_watcher *watcher = file_watcher_new(loop, &err);
    struct file_transport *transport = NULL;
    struct file_transport_options options = {
        .watcher = watcher, .path = SLICE("/nowhere/at/all.yaml"), .handler = &handler};
    ck_assert_int_eq(file_transport_new(&options, &transport, &err), STATUS_IO);
    ck_assert_ptr_null(transport);
    file_watcher_free(watcher);
    event_loop_free(loop);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("file_transport");
    TCase *tcase = tcase_create("all");
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, file_transport_reads_and_follows_renames);
    tcase_add_test(tcase, file_transport_bad_file_is_reported_and_the_next_taken);
    tcase_add_test(tcase, file_transport_missing_file_may_come_later);
    tcase_add_test(tcase, file_transport_watched_directory_hears_of_any_move);
    tcase_add_test(tcase, file_transport_missing_directory_is_an_error);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
