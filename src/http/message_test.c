// SPDX-License-Identifier: Apache-2.0
#include "src/http/message.h"

#include <check.h>

#include "src/base/check.h"
#include "src/http/char_class.h"

START_TEST(char_class_follows_the_grammars) {
    for (int c = 0; c < 256; c++) {
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool token = alnum || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
        bool unreserved = alnum || (c != 0 && strchr("-._~", c) != NULL);
        bool reg_name = unreserved || (c != 0 && strchr("!$&'()*+,;=", c) != NULL);
        bool uri = reg_name || (c != 0 && strchr(":@/?%", c) != NULL);
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        ck_assert_int_eq(char_is((uint8_t)c, CHAR_TOKEN), token);
        ck_assert_int_eq(char_is((uint8_t)c, CHAR_UNRESERVED), unreserved);
        ck_assert_int_eq(char_is((uint8_t)c, CHAR_REG_NAME), reg_name);
        ck_assert_int_eq(char_is((uint8_t)c, CHAR_URI), uri);
        ck_assert_int_eq(char_is((uint8_t)c, CHAR_HEX), hex);
        ck_assert_int_eq(char_is((uint8_t)c, CHAR_VISIBLE), c > 0x20 && c < 0x7f);
        ck_assert_int_eq(char_is((uint8_t)c, CHAR_VALUE), c == '\t' || (c >= 0x20 && c != 0x7f));
        ck_assert_int_eq(char_token_lower[c], token ? ascii_lower((uint8_t)c) : 0);
    }
}
END_TEST

START_TEST(char_run_stops_at_every_control_byte_at_every_place) {
    uint8_t text[40];
    for (size_t at = 0; at < sizeof(text); at++) {
        for (int c = 0; c < 256; c++) {
            memset(text, 0xa0, sizeof(text));
            text[at] = (uint8_t)c;
            bool control = c < 0x20 || c == 0x7f;
            size_t run = char_run_before_control(text, text + sizeof(text));
            ck_assert_uint_eq(run, control ? at : sizeof(text));
        }
    }
}
END_TEST

struct text_case {
    const char *text;
    bool fine;
};

