// SPDX-License-Identifier: Apache-2.0
#include "filters/listener/tls_inspector/client_hello.h"

#include <check.h>
#include <stdlib.h>

#include "src/base/check.h"

/* A hello by hand: records of at most `record_bytes` of the handshake message. */
struct hello_options {
    const char *server_name; /* NULL: no extension */
    const char *alpn[3];
    size_t record_bytes; /* 0: one record */
    bool no_extensions;
};

struct bytes {
    uint8_t at[4096];
    size_t len;
};

static void put(struct bytes *to, const void *bytes, size_t len) {
    ck_assert_uint_le(to->len + len, sizeof(to->at));
    memcpy(to->at + to->len, bytes, len);
    to->len += len;
}

static void put_number(struct bytes *to, size_t value, size_t width) {
    for (size_t i = width; i-- > 0;) {
        uint8_t byte = (uint8_t)(value >> (8 * i));
        put(to, &byte, 1);
    }
}

static void put_vector(struct bytes *to, const struct bytes *from, size_t width) {
    put_number(to, from->len, width);
    put(to, from->at, from->len);
}

static void put_extension(struct bytes *to, size_t type, const struct bytes *list) {
    struct bytes content = {.len = 0};
    put_vector(&content, list, 2);
    put_number(to, type, 2);
    put_vector(to, &content, 2);
}

static void make_extensions(const struct hello_options *options, struct bytes *extensions) {
    struct bytes names = {.len = 0}, protocols = {.len = 0}, grease = {.len = 0};
    put_extension(extensions, 0x0a0a, &grease);
    if (options->server_name != NULL) {
        put_number(&names, 0, 1);
        put_number(&names, strlen(options->server_name), 2);
        put(&names, options->server_name, strlen(options->server_name));
        put_extension(extensions, 0, &names);
    }
    for (size_t i = 0; i < 3 && options->alpn[i] != NULL; i++) {
        put_number(&protocols, strlen(options->alpn[i]), 1);
        put(&protocols, options->alpn[i], strlen(options->alpn[i]));
    }
    if (protocols.len > 0) {
        put_extension(extensions, 16, &protocols);
    }
}

static void make_hello(const struct hello_options *options, struct bytes *out) {
    static const uint8_t random[32] = {7};
    struct bytes body = {.len = 0}, message = {.len = 0}, extensions = {.len = 0};
    put_number(&body, 0x0303, 2);
    put(&body, random, sizeof(random));
    put_number(&body, 0, 1); /* session id */
    put_number(&body, 2, 2); /* cipher suites */
    put_number(&body, 0x1301, 2);
    put_number(&body, 0x0100, 2); /* compression: null */
    if (!options->no_extensions) {
        make_extensions(options, &extensions);
        put_vector(&body, &extensions, 2);
    }
    put_number(&message, 1, 1);
    put_vector(&message, &body, 3);
    size_t step = options->record_bytes == 0 ? message.len : options->record_bytes;
    for (size_t at = 0; at < message.len; at += step) {
        size_t len = message.len - at < step ? message.len - at : step;
        put_number(out, 22, 1);
        put_number(out, 0x0301, 2);
        put_number(out, len, 2);
        put(out, message.at + at, len);
    }
}

static struct arena arena;
static struct client_hello hello;

static void set_up(void) {
    arena_init_heap(&arena, 0);
}

static void tear_down(void) {
    arena_deinit(&arena);
}

static enum client_hello_result parse(const struct bytes *bytes, size_t len) {
    /* A copy of its own, so that a read past the end is seen. */
    uint8_t *copy = mem_alloc(len == 0 ? 1 : len);
    memcpy(copy, bytes->at, len);
    enum client_hello_result result = client_hello_parse(slice_make(copy, len), &arena, &hello);
    mem_free(copy);
    return result;
}

static const struct hello_options hellos[] = {
    {.server_name = "WWW.Example.com", .alpn = {"h2", "http/1.1"}},
    {.server_name = "www.example.com", .alpn = {"h2"}, .record_bytes = 1},
    {.server_name = "www.example.com", .alpn = {"h2"}, .record_bytes = 7},
    {.alpn = {"http/1.1"}},
    {.server_name = "www.example.com"},
    {.no_extensions = true},
};

