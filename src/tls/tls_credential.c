// SPDX-License-Identifier: Apache-2.0
#include "src/tls/tls_credential.h"

#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>

#include "src/base/check.h"
#include "src/tls/tls_x509.h"

enum { MIN_RSA_BITS = 2048, MAX_CHAIN = 32, TEXT_BYTES = 256 };

static CRYPTO_BUFFER *to_buffer(X509 *certificate, CRYPTO_BUFFER_POOL *pool) {
    uint8_t *der = NULL;
    int len = i2d_X509(certificate, &der);
    CHECK(len > 0);
    CRYPTO_BUFFER *buffer = CRYPTO_BUFFER_new(der, (size_t)len, pool);
    CHECK(buffer != NULL);
    OPENSSL_free(der);
    return buffer;
}

static enum status check_ec_key(const EVP_PKEY *key, struct tls_credential *credential,
                                struct error *err) {
    const EC_KEY *ec = EVP_PKEY_get0_EC_KEY(key);
    int curve = EC_GROUP_get_curve_name(EC_KEY_get0_group(ec));

    credential->is_ecdsa = true;
    switch (curve) {
    case NID_X9_62_prime256v1:
        credential->group_id = SSL_GROUP_SECP256R1;
        return STATUS_OK;
    case NID_secp384r1:
        credential->group_id = SSL_GROUP_SECP384R1;
        return STATUS_OK;
    case NID_secp521r1:
        credential->group_id = SSL_GROUP_SECP521R1;
        return STATUS_OK;
    default:
        return error_set(err, STATUS_INVALID,
                         "only P-256, P-384 or P-521 ECDSA certificates are supported");
    }
}

static enum status check_key(const EVP_PKEY *key, struct tls_credential *credential,
                             struct error *err) {
    switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_EC:
        return check_ec_key(key, credential, err);
    case EVP_PKEY_RSA:
        if (EVP_PKEY_bits(key) < MIN_RSA_BITS) {
            return error_set(err, STATUS_INVALID,
                             "only RSA certificates with %d-bit or larger keys are supported",
                             MIN_RSA_BITS);
        }
        return STATUS_OK;
    default:
        return error_set(err, STATUS_INVALID, "only RSA and ECDSA certificates are supported");
    }
}

// The library refuses a leaf that cannot serve in a handshake: a key usage without signatures, a CA's.
static enum status set_chain(struct tls_credential *credential, STACK_OF(X509) * certificates,
                             CRYPTO_BUFFER_POOL *pool, struct error *err) {
    CRYPTO_BUFFER *chain[MAX_CHAIN];
    size_t count = sk_X509_num(certificates);

    for (size_t i = 0; i < count; i++) {
        chain[i] = to_buffer(sk_X509_value(certificates, i), pool);
    }
    int is_set = SSL_CREDENTIAL_set1_cert_chain(credential->ssl, chain, count);
    credential->leaf = chain[0];
    for (size_t i = 1; i < count; i++) {
        CRYPTO_BUFFER_free(chain[i]);
    }
    return is_set == 1
               ? STATUS_OK
               : error_set(err, STATUS_INVALID, "unusable certificate: %s", tls_library_error());
}

static enum status set_key(struct tls_credential *credential, X509 *leaf,
                           const struct tls_certificate_source *source, struct error *err) {
    EVP_PKEY *key = NULL;

    if (source->private_key_pem.len == 0) {
        return error_set(err, STATUS_INVALID, "no private key");
    }
    TRY(tls_read_private_key(source->private_key_pem, source->password, &key, err));
    enum status status = check_key(key, credential, err);
    if (status == STATUS_OK && X509_check_private_key(leaf, key) != 1) {
        status = error_set(err, STATUS_INVALID, "key values mismatch: %s", tls_library_error());
    }
    if (status == STATUS_OK && !SSL_CREDENTIAL_set1_private_key(credential->ssl, key)) {
        status = error_set(err, STATUS_INVALID, "unusable private key: %s", tls_library_error());
    }
    EVP_PKEY_free(key);
    return status;
}