START_TEST(http_is_authority_follows_rfc_3986) {
    static const struct text_case cases[] = {
        {"a", true},
        {"a.b:80", true},
        {"a_b", true},
        {"1.2.3.4:0", true},
        {"[::1]", true},
        {"[::1]:1", true},
        {"a%41", true},
        {"a:65535", true},
        {"[::ffff:1.2.3.4]", true},
        {"", false},
        {":80", false},
        {"a:", false},
        {"a:65536", false},
        {"a:080000", false},
        {"a:-1", false},
        {"a:1:2", false},
        {"u@a", false},
        {"a b", false},
        {"a/b", false},
        {"a?b", false},
        {"a#b", false},
        {"[]", false},
        {"[::1", false},
        {"[::1]a", false},
        {"[g::]", false},
        {"[fe80::1%eth0]", false},
        {"[1]", false},
        {"a%4", false},
        {"a%zz", false},
        {"a\\b", false},
        {"a\xff", false},
        {"a,b c", false},
        {"[::1]:", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ck_assert_msg(http_is_authority(slice_from_string(cases[i].text)) == cases[i].fine, "%s",
                      cases[i].text);
    }
}
END_TEST

START_TEST(http_field_values_and_targets) {
    ck_assert(http_is_field_value(SLICE("")));
    ck_assert(http_is_field_value(SLICE("a\tb \x80")));
    ck_assert(!http_is_field_value(SLICE(" a")));
    ck_assert(!http_is_field_value(SLICE("a\t")));
    ck_assert(!http_is_field_value(SLICE("a\rb")));
    ck_assert(!http_is_field_value(SLICE("a\0b")));
    ck_assert(!http_is_field_value(SLICE("aaaaaaaaaaaaaaaa\nb")));
    ck_assert(http_is_target(SLICE("/a%20?b[]"), true));
    ck_assert(!http_is_target(SLICE("/a?b[]"), false));
    ck_assert(!http_is_target(SLICE("/a b"), true));
    ck_assert(!http_is_target(SLICE("/a#b"), true));
    ck_assert(!http_is_target(SLICE("/\xff"), true));
    ck_assert(!http_is_target(SLICE(""), true));
    ck_assert(http_is_token(SLICE("a-b")));
    ck_assert(!http_is_token(SLICE("")));
    ck_assert(!http_is_token(SLICE("a b")));
}
END_TEST

START_TEST(http_requests_are_classified) {
    struct arena arena;
    arena_init_heap(&arena, 0);
    struct header_map map;
    header_map_init(&map, &arena);
    header_map_append(&map, HEADER_METHOD, SLICE("GET"));
    header_map_append(&map, HEADER_UPGRADE, SLICE("websocket"));
    ck_assert(!http_is_upgrade(&map));
    header_map_append(&map, HEADER_CONNECTION, SLICE("close"));
    header_map_append(&map, HEADER_CONNECTION, SLICE("keep-alive , UPGRADE"));
    ck_assert(http_is_upgrade(&map));
    ck_assert(!http_header_has_token(&map, HEADER_CONNECTION, SLICE("alive")));
    header_map_append(&map, HEADER_PROTOCOL, SLICE("websocket"));
    ck_assert(!http_is_upgrade(&map));
    header_map_set(&map, HEADER_METHOD, SLICE("CONNECT"));
    ck_assert(http_is_upgrade(&map) && http_is_connect(&map) && !http_is_head(&map));
    static const struct text_case grpc[] = {
        {"application/grpc", true},      {"application/grpc+proto", true},
        {"application/grpc;a=b", false}, {"application/grpc-web", false},
        {"application/grpcx", false},    {"Application/gRPC", false},
        {"text/plain", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(grpc); i++) {
        header_map_set(&map, HEADER_CONTENT_TYPE, slice_from_string(grpc[i].text));
        ck_assert_int_eq(http_is_grpc(&map), grpc[i].fine);
    }
    arena_deinit(&arena);
}
END_TEST

START_TEST(http_status_is_three_digits) {
    struct arena arena;
    arena_init_heap(&arena, 0);
    struct header_map map;
    header_map_init(&map, &arena);
    ck_assert_uint_eq(http_status_of(&map), 0);
    static const char *const texts[] = {"200", "20", "2000", "2x0", ""};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        header_map_set(&map, HEADER_STATUS, slice_from_string(texts[i]));
        ck_assert_uint_eq(http_status_of(&map), i == 0 ? 200 : 0);
    }
    ck_assert(slice_equal(http_reason_phrase(404), SLICE("Not Found")));
    ck_assert_uint_eq(http_reason_phrase(418).len, 0);
    ck_assert_uint_eq(http_to_grpc_status(503), 14);
    ck_assert_uint_eq(http_to_grpc_status(200), 2);
    ck_assert_uint_eq(grpc_to_http_status(0), 200);
    ck_assert_uint_eq(grpc_to_http_status(16), 401);
    arena_deinit(&arena);
}
END_TEST

START_TEST(grpc_message_is_percent_encoded) {
    struct arena arena;
    arena_init_heap(&arena, 0);
    ck_assert(slice_equal(grpc_message_encode(&arena, SLICE("a b")), SLICE("a b")));
    ck_assert(slice_equal(grpc_message_encode(&arena, SLICE("5%\n\xc3")), SLICE("5%25%0A%C3")));
    arena_deinit(&arena);
}
END_TEST

START_TEST(http_date_is_imf_fixdate) {
    static const struct {
        uint64_t unix_s;
        const char *text;
    } cases[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {4107542399, "Sun, 28 Feb 2100 23:59:59 GMT"},
        {4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"},
        {1735689599, "Tue, 31 Dec 2024 23:59:59 GMT"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[HTTP_DATE_LEN + 1] = {0};
        http_format_date(cases[i].unix_s, text);
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("message");
    TCase *tcase = tcase_create("message");
    tcase_add_test(tcase, char_class_follows_the_grammars);
    tcase_add_test(tcase, char_run_stops_at_every_control_byte_at_every_place);
    tcase_add_test(tcase, http_is_authority_follows_rfc_3986);
    tcase_add_test(tcase, http_field_values_and_targets);
    tcase_add_test(tcase, http_requests_are_classified);
    tcase_add_test(tcase, http_status_is_three_digits);
    tcase_add_test(tcase, grpc_message_is_percent_encoded);
    tcase_add_test(tcase, http_date_is_imf_fixdate);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
