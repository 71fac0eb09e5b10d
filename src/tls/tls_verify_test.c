// SPDX-License-Identifier: Apache-2.0
#include "src/tls/tls_verify.h"

#include <check.h>
#include <stdlib.h>

#include "src/base/check.h"
#include "src/stats/stats.h"
#include "src/tls/testing/test_certs.h"
#include "src/tls/testing/tls_pair.h"

static struct tls_pair pair;
static struct stats_registry *registry;
static struct stats_scope *stats; /* of the verifying side */

static void setup(void) {
    tls_pair_init(&pair);
    registry = stats_registry_new(1);
    stats = stats_scope_get(registry, SLICE("cluster.x.ssl"), &tls_stat_table);
}

static void teardown(void) {
    tls_pair_deinit(&pair);
    stats_scope_unref(stats);
    stats_registry_free(registry);
}

static bool equals(const void *matcher, struct slice value) {
    return slice_equal(value, slice_from_string(matcher));
}

static struct tls_context *server_of(const struct test_cert *cert) {
    struct tls_certificate_source source = test_cert_source(cert, "server");
    struct tls_context_options options = {
        .is_server = true, .certificates = &source, .certificate_count = 1};
    struct error err;
    struct tls_context *context = tls_context_new(&options, &err);
    ck_assert_msg(context != NULL, "%s", err.message);
    return context;
}

static struct tls_context *client_of(const struct tls_validation_source *validation) {
    struct tls_context_options options = {.validation = validation};
    struct error err;
    struct tls_context *context = tls_context_new(&options, &err);
    ck_assert_msg(context != NULL, "%s", err.message);
    return context;
}

/* Handshakes a client that verifies by `validation` against `leaf`; true when it accepts. */
static bool accepts(const struct tls_validation_source *validation, const struct test_cert *leaf,
                    const char *verify_san) {
    struct tls_pair_options options = {
        .client_context = client_of(validation),
        .server_context = server_of(leaf),
        .verify_san = slice_from_string(verify_san),
        .client_stats = stats,
    };
    bool is_accepted = tls_pair_handshake(&pair, &options);
    tls_context_unref(options.client_context);
    tls_context_unref(options.server_context);
    return is_accepted;
}

static void expect_reason(const char *detail) {
    char expected[2048];
    struct slice reason = connection_failure_reason(pair.client.conn);
    int len =
        snprintf(expected, sizeof(expected),
                 "TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED"
                 ":%s:TLS_error_end",
                 detail);
    ck_assert_msg(slice_equal(reason, slice_make(expected, (size_t)len)), "%.*s is not %s",
                  SLICE_ARG(reason), expected);
}

