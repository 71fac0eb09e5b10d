// SPDX-License-Identifier: Apache-2.0
#include "src/base/log.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "src/base/check.h"
#include "src/base/log_line.h"

/* What the patterns below show: 2026-11-23 was a Monday. */
static struct log_record record(void) {
    return (struct log_record){
        .component = "main",
        .level = "info",
        .version = "v/1.2",
        .file = "src/server/server.c",
        .line = 463,
        .wall_s = 1795438231,
        .wall_ns = 830201000,
        .elapsed_ns = 387000,
        .message = SLICE("a \"b\"\n\x01\\"),
    };
}

static void assert_formats(const char *pattern, const char *expected) {
    struct log_record shown = record();
    struct log_line line;
    log_line_init(&line);
    log_line_format(&line, pattern, &shown);
    ck_assert_msg(slice_equal(slice_make(line.data, line.len), slice_from_string(expected)),
                  "%s gives %.*s", pattern, (int)line.len, line.data);
    log_line_deinit(&line);
}

// The results are those of Envoy 1.40 for the same instant.
START_TEST(pattern_flags_show_what_envoy_shows) {
    static const char *const cases[][2] = {
        {"%n|%l|%L|%N", "main|info|I|v/1.2"},
        {"%a|%A|%b|%B|%h", "Mon|Monday|Nov|November|Nov"},
        {"%c", "Mon Nov 23 12:50:31 2026"},
        {"%C|%Y|%D|%x|%m|%d", "26|2026|11/23/26|11/23/26|11|23"},
        {"%H|%I|%M|%S|%p", "12|12|50|31|PM"},
        {"%e|%f|%F|%E", "830|830201|830201000|1795438231"},
        {"%r|%R|%T|%X|%z", "12:50:31 PM|12:50|12:50:31|12:50:31|+00:00"},
        {"[%^%$%!%*]%%", "[]%"},
        {"%s|%g|%#|%@", "server.c|src/server/server.c|463|src/server/server.c:463"},
        {"%u|%i|%o|%O", "387000|387|0|0"},
        {"%8l|%-8l|%=8l|%3!l|%=7l|", "    info|info    |  info  |inf| info  |"},
        {"%2l|%64n|", "info|                                                            main|"},
        {"%Q%k %W", "%Q%k %W"},
        {"%v", "a \"b\"\n\x01\\"},
        {"%_", "a \"b\"\\n\x01\\"},
        {"{\"m\":\"%j\"}", "{\"m\":\"a \\\"b\\\"\\n\\u0001\\\\\"}"},
        {"%+", "a \\\"b\\\"\\n\\u0001\\\\"},
        {"", ""},
        {"end%", "end%"},
        {"end%8", "end%8"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_formats(cases[i][0], cases[i][1]);
    }
}
END_TEST

START_TEST(escape_keeps_one_line_and_white_space_at_the_end) {
    struct log_line line;
    log_line_init(&line);
    log_line_append(&line, SLICE("a\n\"b'\t\\\x01\xc3\x7f \n"));
    log_line_escape(&line);
    ck_assert(slice_equal(slice_make(line.data, line.len),
                          SLICE("a\\n\\\"b\\'\\t\\\\\\001\\303\\177 \n")));
    log_line_deinit(&line);
}
END_TEST

START_TEST(names_are_envoys) {
    enum log_level level;
    ck_assert_int_eq(log_level_parse(SLICE("warning"), &level), STATUS_OK);
    ck_assert_int_eq(level, LOG_WARN);
    ck_assert_int_eq(log_level_parse(SLICE("warn"), &level), STATUS_OK);
    ck_assert_int_eq(log_level_parse(SLICE("err"), &level), STATUS_OK);
    ck_assert_int_eq(level, LOG_ERROR);
    ck_assert_int_eq(log_level_parse(SLICE("foo"), &level), STATUS_INVALID);
    ck_assert_str_eq(log_level_name(LOG_WARN), "warning");
    enum log_component component;
    ck_assert_int_eq(log_component_parse(SLICE("upstream"), &component), STATUS_OK);
    ck_assert_int_eq(component, LOG_UPSTREAM);
    ck_assert_int_eq(log_component_parse(SLICE("health_checker"), &component), STATUS_OK);
    ck_assert_int_eq(component, LOG_HC);
    ck_assert_int_eq(log_component_parse(SLICE("wasm"), &component), STATUS_OK);
    ck_assert_int_eq(log_component_parse(SLICE("nonsense"), &component), STATUS_NOT_FOUND);
    ck_assert_str_eq(log_component_name(LOG_CONN_HANDLER), "conn_handler");
}
END_TEST

static char path[] = "/tmp/log_testXXXXXX";

static void open_scratch(const char *format, bool escape) {
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_int_eq(log_open(path, format, escape, NULL), STATUS_OK);
}

static size_t read_file(const char *name, char *text, size_t size) {
    FILE *file = fopen(name, "r");
    ck_assert_ptr_nonnull(file);
    size_t len = fread(text, 1, size - 1, file);
    text[len] = '\0';
    fclose(file);
    return len;
}

START_TEST(levels_decide_what_is_written) {
    open_scratch("%n %l %v", false);
    LOG(MAIN, DEBUG, "hidden");
    LOG(MAIN, INFO, "shown %d", 1);
    log_set_component_level(LOG_HTTP, LOG_TRACE);
    ck_assert_int_eq(log_get_level(LOG_HTTP), LOG_TRACE);
    LOG(HTTP, TRACE, "shown %d", 2);
    log_set_level(LOG_OFF);
    LOG(MAIN, CRITICAL, "hidden");
    char text[256];
    read_file(path, text, sizeof(text));
    ck_assert_str_eq(text, "main info shown 1\nhttp trace shown 2\n");
    log_close();
    unlink(path);
}
END_TEST

START_TEST(reopen_follows_a_rotation) {
    open_scratch("%v", false);
    LOG(MAIN, INFO, "first");
    char rotated[64];
    snprintf(rotated, sizeof(rotated), "%s.1", path);
    ck_assert_int_eq(rename(path, rotated), 0);
    log_reopen();
    LOG(MAIN, INFO, "second");
    char text[256];
    read_file(path, text, sizeof(text));
    ck_assert_str_eq(text, "second\n");
    read_file(rotated, text, sizeof(text));
    ck_assert_str_eq(text, "first\n");
    log_close();
    unlink(path);
    unlink(rotated);
}
END_TEST

START_TEST(long_escaped_message_is_whole) {
    open_scratch("%v|", true);
    char *message = malloc(10001);
    memset(message, '"', 10000);
    message[10000] = '\0';
    LOG(MAIN, INFO, "%s", message);
    static char text[32768];
    ck_assert_uint_eq(read_file(path, text, sizeof(text)), 20002);
    ck_assert(text[19999] == '"' && text[20000] == '|' && text[20001] == '\n');
    free(message);
    log_close();
    unlink(path);
}
END_TEST

START_TEST(open_of_a_bad_path_fails_with_its_name) {
    struct error err;
    ck_assert_int_eq(log_open("/nonexistent/log", NULL, false, &err), STATUS_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "/nonexistent/log"));
}
END_TEST

