// SPDX-License-Identifier: Apache-2.0
/* What becomes of the answers. */
#include "filters/http/ext_authz/ext_authz_test_fixture_config.h"

/* ---- answers ---- */

START_TEST(ext_authz_ok_changes_the_request_as_envoy_does) {
    struct options o = {0};
    header_map_append_name(&fx.request, SLICE("x-have"), SLICE("old"));
    header_map_append_name(&fx.request, SLICE("x-set"), SLICE("old"));
    fx.config.clear_route_cache = true;
    start(true);
    add_option(&o, "X-Set", "new", 0, APPEND_UNSET);
    add_option(&o, "x-have", "new", 0, 1);
    add_option(&o, "x-not", "new", 0, 1);
    add_option(&o, "host", "other.com", 2, APPEND_UNSET);
    add_option(&o, "content-length", "5", 2, APPEND_UNSET);
    answer_ok(&o);
    ck_assert(request_has("x-set", "new"));
    ck_assert(request_has("x-have", "old,new"));
    ck_assert_uint_eq(header_map_count_name(&fx.request, SLICE("x-not")), 0);
    ck_assert(request_has(":authority", "other.com"));
    ck_assert_uint_eq(header_map_count_name(&fx.request, SLICE("content-length")), 0);
    ck_assert_uint_eq(fx.clear_count, 1);
    ck_assert(fx.reached);
}
END_TEST

START_TEST(ext_authz_ok_removes_headers_and_edits_the_query) {
    Envoy__Service__Auth__V3__OkHttpResponse ok = ENVOY__SERVICE__AUTH__V3__OK_HTTP_RESPONSE__INIT;
    Envoy__Service__Auth__V3__CheckResponse response =
        ENVOY__SERVICE__AUTH__V3__CHECK_RESPONSE__INIT;
    Envoy__Config__Core__V3__QueryParameter set = ENVOY__CONFIG__CORE__V3__QUERY_PARAMETER__INIT;
    Envoy__Config__Core__V3__QueryParameter *sets[] = {&set};
    char x_dup[] = "X-Dup", path[] = ":path", key[] = "b", value[] = "9", gone[] = "x";
    char *removed[] = {x_dup, path}, *removed_query[] = {gone};
    set.key = key;
    set.value = value;
    ok.headers_to_remove = removed;
    ok.n_headers_to_remove = 2;
    ok.query_parameters_to_set = sets;
    ok.n_query_parameters_to_set = 1;
    ok.query_parameters_to_remove = removed_query;
    ok.n_query_parameters_to_remove = 1;
    response.http_response_case =
        ENVOY__SERVICE__AUTH__V3__CHECK_RESPONSE__HTTP_RESPONSE_OK_RESPONSE;
    response.ok_response = &ok;
    start(true);
    answer_grpc(&response);
    ck_assert_uint_eq(header_map_count_name(&fx.request, SLICE("x-dup")), 0);
    ck_assert(request_has(":path", "/a?b=9&y=2"));
}
END_TEST

START_TEST(ext_authz_ok_response_headers_reach_the_client) {
    Envoy__Service__Auth__V3__OkHttpResponse ok = ENVOY__SERVICE__AUTH__V3__OK_HTTP_RESPONSE__INIT;
    Envoy__Service__Auth__V3__CheckResponse response =
        ENVOY__SERVICE__AUTH__V3__CHECK_RESPONSE__INIT;
    struct options o = {0};
    add_option(&o, "x-have", "added", 0, APPEND_UNSET);
    add_option(&o, "x-absent", "1", 1, APPEND_UNSET);
    add_option(&o, "x-have2", "set", 2, APPEND_UNSET);
    add_option(&o, "x-not", "1", 3, APPEND_UNSET);
    add_option(&o, "x-bad", "a\r\nb", 2, APPEND_UNSET);
    ok.response_headers_to_add = o.list;
    ok.n_response_headers_to_add = o.count;
    response.http_response_case =
        ENVOY__SERVICE__AUTH__V3__CHECK_RESPONSE__HTTP_RESPONSE_OK_RESPONSE;
    response.ok_response = &ok;
    header_map_append_name(&fx.response, SLICE("x-have"), SLICE("up"));
    header_map_append_name(&fx.response, SLICE("x-have2"), SLICE("up"));
    start(true);
    answer_grpc(&response);
    http_filter_encode_headers(fx.chain.slots[1].filter, &fx.response, true);
    ck_assert_slice(header_map_get_joined(&fx.response, SLICE("x-have"), SLICE(","), &fx.arena),
                    "up,added");
    ck_assert_slice(header_map_get_name(&fx.response, SLICE("x-absent")), "1");
    ck_assert_slice(header_map_get_name(&fx.response, SLICE("x-have2")), "set");
    ck_assert_uint_eq(header_map_count_name(&fx.response, SLICE("x-not")), 0);
    ck_assert_uint_eq(header_map_count_name(&fx.response, SLICE("x-bad")), 0);
}
END_TEST

