// SPDX-License-Identifier: Apache-2.0
#include "src/access_log/access_log.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/check.h"
#include "src/event/io_context.h"
#include "src/stats/stats.h"

struct facts {
    struct arena arena;
    struct header_map request, response;
    struct stream_info info;
    struct log_format_input input;
    struct io_context io;
};

static void set_up(struct facts *f) {
    *f = (struct facts){0};
    arena_init_heap(&f->arena, 0);
    header_map_init(&f->request, &f->arena);
    header_map_init(&f->response, &f->arena);
    f->info = (struct stream_info){
        .arena = &f->arena, .start_us = 1000000, .end_us = 1250000, .response_code = 404};
    f->input = (struct log_format_input){.info = &f->info,
                                         .request_headers = &f->request,
                                         .response_headers = &f->response,
                                         .access_log_type = "DownstreamEnd"};
    random_init_seed(&f->io.random, 1);
}

static bool matches(struct facts *f, struct access_log_filter filter) {
    return access_log_filter_matches(&filter, &f->input, &f->io);
}

START_TEST(filter_compares_code_and_duration) {
    struct facts f;
    set_up(&f);
    struct access_log_filter filter = {.kind = ACCESS_LOG_FILTER_STATUS_CODE,
                                       .comparand.value = 404};
    filter.compare = COMPARE_EQ;
    ck_assert(matches(&f, filter));
    filter.compare = COMPARE_NE;
    ck_assert(!matches(&f, filter));
    filter.compare = COMPARE_GE;
    filter.comparand.value = 405;
    ck_assert(!matches(&f, filter));
    filter.compare = COMPARE_LE;
    ck_assert(matches(&f, filter));
    filter.kind = ACCESS_LOG_FILTER_DURATION;
    filter.comparand.value = 250;
    ck_assert(matches(&f, filter));
    filter.comparand.value = 249;
    ck_assert(!matches(&f, filter));
    f.info.end_us = 0; // not ended: as of now
    f.input.now_us = 1249000;
    ck_assert(matches(&f, filter));
    arena_deinit(&f.arena);
}
END_TEST

START_TEST(filter_flags_any_or_listed) {
    struct facts f;
    set_up(&f);
    struct access_log_filter filter = {.kind = ACCESS_LOG_FILTER_RESPONSE_FLAG};
    ck_assert(!matches(&f, filter));
    stream_info_set_flag(&f.info, RESPONSE_FLAG_NO_ROUTE_FOUND);
    ck_assert(matches(&f, filter));
    filter.response_flags = UINT64_C(1) << RESPONSE_FLAG_RATE_LIMITED;
    ck_assert(!matches(&f, filter));
    arena_deinit(&f.arena);
}
END_TEST

START_TEST(filter_and_or_are_short_trees) {
    struct facts f;
    set_up(&f);
    static const struct access_log_filter yes = {.kind = ACCESS_LOG_FILTER_NOT_HEALTH_CHECK};
    static const struct access_log_filter no = {.kind = ACCESS_LOG_FILTER_TRACEABLE};
    const struct access_log_filter *both[] = {&yes, &no};
    struct access_log_filter filter = {
        .kind = ACCESS_LOG_FILTER_AND, .children = both, .child_count = 2};
    ck_assert(!matches(&f, filter));
    filter.kind = ACCESS_LOG_FILTER_OR;
    ck_assert(matches(&f, filter));
    f.info.is_health_check = true;
    ck_assert(!matches(&f, filter));
    arena_deinit(&f.arena);
}
END_TEST

START_TEST(filter_grpc_status_falls_back_to_the_http_code) {
    struct facts f;
    set_up(&f);
    struct access_log_filter filter = {.kind = ACCESS_LOG_FILTER_GRPC_STATUS,
                                       .grpc_statuses = UINT32_C(1) << 12};
    ck_assert(matches(&f, filter)); // 404 is UNIMPLEMENTED
    filter.exclude = true;
    ck_assert(!matches(&f, filter));
    header_map_append(&f.response, HEADER_GRPC_STATUS, SLICE("5"));
    ck_assert(matches(&f, filter));
    arena_deinit(&f.arena);
}
END_TEST

