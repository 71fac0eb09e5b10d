// SPDX-License-Identifier: Apache-2.0
/* The runtime's layers in the whole client: when it is asked, what it is refused, who overrides whom. */
#include "xds/xds_test_server.h"

#include <sys/stat.h>
#include <unistd.h>

#include "src/runtime/runtime.h"

#define BOOTSTRAP(api)                                                                             \
    "node: {id: edge, cluster: edges}\n"                                                           \
    "static_resources: {clusters: [{name: ads, type: STATIC, load_assignment: {cluster_name: "     \
    "ads, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: "            \
    "127.0.0.1, port_value: 18000}}}}]}]}}]}\n"                                                    \
    "dynamic_resources: {ads_config: {api_type: " api                                              \
    ", grpc_services: [{envoy_grpc: {cluster_name: ads}}]}, cds_config: {ads: {}}}\n"
#define RTDS_URL "type.googleapis.com/envoy.service.runtime.v3.Runtime"
#define RUNTIME(layer) "{'@type': " RTDS_URL ", name: shift, layer: " layer "}"
#define RESPONSE(version, nonce, resources)                                                        \
    "{type_url: " RTDS_URL ", version_info: '" version "', nonce: " nonce                          \
    ", resources: [" resources "]}"
#define DELTA(nonce, layer)                                                                        \
    "{type_url: " RTDS_URL ", nonce: " nonce                                                       \
    ", resources: [{name: shift, version: v, resource: " RUNTIME(layer) "}]}"

static struct runtime_layer_config layers[3];
static struct runtime_setting base_setting;
static struct runtime_config config;

static void give_layers(struct world *w) {
    base_setting = (struct runtime_setting){
        .key = SLICE("canary"), .text = SLICE("5"), .value = runtime_value_of_number(5)};
    layers[0] = (struct runtime_layer_config){
        .kind = RUNTIME_LAYER_STATIC, .name = SLICE("base"), .settings = {&base_setting, 1}};
    layers[1] = (struct runtime_layer_config){
        .kind = RUNTIME_LAYER_RTDS,
        .name = SLICE("pushed"),
        .resource = SLICE("shift"),
        .config_source = proto_pack(
            test_message("envoy.config.core.v3.ConfigSource", "{ads: {}}", &w->arena), &w->arena)};
    layers[2] = (struct runtime_layer_config){.kind = RUNTIME_LAYER_ADMIN, .name = SLICE("admin")};
    config = (struct runtime_config){.layers = layers, .count = 3};
    w->runtime = &config;
}

static uint64_t canary(const struct world *w) {
    const struct runtime_value *value =
        runtime_find(config_store_runtime(w->store), SLICE("canary"));
    return value == NULL ? UINT64_MAX : value->integer;
}

START_TEST(runtime_is_there_before_clusters_are_asked_for) {
    struct world w;
    world_init(&w);
    give_layers(&w);
    world_start(&w, BOOTSTRAP("GRPC"));
    expect_log(&w, "cluster ads 5000ms\n> RTDS v= n= shift\n");
    ck_assert_uint_eq(canary(&w), 5);
    world_receive(&w, RESPONSE("1", "r1", RUNTIME("{canary: 7}")));
    expect_log(&w, "> RTDS v=1 n=r1 shift\n> CDS v= n=\n");
    ck_assert_uint_eq(canary(&w), 7);
    ck_assert_uint_eq(world_stat(&w, "runtime.update_success"), 1);
    world_deinit(&w);
}
END_TEST

START_TEST(runtime_that_never_comes_is_waited_for_so_long) {
    struct world w;
    world_init(&w);
    give_layers(&w);
    world_start(&w, BOOTSTRAP("GRPC"));
    expect_log(&w, "cluster ads 5000ms\n> RTDS v= n= shift\n");
    world_advance(&w, 14900);
    expect_log(&w, "");
    world_advance(&w, 200);
    expect_log(&w, "> CDS v= n=\n");
    ck_assert_uint_eq(world_stat(&w, "runtime.init_fetch_timeout"), 1);
    world_deinit(&w);
}
END_TEST

START_TEST(runtime_refusal_keeps_what_was_there) {
    struct world w;
    world_init(&w);
    give_layers(&w);
    world_start(&w, BOOTSTRAP("GRPC"));
    world_receive(&w, RESPONSE("1", "r1", RUNTIME("{canary: 7}")));
    w.log[0] = '\0';
    world_receive(&w, RESPONSE("2", "r2", RUNTIME("{canary: 8, other: {deep: [1]}}")));
    ck_assert_ptr_nonnull(strstr(w.log, "> RTDS v=1 n=r2 shift !"));
    ck_assert_ptr_nonnull(strstr(w.log, "Invalid runtime entry value for other.deep"));
    ck_assert_uint_eq(canary(&w), 7);
    world_deinit(&w);
}
END_TEST

START_TEST(runtime_first_refusal_lets_the_start_go_on) {
    struct world w;
    world_init(&w);
    give_layers(&w);
    world_start(&w, BOOTSTRAP("GRPC"));
    w.log[0] = '\0';
    world_receive(&w, RESPONSE("1", "r1", RUNTIME("{canary: null}")));
    ck_assert_ptr_nonnull(strstr(w.log, "> CDS v= n=\n"));
    ck_assert_uint_eq(canary(&w), 5);
    world_deinit(&w);
}
END_TEST

