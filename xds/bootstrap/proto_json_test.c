// SPDX-License-Identifier: Apache-2.0
#include "xds/bootstrap/proto_json.h"

#include <check.h>

#include "src/base/check.h"
#include "xds/proto_reflect.h"

struct json_case {
    const char *type;
    const char *in;
    const char *out; /* compact JSON; NULL: refused */
};

static const char BOOTSTRAP[] = "envoy.config.bootstrap.v3.Bootstrap";
static const char CLUSTER[] = "envoy.config.cluster.v3.Cluster";
static const char NODE[] = "envoy.config.core.v3.Node";
static const char ANY[] = "google.protobuf.Any";
static const char SOCKET[] = "envoy.config.core.v3.SocketAddress";
static const char SECRET[] = "envoy.extensions.transport_sockets.tls.v3.Secret";

static ProtobufCMessage *read_json(const char *type, const char *text, bool unknown_is_error,
                                   struct arena *arena, struct validation *v) {
    struct error err;
    const struct document_node *root;
    const struct proto_message_info *info = proto_message_find(slice_from_string(type));
    struct proto_json_read_options options = {.unknown_is_error = unknown_is_error};
    ck_assert_msg(info != NULL, "no type %s", type);
    ck_assert_int_eq(document_parse_json(slice_from_string(text), arena, &root, &err), STATUS_OK);
    return proto_json_read(info, root, &options, arena, v);
}

static void check_case(const struct json_case *c, bool redact) {
    struct arena arena;
    struct validation v;
    struct error err = {0};
    arena_init_heap(&arena, 0);
    validation_init(&v, &arena, SLICE(""));
    ProtobufCMessage *message = read_json(c->type, c->in, true, &arena, &v);
    enum status status = validation_result(&v, &err);
    if (c->out == NULL) {
        ck_assert_msg(status != STATUS_OK, "taken: %s", c->in);
    } else {
        struct proto_json_write_options options = {.redact = redact};
        ck_assert_msg(status == STATUS_OK, "refused: %s (%s)", c->in, err.message);
        ck_assert_str_eq((const char *)proto_json_text(message, &options, &arena).ptr, c->out);
    }
    arena_deinit(&arena);
}

static void check_cases(const struct json_case *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        check_case(&cases[i], false);
    }
}

START_TEST(scalars_and_names_map_both_ways) {
    static const struct json_case CASES[] = {
        {NODE, "{}", "{}"},
        {SOCKET, "{\"address\":\"a\",\"portValue\":1}", "{\"address\":\"a\",\"port_value\":1}"},
        {SOCKET, "{\"port_value\":\"80\"}", "{\"port_value\":80}"},
        {SOCKET, "{\"port_value\":1024.0}", "{\"port_value\":1024}"},
        {SOCKET, "{\"port_value\":1e1}", "{\"port_value\":10}"},
        {SOCKET, "{\"port_value\":\"0x10\"}", "{\"port_value\":16}"},
        {SOCKET, "{\"port_value\":10.5}", NULL},
        {SOCKET, "{\"port_value\":-1}", NULL},
        {SOCKET, "{\"port_value\":4294967296}", NULL},
        {SOCKET, "{\"port_value\":\" 10\"}", NULL},
        {SOCKET, "{\"port_value\":true}", NULL},
        {SOCKET, "{\"address\":5}", NULL},
        {SOCKET, "{\"address\":null}", "{}"},
        {SOCKET, "{\"protocol\":\"udp\"}", "{\"protocol\":\"UDP\"}"},
        {SOCKET, "{\"protocol\":1}", "{\"protocol\":\"UDP\"}"},
        {SOCKET, "{\"protocol\":\"1\"}", "{\"protocol\":\"UDP\"}"},
        {SOCKET, "{\"protocol\":77}", "{\"protocol\":77}"},
        {SOCKET, "{\"protocol\":\"nope\"}", NULL},
        {SOCKET, "{\"ipv4_compat\":\"True\"}", "{\"ipv4_compat\":true}"},
        {SOCKET, "{\"ipv4_compat\":\"yes\"}", "{\"ipv4_compat\":true}"},
        {SOCKET, "{\"ipv4_compat\":1}", NULL},
        {SOCKET, "{\"nope\":1}", NULL},
        {SOCKET, "[]", NULL},
        {SOCKET, "{\"address\":\"<\\u2028\\\"\\\\\\u0001\\n\"}",
         "{\"address\":\"\\u003c\\u2028\\\"\\\\\\u0001\\n\"}"},
        {"google.protobuf.UInt64Value", "18446744073709551615", "\"18446744073709551615\""},
        {"google.protobuf.Int64Value", "\"-9223372036854775808\"", "\"-9223372036854775808\""},
        {"google.protobuf.Int64Value", "9223372036854775808", NULL},
        {"google.protobuf.DoubleValue", "\"NaN\"", "\"NaN\""},
        {"google.protobuf.DoubleValue", "\"-Infinity\"", "\"-Infinity\""},
        {"google.protobuf.DoubleValue", "0.1", "0.1"},
        {"google.protobuf.DoubleValue", "1e400", NULL},
        {"google.protobuf.FloatValue", "0.1", "0.1"},
        {"google.protobuf.FloatValue", "1e39", NULL},
        {"google.protobuf.BytesValue", "\"-_8=\"", "\"+/8=\""},
        {"google.protobuf.BytesValue", "\"+/8\"", "\"+/8=\""},
        {"google.protobuf.BytesValue", "\"a\"", NULL},
        {"google.protobuf.BytesValue", "\"a*==\"", NULL},
        {"google.protobuf.UInt32Value", "{\"value\":5}", "5"},
    };
    check_cases(CASES, ARRAY_LEN(CASES));
}
END_TEST

