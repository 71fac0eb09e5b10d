// SPDX-License-Identifier: Apache-2.0
#include "xds/ledger_walk.h"

#include <check.h>

#include "src/base/check.h"
#include "xds/bootstrap/document.h"
#include "xds/bootstrap/proto_json.h"

static const struct ledger_field CLUSTER_FIELDS[] = {
    LEDGER_OK("name"),
    LEDGER_OK("connect_timeout"),
    LEDGER_OK("load_assignment"),
    LEDGER_OK("typed_extension_protocol_options"),
    LEDGER_OK("metadata"),
    {"alt_stat_name", LEDGER_HARMLESS, "a name in statistics"},
    {"upstream_bind_config", LEDGER_IGNORED, "the source address is the kernel's choice"},
    {"transport_socket", LEDGER_REFUSED, "security"},
    {"wait_for_warm_on_init", LEDGER_REFUSED, "security"},
};
static const struct ledger_field ASSIGNMENT_FIELDS[] = {
    {"*", LEDGER_HONOURED, NULL},
    {"endpoints", LEDGER_HARMLESS, "test"},
};
static const struct ledger_message TABLES[] = {
    LEDGER_MESSAGE("envoy.config.cluster.v3.Cluster", CLUSTER_FIELDS),
    LEDGER_MESSAGE("envoy.config.endpoint.v3.ClusterLoadAssignment", ASSIGNMENT_FIELDS),
};

static const struct ledger_message *lookup(void *arg, const char *message) {
    (void)arg;
    for (size_t i = 0; i < ARRAY_LEN(TABLES); i++) {
        if (strcmp(TABLES[i].message, message) == 0) {
            return &TABLES[i];
        }
    }
    return NULL;
}

static void walk(const char *json, struct arena *arena, struct validation *v) {
    struct error err;
    const struct document_node *root;
    struct proto_json_read_options options = {.unknown_is_error = true};
    const struct proto_message_info *info =
        proto_message_find(SLICE("envoy.config.cluster.v3.Cluster"));
    validation_init(v, arena, SLICE(""));
    ck_assert_int_eq(document_parse_json(slice_from_string(json), arena, &root, &err), STATUS_OK);
    ProtobufCMessage *message = proto_json_read(info, root, &options, arena, v);
    ck_assert(validation_ok(v));
    ledger_walk(message, lookup, NULL, v);
}

START_TEST(honoured_and_harmless_fields_leave_no_finding) {
    struct arena arena;
    struct validation v;
    arena_init_heap(&arena, 0);
    walk("{\"name\":\"x\",\"alt_stat_name\":\"y\",\"connect_timeout\":\"1s\","
         "\"load_assignment\":{\"cluster_name\":\"x\",\"endpoints\":[{\"priority\":1}]}}",
         &arena, &v);
    ck_assert_uint_eq(v.finding_count, 0);
    arena_deinit(&arena);
}
END_TEST

START_TEST(ignored_fields_are_named_and_refused_ones_are_errors) {
    struct arena arena;
    struct validation v;
    struct error err;
    arena_init_heap(&arena, 0);
    walk("{\"lb_policy\":1,\"upstream_bind_config\":{},\"transport_socket\":{\"name\":\"t\"},"
         "\"metadata\":{\"filter_metadata\":{\"a\":{}}}}",
         &arena, &v);
    ck_assert_uint_eq(v.finding_count, 4);
    int notes = 0;
    for (uint32_t i = 0; i < v.finding_count; i++) {
        notes += v.findings[i].kind == FINDING_IGNORED ? 1 : 0;
    }
    ck_assert_int_eq(notes, 3);
    ck_assert_int_eq(validation_result(&v, &err), STATUS_INVALID);
    ck_assert_str_eq(err.message, "transport_socket: not supported: security");
    arena_deinit(&arena);
}
END_TEST

