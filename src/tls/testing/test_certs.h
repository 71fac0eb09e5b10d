// SPDX-License-Identifier: Apache-2.0
/*
 * Certificates made at test time, so that no test depends on files or on today's date: authorities,
 * leaves with any alternative names (bad ones too), purposes, validity, key types, and revocation
 * lists. Linked by tests only.
 */
#ifndef SRC_TLS_TESTING_TEST_CERTS_H
#define SRC_TLS_TESTING_TEST_CERTS_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/slice.h"
#include "src/tls/tls_context.h"

struct test_cert;

enum test_key { TEST_KEY_P256, TEST_KEY_P384, TEST_KEY_RSA_2048, TEST_KEY_RSA_1024 };
enum test_eku { TEST_EKU_NONE = 0, TEST_EKU_SERVER = 1, TEST_EKU_CLIENT = 2, TEST_EKU_CODE = 4 };

struct test_san {
    enum tls_san_type type; /* DNS, URI, EMAIL or IP */
    struct slice value;     /* raw bytes; IP: 4 or 16 of them */
};

struct test_cert_options {
    const char *common_name;        /* NULL: none */
    const struct test_cert *issuer; /* NULL: self-signed */
    enum test_key key;
    bool is_ca;
    unsigned ekus; /* enum test_eku bits; NONE: no such extension */
    const struct test_san *sans;
    uint32_t san_count;
    int64_t valid_from_s, valid_until_s; /* relative to now; both 0: from −1 day to +30 days */
    bool no_digital_signature;           /* a key usage of keyEncipherment only */
};

/* The issuer must outlive it. Aborts where the library fails. */
struct test_cert *test_cert_new(const struct test_cert_options *options);
/* Shorthand: a CA; a leaf with one DNS name and no purpose limits. */
struct test_cert *test_cert_ca(const char *common_name);
struct test_cert *test_cert_leaf(const struct test_cert *issuer, const char *dns_name);
void test_cert_free(struct test_cert *cert);

/* Valid as long as the certificate. */
struct slice test_cert_pem(const struct test_cert *cert);       /* itself */
struct slice test_cert_chain_pem(const struct test_cert *cert); /* and its issuers but the root */
struct slice test_cert_key_pem(const struct test_cert *cert);
struct slice test_cert_sha256(const struct test_cert *cert);
struct slice test_cert_spki_sha256(const struct test_cert *cert);
/* Chain, key and name for a context. */
struct tls_certificate_source test_cert_source(const struct test_cert *cert, const char *name);

/* A CRL of `ca` naming `revoked` (NULL: empty); the PEM is the caller's, to mem_free. */
char *test_crl_pem(const struct test_cert *ca, const struct test_cert *revoked);

#endif