START_TEST(well_known_types_map_both_ways) {
    static const struct json_case CASES[] = {
        {"google.protobuf.Duration", "\"5s\"", "\"5s\""},
        {"google.protobuf.Duration", "\"-0.5s\"", "\"-0.500s\""},
        {"google.protobuf.Duration", "\"1.123456789s\"", "\"1.123456789s\""},
        {"google.protobuf.Duration", "\"0.000001s\"", "\"0.000001s\""},
        {"google.protobuf.Duration", "{\"seconds\":5}", "\"5s\""},
        {"google.protobuf.Duration", "5", NULL},
        {"google.protobuf.Duration", "\"5\"", NULL},
        {"google.protobuf.Duration", "\"500ms\"", NULL},
        {"google.protobuf.Duration", "\"1.1234567891s\"", NULL},
        {"google.protobuf.Duration", "\"5.s\"", NULL},
        {"google.protobuf.Duration", "\".5s\"", NULL},
        {"google.protobuf.Duration", "\"315576000001s\"", NULL},
        {"google.protobuf.Timestamp", "\"1970-01-01T00:00:00Z\"", "\"1970-01-01T00:00:00Z\""},
        {"google.protobuf.Timestamp", "\"2024-02-29T23:59:59.5+01:00\"",
         "\"2024-02-29T22:59:59.500Z\""},
        {"google.protobuf.Timestamp", "\"0001-01-01T00:00:00Z\"", "\"0001-01-01T00:00:00Z\""},
        {"google.protobuf.Timestamp", "\"2023-02-29T00:00:00Z\"", NULL},
        {"google.protobuf.Timestamp", "\"9999-12-31T23:59:59-01:00\"", NULL},
        {"google.protobuf.FieldMask", "\"aB.cD,e\"", "\"aB.cD,e\""},
        {"google.protobuf.Struct", "{\"a\":{\"b\":[1,\"x\",null,true,{}]}}",
         "{\"a\":{\"b\":[1,\"x\",null,true,{}]}}"},
        {"google.protobuf.Struct", "{\"a\":1,\"a\":2}", "{\"a\":2}"},
        {"google.protobuf.Struct", "[]", NULL},
        {"google.protobuf.Value", "null", "null"},
        {"google.protobuf.Value", "1.5", "1.5"},
        {"google.protobuf.Empty", "{}", "{}"},
        {NODE, "{\"metadata\":{\"a\":null}}", "{\"metadata\":{\"a\":null}}"},
    };
    check_cases(CASES, ARRAY_LEN(CASES));
}
END_TEST

