// SPDX-License-Identifier: Apache-2.0
#include "src/tls/testing/test_certs.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <time.h>

#include "src/base/check.h"

enum { DAY_S = 24 * 3600 };

struct test_cert {
    X509 *x509;
    EVP_PKEY *key;
    char *pem;
    char *chain_pem;
    char *key_pem;
    uint8_t sha256[SHA256_DIGEST_LENGTH];
    uint8_t spki_sha256[SHA256_DIGEST_LENGTH];
};

static EVP_PKEY *new_ec_key(int curve) {
    EVP_PKEY *key = EVP_PKEY_new();
    EC_KEY *ec = EC_KEY_new_by_curve_name(curve);
    CHECK(key != NULL && ec != NULL && EC_KEY_generate_key(ec) && EVP_PKEY_assign_EC_KEY(key, ec));
    return key;
}

static EVP_PKEY *new_rsa_key(int bits) {
    EVP_PKEY *key = EVP_PKEY_new();
    RSA *rsa = RSA_new();
    BIGNUM *e = BN_new();
    CHECK(key != NULL && rsa != NULL && e != NULL && BN_set_word(e, RSA_F4) &&
          RSA_generate_key_ex(rsa, bits, e, NULL) && EVP_PKEY_assign_RSA(key, rsa));
    BN_free(e);
    return key;
}

static EVP_PKEY *new_key(enum test_key kind) {
    switch (kind) {
    case TEST_KEY_P256:
        return new_ec_key(NID_X9_62_prime256v1);
    case TEST_KEY_P384:
        return new_ec_key(NID_secp384r1);
    case TEST_KEY_RSA_2048:
        return new_rsa_key(2048);
    case TEST_KEY_RSA_1024:
        return new_rsa_key(1024);
    }
    return NULL;
}

static void set_serial(X509 *x509) {
    uint64_t serial = 0;
    RAND_bytes((uint8_t *)&serial, sizeof(serial));
    CHECK(ASN1_INTEGER_set_uint64(X509_get_serialNumber(x509), serial >> 1));
}

static void set_names(X509 *x509, const struct test_cert_options *options) {
    X509_NAME *name = X509_get_subject_name(x509);
    if (options->common_name != NULL) {
        CHECK(X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                         (const uint8_t *)options->common_name, -1, -1, 0));
    }
    const X509_NAME *issuer =
        options->issuer == NULL ? name : X509_get_subject_name(options->issuer->x509);
    CHECK(X509_set_issuer_name(x509, issuer));
}

static void set_validity(X509 *x509, const struct test_cert_options *options) {
    bool is_default = options->valid_from_s == 0 && options->valid_until_s == 0;
    int64_t now = time(NULL);
    int64_t from = now + (is_default ? -DAY_S : options->valid_from_s);
    int64_t until = now + (is_default ? 30 * DAY_S : options->valid_until_s);
    CHECK(ASN1_TIME_set_posix(X509_getm_notBefore(x509), from) != NULL &&
          ASN1_TIME_set_posix(X509_getm_notAfter(x509), until) != NULL);
}

static void add_key_usage(X509 *x509, const struct test_cert_options *options) {
    ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();
    int bit = options->is_ca ? 5 : 0;
    if (options->no_digital_signature) {
        bit = 2;
    }
    CHECK(usage != NULL && ASN1_BIT_STRING_set_bit(usage, bit, 1));
    if (options->is_ca) {
        CHECK(ASN1_BIT_STRING_set_bit(usage, 6, 1));
    }
    CHECK(X509_add1_ext_i2d(x509, NID_key_usage, usage, 1, 0) == 1);
    ASN1_BIT_STRING_free(usage);
}

static void add_basic_constraints(X509 *x509, bool is_ca) {
    BASIC_CONSTRAINTS *constraints = BASIC_CONSTRAINTS_new();
    CHECK(constraints != NULL);
    constraints->ca = is_ca ? ASN1_BOOLEAN_TRUE : ASN1_BOOLEAN_FALSE;
    CHECK(X509_add1_ext_i2d(x509, NID_basic_constraints, constraints, 1, 0) == 1);
    BASIC_CONSTRAINTS_free(constraints);
}

