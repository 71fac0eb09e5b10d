// SPDX-License-Identifier: Apache-2.0
#include "src/tls/signature.h"

#include <openssl/bn.h>
#include <openssl/curve25519.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/rsa.h>

#include "src/base/check.h"

enum { MIN_RSA_BITS = 2048, MAX_RSA_BYTES = 1024, MAX_EXPONENT_BYTES = 8, MAX_COORDINATE = 66 };

enum key_kind { KEY_RSA, KEY_EC, KEY_ED25519, KEY_HMAC };

struct signature_key {
    enum key_kind kind;
    enum signature_curve curve;
    EVP_PKEY *pkey; /* RSA */
    EC_KEY *ec;
    uint8_t *bytes; /* ED25519: the public key; HMAC: the secret */
    size_t len;
};

struct algorithm {
    struct slice name;
    enum key_kind kind;
    enum signature_curve curve; /* EC only */
    bool is_pss;
    const EVP_MD *(*digest)(void);
};

static const struct algorithm algorithms[SIGNATURE_ALGORITHM_COUNT] = {
    [SIGNATURE_RS256] = {SLICE_INIT("RS256"), KEY_RSA, 0, false, EVP_sha256},
    [SIGNATURE_RS384] = {SLICE_INIT("RS384"), KEY_RSA, 0, false, EVP_sha384},
    [SIGNATURE_RS512] = {SLICE_INIT("RS512"), KEY_RSA, 0, false, EVP_sha512},
    [SIGNATURE_PS256] = {SLICE_INIT("PS256"), KEY_RSA, 0, true, EVP_sha256},
    [SIGNATURE_PS384] = {SLICE_INIT("PS384"), KEY_RSA, 0, true, EVP_sha384},
    [SIGNATURE_PS512] = {SLICE_INIT("PS512"), KEY_RSA, 0, true, EVP_sha512},
    [SIGNATURE_ES256] = {SLICE_INIT("ES256"), KEY_EC, SIGNATURE_P256, false, EVP_sha256},
    [SIGNATURE_ES384] = {SLICE_INIT("ES384"), KEY_EC, SIGNATURE_P384, false, EVP_sha384},
    [SIGNATURE_ES512] = {SLICE_INIT("ES512"), KEY_EC, SIGNATURE_P521, false, EVP_sha512},
    [SIGNATURE_HS256] = {SLICE_INIT("HS256"), KEY_HMAC, 0, false, EVP_sha256},
    [SIGNATURE_HS384] = {SLICE_INIT("HS384"), KEY_HMAC, 0, false, EVP_sha384},
    [SIGNATURE_HS512] = {SLICE_INIT("HS512"), KEY_HMAC, 0, false, EVP_sha512},
    [SIGNATURE_EDDSA] = {SLICE_INIT("EdDSA"), KEY_ED25519, 0, false, NULL},
};

enum signature_algorithm signature_algorithm_of(struct slice name) {
    int at = 0;
    while (at < SIGNATURE_ALGORITHM_COUNT && !slice_equal(algorithms[at].name, name)) {
        at++;
    }
    return (enum signature_algorithm)at;
}

static struct signature_key *key_new(enum key_kind kind) {
    struct signature_key *key = mem_calloc(1, sizeof(*key));
    key->kind = kind;
    return key;
}

void signature_key_free(struct signature_key *key) {
    if (key == NULL) {
        return;
    }
    EVP_PKEY_free(key->pkey);
    EC_KEY_free(key->ec);
    if (key->bytes != NULL) {
        OPENSSL_cleanse(key->bytes, key->len);
        mem_free(key->bytes);
    }
    mem_free(key);
}

static BIGNUM *read_number(struct slice bytes, size_t max_bytes) {
    return bytes.len == 0 || bytes.len > max_bytes ? NULL : BN_bin2bn(bytes.ptr, bytes.len, NULL);
}

enum status signature_key_new_rsa(struct slice n, struct slice e, struct signature_key **key,
                                  struct error *err) {
    BIGNUM *modulus = read_number(n, MAX_RSA_BYTES);
    BIGNUM *exponent = read_number(e, MAX_EXPONENT_BYTES);
    RSA *rsa = NULL;
    if (modulus != NULL && exponent != NULL && BN_num_bits(modulus) >= MIN_RSA_BITS) {
        rsa = RSA_new_public_key(modulus, exponent);
    }
    BN_free(modulus);
    BN_free(exponent);
    ERR_clear_error();
    if (rsa == NULL) {
        return error_set(err, STATUS_INVALID, "not an RSA public key of 2048 bits or more");
    }
    struct signature_key *made = key_new(KEY_RSA);
    made->pkey = EVP_PKEY_new();
    CHECK(made->pkey != NULL && EVP_PKEY_assign_RSA(made->pkey, rsa) == 1);
    *key = made;
    return STATUS_OK;
}

static const EC_GROUP *group_of(enum signature_curve curve) {
    switch (curve) {
    case SIGNATURE_P256:
        return EC_group_p256();
    case SIGNATURE_P384:
        return EC_group_p384();
    case SIGNATURE_P521:
        return EC_group_p521();
    }
    return NULL;
}

