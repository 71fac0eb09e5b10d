// SPDX-License-Identifier: Apache-2.0
#include "src/tls/testing/test_signer.h"

#include <openssl/bn.h>
#include <openssl/curve25519.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include "src/base/check.h"

struct test_signer {
    enum test_signer_kind kind;
    RSA *rsa;
    EC_KEY *ec;
    uint8_t ed_public[ED25519_PUBLIC_KEY_LEN];
    uint8_t ed_private[ED25519_PRIVATE_KEY_LEN];
    uint8_t secret[32];
};

static RSA *make_rsa(int bits) {
    RSA *rsa = RSA_new();
    BIGNUM *e = BN_new();
    CHECK(rsa != NULL && e != NULL && BN_set_word(e, RSA_F4) == 1 &&
          RSA_generate_key_ex(rsa, bits, e, NULL) == 1);
    BN_free(e);
    return rsa;
}

static EC_KEY *make_ec(const EC_GROUP *group) {
    EC_KEY *ec = EC_KEY_new();
    CHECK(ec != NULL && EC_KEY_set_group(ec, group) == 1 && EC_KEY_generate_key(ec) == 1);
    return ec;
}

struct test_signer *test_signer_new(enum test_signer_kind kind) {
    struct test_signer *signer = mem_calloc(1, sizeof(*signer));
    signer->kind = kind;
    switch (kind) {
    case TEST_SIGNER_RSA:
        signer->rsa = make_rsa(2048);
        break;
    case TEST_SIGNER_RSA_1024:
        signer->rsa = make_rsa(1024);
        break;
    case TEST_SIGNER_P256:
        signer->ec = make_ec(EC_group_p256());
        break;
    case TEST_SIGNER_P384:
        signer->ec = make_ec(EC_group_p384());
        break;
    case TEST_SIGNER_P521:
        signer->ec = make_ec(EC_group_p521());
        break;
    case TEST_SIGNER_ED25519:
        ED25519_keypair(signer->ed_public, signer->ed_private);
        break;
    case TEST_SIGNER_HMAC:
        RAND_bytes(signer->secret, sizeof(signer->secret));
        break;
    }
    return signer;
}

void test_signer_free(struct test_signer *signer) {
    if (signer != NULL) {
        RSA_free(signer->rsa);
        EC_KEY_free(signer->ec);
        mem_free(signer);
    }
}

static struct slice number_bytes(const BIGNUM *number, size_t len, struct arena *arena) {
    uint8_t *bytes = arena_alloc_bytes(arena, len);
    CHECK(BN_bn2bin_padded(bytes, len, number) == 1);
    return slice_make(bytes, len);
}

static size_t field_bytes(const EC_KEY *ec) {
    return (EC_GROUP_get_degree(EC_KEY_get0_group(ec)) + 7) / 8;
}

static struct slice coordinate(const EC_KEY *ec, int index, struct arena *arena) {
    BIGNUM *x = BN_new();
    BIGNUM *y = BN_new();
    CHECK(x != NULL && y != NULL &&
          EC_POINT_get_affine_coordinates_GFp(EC_KEY_get0_group(ec), EC_KEY_get0_public_key(ec), x,
                                              y, NULL) == 1);
    struct slice bytes = number_bytes(index == 0 ? x : y, field_bytes(ec), arena);
    BN_free(x);
    BN_free(y);
    return bytes;
}

struct slice test_signer_parameter(const struct test_signer *signer, int index,
                                   struct arena *arena) {
    if (signer->rsa != NULL) {
        const BIGNUM *number = index == 0 ? RSA_get0_n(signer->rsa) : RSA_get0_e(signer->rsa);
        return number_bytes(number, BN_num_bytes(number), arena);
    }
    if (signer->ec != NULL) {
        return coordinate(signer->ec, index, arena);
    }
    return signer->kind == TEST_SIGNER_ED25519
               ? slice_make(signer->ed_public, sizeof(signer->ed_public))
               : slice_make(signer->secret, sizeof(signer->secret));
}

struct slice test_base64url(struct slice bytes, struct arena *arena) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t *text = arena_alloc_bytes(arena, bytes.len * 4 / 3 + 4);
    size_t len = 0;
    uint32_t bits = 0;
    unsigned count = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        bits = bits << 8 | bytes.ptr[i];
        for (count += 8; count >= 6; count -= 6) {
            text[len++] = (uint8_t)alphabet[bits >> (count - 6) & 63];
        }
    }
    if (count > 0) {
        text[len++] = (uint8_t)alphabet[bits << (6 - count) & 63];
    }
    return slice_make(text, len);
}