static const struct {
    const char *name, *value;
} broken_changes[] = {
    {"x-a", "1\r\nx-evil: 2"}, {"x a", "1"},    {":path", "/a b"},
    {":method", "CONNECT"},    {"host", "a b"}, {":scheme", "ftp"},
};

START_TEST(ext_authz_change_that_breaks_the_request_is_500) {
    struct options o = {0};
    start(true);
    add_option(&o, broken_changes[_i].name, broken_changes[_i].value, 2, APPEND_UNSET);
    answer_ok(&o);
    ck_assert(!fx.reached);
    ck_assert_uint_eq(fx.reply_status, 500);
    ck_assert_slice(fx.reply_details, "ext_authz_invalid");
    ck_assert_int_eq(fx.reply_flag, RESPONSE_FLAG_UNAUTHORIZED_EXTERNAL_SERVICE);
}
END_TEST

static const struct {
    struct authz_mutation_rules rules;
    const char *name;
    bool reaches, is_changed;
} rule_cases[] = {
    {{0}, "x-a", true, true},
    {{0}, "x-envoy-a", true, false},
    {{.allow_envoy = true}, "x-envoy-a", true, true},
    {{.disallow_all = true}, "x-a", true, false},
    {{.disallow_all = true, .disallow_is_error = true}, "x-a", false, false},
    {{0}, "host", true, false},
    {{.allow_all_routing = true}, "host", true, true},
};

START_TEST(ext_authz_mutation_rules_bound_the_service) {
    struct options o = {0};
    fx.config.rules = &rule_cases[_i].rules;
    start(true);
    add_option(&o, rule_cases[_i].name, "new.com", 2, APPEND_UNSET);
    answer_ok(&o);
    bool is_host = strcmp(rule_cases[_i].name, "host") == 0;
    ck_assert(fx.reached == rule_cases[_i].reaches);
    ck_assert(request_has(is_host ? ":authority" : rule_cases[_i].name, "new.com") ==
              rule_cases[_i].is_changed);
}
END_TEST

START_TEST(ext_authz_denial_answers_with_its_status_headers_and_body) {
    struct options o = {0};
    fx.config.max_denied_body_bytes = 2;
    start(false);
    add_option(&o, "x-a", "1", 0, APPEND_UNSET);
    add_option(&o, "x-a", "2", 0, APPEND_UNSET);
    add_option(&o, "x-t", "1", 0, 1);
    add_option(&o, "content-length", "99", 0, APPEND_UNSET);
    add_option(&o, "x-bad", "a\nb", 0, APPEND_UNSET);
    answer_denied(&o, 401, "nope");
    ck_assert(!fx.reached);
    ck_assert_uint_eq(fx.reply_status, 401);
    ck_assert_slice(fx.reply_body, "no");
    ck_assert_slice(fx.reply_details, "ext_authz_denied");
    ck_assert_int_eq(fx.reply_flag, RESPONSE_FLAG_UNAUTHORIZED_EXTERNAL_SERVICE);
    ck_assert_uint_eq(header_map_count_name(&fx.reply_headers, SLICE("x-a")), 2);
    ck_assert_uint_eq(fx.reply_headers.live, 2);
    feed("late", true);
    ck_assert_str_eq(fx.body, "");
}
END_TEST

START_TEST(ext_authz_denied_status_out_of_range_is_403) {
    start(true);
    answer_denied(&(struct options){0}, 99, "");
    ck_assert_uint_eq(fx.reply_status, 403);
}
END_TEST

START_TEST(ext_authz_failed_call_denies_or_allows_as_configured) {
    fx.config.failure_mode_allow = _i == 1;
    fx.config.failure_mode_allow_header_add = true;
    fx.config.status_on_error = 503;
    start(true);
    fx.grpc.done(fx.grpc.arg, GRPC_UNAVAILABLE, SLICE(""), SLICE("down"));
    ck_assert(fx.reached == (_i == 1));
    ck_assert_uint_eq(fx.reply_status, _i == 1 ? 0 : 503);
    ck_assert(request_has("x-envoy-auth-failure-mode-allowed", "true") == (_i == 1));
}
END_TEST

START_TEST(ext_authz_shadow_mode_only_counts) {
    fx.config.shadow_mode = true;
    start(true);
    answer_denied(&(struct options){0}, 401, "nope");
    ck_assert(fx.reached);
    ck_assert_uint_eq(fx.reply_status, 0);
}
END_TEST