enum { WRITERS = 3, LINES = 300 };

static void *write_lines(void *arg) {
    const char *letter = arg;
    char message[120];
    memset(message, *letter, sizeof(message) - 1);
    message[sizeof(message) - 1] = '\0';
    for (int i = 0; i < LINES; i++) {
        LOG(MAIN, INFO, "%s", message);
        log_set_component_level(LOG_HTTP, LOG_DEBUG);
    }
    return NULL;
}

START_TEST(lines_of_threads_do_not_mix) {
    open_scratch("%v", false);
    char letters[] = "abc";
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_lines, &letters[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
    }
    static char text[WRITERS * LINES * 120 + 2];
    ck_assert_uint_eq(read_file(path, text, sizeof(text)), WRITERS * LINES * 120);
    for (size_t line = 0; line < WRITERS * LINES; line++) {
        const char *start = text + line * 120;
        CHECK(start[119] == '\n');
        CHECK(strspn(start, (char[]){start[0], '\0'}) == 119);
    }
    log_close();
    unlink(path);
}
END_TEST

int main(void) {
    setenv("TZ", "UTC", 1);
    Suite *suite = suite_create("log");
    TCase *tests = tcase_create("log");
    tcase_add_test(tests, pattern_flags_show_what_envoy_shows);
    tcase_add_test(tests, escape_keeps_one_line_and_white_space_at_the_end);
    tcase_add_test(tests, names_are_envoys);
    tcase_add_test(tests, levels_decide_what_is_written);
    tcase_add_test(tests, reopen_follows_a_rotation);
    tcase_add_test(tests, long_escaped_message_is_whole);
    tcase_add_test(tests, open_of_a_bad_path_fails_with_its_name);
    tcase_add_test(tests, lines_of_threads_do_not_mix);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