START_TEST(dns_name_match_is_by_whole_labels) {
    static const struct {
        const char *presented, *wanted;
        bool is_match;
    } rows[] = {
        {"a.example.com", "a.example.com", true},
        {"A.Example.COM", "a.example.com", true},
        {"*.example.com", "a.example.com", true},
        {"*.example.com", "A.EXAMPLE.com", true},
        {"*.example.com", "a.b.example.com", false},
        {"*.example.com", "example.com", false},
        {"*.example.com", ".example.com", false},
        {"*.example.com", "*.example.com", false},
        {"a.b.example.com", "*.example.com", false},
        {"a*.example.com", "ab.example.com", false},
        {"*a.example.com", "ba.example.com", false},
        {"*.*.com", "a.b.com", false},
        {"a.*.com", "a.b.com", false},
        {"*", "a", false},
        {"*.", "a.", false},
        {"*", "*", false},
        {"", "", false},
        {"*.2.3.4", "1.2.3.4", false},
        {"example.com", "example.com.", false},
        {"example.com", "xexample.com", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool is_match = tls_dns_name_matches(slice_from_string(rows[i].presented),
                                             slice_from_string(rows[i].wanted));
        ck_assert_msg(is_match == rows[i].is_match, "%s against %s", rows[i].presented,
                      rows[i].wanted);
    }
}
END_TEST

#define DNS(text)                                                                                  \
    { TLS_SAN_DNS, SLICE_INIT(text) }
#define URI(text)                                                                                  \
    { TLS_SAN_URI, SLICE_INIT(text) }

/* One certificate of the zoo against one matcher. */
struct zoo_row {
    struct test_san san;
    enum tls_san_type type;
    const char *wanted;
    bool is_exact_dns;
    bool is_accepted;
};

static const struct zoo_row zoo[] = {
    {DNS("good.com"), TLS_SAN_DNS, "good.com", true, true},
    {DNS("good.com"), TLS_SAN_DNS, "good.com", false, true},
    {DNS("good.com"), TLS_SAN_ANY, "good.com", false, true},
    {DNS("good.com"), TLS_SAN_URI, "good.com", false, false},
    {DNS("bad.com"), TLS_SAN_DNS, "good.com", true, false},
    {DNS("*.good.com"), TLS_SAN_DNS, "a.good.com", true, true},
    {DNS("*.good.com"), TLS_SAN_DNS, "a.good.com", false, false},
    {DNS("*.good.com"), TLS_SAN_DNS, "a.b.good.com", true, false},
    {DNS("*.good.com"), TLS_SAN_DNS, "good.com", true, false},
    {DNS("g*.good.com"), TLS_SAN_DNS, "gg.good.com", true, false},
    {DNS("good.com\0.evil.com"), TLS_SAN_DNS, "good.com", true, false},
    {DNS("good.com\0.evil.com"), TLS_SAN_DNS, "good.com", false, false},
    {DNS("good.com\0"), TLS_SAN_DNS, "good.com", true, false},
    {URI("spiffe://td/ns/a"), TLS_SAN_URI, "spiffe://td/ns/a", false, true},
    {URI("spiffe://td/ns/a"), TLS_SAN_URI, "spiffe://td/ns/b", false, false},
    {URI("spiffe://td/ns/a"), TLS_SAN_DNS, "spiffe://td/ns/a", false, false},
    {URI("spiffe://td/ns/a\0b"), TLS_SAN_URI, "spiffe://td/ns/a", false, false},
    {{TLS_SAN_EMAIL, SLICE_INIT("a@b.c")}, TLS_SAN_EMAIL, "a@b.c", false, true},
    {{TLS_SAN_EMAIL, SLICE_INIT("a@b.c")}, TLS_SAN_DNS, "a@b.c", true, false},
    {{TLS_SAN_IP, SLICE_INIT("\x01\x02\x03\x04")}, TLS_SAN_IP, "1.2.3.4", false, true},
    {{TLS_SAN_IP, SLICE_INIT("\x01\x02\x03\x04")}, TLS_SAN_IP, "1.2.3.5", false, false},
    {{TLS_SAN_IP, SLICE_INIT("\x01\x02\x03")}, TLS_SAN_ANY, "1.2.3", false, false},
    {{TLS_SAN_IP, SLICE_INIT("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01")},
     TLS_SAN_IP,
     "::1",
     false,
     true},
};

START_TEST(san_matchers_accept_exactly_what_they_name) {
    struct test_cert *ca = test_cert_ca("ca");
    for (size_t i = 0; i < ARRAY_LEN(zoo); i++) {
        struct test_cert_options options = {.issuer = ca, .sans = &zoo[i].san, .san_count = 1};
        struct test_cert *leaf = test_cert_new(&options);
        struct tls_san_matcher matcher = {
            .type = zoo[i].type,
            .matches = equals,
            .matcher = zoo[i].wanted,
            .is_exact_dns = zoo[i].is_exact_dns,
            .exact = slice_from_string(zoo[i].is_exact_dns ? zoo[i].wanted : NULL),
        };
        struct tls_validation_source validation = {
            .trusted_ca_pem = test_cert_pem(ca), .san_matchers = &matcher, .san_matcher_count = 1};
        ck_assert_msg(accepts(&validation, leaf, NULL) == zoo[i].is_accepted, "row %zu", i);
        test_cert_free(leaf);
    }
    ck_assert_uint_gt(stats_value(stats, TLS_STAT_FAIL_VERIFY_SAN), 5);
    ck_assert_uint_eq(stats_value(stats, TLS_STAT_FAIL_VERIFY_ERROR), 0);
    ck_assert_uint_eq(stats_value(stats, TLS_STAT_CONNECTION_ERROR), 0);
    test_cert_free(ca);
}
END_TEST

START_TEST(san_failure_names_what_the_certificate_has) {
    struct test_cert *ca = test_cert_ca("ca");
    struct test_san sans[] = {DNS("a.com"), URI("spiffe://x")};
    struct test_cert_options options = {.issuer = ca, .sans = sans, .san_count = 2};
    struct test_cert *leaf = test_cert_new(&options);
    struct tls_san_matcher matcher = {.type = TLS_SAN_DNS, .matches = equals, .matcher = "b.com"};
    struct tls_validation_source validation = {
        .trusted_ca_pem = test_cert_pem(ca), .san_matchers = &matcher, .san_matcher_count = 1};
    ck_assert(!accepts(&validation, leaf, NULL));
    expect_reason("verify cert failed: SAN matcher, certificate SANs are [a.com, spiffe://x]");
    test_cert_free(leaf);
    test_cert_free(ca);
}
END_TEST

START_TEST(required_name_is_checked_as_dns_or_ip) {
    static const struct {
        const char *wanted;
        bool is_accepted;
    } rows[] = {{"a.com", true},  {"x.w.com", true},  {"x.y.w.com", false},
                {"b.com", false}, {"10.0.0.1", true}, {"10.0.0.2", false}};
    struct test_cert *ca = test_cert_ca("ca");
    struct test_san sans[] = {
        DNS("a.com"), DNS("*.w.com"), {TLS_SAN_IP, SLICE_INIT("\x0a\0\0\x01")}};
    struct test_cert_options options = {.issuer = ca, .sans = sans, .san_count = 3};
    struct test_cert *leaf = test_cert_new(&options);
    // The NUL bytes of an IP address are no NUL in a name.
    struct tls_validation_source validation = {.trusted_ca_pem = test_cert_pem(ca)};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ck_assert_msg(accepts(&validation, leaf, rows[i].wanted) == rows[i].is_accepted, "%s",
                      rows[i].wanted);
    }
    test_cert_free(leaf);
    test_cert_free(ca);
}
END_TEST