static enum status set_staple(struct tls_credential *credential, struct slice staple) {
    if (staple.len == 0) {
        return STATUS_OK;
    }
    CRYPTO_BUFFER *response = CRYPTO_BUFFER_new(staple.ptr, staple.len, NULL);
    CHECK(response != NULL);
    int is_set = SSL_CREDENTIAL_set1_ocsp_response(credential->ssl, response);
    CRYPTO_BUFFER_free(response);
    credential->has_staple = is_set == 1;
    return is_set == 1 ? STATUS_OK : STATUS_INVALID;
}

static void set_texts(struct tls_credential *credential, X509 *leaf) {
    struct arena *texts = &credential->texts;
    credential->subject = tls_name_text(texts, X509_get_subject_name(leaf));
    credential->uri_sans = tls_san_list(texts, leaf, TLS_SAN_URI, ",");
    credential->dns_sans = tls_san_list(texts, leaf, TLS_SAN_DNS, ",");
}

static enum status fill(struct tls_credential *credential,
                        const struct tls_certificate_source *source, CRYPTO_BUFFER_POOL *pool,
                        struct error *err) {
    STACK_OF(X509) *certificates = NULL;

    TRY(tls_read_certificates(source->chain_pem, &certificates, err));
    if (sk_X509_num(certificates) > MAX_CHAIN) {
        sk_X509_pop_free(certificates, X509_free);
        return error_set(err, STATUS_LIMIT, "chain of more than %d certificates", MAX_CHAIN);
    }
    credential->ssl = SSL_CREDENTIAL_new_x509();
    CHECK(credential->ssl != NULL);
    enum status status = set_chain(credential, certificates, pool, err);
    if (status == STATUS_OK) {
        status = set_key(credential, sk_X509_value(certificates, 0), source, err);
    }
    if (status == STATUS_OK) {
        set_texts(credential, sk_X509_value(certificates, 0));
    }
    sk_X509_pop_free(certificates, X509_free);
    TRY(status);
    if (set_staple(credential, source->ocsp_staple) != STATUS_OK) {
        return error_set(err, STATUS_INVALID, "unusable OCSP staple: %s", tls_library_error());
    }
    return STATUS_OK;
}

enum status tls_credential_init(struct tls_credential *credential,
                                const struct tls_certificate_source *source,
                                CRYPTO_BUFFER_POOL *pool, struct error *err) {
    struct tls_credential result = {.ssl = NULL};
    arena_init_heap(&result.texts, TEXT_BYTES);
    enum status status = fill(&result, source, pool, err);

    result.name = mem_dup_string((const char *)source->name.ptr, source->name.len);
    if (status != STATUS_OK) {
        tls_credential_deinit(&result);
        (void)error_prefix(err, "Failed to load certificate %.*s", SLICE_ARG(source->name));
        return status;
    }
    *credential = result;
    return STATUS_OK;
}

void tls_credential_deinit(struct tls_credential *credential) {
    SSL_CREDENTIAL_free(credential->ssl);
    CRYPTO_BUFFER_free(credential->leaf);
    mem_free(credential->name);
    arena_deinit(&credential->texts);
    *credential = (struct tls_credential){.ssl = NULL};
}

enum status tls_check_certificate(const struct tls_certificate_source *source, struct error *err) {
    struct tls_credential credential;
    TRY(tls_credential_init(&credential, source, NULL, err));
    tls_credential_deinit(&credential);
    return STATUS_OK;
}

enum status tls_check_ca(struct slice pem, struct error *err) {
    STACK_OF(X509) *certificates = NULL;
    TRY(tls_read_certificates(pem, &certificates, err));
    sk_X509_pop_free(certificates, X509_free);
    return STATUS_OK;
}
