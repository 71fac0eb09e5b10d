// SPDX-License-Identifier: Apache-2.0
#include "xds/bootstrap/proto_json.h"
#include "xds/wire_check.h"

#include <check.h>

#include "src/base/check.h"
#include "xds/proto_reflect.h"

struct wire_case {
    const char *name;
    const char *type;
    const char *bytes;
    size_t len;
    enum status expected;
    const char *text; /* part of the error; NULL: none */
};

#define BYTES(literal) literal, sizeof(literal) - 1

static const char CLUSTER[] = "envoy.config.cluster.v3.Cluster";
static const char VALUE[] = "google.protobuf.Value";

static enum status run(const char *type, struct slice bytes, const struct wire_limits *limits,
                       struct wire_report *report, struct error *err) {
    struct arena arena;
    struct validation v;
    arena_init_heap(&arena, 0);
    validation_init(&v, &arena, SLICE(""));
    const struct proto_message_info *info = proto_message_find(slice_from_string(type));
    ck_assert_ptr_nonnull(info);
    enum status status = wire_check(info, bytes, limits, report, &v);
    err->message[0] = '\0';
    (void)!validation_result(&v, err);
    ck_assert(status == STATUS_OK || !validation_ok(&v));
    arena_deinit(&arena);
    return status;
}

