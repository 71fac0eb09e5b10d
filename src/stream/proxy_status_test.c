// SPDX-License-Identifier: Apache-2.0
#include "src/stream/proxy_status.h"

#include <check.h>
#include <stdlib.h>

static struct arena arena;
static struct header_map headers;
static struct stream_info info;
static struct proxy_status_config status;
static struct http_connection_manager_config config;

static void setup(void) {
    arena_init_heap(&arena, 0);
    header_map_init(&headers, &arena);
    header_map_append(&headers, HEADER_STATUS, SLICE("404"));
    info = (struct stream_info){.arena = &arena, .response_code_details = SLICE("route_not_found")};
    status = (struct proxy_status_config){0};
    config = (struct http_connection_manager_config){.proxy_status = &status,
                                                     .server_name = SLICE("front")};
}

static void teardown(void) {
    arena_deinit(&arena);
}

static void expect(const char *value) {
    proxy_status_add(&config, SLICE("node-1"), &info, &headers);
    struct slice got = header_map_get_name(&headers, SLICE("proxy-status"));
    if (value == NULL) {
        ck_assert_ptr_null(got.ptr);
        return;
    }
    ck_assert_msg(slice_equal(got, slice_from_string(value)), "%.*s", SLICE_ARG(got));
}

START_TEST(proxy_status_without_an_error_is_absent) {
    stream_info_set_flag(&info, RESPONSE_FLAG_DELAY_INJECTED);
    expect(NULL);
}
END_TEST

START_TEST(proxy_status_of_several_flags_tells_the_first_and_shows_all) {
    stream_info_set_flag(&info, RESPONSE_FLAG_UPSTREAM_RETRY_LIMIT_EXCEEDED);
    stream_info_set_flag(&info, RESPONSE_FLAG_UPSTREAM_CONNECTION_FAILURE);
    expect("front; error=connection_refused; details=\"route_not_found; UF,URX\"");
}
END_TEST

START_TEST(proxy_status_names_the_node_where_asked) {
    status.names_node = true;
    stream_info_set_flag(&info, RESPONSE_FLAG_NO_ROUTE_FOUND);
    expect("node-1; error=destination_not_found; details=\"route_not_found; NR\"");
}
END_TEST

START_TEST(proxy_status_details_cannot_end_the_string) {
    status.remove_response_flags = true;
    info.response_code_details = SLICE("a\"b\\c");
    stream_info_set_flag(&info, RESPONSE_FLAG_NO_ROUTE_FOUND);
    expect("front; error=destination_not_found; details=\"a\\\"b\\\\c\"");
}
END_TEST

START_TEST(proxy_status_sets_the_recommended_status_where_asked) {
    status.remove_details = true;
    status.set_recommended_status = true;
    stream_info_set_flag(&info, RESPONSE_FLAG_NO_ROUTE_FOUND);
    expect("front; error=destination_not_found");
    ck_assert(slice_equal(header_map_get(&headers, HEADER_STATUS), SLICE("500")));
}
END_TEST

START_TEST(proxy_status_of_the_clients_fault_leaves_the_status) {
    status.remove_details = true;
    status.set_recommended_status = true;
    stream_info_set_flag(&info, RESPONSE_FLAG_INVALID_ENVOY_REQUEST_HEADERS);
    expect("front; error=http_request_error");
    ck_assert(slice_equal(header_map_get(&headers, HEADER_STATUS), SLICE("404")));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("proxy_status");
    TCase *tcase = tcase_create("proxy_status");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, proxy_status_without_an_error_is_absent);
    tcase_add_test(tcase, proxy_status_of_several_flags_tells_the_first_and_shows_all);
    tcase_add_test(tcase, proxy_status_names_the_node_where_asked);
    tcase_add_test(tcase, proxy_status_details_cannot_end_the_string);
    tcase_add_test(tcase, proxy_status_sets_the_recommended_status_where_asked);
    tcase_add_test(tcase, proxy_status_of_the_clients_fault_leaves_the_status);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