START_TEST(client_hello_parse_finds_name_and_protocols_at_the_last_byte) {
    const struct hello_options *options = &hellos[_i];
    struct bytes bytes = {.len = 0};
    make_hello(options, &bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        ck_assert_int_eq(parse(&bytes, len), CLIENT_HELLO_MORE);
    }
    ck_assert_int_eq(parse(&bytes, bytes.len), CLIENT_HELLO_FOUND);
    struct slice name =
        options->server_name == NULL ? (struct slice){NULL, 0} : SLICE("www.example.com");
    ck_assert(slice_equal(hello.server_name, name));
    uint32_t count = 0;
    for (; count < 3 && options->alpn[count] != NULL; count++) {
        ck_assert(slice_equal(hello.protocols[count], slice_from_string(options->alpn[count])));
    }
    ck_assert_uint_eq(hello.protocol_count, count);
}
END_TEST

struct refused {
    const char *title;
    const char *bytes;
    size_t len;
    enum client_hello_result result;
};
static const struct refused refused[] = {
    {"nothing", "", 0, CLIENT_HELLO_MORE},
    {"plain text", "GET / HTTP/1.1\r\n", 16, CLIENT_HELLO_NOT_TLS},
    {"alert record", "\x15\x03\x01\x00\x02\x01\x00", 7, CLIENT_HELLO_NOT_TLS},
    {"version 2", "\x16\x02\x00", 3, CLIENT_HELLO_INVALID},
    {"empty record", "\x16\x03\x01\x00\x00", 5, CLIENT_HELLO_INVALID},
    {"too long a record", "\x16\x03\x01\x40\x01", 5, CLIENT_HELLO_INVALID},
    {"server hello", "\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00", 10, CLIENT_HELLO_INVALID},
    {"too long a hello", "\x16\x03\x01\x00\x05\x01\x01\x00\x00\x00", 10, CLIENT_HELLO_INVALID},
    {"empty hello", "\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9, CLIENT_HELLO_INVALID},
    {"other record in between", "\x16\x03\x01\x00\x01\x01\x17\x03\x01", 9, CLIENT_HELLO_INVALID},
};

START_TEST(client_hello_parse_refuses) {
    const struct refused *row = &refused[_i];
    struct bytes bytes = {.len = 0};
    put(&bytes, row->bytes, row->len);
    enum client_hello_result result = parse(&bytes, bytes.len);
    ck_assert_msg(result == row->result, "%s: %d", row->title, (int)result);
}
END_TEST

/* Whatever byte is damaged, the parser stays within what it was given. */
START_TEST(client_hello_parse_survives_any_damage) {
    struct bytes bytes = {.len = 0};
    make_hello(&hellos[0], &bytes);
    for (size_t at = 0; at < bytes.len; at++) {
        static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
        uint8_t before = bytes.at[at];
        for (size_t i = 0; i < sizeof(values); i++) {
            bytes.at[at] = values[i];
            (void)parse(&bytes, bytes.len);
        }
        bytes.at[at] = before;
    }
    ck_assert_int_eq(parse(&bytes, bytes.len), CLIENT_HELLO_FOUND);
}
END_TEST

START_TEST(client_hello_parse_refuses_nul_in_a_name) {
    struct bytes bytes = {.len = 0};
    make_hello(&(struct hello_options){.server_name = "www.example.com"}, &bytes);
    for (size_t at = 0; at + 15 <= bytes.len; at++) {
        if (memcmp(bytes.at + at, "www.example.com", 15) == 0) {
            bytes.at[at + 3] = '\0';
        }
    }
    ck_assert_int_eq(parse(&bytes, bytes.len), CLIENT_HELLO_INVALID);
}
END_TEST

int main(void) {
    Suite *s = suite_create("client_hello");
    TCase *t = tcase_create("client_hello");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, client_hello_parse_finds_name_and_protocols_at_the_last_byte, 0,
                        (int)ARRAY_LEN(hellos));
    tcase_add_loop_test(t, client_hello_parse_refuses, 0, (int)ARRAY_LEN(refused));
    tcase_add_test(t, client_hello_parse_survives_any_damage);
    tcase_add_test(t, client_hello_parse_refuses_nul_in_a_name);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