START_TEST(wire_check_judges_each_case) {
    static const struct wire_case CASES[] = {
        {"empty", CLUSTER, BYTES(""), STATUS_OK, NULL},
        {"name", CLUSTER,
         BYTES("\x0a\x03"
               "abc"),
         STATUS_OK, NULL},
        {"NUL in a string", CLUSTER,
         BYTES("\x0a\x03"
               "a\0c"),
         STATUS_INVALID, "name: string holds a NUL"},
        {"bad UTF-8", CLUSTER, BYTES("\x0a\x02\xc3\x28"), STATUS_INVALID,
         "name: string is not valid UTF-8"},
        {"surrogate", CLUSTER, BYTES("\x0a\x03\xed\xa0\x80"), STATUS_INVALID, "UTF-8"},
        {"cut string", CLUSTER,
         BYTES("\x0a\x04"
               "abc"),
         STATUS_INVALID, "cut off"},
        {"cut tag", CLUSTER, BYTES("\x8a"), STATUS_INVALID, "malformed field tag"},
        {"field number 0", CLUSTER, BYTES("\x02\x00"), STATUS_INVALID, "malformed field tag"},
        {"overlong tag", CLUSTER, BYTES("\x8a\x80\x80\x80\x80\x00\x00"), STATUS_INVALID, "tag"},
        {"overlong varint", CLUSTER, BYTES("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
         STATUS_INVALID, "type: cut off or malformed"},
        {"ten byte varint", CLUSTER, BYTES("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
         STATUS_OK, NULL},
        {"wrong wire type", CLUSTER, BYTES("\x08\x01"), STATUS_INVALID,
         "name: wire type 0 where 2"},
        {"group", CLUSTER, BYTES("\x0b\x0c"), STATUS_INVALID, "name: cut off or malformed"},
        {"huge length", CLUSTER, BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
         STATUS_INVALID, "cut off"},
        {"message twice", CLUSTER, BYTES("\x22\x00\x22\x00"), STATUS_INVALID,
         "connect_timeout: message is given more than once"},
        {"nested", CLUSTER, BYTES("\x22\x02\x08\x05"), STATUS_OK, NULL},
        {"bad in nested", CLUSTER, BYTES("\x22\x02\x08\x85"), STATUS_INVALID,
         "connect_timeout.seconds: cut off or malformed"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct wire_case *c = &CASES[i];
        struct error err;
        enum status status = run(c->type, slice_make(c->bytes, c->len), NULL, NULL, &err);
        ck_assert_msg(status == c->expected, "%s: %d (%s)", c->name, (int)status, err.message);
        ck_assert_msg(c->text == NULL || strstr(err.message, c->text) != NULL, "%s: \"%s\"",
                      c->name, err.message);
    }
}
END_TEST

START_TEST(wire_check_unknown_fields_are_counted_and_pass) {
    struct error err;
    struct wire_report report;
    struct slice bytes = slice_make(BYTES("\xf8\x7f\x01\xf8\x7f\x02\x0a\x01x"));
    ck_assert_int_eq(run(CLUSTER, bytes, NULL, &report, &err), STATUS_OK);
    ck_assert_uint_eq(report.unknown_fields, 2);
}
END_TEST

/* A list in a list in a list: two messages a level. */
static size_t nested_lists(uint8_t *out, size_t capacity, size_t levels) {
    uint8_t *begin = out + capacity;
    size_t len = 0;
    for (size_t i = 0; i < levels; i++) {
        uint8_t tag = i % 2 == 0 ? 0x0a : 0x32; /* ListValue.values, Value.list_value */
        uint8_t prefix[4] = {tag, (uint8_t)(0x80 | (len & 0x7f)), (uint8_t)(len >> 7)};
        begin -= 3;
        memcpy(begin, prefix, 3);
        len += 3;
    }
    memmove(out, begin, len);
    return len;
}

START_TEST(wire_check_depth_over_the_cap_is_refused) {
    uint8_t bytes[2048];
    struct error err;
    size_t len = nested_lists(bytes, sizeof(bytes), WIRE_MAX_DEPTH - 2);
    ck_assert_int_eq(run(VALUE, slice_make(bytes, len), NULL, NULL, &err), STATUS_OK);
    len = nested_lists(bytes, sizeof(bytes), WIRE_MAX_DEPTH + 2);
    ck_assert_int_eq(run(VALUE, slice_make(bytes, len), NULL, NULL, &err), STATUS_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.message, "deeper than 100"));
}
END_TEST

START_TEST(wire_check_budgets_hold) {
    struct error err;
    struct wire_limits limits = wire_limits_default();
    struct slice two = slice_make(BYTES("\x0a\x00\x0a\x00"));
    limits.max_elements = 3;
    ck_assert_int_eq(run("google.protobuf.ListValue", two, &limits, NULL, &err), STATUS_LIMIT);
    limits = wire_limits_default();
    ck_assert_int_eq(run("google.protobuf.ListValue", two, &limits, NULL, &err), STATUS_OK);
    limits.max_unpacked_bytes = 64;
    ck_assert_int_eq(run("google.protobuf.ListValue", two, &limits, NULL, &err), STATUS_LIMIT);
}
END_TEST

START_TEST(unpack_fills_a_map_value_that_is_not_on_the_wire) {
    struct arena arena;
    struct validation v;
    arena_init_heap(&arena, 0);
    validation_init(&v, &arena, SLICE(""));
    const struct proto_message_info *info = proto_message_find(SLICE("google.protobuf.Struct"));
    ProtobufCMessage *message =
        proto_unpack(info, slice_make(BYTES("\x0a\x03\x0a\x01k")), &arena, &v);
    ck_assert_ptr_nonnull(message);
    const ProtobufCMessage *entry =
        *(ProtobufCMessage **)proto_element(message, &info->descriptor->fields[0], 0);
    ck_assert_ptr_nonnull(*(void **)proto_member_by_number(entry, 2));
    arena_deinit(&arena);
}
END_TEST

START_TEST(unpack_keeps_the_last_of_equal_map_keys) {
    struct arena arena;
    struct validation v;
    arena_init_heap(&arena, 0);
    validation_init(&v, &arena, SLICE(""));
    const struct proto_message_info *info = proto_message_find(SLICE("google.protobuf.Struct"));
    ProtobufCMessage *message = proto_unpack(info,
                                             slice_make(BYTES("\x0a\x07\x0a\x01k\x12\x02\x20\x00"
                                                              "\x0a\x07\x0a\x01l\x12\x02\x20\x00"
                                                              "\x0a\x07\x0a\x01k\x12\x02\x20\x01")),
                                             &arena, &v);
    ck_assert_ptr_nonnull(message);
    struct proto_json_write_options options = {.is_pretty = false};
    ck_assert_str_eq((const char *)proto_json_text(message, &options, &arena).ptr,
                     "{\"l\":false,\"k\":true}");
    arena_deinit(&arena);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("wire_check");
    TCase *tests = tcase_create("wire_check");
    tcase_add_test(tests, wire_check_judges_each_case);
    tcase_add_test(tests, wire_check_unknown_fields_are_counted_and_pass);
    tcase_add_test(tests, wire_check_depth_over_the_cap_is_refused);
    tcase_add_test(tests, wire_check_budgets_hold);
    tcase_add_test(tests, unpack_fills_a_map_value_that_is_not_on_the_wire);
    tcase_add_test(tests, unpack_keeps_the_last_of_equal_map_keys);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