START_TEST(filter_metadata_type_header_and_runtime) {
    struct facts f;
    set_up(&f);
    struct access_log_filter filter = {
        .kind = ACCESS_LOG_FILTER_METADATA,
        .metadata_filter = SLICE("ns"),
        .metadata_path = SLICE("a.b"),
        .metadata_value = {.kind = STRING_MATCH_EXACT, .text = SLICE("x")},
        .match_if_key_not_found = true,
    };
    ck_assert(matches(&f, filter));
    stream_info_set_metadata(&f.info, SLICE("ns"), SLICE("a.b"), SLICE("y"), true);
    ck_assert(!matches(&f, filter));
    stream_info_set_metadata(&f.info, SLICE("ns"), SLICE("a.b"), SLICE("x"), true);
    ck_assert(matches(&f, filter));

    struct access_log_filter type = {.kind = ACCESS_LOG_FILTER_LOG_TYPE, .log_types = 1 << 6};
    ck_assert(matches(&f, type));
    f.input.access_log_type = "DownstreamStart";
    ck_assert(!matches(&f, type));
    type.exclude = true;
    ck_assert(matches(&f, type));

    struct access_log_filter header = {.kind = ACCESS_LOG_FILTER_HEADER};
    header.header = (struct header_matcher){
        .name = SLICE("x-a"), .kind = HEADER_MATCH_PRESENT, .present = true};
    ck_assert(!matches(&f, header));
    header_map_append_name(&f.request, SLICE("x-a"), SLICE("1"));
    ck_assert(matches(&f, header));

    struct access_log_filter runtime = {.kind = ACCESS_LOG_FILTER_RUNTIME};
    ck_assert(!matches(&f, runtime));
    runtime.fraction.per_million = 1000000;
    ck_assert(matches(&f, runtime));
    f.info.request_id = SLICE("00000001-0000");
    runtime.fraction.per_million = 1;
    ck_assert(!matches(&f, runtime));
    runtime.fraction.per_million = 2;
    ck_assert(matches(&f, runtime));
    arena_deinit(&f.arena);
}
END_TEST

/* ---- files ---- */

struct files {
    struct facts facts;
    struct stats_registry *stats;
    struct file_writer *writer;
    struct io_context io[2];
    const struct log_format *format;
    char directory[64];
    char path[96];
};

static void io_fake(struct io_context *io, uint32_t index) {
    *io = (struct io_context){.index = index};
    buffer_pool_init(&io->buffers);
    random_init_seed(&io->random, index);
}

static void files_set_up(struct files *f, uint32_t flush_bytes) {
    set_up(&f->facts);
    snprintf(f->directory, sizeof(f->directory), "/tmp/access_log_test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(f->directory));
    snprintf(f->path, sizeof(f->path), "%s/log", f->directory);
    io_fake(&f->io[0], 0);
    io_fake(&f->io[1], 1);
    f->stats = stats_registry_new(2);
    struct file_writer_options options = {
        .flush_interval_ms = 10000, .flush_bytes = flush_bytes, .threads = 2};
    f->writer = file_writer_new(&options, f->stats, NULL);
    ck_assert_ptr_nonnull(f->writer);
    ck_assert_int_eq(
        log_format_compile(SLICE("%REQ(x-line)%\n"), false, &f->facts.arena, &f->format, NULL),
        STATUS_OK);
}

static void files_tear_down(struct files *f) {
    stats_registry_free(f->stats);
    buffer_pool_deinit(&f->io[0].buffers);
    buffer_pool_deinit(&f->io[1].buffers);
    arena_deinit(&f->facts.arena);
    char command[160];
    snprintf(command, sizeof(command), "rm -rf '%s'", f->directory);
    ck_assert_int_eq(system(command), 0);
}

static void write_line(struct files *f, struct access_log *log, uint32_t thread, const char *line) {
    header_map_set_name(&f->facts.request, SLICE("x-line"), slice_from_string(line));
    access_log_write(log, &f->io[thread], &f->facts.input);
}

static size_t read_file(const char *path, char *text, size_t capacity) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ssize_t len = read(fd, text, capacity - 1);
    ck_assert_int_ge(len, 0);
    close(fd);
    text[len] = '\0';
    return (size_t)len;
}

struct stat_search {
    const char *name;
    uint64_t value;
    bool is_found;
};
static void find_stat(void *arg, const struct stats_visit *visit) {
    struct stat_search *search = arg;
    if (slice_equal(visit->full_name, slice_from_string(search->name))) {
        search->value = visit->value;
        search->is_found = true;
    }
}
static uint64_t stat_value(struct files *f, const char *name) {
    struct stat_search search = {.name = name};
    stats_visit_all(f->stats, find_stat, &search);
    ck_assert_msg(search.is_found, "%s", name);
    return search.value;
}