enum status signature_key_new_ec(enum signature_curve curve, struct slice x, struct slice y,
                                 struct signature_key **key, struct error *err) {
    EC_KEY *ec = EC_KEY_new();
    CHECK(ec != NULL && EC_KEY_set_group(ec, group_of(curve)) == 1);
    BIGNUM *at_x = read_number(x, MAX_COORDINATE);
    BIGNUM *at_y = read_number(y, MAX_COORDINATE);
    bool is_point = at_x != NULL && at_y != NULL &&
                    EC_KEY_set_public_key_affine_coordinates(ec, at_x, at_y) == 1;
    BN_free(at_x);
    BN_free(at_y);
    ERR_clear_error();
    if (!is_point) {
        EC_KEY_free(ec);
        return error_set(err, STATUS_INVALID, "not a point of the curve");
    }
    struct signature_key *made = key_new(KEY_EC);
    made->curve = curve;
    made->ec = ec;
    *key = made;
    return STATUS_OK;
}

static struct signature_key *key_of_bytes(enum key_kind kind, struct slice bytes) {
    struct signature_key *key = key_new(kind);
    key->bytes = mem_alloc(bytes.len);
    memcpy(key->bytes, bytes.ptr, bytes.len);
    key->len = bytes.len;
    return key;
}

enum status signature_key_new_ed25519(struct slice x, struct signature_key **key,
                                      struct error *err) {
    if (x.len != ED25519_PUBLIC_KEY_LEN) {
        return error_set(err, STATUS_INVALID, "an Ed25519 key has 32 bytes, not %zu", x.len);
    }
    *key = key_of_bytes(KEY_ED25519, x);
    return STATUS_OK;
}

enum status signature_key_new_hmac(struct slice secret, struct signature_key **key,
                                   struct error *err) {
    if (secret.len == 0) {
        return error_set(err, STATUS_INVALID, "an HMAC secret must not be empty");
    }
    *key = key_of_bytes(KEY_HMAC, secret);
    return STATUS_OK;
}

/* ---- verification ---- */

static bool verify_rsa(const struct signature_key *key, const struct algorithm *algorithm,
                       struct slice message, struct slice signature) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options = NULL;
    const EVP_MD *digest = algorithm->digest();
    CHECK(context != NULL);
    bool is_ready = EVP_DigestVerifyInit(context, &options, digest, NULL, key->pkey) == 1;
    if (is_ready && algorithm->is_pss) {
        // RFC 7518 §3.5: the salt is as long as the digest.
        is_ready = EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
                   EVP_PKEY_CTX_set_rsa_mgf1_md(options, digest) == 1 &&
                   EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1;
    }
    bool is_good = is_ready && EVP_DigestVerify(context, signature.ptr, signature.len, message.ptr,
                                                message.len) == 1;
    EVP_MD_CTX_free(context);
    return is_good;
}

static bool verify_ec(const struct signature_key *key, const struct algorithm *algorithm,
                      struct slice message, struct slice signature) {
    static const size_t coordinate_bytes[] = {
        [SIGNATURE_P256] = 32, [SIGNATURE_P384] = 48, [SIGNATURE_P521] = 66};
    if (key->curve != algorithm->curve || signature.len != 2 * coordinate_bytes[key->curve]) {
        return false;
    }
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    if (EVP_Digest(message.ptr, message.len, digest, &digest_len, algorithm->digest(), NULL) != 1) {
        return false;
    }
    return ECDSA_verify_p1363(digest, digest_len, signature.ptr, signature.len, key->ec) == 1;
}

static bool verify_ed25519(const struct signature_key *key, struct slice message,
                           struct slice signature) {
    return signature.len == ED25519_SIGNATURE_LEN &&
           ED25519_verify(message.ptr, message.len, signature.ptr, key->bytes) == 1;
}

static bool verify_hmac(const struct signature_key *key, const struct algorithm *algorithm,
                        struct slice message, struct slice signature) {
    uint8_t expected[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (HMAC(algorithm->digest(), key->bytes, key->len, message.ptr, message.len, expected, &len) ==
        NULL) {
        return false;
    }
    return signature.len == len && CRYPTO_memcmp(expected, signature.ptr, len) == 0;
}

bool signature_verify(const struct signature_key *key, enum signature_algorithm algorithm,
                      struct slice message, struct slice signature) {
    if (algorithm >= SIGNATURE_ALGORITHM_COUNT || algorithms[algorithm].kind != key->kind ||
        signature.len == 0) {
        return false;
    }
    const struct algorithm *chosen = &algorithms[algorithm];
    bool is_good = false;
    switch (key->kind) {
    case KEY_RSA:
        is_good = verify_rsa(key, chosen, message, signature);
        break;
    case KEY_EC:
        is_good = verify_ec(key, chosen, message, signature);
        break;
    case KEY_ED25519:
        is_good = verify_ed25519(key, message, signature);
        break;
    case KEY_HMAC:
        is_good = verify_hmac(key, chosen, message, signature);
        break;
    }
    ERR_clear_error();
    return is_good;
}
