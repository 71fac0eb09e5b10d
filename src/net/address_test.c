// SPDX-License-Identifier: Apache-2.0
#include "src/net/address.h"

#include <check.h>
#include <stdlib.h>

#include "src/base/check.h"

static struct address parse(const char *text) {
    struct address address;
    struct slice s = slice_from_string(text);
    enum status status = text[0] == '/' || text[0] == '@'
                             ? address_from_unix_path(&address, s, NULL)
                             : address_from_text(&address, s, NULL);
    ck_assert_int_eq(status, STATUS_OK);
    return address;
}

START_TEST(address_text_round_trips) {
    static const char *const texts[] = {"1.2.3.4:80",  "[::1]:443",   "[2001:db8::1]:0",
                                        "/run/x.sock", "@abstract",   "255.255.255.255:65535",
                                        "0.0.0.0:0",   "[fe80::1]:22"};
    char text[ADDRESS_TEXT_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct address address = parse(texts[i]);
        ck_assert_str_eq((const char *)address_to_text(&address, text).ptr, texts[i]);
    }
}
END_TEST

START_TEST(address_bad_text_is_refused) {
    static const char *const texts[] = {"",
                                        "1.2.3.4",
                                        "1.2.3.4:",
                                        "1.2.3.4:65536",
                                        "::1:80",
                                        "[::1]",
                                        "host:80",
                                        "1.2.3:80",
                                        "[1.2.3.4]:80",
                                        "1.2.3.4:-1",
                                        "1.2.3.4:+80",
                                        "[::1:80",
                                        "01.2.3.4:80",
                                        ":80"};
    struct address address;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct error err;
        enum status status = address_from_text(&address, slice_from_string(texts[i]), &err);
        ck_assert_msg(status == STATUS_INVALID, "%s", texts[i]);
    }
}
END_TEST

START_TEST(address_unix_path_limits_hold) {
    char path[200];
    struct address address;
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    ck_assert_int_eq(address_from_unix_path(&address, slice_make(path, 107), NULL), STATUS_OK);
    ck_assert_int_eq(address_from_unix_path(&address, slice_make(path, 108), NULL), STATUS_INVALID);
    ck_assert_int_eq(address_from_unix_path(&address, slice_make(path, 0), NULL), STATUS_INVALID);
    ck_assert_int_eq(address_from_unix_path(&address, slice_make("/a\0b", 4), NULL),
                     STATUS_INVALID);
}
END_TEST

START_TEST(address_equality_tells_kinds_apart) {
    struct address a = parse("1.2.3.4:80"), b = parse("1.2.3.4:81"),
                   c = parse("[::ffff:1.2.3.4]:9");
    struct address d = parse("/a"), e = parse("/b"), f = parse("@a");
    ck_assert(address_equal(&a, &a));
    ck_assert(!address_equal(&a, &b));
    ck_assert(address_equal_ip(&a, &b));
    ck_assert(address_equal_ip(&a, &c));
    ck_assert(!address_equal(&a, &c));
    ck_assert(address_equal(&d, &d));
    ck_assert(!address_equal(&d, &e));
    ck_assert(!address_equal(&d, &f));
    ck_assert(!address_equal_ip(&d, &d));
    address_set_port(&b, 80);
    ck_assert(address_equal(&a, &b));
    ck_assert_uint_eq(address_port(&b), 80);
    ck_assert_uint_eq(address_port(&d), 0);
}
END_TEST

START_TEST(address_classes_are_known) {
    static const struct {
        const char *ip;
        bool is_loopback, is_private;
    } rows[] = {
        {"127.0.0.1", true, true},     {"127.255.0.9", true, true},
        {"10.1.2.3", false, true},     {"172.16.0.1", false, true},
        {"172.32.0.1", false, false},  {"172.15.9.9", false, false},
        {"192.168.3.4", false, true},  {"192.169.0.1", false, false},
        {"8.8.8.8", false, false},     {"::1", true, true},
        {"fd00::1", false, true},      {"fc00::1", false, true},
        {"fe80::1", false, false},     {"::ffff:10.0.0.1", false, true},
        {"2001:db8::1", false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct address address;
        ck_assert_int_eq(address_from_ip(&address, slice_from_string(rows[i].ip), 0, NULL),
                         STATUS_OK);
        ck_assert_msg(address_is_loopback(&address) == rows[i].is_loopback, "%s", rows[i].ip);
        ck_assert_msg(address_is_private(&address) == rows[i].is_private, "%s", rows[i].ip);
    }
}
END_TEST

START_TEST(cidr_contains_by_prefix) {
    static const struct {
        const char *ip;
        uint32_t bits;
        const char *address;
        bool is_inside;
    } rows[] = {
        {"10.0.0.0", 8, "10.255.1.2", true},
        {"10.0.0.0", 8, "11.0.0.1", false},
        {"10.1.2.3", 8, "10.9.9.9", true},
        {"1.2.3.4", 32, "1.2.3.4", true},
        {"1.2.3.4", 32, "1.2.3.5", false},
        {"0.0.0.0", 0, "9.9.9.9", true},
        {"192.168.128.0", 17, "192.168.128.1", true},
        {"192.168.128.0", 17, "192.168.127.1", false},
        {"2001:db8::", 32, "2001:db8:1::1", true},
        {"2001:db8::", 32, "2001:db9::1", false},
        {"::", 0, "1.2.3.4", false},
        {"10.0.0.0", 8, "::ffff:10.1.1.1", true},
        {"::ffff:0:0", 96, "::ffff:1.2.3.4", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct cidr cidr;
        struct address address;
        ck_assert_int_eq(cidr_init(&cidr, slice_from_string(rows[i].ip), rows[i].bits, NULL),
                         STATUS_OK);
        ck_assert_int_eq(address_from_ip(&address, slice_from_string(rows[i].address), 0, NULL),
                         STATUS_OK);
        ck_assert_msg(cidr_contains(&cidr, &address) == rows[i].is_inside, "row %zu", i);
    }
    struct cidr cidr;
    ck_assert_int_eq(cidr_init(&cidr, SLICE("1.2.3.4"), 33, NULL), STATUS_INVALID);
    ck_assert_int_eq(cidr_init(&cidr, SLICE("::1"), 129, NULL), STATUS_INVALID);
    ck_assert_int_eq(cidr_init(&cidr, SLICE("x"), 1, NULL), STATUS_INVALID);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("address");
    TCase *tcase = tcase_create("all");
    tcase_add_test(tcase, address_text_round_trips);
    tcase_add_test(tcase, address_bad_text_is_refused);
    tcase_add_test(tcase, address_unix_path_limits_hold);
    tcase_add_test(tcase, address_equality_tells_kinds_apart);
    tcase_add_test(tcase, address_classes_are_known);
    tcase_add_test(tcase, cidr_contains_by_prefix);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