START_TEST(file_log_writes_each_threads_lines_in_order) {
    struct files f;
    files_set_up(&f, 16); // a line or two: many blocks
    struct access_log *log;
    ck_assert_int_eq(
        access_log_file_new(f.writer, slice_from_string(f.path), f.format, NULL, &log, NULL),
        STATUS_OK);
    char line[32];
    for (int i = 0; i < 200; i++) {
        snprintf(line, sizeof(line), "a%03d", i);
        write_line(&f, log, 0, line);
        snprintf(line, sizeof(line), "b%03d", i);
        write_line(&f, log, 1, line);
    }
    file_writer_flush(f.writer, &f.io[0]);
    access_log_free(log);
    file_writer_free(f.writer); // takes what thread 1 has gathered
    char text[4096];
    ck_assert_uint_eq(read_file(f.path, text, sizeof(text)), 2000);
    int next[2] = {0, 0};
    for (char *at = text; *at != '\0'; at += 5) {
        int which = at[0] - 'a';
        ck_assert(which == 0 || which == 1);
        ck_assert_int_eq((int)strtol(at + 1, NULL, 10), next[which]++);
        ck_assert_int_eq(at[4], '\n');
    }
    ck_assert_int_eq(next[0], 200);
    ck_assert_int_eq(next[1], 200);
    files_tear_down(&f);
}
END_TEST

struct writer_thread {
    struct files *f;
    struct access_log *log;
    uint32_t thread;
};
static void *write_many(void *arg) {
    struct writer_thread *it = arg;
    struct facts facts;
    set_up(&facts);
    header_map_set_name(&facts.request, SLICE("x-line"), SLICE("0123456789"));
    for (int i = 0; i < 5000; i++) {
        access_log_write(it->log, &it->f->io[it->thread], &facts.input);
    }
    file_writer_flush(it->f->writer, &it->f->io[it->thread]);
    arena_deinit(&facts.arena);
    return NULL;
}

START_TEST(file_log_takes_lines_of_two_threads_at_once) {
    struct files f;
    files_set_up(&f, 1000);
    struct access_log *log;
    ck_assert_int_eq(
        access_log_file_new(f.writer, slice_from_string(f.path), f.format, NULL, &log, NULL),
        STATUS_OK);
    struct writer_thread args[2] = {{&f, log, 0}, {&f, log, 1}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_many, &args[i]), 0);
    }
    file_writer_reopen(f.writer);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    access_log_free(log);
    file_writer_free(f.writer);
    struct stat facts;
    ck_assert_int_eq(lstat(f.path, &facts), 0);
    ck_assert_int_eq(facts.st_size, 2 * 5000 * 11);
    files_tear_down(&f);
}
END_TEST

// Waits for the file thread by what it leaves on disk; bounded.
static void await_file(const char *path) {
    for (int i = 0; i < 5000 && access(path, F_OK) != 0; i++) {
        usleep(1000);
    }
    ck_assert_int_eq(access(path, F_OK), 0);
}

START_TEST(file_log_reopens_after_rotation) {
    struct files f;
    files_set_up(&f, 65536);
    struct access_log *log;
    ck_assert_int_eq(
        access_log_file_new(f.writer, slice_from_string(f.path), f.format, NULL, &log, NULL),
        STATUS_OK);
    write_line(&f, log, 0, "before");
    file_writer_flush(f.writer, &f.io[0]);
    char rotated[128];
    snprintf(rotated, sizeof(rotated), "%s.1", f.path);
    ck_assert_int_eq(rename(f.path, rotated), 0);
    file_writer_reopen(f.writer);
    await_file(f.path);
    write_line(&f, log, 0, "after");
    file_writer_flush(f.writer, &f.io[0]);
    access_log_free(log);
    file_writer_free(f.writer);
    char text[64];
    read_file(rotated, text, sizeof(text));
    ck_assert_str_eq(text, "before\n");
    read_file(f.path, text, sizeof(text));
    ck_assert_str_eq(text, "after\n");
    files_tear_down(&f);
}
END_TEST

START_TEST(file_log_counts_what_a_full_disk_refuses) {
    struct files f;
    files_set_up(&f, 8);
    struct access_log *full;
    struct access_log *good;
    ck_assert_int_eq(access_log_file_new(f.writer, SLICE("/dev/full"), f.format, NULL, &full, NULL),
                     STATUS_OK);
    ck_assert_int_eq(
        access_log_file_new(f.writer, slice_from_string(f.path), f.format, NULL, &good, NULL),
        STATUS_OK);
    write_line(&f, full, 0, "lost-line");
    write_line(&f, good, 0, "kept-line");
    uint64_t failed = 0;
    for (int i = 0; i < 5000 && failed == 0; i++) {
        usleep(1000);
        file_writer_flush(f.writer, &f.io[0]);
        failed = stat_value(&f, "filesystem.write_failed");
    }
    for (int i = 0; i < 5000 && stat_value(&f, "filesystem.write_completed") == 0; i++) {
        usleep(1000);
        file_writer_flush(f.writer, &f.io[0]);
    }
    ck_assert_uint_eq(failed, 1);
    ck_assert_uint_eq(stat_value(&f, "filesystem.write_completed"), 1);
    ck_assert_uint_eq(stat_value(&f, "filesystem.access_logs_dropped"), 1);
    ck_assert_uint_eq(stat_value(&f, "filesystem.write_buffered"), 2);
    ck_assert_uint_eq(stat_value(&f, "filesystem.write_total_buffered"), 0);
    access_log_free(full);
    access_log_free(good);
    file_writer_free(f.writer);
    char text[64];
    read_file(f.path, text, sizeof(text));
    ck_assert_str_eq(text, "kept-line\n");
    files_tear_down(&f);
}
END_TEST