/* Certificates that are bad by themselves; DNS name good.com under the trusted CA. */
struct chain_row {
    unsigned ekus;
    int64_t from_s, until_s;
    bool foreign_ca;
    bool allow_expired;
    bool is_accepted;
};

static const struct chain_row chains[] = {
    {TEST_EKU_NONE, 0, 0, false, false, true},
    {TEST_EKU_SERVER, 0, 0, false, false, true},
    {TEST_EKU_SERVER | TEST_EKU_CLIENT, 0, 0, false, false, true},
    {TEST_EKU_CLIENT, 0, 0, false, false, false},
    {TEST_EKU_CODE, 0, 0, false, false, false},
    {TEST_EKU_NONE, -200000, -100000, false, false, false},
    {TEST_EKU_NONE, -200000, -100000, false, true, true},
    {TEST_EKU_NONE, 100000, 200000, false, false, false},
    {TEST_EKU_NONE, 100000, 200000, false, true, true},
    {TEST_EKU_CLIENT, -200000, -100000, false, true, false},
    {TEST_EKU_NONE, 0, 0, true, false, false},
    {TEST_EKU_NONE, -200000, -100000, true, true, false},
};

START_TEST(chain_is_verified_with_purpose_and_time) {
    struct test_cert *ca = test_cert_ca("ca"), *foreign = test_cert_ca("ca");
    for (size_t i = 0; i < ARRAY_LEN(chains); i++) {
        struct test_cert_options options = {
            .common_name = "leaf",
            .issuer = chains[i].foreign_ca ? foreign : ca,
            .ekus = chains[i].ekus,
            .valid_from_s = chains[i].from_s,
            .valid_until_s = chains[i].until_s,
        };
        struct test_cert *leaf = test_cert_new(&options);
        struct tls_validation_source validation = {.trusted_ca_pem = test_cert_pem(ca),
                                                   .allow_expired = chains[i].allow_expired};
        ck_assert_msg(accepts(&validation, leaf, NULL) == chains[i].is_accepted, "row %zu", i);
        validation.accept_untrusted = true;
        ck_assert_msg(accepts(&validation, leaf, NULL), "untrusted row %zu", i);
        struct transport *transport = connection_transport(pair.client.conn);
        const struct transport_peer *peer = transport->ops->peer(transport, NULL);
        ck_assert(peer->peer_certificate_presented);
        ck_assert(peer->peer_certificate_validated == chains[i].is_accepted);
        test_cert_free(leaf);
    }
    ck_assert_uint_gt(stats_value(stats, TLS_STAT_FAIL_VERIFY_ERROR), 5);
    test_cert_free(ca);
    test_cert_free(foreign);
}
END_TEST