START_TEST(runtime_layer_that_is_removed_is_empty) {
    struct world w;
    world_init(&w);
    give_layers(&w);
    world_start(&w, BOOTSTRAP("DELTA_GRPC"));
    world_receive(&w, DELTA("a", "{canary: {numerator: 9}, other: 1}"));
    ck_assert_uint_eq(canary(&w), 0);
    world_receive(&w, "{type_url: " RTDS_URL ", nonce: b, removed_resources: [shift]}");
    ck_assert_uint_eq(canary(&w), 5);
    ck_assert_ptr_null(runtime_find(config_store_runtime(w.store), SLICE("other")));
    world_receive(&w, DELTA("c", "{canary: 3}"));
    ck_assert_uint_eq(canary(&w), 3);
    world_deinit(&w);
}
END_TEST

START_TEST(runtime_admin_layer_is_over_all_and_taken_back) {
    struct world w;
    world_init(&w);
    give_layers(&w);
    world_start(&w, BOOTSTRAP("GRPC"));
    world_receive(&w, RESPONSE("1", "r1", RUNTIME("{canary: 7}")));
    struct runtime_change set = {.key = SLICE("canary"), .text = SLICE("100")};
    struct runtime_change unset = {.key = SLICE("canary")};
    ck_assert_int_eq(xds_runtime_modify(w.xds, &set, 1), STATUS_OK);
    ck_assert_uint_eq(canary(&w), 100);
    world_receive(&w, RESPONSE("2", "r2", RUNTIME("{canary: 8}")));
    ck_assert_uint_eq(canary(&w), 100);
    ck_assert_int_eq(xds_runtime_modify(w.xds, &unset, 1), STATUS_OK);
    ck_assert_uint_eq(canary(&w), 8);
    world_deinit(&w);
}
END_TEST

START_TEST(runtime_without_an_admin_layer_is_not_modified) {
    struct world w;
    world_init(&w);
    world_start(&w, BOOTSTRAP("GRPC"));
    expect_log(&w, "cluster ads 5000ms\n> CDS v= n=\n");
    struct runtime_change set = {.key = SLICE("canary"), .text = SLICE("100")};
    ck_assert_int_eq(xds_runtime_modify(w.xds, &set, 1), STATUS_NOT_FOUND);
    world_deinit(&w);
}
END_TEST

START_TEST(runtime_folder_is_read_again_when_its_link_is_replaced) {
    struct world w;
    char folder[] = "/tmp/runtime_loader_XXXXXX";
    char link[64], next[64], path[96];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    for (int i = 1; i <= 2; i++) {
        (void)snprintf(path, sizeof(path), "%s/v%d", folder, i);
        ck_assert_int_eq(mkdir(path, 0700), 0);
        (void)snprintf(path, sizeof(path), "%s/v%d/canary", folder, i);
        FILE *file = fopen(path, "we");
        ck_assert_ptr_nonnull(file);
        ck_assert_int_gt(fprintf(file, "%d\n", i * 10), 0);
        ck_assert_int_eq(fclose(file), 0);
    }
    (void)snprintf(link, sizeof(link), "%s/current", folder);
    (void)snprintf(next, sizeof(next), "%s/next", folder);
    ck_assert_int_eq(symlink("v1", link), 0);
    ck_assert_int_eq(symlink("v2", next), 0);
    world_init(&w);
    layers[0] = (struct runtime_layer_config){.kind = RUNTIME_LAYER_DISK,
                                              .name = SLICE("files"),
                                              .symlink_root = slice_from_string(link),
                                              .path = link};
    config = (struct runtime_config){.layers = layers, .count = 1};
    w.runtime = &config;
    world_start(&w, BOOTSTRAP("GRPC"));
    ck_assert_uint_eq(canary(&w), 10);
    ck_assert_int_eq(rename(next, link), 0);
    world_turn(&w);
    ck_assert_uint_eq(canary(&w), 20);
    ck_assert_int_eq(unlink(link), 0);
    world_turn(&w);
    ck_assert_uint_eq(canary(&w), 20); // as in Envoy: only what is moved there counts
    world_deinit(&w);
}
END_TEST

int main(void) {
    TCase *tcase = tcase_create("all");
    tcase_add_test(tcase, runtime_is_there_before_clusters_are_asked_for);
    tcase_add_test(tcase, runtime_that_never_comes_is_waited_for_so_long);
    tcase_add_test(tcase, runtime_refusal_keeps_what_was_there);
    tcase_add_test(tcase, runtime_first_refusal_lets_the_start_go_on);
    tcase_add_test(tcase, runtime_layer_that_is_removed_is_empty);
    tcase_add_test(tcase, runtime_admin_layer_is_over_all_and_taken_back);
    tcase_add_test(tcase, runtime_without_an_admin_layer_is_not_modified);
    tcase_add_test(tcase, runtime_folder_is_read_again_when_its_link_is_replaced);
    return run_suite("runtime_loader", tcase);
}
