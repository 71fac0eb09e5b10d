// SPDX-License-Identifier: Apache-2.0
#include "src/stream/response_headers.h"

#include <check.h>
#include <stdlib.h>

#include "src/base/check.h"

static struct arena arena;
static struct header_map headers;
static struct http_connection_manager_config config;
static struct response_head head;

static void set_up(void) {
    arena_init_heap(&arena, 0);
    header_map_init(&headers, &arena);
    config = (struct http_connection_manager_config){.server_name = SLICE("envoy")};
    head = (struct response_head){
        .config = &config, .headers = &headers, .wall_us = UINT64_C(784111777000000)};
    header_map_append(&headers, HEADER_STATUS, SLICE("200"));
}

static void tear_down(void) {
    arena_deinit(&arena);
}

static void expect(enum header_id id, const char *value) {
    struct slice got = header_map_get(&headers, id);
    ck_assert_msg(slice_equal(got, slice_from_string(value)), "%.*s", SLICE_ARG(got));
}

START_TEST(response_headers_mutate_server) {
    struct server_row {
        enum server_header_transformation mode;
        const char *in, *out;
    };
    static const struct server_row rows[] = {
        {SERVER_OVERWRITE, "theirs", "envoy"},         {SERVER_OVERWRITE, NULL, "envoy"},
        {SERVER_APPEND_IF_ABSENT, "theirs", "theirs"}, {SERVER_APPEND_IF_ABSENT, NULL, "envoy"},
        {SERVER_PASS_THROUGH, "theirs", "theirs"},     {SERVER_PASS_THROUGH, NULL, NULL},
    };
    config.server_transformation = rows[_i].mode;
    if (rows[_i].in != NULL) {
        header_map_append(&headers, HEADER_SERVER, slice_from_string(rows[_i].in));
    }
    response_headers_mutate(&head);
    expect(HEADER_SERVER, rows[_i].out);
}
END_TEST

START_TEST(response_headers_mutate_date) {
    if (_i == 1) {
        header_map_append(&headers, HEADER_DATE, SLICE("theirs"));
    }
    response_headers_mutate(&head);
    expect(HEADER_DATE, _i == 1 ? "theirs" : "Sun, 06 Nov 1994 08:49:37 GMT");
}
END_TEST

START_TEST(response_headers_mutate_via) {
    config.via = SLICE("1.1 proxy");
    if (_i == 1) {
        header_map_append(&headers, HEADER_VIA, SLICE("1.0 x"));
    }
    response_headers_mutate(&head);
    expect(HEADER_VIA, _i == 1 ? "1.0 x, 1.1 proxy" : "1.1 proxy");
}
END_TEST

START_TEST(response_headers_mutate_request_id_only_where_asked) {
    head.request_id = SLICE("id");
    head.keep_request_id = _i == 1;
    response_headers_mutate(&head);
    expect(HEADER_X_REQUEST_ID, _i == 1 ? "id" : NULL);
}
END_TEST

START_TEST(response_headers_mutate_hop_by_hop) {
    header_map_append(&headers, HEADER_CONNECTION, SLICE("upgrade"));
    header_map_append(&headers, HEADER_UPGRADE, SLICE("websocket"));
    header_map_append(&headers, HEADER_KEEP_ALIVE, SLICE("x"));
    header_map_append(&headers, HEADER_PROXY_CONNECTION, SLICE("x"));
    header_map_append(&headers, HEADER_TRANSFER_ENCODING, SLICE("chunked"));
    head.is_upgrade = _i == 1;
    response_headers_mutate(&head);
    expect(HEADER_CONNECTION, _i == 1 ? "upgrade" : NULL);
    expect(HEADER_UPGRADE, _i == 1 ? "websocket" : NULL);
    expect(HEADER_KEEP_ALIVE, NULL);
    expect(HEADER_PROXY_CONNECTION, NULL);
    expect(HEADER_TRANSFER_ENCODING, NULL);
}
END_TEST

int main(void) {
    Suite *s = suite_create("response_headers");
    TCase *t = tcase_create("response_headers");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, response_headers_mutate_server, 0, 6);
    tcase_add_loop_test(t, response_headers_mutate_date, 0, 2);
    tcase_add_loop_test(t, response_headers_mutate_via, 0, 2);
    tcase_add_loop_test(t, response_headers_mutate_request_id_only_where_asked, 0, 2);
    tcase_add_loop_test(t, response_headers_mutate_hop_by_hop, 0, 2);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
