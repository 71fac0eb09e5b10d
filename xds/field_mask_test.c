// SPDX-License-Identifier: Apache-2.0
#include "xds/field_mask.h"

#include <check.h>
#include <stdlib.h>

#include "envoy/admin/v3/config_dump.pb-c.h"
#include "envoy/config/cluster/v3/cluster.pb-c.h"
#include "src/base/check.h"
#include "xds/proto_reflect.h"

static struct arena arena;

static void setup(void) {
    arena_init_heap(&arena, 0);
}

static void teardown(void) {
    arena_deinit(&arena);
}

static Envoy__Config__Cluster__V3__Cluster cluster;
static Envoy__Config__Core__V3__Metadata metadata;

static void set_up_cluster(void) {
    envoy__config__core__v3__metadata__init(&metadata);
    envoy__config__cluster__v3__cluster__init(&cluster);
    cluster.name = arena_dup_string(&arena, SLICE("web"));
    cluster.alt_stat_name = arena_dup_string(&arena, SLICE("alt"));
    cluster.metadata = &metadata;
    cluster.cluster_discovery_type_case =
        ENVOY__CONFIG__CLUSTER__V3__CLUSTER__CLUSTER_DISCOVERY_TYPE_TYPE;
    cluster.type = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DISCOVERY_TYPE__EDS;
}

static const struct {
    const char *mask;
    bool fits;
} fit_cases[] = {
    {"", true},
    {",,", true},
    {"name", true},
    {"name,type,load_assignment.policy.overprovisioning_factor.value", true},
    {"nope", false},
    {"name,nope", false},
    {"name.first", false},
    {"load_assignment.", false},
    {".name", false},
    {"load_assignment..policy", false},
    {"load_assignment.endpoints", true},
    {"load_assignment.endpoints.priority", false},
    {"metadata.filter_metadata.x", false},
};

START_TEST(field_mask_fits_paths_of_fields) {
    for (size_t i = 0; i < ARRAY_LEN(fit_cases); i++) {
        struct field_mask mask = field_mask_parse(slice_from_string(fit_cases[i].mask), &arena);
        ck_assert_msg(field_mask_fits(&mask, &envoy__config__cluster__v3__cluster__descriptor) ==
                          fit_cases[i].fits,
                      "'%s'", fit_cases[i].mask);
    }
}
END_TEST

START_TEST(field_mask_trim_unsets_what_is_not_named) {
    set_up_cluster();
    struct field_mask mask = field_mask_parse(SLICE("name,metadata.filter_metadata"), &arena);
    field_mask_trim(&mask, &cluster.base);
    ck_assert_str_eq(cluster.name, "web");
    ck_assert_ptr_eq(cluster.metadata, &metadata);
    ck_assert_int_eq((int)cluster.cluster_discovery_type_case, 0);
    ck_assert(cluster.alt_stat_name == NULL || cluster.alt_stat_name[0] == '\0');
    ck_assert_ptr_nonnull(proto_pack(&cluster.base, &arena).ptr);
}
END_TEST

START_TEST(field_mask_without_paths_keeps_all) {
    set_up_cluster();
    struct field_mask mask = field_mask_parse(SLICE(""), &arena);
    field_mask_trim(&mask, &cluster.base);
    ck_assert_str_eq(cluster.alt_stat_name, "alt");
}
END_TEST

START_TEST(field_mask_of_a_whole_field_covers_its_inside) {
    set_up_cluster();
    struct field_mask mask =
        field_mask_parse(SLICE("type,metadata.typed_filter_metadata,metadata"), &arena);
    field_mask_trim(&mask, &cluster.base);
    ck_assert_ptr_eq(cluster.metadata, &metadata);
    ck_assert_int_eq(cluster.type, ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DISCOVERY_TYPE__EDS);
}
END_TEST

static const struct {
    const char *mask;
    bool is_ok, keeps_name;
} resource_cases[] = {
    {"cluster.name", true, true},  {"cluster.type", true, false},
    {"version_info", true, false}, {"cluster", false, false},
    {"cluster.", false, false},    {"cluster.nope", false, false},
    {"nope", false, false},        {"cluster.name,nope", false, false},
};

START_TEST(field_mask_goes_through_the_any_of_a_resource) {
    for (size_t i = 0; i < ARRAY_LEN(resource_cases); i++) {
        Envoy__Admin__V3__ClustersConfigDump__DynamicCluster dynamic;
        Google__Protobuf__Any any;
        struct validation v;
        const struct proto_message_info *info;
        set_up_cluster();
        envoy__admin__v3__clusters_config_dump__dynamic_cluster__init(&dynamic);
        google__protobuf__any__init(&any);
        struct slice packed = proto_pack(&cluster.base, &arena);
        any.type_url =
            arena_dup_string(&arena, SLICE("type.googleapis.com/envoy.config.cluster.v3.Cluster"));
        any.value = (ProtobufCBinaryData){packed.len, (uint8_t *)(uintptr_t)packed.ptr};
        dynamic.cluster = &any;
        struct field_mask mask =
            field_mask_parse(slice_from_string(resource_cases[i].mask), &arena);
        bool is_ok = field_mask_trim_resource(&mask, &dynamic.base, &arena);
        ck_assert_msg(is_ok == resource_cases[i].is_ok, "'%s'", resource_cases[i].mask);
        if (!is_ok || dynamic.cluster == NULL) {
            continue;
        }
        validation_init(&v, &arena, SLICE(""));
        const Envoy__Config__Cluster__V3__Cluster *left =
            (const Envoy__Config__Cluster__V3__Cluster *)proto_any_unpack(&any.base, &arena, &info,
                                                                          &v);
        ck_assert_msg((left->name[0] != '\0') == resource_cases[i].keeps_name, "'%s'",
                      resource_cases[i].mask);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("field_mask");
    TCase *tcase = tcase_create("all");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, field_mask_fits_paths_of_fields);
    tcase_add_test(tcase, field_mask_trim_unsets_what_is_not_named);
    tcase_add_test(tcase, field_mask_without_paths_keeps_all);
    tcase_add_test(tcase, field_mask_of_a_whole_field_covers_its_inside);
    tcase_add_test(tcase, field_mask_goes_through_the_any_of_a_resource);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