static void add_ekus(X509 *x509, unsigned ekus) {
    static const int nids[] = {NID_server_auth, NID_client_auth, NID_code_sign};
    if (ekus == TEST_EKU_NONE) {
        return;
    }
    EXTENDED_KEY_USAGE *list = EXTENDED_KEY_USAGE_new();
    CHECK(list != NULL);
    for (size_t i = 0; i < ARRAY_LEN(nids); i++) {
        if ((ekus & (1u << i)) != 0) {
            CHECK(sk_ASN1_OBJECT_push(list, OBJ_dup(OBJ_nid2obj(nids[i]))) != 0);
        }
    }
    CHECK(X509_add1_ext_i2d(x509, NID_ext_key_usage, list, 0, 0) == 1);
    EXTENDED_KEY_USAGE_free(list);
}

static GENERAL_NAME *new_general_name(const struct test_san *san) {
    GENERAL_NAME *name = GENERAL_NAME_new();
    bool is_ip = san->type == TLS_SAN_IP;
    ASN1_STRING *value = ASN1_STRING_type_new(is_ip ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
    int type = GEN_DNS;

    CHECK(name != NULL && value != NULL &&
          ASN1_STRING_set(value, san->value.ptr, (ossl_ssize_t)san->value.len));
    if (is_ip) {
        type = GEN_IPADD;
    } else if (san->type == TLS_SAN_URI) {
        type = GEN_URI;
    } else if (san->type == TLS_SAN_EMAIL) {
        type = GEN_EMAIL;
    }
    GENERAL_NAME_set0_value(name, type, value);
    return name;
}

static void add_sans(X509 *x509, const struct test_cert_options *options) {
    if (options->san_count == 0) {
        return;
    }
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    CHECK(names != NULL);
    for (uint32_t i = 0; i < options->san_count; i++) {
        CHECK(sk_GENERAL_NAME_push(names, new_general_name(&options->sans[i])) != 0);
    }
    CHECK(X509_add1_ext_i2d(x509, NID_subject_alt_name, names, 0, 0) == 1);
    GENERAL_NAMES_free(names);
}

static char *take_text(BIO *bio) {
    const uint8_t *data = NULL;
    size_t len = 0;
    CHECK(BIO_mem_contents(bio, &data, &len));
    char *text = mem_dup_string((const char *)data, len);
    BIO_free(bio);
    return text;
}

static char *join_chain(const struct test_cert *cert, const struct test_cert *issuer) {
    bool has_issuer = issuer != NULL && X509_NAME_cmp(X509_get_subject_name(issuer->x509),
                                                      X509_get_issuer_name(issuer->x509)) != 0;
    size_t own = strlen(cert->pem);
    size_t rest = has_issuer ? strlen(issuer->chain_pem) : 0;
    char *text = mem_calloc(own + rest + 1, 1);
    memcpy(text, cert->pem, own);
    if (rest > 0) {
        memcpy(text + own, issuer->chain_pem, rest);
    }
    return text;
}

static void write_texts(struct test_cert *cert, const struct test_cert *issuer) {
    BIO *bio = BIO_new(BIO_s_mem());
    CHECK(bio != NULL && PEM_write_bio_X509(bio, cert->x509));
    cert->pem = take_text(bio);
    bio = BIO_new(BIO_s_mem());
    CHECK(bio != NULL && PEM_write_bio_PrivateKey(bio, cert->key, NULL, NULL, 0, NULL, NULL));
    cert->key_pem = take_text(bio);
    cert->chain_pem = join_chain(cert, issuer);
}

static void write_digests(struct test_cert *cert) {
    uint8_t *der = NULL;
    int len = i2d_X509(cert->x509, &der);
    CHECK(len > 0);
    SHA256(der, (size_t)len, cert->sha256);
    OPENSSL_free(der);
    der = NULL;
    len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert->x509), &der);
    CHECK(len > 0);
    SHA256(der, (size_t)len, cert->spki_sha256);
    OPENSSL_free(der);
}