START_TEST(any_is_packed_and_expanded) {
    static const struct json_case CASES[] = {
        {ANY, "{}", "{}"},
        {ANY, "{\"@type\":\"type.googleapis.com/google.protobuf.Duration\",\"value\":\"1s\"}",
         "{\"@type\":\"type.googleapis.com/google.protobuf.Duration\",\"value\":\"1s\"}"},
        {ANY, "{\"id\":\"x\",\"@type\":\"h/envoy.config.core.v3.Node\"}",
         "{\"@type\":\"h/envoy.config.core.v3.Node\",\"id\":\"x\"}"},
        {ANY,
         "{\"@type\":\"h/google.protobuf.Any\",\"value\":{\"@type\":\"h/google.protobuf.Empty\"}}",
         "{\"@type\":\"h/google.protobuf.Any\",\"value\":{\"@type\":\"h/google.protobuf.Empty\"}}"},
        {ANY, "{\"@type\":\"envoy.config.core.v3.Node\"}", NULL},
        {ANY, "{\"@type\":\"/envoy.config.core.v3.Node\"}", NULL},
        {ANY, "{\"@type\":\"h/no.such.Type\"}", NULL},
        {ANY, "{\"@type\":5}", NULL},
        {ANY, "{\"id\":\"x\"}", NULL},
        {ANY, "{\"@type\":\"h/envoy.config.core.v3.Node\",\"nope\":1}", NULL},
        {ANY, "{\"@type\":\"h/google.protobuf.Duration\",\"seconds\":1}", NULL},
    };
    check_cases(CASES, ARRAY_LEN(CASES));
}
END_TEST

START_TEST(repeated_maps_and_oneofs_follow_envoy) {
    static const struct json_case CASES[] = {
        {BOOTSTRAP, "{\"static_resources\":{\"clusters\":{\"name\":\"x\"}}}",
         "{\"static_resources\":{\"clusters\":[{\"name\":\"x\"}]}}"},
        {BOOTSTRAP, "{\"static_resources\":{\"clusters\":[null]}}",
         "{\"static_resources\":{\"clusters\":[{}]}}"},
        {NODE, "{\"client_features\":[null,\"a\"]}", "{\"client_features\":[\"\",\"a\"]}"},
        {BOOTSTRAP, "{\"node\":{\"id\":\"a\"},\"node\":{\"cluster\":\"b\"}}",
         "{\"node\":{\"id\":\"a\",\"cluster\":\"b\"}}"},
        {BOOTSTRAP, "{\"flags_path\":\"a\",\"flagsPath\":\"b\"}", "{\"flags_path\":\"b\"}"},
        {"envoy.config.core.v3.Address", "{\"pipe\":{\"path\":\"a\"},\"pipe\":{}}", NULL},
        {"envoy.config.core.v3.Address", "{\"pipe\":{\"path\":\"a\"},\"socket_address\":null}",
         "{\"pipe\":{\"path\":\"a\"}}"},
        {"envoy.config.core.v3.Address", "{\"pipe\":{},\"socket_address\":{}}", NULL},
        {CLUSTER, "{\"typed_extension_protocol_options\":{\"a\":{},\"b\":{}}}",
         "{\"typed_extension_protocol_options\":{\"a\":{},\"b\":{}}}"},
        {"envoy.config.core.v3.DataSource", "{\"inline_string\":\"\"}", "{\"inline_string\":\"\"}"},
    };
    check_cases(CASES, ARRAY_LEN(CASES));
}
END_TEST

