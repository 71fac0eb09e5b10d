// SPDX-License-Identifier: Apache-2.0
#include "src/tls/tls_context.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/check.h"
#include "src/tls/testing/test_certs.h"

static struct test_cert *ca, *leaf, *other;

static void setup(void) {
    ca = test_cert_ca("ca");
    leaf = test_cert_leaf(ca, "a.test");
    other = test_cert_leaf(ca, "b.test");
}

static void teardown(void) {
    test_cert_free(leaf);
    test_cert_free(other);
    test_cert_free(ca);
}

static void expect_refused(const struct tls_context_options *options, const char *part) {
    struct error err;
    ck_assert_ptr_null(tls_context_new(options, &err));
    ck_assert_msg(strstr(err.message, part) != NULL, "'%s' lacks '%s'", err.message, part);
    ck_assert_ptr_null(strstr(err.message, "PRIVATE"));
    ck_assert_ptr_null(tls_context_new(options, NULL));
}

static void expect_certificate_refused(struct tls_certificate_source source, const char *part) {
    struct tls_context_options options = {
        .is_server = true, .certificates = &source, .certificate_count = 1};
    struct error err;
    expect_refused(&options, part);
    ck_assert_int_ne(tls_check_certificate(&source, &err), STATUS_OK);
    ck_assert_msg(strstr(err.message, "web") != NULL, "%s", err.message);
}

START_TEST(context_bad_certificates_are_named) {
    struct test_cert_options weak = {.common_name = "weak", .issuer = ca, .key = TEST_KEY_RSA_1024};
    struct test_cert *small = test_cert_new(&weak);
    struct tls_certificate_source source = test_cert_source(leaf, "web");
    ck_assert_int_eq(tls_check_certificate(&source, NULL), STATUS_OK);
    source.private_key_pem = test_cert_key_pem(other);
    expect_certificate_refused(source, "key values mismatch");
    source.private_key_pem = SLICE("");
    expect_certificate_refused(source, "no private key");
    source.private_key_pem = test_cert_pem(leaf);
    expect_certificate_refused(source, "malformed private key");
    source = test_cert_source(leaf, "web");
    source.chain_pem = SLICE("");
    expect_certificate_refused(source, "PEM text is empty");
    source.chain_pem = SLICE("garbage");
    expect_certificate_refused(source, "malformed certificate");
    source.chain_pem = slice_sub(test_cert_pem(leaf), 0, test_cert_pem(leaf).len - 40);
    expect_certificate_refused(source, "malformed certificate");
    expect_certificate_refused(test_cert_source(small, "web"), "2048-bit or larger");
    test_cert_free(small);
}
END_TEST

START_TEST(context_bad_parameters_are_refused) {
    struct tls_certificate_source source = test_cert_source(leaf, "web");
    const struct tls_context_options good = {
        .is_server = true, .certificates = &source, .certificate_count = 1};
    struct slice short_key = SLICE("short"), empty = SLICE("");
    struct tls_validation_source validation = {.trusted_ca_pem = SLICE("nonsense")};
    struct tls_context_options options = good;
    options.cipher_suites = "NO-SUCH-CIPHER";
    expect_refused(&options, "NO-SUCH-CIPHER");
    options = good;
    options.curves = "P-1";
    expect_refused(&options, "ECDH curves P-1");
    options = good;
    options.signature_algorithms = "none";
    expect_refused(&options, "signature algorithms none");
    options = good;
    options.ticket_keys = &short_key;
    options.ticket_key_count = 1;
    expect_refused(&options, "session ticket key");
    options = good;
    options.alpn = &empty;
    options.alpn_count = 1;
    expect_refused(&options, "ALPN");
    options = good;
    options.certificate_count = 0;
    expect_refused(&options, "must have a certificate");
    options = good;
    options.validation = &validation;
    expect_refused(&options, "trusted CA");
    validation.trusted_ca_pem = test_cert_pem(ca);
    validation.certificate_hashes = &short_key;
    validation.certificate_hash_count = 1;
    expect_refused(&options, "SHA-256");
    options = good;
    options.keylog_path = "/nonexistent/key.log";
    expect_refused(&options, "/nonexistent/key.log");
    ck_assert_int_eq(tls_check_ca(SLICE("nonsense"), NULL), STATUS_INVALID);
    ck_assert_int_eq(tls_check_ca(test_cert_pem(ca), NULL), STATUS_OK);
}
END_TEST

struct seen {
    unsigned cas, leaves;
    int64_t valid_until_s;
};

static void see(void *arg, const struct tls_certificate_facts *facts) {
    struct seen *seen = arg;
    if (facts->is_ca) {
        seen->cas++;
        ck_assert(slice_equal(facts->subject, SLICE("CN=ca")));
        return;
    }
    seen->leaves++;
    seen->valid_until_s = facts->valid_until_s;
    ck_assert(slice_equal(facts->dns_sans, SLICE("a.test")));
    ck_assert(slice_equal(facts->path_or_name, SLICE("web")));
    ck_assert_uint_gt(facts->serial.len, 0);
    ck_assert_int_eq(facts->valid_until_s - facts->valid_from_s, 31 * 86400);
}

START_TEST(context_tells_its_certificates) {
    struct tls_certificate_source source = test_cert_source(leaf, "web");
    struct tls_validation_source validation = {.trusted_ca_pem = test_cert_pem(ca)};
    struct tls_context_options options = {.is_server = true,
                                          .certificates = &source,
                                          .certificate_count = 1,
                                          .validation = &validation};
    struct seen seen = {0};
    struct tls_context *context = tls_context_new(&options, NULL);
    struct tls_context *second = tls_context_ref(context);
    tls_context_unref(context);
    tls_context_visit_certificates(second, see, &seen);
    ck_assert_uint_eq(seen.cas, 1);
    ck_assert_uint_eq(seen.leaves, 1);
    tls_context_unref(second);
    tls_context_unref(NULL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tls_context");
    TCase *tests = tcase_create("tls_context");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, context_bad_certificates_are_named);
    tcase_add_test(tests, context_bad_parameters_are_refused);
    tcase_add_test(tests, context_tells_its_certificates);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
