// SPDX-License-Identifier: Apache-2.0
#include "src/stream/local_reply.h"

#include <check.h>
#include <stdlib.h>

#include "src/base/check.h"
#include "src/event/io_context.h"

static struct arena arena;
static struct http_connection_manager_config config;
static struct local_reply_config model;
static struct stream_info info;
static struct io_context io;
static struct local_reply_result result;

static void set_up(void) {
    arena_init_heap(&arena, 0);
    random_init_seed(&io.random, 3);
    info = (struct stream_info){.arena = &arena};
    config = (struct http_connection_manager_config){.server_name = SLICE("envoy")};
    model = (struct local_reply_config){.mapper_count = 0};
}

static void tear_down(void) {
    arena_deinit(&arena);
}

static void make(uint32_t status, const char *body, bool is_grpc, bool is_head) {
    struct local_reply reply = {.status = status,
                                .body = slice_from_string(body),
                                .details = SLICE("test"),
                                .grpc_status = -1,
                                .flag = RESPONSE_FLAG_COUNT};
    struct log_format_input input = {.info = &info};
    local_reply_make(&config, &reply, is_grpc, is_head, &input, &info, &io, &result);
}

static void expect(enum header_id id, const char *value) {
    struct slice got = header_map_get(result.headers, id);
    ck_assert_msg(slice_equal(got, slice_from_string(value)), "%.*s", SLICE_ARG(got));
}

START_TEST(local_reply_make_text) {
    make(503, "no healthy upstream", false, false);
    expect(HEADER_STATUS, "503");
    expect(HEADER_CONTENT_LENGTH, "19");
    expect(HEADER_CONTENT_TYPE, "text/plain");
    ck_assert(slice_equal(result.body, SLICE("no healthy upstream")));
    ck_assert_uint_eq(info.response_code, 503);
}
END_TEST

START_TEST(local_reply_make_empty_has_no_type) {
    make(404, "", false, false);
    expect(HEADER_STATUS, "404");
    expect(HEADER_CONTENT_TYPE, NULL);
    ck_assert_uint_eq(result.body.len, 0);
}
END_TEST

START_TEST(local_reply_make_head_keeps_the_length) {
    make(503, "text", false, true);
    expect(HEADER_CONTENT_LENGTH, "4");
    ck_assert_uint_eq(result.body.len, 0);
}
END_TEST

START_TEST(local_reply_make_grpc_maps_the_status) {
    struct grpc_row {
        uint32_t status;
        const char *grpc;
    };
    static const struct grpc_row rows[] = {
        {400, "13"}, {401, "16"}, {403, "7"},  {404, "12"}, {429, "14"},
        {502, "14"}, {503, "14"}, {504, "14"}, {500, "2"},  {200, "2"},
    };
    make(rows[_i].status, "a b\n", true, false);
    expect(HEADER_STATUS, "200");
    expect(HEADER_CONTENT_TYPE, "application/grpc");
    expect(HEADER_GRPC_STATUS, rows[_i].grpc);
    expect(HEADER_GRPC_MESSAGE, "a b%0A");
    expect(HEADER_CONTENT_LENGTH, NULL);
    ck_assert_uint_eq(result.body.len, 0);
}
END_TEST

START_TEST(local_reply_make_mapper_changes_status_and_body) {
    struct local_reply_mapper mapper = {.status = 499, .body = SLICE("other"), .has_body = true};
    model = (struct local_reply_config){.mappers = &mapper, .mapper_count = 1};
    config.local_reply = &model;
    make(404, "text", false, false);
    expect(HEADER_STATUS, "499");
    expect(HEADER_CONTENT_LENGTH, "5");
    ck_assert(slice_equal(result.body, SLICE("other")));
    ck_assert_uint_eq(result.status, 499);
}
END_TEST

START_TEST(local_reply_make_first_mapper_that_matches) {
    struct access_log_filter not_found = {
        .kind = ACCESS_LOG_FILTER_STATUS_CODE, .compare = COMPARE_EQ, .comparand.value = 404};
    struct local_reply_mapper mappers[] = {{.filter = &not_found, .status = 410}, {.status = 599}};
    model = (struct local_reply_config){.mappers = mappers, .mapper_count = 2};
    config.local_reply = &model;
    make(404, "", false, false);
    expect(HEADER_STATUS, "410");
    make(503, "", false, false);
    expect(HEADER_STATUS, "599");
}
END_TEST

START_TEST(local_reply_make_formats_the_body) {
    struct error err = {0};
    const struct log_format *format = NULL;
    ck_assert_msg(log_format_compile(SLICE("%LOCAL_REPLY_BODY%:%RESPONSE_CODE%"), false, &arena,
                                     &format, &err) == STATUS_OK,
                  "%s", err.message);
    model = (struct local_reply_config){.body_format = format};
    config.local_reply = &model;
    make(503, "text", false, false);
    ck_assert(slice_equal(result.body, SLICE("text:503")));
    expect(HEADER_CONTENT_TYPE, "text/plain");
    expect(HEADER_CONTENT_LENGTH, "8");
    model.content_type = SLICE("application/json");
    make(503, "text", false, false);
    expect(HEADER_CONTENT_TYPE, "application/json");
}
END_TEST

int main(void) {
    Suite *s = suite_create("local_reply");
    TCase *t = tcase_create("local_reply");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, local_reply_make_text);
    tcase_add_test(t, local_reply_make_empty_has_no_type);
    tcase_add_test(t, local_reply_make_head_keeps_the_length);
    tcase_add_loop_test(t, local_reply_make_grpc_maps_the_status, 0, 10);
    tcase_add_test(t, local_reply_make_mapper_changes_status_and_body);
    tcase_add_test(t, local_reply_make_first_mapper_that_matches);
    tcase_add_test(t, local_reply_make_formats_the_body);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
