// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <unistd.h>

#include "src/config/cluster_config.h"
#include "src/config/listener_config.h"
#include "src/config/secret_config.h"
#include "src/tls/testing/test_certs.h"
#include "xds/decode/decode_test_fixture.h"
#include "xds/decode/tls_builder.h"

#define TYPE_URL(name) "\"@type\": type.googleapis.com/" name

static struct decode_fixture fixture;
static struct arena texts;
static struct test_cert *ca, *leaf, *other;

static void setup(void) {
    decode_fixture_init(&fixture);
    arena_init_heap(&texts, 0);
    ca = test_cert_ca("test ca");
    leaf = test_cert_leaf(ca, "web.test");
    other = test_cert_leaf(ca, "other.test");
}

static void teardown(void) {
    decode_fixture_deinit(&fixture);
    test_cert_free(other);
    test_cert_free(leaf);
    test_cert_free(ca);
    arena_deinit(&texts);
}

// A double-quoted scalar.
static const char *quoted(struct slice text) {
    uint8_t *out = arena_alloc_bytes(&texts, text.len * 2 + 3);
    size_t len = 0;
    out[len++] = '"';
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\n') {
            out[len++] = '\\';
            out[len++] = 'n';
        } else {
            out[len++] = text.ptr[i];
        }
    }
    out[len++] = '"';
    out[len] = '\0';
    return (const char *)out;
}

static const char *certificate(const struct test_cert *cert, const struct test_cert *key) {
    return (const char *)arena_printf(&texts,
                                      "{certificate_chain: {inline_string: %s}, private_key: "
                                      "{inline_string: %s}}",
                                      quoted(test_cert_chain_pem(cert)),
                                      quoted(test_cert_key_pem(key)))
        .ptr;
}

static const char *yaml(const char *format, const char *text) {
    size_t at = slice_find(slice_from_string(format), SLICE("$"));
    return (const char *)arena_printf(&texts, "%.*s%s%s", (int)at, format, text, format + at + 1)
        .ptr;
}

static const struct secret_part *secret(const char *text) {
    decode_ok(&fixture, &resource_type_secret, text);
    return (const struct secret_part *)fixture.result.part;
}

// Decodes a secret and puts it into the store under its own name.
static void put_secret(const char *text) {
    const struct secret_part *part = secret(text);
    uint32_t slot = config_store_slot(fixture.store, CONFIG_SECRET, part->part.name);
    config_store_put(fixture.store, CONFIG_SECRET, slot, config_part_ref(fixture.result.part));
}

START_TEST(secret_inline_certificate_is_checked) {
    const struct secret_part *part =
        secret(yaml("name: s\ntls_certificate: $\n", certificate(leaf, leaf)));
    ck_assert_int_eq(part->kind, SECRET_CERTIFICATE);
    ck_assert(slice_equal(part->certificate.private_key_pem, test_cert_key_pem(leaf)));
    ck_assert_slice_eq(part->certificate.name, "<inline>");
    ck_assert_uint_eq(part->watched_file_count, 0);
    decode_refused(&fixture, &resource_type_secret,
                   yaml("name: s\ntls_certificate: $\n", certificate(leaf, other)),
                   "Failed to load certificate <inline>: key values mismatch");
    decode_refused(&fixture, &resource_type_secret,
                   "name: s\ntls_certificate: {certificate_chain: {inline_string: garbage}, "
                   "private_key: {inline_string: x}}\n",
                   "malformed certificate");
    ck_assert_ptr_null(strstr(fixture.err.message, "BEGIN"));
}
END_TEST