// A reader that never reads holds up neither the writer of lines nor the other files, and in the end
// lines are given up and counted.
START_TEST(file_log_does_not_wait_for_a_stuck_reader) {
    struct files f;
    files_set_up(&f, 65536);
    char fifo[128];
    snprintf(fifo, sizeof(fifo), "%s/fifo", f.directory);
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    struct access_log *log;
    struct error err = {0};
    ck_assert_int_eq(
        access_log_file_new(f.writer, slice_from_string(fifo), f.format, NULL, &log, &err),
        STATUS_IO); // no reader at all
    int reader = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ck_assert_int_ge(reader, 0);
    ck_assert_int_eq(
        access_log_file_new(f.writer, slice_from_string(fifo), f.format, NULL, &log, NULL),
        STATUS_OK);
    char *line = mem_alloc(1 << 20);
    memset(line, 'x', (1 << 20) - 1);
    line[(1 << 20) - 1] = '\0';
    for (int i = 0; i < 24; i++) { // 24 MiB: more than the queue holds
        write_line(&f, log, 0, line);
    }
    file_writer_flush(f.writer, &f.io[0]);
    file_writer_flush(f.writer, &f.io[0]);
    ck_assert_uint_gt(stat_value(&f, "filesystem.access_logs_dropped"), 0);
    struct access_log *good;
    ck_assert_int_eq(
        access_log_file_new(f.writer, slice_from_string(f.path), f.format, NULL, &good, NULL),
        STATUS_OK);
    write_line(&f, good, 1, "fine");
    file_writer_flush(f.writer, &f.io[1]);
    access_log_free(log);
    access_log_free(good);
    file_writer_free(f.writer);
    close(reader);
    mem_free(line);
    char text[64];
    read_file(f.path, text, sizeof(text));
    ck_assert_str_eq(text, "fine\n");
    files_tear_down(&f);
}
END_TEST

START_TEST(file_log_of_a_bad_path_is_an_error_with_envoys_words) {
    struct files f;
    files_set_up(&f, 0);
    struct access_log *log;
    struct error err = {0};
    ck_assert_int_eq(
        access_log_file_new(f.writer, SLICE("/no/such/dir/x"), f.format, NULL, &log, &err),
        STATUS_IO);
    ck_assert_str_eq(err.message,
                     "unable to open file '/no/such/dir/x': No such file or directory");
    file_writer_free(f.writer);
    files_tear_down(&f);
}
END_TEST

START_TEST(file_log_hands_over_when_the_interval_is_over) {
    struct files f;
    files_set_up(&f, 65536);
    struct access_log *log;
    ck_assert_int_eq(
        access_log_file_new(f.writer, slice_from_string(f.path), f.format, NULL, &log, NULL),
        STATUS_OK);
    f.facts.input.now_us = 1000000;
    write_line(&f, log, 0, "first");
    f.facts.input.now_us = 11000000;
    write_line(&f, log, 0, "second");
    char text[64] = "";
    for (int i = 0; i < 5000 && text[0] == '\0'; i++) {
        usleep(1000);
        read_file(f.path, text, sizeof(text));
    }
    ck_assert_str_eq(text, "first\nsecond\n");
    access_log_free(log);
    file_writer_free(f.writer);
    files_tear_down(&f);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("access_log");
    TCase *tcase = tcase_create("access_log");
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, filter_compares_code_and_duration);
    tcase_add_test(tcase, filter_flags_any_or_listed);
    tcase_add_test(tcase, filter_and_or_are_short_trees);
    tcase_add_test(tcase, filter_grpc_status_falls_back_to_the_http_code);
    tcase_add_test(tcase, filter_metadata_type_header_and_runtime);
    tcase_add_test(tcase, file_log_writes_each_threads_lines_in_order);
    tcase_add_test(tcase, file_log_takes_lines_of_two_threads_at_once);
    tcase_add_test(tcase, file_log_reopens_after_rotation);
    tcase_add_test(tcase, file_log_counts_what_a_full_disk_refuses);
    tcase_add_test(tcase, file_log_does_not_wait_for_a_stuck_reader);
    tcase_add_test(tcase, file_log_of_a_bad_path_is_an_error_with_envoys_words);
    tcase_add_test(tcase, file_log_hands_over_when_the_interval_is_over);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
