// SPDX-License-Identifier: Apache-2.0
#include "xds/pgv_validate.h"

#include <check.h>

#include "src/base/check.h"
#include "xds/bootstrap/document.h"
#include "xds/bootstrap/proto_json.h"

static const char CLUSTER[] = "envoy.config.cluster.v3.Cluster";

struct rule_case {
    const char *type;
    const char *json;
    const char *error; /* NULL: valid; else the whole text */
};

static void validate(const char *type, const char *json, const struct pgv_options *options,
                     struct validation *v) {
    struct error err;
    const struct document_node *root;
    const struct proto_message_info *info = proto_message_find(slice_from_string(type));
    struct proto_json_read_options read_options = {.unknown_is_error = true};
    ck_assert_msg(info != NULL, "no type %s", type);
    ck_assert_int_eq(document_parse_json(slice_from_string(json), v->arena, &root, &err),
                     STATUS_OK);
    ProtobufCMessage *message = proto_json_read(info, root, &read_options, v->arena, v);
    ck_assert_msg(validation_result(v, &err) == STATUS_OK, "%s: %s", json, err.message);
    pgv_validate(message, options, v);
}

START_TEST(rules_hold_with_the_words_of_envoy) {
    static const struct rule_case CASES[] = {
        {CLUSTER, "{\"name\":\"x\"}", NULL},
        {CLUSTER, "{}",
         "name: Proto constraint validation failed (ClusterValidationError.Name: value length "
         "must be at least 1 characters)"},
        {CLUSTER, "{\"name\":\"x\",\"type\":77}",
         "type: Proto constraint validation failed (ClusterValidationError.Type: value must be "
         "one of the defined enum values)"},
        {CLUSTER, "{\"name\":\"x\",\"connect_timeout\":\"0s\"}",
         "connect_timeout: Proto constraint validation failed "
         "(ClusterValidationError.ConnectTimeout: value must be greater than 0s)"},
        {CLUSTER,
         "{\"name\":\"x\",\"common_lb_config\":{\"healthy_panic_threshold\":{\"value\":"
         "150}}}",
         "common_lb_config.healthy_panic_threshold.value: Proto constraint validation failed "
         "(PercentValidationError.Value: value must be inside range [0, 100])"},
        {"envoy.config.endpoint.v3.LbEndpoint", "{\"load_balancing_weight\":0}",
         "load_balancing_weight: Proto constraint validation failed "
         "(LbEndpointValidationError.LoadBalancingWeight: value must be greater than or equal to "
         "1)"},
        {"envoy.config.core.v3.Address", "{}",
         "Proto constraint validation failed (field: \"address\", reason: is required)"},
        {"envoy.config.core.v3.SocketAddress", "{\"port_value\":70000}",
         "address: Proto constraint validation failed (SocketAddressValidationError.Address: value "
         "length must be at least 1 characters); port_value: Proto constraint validation failed "
         "(SocketAddressValidationError.PortValue: value must be less than or equal to 65535)"},
        {"envoy.config.bootstrap.v3.Bootstrap", "{\"stats_flush_interval\":\"0s\"}",
         "stats_flush_interval: Proto constraint validation failed "
         "(BootstrapValidationError.StatsFlushInterval: value must be inside range [1ms, 5m0s))"},
        {"envoy.config.route.v3.VirtualHost", "{\"name\":\"v\"}",
         "domains: Proto constraint validation failed (VirtualHostValidationError.Domains: value "
         "must contain at least 1 item(s))"},
        {"envoy.config.core.v3.HeaderValue", "{\"key\":\"a\",\"value\":\"b\\nc\"}",
         "value: Proto constraint validation failed (HeaderValueValidationError.Value: value is "
         "not a valid header value)"},
        {"google.protobuf.Any",
         "{\"@type\":\"h/envoy.config.endpoint.v3.LbEndpoint\",\"load_balancing_weight\":0}",
         "load_balancing_weight: Proto constraint validation failed "
         "(LbEndpointValidationError.LoadBalancingWeight: value must be greater than or equal to "
         "1)"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct arena arena;
        struct validation v;
        struct error err = {0};
        arena_init_heap(&arena, 0);
        validation_init(&v, &arena, SLICE(""));
        validate(CASES[i].type, CASES[i].json, NULL, &v);
        (void)!validation_result(&v, &err);
        ck_assert_str_eq(err.message, CASES[i].error == NULL ? "" : CASES[i].error);
        arena_deinit(&arena);
    }
}
END_TEST

START_TEST(rules_reach_into_a_typed_struct) {
    struct arena arena;
    struct validation v;
    struct error err;
    arena_init_heap(&arena, 0);
    validation_init(&v, &arena, SLICE(""));
    validate("google.protobuf.Any",
             "{\"@type\":\"h/xds.type.v3.TypedStruct\",\"type_url\":"
             "\"h/envoy.config.endpoint.v3.LbEndpoint\",\"value\":{\"loadBalancingWeight\":0}}",
             NULL, &v);
    ck_assert_int_eq(validation_result(&v, &err), STATUS_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "LbEndpointValidationError.LoadBalancingWeight"));
    arena_deinit(&arena);
}
END_TEST

START_TEST(deprecated_fields_are_noted_unless_skipped) {
    static const char JSON[] = "{\"name\":\"x\",\"http2_protocol_options\":{}}";
    struct arena arena;
    struct validation v;
    arena_init_heap(&arena, 0);
    validation_init(&v, &arena, SLICE(""));
    validate(CLUSTER, JSON, NULL, &v);
    ck_assert(validation_ok(&v));
    ck_assert_uint_eq(v.finding_count, 1);
    ck_assert_int_eq(v.findings[0].kind, FINDING_DEPRECATED);
    ck_assert(slice_equal(v.findings[0].path, SLICE("http2_protocol_options")));
    validation_init(&v, &arena, SLICE(""));
    validate(CLUSTER, JSON, &(struct pgv_options){.skip_deprecated_notes = true}, &v);
    ck_assert_uint_eq(v.finding_count, 0);
    arena_deinit(&arena);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("pgv_validate");
    TCase *tests = tcase_create("pgv_validate");
    tcase_add_test(tests, rules_hold_with_the_words_of_envoy);
    tcase_add_test(tests, rules_reach_into_a_typed_struct);
    tcase_add_test(tests, deprecated_fields_are_noted_unless_skipped);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