START_TEST(expired_certificate_has_envoys_reason) {
    struct test_cert *ca = test_cert_ca("ca");
    struct test_cert_options options = {
        .common_name = "x", .issuer = ca, .valid_from_s = -200000, .valid_until_s = -100000};
    struct test_cert *leaf = test_cert_new(&options);
    struct tls_validation_source validation = {.trusted_ca_pem = test_cert_pem(ca)};
    ck_assert(!accepts(&validation, leaf, NULL));
    expect_reason(
        "verify cert failed: X509_verify_cert: certificate verification error at depth 0: "
        "certificate has expired");
    ck_assert_uint_eq(stats_value(stats, TLS_STAT_FAIL_VERIFY_ERROR), 1);
    test_cert_free(leaf);
    test_cert_free(ca);
}
END_TEST

START_TEST(pins_of_certificate_or_key_must_match) {
    struct test_cert *ca = test_cert_ca("ca");
    struct test_cert *leaf = test_cert_leaf(ca, "a.com"), *other = test_cert_leaf(ca, "a.com");
    struct slice own_hash = test_cert_sha256(leaf), own_spki = test_cert_spki_sha256(leaf);
    struct slice bad = test_cert_sha256(other);
    const struct {
        const struct slice *hash, *spki;
        bool is_accepted;
    } rows[] = {{&own_hash, NULL, true},      {NULL, &own_spki, true}, {&bad, NULL, false},
                {NULL, &bad, false},          {&bad, &own_spki, true}, {&own_hash, &bad, true},
                {&own_spki, &own_hash, false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tls_validation_source validation = {
            .certificate_hashes = rows[i].hash,
            .certificate_hash_count = rows[i].hash != NULL,
            .spki_pins = rows[i].spki,
            .spki_pin_count = rows[i].spki != NULL,
        };
        ck_assert_msg(accepts(&validation, leaf, NULL) == rows[i].is_accepted, "row %zu", i);
    }
    ck_assert_uint_eq(stats_value(stats, TLS_STAT_FAIL_VERIFY_CERT_HASH), 3);
    expect_reason("verify cert failed: cert hash and spki");
    test_cert_free(leaf);
    test_cert_free(other);
    test_cert_free(ca);
}
END_TEST

START_TEST(revoked_certificate_is_refused) {
    struct test_cert *ca = test_cert_ca("ca");
    struct test_cert *good = test_cert_leaf(ca, "a.com"), *revoked = test_cert_leaf(ca, "a.com");
    char *crl = test_crl_pem(ca, revoked);
    struct tls_validation_source validation = {.trusted_ca_pem = test_cert_pem(ca),
                                               .crl_pem = slice_from_string(crl)};
    ck_assert(accepts(&validation, good, NULL));
    ck_assert(!accepts(&validation, revoked, NULL));
    expect_reason(
        "verify cert failed: X509_verify_cert: certificate verification error at depth 0: "
        "certificate revoked");
    mem_free(crl);
    test_cert_free(good);
    test_cert_free(revoked);
    test_cert_free(ca);
}
END_TEST

START_TEST(chain_depth_and_intermediate_anchor) {
    struct test_cert *root = test_cert_ca("root");
    struct test_cert_options options = {.common_name = "middle", .issuer = root, .is_ca = true};
    struct test_cert *middle = test_cert_new(&options);
    options.common_name = "lower";
    options.issuer = middle;
    struct test_cert *lower = test_cert_new(&options);
    struct test_cert *leaf = test_cert_leaf(lower, "a.com");
    struct tls_validation_source validation = {.trusted_ca_pem = test_cert_pem(root)};
    ck_assert(accepts(&validation, leaf, NULL));
    validation.max_verify_depth = 1;
    ck_assert(!accepts(&validation, leaf, NULL));
    validation.max_verify_depth = 2;
    ck_assert(accepts(&validation, leaf, NULL));
    struct tls_validation_source partial = {.trusted_ca_pem = test_cert_pem(middle)};
    ck_assert(accepts(&partial, leaf, NULL));
    char *crl = test_crl_pem(lower, NULL);
    struct tls_validation_source leaf_crl = {.trusted_ca_pem = test_cert_pem(root),
                                             .crl_pem = slice_from_string(crl),
                                             .only_leaf_crl = true};
    ck_assert(accepts(&leaf_crl, leaf, NULL));
    leaf_crl.only_leaf_crl = false;
    ck_assert(!accepts(&leaf_crl, leaf, NULL));
    mem_free(crl);
    test_cert_free(leaf);
    test_cert_free(lower);
    test_cert_free(middle);
    test_cert_free(root);
}
END_TEST

/* Whether a server with mutual TLS lets a client with `leaf` (NULL: none) in. */
static bool server_admits(struct tls_validation_source *validation, bool requires,
                          const struct test_cert *leaf, const struct test_cert *server_cert) {
    struct tls_certificate_source server_source = test_cert_source(server_cert, "server");
    struct tls_certificate_source source;
    struct tls_context_options server = {.is_server = true,
                                         .certificates = &server_source,
                                         .certificate_count = 1,
                                         .validation = validation,
                                         .require_client_certificate = requires};
    struct tls_context_options client = {.certificates = &source};
    if (leaf != NULL) {
        source = test_cert_source(leaf, "client");
        client.certificate_count = 1;
    }
    struct tls_pair_options options = {.client_context = tls_context_new(&client, NULL),
                                       .server_context = tls_context_new(&server, NULL),
                                       .server_stats = stats};
    (void)tls_pair_handshake(&pair, &options);
    tls_context_unref(options.client_context);
    tls_context_unref(options.server_context);
    return pair.server.is_connected && !pair.server.is_closed;
}

START_TEST(server_verifies_clients_for_the_client_purpose) {
    static const struct {
        unsigned ekus;
        bool is_admitted;
    } rows[] = {{TEST_EKU_NONE, true},
                {TEST_EKU_CLIENT, true},
                {TEST_EKU_SERVER | TEST_EKU_CLIENT, true},
                {TEST_EKU_SERVER, false},
                {TEST_EKU_CODE, false}};
    struct test_cert *ca = test_cert_ca("ca");
    struct test_cert *own = test_cert_leaf(ca, "server");
    struct tls_validation_source validation = {.trusted_ca_pem = test_cert_pem(ca)};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct test_cert_options options = {.common_name = "c", .issuer = ca, .ekus = rows[i].ekus};
        struct test_cert *leaf = test_cert_new(&options);
        bool is_admitted = server_admits(&validation, true, leaf, own);
        ck_assert_msg(is_admitted == rows[i].is_admitted, "row %zu", i);
        test_cert_free(leaf);
    }
    ck_assert_uint_eq(stats_value(stats, TLS_STAT_FAIL_VERIFY_ERROR), 2);
    ck_assert(!server_admits(&validation, true, NULL, own));
    ck_assert_uint_eq(stats_value(stats, TLS_STAT_FAIL_VERIFY_NO_CERT), 1);
    ck_assert(slice_equal(connection_failure_reason(pair.server.conn),
                          SLICE("TLS_error:|268435648:SSL routines:OPENSSL_internal:"
                                "PEER_DID_NOT_RETURN_A_CERTIFICATE:"
                                "peer did not provide required client certificate:TLS_error_end")));
    ck_assert(server_admits(&validation, false, NULL, own));
    ck_assert_uint_eq(stats_value(stats, TLS_STAT_NO_CERTIFICATE), 1);
    test_cert_free(own);
    test_cert_free(ca);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tls_verify");
    TCase *tests = tcase_create("tls_verify");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, dns_name_match_is_by_whole_labels);
    tcase_add_test(tests, san_matchers_accept_exactly_what_they_name);
    tcase_add_test(tests, san_failure_names_what_the_certificate_has);
    tcase_add_test(tests, required_name_is_checked_as_dns_or_ip);
    tcase_add_test(tests, chain_is_verified_with_purpose_and_time);
    tcase_add_test(tests, expired_certificate_has_envoys_reason);
    tcase_add_test(tests, pins_of_certificate_or_key_must_match);
    tcase_add_test(tests, revoked_certificate_is_refused);
    tcase_add_test(tests, chain_depth_and_intermediate_anchor);
    tcase_add_test(tests, server_verifies_clients_for_the_client_purpose);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