START_TEST(a_refused_switch_may_be_off) {
    struct arena arena;
    struct validation v;
    arena_init_heap(&arena, 0);
    walk("{\"wait_for_warm_on_init\":false}", &arena, &v);
    ck_assert_uint_eq(v.finding_count, 0);
    walk("{\"wait_for_warm_on_init\":true}", &arena, &v);
    ck_assert(!validation_ok(&v));
    arena_deinit(&arena);
}
END_TEST

START_TEST(walk_goes_through_any_and_typed_struct) {
    struct arena arena;
    struct validation v;
    arena_init_heap(&arena, 0);
    walk("{\"typed_extension_protocol_options\":{"
         "\"a\":{\"@type\":\"h/envoy.config.cluster.v3.Cluster\",\"lb_policy\":1},"
         "\"b\":{\"@type\":\"h/xds.type.v3.TypedStruct\","
         "\"type_url\":\"h/envoy.config.cluster.v3.Cluster\",\"value\":{\"lbPolicy\":1}},"
         "\"c\":{\"@type\":\"h/xds.type.v3.TypedStruct\",\"type_url\":\"h/no.Such\","
         "\"value\":{\"x\":1}},"
         "\"d\":{\"@type\":\"h/envoy.config.core.v3.Node\",\"id\":\"x\",\"cluster\":\"y\"}}}",
         &arena, &v);
    static const char *const PATHS[] = {
        "typed_extension_protocol_options[\"a\"].lb_policy",
        "typed_extension_protocol_options[\"b\"].lb_policy",
        "typed_extension_protocol_options[\"c\"]",
        "typed_extension_protocol_options[\"d\"]",
    };
    ck_assert_uint_eq(v.finding_count, ARRAY_LEN(PATHS));
    for (size_t i = 0; i < ARRAY_LEN(PATHS); i++) {
        ck_assert(slice_equal(v.findings[i].path, slice_from_string(PATHS[i])));
        ck_assert_int_eq(v.findings[i].kind, FINDING_IGNORED);
    }
    arena_deinit(&arena);
}
END_TEST

struct visit_counts {
    int documented, honoured, harmless, cluster_fields;
};

static void count_visit(void *arg, const struct proto_message_info *message,
                        const struct proto_field_info *field, bool is_documented,
                        struct ledger_answer answer) {
    struct visit_counts *counts = arg;
    (void)field;
    counts->documented += is_documented ? 1 : 0;
    counts->honoured += answer.verdict == LEDGER_HONOURED ? 1 : 0;
    counts->harmless += answer.verdict == LEDGER_HARMLESS ? 1 : 0;
    counts->cluster_fields += strcmp(message->name, "envoy.config.cluster.v3.Cluster") == 0 ? 1 : 0;
    ck_assert(is_documented || answer.verdict == LEDGER_IGNORED);
}

START_TEST(visit_all_lists_every_field_with_its_verdict) {
    struct visit_counts counts = {0};
    ledger_visit_all(lookup, NULL, count_visit, &counts);
    const struct proto_message_info *cluster =
        proto_message_find(SLICE("envoy.config.cluster.v3.Cluster"));
    const struct proto_message_info *assignment =
        proto_message_find(SLICE("envoy.config.endpoint.v3.ClusterLoadAssignment"));
    int assignment_fields = (int)assignment->descriptor->n_fields;
    ck_assert_int_eq(counts.cluster_fields, (int)cluster->descriptor->n_fields);
    ck_assert_int_eq(counts.documented, counts.cluster_fields + assignment_fields);
    ck_assert_int_eq(counts.honoured, 5 + assignment_fields - 1);
    ck_assert_int_eq(counts.harmless, 2);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ledger_walk");
    TCase *tests = tcase_create("ledger_walk");
    tcase_add_test(tests, honoured_and_harmless_fields_leave_no_finding);
    tcase_add_test(tests, ignored_fields_are_named_and_refused_ones_are_errors);
    tcase_add_test(tests, a_refused_switch_may_be_off);
    tcase_add_test(tests, walk_goes_through_any_and_typed_struct);
    tcase_add_test(tests, visit_all_lists_every_field_with_its_verdict);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
