// SPDX-License-Identifier: Apache-2.0
/*
 * Private keys made at test time that sign tokens: the JSON web key of their public half, and signatures
 * in JWS form. Linked by tests only.
 */
#ifndef SRC_TLS_TESTING_TEST_SIGNER_H
#define SRC_TLS_TESTING_TEST_SIGNER_H

#include "src/base/arena.h"
#include "src/tls/signature.h"

struct test_signer;

enum test_signer_kind {
    TEST_SIGNER_RSA,
    TEST_SIGNER_RSA_1024,
    TEST_SIGNER_P256,
    TEST_SIGNER_P384,
    TEST_SIGNER_P521,
    TEST_SIGNER_ED25519,
    TEST_SIGNER_HMAC,
};

struct test_signer *test_signer_new(enum test_signer_kind kind);
void test_signer_free(struct test_signer *signer);

/* The parameters of the key, RSA: n and e; EC: x and y; the others: one value. */
struct slice test_signer_parameter(const struct test_signer *signer, int index,
                                   struct arena *arena);
/* {"kty":…,…<members>}: `members` is text of further members with a comma in front, or "". */
struct slice test_signer_jwk(const struct test_signer *signer, const char *members,
                             struct arena *arena);
/* Aborts where the algorithm does not fit the key. */
struct slice test_signer_sign(const struct test_signer *signer, enum signature_algorithm algorithm,
                              struct slice message, struct arena *arena);
struct slice test_base64url(struct slice bytes, struct arena *arena);
/* header.payload.signature of the two documents. */
struct slice test_signer_token(const struct test_signer *signer, enum signature_algorithm algorithm,
                               const char *header, const char *payload, struct arena *arena);

#endif