START_TEST(secret_files_are_watched) {
    char chain_path[] = "/tmp/secret_test_chain_XXXXXX", key_path[] = "/tmp/secret_test_key_XXXXXX";
    struct slice chain = test_cert_chain_pem(leaf), key = test_cert_key_pem(leaf);
    int chain_fd = mkstemp(chain_path), key_fd = mkstemp(key_path);
    ck_assert_int_eq(write(chain_fd, chain.ptr, chain.len), (ssize_t)chain.len);
    ck_assert_int_eq(write(key_fd, key.ptr, key.len), (ssize_t)key.len);
    const char *text = (const char *)arena_printf(
                           &texts,
                           "name: s\ntls_certificate: {certificate_chain: {filename: %s}, "
                           "private_key: {filename: %s}, watched_directory: {path: /tmp}}\n",
                           chain_path, key_path)
                           .ptr;
    const struct secret_part *part = secret(text);
    ck_assert_uint_eq(part->watched_file_count, 2);
    ck_assert_slice_eq(part->watched_files[0], chain_path);
    ck_assert_slice_eq(part->watched_directory, "/tmp");
    ck_assert_slice_eq(part->certificate.name, chain_path);
    close(chain_fd);
    close(key_fd);
    unlink(chain_path);
    decode_refused(&fixture, &resource_type_secret, text, "unable to read file: /tmp/secret_test");
    unlink(key_path);
}
END_TEST

START_TEST(secret_validation_context_is_read) {
    const char *text =
        (const char *)arena_printf(
            &texts,
            "name: v\nvalidation_context: {trusted_ca: {inline_string: %s}, "
            "match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: a.test}}, {san_type: "
            "URI, matcher: {prefix: 'spiffe://a/'}}], verify_certificate_hash: ['%s', '%s'], "
            "verify_certificate_spki: ['NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A='], "
            "trust_chain_verification: ACCEPT_UNTRUSTED, max_verify_depth: 3}\n",
            quoted(test_cert_pem(ca)),
            "df6ff72fe9116521268f6f2dd4966f51df479883fe7037b39f75916ac3049d1a",
            "DF:6F:F7:2F:E9:11:65:21:26:8F:6F:2D:D4:96:6F:51:DF:47:98:83:FE:70:37:B3:9F:75:91:6A:"
            "C3:04:9D:1A")
            .ptr;
    const struct tls_validation_source *validation = &secret(text)->validation;
    ck_assert_uint_eq(validation->san_matcher_count, 2);
    ck_assert(validation->san_matchers[0].is_exact_dns);
    ck_assert_slice_eq(validation->san_matchers[0].exact, "a.test");
    ck_assert_int_eq(validation->san_matchers[1].type, TLS_SAN_URI);
    ck_assert(validation->san_matchers[1].matches(validation->san_matchers[1].matcher,
                                                  SLICE("spiffe://a/b")));
    ck_assert_uint_eq(validation->certificate_hash_count, 2);
    ck_assert(slice_equal(validation->certificate_hashes[0], validation->certificate_hashes[1]));
    ck_assert_uint_eq(validation->spki_pins[0].len, 32);
    ck_assert_uint_eq(validation->spki_pins[0].ptr[0], 0x36);
    ck_assert(validation->accept_untrusted);
    ck_assert_uint_eq(validation->max_verify_depth, 3);
}
END_TEST

struct refusal {
    const char *yaml, *text;
};
static const struct refusal refusals[] = {
    {"name: s\n", "Secret type not implemented"},
    {"name: s\nvalidation_context: {trusted_ca: {inline_string: x}}\n", "trusted_ca: malformed"},
    {"name: s\nvalidation_context: {verify_certificate_hash: "
     "['zz6ff72fe9116521268f6f2dd4966f51df479883fe7037b39f75916ac3049d1a']}\n",
     "Invalid hex-encoded SHA-256 zz6f"},
    {"name: s\nvalidation_context: {verify_certificate_spki: "
     "['NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9!=']}\n",
     "Invalid base64-encoded SHA-256"},
    {"name: s\nvalidation_context: {custom_validator_config: {name: spiffe, typed_config: {" TYPE_URL(
         "envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig") ", trust_domains: [{name: a.test, trust_bundle: {inline_string: x}}]}}}\n",
     "a check of the peer that would not be made"},
    {"name: s\nsession_ticket_keys: {keys: [{inline_string: short}]}\n",
     "Incorrect TLS session ticket key length. Length 5, expected length 80."},
    {"name: s\ntls_certificate: {pkcs12: {inline_string: x}}\n", "PKCS #12 is not supported"},
    {"name: s\ntls_certificate: {certificate_chain: {environment_variable: "
     "SALLYPORT_TEST_NONE}}\n",
     "Environment variable doesn't exist: SALLYPORT_TEST_NONE"},
};

START_TEST(secret_faults_are_named) {
    decode_refused(&fixture, &resource_type_secret, refusals[_i].yaml, refusals[_i].text);
}
END_TEST