START_TEST(sensitive_fields_are_redacted_everywhere) {
    static const struct json_case CASES[] = {
        {SECRET, "{\"name\":\"s\",\"tls_certificate\":{\"private_key\":{\"inline_string\":\"k\"}}}",
         "{\"name\":\"s\",\"tls_certificate\":{\"private_key\":{\"inline_string\":"
         "\"[redacted]\"}}}"},
        {SECRET, "{\"tls_certificate\":{\"private_key\":{\"inline_bytes\":\"AAAA\"}}}",
         "{\"tls_certificate\":{\"private_key\":{\"inline_bytes\":\"W3JlZGFjdGVkXQ==\"}}}"},
        {ANY,
         "{\"@type\":\"h/envoy.extensions.transport_sockets.tls.v3.Secret\","
         "\"generic_secret\":{\"secret\":{\"inline_string\":\"k\"}}}",
         "{\"@type\":\"h/envoy.extensions.transport_sockets.tls.v3.Secret\","
         "\"generic_secret\":{\"secret\":{\"inline_string\":\"[redacted]\"}}}"},
        {"xds.type.v3.TypedStruct",
         "{\"type_url\":\"h/envoy.extensions.transport_sockets.tls.v3.Secret\",\"value\":"
         "{\"name\":\"n\",\"tlsCertificate\":{\"privateKey\":{\"inlineString\":\"k\"}}}}",
         "{\"type_url\":\"h/envoy.extensions.transport_sockets.tls.v3.Secret\",\"value\":"
         "{\"name\":\"n\",\"tlsCertificate\":{\"privateKey\":{\"inlineString\":"
         "\"[redacted]\"}}}}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        check_case(&CASES[i], true);
    }
}
END_TEST

START_TEST(unknown_names_are_findings_when_allowed) {
    struct arena arena;
    struct validation v;
    arena_init_heap(&arena, 0);
    validation_init(&v, &arena, SLICE(""));
    ProtobufCMessage *message =
        read_json(CLUSTER, "{\"name\":\"x\",\"load_assignment\":{\"foo\":1},\"type\":\"NEW\"}",
                  false, &arena, &v);
    ck_assert(validation_ok(&v));
    ck_assert_uint_eq(v.finding_count, 2);
    ck_assert_int_eq(v.findings[0].kind, FINDING_UNKNOWN);
    ck_assert(slice_equal(v.findings[0].path, SLICE("load_assignment")));
    ck_assert(slice_equal(v.findings[0].message, SLICE("no such field: 'foo'")));
    ck_assert(slice_equal(v.findings[1].path, SLICE("type")));
    struct proto_json_write_options options = {.is_pretty = false};
    ck_assert_str_eq((const char *)proto_json_text(message, &options, &arena).ptr,
                     "{\"name\":\"x\",\"load_assignment\":{}}");
    arena_deinit(&arena);
}
END_TEST

START_TEST(all_errors_come_at_once_with_their_paths) {
    struct arena arena;
    struct validation v;
    struct error err;
    arena_init_heap(&arena, 0);
    validation_init(&v, &arena, SLICE("b"));
    (void)read_json(BOOTSTRAP,
                    "{\"static_resources\":{\"clusters\":[{},{\"name\":5,"
                    "\"connect_timeout\":\"1\"}]},\"foo\":1}",
                    true, &arena, &v);
    ck_assert_int_eq(validation_result(&v, &err), STATUS_INVALID);
    ck_assert_str_eq(err.message,
                     "b: static_resources.clusters[1].name: expected string, found a number: '5' "
                     "(line 1); static_resources.clusters[1].connect_timeout: duration must end "
                     "with a single 's': '1' (line 1); no such field: 'foo'");
    arena_deinit(&arena);
}
END_TEST

START_TEST(pretty_output_is_indented_by_one_space) {
    struct arena arena;
    struct validation v;
    arena_init_heap(&arena, 0);
    validation_init(&v, &arena, SLICE(""));
    ProtobufCMessage *message = read_json(
        NODE, "{\"id\":\"x\",\"metadata\":{\"a\":[1,{}]},\"locality\":{}}", true, &arena, &v);
    struct proto_json_write_options options = {.is_pretty = true};
    ck_assert_str_eq((const char *)proto_json_text(message, &options, &arena).ptr,
                     "{\n \"id\": \"x\",\n \"metadata\": {\n  \"a\": [\n   1,\n   {}\n  ]\n },\n "
                     "\"locality\": {}\n}");
    arena_deinit(&arena);
}
END_TEST

START_TEST(merge_follows_merge_from) {
    struct arena arena;
    struct validation v;
    arena_init_heap(&arena, 0);
    validation_init(&v, &arena, SLICE(""));
    ProtobufCMessage *to =
        read_json(BOOTSTRAP,
                  "{\"node\":{\"id\":\"a\",\"cluster\":\"c\",\"metadata\":{\"k\":1,\"l\":2}},"
                  "\"static_resources\":{\"clusters\":[{\"name\":\"x\"}]},"
                  "\"admin\":{\"address\":{\"pipe\":{\"path\":\"p\"}}}}",
                  true, &arena, &v);
    ProtobufCMessage *from =
        read_json(BOOTSTRAP,
                  "{\"node\":{\"id\":\"b\",\"metadata\":{\"k\":3}},"
                  "\"static_resources\":{\"clusters\":[{\"name\":\"y\"}]},"
                  "\"admin\":{\"address\":{\"socket_address\":{\"address\":\"h\"}}}}",
                  true, &arena, &v);
    ck_assert(validation_ok(&v));
    proto_merge(to, from, &arena);
    struct proto_json_write_options options = {.is_pretty = false};
    ck_assert_str_eq((const char *)proto_json_text(to, &options, &arena).ptr,
                     "{\"node\":{\"id\":\"b\",\"cluster\":\"c\",\"metadata\":{\"k\":3,\"l\":2}},"
                     "\"static_resources\":{\"clusters\":[{\"name\":\"x\"},{\"name\":\"y\"}]},"
                     "\"admin\":{\"address\":{\"socket_address\":{\"address\":\"h\"}}}}");
    arena_deinit(&arena);
}
END_TEST

START_TEST(text_format_reads_fields_as_they_are) {
    static const struct json_case CASES[] = {
        {NODE, "", "{}"},
        {NODE, "id: \"a\" # note\n cluster: 'b' \"c\"", "{\"id\":\"a\",\"cluster\":\"bc\"}"},
        {NODE, "id: \"\\x41\\102\\n\"; client_features: ['x', 'y'], client_features: 'z'",
         "{\"id\":\"AB\\n\",\"client_features\":[\"x\",\"y\",\"z\"]}"},
        {NODE, "metadata { fields { key: 'k' value { number_value: 1.5f } } }",
         "{\"metadata\":{\"k\":1.5}}"},
        {NODE,
         "metadata{fields{key:'k'value{number_value:1}} fields{key:'l'value{number_value:2}} "
         "fields{key:'k'value{number_value:5}}}",
         "{\"metadata\":{\"l\":2,\"k\":5}}"},
        {CLUSTER, "connect_timeout < seconds: 5 > type: STATIC ring_hash_lb_config: {}",
         "{\"type\":\"STATIC\",\"connect_timeout\":\"5s\",\"ring_hash_lb_config\":{}}"},
        {CLUSTER, "name: 'a' name: 'b'", NULL},
        {CLUSTER, "nope: 1", NULL},
        {CLUSTER, "name 'a'", NULL},
        {CLUSTER, "name: 'a", NULL},
        {CLUSTER, "connect_timeout {", NULL},
        {CLUSTER, "name: '\\xff'", NULL},
        {CLUSTER, "name: 'a\\0b'", NULL},
        {ANY, "[h/envoy.config.core.v3.Node] { id: 'x' }",
         "{\"@type\":\"h/envoy.config.core.v3.Node\",\"id\":\"x\"}"},
        {ANY, "type_url: 'h/envoy.config.core.v3.Node' value: '\\n\\001x'",
         "{\"@type\":\"h/envoy.config.core.v3.Node\",\"id\":\"x\"}"},
        {ANY, "[h/no.Such] {}", NULL},
        {"google.protobuf.DoubleValue", "value: -inf", "\"-Infinity\""},
        {"google.protobuf.BoolValue", "value: true", "true"},
        {"google.protobuf.BytesValue", "value: '\\377'", "\"/w==\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct document_node *root;
        struct arena arena;
        struct validation v;
        struct error err = {0};
        arena_init_heap(&arena, 0);
        validation_init(&v, &arena, SLICE(""));
        const struct proto_message_info *info =
            proto_message_find(slice_from_string(CASES[i].type));
        struct proto_json_read_options options = {.unknown_is_error = true, .is_text_format = true};
        struct proto_json_write_options write = {.is_pretty = false};
        enum status status =
            document_parse_text(slice_from_string(CASES[i].in), &arena, &root, &err);
        ProtobufCMessage *message = NULL;
        if (status == STATUS_OK) {
            message = proto_json_read(info, root, &options, &arena, &v);
            status = validation_result(&v, &err);
        }
        ck_assert_msg((status == STATUS_OK) == (CASES[i].out != NULL), "%s: %s", CASES[i].in,
                      err.message);
        if (status == STATUS_OK) {
            ck_assert_str_eq((const char *)proto_json_text(message, &write, &arena).ptr,
                             CASES[i].out);
        }
        arena_deinit(&arena);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("proto_json");
    TCase *tests = tcase_create("proto_json");
    tcase_add_test(tests, scalars_and_names_map_both_ways);
    tcase_add_test(tests, well_known_types_map_both_ways);
    tcase_add_test(tests, any_is_packed_and_expanded);
    tcase_add_test(tests, repeated_maps_and_oneofs_follow_envoy);
    tcase_add_test(tests, sensitive_fields_are_redacted_everywhere);
    tcase_add_test(tests, unknown_names_are_findings_when_allowed);
    tcase_add_test(tests, all_errors_come_at_once_with_their_paths);
    tcase_add_test(tests, pretty_output_is_indented_by_one_space);
    tcase_add_test(tests, merge_follows_merge_from);
    tcase_add_test(tests, text_format_reads_fields_as_they_are);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
