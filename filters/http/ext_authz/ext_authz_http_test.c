// SPDX-License-Identifier: Apache-2.0
/* Checks over plain HTTP. */
#include "filters/http/ext_authz/ext_authz_test_fixture_config.h"

/* ---- over HTTP ---- */

static void start_http_service(void) {
    static const struct string_matcher up = {.kind = STRING_MATCH_PREFIX,
                                             .text = SLICE_INIT("x-up")};
    static const struct string_matcher app = {.kind = STRING_MATCH_PREFIX,
                                              .text = SLICE_INIT("x-app")};
    static const struct string_matcher ok = {.kind = STRING_MATCH_PREFIX,
                                             .text = SLICE_INIT("x-ok")};
    static const struct string_matcher dm = {.kind = STRING_MATCH_PREFIX,
                                             .text = SLICE_INIT("x-dm")};
    fx.service = (struct authz_service){
        .is_http = true,
        .cluster_slot = 3,
        .timeout_ms = 300,
        .path_prefix = SLICE("/pre"),
        .upstream_headers = {&up, 1, true},
        .upstream_headers_to_append = {&app, 1, true},
        .client_headers_on_success = {&ok, 1, true},
        .dynamic_metadata = {&dm, 1, true},
    };
    start(true);
}

static void answer_http(const char *status, const char *const (*headers)[2], size_t count,
                        const char *text) {
    struct header_map map;
    header_map_init(&map, &fx.arena);
    header_map_append(&map, HEADER_STATUS, slice_from_string(status));
    for (size_t i = 0; i < count; i++) {
        header_map_append_name(&map, slice_from_string(headers[i][0]),
                               slice_from_string(headers[i][1]));
    }
    struct buffer body;
    buffer_init(&body, &fx.io.buffers);
    buffer_append(&body, slice_from_string(text));
    struct http_call_result result = {
        .outcome = HTTP_CALL_RESPONSE, .headers = &map, .body = &body};
    fx.http.done(fx.http.arg, &result);
    buffer_deinit(&body);
}

START_TEST(ext_authz_http_check_carries_the_request_line_and_few_headers) {
    header_map_append(&fx.request, HEADER_AUTHORIZATION, SLICE("Basic x"));
    header_map_append(&fx.request, HEADER_CONTENT_LENGTH, SLICE("7"));
    start_http_service();
    struct header_map *sent = &fx.http_headers;
    ck_assert_slice(header_map_get(sent, HEADER_METHOD), "POST");
    ck_assert_slice(header_map_get(sent, HEADER_PATH), "/pre/a?x=1&y=2");
    ck_assert_slice(header_map_get(sent, HEADER_AUTHORITY), "foo.com");
    ck_assert_slice(header_map_get(sent, HEADER_AUTHORIZATION), "Basic x");
    ck_assert_slice(header_map_get(sent, HEADER_CONTENT_LENGTH), "0");
    ck_assert_slice(header_map_get(sent, HEADER_X_ENVOY_INTERNAL), "true");
    ck_assert_uint_eq(header_map_count_name(sent, SLICE("x-dup")), 0);
    ck_assert_uint_eq(fx.http.timeout_ms, 300);
}
END_TEST

START_TEST(ext_authz_http_200_passes_chosen_headers_on) {
    static const char *const headers[][2] = {{"x-up", "2"},
                                             {"x-up", "3"},
                                             {"x-app", "4"},
                                             {"x-other", "5"},
                                             {"x-ok", "6"},
                                             {"x-dm", "7"},
                                             {"x-envoy-auth-headers-to-remove", "X-Dup, x-no"}};
    header_map_append_name(&fx.request, SLICE("x-up"), SLICE("0"));
    header_map_append_name(&fx.request, SLICE("x-app"), SLICE("0"));
    start_http_service();
    answer_http("200", headers, ARRAY_LEN(headers), "");
    ck_assert(request_has("x-up", "3"));
    ck_assert(request_has("x-app", "0,4"));
    ck_assert_uint_eq(header_map_count_name(&fx.request, SLICE("x-other")), 0);
    ck_assert_uint_eq(header_map_count_name(&fx.request, SLICE("x-dup")), 0);
    http_filter_encode_headers(fx.chain.slots[1].filter, &fx.response, true);
    ck_assert_slice(header_map_get_name(&fx.response, SLICE("x-ok")), "6");
    const struct info_entry *entry =
        stream_info_metadata(&fx.info, SLICE("envoy.filters.http.ext_authz"), SLICE("x-dm"));
    ck_assert_ptr_nonnull(entry);
    ck_assert_slice(entry->value, "7");
    ck_assert(fx.reached);
}
END_TEST

START_TEST(ext_authz_http_denial_copies_status_headers_and_body) {
    static const char *const headers[][2] = {
        {"www-authenticate", "Basic"}, {"x-a", "1"}, {"transfer-encoding", "chunked"}};
    start_http_service();
    answer_http("401", headers, ARRAY_LEN(headers), "nope");
    ck_assert_uint_eq(fx.reply_status, 401);
    ck_assert_slice(fx.reply_body, "nope");
    ck_assert_uint_eq(fx.reply_headers.live, 2);
    ck_assert_slice(header_map_get_name(&fx.reply_headers, SLICE("x-a")), "1");
}
END_TEST

START_TEST(ext_authz_http_5xx_and_failures_are_errors) {
    start_http_service();
    if (_i == 0) {
        answer_http("503", NULL, 0, "x");
    } else {
        struct http_call_result result = {.outcome = HTTP_CALL_TIMEOUT};
        fx.http.done(fx.http.arg, &result);
    }
    ck_assert_uint_eq(fx.reply_status, 403);
    ck_assert_slice(fx.reply_details, "ext_authz_error");
    ck_assert_slice(fx.reply_body, "");
}
END_TEST

int main(void) {
    TCase *tcase = tcase_create("filter");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, ext_authz_http_check_carries_the_request_line_and_few_headers);
    tcase_add_test(tcase, ext_authz_http_200_passes_chosen_headers_on);
    tcase_add_test(tcase, ext_authz_http_denial_copies_status_headers_and_body);
    tcase_add_loop_test(tcase, ext_authz_http_5xx_and_failures_are_errors, 0, 2);
    return run_tests(tcase);
}