#define TLS_LISTENER(context)                                                                                                                                         \
    "name: l\naddress: {socket_address: {address: 127.0.0.1, port_value: 1}}\nfilter_chains: "                                                                        \
    "[{transport_socket: {name: tls, typed_config: {" TYPE_URL(                                                                                                       \
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext") ", " context                                                                                \
                                                                          "}}, filters: [{name: t, typed_config: {" TYPE_URL(                                         \
                                                                              "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy") ", stat_prefix: t, cluster: " \
                                                                                                                                        "c}}]}]\n"

static const struct filter_chain_config *tls_chain(const char *text) {
    decode_ok(&fixture, &resource_type_listener, text);
    return ((const struct listener_part *)fixture.result.part)->chains[0];
}

START_TEST(tls_downstream_context_is_read) {
    const struct filter_chain_config *chain = tls_chain(yaml(
        TLS_LISTENER("common_tls_context: {tls_params: {tls_minimum_protocol_version: TLSv1_3, "
                     "cipher_suites: [A, B]}, alpn_protocols: [h2, http/1.1], tls_certificates: "
                     "[$]}, require_client_certificate: true, session_timeout: 60s"),
        certificate(leaf, leaf)));
    const struct tls_context_options *options = &chain->tls->options;
    ck_assert(options->is_server && options->require_client_certificate);
    ck_assert_int_eq(options->min_version, TLS_VERSION_1_3);
    ck_assert_str_eq(options->cipher_suites, "A:B");
    ck_assert_uint_eq(options->alpn_count, 2);
    ck_assert_slice_eq(options->alpn[1], "http/1.1");
    ck_assert_uint_eq(options->session_timeout_s, 60);
    ck_assert_uint_eq(options->session_id_context.len, 8);
    ck_assert_uint_eq(fixture.result.tls_count, 1);
    ck_assert_uint_eq(fixture.result.tls[0].slot, chain->tls_slot);
    decode_refused(&fixture, &resource_type_listener, TLS_LISTENER("common_tls_context: {}"),
                   "No TLS certificates found for server context");
    decode_refused(&fixture, &resource_type_listener,
                   TLS_LISTENER("require_sni: true, common_tls_context: "
                                "{tls_certificate_sds_secret_configs: [{name: s}]}"),
                   "connections without SNI are not refused");
}
END_TEST

START_TEST(tls_secret_names_tell_sources_apart) {
    const struct filter_chain_config *chain = tls_chain(
        TLS_LISTENER("common_tls_context: {tls_certificate_sds_secret_configs: [{name: s}], "
                     "combined_validation_context: {default_validation_context: "
                     "{match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: a}}]}, "
                     "validation_context_sds_secret_config: {name: s, sds_config: "
                     "{path_config_source: {path: /x.yaml}}}}}"));
    ck_assert_uint_eq(fixture.result.dependency_count, 2);
    ck_assert_uint_ne(chain->tls->certificate_slots[0], chain->tls->validation_slot);
    ck_assert(chain->tls->combined_validation);
    for (uint32_t i = 0; i < 2; i++) {
        const struct resource_dependency *dependency = &fixture.result.dependencies[i];
        ck_assert_int_eq(dependency->kind, CONFIG_SECRET);
        ck_assert_slice_eq(dependency->name, "s");
        bool is_static = dependency->slot == chain->tls->certificate_slots[0];
        ck_assert_int_eq(dependency->config_source.len == 0, is_static);
    }
}
END_TEST