struct slice test_signer_jwk(const struct test_signer *signer, const char *members,
                             struct arena *arena) {
    static const char *const curves[] = {
        [TEST_SIGNER_P256] = "P-256", [TEST_SIGNER_P384] = "P-384", [TEST_SIGNER_P521] = "P-521"};
    struct slice a = test_base64url(test_signer_parameter(signer, 0, arena), arena);
    struct slice b = test_base64url(test_signer_parameter(signer, 1, arena), arena);
    if (signer->rsa != NULL) {
        return arena_printf(arena, "{\"kty\":\"RSA\",\"n\":\"%.*s\",\"e\":\"%.*s\"%s}",
                            SLICE_ARG(a), SLICE_ARG(b), members);
    }
    if (signer->ec != NULL) {
        return arena_printf(arena,
                            "{\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%.*s\",\"y\":\"%.*s\"%s}",
                            curves[signer->kind], SLICE_ARG(a), SLICE_ARG(b), members);
    }
    if (signer->kind == TEST_SIGNER_ED25519) {
        return arena_printf(arena, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%.*s\"%s}",
                            SLICE_ARG(a), members);
    }
    return arena_printf(arena, "{\"kty\":\"oct\",\"k\":\"%.*s\"%s}", SLICE_ARG(a), members);
}

static const EVP_MD *digest_of(enum signature_algorithm algorithm) {
    switch (algorithm) {
    case SIGNATURE_RS384:
    case SIGNATURE_PS384:
    case SIGNATURE_ES384:
    case SIGNATURE_HS384:
        return EVP_sha384();
    case SIGNATURE_RS512:
    case SIGNATURE_PS512:
    case SIGNATURE_ES512:
    case SIGNATURE_HS512:
        return EVP_sha512();
    case SIGNATURE_RS256:
    case SIGNATURE_PS256:
    case SIGNATURE_ES256:
    case SIGNATURE_HS256:
    case SIGNATURE_EDDSA:
    case SIGNATURE_ALGORITHM_COUNT:
        break;
    }
    return EVP_sha256();
}

static struct slice sign_rsa(const struct test_signer *signer, enum signature_algorithm algorithm,
                             struct slice message, struct arena *arena) {
    EVP_PKEY *pkey = EVP_PKEY_new();
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options = NULL;
    const EVP_MD *digest = digest_of(algorithm);
    CHECK(pkey != NULL && context != NULL && EVP_PKEY_set1_RSA(pkey, signer->rsa) == 1 &&
          EVP_DigestSignInit(context, &options, digest, NULL, pkey) == 1);
    if (algorithm >= SIGNATURE_PS256) {
        CHECK(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
              EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1);
    }
    size_t len = RSA_size(signer->rsa);
    uint8_t *bytes = arena_alloc_bytes(arena, len);
    CHECK(EVP_DigestSign(context, bytes, &len, message.ptr, message.len) == 1);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(pkey);
    return slice_make(bytes, len);
}

static struct slice sign_ec(const struct test_signer *signer, enum signature_algorithm algorithm,
                            struct slice message, struct arena *arena) {
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    size_t half = field_bytes(signer->ec);
    CHECK(EVP_Digest(message.ptr, message.len, digest, &digest_len, digest_of(algorithm), NULL));
    ECDSA_SIG *pair = ECDSA_do_sign(digest, digest_len, signer->ec);
    CHECK(pair != NULL);
    uint8_t *bytes = arena_alloc_bytes(arena, 2 * half);
    CHECK(BN_bn2bin_padded(bytes, half, ECDSA_SIG_get0_r(pair)) == 1 &&
          BN_bn2bin_padded(bytes + half, half, ECDSA_SIG_get0_s(pair)) == 1);
    ECDSA_SIG_free(pair);
    return slice_make(bytes, 2 * half);
}

struct slice test_signer_sign(const struct test_signer *signer, enum signature_algorithm algorithm,
                              struct slice message, struct arena *arena) {
    if (signer->rsa != NULL) {
        CHECK(algorithm <= SIGNATURE_PS512);
        return sign_rsa(signer, algorithm, message, arena);
    }
    if (signer->ec != NULL) {
        return sign_ec(signer, algorithm, message, arena);
    }
    uint8_t *bytes = arena_alloc_bytes(arena, EVP_MAX_MD_SIZE);
    if (signer->kind == TEST_SIGNER_ED25519) {
        CHECK(ED25519_sign(bytes, message.ptr, message.len, signer->ed_private) == 1);
        return slice_make(bytes, ED25519_SIGNATURE_LEN);
    }
    unsigned len = 0;
    CHECK(HMAC(digest_of(algorithm), signer->secret, sizeof(signer->secret), message.ptr,
               message.len, bytes, &len) != NULL);
    return slice_make(bytes, len);
}

struct slice test_signer_token(const struct test_signer *signer, enum signature_algorithm algorithm,
                               const char *header, const char *payload, struct arena *arena) {
    struct slice head = test_base64url(slice_from_string(header), arena);
    struct slice body = test_base64url(slice_from_string(payload), arena);
    struct slice signed_text = arena_printf(arena, "%.*s.%.*s", SLICE_ARG(head), SLICE_ARG(body));
    struct slice signature = test_signer_sign(signer, algorithm, signed_text, arena);
    struct slice tail = test_base64url(signature, arena);
    return arena_printf(arena, "%.*s.%.*s", SLICE_ARG(signed_text), SLICE_ARG(tail));
}
