// SPDX-License-Identifier: Apache-2.0
/*
 * Verification of detached signatures under bare public keys, as JSON web keys carry them (RFC 7518 §3,
 * RFC 8037). A key is immutable and may be used by all threads; whoever made it frees it. An algorithm
 * that does not belong to the key's type or curve never verifies, so a token cannot choose to have a
 * public key taken for an HMAC secret.
 */
#ifndef SRC_TLS_SIGNATURE_H
#define SRC_TLS_SIGNATURE_H

#include <stdbool.h>

#include "src/base/error.h"
#include "src/base/slice.h"

struct signature_key;

#define SIGNATURE_ALGORITHMS(X)                                                                    \
    X(RS256)                                                                                       \
    X(RS384)                                                                                       \
    X(RS512)                                                                                       \
    X(PS256)                                                                                       \
    X(PS384)                                                                                       \
    X(PS512)                                                                                       \
    X(ES256)                                                                                       \
    X(ES384)                                                                                       \
    X(ES512)                                                                                       \
    X(HS256)                                                                                       \
    X(HS384)                                                                                       \
    X(HS512)                                                                                       \
    X(EDDSA)
enum signature_algorithm {
#define SIGNATURE_ENUM(name) SIGNATURE_##name,
    SIGNATURE_ALGORITHMS(SIGNATURE_ENUM)
#undef SIGNATURE_ENUM
        SIGNATURE_ALGORITHM_COUNT,
};

enum signature_curve { SIGNATURE_P256, SIGNATURE_P384, SIGNATURE_P521 };

/* SIGNATURE_ALGORITHM_COUNT for a name that is not known; "none" is not. Names as in the "alg" field. */
enum signature_algorithm signature_algorithm_of(struct slice name);

/* Modulus and exponent, big endian. STATUS_INVALID for less than 2048 bits (RFC 7518 §3.3) or an
 * exponent that no sound key has. */
enum status signature_key_new_rsa(struct slice n, struct slice e, struct signature_key **key,
                                  struct error *err) MUST_USE;
/* Coordinates, big endian; STATUS_INVALID for what is no point of the curve. */
enum status signature_key_new_ec(enum signature_curve curve, struct slice x, struct slice y,
                                 struct signature_key **key, struct error *err) MUST_USE;
/* The 32 bytes of an Ed25519 public key. */
enum status signature_key_new_ed25519(struct slice x, struct signature_key **key,
                                      struct error *err) MUST_USE;
/* A shared secret, not empty; wiped when the key is freed. */
enum status signature_key_new_hmac(struct slice secret, struct signature_key **key,
                                   struct error *err) MUST_USE;
void signature_key_free(struct signature_key *key); /* NULL allowed */

/* `signature` as JWS has it: ECDSA is r and s of the curve's size, one after the other. */
bool signature_verify(const struct signature_key *key, enum signature_algorithm algorithm,
                      struct slice message, struct slice signature);

#endif