/* Bytes that are no CheckResponse: cut off, wrong lengths, a group, text that is no UTF-8 or has NUL. */
static const struct {
    const char *bytes;
    size_t len;
} garbage[] = {
    {"\xff\xff\xff\xff", 4},
    {"\x0a\x05\x08", 3},
    {"\x1a\x7f", 2},
    {"\x0b\x0c", 2},
    {"\x12\x03\x1a\x01\xff", 5},
    {"\x12\x03\x1a\x01\x00", 5},
    {"\x00\x01", 2},
    {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},
};

START_TEST(ext_authz_garbage_answer_is_an_error) {
    start(true);
    fx.grpc.done(fx.grpc.arg, GRPC_OK, slice_make(garbage[_i].bytes, garbage[_i].len), SLICE(""));
    ck_assert(!fx.reached);
    ck_assert_uint_eq(fx.reply_status, 403);
    ck_assert_slice(fx.reply_details, "ext_authz_error");
}
END_TEST

/* A field of `number` around `bytes`; the length takes two bytes. */
static struct slice wrapped(uint8_t number, struct slice bytes) {
    uint8_t *out = arena_alloc_bytes(&fx.arena, bytes.len + 3);
    out[0] = (uint8_t)(number << 3 | 2);
    out[1] = (uint8_t)(bytes.len & 0x7f) | 0x80;
    out[2] = (uint8_t)(bytes.len >> 7);
    memcpy(out + 3, bytes.ptr, bytes.len);
    return slice_make(out, bytes.len + 3);
}

/* dynamic_metadata (4) of one field (1) whose value (2) is a list (6) of a list (1) and so on. */
START_TEST(ext_authz_deeply_nested_answer_is_an_error) {
    struct authz_response response;
    struct slice value = SLICE("");
    for (int i = 0; i < _i; i++) {
        value = wrapped(6, wrapped(1, value));
    }
    struct slice message = wrapped(4, wrapped(1, wrapped(2, value)));
    ck_assert_int_eq(authz_message_decode(message, &fx.arena, &response),
                     _i <= 48 ? STATUS_OK : STATUS_INVALID);
}
END_TEST

START_TEST(ext_authz_answers_metadata_is_flattened) {
    Envoy__Service__Auth__V3__CheckResponse response =
        ENVOY__SERVICE__AUTH__V3__CHECK_RESPONSE__INIT;
    Google__Protobuf__Struct outer = GOOGLE__PROTOBUF__STRUCT__INIT;
    Google__Protobuf__Struct__FieldsEntry field = GOOGLE__PROTOBUF__STRUCT__FIELDS_ENTRY__INIT;
    Google__Protobuf__Struct__FieldsEntry *fields[] = {&field};
    Google__Protobuf__Value number = GOOGLE__PROTOBUF__VALUE__INIT;
    char key[] = "n";
    number.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE;
    number.number_value = 5;
    field.key = key;
    field.value = &number;
    outer.fields = fields;
    outer.n_fields = 1;
    response.dynamic_metadata = &outer;
    start(true);
    virtual_clock_advance(&fx.clock, 3000);
    (void)event_loop_run_once(fx.io.loop, 0);
    answer_grpc(&response);
    struct slice space = SLICE("envoy.filters.http.ext_authz");
    const struct info_entry *n = stream_info_metadata(&fx.info, space, SLICE("n"));
    const struct info_entry *ms =
        stream_info_metadata(&fx.info, space, SLICE("ext_authz_duration"));
    ck_assert_ptr_nonnull(n);
    ck_assert_slice(n->value, "5");
    ck_assert_ptr_nonnull(ms);
    ck_assert_slice(ms->value, "3");
}
END_TEST

int main(void) {
    TCase *tcase = tcase_create("filter");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, ext_authz_ok_changes_the_request_as_envoy_does);
    tcase_add_test(tcase, ext_authz_ok_removes_headers_and_edits_the_query);
    tcase_add_test(tcase, ext_authz_ok_response_headers_reach_the_client);
    tcase_add_loop_test(tcase, ext_authz_change_that_breaks_the_request_is_500, 0,
                        ARRAY_LEN(broken_changes));
    tcase_add_loop_test(tcase, ext_authz_mutation_rules_bound_the_service, 0,
                        ARRAY_LEN(rule_cases));
    tcase_add_test(tcase, ext_authz_denial_answers_with_its_status_headers_and_body);
    tcase_add_test(tcase, ext_authz_denied_status_out_of_range_is_403);
    tcase_add_loop_test(tcase, ext_authz_failed_call_denies_or_allows_as_configured, 0, 2);
    tcase_add_test(tcase, ext_authz_shadow_mode_only_counts);
    tcase_add_loop_test(tcase, ext_authz_garbage_answer_is_an_error, 0, ARRAY_LEN(garbage));
    tcase_add_loop_test(tcase, ext_authz_deeply_nested_answer_is_an_error, 47, 51);
    tcase_add_test(tcase, ext_authz_answers_metadata_is_flattened);
    return run_tests(tcase);
}