START_TEST(tls_builder_waits_for_its_secrets) {
    const struct filter_chain_config *chain = tls_chain(
        TLS_LISTENER("common_tls_context: {tls_certificate_sds_secret_configs: [{name: s}], "
                     "combined_validation_context: {default_validation_context: "
                     "{match_typed_subject_alt_names: [{san_type: DNS, matcher: {safe_regex: "
                     "{regex: 'a.*'}}}]}, validation_context_sds_secret_config: {name: v}}}"));
    struct decode_result listener = fixture.result;
    fixture.result = (struct decode_result){0};
    struct error err = {0};
    struct tls_part *part = NULL;
    ck_assert_int_eq(tls_builder_put(fixture.store, chain->tls_slot, chain->tls, &err), STATUS_OK);
    part = (struct tls_part *)config_store_get(fixture.store, CONFIG_TLS, chain->tls_slot);
    ck_assert_ptr_null(part->context);
    put_secret(yaml("name: s\ntls_certificate: $\n", certificate(leaf, leaf)));
    put_secret(yaml("name: v\nvalidation_context: {trusted_ca: {inline_string: $}}\n",
                    quoted(test_cert_pem(ca))));
    ck_assert_int_eq(tls_builder_put(fixture.store, chain->tls_slot, chain->tls, &err), STATUS_OK);
    part = (struct tls_part *)config_store_get(fixture.store, CONFIG_TLS, chain->tls_slot);
    ck_assert_ptr_nonnull(part->context);
    ck_assert(tls_builder_uses(chain->tls, chain->tls->validation_slot));
    ck_assert(!tls_builder_uses(chain->tls, CONFIG_SLOT_NONE));
    // The context lives on without what it was made of.
    struct tls_context *context = tls_context_ref(part->context);
    config_store_put(fixture.store, CONFIG_TLS, chain->tls_slot, NULL);
    config_store_put(fixture.store, CONFIG_SECRET, chain->tls->validation_slot, NULL);
    config_store_publish(fixture.store);
    decode_result_release(&listener);
    tls_context_unref(context);
}
END_TEST

START_TEST(tls_builder_refuses_what_does_not_fit) {
    const struct filter_chain_config *chain = tls_chain(
        TLS_LISTENER("common_tls_context: {tls_certificate_sds_secret_configs: [{name: s}], "
                     "combined_validation_context: {default_validation_context: "
                     "{match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: a}}]}, "
                     "validation_context_sds_secret_config: {name: v}}}"));
    struct decode_result listener = fixture.result;
    fixture.result = (struct decode_result){0};
    struct error err = {0};
    struct tls_part *part = NULL;
    put_secret("name: s\ngeneric_secret: {secret: {inline_string: x}}\n");
    ck_assert_int_eq(tls_builder_make(fixture.store, SLICE("t"), chain->tls, &part, &err),
                     STATUS_INVALID);
    ck_assert_str_eq(err.message, "secret 's' is not a tls_certificate");
    put_secret(yaml("name: s\ntls_certificate: $\n", certificate(leaf, leaf)));
    put_secret("name: v\nvalidation_context: {}\n");
    ck_assert_int_eq(tls_builder_make(fixture.store, SLICE("t"), chain->tls, &part, &err),
                     STATUS_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "without trusted CA is insecure"));
    ck_assert_ptr_null(part);
    decode_result_release(&listener);
}
END_TEST

START_TEST(tls_upstream_versions_follow_the_defaults) {
    static const char text[] = "name: c\ntransport_socket: {name: tls, typed_config: {" TYPE_URL(
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext") ", sni: web.test}}\n";
    decode_ok(&fixture, &resource_type_cluster, text);
    const struct cluster_part *part = (const struct cluster_part *)fixture.result.part;
    ck_assert_int_eq(part->sockets[0].tls->options.max_version, TLS_VERSION_1_2);
    ck_assert_uint_eq(part->sockets[0].tls->options.max_session_keys, 1);
    fixture.context.edge_defaults = true;
    decode_ok(&fixture, &resource_type_cluster, text);
    part = (const struct cluster_part *)fixture.result.part;
    ck_assert_int_eq(part->sockets[0].tls->options.max_version, TLS_VERSION_AUTO);
}
END_TEST

int main(void) {
    TCase *tcase = tcase_create("all");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, secret_inline_certificate_is_checked);
    tcase_add_test(tcase, secret_files_are_watched);
    tcase_add_test(tcase, secret_validation_context_is_read);
    tcase_add_loop_test(tcase, secret_faults_are_named, 0, ARRAY_LEN(refusals));
    tcase_add_test(tcase, tls_downstream_context_is_read);
    tcase_add_test(tcase, tls_secret_names_tell_sources_apart);
    tcase_add_test(tcase, tls_builder_waits_for_its_secrets);
    tcase_add_test(tcase, tls_builder_refuses_what_does_not_fit);
    tcase_add_test(tcase, tls_upstream_versions_follow_the_defaults);
    return run_suite("decode_secret", tcase);
}
