// SPDX-License-Identifier: Apache-2.0
/*
 * What can be wrong with a token or a key set, in Envoy's words: the texts are bodies of answers and
 * parts of response code details, their order is the number that failed_status_in_metadata tells.
 */
#ifndef FILTERS_HTTP_JWT_AUTHN_JWT_STATUS_H
#define FILTERS_HTTP_JWT_AUTHN_JWT_STATUS_H

#include "src/base/slice.h"

#define JWT_STATUSES(X)                                                                            \
    X(JWT_OK, "OK")                                                                                \
    X(JWT_MISSING, "Jwt is missing")                                                               \
    X(JWT_NOT_YET_VALID, "Jwt not yet valid")                                                      \
    X(JWT_EXPIRED, "Jwt is expired")                                                               \
    X(JWT_BAD_FORMAT,                                                                              \
      "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections")           \
    X(JWT_HEADER_BAD_BASE64, "Jwt header is an invalid Base64url encoded")                         \
    X(JWT_HEADER_BAD_JSON, "Jwt header is an invalid JSON")                                        \
    X(JWT_HEADER_BAD_ALG, "Jwt header [alg] field is required and must be a string")               \
    X(JWT_HEADER_UNKNOWN_ALG, "Jwt header [alg] is not supported")                                 \
    X(JWT_HEADER_BAD_KID, "Jwt header [kid] field is not a string")                                \
    X(JWT_PAYLOAD_BAD_BASE64, "Jwt payload is an invalid Base64url encoded")                       \
    X(JWT_PAYLOAD_BAD_JSON, "Jwt payload is an invalid JSON")                                      \
    X(JWT_PAYLOAD_BAD_ISS, "Jwt payload [iss] field is not a string")                              \
    X(JWT_PAYLOAD_BAD_SUB, "Jwt payload [sub] field is not a string")                              \
    X(JWT_PAYLOAD_BAD_IAT, "Jwt payload [iat] field is not an integer")                            \
    X(JWT_PAYLOAD_IAT_RANGE, "Jwt payload [iat] field is not a positive 64 bit integer")           \
    X(JWT_PAYLOAD_BAD_NBF, "Jwt payload [nbf] field is not an integer")                            \
    X(JWT_PAYLOAD_NBF_RANGE, "Jwt payload [nbf] field is not a positive 64 bit integer")           \
    X(JWT_PAYLOAD_BAD_EXP, "Jwt payload [exp] field is not an integer")                            \
    X(JWT_PAYLOAD_EXP_RANGE, "Jwt payload [exp] field is not a positive 64 bit integer")           \
    X(JWT_PAYLOAD_BAD_JTI, "Jwt payload [jti] field is not a string")                              \
    X(JWT_PAYLOAD_BAD_AUD, "Jwt payload [aud] field is not a string or string list")               \
    X(JWT_SIGNATURE_BAD_BASE64, "Jwt signature is an invalid Base64url encoded")                   \
    X(JWT_ED25519_LENGTH, "Jwt ED25519 signature is wrong length")                                 \
    X(JWT_UNKNOWN_ISSUER, "Jwt issuer is not configured")                                          \
    X(JWT_AUDIENCE_NOT_ALLOWED, "Audiences in Jwt are not allowed")                                \
    X(JWT_VERIFICATION_FAILED, "Jwt verification fails")                                           \
    X(JWT_MULTIPLE_TOKENS, "Found multiple Jwt tokens")                                            \
    X(JWKS_BAD_JSON, "Jwks is an invalid JSON")                                                    \
    X(JWKS_NO_KEYS, "Jwks does not have [keys] field")                                             \
    X(JWKS_BAD_KEYS, "[keys] in Jwks is not an array")                                             \
    X(JWKS_NO_VALID_KEYS, "Jwks doesn't have any valid public key")                                \
    X(JWKS_NO_MATCH, "Jwks doesn't have key to match kid or alg from Jwt")                         \
    X(JWKS_BAD_RSA, "Jwks RSA [n] or [e] field is missing or has a parse error")                   \
    X(JWKS_EC_CREATE, "Jwks EC create key fail")                                                   \
    X(JWKS_EC_BASE64, "Jwks EC [x] or [y] field is an invalid Base64.")                            \
    X(JWKS_EC_PARSE, "Jwks EC [x] and [y] fields have a parse error.")                             \
    X(JWKS_OCT_BASE64, "Jwks Oct key is an invalid Base64")                                        \
    X(JWKS_OKP_BASE64, "Jwks OKP [x] field is an invalid Base64.")                                 \
    X(JWKS_OKP_LENGTH, "Jwks OKP [x] field is wrong length.")                                      \
    X(JWKS_FETCH_FAILED, "Jwks remote fetch is failed")                                            \
    X(JWKS_NO_KTY, "[kty] is missing in [keys]")                                                   \
    X(JWKS_BAD_KTY, "[kty] is bad in [keys]")                                                      \
    X(JWKS_UNKNOWN_KTY, "[kty] is not supported in [keys]")                                        \
    X(JWKS_RSA_BAD_ALG, "[alg] is not started with [RS] or [PS] for an RSA key")                   \
    X(JWKS_EC_BAD_ALG, "[alg] is not started with [ES] for an EC key")                             \
    X(JWKS_EC_UNKNOWN_CURVE, "[crv] or [alg] field is not supported for an EC key")                \
    X(JWKS_EC_ALG_AND_CURVE, "[crv] field specified is not compatible with [alg] for an EC key")   \
    X(JWKS_HMAC_BAD_ALG, "[alg] does not start with [HS] for an HMAC key")                         \
    X(JWKS_OKP_BAD_ALG, "[alg] is not [EdDSA] for an OKP key")                                     \
    X(JWKS_OKP_UNKNOWN_CURVE, "[crv] field is not supported for an OKP key")

enum jwt_status {
#define JWT_STATUS_ENUM(id, text) id,
    JWT_STATUSES(JWT_STATUS_ENUM)
#undef JWT_STATUS_ENUM
        JWT_PENDING, /* a key set is being fetched: ask again */
};

/* Static text. */
struct slice jwt_status_text(enum jwt_status status);

#endif