struct test_cert *test_cert_new(const struct test_cert_options *options) {
    struct test_cert *cert = mem_calloc(1, sizeof(*cert));
    X509 *x509 = X509_new();

    cert->x509 = x509;
    cert->key = new_key(options->key);
    CHECK(x509 != NULL && X509_set_version(x509, X509_VERSION_3) &&
          X509_set_pubkey(x509, cert->key));
    set_serial(x509);
    set_names(x509, options);
    set_validity(x509, options);
    add_basic_constraints(x509, options->is_ca);
    add_key_usage(x509, options);
    add_ekus(x509, options->ekus);
    add_sans(x509, options);
    EVP_PKEY *signer = options->issuer == NULL ? cert->key : options->issuer->key;
    CHECK(X509_sign(x509, signer, EVP_sha256()) > 0);
    write_texts(cert, options->issuer);
    write_digests(cert);
    return cert;
}

struct test_cert *test_cert_ca(const char *common_name) {
    struct test_cert_options options = {.common_name = common_name, .is_ca = true};
    return test_cert_new(&options);
}

struct test_cert *test_cert_leaf(const struct test_cert *issuer, const char *dns_name) {
    struct test_san san = {.type = TLS_SAN_DNS, .value = slice_from_string(dns_name)};
    struct test_cert_options options = {
        .common_name = dns_name, .issuer = issuer, .sans = &san, .san_count = 1};
    return test_cert_new(&options);
}

void test_cert_free(struct test_cert *cert) {
    if (cert == NULL) {
        return;
    }
    X509_free(cert->x509);
    EVP_PKEY_free(cert->key);
    mem_free(cert->pem);
    mem_free(cert->chain_pem);
    mem_free(cert->key_pem);
    mem_free(cert);
}

struct slice test_cert_pem(const struct test_cert *cert) {
    return slice_from_string(cert->pem);
}

struct slice test_cert_chain_pem(const struct test_cert *cert) {
    return slice_from_string(cert->chain_pem);
}

struct slice test_cert_key_pem(const struct test_cert *cert) {
    return slice_from_string(cert->key_pem);
}

struct slice test_cert_sha256(const struct test_cert *cert) {
    return slice_make(cert->sha256, sizeof(cert->sha256));
}

struct slice test_cert_spki_sha256(const struct test_cert *cert) {
    return slice_make(cert->spki_sha256, sizeof(cert->spki_sha256));
}

struct tls_certificate_source test_cert_source(const struct test_cert *cert, const char *name) {
    return (struct tls_certificate_source){.chain_pem = test_cert_chain_pem(cert),
                                           .private_key_pem = test_cert_key_pem(cert),
                                           .name = slice_from_string(name)};
}

char *test_crl_pem(const struct test_cert *ca, const struct test_cert *revoked) {
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *now = ASN1_TIME_set_posix(NULL, time(NULL) - DAY_S);
    ASN1_TIME *next = ASN1_TIME_set_posix(NULL, time(NULL) + 30 * DAY_S);

    CHECK(crl != NULL && now != NULL && next != NULL &&
          X509_CRL_set_version(crl, X509_CRL_VERSION_2) &&
          X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->x509)) &&
          X509_CRL_set1_lastUpdate(crl, now) && X509_CRL_set1_nextUpdate(crl, next));
    if (revoked != NULL) {
        X509_REVOKED *entry = X509_REVOKED_new();
        CHECK(entry != NULL &&
              X509_REVOKED_set_serialNumber(entry, X509_get0_serialNumber(revoked->x509)) &&
              X509_REVOKED_set_revocationDate(entry, now) && X509_CRL_add0_revoked(crl, entry));
    }
    CHECK(X509_CRL_sign(crl, ca->key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    CHECK(bio != NULL && PEM_write_bio_X509_CRL(bio, crl));
    ASN1_TIME_free(now);
    ASN1_TIME_free(next);
    X509_CRL_free(crl);
    return take_text(bio);
}
