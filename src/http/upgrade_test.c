// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>

#include "src/http/message.h"
#include "src/http/upgrade.h"

static struct arena arena;
static struct header_map headers;

static void setup(void) {
    arena_init_heap(&arena, 0);
    header_map_init(&headers, &arena);
}

static void teardown(void) {
    arena_deinit(&arena);
}

static void expect(enum header_id id, const char *value) {
    struct slice got = header_map_get(&headers, id);
    if (value == NULL) {
        ck_assert_ptr_null(got.ptr);
        return;
    }
    ck_assert(slice_equal(got, slice_from_string(value)));
}

START_TEST(upgrade_request_http2_to_http1_and_back_is_the_same) {
    header_map_append(&headers, HEADER_METHOD, SLICE("CONNECT"));
    header_map_append(&headers, HEADER_PROTOCOL, SLICE("websocket"));
    header_map_append(&headers, HEADER_PATH, SLICE("/chat"));
    ck_assert(upgrade_is_http2_request(&headers));
    upgrade_request_to_http1(&headers);
    expect(HEADER_METHOD, "GET");
    expect(HEADER_UPGRADE, "websocket");
    expect(HEADER_CONNECTION, "upgrade");
    expect(HEADER_PROTOCOL, NULL);
    ck_assert(http_is_upgrade(&headers));
    upgrade_request_to_http2(&headers);
    expect(HEADER_METHOD, "CONNECT");
    expect(HEADER_PROTOCOL, "websocket");
    expect(HEADER_UPGRADE, NULL);
    expect(HEADER_PATH, "/chat");
}
END_TEST

START_TEST(upgrade_plain_connect_is_no_upgrade) {
    header_map_append(&headers, HEADER_METHOD, SLICE("CONNECT"));
    ck_assert(!upgrade_is_http2_request(&headers));
}
END_TEST

START_TEST(upgrade_response_accepted_becomes_101_and_200) {
    header_map_append(&headers, HEADER_STATUS, SLICE("200"));
    upgrade_response_to_http1(&headers, SLICE("websocket"));
    expect(HEADER_STATUS, "101");
    expect(HEADER_UPGRADE, "websocket");
    upgrade_response_to_http2(&headers);
    expect(HEADER_STATUS, "200");
    expect(HEADER_UPGRADE, NULL);
    expect(HEADER_CONNECTION, NULL);
}
END_TEST

START_TEST(upgrade_response_refused_keeps_its_status) {
    header_map_append(&headers, HEADER_STATUS, SLICE("403"));
    upgrade_response_to_http1(&headers, SLICE("websocket"));
    expect(HEADER_STATUS, "403");
    expect(HEADER_UPGRADE, NULL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("upgrade");
    TCase *tc = tcase_create("forms");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, upgrade_request_http2_to_http1_and_back_is_the_same);
    tcase_add_test(tc, upgrade_plain_connect_is_no_upgrade);
    tcase_add_test(tc, upgrade_response_accepted_becomes_101_and_200);
    tcase_add_test(tc, upgrade_response_refused_keeps_its_status);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
