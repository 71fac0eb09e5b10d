// SPDX-License-Identifier: Apache-2.0
/* Secrets on their way into TLS contexts: fetched over the aggregated stream, and from files that are
 * replaced under a running client. */
#include <unistd.h>

#include "src/config/secret_config.h"
#include "src/tls/testing/test_certs.h"
#include "xds/xds_test_server.h"

enum { PATH_BYTES = 256, TEXT_BYTES = 16384 };

#define URL(name) "type.googleapis.com/" name
#define BOOTSTRAP                                                                                  \
    "node: {id: edge, cluster: edges}\n"                                                           \
    "static_resources: {clusters: [{name: ads, type: STATIC, load_assignment: {cluster_name: "     \
    "ads, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, " \
    "port_value: 1}}}}]}]}}]}\n"                                                                   \
    "dynamic_resources: {ads_config: {api_type: GRPC, grpc_services: [{envoy_grpc: "               \
    "{cluster_name: ads}}]}, cds_config: {ads: {}}}\n"
#define CLUSTER_WITH(source)                                                                                                                                                                                                                        \
    "{type_url: " URL(                                                                                                                                                                                                                              \
        "envoy.config.cluster.v3.Cluster") ", version_info: '1', nonce: c, "                                                                                                                                                                        \
                                           "resources: [{'@type': " URL(                                                                                                                                                                            \
                                               "envoy.config.cluster.v3.Cluster") ", name: up, type: STATIC, "                                                                                                                                      \
                                                                                  "load_assignment: {cluster_name: up}, transport_socket: {name: tls, typed_config: {'@type': " URL(                                                                \
                                                                                      "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext") ", common_tls_context: {tls_certificate_sds_secret_configs: [{name: own, sds_config: " source \
                                                                                                                                                      "}]}}}}]}"

/* The only TLS part of the store; NULL: none. */
static const struct tls_part *tls_part(const struct world *w) {
    uint32_t slot = 0;
    return (const struct tls_part *)(void *)config_store_next(w->store, CONFIG_TLS, &slot);
}

static void append_block(char *out, const char *indent, struct slice pem) {
    struct slice line;
    while (slice_split(&pem, '\n', &line)) {
        size_t len = strlen(out);
        snprintf(out + len, TEXT_BYTES - len, "%s%.*s\n", indent, SLICE_ARG(line));
    }
}

static void secret_response(char *out, const struct test_cert *cert, const struct test_cert *key,
                            const char *version) {
    snprintf(out, TEXT_BYTES,
             "type_url: %s\nversion_info: '%s'\nnonce: s%s\nresources:\n- '@type': %s\n"
             "  name: own\n  tls_certificate:\n    certificate_chain:\n      inline_string: |\n",
             URL("envoy.extensions.transport_sockets.tls.v3.Secret"), version, version,
             URL("envoy.extensions.transport_sockets.tls.v3.Secret"));
    append_block(out, "        ", test_cert_chain_pem(cert));
    strncat(out, "    private_key:\n      inline_string: |\n", TEXT_BYTES - strlen(out) - 1);
    append_block(out, "        ", test_cert_key_pem(key));
}

START_TEST(xds_secret_warms_rotates_and_survives_refusal) {
    struct world w;
    char text[TEXT_BYTES];
    struct test_cert *ca = test_cert_ca("ca");
    struct test_cert *one = test_cert_leaf(ca, "one.test");
    struct test_cert *two = test_cert_leaf(ca, "two.test");
    world_init(&w);
    world_start(&w, BOOTSTRAP);
    w.log[0] = '\0';
    world_receive(&w, CLUSTER_WITH("{ads: {}}"));
    expect_log(&w, "> SDS v= n= own\n> CDS v=1 n=c\n"); // not added before its secret is there
    ck_assert_ptr_null(tls_part(&w));
    secret_response(text, one, one, "1");
    world_receive(&w, text);
    expect_log(&w, "cluster up 5000ms\n> SDS v=1 n=s1 own\nlive\n");
    const struct tls_context *first = tls_part(&w)->context;
    ck_assert_ptr_nonnull(first);
    secret_response(text, two, two, "2");
    world_receive(&w, text);
    expect_log(&w, "> SDS v=2 n=s2 own\n"); // in place: the cluster stays
    const struct tls_context *second = tls_part(&w)->context;
    ck_assert_ptr_ne(first, second);
    secret_response(text, one, two, "3");
    world_receive(&w, text);
    ck_assert_ptr_nonnull(strstr(w.log, "> SDS v=2 n=s3 own !own: "));
    ck_assert_ptr_eq(tls_part(&w)->context, second);
    ck_assert_uint_eq(world_stat(&w, "sds.own.update_rejected"), 1);
    world_deinit(&w);
    test_cert_free(two);
    test_cert_free(one);
    test_cert_free(ca);
}
END_TEST

static void put_file(const char *folder, const char *name, struct slice content) {
    char path[PATH_BYTES];
    char temporary[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    snprintf(temporary, sizeof(temporary), "%s/.new", folder);
    FILE *file = fopen(temporary, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(content.ptr, 1, content.len, file), content.len);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(rename(temporary, path), 0);
}

static void put_pair(const char *folder, const struct test_cert *cert) {
    put_file(folder, "tls.crt", test_cert_chain_pem(cert));
    put_file(folder, "tls.key", test_cert_key_pem(cert));
}

START_TEST(xds_secret_from_files_follows_them) {
    struct world w;
    char text[TEXT_BYTES];
    char folder[] = "/tmp/sp_sds_XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(folder));
    struct test_cert *ca = test_cert_ca("ca");
    struct test_cert *one = test_cert_leaf(ca, "one.test");
    struct test_cert *two = test_cert_leaf(ca, "two.test");
    put_pair(folder, one);
    snprintf(text, sizeof(text),
             "resources:\n- '@type': %s\n  name: own\n  tls_certificate:\n"
             "    certificate_chain: {filename: %s/tls.crt}\n"
             "    private_key: {filename: %s/tls.key}\n",
             URL("envoy.extensions.transport_sockets.tls.v3.Secret"), folder, folder);
    put_file(folder, "sds.yaml", slice_from_string(text));
    snprintf(text, sizeof(text), CLUSTER_WITH("{path_config_source: {path: '%s/sds.yaml'}}"),
             folder);
    world_init(&w);
    world_start(&w, BOOTSTRAP);
    w.log[0] = '\0';
    world_receive(&w, text);
    expect_log(&w, "cluster up 5000ms\n> CDS v=1 n=c\nlive\n");
    const struct tls_context *first = tls_part(&w)->context;
    ck_assert_ptr_nonnull(first);
    put_file(folder, "tls.crt", test_cert_chain_pem(two));
    world_turn(&w);
    ck_assert_ptr_eq(tls_part(&w)->context, first); // half of a pair is no secret
    put_file(folder, "tls.key", test_cert_key_pem(two));
    world_turn(&w);
    ck_assert_ptr_ne(tls_part(&w)->context, first);
    world_deinit(&w);
    static const char *const names[] = {"tls.crt", "tls.key", "sds.yaml"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(text, sizeof(text), "%s/%s", folder, names[i]);
        (void)unlink(text);
    }
    ck_assert_int_eq(rmdir(folder), 0);
    test_cert_free(two);
    test_cert_free(one);
    test_cert_free(ca);
}
END_TEST

int main(void) {
    TCase *tcase = tcase_create("all");
    tcase_add_test(tcase, xds_secret_warms_rotates_and_survives_refusal);
    tcase_add_test(tcase, xds_secret_from_files_follows_them);
    return run_suite("xds_secret", tcase);
}
